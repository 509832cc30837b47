"""
Payloads: the values that records point to.
"""

import gzip
import json
import pickle
import sys

import numpy as np
from ids import as_id
import pytest

import mllog
from mllog.errors import ConfigError
from mllog.reading import read
from mllog.reading.payloads import is_whole, links_of
from reading.layout import entry_of, objects_of, written

PIXELS = np.arange(64, dtype="uint8").reshape(8, 8)
JPEG = b"\xff\xd8\xff\xe0 not really"


def only(source, **options):
    """
    The one record of *source*, and what was skipped.
    """
    records = read(source, payloads=True, **options)
    (record,) = records
    return record, dict(records.skipped)


@pytest.mark.parametrize(
    "value",
    [
        PIXELS,
        np.float32([1.5, float("nan")]),
        np.zeros((0, 3)),
        JPEG,
        b"",
        [1, 2, 3],
        {"text": "ü", "n": None},
        5,
        None,
    ],
    ids=as_id,
)
@pytest.mark.parametrize("prefix", ["", "digits/", "a/b/"])
def test_value_comes_back_as_it_was(tmp_path, value, prefix):
    """
    Arrays, bytes and JSON values are what was logged, with their record.
    """
    written(tmp_path, objects_of(prefix, [({"label": 3}, {"x": value})]))

    record, skipped = only(tmp_path)

    assert skipped == {}
    assert (3, "m") == (record["label"], record["message"])
    if isinstance(value, np.ndarray):
        assert value.dtype == record["x"].dtype
        np.testing.assert_array_equal(value, record["x"])
    else:
        assert value == record["x"]
        assert type(value) is type(record["x"])


def test_text_comes_back_as_text(tmp_path):
    """
    A text/plain payload is a str; bytes that claim to be are left alone.
    """
    objects = {}
    entries = {}
    for name, value in (("good", "ü"), ("bad", b"\xff"), ("html", b"<p>")):
        entry, key, data = entry_of(
            "", value, "text/html" if name == "html" else "text/plain"
        )
        objects[key], entries[name] = data, entry
    line = json.dumps({"payloads": entries})
    written(tmp_path, {**objects, "index/x.jsonl": line.encode()})

    record, skipped = only(tmp_path)

    assert ("ü", b"\xff", "<p>") == (
        record["good"],
        record["bad"],
        record["html"],
    )
    assert skipped == {}


def test_three_lines_give_a_dataset(tmp_path):
    """
    Inputs and labels of a copied index are arrays that a model can fit.
    """
    chance = np.random.default_rng(1)
    labels = chance.integers(0, 10, 400)
    images = chance.normal(labels[:, None, None], 0.1, (400, 8, 8))
    rows = [
        ({"label": int(label)}, {"image": image})
        for image, label in zip(images, labels, strict=True)
    ]
    folder = written(tmp_path / "copy", objects_of("digits/", rows))

    records = list(mllog.read(folder, payloads=True))
    x = np.stack([record["image"].ravel() for record in records])
    y = [record["label"] for record in records]

    np.testing.assert_array_equal(x, images.reshape(400, 64))
    slope, _ = np.polyfit(x.mean(axis=1), y, 1)
    assert slope == pytest.approx(1, abs=0.05)


def test_items_of_a_list_come_back_as_a_list(tmp_path):
    """
    images.0 to images.11 are a list in the order of their numbers.
    """
    values = {f"images.{n}": bytes([n]) for n in range(12)}
    values["pair.left"] = b"l"
    written(tmp_path, objects_of("", [({}, values)]))

    record, _ = only(tmp_path)

    assert [bytes([n]) for n in range(12)] == record["images"]
    assert b"l" == record["pair.left"]


