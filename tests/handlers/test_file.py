"""
A log file that rotates.
"""

import gzip
import itertools
import json
import logging
import logging.config
import logging.handlers
import math
import os
import re
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from clocks import Clock

import mllog
from mllog.rotation import file as rotation_file
from mllog.rotation import names as rotation_names

ROTATED = re.compile(r"app\.log\.\d{8}T\d{6}Z-\d{4}$")
LINE = "2026-11-21T06:45:12.000317Z INFO app "


@pytest.fixture(name="make")
def _make(tmp_path, logger):
    def make(**options):
        handler = mllog.TimestampedRotatingFileHandler(
            tmp_path / "app.log", **options
        )
        logger.addHandler(handler)
        return handler

    return make


def _files(folder):
    """
    The contents of the folder's files, the live one last.
    """
    paths = sorted(folder.iterdir(), key=lambda path: path.name)
    live = [path for path in paths if path.name == "app.log"]
    rotated = [path for path in paths if path.name != "app.log"]
    return [path.read_text() for path in [*rotated, *live]]


def _record(message, created):
    return logging.makeLogRecord(
        {"msg": message, "created": created, "levelno": logging.INFO}
    )


def _lines(folder):
    return "".join(_files(folder)).splitlines()


# --- lines ------------------------------------------------------------------


def test_file_without_formatter_has_time_level_logger_and_message(
    make, logger, tmp_path
):
    """
    The line is <ISO UTC> LEVEL logger message.
    """
    make()

    logger.warning("%d rows", 3)

    assert re.fullmatch(
        rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z WARNING"
        rf" {logger.name} 3 rows\n",
        (tmp_path / "app.log").read_text(),
    )


def test_file_with_formatter_gets_its_output_unchanged(make, logger, tmp_path):
    """
    What a formatter writes is not touched, line breaks included.
    """
    make().setFormatter(logging.Formatter("%(levelname)s\n%(message)s\n"))

    logger.info("é\x1b")

    assert "INFO\né\x1b\n\n" == (tmp_path / "app.log").read_text()


def test_file_with_encoding_and_terminator_uses_them(make, logger, tmp_path):
    """
    encoding, errors and terminator work as in the stdlib.
    """
    handler = make(encoding="latin-1", errors="replace")
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.terminator = "\r\n"

    logger.info("é…")

    assert b"\xe9?\r\n" == (tmp_path / "app.log").read_bytes()


def test_file_in_a_folder_that_is_missing_makes_it(tmp_path, logger):
    """
    directory= is joined to the name and made with all its parents.
    """
    handler = mllog.TimestampedRotatingFileHandler(
        "app.log", directory=tmp_path / "a" / "b"
    )

    handler.handle(logging.makeLogRecord({"msg": "x"}))
    handler.close()

    assert (tmp_path / "a" / "b" / "app.log").exists()
    assert str(tmp_path / "a" / "b" / "app.log") == handler.baseFilename


def test_file_with_delay_is_opened_by_the_first_record(make, logger, tmp_path):
    """
    With delay there is no file and no stream before the first record.
    """
    handler = make(delay=True)
    assert handler.stream is None
    assert not (tmp_path / "app.log").exists()

    logger.info("x")

    assert handler.stream is not None
    assert (tmp_path / "app.log").exists()


@pytest.mark.parametrize(
    ("mode", "expected"), [("a", ["old", "new"]), ("w", ["new"])]
)
def test_file_mode_keeps_or_empties_what_is_there(
    make, logger, tmp_path, mode, expected
):
    """
    Mode w empties the file when it is first opened, and not again.
    """
    (tmp_path / "app.log").write_text("old\n")
    handler = make(mode=mode)
    handler.setFormatter(logging.Formatter("%(message)s"))

    logger.info("new")
    handler.close()
    logger.info("late")

    assert [*expected, "late"] == _lines(tmp_path)


def test_file_permissions_are_set_exactly(make, logger, tmp_path):
    """
    permissions= overrides the umask; without it the umask rules.
    """
    make(permissions="0620")

    logger.info("x")

    mode = stat.S_IMODE((tmp_path / "app.log").stat().st_mode)
    assert 0o620 == mode


