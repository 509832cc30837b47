"""
mllog.encoding: one valid, bounded line, whatever the document holds.
"""

import json
import sys
import threading
import time

import hostile
import numpy as np
import pytest
from hypothesis import given, settings

import mllog
from mllog import encoding
from mllog.encoding import encode, encode_line


def read(document, **options):
    line = encode_line(document, **options)
    assert line.endswith(b"\n")
    return hostile.strict(line[:-1])


@given(fields=hostile.FIELDS)
def test_line_any_document_is_strict_json_within_bounds(fields):
    """
    Any document gives one line of strict JSON that is not too long.
    """
    line = encode_line(fields)

    hostile.strict(line[:-1])
    assert line.endswith(b"\n")
    assert len(line) <= encoding.MAX_RECORD_BYTES + 1


@given(fields=hostile.FIELDS)
@settings(max_examples=60)
def test_line_smallest_limit_is_kept(fields):
    """
    256 bytes are enough for a valid line of any document.
    """
    line = encode_line(fields, max_bytes=256)

    hostile.strict(line[:-1])
    assert len(line) <= 257


@given(fields=hostile.FIELDS)
def test_line_without_orjson_says_the_same(fields):
    """
    Without orjson the line, read back, is equal to the one with it.
    """
    with_orjson = encode_line(fields)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "orjson", None)
        without = encode_line(fields)

    assert json.loads(without) == json.loads(with_orjson)


@given(fields=hostile.FIELDS)
def test_line_nan_as_string_is_strict_json(fields):
    """
    With nan="string" any document still gives strict JSON.
    """
    line = encode_line(fields, nan="string")

    hostile.strict(line[:-1])


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (-float("inf"), "-Infinity"),
        (np.float32("nan"), "NaN"),
        (np.float64("-inf"), "-Infinity"),
        (np.array(float("nan")), "NaN"),
        (np.datetime64("NaT", "s"), "NaN"),
    ],
)
def test_nonfinite_number_becomes_null_and_is_named(value, name):
    """
    NaN and the infinities are null, and "nonfinite" says which they were.
    """
    assert read({"loss": value}) == {"loss": None, "nonfinite": {"loss": name}}


def test_nonfinite_nested_is_named_by_its_path():
    """
    A NaN in a container is named by the path that leads to it.
    """
    found = read(
        {"metrics": {"train/loss": [1.0, float("nan")]}, "none": None}
    )

    assert found["metrics"] == {"train/loss": [1.0, None]}
    assert found["nonfinite"] == {"metrics.train/loss.1": "NaN"}


def test_nonfinite_as_string_is_written_and_named():
    """
    nan="string" writes the number's name where null would stand.
    """
    found = read({"loss": float("nan")}, nan="string")

    assert found == {"loss": "NaN", "nonfinite": {"loss": "NaN"}}


def test_null_that_was_none_is_not_called_nonfinite():
    """
    None is null, and nothing says that a number was lost.
    """
    assert read({"a": None, "b": "null"}) == {"a": None, "b": "null"}


def test_fields_named_like_our_keys_are_kept_under_another_name():
    """
    A "nonfinite" of the document is kept beside ours.
    """
    found = read({"nonfinite": 1, "loss": float("nan")})

    assert found["nonfinite"] == {"loss": "NaN"}
    assert found["nonfinite_"] == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**63, 2**63),
        (2**70, 2**70),
        (-(2**70), -(2**70)),
        (10**600, 10**600),
    ],
)
def test_integer_beyond_64_bits_keeps_its_digits(value, expected):
    """
    An integer that orjson refuses is written in full up to 2048 bits.
    """
    assert read({"n": value}) == {"n": expected}


@pytest.mark.skipif(
    not hasattr(sys, "set_int_max_str_digits"), reason="no limit to set"
)
def test_integer_where_python_prints_few_digits_raises_nothing():
    """
    An integer of 10**630 passes also under Python's lowest digit limit.
    """
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        found = read({"a": 10**630, "b": 2**70, 10**5000: 1})
    finally:
        sys.set_int_max_str_digits(before)

    assert found["b"] == 2**70
    assert found["a"].startswith("<int of")


def test_integer_too_large_to_print_is_described():
    """
    10**5000 is written as its size in bits.
    """
    found = read({"n": 10**5000})

    assert found == {"n": "<int of 16610 bits>", "mllog_truncated": True}


def test_surrogate_is_escaped():
    """
    A lone surrogate is written as text that shows its number.
    """
    assert read({"a\ud800": "b\udfff"}) == {"a\\ud800": "b\\udfff"}


def test_cycle_is_named():
    """
    A list within itself is named once and not followed.
    """
    found = read({"x": hostile.cycle()})

    assert found["x"] == [1, "<cycle>", {"again": "<cycle>"}, "<cycle>"]


def test_object_that_holds_itself_is_named():
    """
    A dataclass within itself is a cycle like any other.
    """
    assert read({"x": hostile.self_holding()}) == {
        "x": {"x": ["<cycle>", "<cycle>"]}
    }


def test_value_that_stands_twice_is_no_cycle():
    """
    One list in two places is written in both.
    """
    twice = [float("nan")]

    assert read({"a": twice, "b": [twice, twice]})["b"] == [[None], [None]]


