"""
Label values: any value of a field as short, printable text.
"""

import decimal
import enum

import numpy as np
import pytest
from hostile import EACH_ARRAY, EACH_OBJECT, deep

from mllog.metrics.labels import LONGEST_LABEL, label_text


class Stage(str, enum.Enum):
    CANARY = "canary"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("resnet50", "resnet50"),
        (3, "3"),
        (3.0, "3"),
        (np.int64(3), "3"),
        (np.float32(3), "3"),
        (2.5, "2.5"),
        (True, "true"),
        (np.bool_(False), "false"),
        (decimal.Decimal(3), "3"),
        (Stage.CANARY, "canary"),
        ("a\ud800b", "a_b"),
        ("a\nb\x1b[0m\u202e", "a_b_[0m_"),
        ("größe", "größe"),
        (float("nan"), "nan"),
        (["a", "b"], "['a', 'b']"),
    ],
)
def test_label_is_the_text_of_its_value(value, text):
    """
    Equal numbers have equal text, and nothing unprintable is left.
    """
    assert text == label_text(value)


def test_label_of_anything_is_short_and_can_be_encoded():
    """
    Whatever somebody put there, it is a line of at most 200 characters.
    """
    values = [*EACH_ARRAY, "x" * 10_000, 10**5000, deep(100_000)]
    values += [make() for make in EACH_OBJECT]
    values += [[make()] for make in EACH_OBJECT]

    texts = [label_text(value) for value in values]

    assert all(len(text) <= LONGEST_LABEL for text in texts)
    assert all(text == "" or text.isprintable() for text in texts)
    assert "".join(texts).encode()


def test_label_that_is_cut_says_so_and_stays_another():
    """
    Values with the same beginning are not one series.
    """
    long = "x" * (LONGEST_LABEL + 1)
    texts = [label_text(long + end) for end in ("a", "b")]

    assert long[:-1] == label_text(long[:-1])
    assert len(set(texts)) == 2
    assert all("…" in text and len(text) == LONGEST_LABEL for text in texts)
