"""
Draw ``report.png``: the page that ``mllog report --html`` makes.

Run it with ``.venv/bin/python docs/images/report.py`` after a change of the
page, and commit what it writes.  The logs are those of the page
``how-to/report.md``, whose code runs.  It needs Chromium.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "how-to" / "report.md"
SIZE = 1180, 1560


def logs() -> None:
    """
    Run the code of the page that writes logs.
    """
    (code, *_) = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S
    )
    exec(compile(code, str(PAGE), "exec"), {})


def draw(target: Path) -> None:
    """
    Write the picture of the report of the logs to *target*.
    """
    command = [sys.executable, "-m", "mllog", "report", "logs"]
    subprocess.run([*command, "--html", "report.html"], check=True)
    subprocess.run(
        [
            shutil.which("chromium") or "chromium",
            *("--headless", "--no-sandbox", "--disable-gpu"),
            *("--hide-scrollbars", "--virtual-time-budget=20000"),
            f"--window-size={SIZE[0]},{SIZE[1]}",
            "--screenshot=report.png",
            Path("report.html").resolve().as_uri(),
        ],
        check=True,
        capture_output=True,
    )
    with Image.open("report.png") as image:
        small = image.convert("RGB").quantize(128)
    small.save(target, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        logs()
        draw(HERE / "report.png")
        os.chdir(HERE)