def test_keys_of_one_text_get_underscores():
    """
    Keys that would be equal in JSON are told apart.
    """
    found = read({"x": {None: 1, "null": 2}})

    assert found["x"] == {"null": 1, "null_": 2}


def test_keys_of_one_text_by_the_thousand_take_no_time():
    """
    10 000 keys of equal text are written in less than five seconds.
    """

    class Key:
        def __repr__(self):
            return "k"

    start = time.perf_counter()

    found = read({"x": {Key(): 1 for _ in range(10_000)}}, max_bytes=10**7)

    assert len(found["x"]) == 10_000
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("levels", [33, 100, 248, 300, 100_000])
def test_depth_any_gives_a_line(levels):
    """
    Nesting that orjson takes is kept, and deeper nesting is cut.
    """
    found = read({"x": hostile.deep(levels)})

    assert found.get("mllog_truncated", False) is (levels > 248)


def test_line_with_little_stack_left_is_still_written():
    """
    Deep nesting with no stack to walk it is cut and raises nothing.
    """

    def down(levels):
        if levels:
            return down(levels - 1)
        return read({"x": hostile.deep(300), "y": float("nan")})

    found = down(sys.getrecursionlimit() - 250)

    assert found["mllog_truncated"] is True
    assert found["y"] is None


def test_string_of_50_megabytes_is_cut():
    """
    A string of 50 MB leaves its beginning and the number of what is gone.
    """
    found = read({"message": "hello", "x": "a" * 50_000_000})

    assert found["message"] == "hello"
    assert found["x"].startswith("aaa")
    assert "[truncated " in found["x"]
    assert found["mllog_truncated"] is True


@pytest.mark.parametrize("max_bytes", [256, 512, 1024, 4096])
def test_line_too_long_keeps_timestamp_and_message(max_bytes):
    """
    However short the line must be, time, level, logger and message are in it.
    """
    found = read(
        {
            "timestamp": "2026-11-21T06:45:12.000317Z",
            "level": "INFO",
            "logger": "app",
            "message": "m" * 5000,
            **{f"field_{n}": "v" * 100 for n in range(100)},
        },
        max_bytes=max_bytes,
    )

    assert found["timestamp"] == "2026-11-21T06:45:12.000317Z"
    assert found["message"].startswith("mmmm")
    assert found["mllog_truncated"] is True


def test_repair_asks_a_slow_object_twice_at_most():
    """
    A repr is asked by the first attempt and once by the repair.
    """
    asked = []

    class Slow:
        def __repr__(self):
            asked.append(1)
            return "x" * 200_000

    read({"a": Slow(), "b": float("nan")})

    assert len(asked) <= 2


def test_objects_with_a_say_are_asked():
    """
    __log_value__ decides for dataclasses and subclasses of str as well.
    """
    found = read({"a": hostile.Spoken(), "b": hostile.SpokenFor("secret")})

    assert found == {"a": {"spoken": 1}, "b": "***"}


def test_document_that_another_thread_writes_raises_nothing():
    """
    A dict that grows while it is encoded does no harm.
    """
    shared = {"loss": float("nan")}
    stop = threading.Event()

    def grow():
        for n in range(10**9):
            if stop.is_set():
                return
            shared[str(n % 500)] = None
            shared.pop(str((n + 250) % 500), None)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        for _ in range(300):
            read({"shared": shared})
    finally:
        stop.set()
        writer.join()


def test_encode_is_the_line_without_its_break():
    """
    encode() is encode_line() without the last byte.
    """
    assert encode({"a": 1}) == encode_line({"a": 1})[:-1] == b'{"a":1}'


def test_memory_after_many_hostile_documents_is_given_back():
    """
    What a repair remembers ends with it.
    """
    import gc
    import weakref

    value = hostile.RaisingRepr()
    gone = weakref.ref(value)
    read({"x": value, "y": float("nan")})
    del value
    gc.collect()

    assert gone() is None


def test_payload_in_a_repaired_line_keeps_its_ref():
    """
    A payload beside a NaN is written as it is without one.
    """
    payload = mllog.Payload(b"bytes")

    found = read({"image": payload, "loss": float("nan")})

    assert found["image"]["ref"] == payload.ref


@pytest.mark.parametrize("number", range(len(hostile.EACH_OBJECT)))
def test_object_each_alone_is_one_line_with_and_without_orjson(
    number, monkeypatch
):
    """
    Each hostile object alone gives one strict line, the same in both ways.
    """
    value = hostile.EACH_OBJECT[number]()

    with_orjson = read({"message": "hello", "x": value})
    monkeypatch.setattr(encoding, "orjson", None)

    assert with_orjson["message"] == "hello"
    assert read({"message": "hello", "x": value}) == with_orjson


@pytest.mark.parametrize("number", range(len(hostile.EACH_ARRAY)))
def test_array_each_alone_is_one_line_with_and_without_orjson(
    number, monkeypatch
):
    """
    Each array and numpy scalar alone gives one strict line, the same in both.
    """
    value = hostile.EACH_ARRAY[number]

    with_orjson = read({"x": value})
    monkeypatch.setattr(encoding, "orjson", None)

    assert read({"x": value}) == with_orjson
