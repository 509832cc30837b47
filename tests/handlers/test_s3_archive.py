"""
Closed log files to S3: at least once, whatever happens in between.
"""

import gzip
import json
import logging
import logging.config
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("boto3")

TESTS = Path(__file__).parents[1]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

import mllog
from mllog.delivery.s3 import archive as archive_module
from mllog.delivery.s3.archive import FileKeys, Journal, Links, identity_of
from mllog.handlers import s3_archive
from servers.faulty import free_port
from servers.faulty_s3 import FaultyS3, Mixture
from servers.moto import moto  # noqa: F401
from servers.swift import swift  # noqa: F401
from sharing import share_models
from shipping import drained, unaccounted, wait_until

share_models()

NAME = "app.log.20261121T064512Z-{:04d}"
KEY = re.compile(
    r"app/dt=2026-11-21/hour=06/[A-Za-z0-9._-]+-app\.log\.20261121T064512Z-\d{4}"
)


@pytest.fixture(name="bucket")
def _bucket(moto, monkeypatch):  # noqa: F811
    """
    A new bucket, and credentials for it.
    """
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    return moto.new_bucket()


@pytest.fixture(name="logs")
def _logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture(name="make")
def _make(tmp_path, request):
    """
    Makes archives, and ends them without waiting.
    """
    made = []

    def make(bucket="logs", prefix="app", **options):
        chosen = {
            "spool_dir": tmp_path / "spool",
            "retry_max_seconds": 0.05,
            "close_timeout_seconds": 5,
            **options,
        }
        found = mllog.S3Archive(bucket, prefix, **chosen)
        made.append(found)
        return found

    yield make
    for each in made:
        each.close(0)
        each._worker.join(time.monotonic() + 5)


def _rotated(folder, number=1, text="line\n"):
    path = folder / NAME.format(number)
    path.write_text(text)
    return str(path)


def _links(tmp_path):
    """
    The links in the spool, of all processes.
    """
    return sorted(
        path
        for path in (tmp_path / "spool").glob("*/.files/*/*")
        if path.name not in ("lock", "acked")
    )


# --- keys -------------------------------------------------------------------


def test_key_of_a_file_has_the_hour_of_its_rotation(tmp_path):
    """
    The stamp in the name decides, and without one the file's own time.
    """
    path = tmp_path / "odd name?.log"
    path.write_text("x")
    os.utime(path, (0, 3600 * 30))
    identity = identity_of(str(path))
    keys = FileKeys("dt={date}/hour={hour}/{name}-{host}", "logs")

    assert keys.of(
        f"home/{identity}-app.log.20261121T064512Z-0001.gz"
    ).startswith(
        "logs/dt=2026-11-21/hour=06/app.log.20261121T064512Z-0001.gz-"
    )
    assert keys.of(f"home/{identity}-odd_name_.log").startswith(
        "logs/dt=1970-01-02/hour=06/odd_name_.log-"
    )
    assert keys.of(f"home/{identity}-a.log") != keys.of(
        f"home/{identity}-a.log", is_unique=True
    )


@pytest.mark.parametrize(
    "template",
    [
        "{name}",
        "{host}",
        "{host}/{name}/{pid}",
        "{host!r}{name}",
        "../{host}{name}",
        "{host}{name} x",
        "{",
    ],
)
def test_key_template_that_cannot_work_is_a_config_error(template, make):
    """
    It is refused when the archive is made.
    """
    with pytest.raises(mllog.ConfigError, match="key_template"):
        make(key_template=template)


