"""
What tests share is made once, whoever wants it.
"""

import multiprocessing
import os

import pytest
from sharing import made_once


class Factory:
    """
    Knows where the temporary files of a run are.
    """

    def __init__(self, base):
        self._base = base

    def getbasetemp(self):
        return self._base


def _make(folder):
    assert not list(folder.iterdir())
    (folder / str(os.getpid())).touch()


def _ask(base, worker):
    os.environ["PYTEST_XDIST_WORKER"] = worker
    made_once(Factory(base / worker), "things", _make)


def test_folder_that_workers_want_at_once_is_made_by_one(tmp_path):
    """
    Processes that ask together get one folder, filled once.
    """
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_ask, args=(tmp_path, f"gw{number}"))
        for number in range(4)
    ]
    for each in workers:
        each.start()
    for each in workers:
        each.join()

    assert [each.exitcode for each in workers] == [0] * 4
    assert len(list((tmp_path / "things").iterdir())) == 1


def test_folder_that_could_not_be_made_is_tried_again(tmp_path, monkeypatch):
    """
    What a failure left in it is gone.
    """
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)

    def fail(folder):
        (folder / "half").touch()
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        made_once(Factory(tmp_path), "things", fail)
    folder = made_once(Factory(tmp_path), "things", _make)

    assert [each.name for each in folder.iterdir()] == [str(os.getpid())]
