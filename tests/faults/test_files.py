"""
Files under faults: many processes, kill -9, full disks, fork.

Where a safeguard can be taken away, a control does so and must fail: the
stdlib's handler, one that does not mend, one without locks on files, one whose
lock is not re-entrant.  tests/test_forking.py has the control of fork.
"""

import collections
import glob
import gzip
import json
import os
import random
import subprocess
import sys
import time
import zlib

import pytest

pytestmark = pytest.mark.faults

WRITER = """
import gzip, json, logging, logging.handlers, os, sys, time, mllog

class Plain(logging.handlers.RotatingFileHandler):
    "The control: what the stdlib does."
    def __init__(self, filename, **options):
        super().__init__(filename, maxBytes=options["maxBytes"], backupCount=9999)
        self.setFormatter(mllog.JSONFormatter())

class Copy:
    "Takes its time to copy the files that it is given."
    def __init__(self, folder):
        self.path = os.path.join(folder, f"{os.getpid()}.jsonl")
    def __call__(self, path):
        time.sleep(0.02)
        opened = gzip.open if path.endswith(".gz") else open
        with opened(path, "rb") as source, open(self.path, "ab") as target:
            target.write(source.read())

Ours = mllog.TimestampedRotatingFileHandler
kind, path, options, writer, records = sys.argv[1:]
if kind == "unlocked":  # the control: nobody says which file is in use
    import mllog.rotation.locks as locks
    locks.share = locks.take = lambda fd: True
made = Plain if kind == "plain" else Ours
handler = made(path, **json.loads(options))
logger = logging.getLogger("stress")
logger.propagate = False
logger.setLevel(logging.INFO)
logger.addHandler(handler)
print("ready", flush=True)
sys.stdin.read()
for number in range(int(records)):
    logger.info("x", extra={"writer": writer, "number": number, "pad": "x" * 90})
if kind == "ours":
    stats = handler.stats()
    assert (stats.written, stats.dropped) == (int(records), {}), stats
handler.close()
"""


def _start(kind, path, options, writer, records):
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            WRITER,
            kind,
            str(path),
            json.dumps(options),
            writer,
            str(records),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if kind == "plain" else None,
    )


