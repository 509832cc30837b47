"""
The fields of a record as STRUCTURED-DATA of RFC 5424.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from ..encoding import TRUNCATED, encode_short
from ..errors import ConfigError, shown
from ..fields import LAYOUTS, OWN_COUNT, layout_of
from ..values import convert, key_of, name_of
from .text import escaped

__all__ = ["StructuredData", "param_names", "text_of"]

_BEHIND = OWN_COUNT - 1
_PLAIN = frozenset({str, int, float, bool, dict, list, tuple, type(None)})
_MOST_PLANS = 1000
_MOST_NAMES = 100
_LONGEST_JSON = 8192
_MOST_BITS = 2048  # fewer digits than Python can be told to refuse
_MARK = f' {TRUNCATED}="true"'

_LONGEST_NAME = 32
# printable ASCII but for the equals sign, the bracket and the quote
_NOT_IN_NAMES = re.compile(r"[^!#-<>-\\^-~]")
_ENTERPRISE_ID = re.compile(r"[!#-<>?A-\\^-~]+@\d+(?:\.\d+)*", re.ASCII)
_ESCAPES = str.maketrans({'"': r"\"", "\\": r"\\", "]": r"\]"})


class _Plan(NamedTuple):
    """
    What records of one set of fields have in common.

    Args:
        template: The element, with ``%s`` for each value.

        values_of: Gives the values of a record's attributes, in order.
    """

    template: str
    values_of: Callable[[Mapping[str, Any]], tuple[Any, ...]]


class StructuredData:
    r"""
    One SD-ELEMENT with a parameter for each field of a record.

    A name keeps its printable ASCII characters; ``=``, ``]``, ``"``, spaces
    and all others become ``_``, and a name that is then taken already gets
    ``_2``, ``_3``, ….  The values of ``metrics`` are parameters of their own,
    ``metrics.loss``.  :func:`text_of` gives the values.

    Guarantee:
        Any record gives a valid element, and no exception.

    Args:
        enterprise_id: The SD-ID, ``<name>@<private enterprise number>``.

        max_bytes: Longest message it will be part of; of a text that cannot
            fit anyway no more than this is looked at.

    Raises:
        ConfigError: *enterprise_id* is not such a name.
    """

    def __init__(self, enterprise_id: str, max_bytes: int) -> None:
        self._open = f"[{_checked(enterprise_id)}"
        self._max_bytes = max_bytes
        self._plans: dict[tuple[Any, ...], _Plan] = {}

    def of(self, record: logging.LogRecord) -> str:
        """
        The element of *record*; ``""`` if it has no fields.
        """
        # The hot path: called once per record.
        own = record.__dict__
        names = (LAYOUTS.get(tuple(own)[_BEHIND:]) or layout_of(own)).names
        plan = self._plans.get(names)
        if plan is None:
            return self._of_any(own, names)
        values, most = plan.values_of(own), self._max_bytes
        for value in values:
            kind = type(value)
            if kind is str:
                if len(value) > most or not (
                    value.isalnum()  # most are
                    or (
                        value.isprintable()
                        and '"' not in value
                        and "\\" not in value
                        and "]" not in value
                    )
                ):
                    break
            elif kind is float:
                if value - value != 0.0:  # not finite
                    break
            elif kind is not int or not -(2**63) <= value < 2**64:
                break
        else:
            return plan.template % values
        return self._of_any(own, names)

    def _of_any(self, own: Mapping[str, Any], names: tuple[Any, ...]) -> str:
        """
        The element of a record whose values may be anything.
        """
        flat, values = _flat(names, [own[name] for name in names])
        if not flat:
            return ""
        plan = self._plans.get(flat) or self._plan_of(flat)
        return plan.template % tuple(map(self._value, values))

    def within(self, record: logging.LogRecord, room: int) -> str:
        """
        The element in at most *room* bytes, ``""`` if there is none so short.

        A value longer than an eighth of *room* is cut, and says how much is
        missing.  Of the parameters those are left out that do not fit behind
        the ones before, and ``mllog_truncated="true"`` says so.
        """
        own = record.__dict__
        names = layout_of(own).names
        names, values = _flat(names, [own[name] for name in names])
        left = room - len(self._open) - len(_MARK) - 1
        if not names or left < 0:
            return ""
        kept, is_whole = [], True
        for name, value in zip(param_names(names), values, strict=True):
            text = self._value(value)
            beyond = len(value) - self._max_bytes if type(value) is str else 0
            short = _cut(text, max(room // 8, _LONGEST_NAME), max(beyond, 0))
            param = f' {name}="{short}"'
            size = len(param.encode())
            is_whole = is_whole and short is text and size <= left
            if size <= left:
                kept.append(param)
                left -= size
        if not is_whole:
            kept.append(_MARK)
        return f"{self._open}{''.join(kept)}]"

    def _plan_of(self, names: tuple[Any, ...]) -> _Plan:
        params = [f' {name}="\0"' for name in param_names(names)]
        text = f"{self._open}{''.join(params)}]"
        template = text.replace("%", "%%").replace("\0", "%s")
        if len(names) == 1:  # for which an itemgetter gives no tuple
            name = names[0]
            plan = _Plan(template, lambda own: (own[name],))
        else:
            plan = _Plan(template, itemgetter(*names))
        if (
            "metrics" not in names  # whose entries may be others next time
            and len(self._plans) < _MOST_PLANS
            and len(names) <= _MOST_NAMES
        ):
            self._plans[names] = plan
        return plan

    def _value(self, value: Any) -> str:
        if type(value) is str:
            value = value[: self._max_bytes]
        text = text_of(value)
        return text[: self._max_bytes].translate(_ESCAPES)


def text_of(value: Any) -> str:
    """
    One value as text that is safe to show.

    Numbers are written in full, ``true``, ``false``, ``null``, ``NaN`` and
    ``Infinity`` by these words, text as it is but for control and bidi
    characters, which are made visible; all else as compact JSON.
    """
    try:
        return _text(value if type(value) in _PLAIN else convert(value))
    except Exception:  # not even its JSON can be made
        return escaped(name_of(value))


def _text(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return escaped(value)
    if kind is float:
        if math.isfinite(value):
            return repr(value)
        if value != value:
            return "NaN"
        return "Infinity" if value > 0 else "-Infinity"
    if kind is int:
        if value.bit_length() <= _MOST_BITS:
            return str(value)
        return f"<int of {value.bit_length()} bits>"
    if value is None or kind is bool:
        return key_of(value)
    found = encode_short(value, _LONGEST_JSON)
    if found.startswith('"'):  # the text of an object, without its quotes
        return escaped(json.loads(found))
    return found


def param_names(names: tuple[Any, ...]) -> list[str]:
    """
    A PARAM-NAME for each of *names*: 1 to 32 characters, no two alike.
    """
    # how often each is taken: thousands may be alike in 32 characters
    taken = {TRUNCATED: 1}
    found = []
    for name in names:
        text = name if type(name) is str else key_of(name)
        base = _NOT_IN_NAMES.sub("_", text[:_LONGEST_NAME]) or "_"
        free = base
        while free in taken:
            taken[base] += 1
            ending = f"_{taken[base]}"
            free = base[: _LONGEST_NAME - len(ending)] + ending
        taken[free] = 1
        found.append(free)
    return found


def _flat(
    names: tuple[Any, ...], values: list[Any]
) -> tuple[tuple[Any, ...], list[Any]]:
    """
    *names* and *values* with those of ``metrics`` in its place.
    """
    flat_names: list[Any] = []
    flat_values: list[Any] = []
    for name, value in zip(names, values, strict=True):
        inner = [(name, value)]
        if name == "metrics" and isinstance(value, Mapping):
            try:
                inner = [(f"metrics.{key_of(k)}", value[k]) for k in value]
            except Exception:  # a mapping that raises is shown as one value
                pass
        flat_names += [each for each, _ in inner]
        flat_values += [each for _, each in inner]
    return tuple(flat_names), flat_values


def _cut(text: str, most: int, beyond: int) -> str:
    """
    *text* in at most *most* bytes and a mark, no escape of it torn.

    The mark counts characters, *beyond* of which are missing already.
    """
    data = text.encode()
    if len(data) <= most:
        return text
    short = data[:most].decode("utf-8", "ignore")
    backslashes = len(short) - len(short.rstrip("\\"))
    short = short[: len(short) - backslashes % 2]
    missing = len(text) - len(short) + beyond
    return f"{short}…[truncated {missing}\\]"


def _checked(enterprise_id: Any) -> str:
    if (
        isinstance(enterprise_id, str)
        and len(enterprise_id) <= _LONGEST_NAME
        and _ENTERPRISE_ID.fullmatch(enterprise_id)
    ):
        return enterprise_id
    raise ConfigError(
        shown("enterprise_id", enterprise_id),
        expected="<name>@<private enterprise number>, at most 32 printable"
        " ASCII characters",
        fix="write mllog@32473, or your organisation's number",
    )