def test_items_whose_list_is_in_the_record_stand_in_it(tmp_path):
    """
    A list or dict with a Payload in it has its value in that place.
    """
    fields = {"parts": ["plain", {"ref": "…"}], "pair": {"l": {}, "r": 1}}
    values = {"parts.1": b"x", "pair.l": b"y", "other.7": b"z"}
    written(tmp_path, objects_of("", [(fields, values)]))

    record, _ = only(tmp_path)

    assert ["plain", b"x"] == record["parts"]
    assert {"l": b"y", "r": 1} == record["pair"]
    assert [b"z"] == record["other"]


def test_field_called_payloads_is_kept_beside_the_entries(tmp_path):
    """
    Our own key wins over a field of the same name.
    """
    written(tmp_path, objects_of("", [({}, {"payloads": b"x"})]))

    record, _ = only(tmp_path)

    assert b"x" == record["payloads_"]
    assert "stored" == record["payloads"]["payloads"]["status"]


@pytest.mark.parametrize("status", ["sampled_out", "too_large", "failed"])
def test_payload_that_was_not_stored_is_none(tmp_path, status):
    """
    What was left out on purpose is None, and nothing is counted.
    """
    written(tmp_path, objects_of("", [({}, {"image": status})]))

    record, skipped = only(tmp_path)

    assert record["image"] is None
    assert skipped == {}


def test_payload_that_is_missing_is_none_and_counted(tmp_path):
    """
    An object that a lifecycle rule deleted costs its value, not its record.
    """
    objects = objects_of("", [({"label": 1}, {"image": b"x"})])
    written(tmp_path, {k: v for k, v in objects.items() if "index" in k})

    record, skipped = only(tmp_path)

    assert (1, None) == (record["label"], record["image"])
    assert {"payload_missing": 1} == skipped


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"PK\x03\x04", "pickle"])
def test_array_that_is_damaged_or_pickled_is_none_and_counted(tmp_path, data):
    """
    Nothing is ever unpickled.
    """
    objects = objects_of("", [({}, {"x": PIXELS})])
    key = next(key for key in objects if "payloads" in key)
    if data == "pickle":
        path = tmp_path / "p.npy"
        np.save(path, np.array([print], dtype=object), allow_pickle=True)
        data = path.read_bytes()
        assert pickle.PROTO in data
    written(tmp_path / "copy", {**objects, key: data})

    record, skipped = only(tmp_path / "copy")

    assert record["x"] is None
    assert {"payload_damaged": 1} == skipped


def test_array_without_numpy_says_what_to_do(tmp_path, monkeypatch):
    """
    numpy is asked for at the first array, and its absence is an error.
    """
    written(tmp_path, objects_of("", [({}, {"x": PIXELS})]))
    monkeypatch.setitem(sys.modules, "numpy.lib.format", None)
    monkeypatch.setitem(sys.modules, "numpy.lib", None)

    with pytest.raises(ConfigError, match="pip install numpy"):
        only(tmp_path)


@pytest.mark.parametrize(
    "key",
    [
        "../secret",
        "/etc/passwd",
        "other/payloads/../../secret",
        "s3://elsewhere/x",
        5,
        "secret",
    ],
)
def test_key_that_leads_elsewhere_is_not_followed(tmp_path, key):
    """
    Only the ref and a plain extension say what is read.
    """
    (tmp_path / "secret").write_bytes(b"secret")
    entry, _, _ = entry_of("", b"x")
    line = json.dumps({"payloads": {"image": {**entry, "key": key}}})
    written(tmp_path, {"copy/index/x.jsonl": line.encode()})

    record, skipped = only(tmp_path / "copy")

    assert record["image"] is None
    assert {"payload_missing": 1} == skipped


@pytest.mark.parametrize(
    "ref", ["../../secret", "a" * 63, "A" * 64, "a" * 65, None, 5, "a" * 64]
)
def test_ref_that_is_none_is_not_followed(tmp_path, ref):
    """
    A ref is 64 hex digits, and that of the key.
    """
    entry, key, data = entry_of("", b"x")
    line = json.dumps({"payloads": {"image": {**entry, "ref": ref}}})
    written(tmp_path, {key: data, "index/x.jsonl": line.encode()})

    assert {"payload_missing": 1} == only(tmp_path)[1]


