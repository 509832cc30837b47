"""
Records on the console: for people on a terminal, for programs in a pipe.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from .. import options
from ..formatters.text import TextFormatter
from ..handling import Handling
from ..values import encodable

__all__ = ["ConsoleHandler"]

_STREAMS = ("stderr", "stdout")

if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[Any]
else:  # Python 3.10 cannot subscript it
    _StreamHandler = logging.StreamHandler


class ConsoleHandler(Handling, _StreamHandler):
    """
    Write coloured lines to a terminal, JSON or text lines to anything else.

    A formatter that is configured is used as it is.  Without one, a terminal
    gets a RichFormatter, and a pipe or file what *piped* says: that is what
    ``formatter`` is then, for who copies it to another handler, as tqdm's
    ``logging_redirect_tqdm`` does, and ``logging.basicConfig`` leaves it.

    Guarantee:
        A closed stream or a broken pipe costs records, which are counted, and
        never an exception.

    Args:
        stream: ``"stderr"`` or ``"stdout"``, looked up at each record, so that
            it may be replaced; or a stream.

        piped: ``"text"`` or ``"json"``: what is written where it is no
            terminal.

        color: True or False; None decides by the stream, ``NO_COLOR``,
            ``FORCE_COLOR`` and ``TERM``.

        filters: Filters, or plain data that names them.

        formatter_options: Options for the formatter.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.
    """

    @options.checked
    def __init__(
        self,
        stream: Any = "stderr",
        *,
        piped: str = "text",
        color: bool | str | None = None,
        filters: Any = None,
        formatter_options: Any = None,
    ) -> None:
        if isinstance(stream, str):
            name = options.choice(
                "stream", stream.removeprefix("sys."), _STREAMS
            )
        else:
            name = ""
        self._piped = options.choice("piped", piped, ("text", "json"))
        self._color = (
            None if color is None else options.boolean("color", color)
        )
        self._chosen: tuple[Any, logging.Formatter] | None = None
        self._plain: Any = None
        super().__init__(getattr(sys, name) if name else stream)
        self._name_of_stream = name
        self.set_up(filters, formatter_options)
        self._wrote = self.ledger.wrote

    def default_formatter(self) -> logging.Formatter:
        """
        The formatter for the stream as it is now.
        """
        from ..formatters.rich import RichFormatter, wants_color

        stream = self.stream
        color = wants_color(stream) if self._color is None else self._color
        if color or _is_terminal(stream):
            return RichFormatter(stream=stream, color=color)
        if self._piped == "json":
            from ..formatters.json import JSONFormatter

            return JSONFormatter()
        return TextFormatter()

    @property
    def formatter(self) -> logging.Formatter | None:
        """
        The configured formatter, else the one that fits the stream.
        """
        return self._fitting()

    @formatter.setter
    def formatter(self, formatter: logging.Formatter | None) -> None:
        self._configured = formatter

    def _fitting(self) -> logging.Formatter:
        if self._configured is not None:
            return self._configured
        stream, chosen = self.stream, self._chosen
        if chosen is None or chosen[0] is not stream:
            chosen = self._chosen = (stream, self.default_formatter())
        return chosen[1]

    def format(self, record: logging.LogRecord) -> str:
        """
        By the configured formatter, else by the one that fits the stream.
        """
        return self._fitting().format(record)

    @property
    def stream(self) -> Any:
        """
        The stream that a record would go to now; None where there is none.
        """
        name = self._name_of_stream
        return self._standard(name) if name else self._stream

    @stream.setter
    def stream(self, stream: Any) -> None:
        self._name_of_stream = ""
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """
        Write the record and flush.
        """
        stream = self.stream
        if stream is None:  # pythonw, or a daemon that closed it
            self.ledger.dropped("no_stream")
            return
        try:
            self._put(stream, self.format(record) + self.terminator)
        except Exception:
            self.handleError(record)
        else:
            self._wrote()

    def _standard(self, name: str) -> Any:
        """
        The stream of that name; the process's own if that one makes records
        of what is written, as Celery's does: they would come here again.
        """
        stream = getattr(sys, name)
        if stream is self._plain:
            return stream
        logger = getattr(stream, "logger", None)
        if isinstance(logger, (logging.Logger, logging.LoggerAdapter)):
            return getattr(sys, f"__{name}__")
        self._plain = stream
        return stream

    @staticmethod
    def _put(stream: Any, text: str) -> None:
        if not text.isascii():  # the stream's own escapes are not JSON's
            text = encodable(text, getattr(stream, "encoding", None))
        try:
            stream.write(text)
        except UnicodeEncodeError:  # it does not tell its encoding
            stream.write(encodable(text, "ascii"))
        stream.flush()

    def flush(self) -> None:
        """
        Flush the stream, if it can be.
        """
        try:
            super().flush()
        except Exception:  # closed: nothing is held back here
            pass


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except Exception:
        return False
