"""
What README.md and docs/ say is true: each code block runs.

A page is run from top to bottom in a fresh process and an empty folder.  A
comment before a block says what else it is:

* ``<!-- output -->``: what the block before it wrote.  Times, sizes, numbers
  with a decimal point and paths may differ;
* ``<!-- file: NAME -->``: the content of a file that later blocks use.

Pages about S3, Kafka and a schema registry have a server of their own, which
is found by the variables that such a page tells its reader to set.

Without one a ``python`` block runs in one namespace per page, ``json`` and
``ini`` blocks are applied as a configuration in a process of their own, and
of ``console`` blocks the commands ``mllog …`` run.
"""

from __future__ import annotations

import configparser
import html
import json
import logging
import os
import re
import runpy
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from servers.moto import moto, moto_signed
from servers.object_store import Keys
from servers.registry import Registry

import mllog

pytestmark = pytest.mark.once

__all__ = ["moto", "moto_signed"]

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    ROOT / "presets" / "README.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
# Packages that a page may need, by the name that it imports
PAGE_IS_RUN = "test_page_when_run_from_top_to_bottom_writes_what_it_shows"
PACKAGES = ("duckdb", "sklearn")
FRAMEWORKS = ("keras", "lightgbm", "lightning", "transformers", "xgboost")
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>output|file: \S+) -->\n\n?)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
EDGE = "\x1e"

# Runs in a process of its own, as __main__ of the page.
RUNNER = f"""
import json, os, shlex, subprocess, sys

def edge():
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(1, {EDGE!r}.encode())

def run(step):
    text = step["text"]
    if step["mark"].startswith("file: "):
        with open(step["mark"][6:], "w", encoding="utf-8") as file:
            file.write(text)
    elif step["language"] == "python":
        exec(compile(text, step["place"], "exec"), namespace)
    elif step["language"] in ("json", "ini"):
        apply(text, step["language"])
    elif step["language"] in ("console", "bash"):
        for line in text.splitlines():
            command = line.removeprefix("$ ")
            if command.startswith("mllog "):
                words = shlex.split(command)[1:]
                call = [sys.executable, "-m", "mllog", *words]
                code = subprocess.run(call).returncode
                # 1: check found something; what it says is then shown
                assert code == 0 or code == 1 and step["shown"], code

def apply(text, language):
    name = "applied." + language
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    load = (
        "logging.config.dictConfig(json.load(open(sys.argv[1])))"
        if language == "json"
        else "logging.config.fileConfig(sys.argv[1])"
    )
    code = f"import json, logging.config, sys; {{load}}"
    subprocess.run([sys.executable, "-c", code, name], check=True)
    os.unlink(name)

namespace = {{"__name__": "__main__"}}
for step in json.load(open(sys.argv[1], encoding="utf-8")):
    run(step)
    edge()
"""


@dataclass(frozen=True)
class Block:
    """
    A fenced block of a page.
    """

    place: str
    language: str
    mark: str
    text: str
    shown: bool = False  # its output follows


def blocks(page: Path) -> list[Block]:
    """
    The code blocks of *page*, from top to bottom.
    """
    text = page.read_text(encoding="utf-8")
    found = [
        Block(
            f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}",
            match["language"],
            match["mark"] or "",
            match["text"],
        )
        for match in BLOCK.finditer(text)
    ]
    after = [block.mark == "output" for block in found[1:]] + [False]
    return [
        replace(block, shown=shown)
        for block, shown in zip(found, after, strict=False)
    ]


