"""
What counts the records of the examples sees what is lost or doubled.
"""

import functools
import json

import pytest
from servers import recipes

FILE = "service.jsonl"


@pytest.fixture(name="logged")
def _logged(tmp_path):
    """
    Writes what a service would have logged; gives what it was asked.
    """
    (tmp_path / "logs").mkdir()

    def log(models, requests, rows):
        lines = [
            {
                "timestamp": f"2026-11-22T00:00:0{number}Z",
                "logger": "iris",
                "inference_latency": number / 10,
                "request_id": f"request-{number}",
            }
            for number in models
        ]
        lines += [
            {"logger": "mllog.access", "request_id": f"request-{number}"}
            for number in requests
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / "logs" / FILE).write_text(text)
        table = ["timestamp,inference_latency"]
        table += [f"2026-11-22T00:00:0{n}Z,{n / 10}" for n in rows]
        (tmp_path / "logs" / "latency.csv").write_text("\n".join(table))
        return recipes.Asked(answered=["request-1", "request-2"])

    return log


def test_each_once_is_found_to_be_so(logged, tmp_path):
    """
    One record of the model, one of the request, one row each.
    """
    asked = logged([1, 2], [1, 2], [1, 2])

    recipes.assert_each_once(tmp_path, FILE, asked)


@pytest.mark.parametrize(
    "given",
    [
        ([1], [1, 2], [1, 2]),
        ([1, 2], [1], [1, 2]),
        ([1, 2], [1, 2], [1]),
        ([1, 2, 2], [1, 2], [1, 2, 2]),
        ([1, 2], [1, 2, 2], [1, 2]),
        ([1, 2], [1, 2], [1, 2, 2]),
        ([1, 2, 3], [1, 2], [1, 2, 3]),
    ],
)
def test_what_is_lost_or_doubled_is_found(
    logged, tmp_path, monkeypatch, given
):
    """
    The control: a record or row too few or too many, wherever it is.
    """
    monkeypatch.setattr(
        recipes, "until", functools.partial(recipes.until, timeout=0.1)
    )
    asked = logged(*given)

    with pytest.raises(AssertionError):
        recipes.assert_each_once(tmp_path, FILE, asked)
