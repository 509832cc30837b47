"""
What tensorboard's own readers find in a folder of event files.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

with warnings.catch_warnings():  # of its own dependencies
    warnings.simplefilter("ignore")
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.backend.event_processing.event_file_loader import (
        EventFileLoader,
        LegacyEventFileLoader,
    )
    from tensorboard.util import tensor_util


def files(folder: Any) -> list[Path]:
    """
    The event files below *folder*.
    """
    return sorted(Path(folder).rglob("events.out.tfevents.*"))


def events(path: Any) -> list[Any]:
    """
    The events of one file as they were written, that of the version first.
    """
    return list(LegacyEventFileLoader(str(path)).Load())


def run(folder: Any) -> Any:
    """
    What an EventAccumulator says of a run, with every event kept.
    """
    everything = dict.fromkeys(event_accumulator.DEFAULT_SIZE_GUIDANCE, 0)
    found = event_accumulator.EventAccumulator(str(folder), everything)
    return found.Reload()


def scalars(folder: Any, tag: str) -> list[tuple[int, float]]:
    """
    Step and value of each point of *tag*, as TensorBoard plots them.
    """
    return [
        (event.step, float(tensor_util.make_ndarray(value.tensor)))
        for path in files(folder)
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.tag == tag
    ]


def tags(folder: Any) -> set[str]:
    """
    The tags below *folder*.
    """
    return {
        value.tag
        for path in files(folder)
        for event in events(path)
        for value in event.summary.value
    }
