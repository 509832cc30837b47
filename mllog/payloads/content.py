"""
What is stored of a raw value, and the name it is stored under.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from ..encoding import encode_value
from ..errors import ConfigError
from .arrays import array_of, dtype_of, is_array, is_plain, npy_of
from .images import (
    encoded,
    format_of,
    image_of,
    is_image,
    pixels,
    shape,
)
from .media import (
    BYTES,
    JSON,
    NPY,
    extension_of,
    media_type,
    sniffed,
    usable,
)

__all__ = ["Content", "content_of", "raw_of"]

_PLAIN = frozenset({str, int, float, bool, list, tuple, dict, type(None)})


class Content(NamedTuple):
    """
    What is stored of a value.

    The ref is SHA-256 over *head* and the value's raw bytes: those of *data*
    from *offset* on, unless *ref* is given, as that of an encoded image.

    Args:
        kind: ``bytes``, ``array``, ``image``, or the type of a JSON value.

        dtype: An array's type or an image's mode, else empty.

        shape: Of an array; height and width of an image; else empty.

        data: The bytes that are stored.

        content_type: Their media type.

        extension: Its extension, with the dot.

        head: ``kind|dtype|d1,d2|``.

        offset: Where the hashed bytes begin in *data*.

        ref: The ref if it is known, else empty.

        size: The number of hashed bytes.
    """

    kind: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes
    content_type: str
    extension: str
    head: bytes
    offset: int = 0
    ref: str = ""
    size: int = 0

    def name(self) -> str:
        """
        The ref: 64 hex digits.  Hashed at each call, unless it is known.
        """
        if self.ref:
            return self.ref
        return _ref(self.head, memoryview(self.data)[self.offset :])


def content_of(
    value: Any, content_type: str | None = None, ref: str = ""
) -> Content:
    """
    What is stored of *value*, encoded now.

    It is hashed now only if the stored bytes are not the hashed ones, as those
    of an encoded image; else :meth:`Content.name` hashes, in any thread.

    ======================  ==================================================
    bytes                   as they are; the type is told from the first bytes
    Pillow's images         PNG, or TIFF where PNG loses; *content_type*'s own
    arrays, tensors         ``.npy``; PNG, JPEG, … for uint8 pixels;
                            ``application/octet-stream``: their bytes
    text                    JSON; UTF-8 if *content_type* is ``text/…``
    any other JSON value    JSON, nested arrays and bytes in full
    ======================  ==================================================

    Args:
        value: The value, or a :class:`~mllog.Payload`.

        content_type: How to store it; found from the value if it is None or
            no media type.

        ref: The ref, if it is known.

    Raises:
        ConfigError: *value* cannot be stored as *content_type*.

        TypeError: It cannot be stored at all.

    Guarantee:
        Any failure is an Exception; the value is not changed.

    Limit:
        NaN and the infinities become ``null`` in JSON, and nothing says so: an
        array keeps them.  Masked arrays with masked items and arrays of objects
        are JSON.  bfloat16 and float8 are stored, and hashed, as float32.
    """
    own = getattr(type(value), "__log_content__", None)
    if own is not None:
        found: Content = own(value, content_type)
        return found
    wanted = usable(content_type)
    form = _form_of(value)
    if form == "bytes":
        data = value if type(value) is bytes else bytes(memoryview(value))
        return _made(("bytes", "", ()), data, wanted or sniffed(data), ref)
    if form == "array":
        return _array(value, wanted, ref)
    if form == "image":
        return _image(value, wanted, ref)
    return _json(value, wanted, ref)


def raw_of(value: Any) -> Content:
    """
    As :func:`content_of`, but an image is not encoded: *data* is its pixels.
    """
    if _form_of(value) != "image":
        return content_of(value)
    about = ("image", str(value.mode), shape(value))
    return _made(about, pixels(value), BYTES)


def _form_of(value: Any) -> str:
    if type(value) in _PLAIN:
        return "json"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes"
    if is_array(value):  # before images: numpy's memmap has a mode, too
        return "array"
    return "image" if is_image(value) else "json"


def _ref(head: bytes, raw: bytes | memoryview) -> str:
    digest = hashlib.sha256(head)
    digest.update(raw)
    return digest.hexdigest()


def _made(
    about: tuple[str, str, tuple[int, ...]],
    data: bytes,
    content_type: str,
    ref: str = "",
    *,
    offset: int = 0,
    raw: bytes | None = None,
) -> Content:
    """
    A Content; *raw* bytes other than *data* are hashed now, and not kept.
    """
    kind, dtype, dimensions = about
    sides = ",".join(map(str, dimensions)) if dimensions else ""
    head = f"{kind}|{dtype}|{sides}|".encode()
    size = len(data) - offset
    if raw is not None:
        ref, size = ref or _ref(head, raw), len(raw)
    extension = extension_of(content_type)
    return Content(
        *about, data, content_type, extension, head, offset, ref, size
    )


def _image(image: Any, wanted: str | None, ref: str) -> Content:
    about = ("image", str(image.mode), shape(image))
    name, media = format_of(image, media_type(wanted or ""))
    data = encoded(image, name)
    return _made(about, data, media, ref, raw=pixels(image))


def _array(value: Any, wanted: str | None, ref: str) -> Content:
    array = array_of(value)
    about = ("array", dtype_of(array), array.shape)
    if not is_plain(array):
        _refuse_all_but_json(
            wanted or JSON, "an array of objects or masked items"
        )
        return _made(about, encode_value(array.tolist()), wanted or JSON, ref)
    media = media_type(wanted or NPY)
    if media == NPY:
        data, offset = npy_of(array)
        return _made(about, data, NPY, ref, offset=offset)
    raw = array.tobytes("C")
    if media == BYTES:
        return _made(about, raw, media, ref)
    if media == JSON:
        return _made(about, encode_value(array), media, ref, raw=raw)
    image = image_of(array, media)
    data = encoded(image, format_of(image, media)[0])
    return _made(about, data, media, ref, raw=raw)


def _json(value: Any, wanted: str | None, ref: str) -> Content:
    about = (type(value).__name__, "", ())
    data = encode_value(value)
    if type(value) is str and (wanted or "").lower().startswith("text/"):
        text = value.encode("utf-8", "backslashreplace")
        media = f"{media_type(wanted or '')}; charset=utf-8"
        return _made(about, text, media, ref, raw=data)
    if wanted is not None:
        _refuse_all_but_json(wanted, f"a value of type {about[0]}")
    if type(value) not in _PLAIN:
        _refuse_nameless(about[0], data)
    return _made(about, data, wanted or JSON, ref)


def _refuse_all_but_json(wanted: str, what: str) -> None:
    media = media_type(wanted)
    if media != JSON and not media.endswith("+json"):
        raise ConfigError(
            f"{what} cannot be stored as {media}",
            expected=JSON,
            fix="leave content_type out, or log bytes, an array or an image",
        )


def _refuse_nameless(kind: str, data: bytes) -> None:
    """
    An object of which only type and address can be said is no payload.
    """
    if data.startswith(b'"<') and data.endswith(b'>"'):
        raise TypeError(
            f"a value of type {kind} cannot be stored: {data[:80]!r}\n"
            "  expected: bytes, an image, an array, a tensor or a JSON value"
        )
