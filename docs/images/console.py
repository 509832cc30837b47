"""
Draw ``console.svg``: what RichFormatter makes of real log calls.

Run it with ``.venv/bin/python docs/images/console.py`` after a change of the
formatter, and commit what it writes.
"""

from __future__ import annotations

import io
import logging
import os
import re
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

import mllog

WIDTH = 112
START = 1_795_240_800.0  # a fixed time, so that only a change changes the file
THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        (110, 118, 129),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (240, 246, 252),
    ],
)


class Clock(logging.Filter):
    """
    Give each record the next second.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = START

    def filter(self, record: logging.LogRecord) -> bool:
        self.now += 1
        record.created = self.now
        return True


def log() -> str:
    """
    Log as an application does; give what the formatter wrote.
    """
    written = io.StringIO()
    handler = mllog.ConsoleHandler(written, color=True)
    handler.addFilter(Clock())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)

    train = logging.getLogger("train")
    serve = logging.getLogger("serve")
    train.debug("Batch loaded", extra={"batch_size": 64})
    for epoch, loss in (1, 0.4127), (2, 0.2031):
        values = {"loss": loss, "accuracy": 1 - loss / 9}
        train.info("Epoch done", extra={"metrics": values, "epoch": epoch})
    with mllog.bind(request_id="9f3c"):
        fields = {"inference_latency": 0.0123, "model_name": "resnet50"}
        serve.info("Inference complete", extra=fields)
        serve.warning("Slow request", extra={"request_latency": 2.31})
    serve.error("No such model", extra={"model_name": "resnet51"})
    serve.critical("Out of memory", extra={"gpu_memory_bytes": 25_769_803_776})
    serve.info("What users send\x1b[2J\nstays on one line")
    return written.getvalue()


def draw(text: str) -> str:
    """
    *text* with its colours as an SVG that loads nothing from elsewhere.
    """
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(text), end="")
    svg = console.export_svg(
        title="mllog", theme=THEME, unique_id="mllog-console"
    )
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    fonts = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    svg = svg.replace("Fira Code, monospace", fonts)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    target = Path(__file__).with_suffix(".svg")
    target.write_text(draw(log()), encoding="utf-8", newline="\n")
