"""
mllog.metrics.drift: distances as exact formulas and scipy have them.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mllog.metrics.drift import (
    chi_square,
    kolmogorov_smirnov,
    mean_shift,
    null_rate,
    population_stability,
)
from mllog.metrics.references import Gathered
from mllog.metrics.windows import Window

COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=30)


def reference_of(values, max_categories=100):
    gathered = Gathered(max_categories)
    gathered.extend(values)
    return gathered.reference()


def compared(live, reference):
    """
    The distances of *live* from *reference* by name.
    """
    window = Window(reference_of(reference))
    window.extend(live)
    return {each.statistic: each for each in window.compare().distances}


def exact_ks(live, reference):
    live, reference = np.sort(live), np.sort(reference)
    every = np.concatenate([live, reference])
    below = np.searchsorted(live, every, side="right") / len(live)
    before = np.searchsorted(reference, every, side="right") / len(reference)
    return np.abs(below - before).max()


# --- against formulas ---


def test_psi_of_full_bins_is_the_formula():
    """
    Where all bins are full, half a count changes little: Σ (p - q) ln(p / q).
    """
    live, before = np.array([2000, 3000, 5000]), np.array([4000, 3000, 3000])
    p, q = live / live.sum(), before / before.sum()
    exact = ((p - q) * np.log(p / q)).sum()

    found = population_stability(live, before)

    assert exact == pytest.approx(found.value, rel=1e-3)
    assert found.p_value < 1e-100


@given(live=COUNTS, seed=st.integers(0, 99))
def test_psi_is_finite_and_zero_of_the_same(live, seed):
    """
    Whatever bins are empty, the PSI is 0 or more and finite.
    """
    before = np.random.default_rng(seed).permutation(live).tolist()
    if not sum(live):
        return

    found = population_stability(live, before)

    assert 0 <= found.value < math.inf
    assert 0 <= found.p_value <= 1
    same = population_stability(live, live)
    assert 0 == pytest.approx(same.value, abs=1e-12)
    assert 1 == pytest.approx(same.p_value)


def test_distances_are_never_above_chance_of_one_in_a_thousand():
    """
    1 000 windows of what has not changed: about one is less likely than 0.001.
    """
    rng = np.random.default_rng(3)
    reference = reference_of(rng.normal(size=5000).tolist())
    alarms = dict.fromkeys(("psi", "ks", "mean_shift"), 0)
    worst = dict.fromkeys(alarms, 0.0)
    for _ in range(1000):
        window = Window(reference)
        window.extend(rng.normal(size=1000).tolist())
        for each in window.compare().distances[:3]:
            alarms[each.statistic] += each.p_value < 0.001
            worst[each.statistic] = max(worst[each.statistic], each.value)

    # of one reference; by chance more than 15 of 1000 have a 1e-12
    assert max(alarms.values()) <= 15, alarms
    assert worst["psi"] < 0.1
    assert worst["ks"] < 0.1


# --- against scipy ---


@settings(max_examples=50)
@given(live=COUNTS, seed=st.integers(0, 99))
def test_chi_square_is_that_of_scipy(live, seed):
    """
    Statistic and p-value are those of a contingency table.
    """
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    before = rng.integers(1, 1000, len(live)).tolist()
    if not sum(live):
        return

    found = chi_square(live, before)

    exact = stats.chi2_contingency([live, before], correction=False)
    n, m = sum(live), sum(before)
    assert exact.statistic == pytest.approx(
        found.value * n * m / (n + m), rel=1e-9, abs=1e-9
    )
    assert exact.pvalue == pytest.approx(found.p_value, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("degrees", [1, 2, 5, 9, 30, 99, 500])
@pytest.mark.parametrize("times", [0.01, 0.3, 0.9, 1.0, 1.1, 2.0, 5.0, 20.0])
def test_chi_square_tail_is_that_of_scipy(degrees, times):
    """
    The p-value is right from 1 down to 1e-300.
    """
    stats = pytest.importorskip("scipy.stats")
    from mllog.metrics import drift

    exact = stats.chi2.sf(degrees * times, degrees)

    found = drift._chi_square_tail(degrees * times, degrees)
    assert exact == pytest.approx(found, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("x", [0.01, 0.19, 0.2, 0.3, 0.5, 1.0, 1.5, 3.0, 9.0])
def test_kolmogorov_tail_is_that_of_scipy(x):
    """
    The asymptotic p-value is scipy's.
    """
    special = pytest.importorskip("scipy.special")
    from mllog.metrics import drift

    exact = special.kolmogorov(x)

    assert exact == pytest.approx(
        drift._kolmogorov_tail(x), rel=1e-9, abs=1e-11
    )


@pytest.mark.parametrize("shape", ["normal", "lognormal", "integers", "mixed"])
@pytest.mark.parametrize("shift", [0.0, 0.2, 0.5, 2.0])
def test_ks_of_bins_is_that_of_scipy_within_one_percent(shape, shift):
    """
    Against 100 000 earlier values, of whatever shape, signs and ties.
    """
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(11)

    def draw(count, by):
        made = {
            "normal": rng.normal(by, 1, count),
            "lognormal": rng.lognormal(by - 4, 1, count),
            "integers": rng.poisson(3 + by, count).astype(float),
            "mixed": np.where(
                rng.random(count) < 0.4, 0.0, rng.normal(by, 1, count)
            ),
        }
        return made[shape]

    live, before = draw(2000, shift), draw(100_000, 0.0)
    exact = stats.ks_2samp(live, before, method="asymp")

    found = compared(live.tolist(), before.tolist())["ks"]

    assert exact.statistic == pytest.approx(found.value, abs=0.01)
    if exact.statistic > 0.05:
        assert found.p_value < 0.001


@settings(max_examples=50)
@given(
    live=st.lists(st.floats(-100, 100), min_size=10, max_size=100),
    before=st.lists(
        st.one_of(st.floats(-100, 100), st.integers(-3, 3).map(float)),
        min_size=100,
        max_size=600,
    ),
)
def test_ks_of_bins_is_below_the_exact_one_by_the_resolution_at_most(
    live, before
):
    """
    What bins hide is at most the largest part of mixed numbers in one.
    """
    reference = reference_of(before)

    found = compared(live, before)["ks"].value

    exact = exact_ks(live, before)
    assert -1e-9 <= exact - found <= reference.numbers.resolution + 1e-9
    assert reference.numbers.resolution <= 2 / 256 + 1 / len(before)


def test_mean_shift_and_null_rate_are_tests_of_two_samples():
    """
    Their p-values are those of z tests.
    """
    stats = pytest.importorskip("scipy.stats")
    found = mean_shift(10.5, 2.0, 400, 10.0, 2.5, 900)
    z = 0.5 / math.sqrt(4 / 400 + 6.25 / 900)

    assert 0.2 == pytest.approx(found.value)
    assert 2 * stats.norm.sf(z) == pytest.approx(found.p_value)

    rate = null_rate(30, 400, 20, 900)
    table = [[30, 370], [20, 880]]
    exact = stats.chi2_contingency(table, correction=False).pvalue
    assert 30 / 400 - 20 / 900 == pytest.approx(rate.value)
    assert exact == pytest.approx(rate.p_value)


# --- hard values ---


def test_ks_of_what_is_the_same_is_zero():
    assert 0 == kolmogorov_smirnov([1, 2, 3], [10, 20, 30]).value
    assert 1 == kolmogorov_smirnov([1, 2, 3], [10, 20, 30]).p_value


@pytest.mark.parametrize(
    ("deviation", "before"), [(1.0, 0.0), (math.inf, 1.0), (1.0, math.inf)]
)
def test_mean_shift_without_a_spread_is_none(deviation, before):
    """
    A constant field has no standard deviation to measure by.
    """
    assert mean_shift(1.0, deviation, 100, 2.0, before, 100) is None


def test_constant_that_becomes_another_is_found():
    """
    All mass in one place moves to where nothing was.
    """
    found = compared([2.0] * 500, [1.0] * 5000)

    assert 1.0 == found["ks"].value
    assert found["psi"].value > 5
    assert "mean_shift" not in found


def test_integer_that_never_was_is_found_by_psi():
    """
    A sixth class is no part of the last group.
    """
    rng = np.random.default_rng(5)

    found = compared(
        rng.integers(0, 6, 1000).tolist(), rng.integers(0, 5, 5000).tolist()
    )

    assert found["psi"].value > 0.25


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1e9, 1e149])
def test_numbers_of_any_size_are_compared(scale):
    """
    Tiny and huge numbers overflow nothing.
    """
    rng = np.random.default_rng(5)
    before = (rng.normal(size=2000) * scale).tolist()
    live = ((rng.normal(size=1000) + 1) * scale).tolist()

    found = compared(live, before)

    assert 0.3 < found["ks"].value < 0.5
    assert all(math.isfinite(each.value) for each in found.values())


def test_offset_that_is_large_against_the_spread_is_no_matter():
    """
    300 K and a hundredth more is a shift of one deviation.
    """
    rng = np.random.default_rng(5)
    before = (300 + 0.01 * rng.normal(size=5000)).tolist()
    live = (300.01 + 0.01 * rng.normal(size=1000)).tolist()

    found = compared(live, before)

    assert 1 == pytest.approx(found["mean_shift"].value, abs=0.1)
    assert found["psi"].value > 0.25
