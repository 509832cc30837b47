"""
mllog.rotation.keeper: what becomes of closed files, also over crashes.
"""

import errno
import gzip
import logging
import logging.config
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import mllog
from mllog.rotation import keeper, locks

NAME = "app.log.20260101T000000Z-{:04d}"


class Archive:
    """
    Remembers what it was given in a file, so that a crash forgets nothing.

    Args:
        journal: That file.

        fails: How many calls fail before one works.
    """

    def __init__(self, journal, fails=0):
        self.journal = Path(journal)
        self.fails = int(fails)
        self.closed = []

    def __call__(self, path):
        if self.fails:
            self.fails -= 1
            raise OSError("no room")
        with self.journal.open("a") as file:
            file.write(f"{os.path.basename(path)}\n")

    def missed(self, paths):
        had = self.had()
        return [path for path in paths if os.path.basename(path) not in had]

    def close(self, timeout):
        self.closed.append(timeout)

    def had(self):
        return (
            self.journal.read_text().split() if self.journal.exists() else []
        )


class Forgetful(Archive):
    """
    The control: it cannot say what it missed.
    """

    missed = None


@pytest.fixture(name="here")
def _here(monkeypatch):
    """
    This module by the name that configurations use.
    """
    monkeypatch.setitem(sys.modules, "keeper_tests", sys.modules[__name__])
    return "keeper_tests"


@pytest.fixture(name="make")
def _make(tmp_path, logger):
    def make(on_rotate, **options):
        handler = mllog.TimestampedRotatingFileHandler(
            tmp_path / "app.log", on_rotate=on_rotate, **options
        )
        logger.addHandler(handler)
        return handler

    return make


def _leave(folder, count):
    """
    Rotated files of a process that died.
    """
    names = [NAME.format(number) for number in range(1, count + 1)]
    for name in names:
        (folder / name).write_text(f"{name}\n")
    return names


# --- plain data -------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["class", "()"], ids=["by its class", "by a factory"]
)
def test_on_rotate_as_plain_data_is_made(key, here, make, tmp_path, logger):
    """
    A mapping names a class or factory and gives its arguments.
    """
    journal = tmp_path / "journal"
    handler = make({key: f"{here}.Archive", "journal": journal})

    logger.info("one")
    handler.doRollover()
    handler.close()

    assert 1 == len(journal.read_text().split())