# --- options ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"bucket": ""}, "bucket"),
        ({"spool": "off"}, "spool='off'"),
        ({"spool_dir": None}, "without a folder"),
        ({"spool_dri": "x"}, "write spool_dir"),
        ({"compression": "gzip"}, "unknown option"),
        ({"spool_max_bytes": "much"}, "spool_max_bytes"),
    ],
)
def test_archive_with_options_that_cannot_work_raises(make, given, expected):
    """
    The error names the class and the option.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        make(**given)

    assert str(caught.value).startswith("S3Archive: ")
    assert expected in str(caught.value)


def test_archive_without_a_spool_dir_is_a_config_error():
    """
    There is no archive that keeps nothing.
    """
    with pytest.raises(mllog.ConfigError, match="spool_dir"):
        mllog.S3Archive("logs")


def test_archive_takes_no_records(make, logger):
    """
    As a handler it passes over what it is given.
    """
    archive = make()

    archive.emit(logging.makeLogRecord({"msg": "m"}))

    assert (0, 1) == (archive.stats().accepted, archive.stats().skipped)


# --- storing ----------------------------------------------------------------


@pytest.mark.s3servers
@pytest.mark.parametrize("compress", [False, True])
def test_closed_files_are_stored_by_configuration_alone(
    bucket,
    moto,
    tmp_path,
    compress,  # noqa: F811
):
    """
    dictConfig, one archive, two files that rotate: each object is its file.
    """
    archive = {
        "class": "mllog.S3Archive",
        "bucket": bucket,
        "prefix": "app",
        "spool_dir": str(tmp_path / "spool"),
        "endpoint_url": moto.endpoint_url,
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "file": {
                    "class": "mllog.TimestampedRotatingFileHandler",
                    "filename": str(tmp_path / "logs" / "app.log"),
                    "compress": compress,
                    "maxBytes": 1000,
                    "on_rotate": archive,
                },
                "csv": {
                    "class": "mllog.LatencyCSVHandler",
                    "filename": str(tmp_path / "logs" / "latency.csv"),
                    "compress": compress,
                    "maxBytes": 1000,
                    "on_rotate": archive,
                },
            },
            "loggers": {"kept": {"handlers": ["file", "csv"]}},
        }
    )
    logger = logging.getLogger("kept")
    for number in range(60):
        logger.warning("%03d", number, extra={"inference_latency": 0.5})
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()

    stored = moto.objects(bucket)
    there = {
        path.name: path.read_bytes()
        for path in (tmp_path / "logs").iterdir()
        if "Z-" in path.name
    }
    assert len(there) >= 4
    assert there == {
        re.search(r"(app\.log|latency).*", key)[0]: body
        for key, body in stored.items()
    }
    assert all(
        re.match(r"app/dt=\d{4}-\d\d-\d\d/hour=\d\d/[^/]+$", key)
        for key in stored
    )
    assert [] == _links(tmp_path)
    if compress:
        assert b"000" in b"".join(map(gzip.decompress, stored.values()))


@pytest.mark.s3servers
def test_stored_object_has_its_type_and_key(bucket, moto, make, logs):  # noqa: F811
    """
    The key is the layout's, the type follows the name.
    """
    archive = make(bucket, endpoint_url=moto.endpoint_url)
    archive(_rotated(logs))
    zipped = logs / f"{NAME.format(2)}.gz"
    zipped.write_bytes(gzip.compress(b"line\n"))
    archive(str(zipped))
    assert archive.flush(30)

    plain, compressed = moto.names(bucket)
    assert KEY.fullmatch(plain)
    assert KEY.fullmatch(compressed.removesuffix(".gz"))
    heads = [
        moto.client().head_object(Bucket=bucket, Key=key)["ContentType"]
        for key in (plain, compressed)
    ]
    assert ["text/plain", "application/gzip"] == heads
    assert 2 == archive.stats().sent


@pytest.mark.s3servers
def test_file_that_retention_deletes_meanwhile_is_stored(
    bucket,
    moto,
    make,
    logs,
    tmp_path,  # noqa: F811
):
    """
    During an outage names go and links stay; links are in nobody else's reach.
    """
    port = free_port()
    archive = make(bucket, endpoint_url=f"http://127.0.0.1:{port}")
    path = _rotated(logs, text="precious\n")
    archive(path)
    os.unlink(path)
    (link,) = _links(tmp_path)
    assert 0o700 == stat.S_IMODE(link.parent.stat().st_mode)
    assert 0o700 == stat.S_IMODE(link.parent.parent.stat().st_mode)
    archive.close(0.2)

    again = make(
        bucket, endpoint_url=moto.endpoint_url, spool_dir=tmp_path / "spool"
    )
    again.missed([])
    wait_until(lambda: moto.names(bucket), 20)
    again.close()

    assert [b"precious\n"] == list(moto.objects(bucket).values())
    assert [] == _links(tmp_path)


@pytest.mark.s3servers
def test_file_on_another_device_is_copied(
    bucket,
    moto,
    make,
    logs,
    tmp_path,
    monkeypatch,  # noqa: F811
):
    """
    Where no hard link can be, the copy is whole and its owner's alone.
    """

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(archive_module.os, "link", refuse)
    archive = make(bucket, endpoint_url=f"http://127.0.0.1:{free_port()}")
    archive(_rotated(logs, text="far\n"))

    (link,) = _links(tmp_path)
    assert ("far\n", 0o600) == (
        link.read_text(),
        stat.S_IMODE(link.stat().st_mode),
    )


@pytest.mark.s3servers
def test_file_whose_key_is_taken_by_other_content_is_stored_beside(
    bucket,
    moto,
    make,
    logs,
    tmp_path,  # noqa: F811
):
    """
    Two logs of one name, on hosts of one name: neither is lost nor replaced.
    """
    bodies = [b"first\n", b"other\n", b"third\n"]
    for number, body in enumerate(bodies):
        folder = tmp_path / str(number)
        folder.mkdir()
        archive = make(bucket, endpoint_url=moto.endpoint_url)
        archive(_rotated(folder, text=body.decode()))
        assert archive.flush(30)

    assert bodies == sorted(moto.objects(bucket).values())


@pytest.mark.s3servers
def test_file_that_is_stored_already_is_not_stored_again(
    bucket,
    moto,
    make,
    logs,
    tmp_path,  # noqa: F811
):
    """
    An archive without memory sends it, and the server has it once.
    """
    path = _rotated(logs)
    for number in range(2):
        archive = make(
            bucket,
            endpoint_url=moto.endpoint_url,
            spool_dir=tmp_path / f"spool{number}",
        )
        assert [path] == archive.missed([path])
        archive(path)
        assert archive.flush(30)
        assert [] == archive.missed([path])

    assert 1 == len(moto.names(bucket))


@pytest.mark.s3servers
def test_archive_without_create_only_replaces_no_other_file(
    bucket,
    moto,
    make,
    tmp_path,  # noqa: F811
):
    """
    Keys then tell files apart by themselves.
    """
    for text in ("one\n", "two\n"):
        folder = tmp_path / text.strip()
        folder.mkdir()
        archive = make(
            bucket, endpoint_url=moto.endpoint_url, create_only=False
        )
        archive(_rotated(folder, text=text))
        assert archive.flush(30)

    assert [b"one\n", b"two\n"] == sorted(moto.objects(bucket).values())


# --- what is accepted -------------------------------------------------------


def test_files_beyond_the_bound_are_not_accepted(make, logs, tmp_path):
    """
    They are asked for again, and those that wait are not given up.
    """
    archive = make(
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        spool_max_bytes=2500,
    )
    paths = [_rotated(logs, n, "x" * 1000) for n in (1, 2, 3)]
    archive(paths[0])
    archive(paths[1])
    with pytest.raises(OSError, match="spool_max_bytes is 2500"):
        archive(paths[2])

    assert paths[2:] == archive.missed(paths)
    assert 2 == len(_links(tmp_path))


def test_file_that_is_too_large_is_counted(make, logs, monkeypatch, capsys):
    """
    It is said once, and not asked for again.
    """
    monkeypatch.setattr(s3_archive, "_LARGEST_FILE", 3)
    archive = make()
    path = _rotated(logs)
    archive(path)

    assert {"too_large": 1} == archive.stats().dropped
    assert [] == archive.missed([path])
    assert "more than 5 GiB" in capsys.readouterr().err


def test_journal_outlives_torn_lines_and_its_own_growth(
    tmp_path, logs, monkeypatch
):
    """
    Half a line costs only itself; files that are gone are forgotten.
    """
    monkeypatch.setattr(archive_module, "_JOURNAL_BYTES", 2000)
    path = tmp_path / "spool" / ".accepted"
    journal = Journal(str(path))
    kept = _rotated(logs)
    journal.add(kept, identity_of(kept))
    with path.open("ab") as file:
        file.write(b'["/torn')
    for number in range(200):
        journal.add(f"/gone/{number}", "1.1.00000000")

    had = Journal(str(path)).had()
    assert identity_of(kept) == had[kept]
    assert "/gone/199" in had
    assert path.stat().st_size < 4000
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_links_of_a_living_process_are_left_to_it(tmp_path, logs):
    """
    Only a dead one has orphans; drafts of copies are swept away.
    """
    first = Links(str(tmp_path / "files"), 10**9)
    second = Links(str(tmp_path / "files"), 10**9)
    link = first.add(_rotated(logs))
    draft = Path(first.path(link)).with_name(".draft")
    draft.write_text("half")

    assert [] == second.orphans()
    first.close()
    assert [link] == second.orphans()
    assert not draft.exists()
    second.remove(link)
    second.close()
    assert [] == list((tmp_path / "files").iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_links_in_a_forked_child_are_the_parents(tmp_path, logs):
    """
    A child has a directory of its own, and its end frees nothing.
    """
    links = Links(str(tmp_path / "files"), 10**9)
    link = links.add(_rotated(logs))
    if not (child := os.fork()):
        own = links.add(_rotated(logs, 2))
        is_apart = os.path.dirname(own) != os.path.dirname(link)
        os._exit(0 if is_apart else 1)
    _, status = os.waitpid(child, 0)

    assert 0 == status
    orphans = Links(str(tmp_path / "files"), 10**9).orphans()
    assert 1 == len(orphans)
    assert link not in orphans


# --- kills ------------------------------------------------------------------

_CHILD = """
import json, logging, os, signal, sys
import mllog
from mllog.delivery.s3 import ObjectStore, archive
from mllog.handlers import s3_archive

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dies_after(owner, name):
    kept = getattr(owner, name)
    def call(*args, **kwargs):
        kept(*args, **kwargs)
        die()
    setattr(owner, name, call)

