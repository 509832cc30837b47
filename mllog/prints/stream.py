"""
What stands in the place of sys.stdout and sys.stderr.
"""

from __future__ import annotations

import io
import re
import sys
from collections import deque
from collections.abc import Iterable
from types import FrameType
from typing import Any

from ..forking import fork_safe_lock
from .lines import Lines, final_state
from .origin import Place, is_logging, place_of
from .out import Out

__all__ = ["Stream", "changing"]

# What moves or colours text on a terminal, and is none
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"
)

# Until Python 3.14 print() has no reference to the stream that it writes to:
# whoever takes it out of sys meanwhile must not be the last to have one.
_retired: deque[Stream] = deque(maxlen=100)

#: Held by who changes what ``sys`` and ``warnings`` have.
changing = fork_safe_lock()


class Stream(io.TextIOBase):
    """
    Stands in the place of ``sys.stdout`` or ``sys.stderr``.

    Args:
        name: Which of them.

        out: Where whole lines go.

        most: Characters of a line.
    """

    def __init__(self, name: str, out: Out, most: int) -> None:
        self._stream = name
        self._out = out
        self._most = most
        self._lines = Lines(most)
        self._is_over = False
        #: What it stands in front of.
        self.beneath: Any = None

    # --- its life ---

    def install(self) -> None:
        """
        Take the place.
        """
        self.beneath = getattr(sys, self._stream)
        setattr(sys, self._stream, self)

    def remove(self) -> None:
        """
        Give it back, unless another one stands in front; then let all through.
        """
        self._is_over = True
        self._step_aside()

    def _step_aside(self) -> None:
        while (
            isinstance(found := getattr(sys, self._stream, None), Stream)
            and found._is_over
        ):
            _retired.append(found)
            setattr(sys, self._stream, found.beneath)

    def finish(self) -> None:
        """
        Log the lines that were begun.
        """
        for text, place in self._lines.end():
            self._log(text, place)

    # --- a file of text ---

    def write(self, text: str) -> int:
        """
        Take *text*, and log the lines that it ends.
        """
        if not isinstance(text, str):  # as any text stream says
            raise TypeError(
                f"write() argument must be str, not {type(text).__name__}"
            )
        self._put(text, sys._getframe().f_back)
        return len(text)

    def writelines(self, lines: Iterable[Any]) -> None:
        """
        Take several texts.
        """
        frame = sys._getframe().f_back
        for text in lines:
            self._put(text, frame)

    def flush(self) -> None:
        """
        Nothing that is printed waits; a handler's stream is flushed.
        """
        if self.beneath is not None and self.is_open_to(sys._getframe()):
            self.beneath.flush()

    def isatty(self) -> bool:
        """
        Not for those who print; handlers hear of the real stream.
        """
        if self.beneath is None or not self.is_open_to(sys._getframe()):
            return False
        return bool(self.beneath.isatty())

    def fileno(self) -> int:
        """
        That of the real stream.
        """
        if self.beneath is None:
            raise io.UnsupportedOperation("fileno")
        return int(self.beneath.fileno())

    def writable(self) -> bool:
        """
        It is.
        """
        return True

    def close(self) -> None:
        """
        The real stream is not ours to close.
        """

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """
        That of the real stream.
        """
        return getattr(self.beneath, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """
        That of the real stream.
        """
        return getattr(self.beneath, "errors", None)

    @property
    def buffer(self) -> Any:
        """
        For bytes, where the real stream has one.
        """
        return _Buffer(self, self.beneath.buffer)

    def __getattr__(self, name: str) -> Any:
        if name == "beneath":  # before __init__
            raise AttributeError(name)
        return getattr(self.beneath, name)

    # --- where text goes ---

    def is_open_to(self, frame: FrameType | None) -> bool:
        """
        Whether what *frame* writes goes to the real stream.
        """
        return self._is_over or is_logging(frame) or not self._out.is_heard()

    def _put(self, text: str, frame: FrameType | None) -> None:
        if self.is_open_to(frame):
            self._through(text)
            return
        try:
            self._take(text, frame)
        except Exception:  # no stack is left, or no memory
            self._through(text)

    def take_bytes(self, data: bytes, frame: FrameType | None) -> None:
        """
        Take what was written to the buffer.
        """
        self._take(self._lines.decode(data, self.encoding), frame)

    def _take(self, text: str, frame: FrameType | None) -> None:
        place = place_of(frame)
        # of a subclass only the text
        for line in self._lines.add(str.__str__(text), place):
            self._log(line, place)

    def _log(self, line: str, place: Place) -> None:
        if "\r" in line:
            line = final_state(line)
        if "\x1b" in line:
            line = _ANSI.sub("", line)
        if not line.strip():
            return
        for start in range(0, len(line), self._most):
            part = line[start : start + self._most]
            if not self._out.log(part, place, stream=self._stream):
                self._write_instead(part)

    def _write_instead(self, line: str) -> None:
        try:
            self._through(f"{line}\n")
        except Exception:  # that one is closed as well
            pass

    def _through(self, text: str) -> None:
        if self._is_over and getattr(sys, self._stream, None) is self:
            with changing:  # somebody put it back
                self._step_aside()
        if self.beneath is not None:
            self.beneath.write(text)


class _Buffer(io.BufferedIOBase):
    """
    The bytes of a captured stream.
    """

    def __init__(self, stream: Stream, beneath: Any) -> None:
        self._stream = stream
        self._beneath = beneath

    def write(self, data: Any) -> int:
        """
        Take *data*, and log the lines that it ends.
        """
        frame, taken = sys._getframe().f_back, bytes(memoryview(data))
        if self._stream.is_open_to(frame):
            self._beneath.write(taken)
            return len(taken)
        try:
            self._stream.take_bytes(taken, frame)
        except Exception:  # no stack is left, or no memory
            self._beneath.write(taken)
        return len(taken)

    def flush(self) -> None:
        """
        As the stream does.
        """
        if self._stream.is_open_to(sys._getframe()):
            self._beneath.flush()

    def isatty(self) -> bool:
        """
        As the stream says.
        """
        return self._stream.isatty()

    def fileno(self) -> int:
        """
        That of the real stream.
        """
        return self._stream.fileno()

    def writable(self) -> bool:
        """
        It is.
        """
        return True

    def close(self) -> None:
        """
        The real stream is not ours to close.
        """

    def __getattr__(self, name: str) -> Any:
        if name == "_beneath":  # before __init__
            raise AttributeError(name)
        return getattr(self._beneath, name)
