"""
How loggers, handlers, formatters and filters hang together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import nearest
from .findings import Report
from .model import Lines, Logger, Part, Reference, Setup

__all__ = ["check"]

_PAYLOADS = "S3PayloadHandler"
# What lets a record go when its log call, and its context, are over
_KEEPERS = ("QueueHandler", "MemoryHandler", "SocketHandler")
_NO_CONTEXT = "records do not get the context of mllog.bind"
_ADD_CONTEXT = "add mllog.ContextFilter to the filters of this handler"


def check(setup: Setup, report: Report) -> None:
    """
    Report what is referred to in vain, twice, not at all or too late.
    """
    if setup.is_incremental:
        return
    for logger in setup.loggers:
        _check_names(logger.handlers, setup.handlers, "handler", report)
        _check_names(logger.filters, setup.filters, "filter", report)
        _check_filters(logger, setup, report)
    for handler in setup.handlers.values():
        formatter = [handler.formatter] if handler.formatter else []
        _check_names(formatter, setup.formatters, "formatter", report)
        _check_names(handler.filters, setup.filters, "filter", report)
        _check_names(handler.targets, setup.handlers, "handler", report)
        _check_delay(handler, setup, report)
    _check_use(setup, report)
    _check_doubles(setup.loggers, report)


def _check_names(
    references: Iterable[Reference],
    defined: Mapping[str, Part],
    kind: str,
    report: Report,
) -> None:
    for reference in references:
        if reference.name not in defined:
            near = nearest(reference.name, defined)
            report.error(
                reference.path,
                f"no {kind} is called {reference.name!r}",
                f"write {near}" if near else f"define it among the {kind}s",
            )


def _check_filters(logger: Logger, setup: Setup, report: Report) -> None:
    name = f"logger {logger.name!r}" if logger.name else "the root logger"
    for reference in logger.filters:
        part = setup.filters.get(reference.name)
        fix = "put it on the handlers"
        if part and part.class_name.endswith("RedactingFilter"):
            report.error(
                reference.path,
                f"redaction on {name}: records of its children pass by it"
                " unredacted",
                fix,
            )
        else:
            report.warning(
                reference.path,
                f"a filter on {name} sees only records logged by it, not"
                " those of its children",
                fix,
            )


def _check_delay(handler: Part, setup: Setup, report: Report) -> None:
    """
    Report a handler that keeps records and hands them on later.
    """
    targets = [setup.handlers.get(each.name) for each in handler.targets]
    ours = sorted(part.label for part in targets if part and part.is_ours)
    is_queue = handler.is_a("QueueHandler")
    shippers = [
        part.label for part in targets if part and part.is_a("ShippingHandler")
    ]
    payloads = [part for part in targets if part and part.is_a(_PAYLOADS)]
    if payloads and (is_queue or handler.is_a("MemoryHandler")):
        report.warning(
            handler.path,
            f"{handler.label} in front of {payloads[0].label}: payloads are"
            " encoded later, when images and tensors may have changed",
            "attach it directly: it encodes at the log call, and has a queue"
            " of its own",
        )
    elif is_queue and shippers and len(shippers) == len(targets):
        report.warning(
            handler.path,
            f"{handler.label} in front of {', '.join(sorted(shippers))} is"
            " needless: that queues by itself and sends in a thread of its own",
            "attach it directly: then values are read at the log call, and its"
            " queue is bounded and counted",
        )
    elif ours and (is_queue or handler.is_a("MemoryHandler")):
        has_context = _has_context(handler, setup)
        report.warning(
            handler.path,
            f"{handler.label} in front of {', '.join(ours)}: values are read"
            " later, when tensors may have changed"
            + ("" if has_context else f", and {_NO_CONTEXT}"),
            "attach it directly; else log plain numbers"
            + ("" if has_context else f", and {_ADD_CONTEXT}"),
        )
    elif handler.is_a(*_KEEPERS) and not _has_context(handler, setup):
        report.warning(
            handler.path,
            f"{handler.label} hands records on later, or to another process:"
            f" values may have changed by then, and {_NO_CONTEXT}",
            _ADD_CONTEXT,
        )


def _has_context(handler: Part, setup: Setup) -> bool:
    filters = (setup.filters.get(each.name) for each in handler.filters)
    return any(
        part is not None and part.class_name.endswith("ContextFilter")
        for part in filters
    )


def _check_use(setup: Setup, report: Report) -> None:
    handlers = list(setup.handlers.values())
    used = {
        "handler": _named(
            *(logger.handlers for logger in setup.loggers),
            *(part.targets for part in handlers),
        ),
        "formatter": _named(
            *((part.formatter,) for part in handlers if part.formatter)
        ),
        "filter": _named(
            *(logger.filters for logger in setup.loggers),
            *(part.filters for part in handlers),
        ),
    }
    for part in (
        *handlers,
        *setup.formatters.values(),
        *setup.filters.values(),
    ):
        kind = part.kind[:-1]
        if part.name not in used[kind] | setup.used:
            report.warning(
                part.path,
                f"{kind} {part.name!r} is not used",
                f"name it in a {'logger' if kind == 'handler' else 'handler'}"
                ", or take it out",
            )


def _named(*groups: Iterable[Reference]) -> set[str]:
    return {reference.name for group in groups for reference in group}


def _check_doubles(loggers: list[Logger], report: Report) -> None:
    """
    Report a handler that a record of one logger reaches twice.
    """
    lines = Lines(loggers)
    for logger in loggers:
        mine = {reference.name: reference for reference in logger.handlers}
        for above in lines.way(logger.name):
            if above is logger:
                continue
            for name in sorted(mine.keys() & _named(above.handlers)):
                report.warning(
                    mine.pop(name).path,
                    f"handler {name!r} is also on"
                    f" {repr(above.name) if above.name else 'root'}: it gets"
                    f" every record of {logger.name!r} twice",
                    f"take it out here, or set propagate of {logger.name!r}"
                    " to false",
                )
