"""
Examples of frameworks, their pages, and what ``mllog init`` writes, agree.
"""

import re
from pathlib import Path

import pytest

from mllog import frameworks

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
NAMES = ("bentoml", "kserve", "ray", "torchserve", "vllm")
ADDED = re.compile(r"<!-- file: added\w*\.py -->\n```python\n(.*?)```", re.S)


@pytest.mark.parametrize("name", NAMES)
def test_example_has_the_files_that_init_writes(name):
    """
    They are equal, byte for byte.
    """
    found = frameworks.framework(name)

    assert {file: found.content(file) for file in found.files} == {
        file: (EXAMPLES / name / file).read_bytes() for file in found.files
    }


@pytest.mark.parametrize("name", [name for name in NAMES if name != "vllm"])
def test_page_shows_lines_of_the_example(name):
    """
    What a page says is to be added is in the example, line by line.
    """
    page = (ROOT / frameworks.framework(name).page).read_text()
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
