"""
Drift of a field is found and named.
"""

import random

from report.logged import START, opened, record

from mllog.report import drift, report


def test_drift_is_found_and_named(tmp_path):
    """
    Confidence that falls, and a label that comes up, are major; others none.
    """
    chance = random.Random(4)
    records = [
        record(
            n,
            confidence=chance.betavariate(8 if n < 1500 else 4, 2),
            label=chance.choice("aabc" if n < 1500 else "abcc"),
            brightness=chance.gauss(100, 10),
        )
        for n in range(3000)
    ]
    with opened(tmp_path, records) as logs:
        found = {
            each.field: each
            for each in drift(
                logs.between(START + 1500, None),
                logs.between(None, START + 1500),
            )
        }
        halves = report(logs).drift

    assert "major" == found["confidence"].severity
    assert found["label"].severity in ("moderate", "major")
    assert "none" == found["brightness"].severity
    assert found["confidence"].mean < found["confidence"].reference_mean
    assert {"psi", "ks", "mean_shift", "null_rate"} == set(
        found["confidence"].distances
    )
    assert "confidence" == halves[0].field