def written(
    steps: list[Block], tmp_path: Path, variables: dict[str, str]
) -> list[str]:
    """
    What each of *steps* wrote to stdout and stderr.
    """
    folder = tmp_path / "page"
    folder.mkdir()
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps([asdict(step) for step in steps]))
    runner = tmp_path / "runner.py"
    runner.write_text(RUNNER, encoding="utf-8")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MLLOG_")
    }
    done = subprocess.run(
        [sys.executable, str(runner), str(plan)],
        cwd=folder,
        env={
            **kept,
            **variables,
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "TZ": "UTC",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=280,  # the test's own is shorter
    )
    outputs = done.stdout.split(EDGE)
    assert done.returncode == 0, (
        f"{steps[len(outputs) - 1].place} failed\n{outputs[-1]}"
    )
    return outputs[:-1]


REPORT = re.compile(r"mllog: \w+: cannot send: .*\n  records wait.*\n")


def normal(text: str) -> str:
    """
    *text* with what changes from run to run made alike.
    """
    for pattern, alike in (
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME"),
        (r"\d{8}T\d{6}Z", "STAMP"),
        (r"dt=\d{4}-\d\d-\d\d/hour=\d\d", "PARTITION"),
        (r"\d\d:\d\d:\d\d", "CLOCK"),
        (r"\b1\d{12}\b", "MILLISECONDS"),
        (r'"[0-9a-f]{32}"', "TRACE"),
        (r'"[0-9a-f]{16}"', "SPAN"),
        (r"\d+\.\d+(e-?\d+)?|\d+e-?\d+", "NUMBER"),
        (r'(?<=["\s])/[\w/.-]+(?=/)', "FOLDER"),
        (r"\b\d+ bytes\b", "SIZE"),
        (r"[ \t]+$", ""),
    ):
        text = re.sub(pattern, alike, text, flags=re.MULTILINE)
    return text.strip()


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_of(page: Path) -> Any:
    """
    *page* as a parameter, marked if it needs a server or a framework.
    """
    marks = [pytest.mark.s3servers] if stores(page) else []
    if publishes(page) and makes_topics(page):
        marks.append(pytest.mark.kafka)
    if any(map(imported_by(page), FRAMEWORKS)):
        marks += [pytest.mark.frameworks, pytest.mark.timeout(300)]
    return pytest.param(page, marks=marks, id=page_id(page))


def stores(page: Path) -> bool:
    """
    Whether *page* makes a bucket.
    """
    return "create_bucket" in page.read_text(encoding="utf-8")


def publishes(page: Path) -> bool:
    """
    Whether *page* has brokers.
    """
    text = page.read_text(encoding="utf-8")
    return "export MLLOG_KAFKA_BOOTSTRAP_SERVERS" in text


def makes_topics(page: Path) -> bool:
    """
    Whether what *page* runs makes a topic, which the mock cannot.
    """
    return any(
        "create_topic=" in block.text
        for block in blocks(page)
        if block.language == "python" and not block.mark
    )


@pytest.fixture
def servers(
    store: dict[str, str],
    brokers: dict[str, str],
    registry: dict[str, str],
) -> dict[str, str]:
    """
    The variables by which a page finds the servers that it needs.
    """
    return {**store, **brokers, **registry}


@pytest.fixture
def brokers(request: pytest.FixtureRequest, page: Path) -> dict[str, str]:
    """
    The variable with the brokers, where the page's topics are made.
    """
    if not publishes(page):
        return {}
    server = request.getfixturevalue("kafka")
    text = page.read_text(encoding="utf-8")
    for topic in re.findall(r"--create --topic ([a-z-]+)", text):
        server.create_topic(topic)
    return {"MLLOG_KAFKA_BOOTSTRAP_SERVERS": server.bootstrap}


@pytest.fixture
def registry(page: Path, missing: Any) -> Iterator[dict[str, str]]:
    """
    The variable with the schema registry, if the page has one.
    """
    if "export SCHEMA_REGISTRY_URL" not in page.read_text(encoding="utf-8"):
        yield {}
        return
    if not find_spec("authlib"):  # which only the registry's client needs
        missing("confluent-kafka[schemaregistry]", page_id(page))
    with Registry() as server:
        yield {"SCHEMA_REGISTRY_URL": server.url}


def imported_by(page: Path) -> Callable[[str], bool]:
    """
    Tells whether *page* imports a package.
    """
    text = page.read_text(encoding="utf-8")
    return lambda name: bool(
        re.search(rf"^(?:import|from) {name}\b", text, re.MULTILINE)
    )


@pytest.fixture(autouse=True)
def _packages(request: pytest.FixtureRequest) -> None:
    """
    Skip a page that is run for want of a package.
    """
    if request.node.originalname != PAGE_IS_RUN:
        return
    page = request.getfixturevalue("page")
    for package in filter(imported_by(page), (*PACKAGES, *FRAMEWORKS)):
        if not find_spec(package):
            request.getfixturevalue("missing")(package, page_id(page))


@pytest.fixture
def store(request: pytest.FixtureRequest, page: Path) -> dict[str, str]:
    """
    The variables by which *page* finds a server of S3, if it needs one.
    """
    if any(map(imported_by(page), (*FRAMEWORKS, "fastapi"))):
        return {"PYTHONWARNINGS": "ignore"}  # of theirs among each other
    if not stores(page):
        return {}
    server = request.getfixturevalue("moto")
    return {**server.environment(), "AWS_ENDPOINT_URL": server.endpoint_url}


@pytest.mark.parametrize("page", [run_of(page) for page in PAGES])
def test_page_when_run_from_top_to_bottom_writes_what_it_shows(
    page, servers, tmp_path, missing
):
    """
    Every code block of the page runs, and every shown output is the real one.
    """
    found = blocks(page)
    steps = [block for block in found if block.mark != "output"]
    if not steps:
        return
    if not hasattr(os, "fork") and any("os.fork" in b.text for b in steps):
        missing("os.fork", f"{page_id(page)} forks, which this system cannot")

    outputs = iter(written(steps, tmp_path, servers))

    latest = ""
    for block in found:
        if block.mark != "output":
            latest = next(outputs)
            continue
        if "mllog: " not in block.text:  # a report that came in between
            latest = REPORT.sub("", latest)
        assert normal(latest) == normal(block.text), block.place


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_blocks_name_a_language_that_is_checked(page):
    """
    No block is of a kind that the test above would pass over.
    """
    for block in blocks(page):
        known = {"python", "json", "ini", "console", "bash"}
        if block.mark:
            known |= {"text", "csv", "toml", "yaml"}
        assert block.language in known, block.place
    fences = page.read_text(encoding="utf-8").count("\n```")
    assert fences == 2 * len(blocks(page)), "a fence is not closed or indented"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_links_lead_somewhere(page):
    """
    Every relative link and picture of the page exists.
    """
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = (link[1] or link[2]).partition("#")[0]
        if target and "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_commands_exist(page):
    """
    Every ``make`` target is in the Makefile, every extra in setup.cfg.
    """
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = metadata["options.extras_require"]
    named = re.findall(r"mllog-handlers\[([\w,]+)\]", text)
    code = "\n".join(re.findall(r"`[^`\n]+`|^\$ .*$", text, re.MULTILINE))

    for target in re.findall(r"\bmake ([a-z][a-z-]*)", code):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for extra in ",".join(named).split(",") if named else ():
        assert extra in extras, extra


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_page_names_only_tests_that_exist(page):
    """
    A test that is named as holding a promise is there, under that name.
    """
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    if not named:
        return
    there = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        code = path.read_text(encoding="utf-8")
        there.update(re.findall(r"^def (test_\w+)", code, re.MULTILINE))

    assert named <= there


def test_readme_is_not_longer_than_120_lines():
    """
    The README can be read in one go.
    """
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert readme.count("\n") <= 120


def test_docs_index_names_every_page():
    """
    Each page of docs/ is linked from docs/README.md.
    """
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / match[1].partition("#")[0]).resolve()
        for match in LINK.finditer(index.read_text(encoding="utf-8"))
        if match[1]
    }

    assert {*index.parent.rglob("*.md")} - linked == {index}


