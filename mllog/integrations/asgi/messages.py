"""
What an ASGI server and an app say to each other, as far as it is looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

__all__ = [
    "UNSEEN",
    "Application",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "value_of",
    "values_of",
    "with_header",
]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Bodies that a server takes from a file.
UNSEEN: Final = frozenset(
    {"http.response.pathsend", "http.response.zerocopysend"}
)


def value_of(headers: Any, wanted: bytes) -> str:
    """
    The first header of that name, or ``""``.
    """
    for name, value in headers or ():
        if bytes(name).lower() == wanted:
            return bytes(value).decode("latin-1")
    return ""


def values_of(headers: Any, wanted: bytes) -> str:
    """
    All headers of that name with commas between them, or ``""``.
    """
    return ",".join(
        bytes(value).decode("latin-1")
        for name, value in headers or ()
        if bytes(name).lower() == wanted
    )


def with_header(message: Message, name: bytes | None, value: Any) -> Message:
    """
    *message* with one more header, unless the app sets that itself.
    """
    headers = message.get("headers") or ()
    if not isinstance(headers, (list, tuple)):  # it may be read only once
        headers = list(headers)
        message = {**message, "headers": headers}
    if name is None or value_of(headers, name):
        return message
    added = (name, str(value).encode("latin-1"))
    return {**message, "headers": [*headers, added]}
