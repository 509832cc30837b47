"""
mllog.metrics.library: which reference is nearest to a series.
"""

import pytest

from mllog.errors import ConfigError
from mllog.metrics.library import Library, gathered_from, saved_in
from mllog.metrics.references import Reference
from mllog.metrics.watching import metrics_of

M1 = {"model_name": "m", "model_version": "1"}
M2 = {"model_name": "m", "model_version": "2"}


def library(*labels):
    """
    A library of the field *x*; the n-th reference has n values.
    """
    made = Library()
    for count, each in enumerate(labels, 1):
        made.put("x", each, Reference(count, 0))
    return made


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        ([M1, M2], M2, 2),
        ([M1, {"model_name": "m"}, {}], M2, 2),
        ([M1, {}], M2, 2),
        ([M1, {"model_name": "n"}], M2, 1),
        ([{"model_name": "n"}, M1], {"model_name": "m"}, 2),
        ([M1, M1 | {"variant": "A"}], {}, 1),
        ([], M1, None),
    ],
)
def test_nearest_reference_differs_least(there, asked, found):
    """
    What differs in the fewest labels and agrees in the most is found.
    """
    reference = library(*there).find("x", asked, "")

    assert found == (reference.count if reference else None)


def test_another_field_or_part_is_never_near():
    """
    A channel is compared with itself, and x with no y.
    """
    made = library({"channel": "0"})

    assert made.find("y", {"channel": "0"}, "channel") is None
    assert made.find("x", {"channel": "1"}, "channel") is None
    assert 1 == made.find("x", {"channel": "0", "a": "b"}, "channel").count


def test_library_is_the_same_after_a_file(tmp_path):
    """
    What is saved is read, and found like before.
    """
    made = library(M1, M2, {})
    path = tmp_path / "reference.json"

    made.save(path)

    assert made.plain() == saved_in(path).plain()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        '{"mllog_drift":',
        '{"mllog_drift":2,"references":[]}',
        '{"mllog_drift":1}',
        '{"mllog_drift":1,"references":[3]}',
        '{"mllog_drift":1,"references":[{"field":"x"}]}',
    ],
)
def test_file_that_is_damaged_is_refused(text, tmp_path):
    """
    It is no log either, and the error says what it should be.
    """
    path = tmp_path / "reference.json"
    path.write_text(text)

    with pytest.raises(ConfigError, match="DriftHandler.save|cannot be read"):
        saved_in(path)


def test_log_is_no_saved_library(tmp_path):
    """
    JSON lines, folders and buckets are left to mllog.read.
    """
    path = tmp_path / "a.jsonl"
    path.write_text('{"message":"x"}\n')

    for source in (path, tmp_path, "s3://bucket/a", [str(path)]):
        assert saved_in(source) is None


def test_gathering_ends_when_nobody_wants_it():
    """
    A handler that was closed stops its thread within 500 records.
    """
    taken = []

    def records():
        for n in range(100_000):
            taken.append(n)
            yield {"x": n}

    measured = {"metrics": metrics_of(["x"]), "labels": ()}
    gathered_from(records(), measured, 10, lambda: False)

    assert 500 == len(taken)
