"""
The numbers of one series, by kind.
"""

import math
import threading

import pytest

from mllog.exposition import cells
from mllog.exposition.cells import (
    CounterCell,
    GaugeCell,
    HistogramCell,
    SummaryCell,
    buckets_for,
)
from mllog.forking import fork_safe_lock


def _seen(value, mark=None):
    return value, 1000.0, "trace_id" if mark else "", mark


def _numbers(cell):
    return {(each.suffix, each.label): each.value for each in cell.samples()}


def test_counter_is_the_sum():
    """
    Ten times a tenth is one: nothing is lost by adding.
    """
    cell = CounterCell(fork_safe_lock())

    for _ in range(10):
        cell.add(_seen(0.1))

    assert {("_total", None): 1.0} == _numbers(cell)


def test_gauge_is_the_last_value():
    """
    Before the first there is nothing to say.
    """
    cell = GaugeCell(fork_safe_lock())
    assert {} == _numbers(cell)

    cell.add(_seen(3))
    cell.add(_seen(-2.5))

    assert {("", None): -2.5} == _numbers(cell)
    assert 0 == len(cell.waiting)


def test_histogram_counts_what_is_up_to_each_bound():
    """
    A value on a bound is in its bucket, and buckets add up.
    """
    cell = HistogramCell(fork_safe_lock(), (0.1, 1.0))

    for value in (0.05, 0.1, 0.5, 1.0, 7):
        cell.add(_seen(value))

    assert {
        ("_bucket", ("le", 0.1)): 2,
        ("_bucket", ("le", 1.0)): 4,
        ("_bucket", ("le", math.inf)): 5,
        ("_count", None): 5,
        ("_sum", None): 8.65,
    } == _numbers(cell)


def test_histogram_below_zero_has_no_sum():
    """
    A sum that falls would look like a restart to Prometheus.
    """
    cell = HistogramCell(fork_safe_lock(), (-1.0, 1.0))

    cell.add(_seen(-0.5))

    assert ("_sum", None) not in _numbers(cell)
    assert 1 == _numbers(cell)["_count", None]


def test_histogram_has_the_last_exemplar_of_each_bucket():
    """
    Values without a mark leave the exemplar that is there.
    """
    cell = HistogramCell(fork_safe_lock(), (0.1, 1.0))

    cell.add(_seen(0.05, "old"))
    cell.fold()
    for value, mark in ((0.05, "new"), (0.5, "slow"), (0.5, None)):
        cell.add(_seen(value, mark))

    marks = [
        sample.exemplar and sample.exemplar[3] for sample in cell.samples()
    ]
    assert ["new", "slow", None, None, None] == marks


def test_summary_has_quantiles_of_the_last_minutes(monkeypatch):
    """
    Count and sum are since the start; what is old leaves the quantiles.
    """
    now = [0.0]
    monkeypatch.setattr(cells.time, "monotonic", lambda: now[0])
    cell = SummaryCell(fork_safe_lock())

    def quantile(part):
        return _numbers(cell)["", ("quantile", part)]

    for value in range(1, 101):
        cell.add(_seen(value))
    assert quantile(0.9) == pytest.approx(90, rel=0.02)

    now[0] = 301.0
    cell.add(_seen(1000.0))
    assert quantile(0.5) == pytest.approx(51, rel=0.03)

    now[0] = 602.0
    assert quantile(0.5) == pytest.approx(1000, rel=0.01)

    now[0] = 2000.0
    assert math.isnan(quantile(0.5))
    assert 101 == _numbers(cell)["_count", None]
    assert 6050.0 == _numbers(cell)["_sum", None]


def test_cell_loses_nothing_when_threads_add_and_fold():
    """
    Every value of four threads is counted once.
    """
    cell = HistogramCell(fork_safe_lock(), buckets_for("seconds"))

    def run():
        for _ in range(20_000):
            cell.add(_seen(0.5))
            if len(cell.waiting) > 50:
                cell.fold()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        cell.samples()
    for each in threads:
        each.join()

    assert 80_000 == _numbers(cell)["_count", None]
    assert 40_000.0 == _numbers(cell)["_sum", None]


@pytest.mark.parametrize("unit", ["seconds", "bytes", "ratio", "tokens", ""])
def test_buckets_for_a_unit_ascend(unit):
    """
    There are bounds for every unit, at most sixteen.
    """
    bounds = buckets_for(unit)

    assert list(bounds) == sorted(set(bounds))
    assert 12 <= len(bounds) <= 16
