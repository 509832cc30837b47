"""
Events: what TensorBoard's protos say of a record, and their frames in a file.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..errors import require
from ..values import clean, convert, number
from .files import EventFile

__all__ = ["Encoder", "Point"]

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_PROTOS: Final = "tensorboard.compat.proto"
# readers before it drop what has a smaller step than its neighbour
_VERSION: Final = "brain.Event:2"
_BINS: Final = 30
_MOST_HEADS: Final = 1000
_LONGEST_TEXT: Final = 64 * 1024


#: What stands at one step of one tag: the run's file, the step, the tag, and a
#: number, or a ``Summary.Value`` with its tag.
Point = tuple[EventFile, int, str, Any]


class Encoder:
    """
    Makes events of points.

    Raises:
        MissingPackageError: tensorboard is not installed.
    """

    def __init__(self) -> None:
        require("tensorboard", "tensorboard")
        event = require(f"{_PROTOS}.event_pb2", "tensorboard")
        summary = require(f"{_PROTOS}.summary_pb2", "tensorboard")
        tensor = require(f"{_PROTOS}.tensor_pb2", "tensorboard")
        types = require(f"{_PROTOS}.types_pb2", "tensorboard")
        self._event: Any = event.Event
        self._summary: Any = summary.Summary
        self._metadata: Any = summary.SummaryMetadata
        self._tensor: Any = tensor.TensorProto
        self._types: Any = types
        self._checksum = _checksum()
        self._heads: dict[int, bytes] = {}

    # --- frames ---

    def head(self) -> bytes:
        """
        The event that each file begins with.
        """
        return self._frame(
            self._event(wall_time=time.time(), file_version=_VERSION)
        )

    def frames(
        self, created: float, points: Sequence[Point]
    ) -> Sequence[tuple[EventFile, bytes]]:
        """
        The events of a record, for each file: one for all points of a step.
        """
        file, step, _, _ = points[0]
        event = self._event(wall_time=created, step=step)
        add = event.summary.value.add
        others: list[Point] = []
        for point in points:
            at, when, tag, value = point
            if at is not file or when != step:
                others.append(point)
            elif isinstance(value, (float, int)):
                add(tag=tag, simple_value=value)
            else:
                event.summary.value.append(value)
        frame = self._frame(event)
        if not others:
            return ((file, frame),)
        found = {file: [frame]}
        for at, more in self.frames(created, others):
            found.setdefault(at, []).append(more)
        return [(at, b"".join(frames)) for at, frames in found.items()]

    def _frame(self, event: Any) -> bytes:
        """
        A record of a TFRecord file: length, data, and a checksum of each.
        """
        data: bytes = event.SerializeToString()
        size = len(data)
        # most events are of few sizes
        head = self._heads.get(size)
        if head is None:
            length = _LENGTH.pack(size)
            head = length + self._sum_of(length)
            if len(self._heads) < _MOST_HEADS:
                self._heads[size] = head
        return head + data + self._sum_of(data)

    def _sum_of(self, data: bytes) -> bytes:
        checksum = self._checksum(data)
        rotated = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
        return _CHECKSUM.pack((rotated + 0xA282EAD8) & 0xFFFFFFFF)

    # --- values ---

    def histogram(
        self, tag: str, array: Any, edges: tuple[float, ...] | None = None
    ) -> Any:
        """
        How the finite numbers of *array* are spread.

        Args:
            tag: What it is called.

            array: A numpy array of finite floats, not empty.

            edges: Where bins end; None is 30 of equal width.
        """
        import numpy as np

        low, high = float(array.min()), float(array.max())
        bins: Any = _BINS
        if edges is not None:
            bins = [low, *(each for each in edges if low < each < high), high]
        if low == high:  # a bin without width holds none
            counts, limits = [array.size], [low]
        else:
            found, ends = np.histogram(array, bins)
            counts, limits = found.tolist(), ends[1:].tolist()
        value = self._summary.Value(tag=tag)
        value.histo.min, value.histo.max = low, high
        value.histo.num = array.size
        value.histo.sum = float(array.sum())
        value.histo.sum_squares = float((array * array).sum())
        value.histo.bucket_limit.extend(limits)
        value.histo.bucket.extend(counts)
        return value

    def image(self, tag: str, width: int, height: int, data: bytes) -> Any:
        """
        An image, as a file of PNG, JPEG or GIF.
        """
        value = self._summary.Value(tag=tag)
        value.image.width, value.image.height = width, height
        value.image.colorspace = 3
        value.image.encoded_image_string = data
        return value

    def text(self, tag: str, text: str) -> Any:
        """
        A text, which TensorBoard shows as Markdown.
        """
        if len(text) > _LONGEST_TEXT:
            beyond = len(text) - _LONGEST_TEXT
            text = f"{text[:_LONGEST_TEXT]}…[truncated {beyond}]"
        tensor = self._tensor(
            dtype=self._types.DT_STRING, string_val=[clean(text).encode()]
        )
        tensor.tensor_shape.dim.add(size=1)
        return self._value(tag, "text", tensor)

    def hparams(self, given: Mapping[Any, Any], created: float) -> Any:
        """
        The hyperparameters of a run: numbers, bools, and text of all else.
        """
        plugin = require(
            "tensorboard.plugins.hparams.plugin_data_pb2", "tensorboard"
        )
        data = plugin.HParamsPluginData(version=0)
        start = data.session_start_info
        start.start_time_secs = created
        for name, value in list(given.items()):
            at = start.hparams[clean(str(name))]
            real = number(value)
            if isinstance(value, bool):
                at.bool_value = value
            elif real is not None:
                at.number_value = real
            elif value is not None:
                at.string_value = clean(str(convert(value)))
        tensor = self._tensor(dtype=self._types.DT_FLOAT)
        tensor.tensor_shape.dim.add(size=0)
        return self._value(
            "_hparams_/session_start_info",
            "hparams",
            tensor,
            data.SerializeToString(),
        )

    def _value(
        self, tag: str, plugin: str, tensor: Any, content: bytes = b""
    ) -> Any:
        metadata = self._metadata()
        metadata.plugin_data.plugin_name = plugin
        metadata.plugin_data.content = content
        return self._summary.Value(tag=tag, metadata=metadata, tensor=tensor)


def _checksum() -> Callable[[bytes], int]:
    """
    CRC-32C in C where google-crc32c is installed, else tensorboard's own.

    The latter is Python's: a microsecond for each few bytes.
    """
    try:
        found: Any = require("google_crc32c", "tensorboard").value
    except ImportError:
        found = require(
            "tensorboard.compat.tensorflow_stub.pywrap_tensorflow",
            "tensorboard",
        ).crc32c
    checksum: Callable[[bytes], int] = found
    return checksum