def dies_before(owner, name):
    setattr(owner, name, lambda *args, **kwargs: die())

{point}
found = mllog.S3Archive(**json.loads(sys.argv[1]))
handler = mllog.TimestampedRotatingFileHandler(
    sys.argv[2], on_rotate=found, close_timeout_seconds=30
)
logging.getLogger().addHandler(handler)
logging.warning("the last words")
handler.doRollover()
handler._file._keeper.finish(30)
found.flush(30)
print("alive", flush=True)
die()
"""
POINTS = {
    "before the link": "dies_before(archive.Links, 'add')",
    "after the link": "dies_after(archive, '_keep')",
    "after the entry": "dies_after(s3_archive.S3Archive, '_take')",
    "after the journal": "dies_after(archive.Journal, 'add')",
    "after the put": "dies_after(ObjectStore, 'put')",
    "after the unlink": "dies_after(archive.Links, 'remove')",
    "at the end": "",
}


def _killed(point, given, log):
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            _CHILD.format(point=point),
            json.dumps(given),
            str(log),
        ],
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert -signal.SIGKILL == child.returncode, child.stderr
    assert bool(point) == (not child.stdout)


@pytest.mark.s3servers
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("retained", [True, False])
def test_kill_at_any_point_stores_the_file_once(
    bucket,
    moto,
    make,
    logs,
    tmp_path,
    point,
    retained,  # noqa: F811
):
    """
    The next process stores what the dead one had, and no link is left.

    Once it is linked, the file may even be deleted.
    """
    given = {
        "bucket": bucket,
        "prefix": "app",
        "endpoint_url": moto.endpoint_url,
        "spool_dir": str(tmp_path / "spool"),
    }
    _killed(POINTS[point], given, logs / "app.log")
    (rotated,) = logs.glob("app.log.*")
    text = rotated.read_bytes()
    if not retained and point != "before the link":
        rotated.unlink()

    archive = make(bucket, endpoint_url=moto.endpoint_url)
    handler = mllog.TimestampedRotatingFileHandler(
        logs / "app.log", on_rotate=archive
    )
    handler._file._keeper.finish(10)
    wait_until(lambda: moto.names(bucket), 20)
    assert archive.flush(30)
    handler.close()

    assert [text] == list(moto.objects(bucket).values())
    assert [] == _links(tmp_path)
    assert 0 == unaccounted(archive.stats())


@pytest.mark.s3servers
@pytest.mark.parametrize(
    ("broken", "point"),
    [("missed", "before the link"), ("orphans", "after the link")],
)
def test_kill_without_a_safeguard_loses_the_file(
    bucket,
    moto,
    make,
    logs,
    tmp_path,
    monkeypatch,
    broken,
    point,  # noqa: F811
):
    """
    The control: without *missed*, or without orphans, a kill costs the file.
    """
    given = {
        "bucket": bucket,
        "prefix": "app",
        "endpoint_url": moto.endpoint_url,
        "spool_dir": str(tmp_path / "spool"),
    }
    _killed(POINTS[point], given, logs / "app.log")
    (rotated,) = logs.glob("app.log.*")
    if broken == "orphans":
        rotated.unlink()
        monkeypatch.setattr(Links, "orphans", lambda self: [])
    else:
        monkeypatch.setattr(s3_archive.S3Archive, "missed", None)

    archive = make(bucket, endpoint_url=moto.endpoint_url)
    handler = mllog.TimestampedRotatingFileHandler(
        logs / "app.log", on_rotate=archive
    )
    handler._file._keeper.finish(10)
    archive.flush(3)
    handler.close()

    assert [] == moto.names(bucket)


@pytest.mark.s3servers
def test_exit_with_a_dead_server_is_quick_and_loses_nothing(
    bucket,
    moto,
    make,
    logs,
    tmp_path,  # noqa: F811
):
    """
    The process ends within its budget; the next one stores the files.
    """
    given = {
        "bucket": bucket,
        "prefix": "app",
        "endpoint_url": f"http://127.0.0.1:{free_port()}",
        "spool_dir": str(tmp_path / "spool"),
    }
    code = (
        "import json, logging, sys, mllog\n"
        "logging.getLogger().addHandler("
        "mllog.TimestampedRotatingFileHandler(sys.argv[2], maxBytes=100,"
        " on_rotate=mllog.S3Archive(**json.loads(sys.argv[1]))))\n"
        "for n in range(20): logging.warning('record %d', n)\n"
    )
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", code, json.dumps(given), str(logs / "app.log")],
        timeout=60,
        check=True,
        capture_output=True,
    )
    assert time.monotonic() - began < 8
    rotated = {path.read_bytes() for path in logs.glob("app.log.*")}

    archive = make(bucket, endpoint_url=moto.endpoint_url)
    handler = mllog.TimestampedRotatingFileHandler(
        logs / "app.log", on_rotate=archive
    )
    handler._file._keeper.finish(10)
    wait_until(lambda: len(moto.names(bucket)) == len(rotated), 20)
    handler.close()

    assert rotated == set(moto.objects(bucket).values())
    assert [] == _links(tmp_path)


@pytest.mark.s3servers
def test_large_file_is_streamed(bucket, moto, logs, tmp_path):  # noqa: F811
    """
    100 MiB are stored by a process that grows by less than 40.
    """
    with open(logs / NAME.format(1), "wb") as file:
        file.truncate(100 * 2**20)
    code = (
        "import resource, sys, mllog\n"
        "found = mllog.S3Archive(sys.argv[1], 'app', endpoint_url=sys.argv[2],"
        " spool_dir=sys.argv[3])\n"
        "found._store.open()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "found(sys.argv[4])\n"
        "assert found.flush(50)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-c", code, bucket, moto.endpoint_url),
            *(str(tmp_path / "spool"), str(logs / NAME.format(1))),
        ],
        timeout=60,
        check=True,
        capture_output=True,
        text=True,
    )

    assert int(done.stdout) < 40 * 1024
    (key,) = moto.names(bucket)
    head = moto.client().head_object(Bucket=bucket, Key=key)
    assert 100 * 2**20 == head["ContentLength"]


_WRITER = """
import json, logging, os, sys
import mllog