def test_on_rotate_from_dictconfig_is_made(here, tmp_path):
    """
    A preset needs no code, for the log file as for the CSV file.
    """
    archive = {"class": f"{here}.Archive", "journal": str(tmp_path / "had")}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "file": {
                    "class": "mllog.TimestampedRotatingFileHandler",
                    "filename": str(tmp_path / "app.log"),
                    "on_rotate": archive,
                },
                "csv": {
                    "class": "mllog.LatencyCSVHandler",
                    "filename": str(tmp_path / "latency.csv"),
                    "maxBytes": 200,
                    "on_rotate": archive,
                },
            },
            "loggers": {"kept": {"handlers": ["file", "csv"]}},
        }
    )
    logger = logging.getLogger("kept")
    file, csv = logger.handlers
    try:
        for _ in range(20):
            logger.warning("m", extra={"inference_latency": 0.5})
        file.doRollover()
    finally:
        logger.handlers.clear()
        file.close()
        csv.close()

    had = (tmp_path / "had").read_text().split()
    assert any(name.startswith("app.log.") for name in had)
    assert any(name.startswith("latency.csv.") for name in had)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"class": "no.such.Thing"}, "no.such.Thing"),
        ({"class": "keeper_tests.Archive"}, "cannot make"),
        ({"class": "keeper_tests.Archive", "jurnal": "x"}, "jurnal"),
        ({"class": "os.path.basename", "p": 1}, "which is no class"),
        ({"class": "fractions.Fraction"}, "expected: a callable"),
        ({}, "on_rotate={}"),
        (3, "on_rotate=3"),
    ],
)
def test_on_rotate_that_cannot_be_made_is_a_config_error(
    spec, expected, here, make
):
    """
    The error names the option and what is wrong with it.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        make(spec)

    assert expected in str(caught.value)


# --- what was missed --------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True])
def test_missed_files_are_handed_over_when_the_log_is_opened(
    make, tmp_path, compress
):
    """
    What a dead process left comes once, oldest first, compressed if asked.
    """
    names = _leave(tmp_path, 3)
    archive = Archive(tmp_path / "journal")

    make(archive, compress=compress).close()
    make(archive, compress=compress).close()

    end = ".gz" if compress else ""
    assert [f"{name}{end}" for name in names] == archive.had()


def test_files_without_missed_are_left_alone(make, tmp_path):
    """
    The control: a plain callable is not called for files of dead processes.
    """
    _leave(tmp_path, 3)
    seen = []

    make(seen.append).close()
    archive = Forgetful(tmp_path / "journal")
    make(archive).close()

    assert [] == seen == archive.had()


def test_missed_files_come_before_retention(make, tmp_path):
    """
    What backupCount would delete at the start is handed over first.
    """
    names = _leave(tmp_path, 5)
    archive = Archive(tmp_path / "journal")

    make(archive, backupCount=2).close()

    assert names == archive.had()
    assert names[3:] == sorted(
        path.name for path in tmp_path.glob("app.log.*")
    )


def test_missed_files_in_any_number_keep_few_files_open(
    make, tmp_path, monkeypatch
):
    """
    Hundreds of them are handed over some at a time.
    """
    monkeypatch.setattr(keeper, "_MOST_CLAIMS", 10)
    names = _leave(tmp_path, 95)
    held = []

    class Counting(Archive):
        def __call__(self, path):
            super().__call__(path)
            held.append(len(os.listdir("/proc/self/fd")))

    archive = Counting(tmp_path / "journal")
    make(archive).close()

    assert names == archive.had()
    assert max(held) - min(held) <= 15


def test_file_whose_call_failed_is_tried_after_the_next_rotation(
    make, tmp_path, logger, capsys
):
    """
    An exception costs no file where *missed* knows of it.
    """
    archive = Archive(tmp_path / "journal", fails=1)
    handler = make(archive)

    logger.info("one")
    handler.doRollover()
    handler._file._keeper.finish(5)
    assert [] == archive.had()
    logger.info("two")
    handler.doRollover()
    handler.close()

    assert sorted(path.name for path in tmp_path.glob("app.log.*")) == sorted(
        archive.had()
    )
    assert "no room" in capsys.readouterr().err


def test_file_that_always_fails_is_tried_once_a_rotation(make, tmp_path):
    """
    A callable that never works keeps no thread busy.
    """
    _leave(tmp_path, 3)
    archive = Archive(tmp_path / "journal", fails=100)

    make(archive).close()

    assert 97 == archive.fails


# --- who owns a closed file -------------------------------------------------


class Slow:
    """
    Reads each file it is given, at the last moment.
    """

    def __init__(self):
        self.lines = []
        self.gone = []

    def __call__(self, path):
        time.sleep(0.002)
        try:
            opened = gzip.open if path.endswith(".gz") else open
            with opened(path, "rb") as file:
                self.lines += file.read().splitlines()
        except FileNotFoundError:
            self.gone.append(path)


def _not_had(folder, slow):
    there = [
        line
        for path in folder.glob("app.log*")
        for line in (
            gzip.decompress(path.read_bytes())
            if path.suffix == ".gz"
            else path.read_bytes()
        ).splitlines()
    ]
    return {b"%03d" % n for n in range(300)}.difference(there, slow.lines)


@pytest.fixture(name="run")
def _run(make, logger, tmp_path):
    """
    300 lines, 100 rotations, two files kept, and who is given them is slow.
    """

    def run(**options):
        slow = Slow()
        handler = make(
            slow,
            maxBytes=12,
            backupCount=2,
            close_timeout_seconds=30,
            **options,
        )
        handler.setFormatter(logging.Formatter("%(message)s"))
        for number in range(300):
            logger.info("%03d", number)
        handler.close()
        return slow, _not_had(tmp_path, slow)

    return run


@pytest.mark.parametrize("has_locks", [True, False], ids=["flock", "none"])
@pytest.mark.parametrize("compress", [False, True])
def test_file_is_deleted_only_after_on_rotate_had_it(
    run, tmp_path, monkeypatch, compress, has_locks
):
    """
    Within a process that holds also where there are no locks on files.
    """
    if not has_locks:
        monkeypatch.setattr(locks, "fcntl", None)

    slow, lost = run(compress=compress)

    assert (set(), []) == (lost, slow.gone)
    assert 2 == len(list(tmp_path.glob("app.log.*")))


def test_file_that_nobody_claims_is_deleted_before_on_rotate_had_it(
    run, monkeypatch
):
    """
    Control: without claims and locks the same run loses lines.
    """
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(keeper.Keeper, "_owed", lambda *_: ())

    _, lost = run()

    assert lost


def test_compressed_file_is_claimed_before_it_has_a_name(
    make, tmp_path, logger
):
    """
    Another process can neither delete it nor take it for a leftover.
    """
    seen = []

    def try_to_delete(path):
        seen.append(locks.unlink_unused(path))

    handler = make(try_to_delete, compress=True)
    logger.info("x")
    handler.doRollover()
    handler.close()

    assert [False] == seen


def test_files_that_wait_for_on_rotate_keep_few_descriptors(
    make, tmp_path, logger, monkeypatch
):
    """
    While they wait the live file grows; then it rotates again.
    """
    monkeypatch.setattr(keeper, "_MOST_CLAIMS", 5)
    release = threading.Event()
    given = []

    def wait(path):
        release.wait(10)
        given.append(path)

    handler = make(wait, maxBytes=60)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        logger.info("x" * 50)

    assert len(os.listdir("/proc/self/fd")) <= before + 6
    assert 5 == len(list(tmp_path.glob("app.log.*")))
    release.set()
    handler._file._keeper.finish(5)
    logger.info("x" * 50)
    handler.close()

    assert 6 == len(list(tmp_path.glob("app.log.*"))) == len(given)


def test_file_that_cannot_be_claimed_is_reported(
    make, tmp_path, logger, capsys, monkeypatch
):
    """
    What on_rotate will not be given is no secret.
    """
    handler = make(Archive(tmp_path / "journal"))
    logger.info("x")

    def refuse(path):
        raise OSError(errno.EMFILE, "Too many open files", path)

    monkeypatch.setattr(keeper, "_opened", refuse)
    handler.doRollover()
    handler.close()

    assert "Too many open files" in capsys.readouterr().err


def test_file_that_cannot_be_compressed_is_handed_on_as_it_is(
    make, tmp_path, logger, capsys, monkeypatch
):
    """
    A full disk keeps no file from on_rotate.
    """

    def refuse(path, draft):
        raise OSError(errno.ENOSPC, "No space left on device", draft)

    monkeypatch.setattr(keeper, "_gzip", refuse)
    archive = Archive(tmp_path / "journal")
    handler = make(archive, compress=True)
    logger.info("x")
    handler.doRollover()
    handler.close()

    (name,) = archive.had()
    assert not name.endswith(".gz")
    assert "No space left" in capsys.readouterr().err


def test_missed_files_beyond_what_is_open_at_once_are_not_deleted(
    make, tmp_path, monkeypatch
):
    """
    Retention asks on_rotate before it deletes what nobody claimed yet.
    """
    monkeypatch.setattr(keeper, "_MOST_CLAIMS", 3)
    names = _leave(tmp_path, 20)
    archive = Archive(tmp_path / "journal")

    make(archive, backupCount=2).close()

    assert names == archive.had()
    assert 2 == len(list(tmp_path.glob("app.log.*")))


def test_file_of_a_process_that_stopped_logging_holds_up_no_other(
    make, tmp_path, logger, monkeypatch
):
    """
    The file it has open waits for it, and later ones only for a while.
    """
    monkeypatch.setattr(keeper, "_PATIENCE_SECONDS", 0.05)
    archive = Archive(tmp_path / "journal")
    handler = make(archive)
    logger.info("x")
    with open(tmp_path / "app.log", "rb") as idle:
        locks.share(idle.fileno())
        for _ in range(3):
            handler.doRollover()
            logger.info("x")
        handler.close()
        first, *others = sorted(
            path.name for path in tmp_path.glob("app.log.*")
        )
        assert others == archive.had()

    logger.info("x")
    handler.doRollover()
    handler.close()

    assert first in archive.had()


def test_missed_that_raises_harms_nothing(make, tmp_path, logger, capsys):
    """
    It is reported, and files that are rotated come all the same.
    """

    class Broken(Archive):
        def missed(self, paths):
            raise ValueError("torn journal")

    archive = Broken(tmp_path / "journal")
    handler = make(archive)
    logger.info("one")
    handler.doRollover()
    handler.close()

    assert 1 == len(archive.had())
    assert "torn journal" in capsys.readouterr().err


def test_missed_file_in_use_is_left_to_its_process(make, tmp_path):
    """
    A file that another process still looks after is not touched.
    """
    first, second = _leave(tmp_path, 2)
    archive = Archive(tmp_path / "journal")
    with (tmp_path / first).open() as file:
        locks.share(file.fileno())

        make(archive).close()

        assert [second] == archive.had()


_CHILD = """
import logging, os, signal, sys
sys.path[:0] = {path!r}
import mllog, test_keeper