def test_file_stream_of_a_subclass_writes_to_the_file(tmp_path):
    """
    A subclass that writes to self.stream, as tutorials do, still works.
    """

    class Tutorial(mllog.TimestampedRotatingFileHandler):
        def emit(self, record):
            self.stream.write(f"- {record.getMessage()}\n")
            self.stream.flush()

    handler = Tutorial(tmp_path / "app.log")

    handler.handle(logging.makeLogRecord({"msg": "x"}))
    handler.close()

    assert ["- x"] == _lines(tmp_path)


# --- rotation ---------------------------------------------------------------


def test_file_with_max_bytes_rotates_before_it_is_exceeded(
    make, logger, tmp_path
):
    """
    No file is larger than maxBytes, and no record is lost or twice.
    """
    make(maxBytes=1000)

    for number in range(100):
        logger.info("record %03d", number)

    paths = list(tmp_path.iterdir())
    assert len(paths) > 5
    assert all(path.stat().st_size < 1000 for path in paths)
    assert [f"record {number:03d}" for number in range(100)] == [
        line[-10:] for line in _lines(tmp_path)
    ]


def test_file_rotated_is_named_by_utc_time_and_never_overwritten(
    make, logger, tmp_path
):
    """
    Many rotations within one second give as many files.
    """
    handler = make()

    for number in range(12):
        logger.info("%d", number)
        handler.doRollover()

    rotated = [p.name for p in tmp_path.iterdir() if p.name != "app.log"]
    assert 12 == len(rotated)
    assert all(map(ROTATED.match, rotated))


def test_file_with_backup_count_keeps_the_newest(make, logger, tmp_path):
    """
    backupCount rotated files are left, at once, and they are the newest.
    """
    make(maxBytes=200, backupCount=3)
    (tmp_path / "app.log.1").write_text("somebody else's")

    for number in range(50):
        logger.info("record %03d", number)

    kept = [p for p in tmp_path.iterdir() if ROTATED.match(p.name)]
    assert 3 == len(kept)
    assert "record 049" in (tmp_path / "app.log").read_text()
    assert (tmp_path / "app.log.1").exists()


def test_file_with_when_rotates_when_its_time_has_come(
    make, logger, tmp_path, monkeypatch
):
    """
    The first record after a boundary goes to a new file.
    """
    clock = [time.time()]
    monkeypatch.setattr(rotation_file.time, "time", lambda: clock[0])
    make(when="H")

    for hour in range(3):
        clock[0] += 3600
        logger.handle(_record(f"{hour}", clock[0]))

    assert [1, 1, 1] == [text.count("\n") for text in _files(tmp_path)]


def test_file_left_from_an_earlier_period_rotates_on_the_first_record(
    make, logger, tmp_path
):
    """
    A restart does not put today's records into yesterday's file.
    """
    path = tmp_path / "app.log"
    path.write_text("yesterday\n")
    os.utime(path, (time.time() - 90000,) * 2)
    make(when="midnight", utc=True)

    logger.info("today")

    old, new = _files(tmp_path)
    assert "yesterday\n" == old
    assert new.endswith("today\n")


def test_file_that_is_empty_is_not_rotated_by_time(
    make, logger, tmp_path, monkeypatch
):
    """
    Idle periods leave no empty files.
    """
    clock = [time.time()]
    monkeypatch.setattr(rotation_file.time, "time", lambda: clock[0])
    make(when="S")

    clock[0] += 100
    logger.handle(_record("x", clock[0]))

    assert ["app.log"] == [path.name for path in tmp_path.iterdir()]


