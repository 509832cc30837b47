"""
Payload: a raw value in ``extra``, and its summary in the line.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

from .content import Content, content_of, raw_of

__all__ = ["Payload"]


class _Summary(NamedTuple):
    ref: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    size: int


class Payload:
    """
    A raw input or output of a model, linked to its record by content.

    ``extra={"image": mllog.Payload(pixels)}`` writes a summary with a *ref*
    into the line; a handler that stores the value names the object by that
    *ref*, so any handler, in any order and process, means the same object.

    Args:
        value: Bytes, an image, an array, a tensor, token ids or any JSON value.

        content_type: Its media type; found from the value if None.
    """

    def __init__(self, value: Any, content_type: str | None = None) -> None:
        self.value = value
        self.content_type = content_type

    @property
    def ref(self) -> str:
        """
        SHA-256 over type, dtype, shape and bytes in C order, as 64 hex digits.
        """
        return self._summary.ref

    @cached_property
    def content(self) -> Content:
        """
        What is stored of it: see :func:`mllog.payloads.content_of`.
        """
        ref = self._summary.ref if "_summary" in self.__dict__ else ""
        return content_of(self.value, self.content_type, ref)

    def __log_value__(self) -> dict[str, Any]:
        """
        What a line says of it: ``ref``, ``type``, ``shape``, ``dtype``, ``bytes``.
        """
        ref, kind, shape, dtype, size = self._summary
        return {
            "ref": ref,
            "type": kind,
            "shape": list(shape),
            "dtype": dtype or None,
            "bytes": size,
        }

    def __log_content__(self, content_type: str | None) -> Content:
        """
        What is stored of it where nothing is known of its type.
        """
        if self.content_type is not None or content_type is None:
            return self.content
        return content_of(self.value, content_type)

    @cached_property
    def _summary(self) -> _Summary:
        made = self.__dict__.get("content")
        if made is None:  # a line needs no encoded image
            made = raw_of(self.value)
            if self.content_type is None and made.kind != "image":
                self.content = made
        return _Summary(
            made.name(), made.kind, made.shape, made.dtype, made.size
        )

    def __repr__(self) -> str:
        return f"Payload(ref={self.ref[:12]}…, type={self._summary.kind})"
