"""
Records in rich's own columns.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from rich.console import Console
from rich.logging import RichHandler as _RichHandler
from rich.text import Text

from .. import options
from ..fields import fields_of, message_of
from ..formatters.text import escaped, pairs
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
            console = Console(file=getattr(sys, name), soft_wrap=True)
        options.refuse_unknown(
            rich_options, options.names_of(_RichHandler.__init__)
        )
        super().__init__(level=level, console=console, **rich_options)
        self.set_up(filters, formatter_options)
        self._wrote = self.ledger.wrote

    def format(self, record: logging.LogRecord) -> str:
        """
        The message, or what a configured formatter makes of the record.
        """
        if self.formatter is None:
            return escaped(message_of(record))
        try:
            return self.formatter.format(record)
        except Exception:
            return escaped(message_of(record))

    def render_message(self, record: logging.LogRecord, message: str) -> Any:
        """
        The message as rich renders it, and the fields behind it.
        """
        try:
            rendered: Any = super().render_message(record, message)
        except Exception:  # markup that does not parse
            rendered = Text(message)
        fields = fields_of(record)
        for name in ("markup", "highlighter"):  # rich's own extra fields
            fields.pop(name, None)
        if self._show_fields and fields and isinstance(rendered, Text):
            rendered = rendered.copy()
            for name, text in pairs(fields):
                rendered.append(f"  {name}=", style="cyan")
                rendered.append(text, style="bold")
        return rendered

    def emit(self, record: logging.LogRecord) -> None:
        """
        Print the record; what goes wrong is counted.
        """
        before = self.ledger.lost
        try:
            super().emit(record)
        except Exception:
            self.handleError(record)
        else:
            if self.ledger.lost == before:
                self._wrote()