def test_file_with_namer_and_rotator_behaves_as_in_the_stdlib(
    make, logger, tmp_path
):
    """
    namer gives the name, and rotator moves the file there.
    """

    def rotator(source, dest):
        with open(source, "rb") as live, gzip.open(dest, "wb") as zipped:
            zipped.write(live.read())
        os.remove(source)

    handler = make()
    handler.namer = lambda name: f"{name}.zipped"
    handler.rotator = rotator

    logger.info("first")
    handler.doRollover()
    logger.info("second")

    (rotated,) = tmp_path.glob("app.log.*.zipped")
    assert b"first" in gzip.decompress(rotated.read_bytes())
    assert (tmp_path / "app.log").read_text().endswith("second\n")


def test_file_compressed_in_the_background_is_whole(make, logger, tmp_path):
    """
    compress= leaves every rotated file as .gz, and loses no record.
    """
    handler = make(maxBytes=2000, compress=True)

    for number in range(300):
        logger.info("record %03d", number)
    handler.close()

    texts = [
        gzip.decompress(path.read_bytes()).decode()
        for path in sorted(tmp_path.glob("*.gz"))
    ]
    texts.append((tmp_path / "app.log").read_text())
    lines = "".join(texts).splitlines()
    assert not list(tmp_path.glob("*.tmp"))
    assert len(list(tmp_path.iterdir())) == len(texts)
    assert [f"{number:03d}" for number in range(300)] == [
        line[-3:] for line in lines
    ]


def test_file_left_uncompressed_by_a_crash_is_compressed_at_the_next_start(
    make, logger, tmp_path
):
    """
    The next process that opens the log finishes what a dead one began.
    """
    name = "app.log.20260101T000000Z-0001"
    (tmp_path / name).write_text("old\n")
    (tmp_path / f"{name}.gz.tmp").write_bytes(b"half")

    make(compress=True).close()

    assert [f"{name}.gz", "app.log"] == sorted(
        (path.name for path in tmp_path.iterdir()), key=len, reverse=True
    )
    assert b"old\n" == gzip.decompress((tmp_path / f"{name}.gz").read_bytes())


def test_file_on_rotate_gets_each_closed_file_once(make, logger, tmp_path):
    """
    The callable sees every rotated file, complete and in order.
    """
    seen = []
    handler = make(
        maxBytes=500,
        on_rotate=lambda path: seen.append(Path(path).read_text()),
    )

    for number in range(60):
        logger.info("record %03d", number)
    handler.close()

    assert seen == _files(tmp_path)[:-1]


def test_file_on_rotate_that_raises_harms_nothing(
    make, logger, tmp_path, capsys
):
    """
    Its error is reported; records and rotation go on.
    """

    def broken(path):
        raise RuntimeError("no bucket")

    handler = make(maxBytes=200, on_rotate=broken)

    for number in range(20):
        logger.info("record %03d", number)
    handler.close()

    assert 20 == len(_lines(tmp_path))
    assert "no bucket" in capsys.readouterr().err


def test_file_on_rotate_as_dotted_name_is_imported(make, tmp_path):
    """
    A configuration names the callable; what is not one is an error.
    """
    make(on_rotate="os.path.basename")

    with pytest.raises(mllog.ConfigError, match="on_rotate"):
        make(on_rotate="os.path.nothing")


# --- what others do to the file ---------------------------------------------


def test_file_renamed_by_logrotate_is_noticed_by_the_next_record(
    make, logger, tmp_path
):
    """
    After a rename the next record is in a new file of the old name.
    """
    make()
    logger.info("before")

    os.rename(tmp_path / "app.log", tmp_path / "app.log.1")
    logger.info("after")

    assert (tmp_path / "app.log.1").read_text().endswith("before\n")
    assert (tmp_path / "app.log").read_text().endswith("after\n")


def test_file_truncated_by_copytruncate_is_written_from_its_start(
    make, logger, tmp_path
):
    """
    No hole of zero bytes precedes the next record.
    """
    make()
    logger.info("before")

    os.truncate(tmp_path / "app.log", 0)
    logger.info("after")

    assert b"\0" not in (tmp_path / "app.log").read_bytes()
    assert 1 == len(_lines(tmp_path))