handler = mllog.TimestampedRotatingFileHandler(
    sys.argv[2], maxBytes=2000,
    on_rotate=mllog.S3Archive(**json.loads(sys.argv[1])),
)
logging.getLogger().addHandler(handler)
logging.warning("from the parent")
if len(sys.argv) > 4:
    handler.doRollover()
    if os.fork():
        os.wait()
for number in range(200):
    logging.warning("%s %d %d", sys.argv[3], os.getpid(), number)
"""


@pytest.mark.s3servers
@pytest.mark.parametrize("forks", [False, True])
def test_processes_that_share_a_log_store_each_file_once(
    bucket,
    moto,
    logs,
    tmp_path,
    forks,  # noqa: F811
):
    """
    Several processes, or a parent and its child: no line is lost or doubled.
    """
    given = {
        "bucket": bucket,
        "prefix": "app",
        "endpoint_url": moto.endpoint_url,
        "spool_dir": str(tmp_path / "spool"),
        "close_timeout_seconds": 20,
    }
    more = ["forks"] if forks else []
    log = str(logs / "app.log")
    children = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                _WRITER,
                json.dumps(given),
                log,
                name,
                *more,
            ],
            env={**os.environ, "MLLOG_EXIT_SECONDS": "20"},
        )
        for name in "abc"
    ]
    assert [0, 0, 0] == [child.wait(60) for child in children]
    handler = mllog.TimestampedRotatingFileHandler(
        log, on_rotate=mllog.S3Archive(**given)
    )
    handler.doRollover()
    handler.close()

    stored = moto.objects(bucket)
    rotated = [path.read_bytes() for path in logs.glob("app.log.*")]
    lines = b"".join(stored.values()).splitlines()
    assert sorted(rotated) == sorted(stored.values())
    assert 200 * 3 * (2 if forks else 1) + 3 == len(lines)
    assert [] == _links(tmp_path)


@pytest.mark.s3servers
def test_archive_on_swift_stores_each_file_once(
    swift,
    make,
    tmp_path,
    monkeypatch,  # noqa: F811
):
    """
    Another server agrees about conditions and digests.
    """
    for name, value in swift.environment().items():
        monkeypatch.setenv(name, value)
    bucket = swift.new_bucket()
    bodies = ["one\n", "two\n", "one\n"]
    for number, text in enumerate(bodies):
        folder = tmp_path / str(number)
        folder.mkdir()
        archive = make(
            bucket,
            endpoint_url=swift.endpoint_url,
            spool_dir=tmp_path / f"spool{number}",
        )
        archive(_rotated(folder, text=text))
        assert archive.flush(30)

    assert [b"one\n", b"two\n"] == sorted(swift.objects(bucket).values())


def test_links_go_on_where_somebody_cleaned_up(tmp_path, logs):
    """
    A removed directory costs one attempt.
    """
    links = Links(str(tmp_path / "files"), 10**9)
    links.add(_rotated(logs))
    shutil.rmtree(tmp_path / "files")
    with pytest.raises(FileNotFoundError):
        links.add(_rotated(logs, 2))

    assert links.add(_rotated(logs, 2))


@pytest.mark.parametrize("without", ["", "the unique key"])
def test_faulty_server_loses_no_file(
    make, logs, tmp_path, monkeypatch, without
):
    """
    Errors, silence and resets before and after the store: all files are there.

    The control takes every object that is there for its own.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    if without:
        monkeypatch.setattr(s3_archive._Uploads, "_has_same", lambda *_: True)
    with FaultyS3() as server:
        server.choose = Mixture(
            {
                "slow_down": 1,
                "internal_error_after": 1,
                "silence_after": 1,
                "reset": 1,
                "reset_after": 1,
                "cut_body": 1,
            },
            0.4,
        )
        archive = make(
            endpoint_url=server.url,
            send_timeout_seconds=0.2,
            retry_max_seconds=0.02,
        )
        bodies = set()
        for number in range(1, 16):
            for folder in ("a", "b"):  # of one name, with other content
                (logs / folder).mkdir(exist_ok=True)
                text = f"{folder} {number}\n"
                archive(_rotated(logs / folder, number, text))
                bodies.add(text.encode())
        assert drained(archive, 40)
        stored = set(server.objects.values())

    assert 0 == unaccounted(archive.stats())
    assert archive.stats().retried
    assert (bodies == stored) is (not without)
