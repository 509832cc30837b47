"""
mllog.metrics.tallies: the numbers of one series in one interval.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.metrics.tallies import CounterTally, GaugeTally, SpreadTally

SIZES = st.floats(1e-9, 1e9)
NUMBERS = st.one_of(SIZES, SIZES.map(lambda x: -x), st.just(0.0))


def fed(tally, values):
    for value in values:
        tally.add((value, 0.0, "", None))
    return tally


@given(values=st.lists(NUMBERS, min_size=1, max_size=200))
def test_percentiles_on_both_sides_of_zero_are_within_one_percent(values):
    """
    Each percentile is within 1 % of the exact one, whatever the signs.
    """
    found = fed(SpreadTally(), values).turn(10.0)

    assert len(values) == found["count"]
    assert (min(values), max(values)) == (found["min"], found["max"])
    assert math.fsum(values) == pytest.approx(found["sum"], abs=1e-3)
    for percent in (50, 90, 95, 99):
        exact = {
            np.quantile(values, percent / 100, method=method)
            for method in ("lower", "higher")
        }
        assert any(
            each == pytest.approx(found[f"p{percent}"], rel=0.0101, abs=1e-11)
            for each in exact
        )


@given(values=st.lists(NUMBERS, min_size=1, max_size=100))
def test_percentiles_are_in_order(values):
    """
    min ≤ p50 ≤ p90 ≤ p95 ≤ p99 ≤ max, but for the digits that are cut.
    """
    found = fed(SpreadTally(), values).turn(1.0)

    order = [found[n] for n in ("min", "p50", "p90", "p95", "p99", "max")]
    for below, above in zip(order, order[1:]):
        assert below <= above + 1e-5 * abs(above)


@given(
    values=st.lists(st.floats(-1.7e308, 1.7e308, allow_nan=False), min_size=1)
)
def test_gauge_of_any_floats_has_a_finite_mean(values):
    """
    However large the numbers, their mean is between the extremes.
    """
    found = fed(GaugeTally(), values).turn(1.0)

    slack = 1e-5 * max(abs(found["min"]), abs(found["max"]))
    assert math.isfinite(found["mean"])
    assert found["min"] - slack <= found["mean"] <= found["max"] + slack
    assert values[-1] == found["last"]


def test_counter_is_a_sum_and_its_rate():
    """
    Ten tokens in four seconds are 2.5 a second.
    """
    found = fed(CounterTally(), [1, 2, 3, 4]).turn(4.0)

    assert {"count": 4, "sum": 10.0, "rate": 2.5} == found


@pytest.mark.parametrize("kind", [CounterTally, GaugeTally, SpreadTally])
def test_tally_begins_anew_at_each_turn(kind):
    """
    What was said is not said again, and nothing is not said at all.
    """
    tally = fed(kind(), [1.0, 3.0])

    assert 2 == tally.turn(1.0)["count"]
    assert tally.turn(1.0) is None
    assert 1 == fed(tally, [5.0]).turn(1.0)["count"]


def test_turn_without_time_has_no_rate():
    """
    Nothing is divided by zero.
    """
    assert "rate" not in fed(CounterTally(), [1.0]).turn(0.0)