def _read(folder):
    """
    How often each record is there, and the lines that are none.
    """
    seen, torn = collections.Counter(), []
    for path in sorted(glob.glob(f"{folder}/*")):
        if path.endswith(".tmp"):  # a process ended while it compressed
            continue
        with open(path, "rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_gzip else open(path, "rb") as file:
            for line in _lines(file):
                try:
                    record = json.loads(line)
                    seen[record["writer"], record["number"]] += 1
                except (ValueError, KeyError, TypeError):
                    torn.append(line)
    return seen, torn


def _lines(file):
    """
    The lines, and an empty one where a gzip was damaged.
    """
    try:
        yield from file
    except (OSError, EOFError, zlib.error):
        yield b""


def _stress(folder, kind, records, *, writers=4, victims=0, **options):
    """
    Several writers on one file; victims are killed in the middle of it.
    """
    options = {
        "maxBytes": 15 * records,
        "formatter_options": {"class": "mllog.JSONFormatter"},
        **options,
    }
    path = folder / "app.jsonl"
    steady = [
        _start(kind, path, options, str(n), records) for n in range(writers)
    ]
    doomed = [
        _start(kind, path, options, f"v{n}", 1000 * records)
        for n in range(victims)
    ]
    for process in [*steady, *doomed]:
        process.stdout.readline()
    for process in [*steady, *doomed]:
        process.stdin.close()
    for process in doomed:
        time.sleep(random.uniform(0.05, 0.2))
        process.kill()
        process.wait()
    codes = [process.wait() for process in steady]
    for process in [*steady, *doomed]:
        process.stdout.close()
    seen, torn = _read(folder)
    wanted = {(str(n), m) for n in range(writers) for m in range(records)}
    return codes, wanted - seen.keys(), torn, max(seen.values())


def test_files_shared_by_processes_lose_tear_and_double_nothing(
    tmp_path, fault_scale
):
    """
    4 processes, one file, some 50 rotations each: every record exactly once.
    """
    codes, lost, torn, most = _stress(
        tmp_path, "ours", int(20_000 * fault_scale)
    )

    assert ([0] * 4, set(), [], 1) == (codes, lost, torn, most)
    assert len(list(tmp_path.iterdir())) > 10


def _loses(folder, kind, **options):
    """
    Whether a handler loses or tears records in one of ten runs.

    Chance decides which process writes when, so one run proves nothing.
    """
    for attempt in range(10):
        run = folder / str(attempt)
        run.mkdir()
        _, lost, torn, _ = _stress(run, kind, 5000, **options)
        if lost or torn:
            return True
    return False


def test_files_shared_by_processes_of_the_stdlib_lose_records(tmp_path):
    """
    Control: the same with RotatingFileHandler loses or tears records.
    """
    assert _loses(tmp_path, "plain")


def test_files_compressed_while_shared_lose_nothing(tmp_path, fault_scale):
    """
    Compression waits for the last writer of each file.
    """
    codes, lost, torn, most = _stress(
        tmp_path, "ours", int(20_000 * fault_scale), compress=True
    )

    assert ([0] * 4, set(), [], 1) == (codes, lost, torn, most)
    assert glob.glob(f"{tmp_path}/*.gz")


def test_files_compressed_while_in_use_lose_records(tmp_path):
    """
    Control: compression that does not wait for the writers loses records.
    """
    assert _loses(tmp_path, "unlocked", compress=True)


def _hand_on(folder, kind, records, **options):
    """
    What is lost where old files are deleted once a slow callable had them.
    """
    (folder / "logs").mkdir()
    (folder / "copies").mkdir()
    codes, gone, torn, _ = _stress(
        folder / "logs",
        kind,
        records,
        maxBytes=5000,
        backupCount=2,
        close_timeout_seconds=60,
        on_rotate={"class": "__main__.Copy", "folder": f"{folder}/copies"},
        **options,
    )
    copied, damaged = _read(folder / "copies")
    return codes, gone - copied.keys(), torn + damaged


@pytest.mark.parametrize("compress", [False, True])
def test_files_are_deleted_only_after_on_rotate_had_them(
    tmp_path, fault_scale, compress
):
    """
    4 processes, some 1000 small files, 20 ms for each: all were handed on.
    """
    codes, lost, torn = _hand_on(
        tmp_path, "ours", int(5000 * fault_scale), compress=compress
    )

    assert ([0] * 4, set(), []) == (codes, lost, torn)
    # the last ones wait for writers that have another one open
    assert len(list((tmp_path / "logs").iterdir())) < 12


def test_files_that_nobody_claims_are_deleted_before_on_rotate_had_them(
    tmp_path,
):
    """
    Control: without locks other processes delete what is still to be copied.
    """
    _, lost, _ = _hand_on(tmp_path, "unlocked", 500)

    assert lost


def test_files_whose_writers_are_killed_are_whole_for_the_others(
    tmp_path, fault_scale
):
    """
    kill -9 in the middle of a write costs at most that line, and its
    fragment at most the one line behind it.

    The kernel ends a killed write between two pages, so that one in some
    twenty lines can be cut.
    """
    codes, lost, torn, most = _stress(
        tmp_path, "ours", int(20_000 * fault_scale), victims=4
    )

    assert ([0] * 4, 1) == (codes, most)
    assert len(torn) <= 4
    glued = {_last_in(line) for line in torn}
    assert lost <= glued


def _last_in(line):
    """
    The record at the end of a line that begins with a fragment, if any.
    """
    try:
        record = json.loads(line[line.rindex(b'{"timestamp"') :])
    except ValueError:
        return None
    return record["writer"], record["number"]


FULL_DISK = """
import json, logging, resource, signal, sys, mllog
from mllog.rotation.file import RotatingFile

path, mends = sys.argv[1], sys.argv[2] == "mends"
if not mends:
    RotatingFile._suspect = lambda self: None  # the control
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def disk(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

handler = mllog.TimestampedRotatingFileHandler(
    path, formatter_options={"class": "mllog.JSONFormatter"}
)
logger = logging.getLogger("disk")
logger.propagate = False
logger.setLevel(logging.INFO)
logger.addHandler(handler)
for event in range(10):
    disk(10_000 * (event + 1) + 7)
    for number in range(200):
        logger.info("x", extra={"event": event, "number": number})
disk(resource.RLIM_INFINITY)
logger.info("x", extra={"event": "healthy"})
stats = handler.stats()
print(json.dumps([stats.written, sum(stats.dropped.values()), stats.fragments]))
"""


def _full_disk(path, mends):
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), mends],
        capture_output=True,
        text=True,
        check=True,
    )
    written, dropped, fragments = json.loads(result.stdout)
    good, bad = [], []
    for line in path.read_bytes().splitlines():
        try:
            good.append(json.loads(line))
        except ValueError:
            bad.append(line)
    return written, dropped, fragments, good, bad, result.stderr


def test_files_on_a_full_disk_count_what_is_lost_and_recover(tmp_path):
    """
    Each time the disk is full at most one fragment is left, and it is counted.

    The disk is a limit on the file's size, which cuts writes short as a full
    disk does and needs no rights.
    """
    written, dropped, fragments, good, bad, said = _full_disk(
        tmp_path / "app.jsonl", "mends"
    )

    assert written == len(good)
    assert 2001 == written + dropped
    assert fragments == len(bad) > 0
    assert "healthy" == good[-1]["event"]
    assert said.count("Traceback") <= 2


def test_files_on_a_full_disk_without_mending_lose_more_than_counted(
    tmp_path,
):
    """
    Control: a writer that goes on behind its own fragment damages records.
    """
    written, _, fragments, good, bad, _ = _full_disk(
        tmp_path / "app.jsonl", "goes on"
    )

    assert written > len(good)


