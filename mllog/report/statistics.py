"""
Tests and confidence intervals, with what each of them assumes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

__all__ = [
    "Z95",
    "Interval",
    "Ranked",
    "brunner_munzel",
    "fisher",
    "holm",
    "newcombe",
    "proportions",
    "risk_ratio",
    "two_sided",
    "wilson",
]

_NORMAL: Final = NormalDist()
#: The normal quantile of a 95 % confidence interval.
Z95: Final = _NORMAL.inv_cdf(0.975)
_FEW: Final = 10.0
_STEPS: Final = 300


class Interval(NamedTuple):
    """
    A confidence interval.
    """

    low: float
    high: float


def two_sided(z: float) -> float:
    """
    How likely a normal deviate is at least so far from 0.
    """
    return math.erfc(abs(z) / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """
    Adjusted p-values by Holm: all are below alpha with that chance at most.
    """
    order = sorted(range(len(p_values)), key=lambda n: p_values[n])
    adjusted = [1.0] * len(p_values)
    worst = 0.0
    for rank, place in enumerate(order):
        worst = max(worst, (len(order) - rank) * p_values[place])
        adjusted[place] = min(1.0, worst)
    return adjusted


def wilson(hits: int, count: int, z: float = Z95) -> Interval:
    """
    Wilson's score interval of a proportion.
    """
    if count == 0:
        return Interval(0.0, 1.0)
    p, square = hits / count, z * z / count
    middle = (p + square / 2) / (1 + square)
    spread = (
        z
        * math.sqrt(p * (1 - p) / count + square / (4 * count))
        / (1 + square)
    )
    return Interval(max(0.0, middle - spread), min(1.0, middle + spread))


def newcombe(
    hits_a: int, count_a: int, hits_b: int, count_b: int, z: float = Z95
) -> Interval:
    """
    Newcombe's interval of the difference ``b - a`` of two proportions.
    """
    a, b = hits_a / count_a, hits_b / count_b
    of_a, of_b = wilson(hits_a, count_a, z), wilson(hits_b, count_b, z)
    low = math.hypot(b - of_b.low, of_a.high - a)
    high = math.hypot(of_b.high - b, a - of_a.low)
    return Interval(b - a - low, b - a + high)


def proportions(hits_a: int, count_a: int, hits_b: int, count_b: int) -> float:
    """
    The p-value that two proportions are equal.

    The score test; Fisher's exact test where it expects fewer than 10 hits
    or misses on a side.
    """
    hits, count = hits_a + hits_b, count_a + count_b
    least = min(hits, count - hits) * min(count_a, count_b) / count
    if least < _FEW:
        return fisher(hits_a, count_a, hits_b, count_b)
    pooled = hits / count
    spread = math.sqrt(pooled * (1 - pooled) * (1 / count_a + 1 / count_b))
    return two_sided((hits_b / count_b - hits_a / count_a) / spread)


def fisher(hits_a: int, count_a: int, hits_b: int, count_b: int) -> float:
    """
    Fisher's exact test, two-sided: all tables that are no likelier.
    """
    hits, count = hits_a + hits_b, count_a + count_b
    if hits * 2 > count:  # the same of the misses, which are fewer
        return fisher(count_a - hits_a, count_a, count_b - hits_b, count_b)

    def chance(x: int) -> float:
        return math.exp(
            _log_choose(count_a, x)
            + _log_choose(count_b, hits - x)
            - _log_choose(count, hits)
        )

    seen = chance(hits_a) * (1 + 1e-9)
    tables = range(max(0, hits - count_b), min(count_a, hits) + 1)
    return min(1.0, sum(p for p in map(chance, tables) if p <= seen))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def risk_ratio(
    hits: int, count: int, other_hits: int, other_count: int
) -> tuple[float, Interval]:
    """
    How many times as likely hits are, with its interval on the log scale.

    Where a side has none, half a hit is added to both.
    """
    a, n, b, m = map(float, (hits, count, other_hits, other_count))
    if min(a, b) == 0:
        a, n, b, m = a + 0.5, n + 1, b + 0.5, m + 1
    ratio = (a / n) / (b / m)
    spread = math.sqrt(max(0.0, 1 / a - 1 / n + 1 / b - 1 / m))
    factor = math.exp(min(700.0, Z95 * spread))
    return ratio, Interval(ratio / factor, ratio * factor)


class Ranked(NamedTuple):
    """
    How likely a value of B is above one of A, where ties count half.

    Args:
        probability: 0.5 where neither is larger.

        spread: Its standard error.

        p_value: That it is 0.5.
    """

    probability: float
    spread: float
    p_value: float


def brunner_munzel(
    counts_a: Sequence[int], counts_b: Sequence[int], design: float = 1.0
) -> Ranked:
    """
    Brunner's and Munzel's test of two samples counted in ordered bins.

    Unlike the test of Mann, Whitney and Wilcoxon it holds where the
    quantiles_by_group differ.  Values of one bin are ties.

    Args:
        counts_a: How many of A are in each bin, ascending.

        counts_b: The same of B.

        design: How many times as large the variance is because neighbours
            are alike; 1 where records do not depend on each other.
    """
    n, m = sum(counts_a), sum(counts_b)
    p = _placement_mean(counts_b, counts_a, n, m)
    # where B's values stand among A, and A's among B
    of_b = _placement_variance(counts_b, counts_a, n, m)
    of_a = _placement_variance(counts_a, counts_b, m, n)
    variance = design * (of_a / n + of_b / m)
    if variance <= 0:
        return Ranked(p, 0.0, 1.0 if p == 0.5 else 0.0)
    spread = math.sqrt(variance)
    degrees = (of_a / n + of_b / m) ** 2 / (
        (of_a / n) ** 2 / max(1, n - 1) + (of_b / m) ** 2 / max(1, m - 1)
    )
    return Ranked(p, spread, student((p - 0.5) / spread, degrees))


def _placement_mean(
    own: Sequence[int], other: Sequence[int], n: int, m: int
) -> float:
    total, below = 0.0, 0
    for mine, theirs in zip(own, other, strict=True):
        total += mine * (below + theirs / 2)
        below += theirs
    return total / (n * m)


def _placement_variance(
    own: Sequence[int], other: Sequence[int], other_count: int, count: int
) -> float:
    first = second = 0.0
    below = 0
    for mine, theirs in zip(own, other, strict=True):
        place = (below + theirs / 2) / other_count
        first += mine * place
        second += mine * place * place
        below += theirs
    mean = first / count
    return max(0.0, second / count - mean * mean) * count / max(1, count - 1)


def student(t: float, degrees: float) -> float:
    """
    How likely Student's t is at least so far from 0.
    """
    if degrees > 1e5:
        return two_sided(t)
    x = degrees / (degrees + t * t)
    return _beta(x, degrees / 2, 0.5)


def _beta(x: float, a: float, b: float) -> float:
    """
    The regularised incomplete beta function, by a continued fraction (Lentz).
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta(1 - x, b, a)
    scale = math.exp(
        math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
        + a * math.log(x)
        + b * math.log1p(-x)
    )
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    found = d
    for k in range(1, _STEPS):
        for term in (
            k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k)),
            -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1)),
        ):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            found *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return scale * found / a
