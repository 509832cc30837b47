"""
How far one distribution is from another, and how likely that is by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = [
    "STATISTICS",
    "THRESHOLDS",
    "Distance",
    "chi_square",
    "kolmogorov_smirnov",
    "mean_shift",
    "null_rate",
    "population_stability",
]

#: The statistics, and from where on a distance is moderate or major.
THRESHOLDS: Final[dict[str, tuple[float, float]]] = {
    "psi": (0.1, 0.25),
    "ks": (0.1, 0.25),
    "chi_square": (0.1, 0.25),
    "null_rate": (0.1, 0.25),
    "mean_shift": (0.3, 0.5),
}

STATISTICS: Final = tuple(THRESHOLDS)

_STEPS: Final = 1000
_CLOSE: Final = 1e-15


class Distance(NamedTuple):
    """
    A distance between what is and what was.

    Args:
        statistic: One of :data:`STATISTICS`.

        value: 0 where both are alike.

        p_value: How likely a distance so large is, if nothing has changed.
    """

    statistic: str
    value: float
    p_value: float


def population_stability(
    live: Sequence[float], reference: Sequence[float]
) -> Distance:
    """
    The population stability index (PSI) of two lists of counts.

    It is the sum of ``(p - q) ln(p / q)`` over the bins in which either has
    something.  Half a count is added to each, so that an empty bin gives no
    infinity.
    """
    pairs = _pairs(live, reference)
    n, m = _sums(pairs)
    more = len(pairs) / 2
    value = 0.0
    for a, b in pairs:
        p, q = (a + 0.5) / (n + more), (b + 0.5) / (m + more)
        value += (p - q) * math.log(p / q)
    p_value = _chi_square_tail(value * _size(n, m), len(pairs) - 1)
    return Distance("psi", value, p_value)


def chi_square(live: Sequence[float], reference: Sequence[float]) -> Distance:
    """
    Pearson's chi-square of two lists of counts, over ``n m / (n + m)``.

    So it does not grow with the number of records, and is as large as the
    PSI where the distance is small.
    """
    pairs = _pairs(live, reference)
    n, m = _sums(pairs)
    statistic = sum((a * m - b * n) ** 2 / (n * m * (a + b)) for a, b in pairs)
    p_value = _chi_square_tail(statistic, len(pairs) - 1)
    return Distance("chi_square", statistic / _size(n, m), p_value)


def kolmogorov_smirnov(
    live: Sequence[float], reference: Sequence[float]
) -> Distance:
    """
    The largest difference of two cumulative distributions, from 0 to 1.

    It is that of the numbers themselves less the largest part of the
    reference that is in one bin with different numbers, at most.
    """
    n, m = sum(live), sum(reference)
    below = above = 0.0
    value = 0.0
    for a, b in zip(live, reference, strict=True):
        below += a
        above += b
        value = max(value, abs(below / n - above / m))
    root = math.sqrt(_size(n, m))
    return Distance("ks", value, _kolmogorov_tail(value * root))


def null_rate(
    nulls: int, count: int, reference_nulls: int, reference_count: int
) -> Distance:
    """
    The difference of two parts of missing values, from 0 to 1.
    """
    p, q = nulls / count, reference_nulls / reference_count
    pooled = (nulls + reference_nulls) / (count + reference_count)
    spread = pooled * (1 - pooled) / _size(count, reference_count)
    return Distance("null_rate", abs(p - q), _normal_tail(p - q, spread))


def mean_shift(
    mean: float,
    deviation: float,
    count: int,
    reference_mean: float,
    reference_deviation: float,
    reference_count: int,
) -> Distance | None:
    """
    How many standard deviations of the reference the mean has moved.

    None where the reference has no spread, or too large a one.
    """
    if not 0 < reference_deviation < math.inf or deviation == math.inf:
        return None
    shift = mean - reference_mean
    # apart, because a square may be too large where a quotient is not
    spread = (deviation / reference_deviation) ** 2 / count
    spread += 1 / reference_count
    value = shift / reference_deviation
    if not math.isfinite(value) or not math.isfinite(spread):
        return None
    return Distance("mean_shift", abs(value), _normal_tail(value, spread))


def _pairs(
    live: Sequence[float], reference: Sequence[float]
) -> list[tuple[float, float]]:
    return [
        (a, b) for a, b in zip(live, reference, strict=True) if a > 0 or b > 0
    ]


def _sums(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return sum(a for a, _ in pairs), sum(b for _, b in pairs)


def _size(n: float, m: float) -> float:
    """
    How many records two samples are worth together.
    """
    return n * m / (n + m)


# --- tails ---


def _normal_tail(difference: float, variance: float) -> float:
    if variance <= 0:
        return 0.0 if difference else 1.0
    return math.erfc(abs(difference) / math.sqrt(2 * variance))


def _kolmogorov_tail(x: float) -> float:
    """
    The asymptotic distribution of Kolmogorov: how likely more than *x* is.
    """
    if x < 0.2:  # 1 but for 10⁻¹²
        return 1.0
    total = 0.0
    for k in range(1, _STEPS):
        term = math.exp(-2 * (k * x) ** 2)
        total += term if k % 2 else -term
        if term < _CLOSE:
            break
    return min(1.0, max(0.0, 2 * total))


def _chi_square_tail(x: float, degrees: int) -> float:
    """
    How likely more than *x* is with so many degrees of freedom.
    """
    if degrees < 1 or x <= 0:
        return 1.0
    a, half = degrees / 2, x / 2
    tail = _tail_by_series if half < a + 1 else _tail_by_fraction
    return min(1.0, max(0.0, tail(a, half)))


def _tail_by_series(a: float, x: float) -> float:
    """
    1 - P(a, x), the regularised gamma function, as a power series.
    """
    term = total = 1 / a
    for k in range(1, _STEPS):
        term *= x / (a + k)
        total += term
        if term < total * _CLOSE:
            break
    return 1 - total * _scale(a, x)


def _tail_by_fraction(a: float, x: float) -> float:
    """
    Q(a, x), the regularised gamma function, as a continued fraction (Lentz).
    """
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    found = d
    for k in range(1, _STEPS):
        factor = -k * (k - a)
        b += 2
        d = 1 / (factor * d + b or tiny)
        c = b + factor / c or tiny
        found *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return found * _scale(a, x)


def _scale(a: float, x: float) -> float:
    return math.exp(max(-745.0, a * math.log(x) - x - math.lgamma(a)))