class Killed(test_keeper.{kind}):
    def __call__(self, path):
        if {late}:
            super().__call__(path)
        os.kill(os.getpid(), signal.SIGKILL)

handler = mllog.TimestampedRotatingFileHandler(
    {log!r}, on_rotate=Killed({journal!r}), compress={compress}
)
logging.getLogger().addHandler(handler)
logging.warning("the last words")
handler.doRollover()
handler.close()
"""


@pytest.mark.parametrize("kind", ["Archive", "Forgetful"])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("compress", [False, True])
def test_kill_around_on_rotate_loses_no_file(
    make, tmp_path, compress, late, kind
):
    """
    Killed before or after the call, the file is had once it is opened again.

    The control cannot say what it missed, and loses the file.
    """
    journal = tmp_path / "journal"
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            _CHILD.format(
                path=[os.path.dirname(__file__)],
                kind=kind,
                late=late,
                log=str(tmp_path / "app.log"),
                journal=str(journal),
                compress=compress,
            ),
        ],
        timeout=60,
        check=False,
    )
    assert -signal.SIGKILL == child.returncode

    archive = {"Archive": Archive, "Forgetful": Forgetful}[kind](journal)
    make(archive, compress=compress).close()

    is_lost = kind == "Forgetful" and not late
    names = sorted(path.name for path in tmp_path.glob("app.log.*"))
    assert 1 == len(names)
    assert ([] if is_lost else names) == archive.had()


# --- its end ----------------------------------------------------------------


def test_close_of_the_handler_closes_what_is_called(make, tmp_path):
    """
    It gets the seconds that are left, also where it raises.
    """
    archive = Archive(tmp_path / "journal")
    make(archive, close_timeout_seconds=3).close()

    (left,) = archive.closed
    assert 0 < left <= 3


def test_close_that_raises_is_reported(make, tmp_path, capsys):
    """
    The handler closes all the same.
    """

    class Broken(Archive):
        def close(self, timeout):
            raise RuntimeError("cannot close")

    make(Broken(tmp_path / "journal")).close()

    assert "cannot close" in capsys.readouterr().err


def test_close_of_a_csv_handler_comes_after_both_files(tmp_path, logger):
    """
    Rows and summaries are handed over before the one close.
    """
    order = []

    class Ordered(Forgetful):
        def __call__(self, path):
            order.append(os.path.basename(path).split(".2")[0])

        def close(self, timeout):
            order.append("close")

    handler = mllog.LatencyCSVHandler(
        tmp_path / "latency.csv", on_rotate=Ordered(tmp_path / "journal")
    )
    logger.addHandler(handler)
    logger.info("m", extra={"inference_latency": 0.5})
    handler.flush()
    handler._file.rotate()
    handler._summaries.rotate()
    handler.close()

    assert ["latency.csv", "latency.summary.csv"] == sorted(order[:2])
    assert ["close"] == order[2:]


def test_threads_that_rotate_hand_over_each_file_once(make, tmp_path, logger):
    """
    With *missed* as without, no file comes twice while the process lives.
    """
    archive = Archive(tmp_path / "journal")
    handler = make(archive, maxBytes=300)

    def run():
        for number in range(60):
            logger.info("record %03d", number)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.close()

    had = archive.had()
    assert len(had) == len(set(had))
    assert sorted(path.name for path in tmp_path.glob("app.log.*")) == had


def test_on_rotate_from_an_ini_file_is_made(here, tmp_path):
    """
    The kwargs of fileConfig carry what is called, and filters beside it.
    """
    config = tmp_path / "logging.ini"
    config.write_text(
        "[loggers]\nkeys=root,kept\n[handlers]\nkeys=file\n"
        "[formatters]\nkeys=\n"
        "[logger_root]\nhandlers=\n"
        "[logger_kept]\nqualname=kept.ini\nhandlers=file\n"
        "[handler_file]\nclass=mllog.TimestampedRotatingFileHandler\n"
        f"args=({str(tmp_path / 'app.log')!r},)\n"
        f"kwargs={{'on_rotate': {{'class': '{here}.Archive',"
        f" 'journal': {str(tmp_path / 'had')!r}}},"
        " 'filters': [{'class': 'mllog.SamplingFilter', 'every': '2'}]}\n"
    )
    logging.config.fileConfig(config, disable_existing_loggers=False)
    logger = logging.getLogger("kept.ini")
    (handler,) = logger.handlers
    try:
        for number in range(4):
            logger.warning("record %d", number)
        handler.doRollover()
    finally:
        logger.removeHandler(handler)
        handler.close()

    (name,) = (tmp_path / "had").read_text().split()
    assert 2 == len((tmp_path / name).read_text().splitlines())
