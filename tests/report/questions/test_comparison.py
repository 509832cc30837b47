"""
Differences that are there are found, and others are not.
"""

import numpy as np
import pytest
from report.logged import START

import mllog.report.questions.comparison as comparison_module
from mllog.report import compare, open_logs
from mllog.timestamps import utc


def side(chance, count, slower=None, errors=0.02):
    """
    Latencies and levels of one version.
    """
    latencies = chance.lognormal(-3, 0.6, count)
    if slower is not None:
        latencies = slower(latencies)
    return latencies, chance.random(count) < errors


@pytest.fixture
def logs_of(tmp_path):
    """
    Makes logs of two sides, whose records alternate.
    """
    opened = []

    def made(a, b):
        path = tmp_path / f"{len(opened)}.jsonl"
        with open(path, "w") as file:
            for version, (latencies, errors) in (("3", a), ("4", b)):
                for n, latency in enumerate(latencies):
                    file.write(
                        '{"timestamp":"%s","level":"%s","model_version":"%s",'
                        '"inference_latency":%.9f}\n'
                        % (
                            utc(START + n),
                            "ERROR" if errors[n] else "INFO",
                            version,
                            latency,
                        )
                    )
        logs = open_logs(path)
        opened.append(logs)
        return (
            logs.where('model_version == "3"'),
            logs.where('model_version == "4"'),
        )

    yield made
    for logs in opened:
        logs.close()


def by_quantity(found):
    return {each.quantity: each for each in found.differences}


def test_compare_finds_a_p95_that_is_5_percent_slower(logs_of):
    """
    The upper tail alone is slower: p95 is named, and p50 is alike.
    """
    chance = np.random.default_rng(7)

    def slower(latencies):
        limit = np.quantile(latencies, 0.9)
        return np.where(latencies > limit, latencies * 1.05, latencies)

    a, b = logs_of(side(chance, 30_000), side(chance, 30_000, slower))

    found = by_quantity(compare(a, b, "inference_latency"))

    assert "different" == found["p95"].verdict
    assert found["p95"].low < 1.05 < found["p95"].high
    assert 1 < found["p95"].low
    assert "alike" == found["p50"].verdict
    assert "different" != found["error rate"].verdict


def test_compare_finds_more_errors(logs_of):
    """
    Three percent instead of two are found, with an interval in points.
    """
    chance = np.random.default_rng(8)
    a, b = logs_of(side(chance, 20_000), side(chance, 20_000, errors=0.03))

    found = by_quantity(compare(a, b, "inference_latency"))["error rate"]

    assert "different" == found.verdict
    assert 0 < found.low < 0.01 < found.high < 0.02


def test_compare_of_little_data_has_the_number_needed(logs_of):
    """
    100 records show nothing; as many as needed show the difference.
    """
    chance = np.random.default_rng(9)

    def slower(latencies):
        return latencies * 1.05

    a, b = logs_of(side(chance, 300), side(chance, 300, slower))
    found = by_quantity(compare(a, b, "inference_latency"))
    assert {"not enough data"} == {each.verdict for each in found.values()}
    assert found["p99"].p_value is None
    needed = found["p95"].needed
    assert 5_000 < needed < 50_000

    a, b = logs_of(side(chance, 2 * needed), side(chance, 2 * needed, slower))
    found = by_quantity(compare(a, b, "inference_latency"))
    assert "different" == found["p95"].verdict


def test_compare_of_nothing_notes_it(logs_of):
    """
    A side without records is no error.
    """
    chance = np.random.default_rng(10)
    a, b = logs_of(side(chance, 500), side(chance, 0))

    found = compare(a, b, "inference_latency", names=("v3", "v4"))

    assert "v4 has no records." in found.notes
    assert {"not enough data"} == {each.verdict for each in found.differences}


class Drawn:
    """
    A side that is drawn rather than read, with the same numbers.
    """

    def __init__(self, latencies, errors):
        self.latencies = latencies
        self.errors = int(errors.sum())
        self.reading = type("Reading", (), {"since": None, "until": None})

    def side(self, field, label):
        count = len(self.latencies)
        correlation = self.correlation()
        design = comparison_module._design(correlation, count)
        limits = comparison_module._limits(count, design)
        spread = comparison_module.GroupQuantiles(
            (),
            count,
            float(self.latencies.mean()),
            float(self.latencies.min()),
            float(self.latencies.max()),
            tuple(np.quantile(self.latencies, limits)),
            0.0,
        )
        return comparison_module._Side(
            label,
            self,
            count,
            self.errors,
            spread,
            float(self.latencies.var(ddof=1)),
            design,
            correlation,
        )

    def correlation(self):
        away = np.log(self.latencies) - np.log(self.latencies).mean()
        return float((away[1:] * away[:-1]).sum() / (away * away).sum())

    def binned(self):
        bins, counts = np.unique(
            np.floor(np.log(self.latencies) / comparison_module._BIN).astype(
                int
            ),
            return_counts=True,
        )
        return dict(zip(bins.tolist(), counts.tolist()))


@pytest.fixture
def drawn(monkeypatch):
    monkeypatch.setattr(
        comparison_module,
        "_side",
        lambda logs, field, label: logs.side(field, label),
    )
    monkeypatch.setattr(
        comparison_module, "_binned", lambda logs, field: logs.binned()
    )


def called_different(draw, times):
    """
    In how many of so many draws anything at all is called different.
    """
    return sum(
        any(
            each.verdict == "different"
            for each in compare(draw(n), draw(n + times), "x").differences
        )
        for n in range(times)
    )


@pytest.mark.parametrize("count", [500, 3000])
def test_equal_versions_are_called_different_in_at_most_5_of_100(drawn, count):
    """
    Over all quantities together, in 400 draws.
    """

    def draw(seed):
        return Drawn(*side(np.random.default_rng(seed), count))

    assert called_different(draw, 400) <= 20


def test_equal_versions_whose_neighbours_are_alike_neither(drawn):
    """
    Latencies that follow each other slowly are no difference.
    """

    def draw(seed, count=3000, keeps=0.8):
        chance = np.random.default_rng(seed)
        steps = chance.normal(size=count) * (1 - keeps**2) ** 0.5
        for n in range(1, count):
            steps[n] += keeps * steps[n - 1]
        return Drawn(np.exp(0.6 * steps - 3), chance.random(count) < 0.02)

    assert called_different(draw, 100) <= 7


def test_control_uncorrected_tests_call_more_different(drawn, monkeypatch):
    """
    Without Holm's correction equal versions are called different too often.
    """
    monkeypatch.setattr(comparison_module, "holm", list)

    def draw(seed):
        return Drawn(*side(np.random.default_rng(seed), 1000))

    assert called_different(draw, 200) > 15
