"""
Records in rich's own columns.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from rich.console import Console
from rich.logging import RichHandler as _RichHandler
from rich.pretty import Node
from rich.text import Text

from .. import options
from ..context import copied
from ..env import odd_sizes
from ..fields import error_of, fields_of, message_of
from ..filters.record_filter import LINES_AROUND, RecordFilter
from ..formatters.exceptions import is_text, said, trace
from ..formatters.rich import LONGEST_HIGHLIGHT, is_drawable
from ..formatters.text import (
    escaped,
    escaped_lines,
    info_of,
    pairs,
    trouble_of,
)
from ..handling import Handling
from ..values import encodable

__all__ = ["RichHandler"]

# how rich ends a text that it cut
_CUT = re.compile(r"['\"]\+\d+$")


class RichHandler(Handling, _RichHandler):
    """
    ``rich.logging.RichHandler`` that shows the fields and never raises.

    Every option of rich's handler works.  Level and formatter stay as they
    are configured.  For the fastest console take ConsoleHandler.

    Guarantee:
        ``%`` arguments that do not fit and markup that does not parse are
        written as they are; nothing raises into the application.

    Args:
        level: Lowest level.

        console: A rich Console; None makes one for *stream*.

        stream: ``"stdout"`` or ``"stderr"``, where plain data cannot carry a
            console.

        show_fields: Whether the fields are shown behind the message.

        filters: Filters, or plain data that names them.

        formatter_options: Options for the formatter.

        rich_options: Those of rich's handler: ``markup``,
            ``rich_tracebacks``, ``show_path``, …

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.
    """

    @options.checked
    def __init__(
        self,
        level: int | str = logging.NOTSET,
        console: Console | None = None,
        *,
        stream: str = "stdout",
        show_fields: bool | str = True,
        filters: Any = None,
        formatter_options: Any = None,
        **rich_options: Any,
    ) -> None:
        self._show_fields = options.boolean("show_fields", show_fields)
        name = options.choice(
            "stream", stream.removeprefix("sys."), ("stdout", "stderr")
        )
        if console is None:
            # without a file it asks for sys.stdout or sys.stderr each time
            odd = odd_sizes(os.environ)
            console = Console(
                stderr=name == "stderr",
                soft_wrap=True,
                _environ={
                    each: os.environ[each]
                    for each in os.environ
                    if each not in odd
                }
                if odd
                else None,
            )
        known = [RichHandler.__init__, _RichHandler.__init__]
        options.refuse_unknown(
            rich_options,
            list(dict.fromkeys(n for f in known for n in options.names_of(f))),
        )
        level = options.level("level", level)
        super().__init__(level=level, console=console, **rich_options)
        self.set_up(filters, formatter_options)
        self._wrote = self.ledger.wrote

    def format(self, record: logging.LogRecord) -> str:
        """
        The message and the traceback, or what a configured formatter makes of it.
        """
        if self.formatter is not None:
            try:
                return self.formatter.format(record)
            except Exception:
                pass
        return "\n".join(
            [
                escaped(message_of(record)),
                *trouble_of(logging.Formatter(), record),
            ]
        )

    def render_message(self, record: logging.LogRecord, message: str) -> Any:
        """
        The message as rich renders it, and the fields behind it.
        """
        encoding = self.console.encoding
        message = encodable(message, encoding)
        rendered: Any = Text(message)
        if len(message) <= LONGEST_HIGHLIGHT:
            try:
                rendered = super().render_message(record, message)
            except Exception:  # markup that does not parse
                pass
        fields = fields_of(record)
        for name in ("markup", "highlighter"):  # rich's own extra fields
            fields.pop(name, None)
        if self._show_fields and fields and isinstance(rendered, Text):
            first, *below = rendered.split("\n")
            for name, text in pairs(fields):
                shown = encodable(f"  {name}=", encoding)
                first.append(shown, style="cyan")
                first.append(encodable(text, encoding), style="bold")
            rendered = Text("\n").join([first, *below])
        return rendered

    def render(
        self, *, record: Any, traceback: Any, message_renderable: Any
    ) -> Any:
        """
        All that is shown of a record, with the locals of a traceback cut.
        """
        if traceback is not None:
            filters = self._record_filters(record.name)
            if filters:
                _redact_locals(traceback.trace, filters, self._max_string)
            _cut_locals(traceback.trace)
        shown = [message_renderable, *([traceback] if traceback else [])]
        moment, time_format = _time_of(record, self.formatter)
        path = escaped(said(record.pathname))
        return self._log_render(
            self.console,
            shown,
            log_time=moment,
            time_format=time_format,
            level=self.get_level_text(record),
            path=os.path.basename(path),
            line_no=record.lineno,
            link_path=path if self.enable_link_path else None,
        )

    def _record_filters(self, name: str) -> list[RecordFilter]:
        """
        The filters of ours that a record of the logger *name* came through.
        """
        known = logging.Logger.manager.loggerDict.get(name)
        of_logger = known.filters if isinstance(known, logging.Logger) else ()
        return [
            each
            for each in (*of_logger, *self.filters)
            if isinstance(each, RecordFilter)
        ]

    def _has_record_filter(self) -> bool:
        return any(isinstance(each, RecordFilter) for each in self.filters)

    @property  # type: ignore[override]
    def locals_max_string(self) -> int | None:
        """
        Where rich cuts the text of locals: nowhere, if it is filtered first.
        """
        return None if self._has_record_filter() else self._max_string

    @locals_max_string.setter
    def locals_max_string(self, value: int | None) -> None:
        self._max_string = value

    @property
    def tracebacks_extra_lines(self) -> int:
        """
        Lines of source around those that ran: no more than filters look at.
        """
        if self._has_record_filter():
            return min(self._extra_lines, LINES_AROUND)
        return self._extra_lines

    @tracebacks_extra_lines.setter
    def tracebacks_extra_lines(self, value: int) -> None:
        self._extra_lines = value

    def emit(self, record: logging.LogRecord) -> None:
        """
        Print the record; what goes wrong is counted.
        """
        self._failed = False
        try:
            super().emit(self._as_rich_takes_it(record))
        except Exception:
            self.handleError(record)
        if not self._failed:
            self._wrote()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """
        Count a record that was lost, and report it.
        """
        self._failed = True
        super().handleError(record)

    def _as_rich_takes_it(self, record: logging.LogRecord) -> Any:
        """
        A copy: rich formats the message again for a traceback, and writes on it.
        """
        copy = copied(record, {"levelname": escaped(said(record.levelname))})
        error = error_of(record)
        copy.exc_info = None if error is None else info_of(error)
        if error is None or not self.rich_tracebacks:
            return copy
        copy.msg, copy.args = escaped(message_of(record)), None
        text = (
            trace(error, chain=True)
            if is_text(error)
            else logging.Formatter().formatException(info_of(error))
        )
        if not is_drawable(error, text):
            copy.exc_info, copy.exc_text = None, escaped_lines(text)
        return copy


def _time_of(
    record: logging.LogRecord, formatter: logging.Formatter | None
) -> tuple[datetime, Any]:
    """
    When *record* was made, and how rich is to show it.

    rich itself looks at a formatter's ``datefmt``; here its ``converter`` and
    its ``formatTime`` count as well.
    """
    try:
        moment = _local(record.created)
    except Exception:  # makeLogRecord takes anything for a time
        return _local(0.0), None
    if formatter is None:
        return moment, None
    with suppress(Exception):
        home = formatter.formatTime.__module__
        if home != "logging" and not home.startswith("mllog.formatters."):
            text = str(formatter.formatTime(record, formatter.datefmt))
            return moment, lambda _: Text(text)
        if formatter.converter is not time.localtime:
            parts = formatter.converter(record.created)
            moment = moment.replace(*parts[:6])
    return moment, formatter.datefmt


def _local(created: float) -> datetime:
    return datetime.fromtimestamp(created, timezone.utc).astimezone()


def _locals_of(trace: Any) -> Iterator[tuple[dict[str, Node], str, Node]]:
    """
    Every local variable of *trace*: where it is held, its name and its tree.
    """
    traces = [trace]
    while traces:
        for stack in traces.pop().stacks:
            traces += getattr(stack, "exceptions", ())
            for frame in stack.frames:
                held = frame.locals or {}
                for name, node in list(held.items()):
                    yield held, name, node


def _redact_locals(
    trace: Any, filters: list[RecordFilter], longest: int | None
) -> None:
    """
    Show of local variables what *filters* let through.
    """
    for held, name, node in _locals_of(trace):
        text = str(node)
        clean = _shown(name, text, filters)
        if clean != text:
            held[name] = Node(value_repr=clean)
            continue
        nodes = [node]
        while nodes:
            each = nodes.pop()
            children = each.children or []
            for child in children:
                if child.key_repr:
                    child.value_repr = _leaf(child.key_repr, child, filters)
            if len(children) == 2 and not children[0].key_repr:
                first, second = children  # as in ("Authorization", "…")
                second.value_repr = _leaf(first.value_repr, second, filters)
            nodes += children
            if each.value_repr:
                each.value_repr = _short(each.value_repr, longest)


def _leaf(name: str, node: Node, filters: list[RecordFilter]) -> str:
    """
    What may be shown of a leaf under the repr of a *name*.
    """
    name = name.removeprefix("b").strip("'\"")
    return _shown(name, node.value_repr, filters) if node.value_repr else ""


def _shown(name: str, text: str, filters: list[RecordFilter]) -> str:
    for each in filters:
        text = each.shown(name, text)
    return text


def _short(text: str, longest: int | None) -> str:
    """
    The repr of a text, cut as rich cuts it; what it cut itself is not shown.
    """
    if _CUT.search(text):
        return "…"
    if longest is None or text[0] not in "'\"":
        return text
    more = len(text) - 2 - longest
    return f"{text[: longest + 1]}{text[0]}+{more}" if more > 0 else text


def _cut_locals(trace: Any) -> None:
    """
    Cut what the ``repr`` of locals is longer than rich can search.
    """
    for _, _, node in _locals_of(trace):
        nodes = [node]
        while nodes:
            each = nodes.pop()
            nodes += each.children or ()
            each.key_repr = _cut(each.key_repr)
            each.value_repr = _cut(each.value_repr)


def _cut(text: str) -> str:
    """
    *text*, or its begin and the number of characters that are missing.
    """
    more = len(text) - LONGEST_HIGHLIGHT
    return f"{text[:LONGEST_HIGHLIGHT]}…+{more}" if more > 0 else text