def test_files_on_a_disk_of_its_own_that_fills_recover(tmp_path):
    """
    On a real full file system nothing is raised, and writing goes on after.
    """
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system here")
    try:
        _fill_and_free(disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def _fill_and_free(disk):
    import logging

    import mllog

    logger = logging.getLogger("tmpfs")
    logger.propagate = False
    handler = mllog.TimestampedRotatingFileHandler(
        disk / "logs" / "app.jsonl",
        maxBytes=20_000,
        formatter_options={"class": "mllog.JSONFormatter"},
    )
    logger.addHandler(handler)
    for number in range(2000):
        logger.error("x", extra={"number": number, "pad": "x" * 50})
    full = handler.stats()
    for path in (disk / "logs").glob("app.jsonl.*"):
        path.unlink()
    logger.error("x", extra={"number": "healthy"})
    logger.removeHandler(handler)
    handler.close()

    assert full.dropped["disk_full"] > 0
    assert 2000 == full.written + sum(full.dropped.values())
    assert full.written + 1 == handler.stats().written
    live = (disk / "logs" / "app.jsonl").read_text().splitlines()
    assert "healthy" == json.loads(live[-1])["number"]
    bad = [line for line in live if not line.endswith("}")]
    assert len(bad) <= handler.stats().fragments


def test_files_on_dev_full_count_and_never_raise():
    """
    A device that is always full costs records and nothing else.
    """
    import logging

    import mllog

    handler = mllog.TimestampedRotatingFileHandler("/dev/full")

    for _ in range(100):
        handler.handle(logging.makeLogRecord({"msg": "x"}))

    assert {"disk_full": 100} == handler.stats().dropped


FORK = """
import logging, os, sys, threading, mllog

handler = mllog.TimestampedRotatingFileHandler(
    sys.argv[1], maxBytes=20_000, compress=True,
    formatter_options={"class": "mllog.JSONFormatter"},
)
logger = logging.getLogger("fork")
logger.propagate = False
logger.setLevel(logging.INFO)
logger.addHandler(handler)
stop = threading.Event()

def work(name):
    number = 0
    while not stop.is_set():
        logger.info("x", extra={"writer": name, "number": number})
        number += 1

threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
for thread in threads:
    thread.start()
children = []
for child in range(int(sys.argv[2])):
    pid = os.fork()
    if not pid:
        for number in range(100):
            logger.info("x", extra={"writer": f"c{child}", "number": number})
        os._exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
handler.close()
"""


def test_files_forked_while_threads_write_neither_hang_nor_lose(
    tmp_path, fault_scale
):
    """
    Children forked in the middle of writing and rotating log each record once.
    """
    forks = int(200 * fault_scale)

    subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            FORK,
            str(tmp_path / "app.jsonl"),
            str(forks),
        ],
        check=True,
        timeout=50,
    )

    seen, torn = _read(tmp_path)
    wanted = {(f"c{child}", n) for child in range(forks) for n in range(100)}
    assert [] == torn
    assert set() == wanted - seen.keys()
    assert 1 == max(seen.values())


SIGNALS = """
import logging, signal, sys, threading, mllog

if sys.argv[3] == "plain lock":  # the control
    import mllog.rotation.file
    mllog.rotation.file.fork_safe_lock = threading.Lock

handler = mllog.TimestampedRotatingFileHandler(sys.argv[1], maxBytes=5000)
logger = logging.getLogger("signals")
logger.propagate = False
logger.setLevel(logging.INFO)
logger.addHandler(handler)

def alarm(*_):
    logger.info("from the signal")
    # the next one only then: log calls within log calls are bounded
    signal.setitimer(signal.ITIMER_REAL, 0.001)

signal.signal(signal.SIGALRM, alarm)
signal.setitimer(signal.ITIMER_REAL, 0.001)
for number in range(int(sys.argv[2])):
    logger.info("%d", number)
signal.signal(signal.SIGALRM, signal.SIG_IGN)
assert not handler.stats().dropped, handler.stats()
print(handler.stats().written)
"""


def _log_under_signals(path, records, lock, timeout):
    return subprocess.run(
        [sys.executable, "-c", SIGNALS, str(path), str(records), lock],
        capture_output=True,
        text=True,
        check=True,
        timeout=timeout,
    )


def test_files_logged_to_from_signal_handlers_do_not_hang(
    tmp_path, fault_scale
):
    """
    A signal handler that logs in the middle of a rotation harms nothing.
    """
    records = int(100_000 * fault_scale)

    result = _log_under_signals(
        tmp_path / "app.log", records, "re-entrant lock", 50
    )

    lines = sum(path.read_text().count("\n") for path in tmp_path.iterdir())
    assert int(result.stdout) == lines > records


def test_files_with_a_plain_lock_hang_under_signals(tmp_path):
    """
    Control: a lock that is not re-entrant stops the process.
    """
    with pytest.raises(subprocess.TimeoutExpired):
        _log_under_signals(tmp_path / "app.log", 20_000, "plain lock", 5)
