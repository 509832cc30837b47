"""
Ids that come with a request, of which none is trusted.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ..context import bound
from ..errors import ConfigError, shown

__all__ = ["header_name", "known_id", "remote_span"]

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_MOST_CHARS: Final = 128
# https://www.w3.org/TR/trace-context/: a later version may say more behind it
_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})"
    r"-([0-9a-f]{2})(-.*)?"
)


def header_name(name: Any, *, owner: str) -> str | None:
    """
    The name of the header with the id, in lower case; None for none.

    Raises:
        ConfigError: No header can have that name.
    """
    if name is None:
        return None
    if isinstance(name, str) and _TOKEN.fullmatch(name):
        return name.lower()
    raise ConfigError(
        shown("request_id_header", name),
        expected="the name of a header, or None",
        owner=owner,
    )


def known_id(sent: str | None) -> str | None:
    """
    The id that is bound, else the one that was *sent*, in safe characters.
    """
    found = bound().get("request_id")
    if found is None:
        found = sent
    if found is None:
        return None
    return _UNSAFE.sub("_", str(found).strip()[:_MOST_CHARS]) or None


def remote_span(traceparent: str) -> dict[str, str]:
    """
    The fields of the caller's span out of W3C's header, if it is valid.
    """
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    if found is None or (found[1] == "00" and found[5]):
        return {}
    return {
        "trace_id": found[2],
        "span_id": found[3],
        "trace_flags": found[4],
    }
