"""
Raw inputs and outputs of a model, linked to their record by content.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cached_property
from typing import Any

from .encoding import encode
from .values import shape_of

__all__ = ["Payload"]


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

    @cached_property
    def ref(self) -> str:
        """
        SHA-256 over type, dtype, shape and bytes in C order, as 64 hex digits.
        """
        kind, dtype, shape, data = self._content
        head = f"{kind}|{dtype}|{','.join(map(str, shape))}|".encode()
        return hashlib.sha256(head + data).hexdigest()

    def __log_value__(self) -> dict[str, Any]:
        """
        What a line says of it: ``ref``, ``type``, ``shape``, ``dtype``, ``bytes``.
        """
        kind, dtype, shape, data = self._content
        return {
            "ref": self.ref,
            "type": kind,
            "shape": list(shape),
            "dtype": dtype or None,
            "bytes": len(data),
        }

    @cached_property
    def _content(self) -> tuple[str, str, tuple[int, ...], bytes]:
        value = self.value
        if isinstance(value, (bytes, bytearray, memoryview)):
            return "bytes", "", (), bytes(value)
        if hasattr(value, "tobytes") and hasattr(value, "mode"):  # a PIL image
            width, height = value.size
            return "image", str(value.mode), (height, width), value.tobytes()
        shape = shape_of(value)
        if shape is None:
            data = encode({"value": value}, max_bytes=sys.maxsize)
            return type(value).__name__, "", (), data
        if hasattr(value, "detach"):  # a tensor, perhaps on a device
            value = value.detach().cpu()
        if not hasattr(value, "tobytes"):
            value = value.numpy()
        if value.dtype.hasobject:  # whose bytes are addresses
            data = encode({"value": value.tolist()}, max_bytes=sys.maxsize)
            return "array", str(value.dtype), shape, data
        return "array", str(value.dtype), shape, value.tobytes("C")

    def __repr__(self) -> str:
        return f"Payload(ref={self.ref[:12]}…, type={self._content[0]})"