TABLES = runpy.run_path(str(ROOT / "docs" / "tables.py"))


@pytest.mark.parametrize("name", sorted(TABLES["TABLES"]))
def test_reference_table_is_what_the_code_says(name):
    """
    ``docs/tables.py`` would change nothing.
    """
    page = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")

    assert TABLES["with_table"](page, TABLES["TABLES"][name]()) == page


def test_picture_is_what_the_formatter_writes():
    """
    ``docs/images/console.svg`` holds the lines that RichFormatter writes now.
    """
    picture = ROOT / "docs" / "images" / "console.svg"
    script = str(picture.with_suffix(".py"))
    code = f"import runpy; print(runpy.run_path({script!r})['log'](), end='')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TZ": "UTC"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    plain = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    drawn = re.findall(
        r"<text class=\"mllog-console-r\d+\"[^>]*>(.*?)</text>",
        picture.read_text(encoding="utf-8"),
        re.DOTALL,
    )

    # without blanks: the picture has them as distances
    assert re.sub(r"\s", "", html.unescape("".join(drawn))) == re.sub(
        r"\s", "", plain
    )


def user_with(policy: str, server: Any) -> Keys:
    """
    The keys of a new user who may do what *policy* says, on a moto.
    """

    def check_after(requests: int) -> None:
        asked = urllib.request.Request(
            f"{server.endpoint_url}/moto-api/reset-auth",
            data=str(requests).encode(),
            headers={"Content-Type": "text/plain"},
        )
        urllib.request.urlopen(asked, timeout=5).close()

    check_after(1000)
    iam = server.service("iam")
    iam.create_user(UserName="page")
    iam.put_user_policy(
        UserName="page", PolicyName="page", PolicyDocument=policy
    )
    made = iam.create_access_key(UserName="page")["AccessKey"]
    check_after(0)
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])


@pytest.mark.s3servers
def test_policy_of_the_s3_page_is_all_that_a_handler_needs(
    moto_signed, monkeypatch
):
    """
    With the policy that is shown records are stored, and nothing else works.
    """
    page = ROOT / "docs" / "how-to" / "s3.md"
    policy = next(
        block.text
        for block in blocks(page)
        if block.mark.endswith("policy.json")
    )
    bucket = moto_signed.new_bucket("policy")
    keys = user_with(policy.replace("my-models", bucket), moto_signed)
    for name, value in moto_signed.environment(keys).items():
        monkeypatch.setenv(name, value)
    handler = mllog.S3Handler(
        bucket, "service", endpoint_url=moto_signed.endpoint_url
    )

    handler.handle(logging.makeLogRecord({"msg": "stored", "levelno": 20}))
    handler.close()

    assert handler.stats().sent == 1
    assert len(moto_signed.names(bucket, "service/")) == 1
    client = moto_signed.client(keys)
    key = moto_signed.names(bucket)[0]
    for call in (
        lambda: client.list_objects_v2(Bucket=bucket),
        lambda: client.get_object(Bucket=bucket, Key=key),
        lambda: client.delete_object(Bucket=bucket, Key=key),
        lambda: client.put_object(Bucket=bucket, Key="elsewhere", Body=b""),
    ):
        with pytest.raises(Exception, match="AccessDenied"):
            call()