def test_file_deleted_with_its_folder_comes_back(make, logger, tmp_path):
    """
    The folder and the file are made again, and nothing is raised.
    """
    handler = mllog.TimestampedRotatingFileHandler(tmp_path / "logs/app.log")
    logger.addHandler(handler)
    logger.info("before")

    (tmp_path / "logs" / "app.log").unlink()
    (tmp_path / "logs").rmdir()
    logger.info("after")

    assert (tmp_path / "logs/app.log").read_text().endswith("after\n")


def test_file_ending_in_a_fragment_gets_a_line_break_first(
    make, logger, tmp_path
):
    """
    A line that a crash cut short does not swallow the next record.
    """
    (tmp_path / "app.log").write_text('whole\n{"half')
    make()

    logger.info("next")

    whole, half, line = _lines(tmp_path)
    assert ("whole", '{"half') == (whole, half)
    assert line.endswith("next")


def test_file_whose_folder_becomes_a_file_counts_what_is_lost(
    make, logger, tmp_path, capsys
):
    """
    Where no file can be, records are counted, and come again when it can.
    """
    handler = mllog.TimestampedRotatingFileHandler(tmp_path / "logs/app.log")
    logger.addHandler(handler)
    (tmp_path / "logs" / "app.log").unlink()
    (tmp_path / "logs").rmdir()
    (tmp_path / "logs").write_text("in the way")

    for _ in range(5):
        logger.info("lost")
    (tmp_path / "logs").unlink()
    logger.info("found")

    assert {"io_error": 5} == handler.stats().dropped
    assert 1 == handler.stats().written
    assert 1 == capsys.readouterr().err.count("Traceback")


def test_file_that_is_a_device_is_never_rotated(logger):
    """
    /dev/null is written to and left where it is.
    """
    handler = mllog.TimestampedRotatingFileHandler(os.devnull, maxBytes=1)
    logger.addHandler(handler)

    for _ in range(3):
        logger.info("x")

    assert 3 == handler.stats().written
    assert not os.path.isfile(os.devnull)


# --- threads ----------------------------------------------------------------


def test_file_under_many_threads_loses_and_tears_nothing(
    make, logger, tmp_path
):
    """
    8 threads and 100 rotations: each record exactly once, whole.
    """
    handler = make(maxBytes=5000)
    handler.setFormatter(mllog.JSONFormatter())

    def work(thread):
        for number in range(500):
            logger.info("x", extra={"thread_": thread, "number": number})

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    seen = [
        (record["thread_"], record["number"])
        for record in map(json.loads, _lines(tmp_path))
    ]
    assert len(seen) == len(set(seen)) == 4000 == handler.stats().written
    assert len(list(tmp_path.iterdir())) > 50


def test_file_closed_while_threads_write_goes_on(make, logger, tmp_path):
    """
    close() in the middle of it loses nothing: a late record opens the file.
    """
    handler = make()
    stop = threading.Event()

    def close_often():
        while not stop.is_set():
            handler.close()

    closer = threading.Thread(target=close_often)
    closer.start()
    for number in range(3000):
        logger.info("%d", number)
    stop.set()
    closer.join()

    assert 3000 == len(_lines(tmp_path))


# --- clocks -----------------------------------------------------------------


@pytest.mark.parametrize(
    "created",
    [
        [1e5, -1e5],
        [-1e5, 1e5],
        [0, 0],
        [1e12, 0],
        [math.inf, 0],
        [math.nan, math.nan],
        [-math.inf, -math.inf],
    ],
    ids=str,
)
def test_file_is_looked_for_whatever_time_records_have(
    make, tmp_path, created
):
    """
    A rename is noticed within 10 ms, by records of any clocks.
    """
    handler = make()
    first, later = (time.time() + each for each in created)
    for number in range(10):  # more than are looked for one by one
        handler.handle(_record(f"before {number}", first))

    os.rename(tmp_path / "app.log", tmp_path / "app.log.1")
    time.sleep(0.02)
    for number in range(3):
        handler.handle(_record(f"after {number}", later))

    assert 3 == len((tmp_path / "app.log").read_text().splitlines())


