"""
mllog.reading: whatever is in a folder, it is passed over and counted.
"""

import gzip
import json
import os
import random
import struct
import subprocess
import sys
import tokenize
from collections import Counter

import numpy as np
import pytest
from reading.layout import objects_of, written

import mllog
from mllog import compression
from mllog.errors import ConfigError
from mllog.reading import lines, payloads, sources, tables
from mllog.reading.selection import selection
from mllog.reading.tails import FolderTail, Reading

# What parsers and decoders raise where they meet what they do not expect.
ODD = [
    KeyError("descr"),
    IndexError(),
    TypeError("dtype"),
    OverflowError(),
    RuntimeError("bug"),
    RecursionError(),
    MemoryError(),
    AssertionError(),
    SyntaxError("header"),
    SystemError("C"),
    struct.error("unpack"),
    tokenize.TokenError("EOF", (1, 0)),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
    EOFError(),
    OSError(5, "Input/output error"),
]


def _is(error):
    return type(error).__name__


def _raising(error):
    def call(*args, **kwargs):
        raise error

    return call


def _all(path):
    """
    What read() and tail give of *path*, and what they passed over.
    """
    found = mllog.read(path, payloads=True)
    records = list(found)
    reading = Reading(selection(), foreign=False)
    tail = FolderTail(str(path), reading)
    seen = tail.latest(None)
    tail.close()
    return records, found.skipped, seen, reading.skipped


@pytest.fixture
def logs(tmp_path):
    """
    A file of each kind, with one payload of each.
    """
    rows = "".join(f'{{"message":"m{n}","loss":0.5}}\n' for n in range(50))
    (tmp_path / "a.jsonl").write_text(rows)
    with gzip.open(tmp_path / "b.jsonl.gz", "wt") as file:
        file.write(rows)
    (tmp_path / "c.jsonl.zst").write_bytes(
        compression.zstd().compress(rows.encode())
    )
    table = 'a,b,c\n1,"x, y",2.5\n' * 50
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "d.csv").write_text(table)
    records = [
        (
            {"n": n},
            {
                "array": np.arange(20.0 + n),
                "raw": bytes(range(100)),
                "ids": list(range(n + 40)),
            },
        )
        for n in range(3)
    ]
    written(tmp_path, objects_of("", records))
    return tmp_path


@pytest.mark.parametrize("seed", range(20))
def test_damage_anywhere_ends_no_reading(seed, logs):
    """
    Bytes that are cut, changed, doubled or put in cost what they belong to.
    """
    chance = random.Random(seed)
    files = sorted(each for each in logs.rglob("*") if each.is_file())
    for path in chance.sample(files, 4):
        data = bytearray(path.read_bytes())
        for _ in range(chance.choice((1, 1, 4, 20))):
            at = chance.randrange(len(data) + 1)
            match chance.randrange(5):
                case 0:
                    del data[at:]
                case 1:
                    del data[at : at + chance.randrange(40)]
                case 2:
                    data[at:at] = chance.randbytes(chance.randrange(40))
                case 3:
                    data[at : at + 8] = data[: chance.randrange(200)]
                case 4 if data:
                    data[at % len(data)] = chance.randrange(256)
        path.write_bytes(data)

    records, skipped, seen, passed = _all(logs)

    assert all(type(record) is dict for record in records)
    assert len(records) >= 50  # at most four of the files were damaged
    assert seen and sum(skipped.values()) >= 0 <= sum(passed.values())


