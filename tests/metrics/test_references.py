"""
mllog.metrics.references and ranks: what a field looked like, in little memory.
"""

import math

import numpy as np
import pytest
from hostile import Liar, Nameless, RaisingEverything, SpokenFor
from hypothesis import given
from hypothesis import strategies as st

from mllog.errors import ConfigError
from mllog.metrics.kinds import sorted_out
from mllog.metrics.moments import Moments
from mllog.metrics.ranks import Ranks
from mllog.metrics.references import Gathered, Reference

FLOATS = st.floats(-1e150, 1e150)


def gathered(values, max_categories=100):
    made = Gathered(max_categories)
    made.extend(values)
    return made


# --- ranks ---


@pytest.mark.parametrize("order", ["random", "rising", "falling", "zigzag"])
def test_ranks_of_a_million_are_within_their_guarantee(order):
    """
    Whatever the order, the part below any value is right to 0.2 %.
    """
    count = 1_000_000
    values = np.random.default_rng(1).permutation(count).astype(float)
    if order != "random":
        values.sort()
    if order == "falling":
        values = values[::-1]
    if order == "zigzag":
        values = np.column_stack(
            (values[: count // 2], values[count // 2 :][::-1])
        ).ravel()
    ranks = Ranks()
    for start in range(0, count, 1000):
        ranks.extend(values[start : start + 1000].tolist())

    found, weights = map(np.array, zip(*ranks.weighted()))

    bound = math.log2(count / 4096) / 4096
    off = np.abs(np.cumsum(weights) - (found + 1)).max() / count
    assert count == weights.sum() == ranks.count
    assert off <= bound
    assert len(found) <= 4096 * (math.log2(count / 4096) + 1)


@given(
    first=st.lists(FLOATS, max_size=50), second=st.lists(FLOATS, max_size=50)
)
def test_ranks_of_few_are_exact_and_merge(first, second):
    """
    Fewer than 4096 numbers are all there.
    """
    ranks, other = Ranks(), Ranks()
    ranks.extend(first)
    other.extend(second)

    ranks.merge(other)

    expected = sorted([*first, *second])
    assert expected == [value for value, _ in ranks.weighted()]
    assert len(expected) == ranks.count


# --- moments ---


@given(
    parts=st.lists(
        st.lists(st.floats(-1e6, 1e6), min_size=1), min_size=1, max_size=8
    )
)
def test_moments_are_those_of_numpy(parts):
    """
    Mean and deviation do not depend on how the numbers come.
    """
    whole = Moments()
    for part in parts:
        each = Moments()
        each.extend(part)
        whole.merge(each)

    values = np.concatenate(parts)
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    assert values.mean() == pytest.approx(whole.mean, abs=1e-8)
    assert spread == pytest.approx(whole.deviation, rel=1e-6, abs=1e-6)


# --- values ---


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, "number"),
        (np.float32(1.5), "number"),
        (np.array([2.0]), "number"),
        ("cat", "text"),
        (True, "text"),
        (np.bool_(True), "text"),
        (None, "null"),
        (math.nan, "null"),
        (-math.inf, "null"),
        (np.float64("nan"), "null"),
        (10**400, "null"),
        (1e151, "null"),
        ([1, 2], "null"),
        (object(), "null"),
        (np.clongdouble(1 + 2j), "null"),
        (np.array(True), "text"),
        (SpokenFor("cat"), "text"),
    ],
)
def test_value_is_a_number_a_category_or_missing(value, kind):
    """
    NaN is missing, a bool is a category, and a list is neither.
    """
    found = sorted_out([value])

    expected = {"number": (1, 0, 0), "text": (0, 1, 0), "null": (0, 0, 1)}
    assert expected[kind] == (
        len(found.numbers),
        len(found.texts),
        found.nulls,
    )


def test_value_that_raises_is_missing_and_costs_no_other():
    """
    What stands beside it in a batch is taken.
    """
    found = sorted_out([1, Nameless(), RaisingEverything(), Liar(str), "cat"])

    assert [1] == found.numbers
    assert ["cat"] == found.texts
    assert 3 == found.nulls


# --- references ---


@given(values=st.lists(FLOATS, min_size=1, max_size=600))
def test_bins_hold_every_number(values):
    """
    Counts add up, edges ascend, and what is most is the last edge.
    """
    numbers = gathered(values).reference().numbers

    assert len(values) == sum(numbers.counts)
    assert list(numbers.edges) == sorted(set(numbers.edges))
    assert max(values) == numbers.edges[-1]
    assert 0 == numbers.counts[-1]
    assert len(numbers.edges) <= 2 * 256 + 2
    again = [0] * len(numbers.counts)
    for place in numbers.places(values):
        again[place] += 1
    assert list(numbers.counts) == again


def test_groups_of_a_continuous_field_are_tenths():
    """
    The PSI is one of ten groups of about a tenth each.
    """
    values = np.random.default_rng(1).normal(size=50_000).tolist()
    numbers = gathered(values).reference().numbers

    found = numbers.grouped(numbers.counts)

    assert 0 == found.pop()
    assert [5000] * 10 == pytest.approx(found, rel=0.05)


def test_most_values_say_whether_it_is_a_number():
    """
    A stray text among numbers is missing, a stray number among texts too.
    """
    numbers = gathered([1.0, 2.0, "?", None]).reference()
    texts = gathered(["a", "b", "a", 1.0]).reference()

    assert (4, 2) == (numbers.count, numbers.nulls)
    assert numbers.categories is None
    assert (4, 1) == (texts.count, texts.nulls)
    assert {"a": 2, "b": 1, "other": 0} == texts.categories


def test_categories_are_bounded_and_the_most_frequent_are_kept():
    """
    Of 100 000 different texts ten are kept, and the common one is among them.
    """
    made = gathered(["common"], max_categories=10)
    for n in range(100_000):
        made.extend([f"rare {n}", "common"][: 1 + n % 2])

    found = made.reference()

    assert 11 == len(found.categories)
    assert 50_001 == found.categories["common"]
    assert found.count == sum(found.categories.values()) == 150_001


@pytest.mark.parametrize(
    "values",
    [
        [1.0, -2.5, None],
        ["a", "b", "other"],
        [None, None],
        [True, False],
        [1, 1, 2, 10**6],
    ],
)
def test_reference_is_the_same_after_plain_data(values):
    """
    What is saved is what is read, and compares alike.
    """
    found = gathered(values).reference()

    again = Reference.of(found.plain())

    assert found == again
    if found.numbers:
        assert found.numbers.groups == again.numbers.groups


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"count": 1},
        {"count": 0, "nulls": 0},
        {"count": 1, "nulls": 2},
        {"count": "many", "nulls": 0},
        {"count": 1, "nulls": 0, "numbers": {}},
        {"count": 1, "nulls": 0, "numbers": []},
        {
            "count": 1,
            "nulls": 0,
            "numbers": {
                "edges": [2, 1],
                "counts": [1, 0, 0],
                "mean": 0,
                "deviation": 0,
            },
        },
        {
            "count": 1,
            "nulls": 0,
            "numbers": {
                "edges": [1],
                "counts": [0, 0],
                "mean": 0,
                "deviation": 0,
            },
        },
        {"count": 1, "nulls": 0, "categories": {"a": -1}},
        {"count": 1, "nulls": 0, "categories": {}},
    ],
)
def test_reference_that_makes_no_sense_is_refused(data):
    """
    A damaged file gives an error, and no comparison with nonsense.
    """
    with pytest.raises(ConfigError, match="cannot be read"):
        Reference.of(data)
