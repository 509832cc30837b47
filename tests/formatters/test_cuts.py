"""
What is left out of a record is counted, whoever leaves it out.
"""

import json
import logging
import re

import hostile
import pytest

import mllog
from mllog import encoding
from mllog.fields import count_beyond
from mllog.formatters.exceptions import described
from mllog.formatters.syslog import SyslogFormat
from mllog.formatters.text import pairs

MARK = re.compile(r"\[truncated (\d+)(?: bytes)?\\?\]")


def chain(count, link="__cause__"):
    error = None
    for number in range(count):
        outer = ValueError(f"level {number}")
        setattr(outer, link, error)
        error = outer
    return error


class Group(Exception):
    def __init__(self, members):
        self.exceptions = tuple(members)


def record_of(error=None, **fields):
    info = None if error is None else (type(error), error, None)
    return logging.makeLogRecord({"msg": "m", "exc_info": info, **fields})


def shown_in(tree):
    """
    How many exceptions a description holds.
    """
    if isinstance(tree, dict):
        own = "traceback" in tree
        return own + sum(map(shown_in, tree.values()))
    return sum(map(shown_in, tree)) if isinstance(tree, list) else 0


ERRORS = {
    "one": (lambda: ValueError("x"), 1),
    "ten": (lambda: chain(10), 10),
    "causes": (lambda: chain(15), 15),
    "contexts": (lambda: chain(15, "__context__"), 15),
    "long": (lambda: chain(3000), 3000),
    "group": (lambda: Group(ValueError(n) for n in range(20)), 21),
    "groups": (
        lambda: Group(Group([ValueError(n), KeyError(n)]) for n in range(9)),
        28,
    ),
    "both": (lambda: Group([chain(8), chain(8)]), 17),
    "deep": (lambda: Group([Group([Group([chain(20)])])]), 23),
}
ERROR = pytest.mark.parametrize(
    ("make", "count"), ERRORS.values(), ids=list(ERRORS)
)


@ERROR
def test_exceptions_left_out_are_counted(make, count):
    """
    Those shown and those counted are all that there are.
    """
    found = described(make())

    assert shown_in(found) == min(count, 10)
    assert shown_in(found) + found.get("truncated", 0) == count


@ERROR
@pytest.mark.parametrize("redacts", [False, True])
def test_line_with_exceptions_left_out_says_so(make, count, redacts):
    """
    So does each line with them, behind a redacting filter as well.
    """
    record = record_of(make(), token="secret")
    if redacts:
        record.exc_info[1].args = ("password=hunter2",)
        record = mllog.RedactingFilter().apply(record)
    for formatter, head in (
        (mllog.JSONFormatter(), ""),
        (mllog.JSONFormatter(static_fields={"a": 1}), ""),
        (mllog.MLPerfFormatter(), ":::MLLOG "),
    ):
        line = json.loads(formatter.format(record).removeprefix(head))
        place = line.get("metadata", line)

        assert place.get("mllog_truncated") is (True if count > 10 else None)
        error = place["exception"]
        assert shown_in(error) + error.get("truncated", 0) == count


def test_line_cut_twice_has_one_key_that_says_so():
    """
    Where the line is cut as well, there is still one mllog_truncated.
    """
    record = record_of(chain(15), text="x" * 99_999)

    line = json.loads(mllog.JSONFormatter().format(record))

    assert [key for key in line if "truncated" in key] == ["mllog_truncated"]


def test_count_of_exceptions_without_end_is_bounded():
    """
    Attributes that make exceptions without end cost no more than many do.
    """

    class Endless(Exception):
        @property
        def exceptions(self):
            return (Endless(), Endless())

    assert 0 < count_beyond([Endless()], set()) < 20_002


TEXT = "x" * 5000 + "é" * 5000


@pytest.mark.parametrize("max_bytes", [256, 400, 2000, 9000])
@pytest.mark.parametrize(
    "document",
    [
        {"a": TEXT},
        {"a": [TEXT]},
        {"a": "m", **{f"f{n}": "value" * 9 for n in range(500)}},
        {"a": list(range(9000))},
        {n: TEXT for n in "abcdefgh"},
    ],
    ids=["text", "nested", "fields", "items", "texts"],
)
def test_line_that_is_cut_counts_what_is_missing(document, max_bytes):
    """
    At any length a line that is cut has the number of what is missing.
    """
    line = encoding.encode(document, max_bytes=max_bytes)

    found = json.loads(line)
    assert found["mllog_truncated"] is True
    assert MARK.search(line.decode())
    if document == {"a": TEXT}:
        kept, _, rest = found["a"].partition("…")
        assert len(kept) + int(MARK.fullmatch(rest)[1]) == len(TEXT)


@pytest.mark.parametrize(
    "value",
    [TEXT, [TEXT], {"k": TEXT}, b"x" * 99, hostile.HugeRepr()],
    ids=["text", "list", "dict", "bytes", "repr"],
)
def test_value_that_is_cut_counts_what_is_missing(value):
    """
    So has a value in a line for people, and in syslog's structured data.
    """
    ((_, shown),) = pairs({"f": value})
    assert MARK.search(shown) or "bytes" in shown

    sent = SyslogFormat(max_message_bytes=480).of(record_of(f=value), "m")
    assert MARK.search(sent.decode()) or b"bytes" in sent