@pytest.mark.parametrize(
    "entries", [None, 5, [], {}, {"a": 5}, {"a": {}}, {"a": {"b": 1}}]
)
def test_field_payloads_of_another_kind_is_left_alone(tmp_path, entries):
    """
    A record that only looks like one of an index stays as it is.
    """
    line = {"payloads": entries}
    written(tmp_path, {"a.jsonl": json.dumps(line).encode()})

    assert (line, {}) == only(tmp_path)


def test_summary_in_an_ordinary_line_is_resolved(tmp_path):
    """
    What a formatter wrote of a Payload becomes its value.
    """
    payload = mllog.Payload(PIXELS)
    parts = [mllog.Payload(b"a").__log_value__(), "plain"]
    line = {
        "image": payload.__log_value__(),
        "parts": parts,
        "pair": {"l": parts[0], "r": {"ref": "x", "type": 1, "bytes": 2}},
    }
    objects = objects_of("", [({}, {"x": PIXELS, "y": b"a"})])
    objects = {k: v for k, v in objects.items() if "index" not in k}
    written(tmp_path, {"dt=1/a.jsonl": json.dumps(line).encode(), **objects})

    record, skipped = only(tmp_path)

    np.testing.assert_array_equal(PIXELS, record["image"])
    assert [b"a", "plain"] == record["parts"]
    assert b"a" == record["pair"]["l"]
    assert line["pair"]["r"] == record["pair"]["r"]
    assert skipped == {}


@pytest.mark.parametrize("below", ["", "index", "index/dt=2026-11-21", "*/*"])
def test_part_of_an_index_finds_its_payloads(tmp_path, below):
    """
    Payloads are found from the day, from a glob and from one file, too.
    """
    written(tmp_path, objects_of("p/index/", [({}, {"image": b"x"})]))
    (path,) = tmp_path.rglob("*.gz")

    assert b"x" == only(tmp_path / "p/index" / below)[0]["image"]
    assert b"x" == only(path)[0]["image"]


def test_dataset_without_payloads_leaves_the_entries(tmp_path):
    """
    Without payloads=True nothing is fetched.
    """
    written(tmp_path, objects_of("", [({}, {"image": b"x"})]))

    (record,) = read(tmp_path)

    assert "image" not in record
    assert "stored" == record["payloads"]["image"]["status"]


def test_order_of_records_is_kept_with_many_payloads(tmp_path):
    """
    Fetching ahead changes neither order nor count.
    """
    rows = [({"n": n}, {"x": b"%d" % n}) for n in range(100)]
    written(tmp_path, objects_of("", rows))
    records = read(tmp_path, payloads=True)

    for number, record in enumerate(records):
        assert (number, b"%d" % number) == (record["n"], record["x"])
        assert number + 1 == records.read


@pytest.mark.parametrize(
    "value", [b"abc", b"", PIXELS, np.zeros((0, 3)), np.array(1.5), [1, 2]]
)
def test_whole_payload_is_told_from_a_damaged_one(value):
    """
    Size and hash of bytes and arrays tell whether they are what was stored.
    """
    entry, _, data = entry_of("", value)
    (link,) = links_of({"payloads": {"x": entry}})
    changed = data[:-1] + bytes([data[-1] ^ 1]) if data else b"x"

    assert is_whole(data, link)
    assert not is_whole(data + b"x", link)
    if not isinstance(value, list) and data and getattr(value, "size", 1):
        assert not is_whole(changed, link)


def test_compressed_json_payload_is_no_log(tmp_path):
    """
    Payloads that are JSON lines or gzip themselves are not read as logs.
    """
    objects = objects_of(
        "", [({}, {"a": gzip.compress(b'{"n":1}'), "b": {"n": 2}})]
    )
    written(tmp_path, objects)

    record, skipped = only(tmp_path)

    assert {"n": 2} == record["b"]
    assert skipped == {}
