"""
Values that slow or failed requests have in common are found, others are not.
"""

import random

import pytest
from report.logged import opened, record, served

from mllog.report import error_segments, slow_segments


def test_bad_segment_is_found_and_named(tmp_path):
    """
    One model of which some requests are slow comes first, with its lift.
    """

    def slower(made):
        return 4 if made["model_name"] == "bert" else 1

    with opened(tmp_path, served(3000, slower=slower)) as logs:
        found = slow_segments(logs, "inference_latency")

    assert ("model_name", "bert") == (
        found.found[0].field,
        found.found[0].value,
    )
    assert found.found[0].is_bad
    assert found.found[0].lift_low > 5
    assert found.found[0].share_of_bad > 0.9
    assert "inference_latency ≥" in found.outcome


def test_bad_segment_of_two_fields_is_found_and_named(tmp_path):
    """
    Where a version of one model is slow, both are named together.
    """

    def slower(made):
        is_bad = made["model_name"] == "bert" and made["model_version"] == "4"
        return 5 if is_bad else 1

    with opened(tmp_path, served(4000, slower=slower)) as logs:
        worst = slow_segments(logs, "inference_latency").found[0]

    assert "model_name & model_version" in (
        worst.field,
        " & ".join(reversed(worst.field.split(" & "))),
    )
    assert {"bert", "4"} == set(worst.value.split(" & "))


def test_bad_time_and_range_of_numbers_are_found(tmp_path):
    """
    An hour and a range of sizes are named as well as values are.
    """
    chance = random.Random(3)

    def made(number):
        size = chance.uniform(0, 1000)
        slow = 5 if size > 900 else 1
        return record(
            number,
            inference_latency=slow * chance.lognormvariate(-3, 0.3),
            image_kb=round(size, 3),
            level="ERROR" if 1000 <= number < 1100 else "INFO",
        )

    with opened(tmp_path, map(made, range(4000))) as logs:
        slow = slow_segments(logs, "inference_latency").found[0]
        failed = error_segments(logs).found[0]

    assert "image_kb" == slow.field
    assert 850 < float(slow.value.split(" … ")[0]) < 950
    assert "time" == failed.field
    assert failed.is_bad


@pytest.mark.parametrize("seed", range(20))
def test_good_logs_have_no_bad_segment(tmp_path, seed):
    """
    Where slowness is by chance nothing is called bad.
    """
    with opened(tmp_path, served(800, seed=seed)) as logs:
        found = slow_segments(logs, "inference_latency")

    assert found.tested > 10
    assert not [each for each in found.found if each.is_bad]
