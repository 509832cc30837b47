"""
Records in rich's own columns.
"""

from __future__ import annotations

import logging
from typing import Any

from rich.console import Console
from rich.logging import RichHandler as _RichHandler
from rich.text import Text

from .. import options
from ..fields import error_of, fields_of, message_of
from ..formatters.exceptions import is_text, trace
from ..formatters.rich import LONGEST_HIGHLIGHT, is_drawable
from ..formatters.text import (
    escaped,
    escaped_lines,
    info_of,
    pairs,
    trouble_of,
)
from ..handling import Handling

__all__ = ["RichHandler"]


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
            console = Console(stderr=name == "stderr", soft_wrap=True)
        known = [RichHandler.__init__, _RichHandler.__init__]
        options.refuse_unknown(
            rich_options,
            list(dict.fromkeys(n for f in known for n in options.names_of(f))),
        )
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
                first.append(f"  {name}=", style="cyan")
                first.append(text, style="bold")
            rendered = Text("\n").join([first, *below])
        return rendered

    def render(self, *, traceback: Any, **more: Any) -> Any:
        """
        All that is shown of a record, with the locals of a traceback cut.
        """
        if traceback is not None:
            _cut_locals(traceback.trace)
        return super().render(traceback=traceback, **more)

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
        copy = logging.makeLogRecord(record.__dict__)
        copy.levelname = escaped(str(record.levelname))
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


def _cut_locals(trace: Any) -> None:
    """
    Cut what the ``repr`` of locals is longer than rich can search.
    """
    traces = [trace]
    while traces:
        for stack in traces.pop().stacks:
            traces += getattr(stack, "exceptions", ())
            nodes = [
                node
                for frame in stack.frames
                for node in (frame.locals or {}).values()
            ]
            while nodes:
                node = nodes.pop()
                nodes += node.children or ()
                node.key_repr = _cut(node.key_repr)
                node.value_repr = _cut(node.value_repr)


def _cut(text: str) -> str:
    """
    *text*, or its begin and the number of characters that are missing.
    """
    more = len(text) - LONGEST_HIGHLIGHT
    return f"{text[:LONGEST_HIGHLIGHT]}…+{more}" if more > 0 else text
