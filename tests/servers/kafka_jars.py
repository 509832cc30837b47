"""
Apache Kafka from Maven Central, in a folder that all test sessions share.

As a program it fills the folder, or says what is missing for it.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_POM = Path(__file__).with_name("kafka_pom.xml")
_VERSION = re.search(
    r"<kafka\.version>(.+?)</kafka\.version>", _POM.read_text()
)
#: What the pom asks for.
VERSION = _VERSION[1] if _VERSION else ""
#: The oldest Java that Kafka 4 runs on.
JAVA = 17


class Missing(Exception):
    """
    What is not on this machine, and how it gets there.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name, self.why = name, why


def folder() -> Path:
    """
    Where the jars are, or will be.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mllog-ci" / f"kafka-{VERSION}"


def jars(timeout: float = 300.0) -> Path:
    """
    The folder with the jars, filled by Maven unless it is there already.

    Raises:
        Missing: Java or Maven is not there, or Maven failed.
    """
    _require_java()
    if not folder().is_dir():
        _fetch(timeout)
    return folder()


@functools.cache
def _require_java() -> None:
    if shutil.which("java") is None:
        raise Missing("java", f"install Java {JAVA} or newer")
    said = subprocess.run(
        ["java", "-version"], capture_output=True, text=True, timeout=30
    ).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        raise Missing("java", f"install Java {JAVA} or newer; here is: {said}")


def _fetch(timeout: float) -> None:
    """
    Fill a folder of its own, and give it the name when it is whole.
    """
    if shutil.which("mvn") is None:
        raise Missing("maven", "install Maven: it fetches Apache Kafka")
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".kafka-", dir=target.parent))
    try:
        _run_maven(made, timeout)
        made.chmod(0o755)
        os.rename(made, target)
    except OSError:
        # somebody else was faster; theirs is as good
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _run_maven(output: Path, timeout: float) -> None:
    command = [
        *("mvn", "--batch-mode", "--quiet", "--file", str(_POM)),
        *("--update-snapshots", "dependency:copy-dependencies"),
        *("-DincludeScope=runtime", f"-DoutputDirectory={output}"),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise Missing(
            f"Apache Kafka {VERSION}",
            f"Maven Central gave it not within {timeout} s",
        ) from None
    if done.returncode or not any(output.glob("kafka_*.jar")):
        told = (done.stdout + done.stderr).strip()[:1000]
        raise Missing(
            f"Apache Kafka {VERSION}",
            f"let Maven reach Maven Central; it said: {told}",
        )


if __name__ == "__main__":
    try:
        print(f"Apache Kafka {VERSION}: {jars()}")
    except Missing as absent:
        # the tests that need it skip themselves, or fail on CI
        print(f"missing: {absent}", file=sys.stderr)
