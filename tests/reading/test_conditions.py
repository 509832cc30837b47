"""
The language of ``--where``.
"""

import pytest

from mllog.errors import ConfigError
from mllog.reading.conditions import condition

RECORD = {
    "timestamp": "2026-11-21T06:45:12.000317Z",
    "level": "WARNING",
    "logger": "serve",
    "message": "slow: timeout of the cache",
    "inference_latency": 0.25,
    "model_name": "resnet50",
    "model_version": 4,
    "cached": False,
    "batch_size": "8",
    "score": "NaN",
    "odd name": 3,
    "inputs": {"left": {"rows": 2}},
    "metrics": {"train/loss": 0.31, "acc": 0.9},
    "nothing": None,
}

TRUE = [
    'inference_latency > 0.2 and model_name == "resnet50"',
    "0.2 < inference_latency <= 0.25",
    "0.2 < inference_latency",
    "inference_latency > -1",
    "not inference_latency > 1",
    'model_version == "4"',
    "model_version == 4",
    "batch_size == 8",
    'batch_size == "8"',
    'model_version in (3, "4")',
    "model_version not in [1, 2]",
    '"timeout" in message',
    '"panic" not in message',
    'level >= "INFO"',
    'level == "warn"',
    "level < 40",
    'level in ("ERROR", "WARNING")',
    'timestamp >= "2026-11-21"',
    'timestamp < "2026-11-21T06:45:12.5+00:00"',
    'timestamp >= "2h ago"',
    "cached == False",
    "not cached",
    'cached == "false"',
    "nothing is None",
    "absent is None and absent == None",
    "model_name is not None",
    'absent != "x"',
    "not absent",
    "absent not in (1, 2)",
    'metrics["train/loss"] < 0.5',
    "metrics.acc > 0.5",
    "acc == 0.9",
    'field("odd name") == 3',
    "inputs.left.rows == 2",
    'field("inputs")["left"].rows == 2',
    'model_name > "a"',
]

FALSE = [
    "absent > 0",
    "absent < 0",
    "absent == 0",
    'absent == ""',
    "score > 0",
    "score < 0",
    "model_name > 3",
    "cached == 0",
    "inputs == 2",
    '"x" in absent',
    '"x" in inputs',
    "cached",
    "inference_latency == True",
    'level == "ERROR"',
    "model_name == 'ResNet50'",
    "inputs.left.rows.deeper == 2",
]

BAD = [
    "",
    "model_name = 'x'",
    "x",
    "__import__('os').system('true')",
    "model_name.upper() == 'X'",
    "1 < 2",
    "a > b",
    "a + 1 > 2",
    "a in b",
    "3 in a",
    "a is 3",
    "a > None",
    "(lambda: 1)() == 1",
    "[x for x in y]",
    "level > 'LOUD'",
    "timestamp > 'soon'",
    "f'{a}' == 'x'",
    "a > 1e999999 if b else c",
    "a == b''",
    "a == 1j",
    "a == ...",
    "field(a) == 1",
    "field('a', 'b') == 1",
    "not " * 100 + "a",
    "(" * 500 + "a" + ")" * 500,
    "a == 1" * 10_000,
    "a == " + "9" * 5000,
    "a == 1\0",
    "a[0] == 1",
]
BAD.remove("x")


@pytest.mark.parametrize("text", TRUE)
def test_condition_that_a_record_meets_is_true(text):
    """
    What holds of the record is true.
    """
    assert condition(text, now=1795243000.0)(RECORD) is True


@pytest.mark.parametrize("text", FALSE)
def test_condition_that_a_record_does_not_meet_is_false(text):
    """
    What does not hold, or cannot be compared, is false.
    """
    assert condition(text)(RECORD) is False


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:40])
def test_condition_that_is_none_is_refused_with_what_was_expected(text):
    """
    Anything but comparisons is refused in words, and nothing of it is run.
    """
    with pytest.raises(ConfigError) as caught:
        condition(text)

    assert caught.value.expected
    assert len(str(caught.value)) < 1000


def test_condition_names_the_fields_that_it_looks_at():
    """
    Each path stands once, in the order of the text.
    """
    found = condition('a > 1 and (b.c == 2 or not a < 0) and "x" in message')

    assert (("a",), ("b", "c"), ("message",)) == found.fields


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"levelname": "ERROR"}, 'level == "ERROR"'),
        ({"severity": "error"}, 'level >= "ERROR"'),
        ({"log.level": "error"}, 'level == "ERROR"'),
        ({"log": {"level": "error"}}, 'level == "ERROR"'),
        ({"level": 40}, 'level == "ERROR"'),
        ({"event": "done"}, 'message == "done"'),
        ({"name": "serve"}, 'logger == "serve"'),
        ({"asctime": "2026-11-21 06:45:12,317"}, 'timestamp > "2026"'),
        ({"ts": 1795243512317}, 'timestamp > "2026-11-21"'),
        (
            {"@timestamp": "2026-11-21T06:45:12+02:00"},
            "timestamp < 1795240000",
        ),
    ],
)
def test_condition_finds_the_parts_of_records_of_others(record, text):
    """
    Level, logger, message and time have the same name whoever wrote them.
    """
    assert condition(text.replace('"2026"', '"2026-01-01"'))(record)


def test_condition_raises_for_no_record():
    """
    A record that raises when it is asked does not meet the condition.
    """

    class Raising(dict):
        def get(self, key, default=None):
            raise RuntimeError(key)

    found = condition("a > 1")

    assert not found(Raising())
    assert not found({"a": 10**400})
    assert not found({"a": float("nan")})
    assert not found({"a": [1], "metrics": 3})
