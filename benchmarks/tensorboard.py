"""
Numbers of a record as curves, beside the SummaryWriters of others.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Generator
from typing import Any

from . import child, costs
from .application import call_through
from .measure import Effort, Variant, installed, interleaved, ratios
from .table import Budget, Table

__all__ = ["run", "timed"]

_NEEDS = "tensorboard"


class Floor(logging.Handler):
    """
    The least: an event of one scalar, its frame, and one ``os.write``.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        import google_crc32c
        from tensorboard.compat.proto.event_pb2 import Event

        path = os.path.join(folder, "events.out.tfevents.0.floor")
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._event = Event
        self._checksum = google_crc32c.value
        self._step = 0

    def handle(self, record: Any) -> None:
        """
        Write one number; no filter, no lock, and no fault is handled.
        """
        self._step += 1
        event = self._event(wall_time=record.created, step=self._step)
        event.summary.value.add(
            tag="inference_latency", simple_value=record.inference_latency
        )
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        os.write(
            self._fd,
            length + self._masked(length) + data + self._masked(data),
        )

    def _masked(self, data: bytes) -> bytes:
        found = self._checksum(data)
        rotated = (found >> 15 | found << 17) & 0xFFFFFFFF
        return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


class RecordWriting(logging.Handler):
    """
    tensorboard's own record writer, with its checksums in Python.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        path = os.path.join(folder, "events.out.tfevents.0.records")
        self._event = Event
        self._writer = RecordWriter(open(path, "ab", buffering=0))
        self._step = 0

    def handle(self, record: Any) -> None:
        """
        Write one number.
        """
        self._step += 1
        event = self._event(wall_time=record.created, step=self._step)
        event.summary.value.add(
            tag="inference_latency", simple_value=record.inference_latency
        )
        self._writer.write(event.SerializeToString())


class Summaries(logging.Handler):
    """
    A SummaryWriter called by hand for each field.
    """

    def __init__(self, writer: Any, *fields: str) -> None:
        super().__init__()
        self._add = writer.add_scalar
        self._fields = fields
        self._step = 0

    def handle(self, record: Any) -> None:
        """
        Hand each number to the writer, whose thread writes it some time.
        """
        self._step += 1
        for name in self._fields:
            self._add(name, getattr(record, name), self._step, record.created)


_THREE = ("inference_latency", "batch_size", "confidence")


def _torch(folder: str, *fields: str) -> logging.Handler:
    from torch.utils.tensorboard import SummaryWriter

    return Summaries(SummaryWriter(folder), *fields)


def _tensorboard_x(folder: str, *fields: str) -> logging.Handler:
    from tensorboardX import SummaryWriter

    return Summaries(SummaryWriter(folder), *fields)


def _mllog(folder: str, **options: Any) -> logging.Handler:
    from mllog import TensorBoardHandler

    return TensorBoardHandler(folder, "", **options)


_LATENCY = {"field": "inference_latency", "kind": "gauge"}

VARIANTS = {
    "null": Variant(
        "NullHandler (writes nothing)", lambda path: logging.NullHandler()
    ),
    "floor": Variant(
        "**floor**: protos, google-crc32c, one `os.write`", Floor, _NEEDS
    ),
    "mllog": Variant(
        "**mllog** TensorBoardHandler, one scalar",
        lambda path: _mllog(path, metrics=[_LATENCY], automatic=False),
        _NEEDS,
    ),
    "mllog3": Variant(
        "**mllog** TensorBoardHandler, three scalars", _mllog, _NEEDS
    ),
    "records": Variant(
        "tensorboard's RecordWriter, one scalar", RecordWriting, _NEEDS
    ),
    "torch": Variant(
        "torch SummaryWriter, one scalar (its thread writes)",
        lambda path: _torch(path, "inference_latency"),
        "torch",
    ),
    "torch3": Variant(
        "torch SummaryWriter, three scalars",
        lambda path: _torch(path, *_THREE),
        "torch",
    ),
    "tensorboardX": Variant(
        "tensorboardX SummaryWriter, one scalar (its thread writes)",
        lambda path: _tensorboard_x(path, "inference_latency"),
        "tensorboardX",
    ),
    "tensorboardX3": Variant(
        "tensorboardX SummaryWriter, three scalars",
        lambda path: _tensorboard_x(path, *_THREE),
        "tensorboardX",
    ),
    "idle": Variant(
        "**mllog** TensorBoardHandler, nothing to write",
        lambda path: _mllog(path, automatic=False),
        _NEEDS,
    ),
}


def timed(name: str, folder: str) -> Generator[Any, int, None]:
    """
    What each child process does.
    """
    handler = VARIANTS[name].make(folder)
    return child.turns(call_through(handler))


def run(effort: Effort) -> list[Table]:
    """
    One table.
    """
    names, missing = installed(VARIANTS)
    results = interleaved(
        f"{__name__}:timed",
        names,
        rounds=effort.rounds,
        turns=effort.of(10, 4),
        calls=effort.of(4000, 1000),
    )
    return [
        Table(
            "Scalars for TensorBoard, one record per call",
            ["variant", *costs.COLUMNS],
            [costs.row(results, VARIANTS, name, "floor") for name in names],
            [
                Budget(
                    "mllog's mean cost over the floor's, one scalar",
                    ratios(results, "mllog", "floor", "mean", "null").median,
                    1.6,
                ),
            ],
            missing,
        )
    ]