@pytest.fixture(name="clock")
def _clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(rotation_file, "time", clock)
    monkeypatch.setattr(rotation_names, "time", clock)
    return clock


@pytest.mark.parametrize("ahead", [3, 3600, 400 * 86400], ids=str)
def test_file_with_when_goes_on_after_a_clock_was_ahead(
    make, tmp_path, clock, ahead
):
    """
    A boundary that a wrong clock gave is forgotten when it is set back.
    """
    true = clock.now
    handler = make(when="S", utc=True)

    def log():
        handler.handle(_record("x", true))
        return len(_files(tmp_path))

    clock.now = true + ahead
    log()
    clock.now += 2
    assert 2 == log()  # by the wrong clock, at most once
    clock.now = true
    assert 2 == log()
    clock.now = true + 1.5

    assert 3 == log()


def test_file_rotated_while_the_clock_jumps_keeps_the_newest(
    make, logger, tmp_path, clock
):
    """
    Retention deletes the oldest, whatever the times of rotation were.
    """
    make(maxBytes=60, backupCount=3).setFormatter(
        logging.Formatter("%(message)s")
    )
    jumps = [0, 86400, -86400 * 3, 1e9, -1e9, 0.5, -0.5] * 4
    for number, jump in enumerate(jumps):
        clock.now += jump
        logger.info("%02d %s", number, "x" * 50)

    assert [f"{n:02d}" for n in range(24, 28)] == [
        line[:2] for line in _lines(tmp_path)
    ]


# --- descriptors ------------------------------------------------------------


def test_file_whose_descriptor_is_another_file_now_is_opened_anew(
    make, logger, tmp_path
):
    """
    Nothing is written to, or closed of, a file that took over the number.
    """
    handler = make()
    logger.info("one")
    number = handler.stream.fileno()
    os.close(number)
    with open(tmp_path / "data", "w") as other:
        assert number == other.fileno()

        logger.info("two")
        handler.close()

        assert 0 == os.fstat(other.fileno()).st_size
    assert ["one", "two"] == [
        line.rsplit(" ", 1)[1]
        for line in (tmp_path / "app.log").read_text().splitlines()
    ]


# --- links ------------------------------------------------------------------


@pytest.mark.parametrize("target", ["big/app.log", "big/other.log"])
@pytest.mark.parametrize("is_there", [True, False])
def test_file_behind_a_link_rotates_and_the_link_stays(
    make, logger, tmp_path, target, is_there
):
    """
    Rotated files are beside the file that the link leads to.
    """
    (tmp_path / "big").mkdir()
    (tmp_path / "app.log").symlink_to(target)
    if is_there:
        (tmp_path / target).write_text("old\n")
    handler = make(maxBytes=100, compress=True, backupCount=3)

    for number in range(20):
        logger.info("line %d", number)
    handler.close()

    assert (tmp_path / "app.log").is_symlink()
    assert {"app.log", "big"} == {path.name for path in tmp_path.iterdir()}
    live, *rotated = sorted((tmp_path / "big").iterdir())
    assert live == tmp_path / target
    assert all(
        re.fullmatch(rf"{live.name}\.\d{{8}}T\d{{6}}Z-\d{{4}}\.gz", path.name)
        for path in rotated
    )
    assert 3 == len(rotated)


def test_file_in_a_folder_that_is_a_link_follows_it_elsewhere(
    make, logger, tmp_path
):
    """
    Where a deployment points the link to another folder, lines go there.
    """
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "now").symlink_to("one")
    handler = mllog.TimestampedRotatingFileHandler(
        tmp_path / "now/app.log", when="H"
    )
    logger.addHandler(handler)
    logger.info("first")
    (tmp_path / "new").symlink_to("two")
    os.replace(tmp_path / "new", tmp_path / "now")

    logger.info("second")
    handler.doRollover()

    assert ["app.log"] == os.listdir(tmp_path / "one")
    assert 2 == len(os.listdir(tmp_path / "two"))


# --- options ----------------------------------------------------------------


