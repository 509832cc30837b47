"""
The example of a notebook, in the kernel of Jupyter.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest
from servers import recipes

pytestmark = [pytest.mark.metricservers, pytest.mark.timeout(200)]

CODES = re.compile("\x1b\\[[0-9;]*m")
TRACEBACK = "Traceback (most recent call last)"


@pytest.fixture(name="execute")
def _execute(tmp_path, missing, monkeypatch):
    """
    Runs the cells of the example, in an order; gives what each one shows.
    """
    for name in ("nbclient", "ipykernel"):
        if find_spec(name) is None:
            missing(name, f"pip install {name}")
    import nbformat
    from nbclient import NotebookClient

    # the kernel is a process of its own, which has to find mllog
    monkeypatch.setenv("PYTHONPATH", str(recipes.ROOT))
    folder = recipes.example("notebook", tmp_path)
    notebook = nbformat.read(folder / "train.ipynb", as_version=4)
    cells = {each.id: each for each in notebook.cells}

    def execute(*names, **sources):
        chosen = []
        for name in names:
            cell = cells["train"].copy()
            cell["source"] = sources.get(name) or cells[name].source
            chosen.append(cell)
        notebook.cells = chosen
        NotebookClient(
            notebook,
            timeout=90,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
        ).execute()
        return [cell.outputs for cell in chosen]

    execute.folder = folder
    return execute


def shown(outputs):
    """
    What a cell shows, as text; nothing of it is shown beside.
    """
    assert {"stdout"} >= {each.get("name") for each in outputs}, outputs
    return "".join(each["text"] for each in outputs)


def test_notebook_shows_each_record_once_in_colour(execute):
    """
    A cell that logs five epochs shows five coloured lines, and no more when
    the configuring cell has run again.
    """
    nothing, first, again, second, failure, _ = execute(
        "configure", "train", "configure", "train", "fail", "read"
    )

    assert "" == shown(nothing) == shown(again)
    for outputs in (first, second):
        lines = shown(outputs).splitlines()
        assert 5 == len(lines)
        assert all("\x1b[32mINFO" in line for line in lines)
        plain = [CODES.sub("", line) for line in lines]
        assert [f"epoch={number}" for number in range(1, 6)] == [
            re.search(r"epoch=\d", line)[0] for line in plain
        ]
    drawn = CODES.sub("", shown(failure))
    assert 1 == drawn.count(TRACEBACK)
    assert 1 == drawn.count("IndexError: list index out of range")
    found = recipes.records(execute.folder, "notebook.jsonl")
    assert [1, 2, 3, 4, 5] * 2 == [r["epoch"] for r in found if "epoch" in r]
    assert "IndexError" in found[-1]["exception"]["traceback"]


def test_notebook_with_rich_handler_shows_each_record_once(execute):
    """
    rich's handler shows a record as HTML, with text beside for those who
    cannot show that, and does not print it as well.
    """
    rich = (
        "import json\n"
        "config = json.load(open('logging.json'))\n"
        "config['handlers']['cell'] = {'class': 'mllog.RichHandler'}\n"
        "json.dump(config, open('logging.json', 'w'))"
    )
    outputs = execute("rich", "configure", "train", "configure", rich=rich)

    assert [] == outputs[1] == outputs[3]
    assert 5 == len(outputs[2])
    for each in outputs[2]:
        assert "display_data" == each["output_type"]
        assert {"text/html", "text/plain"} == each["data"].keys()
        assert 1 == each["data"]["text/html"].count("Epoch done")
