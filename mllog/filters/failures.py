"""
Exceptions whose text has no secrets, in place of those that were raised.
"""

from __future__ import annotations

import linecache
import logging
import traceback
from typing import Any, Final

from ..fields import causes_of, count_beyond, error_of
from ..values import name_of
from .record_filter import LINES_AROUND
from .texts import Texts

__all__ = ["Failures", "Redacted"]

_MOST: Final = 10
_MOST_DRAWN: Final = 100
_MOST_PLACES: Final = 2000


class Redacted(Exception):  # noqa: N818 - it has the name of what was raised
    """
    Stands for an exception: of the same name, with clean texts.

    Its traceback is text already, for a line of source can be a secret too.
    """

    #: The traceback alone, and with what caused it.
    __log_traceback__: str = ""
    __log_traceback_chain__: str = ""
    #: How many exceptions behind it have no stand-in.
    __log_left_out__: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        kind = type(self)
        named = kind.__name__, kind.__module__, kind.__qualname__
        return _again, (named, self.args), self.__dict__


class Failures:
    """
    Takes secrets out of exceptions, tracebacks and stacks.

    Args:
        texts: Takes secrets out of text.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        # places in source that have no secret around them
        self._clean: set[tuple[str, int]] = set()

    def changes(self, record: logging.LogRecord) -> dict[str, Any]:
        """
        What a record's trouble has to become; nothing where it is clean.
        """
        found: dict[str, Any] = {}
        for name in ("exc_text", "stack_info"):
            text = getattr(record, name)
            if text:
                clean = self._texts.without_secrets(_plain(text))
                if clean != text:
                    found[name] = clean
        error = error_of(record)
        if error is not None:
            whole = _trace(error, chain=True)
            clean = self._texts.without_secrets(whole)
            is_clean = bool(whole) and clean is whole
            if not (is_clean and self._may_be_drawn(error)):
                seen: set[int] = set()
                left: list[BaseException] = []
                stand_in = self._stand_in(error, seen, left)
                stand_in.__log_left_out__ = count_beyond(left, seen)
                found["exc_info"] = (type(stand_in), stand_in, None)
                found["exc_text"] = clean
        return found

    def _may_be_drawn(self, error: BaseException) -> bool:
        """
        Whether what rich draws beyond the traceback is clean as well.

        It shows lines around those that were running, and every exception of
        a group.
        """
        seen: set[int] = set()
        left = [error]
        try:
            while left:
                each = left.pop()
                if id(each) in seen:
                    continue
                if len(seen) >= _MOST_DRAWN:
                    return False
                seen.add(id(each))
                if not self._is_clean(each):
                    return False
                for other in (each.__cause__, each.__context__):
                    left += [other] if other is not None else []
                left += getattr(each, "exceptions", ())
        except Exception:  # an exception whose attributes raise
            return False
        return True

    def _is_clean(self, error: BaseException) -> bool:
        notes = getattr(error, "__notes__", None) or ()
        for text in (_said(error), *map(_plain, notes)):
            if self._texts.without_secrets(text) != text:
                return False
        for frame, line in traceback.walk_tb(error.__traceback__):
            place = (frame.f_code.co_filename, line)
            if place in self._clean:
                continue
            source = linecache.getlines(place[0], frame.f_globals)
            around = source[max(0, line - 1 - LINES_AROUND) :]
            text = "".join(around[: 2 * LINES_AROUND + 1])
            if self._texts.without_secrets(text) != text:
                return False
            if len(self._clean) < _MOST_PLACES:
                self._clean.add(place)
        return True

    def _stand_in(
        self,
        error: BaseException,
        seen: set[int],
        left: list[BaseException],
    ) -> Redacted:
        seen.add(id(error))
        made = _named_like(error)(self._texts.without_secrets(_said(error)))
        clean = self._texts.without_secrets
        made.__log_traceback__ = clean(_trace(error, chain=False))
        made.__log_traceback_chain__ = clean(_trace(error, chain=True))
        try:
            self._add_chain(made, error, seen, left)
        except Exception:  # an exception whose attributes raise
            pass
        return made

    def _add_chain(
        self,
        made: Any,
        error: BaseException,
        seen: set[int],
        left: list[BaseException],
    ) -> None:
        if notes := getattr(error, "__notes__", None):
            listed = notes if type(notes) is list else [notes]
            made.__notes__ = [
                self._texts.without_secrets(_plain(note)) for note in listed
            ]
        inner = []
        for key, each in causes_of(error):
            if id(each) in seen:
                continue
            if len(seen) >= _MOST:
                left.append(each)
            elif key == "exceptions":
                inner.append(self._stand_in(each, seen, left))
            else:
                setattr(made, f"__{key}__", self._stand_in(each, seen, left))
        if inner:
            made.exceptions = tuple(inner)
        made.__suppress_context__ = error.__suppress_context__


def _named_like(error: BaseException) -> type[Redacted]:
    kind = type(error)
    try:
        return _named(kind.__name__, kind.__module__, kind.__qualname__)
    except Exception:  # a metaclass can forbid even this
        return Redacted


def _named(name: str, module: str, qualname: str) -> type[Redacted]:
    return type(
        name, (Redacted,), {"__module__": module, "__qualname__": qualname}
    )


def _again(named: tuple[str, str, str], args: tuple[Any, ...]) -> Redacted:
    """
    What pickle makes anew: the class of a stand-in is in no module.
    """
    return _named(*named)(*args)


def _said(error: BaseException) -> str:
    try:
        return str(str(error))
    except Exception:
        return name_of(error)


def _trace(error: BaseException, *, chain: bool) -> str:
    try:
        lines = traceback.format_exception(
            type(error), error, error.__traceback__, chain=chain
        )
        return "".join(lines).rstrip("\n")
    except Exception:
        return ""


def _plain(text: Any) -> str:
    try:
        return text if type(text) is str else str(text)
    except Exception:
        return name_of(text)