@pytest.mark.parametrize("terminator", ["\n", "\r\n", "\0", "", "|é|", "\n\n"])
@pytest.mark.parametrize("is_by_class", [False, True])
def test_file_with_any_terminator_is_what_the_stdlib_writes(
    tmp_path, terminator, is_by_class
):
    """
    Also when it is opened again, and where a subclass names it.
    """
    for base, name in (
        (logging.FileHandler, "theirs"),
        (mllog.TimestampedRotatingFileHandler, "ours"),
    ):
        kind = base
        if is_by_class:
            kind = type("Own", (base,), {"terminator": terminator})
        for text in "ab":
            handler = kind(tmp_path / name, encoding="utf-8")
            handler.setFormatter(logging.Formatter("%(message)s"))
            handler.terminator = terminator
            handler.handle(logging.makeLogRecord({"msg": text}))
            assert terminator == handler.terminator
            handler.close()

    theirs = (tmp_path / "theirs").read_bytes()
    assert theirs == (tmp_path / "ours").read_bytes()


@pytest.mark.parametrize("name", ["suffix", "extMatch", "rolloverAt"])
def test_file_refuses_what_has_no_effect_and_says_what_has(make, name):
    """
    An attribute of the stdlib's handler is obeyed or refused.
    """
    handler = make(when="midnight")

    with pytest.raises(mllog.ConfigError, match="no effect") as caught:
        setattr(handler, name, "%Y")
    assert "fix: " in str(caught.value)
    with pytest.raises(mllog.ConfigError, match="no effect"):
        type("Own", (type(handler),), {name: "%Y"})
    assert not hasattr(handler, name)


def test_file_refuses_a_stream(make):
    """
    setStream would be taken without a word, and do nothing.
    """
    with pytest.raises(mllog.ConfigError, match="without a stream"):
        make().setStream(sys.stderr)


def test_file_that_a_server_reopens_as_gunicorn_does_goes_on(
    make, logger, tmp_path
):
    """
    Its stream is closed and set to what ``_open`` gives; nothing is lost.
    """
    handler = make()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.info("before")

    with handler.lock:
        assert handler.stream
        handler.close()
        handler.stream = handler._open()
    logger.info("after")

    text = (tmp_path / "app.log").read_text()
    assert ["before", "after"] == text.split()
    assert 2 == handler.stats().written


def test_file_obeys_max_bytes_and_backup_count_set_later(
    make, logger, tmp_path
):
    """
    The stdlib reads these attributes at each record.
    """
    handler = make(maxBytes=1000, backupCount=9)
    handler.maxBytes = "60"
    handler.backupCount = 2

    for _ in range(9):
        logger.info("x" * 50)

    assert (60, 2) == (handler.maxBytes, handler.backupCount)
    assert 3 == len(_files(tmp_path))


@pytest.mark.parametrize(
    "namer",
    [lambda _: "{folder}/same", lambda name: name.rpartition("-")[0]],
    ids=["one name for all", "without the number"],
)
def test_file_with_a_namer_that_repeats_itself_overwrites_nothing(
    make, logger, tmp_path, namer, capsys
):
    """
    It is reported, and the file goes on without a rotation.
    """
    handler = make(maxBytes=100)
    handler.namer = lambda name: namer(name).format(folder=tmp_path)

    for number in range(20):
        logger.info("line %d", number)

    assert 20 == len(_lines(tmp_path))
    assert "keep the time and the number" in capsys.readouterr().err


def test_file_with_a_namer_that_defeats_retention_says_so_once(
    make, logger, tmp_path, capsys
):
    """
    What cannot be told from other files is never deleted, and that is said.
    """
    numbers = itertools.count()
    handler = make(maxBytes=60, backupCount=1)
    handler.namer = lambda _: str(tmp_path / f"old {next(numbers):02d}")

    for _ in range(9):
        logger.info("x" * 50)

    assert 9 == len(_lines(tmp_path))
    assert 1 == capsys.readouterr().err.count("is never deleted")