@pytest.mark.parametrize("error", ODD, ids=_is)
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (payloads, "_decoded"),
        (payloads, "find_payload"),
        (sources, "decompressed"),
        (sources, "records_in"),
        (sources, "tables"),
        (tables.Table, "_begin"),
        (lines, "_looked_at"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_error_of_a_parser_is_counted(module, name, error, logs, monkeypatch):
    """
    Whatever a parser raises: the others are read, and the count says so.
    """
    monkeypatch.setattr(module, name, _raising(error))
    if name == "_looked_at":  # it is asked where a line is odd
        (logs / "a.jsonl").write_text("no\n")

    found = mllog.read(logs, payloads=True)
    list(found)

    assert sum(found.skipped.values()) > 0


def test_error_of_numpy_leaves_the_record(logs, monkeypatch):
    """
    A payload that cannot be parsed is None, and counted as damaged.
    """
    monkeypatch.setattr(
        "numpy.lib.format.read_array", _raising(tokenize.TokenError("no"))
    )

    found = mllog.read(logs / "index", payloads=True)
    records = list(found)
    found = mllog.read(logs, payloads=True)
    records = [each for each in found if "array" in each]

    assert len(records) == 3
    assert all(each["array"] is None for each in records)
    assert all(each["raw"] for each in records)
    assert found.skipped["payload_damaged"] >= 3


def test_error_that_nothing_helps_is_raised(logs, monkeypatch):
    """
    A package that is missing is said, not counted for each file.
    """
    monkeypatch.setattr(
        sources, "decompressed", _raising(ImportError("no zstd"))
    )

    with pytest.raises(ImportError):
        list(mllog.read(logs))


@pytest.mark.parametrize(
    "value",
    [
        10**400,
        -(10**400),
        float("nan"),
        float("inf"),
        1e300,
        "9" * 5000,
        "\ud800",
        True,
        [],
        {"": None},
        None,
        "9999-99-99T99:99:99Z",
        "0001-01-01T00:00:00+23:59",
    ],
    ids=lambda value: f"{type(value).__name__}-{value!r:.12}",
)
@pytest.mark.parametrize(
    "asked",
    [
        {"since": "2h"},
        {"level": "INFO"},
        {"logger": "app"},
        {"where": "timestamp > '06:45' or level > 'INFO' or loss > 0.1"},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_odd_values_of_a_record_are_chosen_or_not(value, asked):
    """
    Any value may stand for a time, a level or a name.
    """
    chosen = selection(**asked)
    reading = Reading(chosen, foreign=False)
    record = dict.fromkeys(
        ("timestamp", "level", "logger", "message", "loss"), value
    )

    assert type(chosen(record)) is bool
    assert len(reading.rows([record])) <= 1


# --- what is no file ---

READERS = {
    "read": "print(*mllog.read({folder!r}))",
    "read a glob": "print(*mllog.read({folder!r} + '/*'))",
    "tail": "main(['tail', {folder!r}])",
    "tail a glob": "main(['tail', {folder!r} + '/*'])",
    "report": "main(['report', {folder!r}])",
    "payloads": "print(*mllog.read({folder!r}, payloads=True))",
    "migrate-prints": "main(['migrate-prints', {folder!r}])",
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders")
@pytest.mark.parametrize("reader", READERS)
def test_pipes_in_a_folder_are_passed_over(reader, tmp_path):
    """
    Nobody writes to them, so whoever opened one would wait for ever.
    """
    for name in ("a.jsonl", "b.csv", "c.jsonl.gz", "d.parquet", "e.py"):
        os.mkfifo(tmp_path / name)
    os.symlink(tmp_path / "a.jsonl", tmp_path / "f.jsonl")
    (tmp_path / "g.jsonl").write_text('{"message":"here","level":"INFO"}\n')
    (tmp_path / "h.py").write_text("print('here')\n")
    code = READERS[reader].format(folder=str(tmp_path))

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import mllog\nfrom mllog.cli import main\n{code}",
        ],
        capture_output=True,
        text=True,
        timeout=20,
    )

    expected = "1 record" if reader == "report" else "here"
    assert expected in done.stdout, done


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders")
def test_pipe_that_tail_is_given_is_an_error(tmp_path):
    """
    Its end cannot be looked for, and its begin only once.
    """
    os.mkfifo(tmp_path / "a.jsonl")

    with pytest.raises(ConfigError, match="is a pipe"):
        FolderTail(
            str(tmp_path / "a.jsonl"), Reading(selection(), foreign=True)
        )


@pytest.mark.skipif(sys.platform == "win32", reason="paths are short there")
def test_folders_deeper_than_the_stack_are_read(tmp_path):
    """
    No reader needs a frame for each folder.
    """
    path, made = str(tmp_path), []
    for _ in range(1500):
        path += "/d"
        os.mkdir(path)
        made.append(path)
    log = f"{path}/a.jsonl"
    program = f"{path}/a.py"
    try:
        for each, text in ((log, '{"message":"deep"}\n'), (program, "")):
            with open(each, "w") as file:
                file.write(text)
        from mllog.migrate.source_files import files_in

        records, _, seen, _ = _all(tmp_path)

        assert records == [line.record for line in seen]
        assert records == [{"message": "deep"}]
        assert list(files_in([str(tmp_path)])) == [program]
    finally:  # rmtree would need the stack, too
        for each in (log, program):
            os.unlink(each)
        for each in reversed(made):
            os.rmdir(each)


def test_folder_that_goes_away_meanwhile_ends_no_reading(
    tmp_path, monkeypatch
):
    """
    Between its listing and its files somebody deletes it.
    """
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.jsonl").write_text('{"message":"gone"}\n')
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.jsonl").write_text('{"message":"here"}\n')
    monkeypatch.setattr(
        "mllog.reading.files.os.listdir", _raising(OSError(2, "gone"))
    )

    assert {"message": "here"} in list(mllog.read(tmp_path))


def test_records_of_a_saved_reference_that_is_odd_are_an_error(tmp_path):
    """
    What DriftHandler is given as its reference is refused in one way.
    """
    from mllog.metrics.library import Library, saved_in

    path = tmp_path / "reference.json"
    Library().save(path)
    plain = json.loads(path.read_text())
    head = path.read_text()[:-1].rpartition("[")[0]
    for odd in (
        {"field": "a", "labels": "odd"},
        {"field": "a", "count": 1e400, "nulls": 0},
        {"field": "a", "count": 1, "nulls": 0, "numbers": {"edges": 3}},
        {"field": "a", "count": 10**400, "nulls": 0, "numbers": 7},
    ):
        plain["references"] = [odd]
        path.write_text(json.dumps(plain))
        with pytest.raises(ConfigError):
            saved_in(path)
    path.write_text(head + "[" * 100_000)
    with pytest.raises(ConfigError):
        saved_in(path)


def test_counter_of_what_is_passed_over_has_a_reason():
    """
    The block's exception goes under the reason that is given.
    """
    skipped = Counter()

    with sources.passing_over(skipped, "bad"):
        raise KeyError

    assert skipped == {"bad": 1}
