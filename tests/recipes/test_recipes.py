"""
The examples of frameworks, what ``mllog init`` writes, and the pages agree.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from servers.recipes import EXAMPLES, ROOT

from mllog import frameworks

RECIPES = [
    name for name in frameworks.framework_names() if (EXAMPLES / name).is_dir()
]
FILE = re.compile(
    r"^<!-- file: (\S+) -->\n\n?```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
# What a page says is to be added to somebody's own program.
ADDED = re.compile(r"<!-- file: added\w*\.py -->\n```python\n(.*?)```", re.S)
WITH_ADDED = ("bentoml", "kserve", "ray", "torchserve")


def files_of(page: Path) -> dict[str, str]:
    """
    The files that a page shows.
    """
    return dict(FILE.findall(page.read_text(encoding="utf-8")))


def test_recipes_are_found():
    """
    The tests below have something to look at.
    """
    assert {"notebook", "script", *WITH_ADDED} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_example_has_what_init_writes(name):
    """
    Each file of a framework's configuration is in its example, unchanged.
    """
    found = frameworks.framework(name)

    for file in found.files:
        assert found.content(file) == (EXAMPLES / name / file).read_bytes()


@pytest.mark.parametrize("name", RECIPES)
def test_page_shows_the_files_of_the_example(name):
    """
    A file that is in the example too is shown as it is there.
    """
    shown = files_of(ROOT / frameworks.framework(name).page)

    for file, text in shown.items():
        path = EXAMPLES / name / file
        assert not path.is_file() or path.read_text() == text, file


@pytest.mark.parametrize(
    "name",
    [
        each
        for each in RECIPES
        if {path.name for path in (EXAMPLES / each).iterdir()}
        > set(frameworks.framework(each).files)
    ],
)
def test_page_leads_to_the_example(name):
    """
    Whoever reads the page finds the whole application, where there is one.
    """
    page = ROOT / frameworks.framework(name).page

    assert f"](../../examples/{name}" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WITH_ADDED)
def test_page_shows_lines_of_the_example(name):
    """
    What a page says is to be added is in the example, line by line.
    """
    page = (ROOT / frameworks.framework(name).page).read_text("utf-8")
    example = "".join(
        each.read_text() for each in sorted((EXAMPLES / name).glob("*.py"))
    )

    blocks = ADDED.findall(page)
    assert blocks
    there = {line.strip() for line in example.splitlines()}
    assert [] == [
        line
        for block in blocks
        for line in block.splitlines()
        if line.strip() not in there
    ]