@pytest.mark.parametrize(
    ("theirs", "options"),
    [
        (logging.handlers.RotatingFileHandler, {"maxBytes": 100}),
        (
            logging.handlers.RotatingFileHandler,
            {"mode": "a", "maxBytes": 9, "backupCount": 2, "delay": True},
        ),
        (
            logging.handlers.TimedRotatingFileHandler,
            {"when": "midnight", "interval": 1, "backupCount": 7},
        ),
        (
            logging.handlers.TimedRotatingFileHandler,
            {"when": "W0", "utc": True, "encoding": "utf-8"},
        ),
    ],
)
def test_file_takes_the_keywords_of_the_stdlib_handlers(
    theirs, options, tmp_path
):
    """
    The same keywords make both handlers.
    """
    theirs(str(tmp_path / "theirs.log"), **options).close()

    mllog.TimestampedRotatingFileHandler(
        str(tmp_path / "ours.log"), **options
    ).close()


def test_file_takes_the_positions_of_rotating_file_handler(tmp_path):
    """
    filename, mode, maxBytes, backupCount, encoding, delay, errors.
    """
    handler = mllog.TimestampedRotatingFileHandler(
        str(tmp_path / "app.log"), "a", 1000, 5, "utf-8", True, "replace"
    )

    assert (1000, 5, "utf-8", "replace") == (
        handler.maxBytes,
        handler.backupCount,
        handler.encoding,
        handler.errors,
    )
    assert not (tmp_path / "app.log").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "midnight"}, 'write when="midnight"'),
        ({"maxbytes": 3}, "write maxBytes"),
        ({"maxBytes": "ten"}, "maxBytes='ten'"),
        ({"backupCount": -1}, "backupCount=-1"),
        ({"when": "never"}, "when='never'"),
        ({"atTime": "teatime", "when": "D"}, "atTime='teatime'"),
        ({"permissions": "rw"}, "permissions='rw'"),
        ({"compress": "maybe"}, "compress='maybe'"),
        ({"max_age_days": 0}, "max_age_days=0"),
    ],
)
def test_file_with_an_option_that_cannot_work_says_so(tmp_path, options, says):
    """
    The error names the handler, the option, the value and what would do.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        mllog.TimestampedRotatingFileHandler(tmp_path / "app.log", **options)

    assert "TimestampedRotatingFileHandler: " in str(caught.value)
    assert says in str(caught.value)


def test_file_from_fileconfig_takes_text_for_every_option(tmp_path):
    """
    An INI file knows only text, and all options work.
    """
    ini = tmp_path / "logging.ini"
    ini.write_text(
        f"""
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys = json
[logger_root]
level = INFO
handlers = file
[handler_file]
class = mllog.TimestampedRotatingFileHandler
formatter = json
args = ("app.log",)
kwargs = {{"directory": r"{tmp_path}", "maxBytes": "10KB", "delay": "false",
    "backupCount": "3", "when": "H", "interval": "2", "utc": "true",
    "compress": "no", "formatter_options": {{"schema": "ecs"}}}}
[formatter_json]
class = mllog.JSONFormatter
"""
    )

    logging.config.fileConfig(ini, disable_existing_loggers=False)
    logging.getLogger().info("x")

    assert '"ecs.version"' in (tmp_path / "app.log").read_text()


class EvenNumbers(logging.Formatter):
    """
    A formatter of events: half of the records have none.
    """

    def events(self, record):
        return (record.getMessage().encode(),) if record.n % 2 == 0 else ()

    def format(self, record):
        return "".join(event.decode() for event in self.events(record))


def test_record_without_events_is_no_empty_line(tmp_path, logger):
    """
    A formatter that makes nothing of a record writes nothing, not even a line
    break; an empty text of any other formatter is still a line.
    """
    handler = mllog.TimestampedRotatingFileHandler(tmp_path / "a.log")
    handler.setFormatter(EvenNumbers())
    logger.addHandler(handler)
    for n in range(4):
        logger.info("%d", n, extra={"n": n})
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.info("")
    handler.close()

    assert b"0\n2\n\n" == (tmp_path / "a.log").read_bytes()
    assert 3 == handler.stats().written
