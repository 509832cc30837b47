"""
``mllog spool`` as it is typed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

import mllog
from mllog.cli import draining, main, spool
from mllog.delivery.spool import Spool, inspect

RECORDS = [b"first", b"second", b"third\nwith \x1b[31m"]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="nobody can tell there who lives"
)


@pytest.fixture
def folder(tmp_path):
    """
    A spool_dir with the folder of the handler *syslog*, and nothing in it.
    """
    (tmp_path / "spool").mkdir(0o700)
    (tmp_path / "spool" / "syslog").mkdir(0o700)
    return tmp_path / "spool"


def leave(folder, records=RECORDS, handler="syslog"):
    """
    What a process left that died with *records*; gives its directory.
    """
    made = Spool(str(folder / handler), max_bytes=1 << 20)
    made.append(records)
    path = made.path
    made.close()
    return Path(path)


@contextmanager
def living(folder, records=RECORDS):
    """
    A process that lives: this one.
    """
    made = Spool(str(folder / "syslog"), max_bytes=1 << 20)
    made.append(records)
    yield Path(made.path)
    made.ack(len(made.read(100, 1 << 20)))
    made.close()


def content(folder):
    """
    Every file below *folder*, with what it says.
    """
    return {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def rows(out):
    """
    The table of ``inspect``, as dicts.
    """
    head, *lines = (line.split("\t") for line in out.splitlines())
    return [dict(zip(head, line, strict=True)) for line in lines]


class Receiver:
    """
    A TCP server that keeps what it is sent.
    """

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.server.getsockname()[1]}"
        self.data = b""
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        connection, _ = self.server.accept()
        with connection:
            while data := connection.recv(65536):
                self.data += data

    def end(self):
        self.thread.join(10)
        self.server.close()


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def configuration(tmp_path, address, **more):
    """
    The path of a configuration with a syslog handler that has a spool.
    """
    path = tmp_path / "log.json"
    handler = {
        "class": "mllog.SyslogHandler",
        "address": address,
        "spool": "overflow",
        "spool_dir": str(tmp_path / "spool"),
        **more,
    }
    file = {
        "class": "mllog.TimestampedRotatingFileHandler",
        "filename": str(tmp_path / "never.log"),
        "delay": False,
    }
    path.write_text(
        json.dumps(
            {
                "version": 1,
                "handlers": {"syslog": handler, "file": file},
                "root": {"handlers": ["syslog", "file"]},
            }
        )
    )
    return str(path)


# --- inspect ---


def test_inspect_in_a_pipe_is_a_line_per_process(folder, capsys):
    """
    A dead and a living process are told apart, and their records counted.
    """
    dead = leave(folder)
    with living(folder, [b"x"]) as alive:
        code = main(["spool", "inspect", str(folder)])

    out, err = capsys.readouterr()
    found = {row["owner"]: row for row in rows(out)}
    assert 0 == code
    assert ("no", "3") == tuple(
        found[dead.name][each] for each in ("alive", "records")
    )
    assert ("yes", "1") == tuple(
        found[alive.name][each] for each in ("alive", "records")
    )
    assert {"syslog"} == {row["folder"] for row in found.values()}
    assert "1 alive, 1 dead with 3 records" in err


def test_inspect_changes_nothing_and_locks_nobody_out(folder, capsys):
    """
    The files are the same after it, and their owner goes on writing.
    """
    leave(folder)
    made = Spool(str(folder / "syslog"), max_bytes=1 << 20)
    made.append(RECORDS)
    before = content(folder)

    main(["spool", "inspect", str(folder), "--records", "9"])

    assert before == content(folder)
    made.append(RECORDS)
    assert 6 == len(made.read(100, 1 << 20))
    made.ack(6)
    made.close()


def test_inspect_of_handler_folder_itself_works(folder, capsys):
    """
    The folder below spool_dir is taken as well.
    """
    leave(folder)

    code = main(["spool", "inspect", str(folder / "syslog")])

    assert 0 == code
    assert ["syslog"] == [
        row["folder"] for row in rows(capsys.readouterr().out)
    ]


def test_inspect_counts_damaged_records(folder, capsys):
    """
    A flipped bit is one damaged record, and the others are still shown.
    """
    path = leave(folder)
    (segment,) = path.glob("*.spool")
    data = bytearray(segment.read_bytes())
    data[data.index(b"second")] ^= 1
    segment.write_bytes(data)

    main(["spool", "inspect", str(folder), "--records", "9"])

    out = capsys.readouterr().out
    table, *records = out.split(f"\n{path.name}\t")
    assert ("3", "1") == (rows(table)[0]["records"], rows(table)[0]["damaged"])
    assert [
        "1\tfirst",
        r"3\tthird\nwith \x1b[31m".replace(r"\t", "\t", 1),
    ] == [line.strip() for line in records]


def test_inspect_records_are_cut_and_bounded(folder, capsys, monkeypatch):
    """
    A long record is cut, and all of them together have a limit.
    """
    leave(folder, [b"a" * 5000] * 50)
    monkeypatch.setattr(spool, "_MOST_IN_ALL", 10_000)

    main(["spool", "inspect", str(folder), "--records", "50"])

    out = capsys.readouterr().out
    assert "…[truncated 3000]" in out
    assert len(out) < 11_000
    assert "no more than 10000 characters" in out


def test_inspect_on_a_terminal_is_a_table(folder, capsys, monkeypatch):
    """
    Where somebody looks, columns are aligned.
    """
    leave(folder)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "140")

    main(["spool", "inspect", str(folder)])

    out = capsys.readouterr().out
    assert "records" in out and "\t" not in out


@pytest.mark.parametrize("command", ["inspect", "drain"])
@pytest.mark.parametrize("kind", ["missing", "file", "open"])
def test_spool_of_wrong_folder_exits_2_with_one_message(
    tmp_path, capsys, kind, command
):
    """
    No folder, a file and a folder open to others are refused, and say why.
    """
    path = tmp_path / "x"
    if kind == "file":
        path.touch()
    elif kind == "open":
        path.mkdir()
        path.chmod(0o777)
    more = ["--to", "-"] if command == "drain" else []

    code = main(["spool", command, str(path), *more])

    out, err = capsys.readouterr()
    assert (2, "") == (code, out)
    assert err.startswith("mllog: ") and "Traceback" not in err
    assert ("others" in err) == (kind == "open")


def test_inspect_of_empty_folder_prints_nothing(folder, capsys):
    """
    No process has left anything: standard output is empty.
    """
    code = main(["spool", "inspect", str(folder)])

    out, err = capsys.readouterr()
    assert (0, "") == (code, out)
    assert "0 alive, 0 dead" in err


# --- drain into a file ---


def test_drain_to_file_writes_a_line_per_record_and_removes_them(
    folder, tmp_path, capsys
):
    """
    Everything dead processes left is in the file, behind what it had.
    """
    leave(folder)
    leave(folder, [b'{"a": 1}'], "kafka")
    target = tmp_path / "out.txt"
    target.write_bytes(b"before\n")

    code = main(["spool", "drain", str(folder), "--to", str(target)])

    assert 0 == code
    assert [b"before", b'{"a": 1}', b"first", b"second"] == (
        target.read_bytes().splitlines()[:4]
    )
    assert rb"third\nwith " in target.read_bytes()
    assert {} == content(folder)
    assert "4 records written" in capsys.readouterr().err


def test_drain_to_new_file_makes_it_for_its_owner_alone(folder, tmp_path):
    """
    Records are nobody else's business.
    """
    leave(folder)
    target = tmp_path / "out.txt"

    main(["spool", "drain", str(folder), "--to", str(target)])

    assert 0o600 == target.stat().st_mode & 0o777


def test_drain_to_stdout_is_the_values(folder):
    """
    In a pipe the bytes are those of the records, line breaks excepted.
    """
    leave(folder)

    done = subprocess.run(
        [sys.executable, "-m", "mllog", "spool", "drain", str(folder)]
        + ["--to", "-"],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(mllog.__file__).parents[1]),
        },
        capture_output=True,
        timeout=30,
    )

    assert 0 == done.returncode, done.stderr
    assert b"first\nsecond\nthird\\nwith \x1b[31m\n" == done.stdout
    assert {} == content(folder)


def test_drain_leaves_living_process_alone_and_says_so(
    folder, tmp_path, capsys
):
    """
    Of two processes only what the dead one left is taken.
    """
    leave(folder)
    with living(folder, [b"mine"]) as alive:
        before = content(alive)
        code = main(
            ["spool", "drain", str(folder), "--to", str(tmp_path / "out")]
        )
        assert before == content(alive)

    assert 0 == code
    assert b"mine" not in (tmp_path / "out").read_bytes()
    assert f"{alive.name} lives and is left alone, with 1" in (
        capsys.readouterr().err
    )


def test_drain_to_full_disk_keeps_what_was_not_written(folder, capsys):
    """
    Nothing is removed where the file takes nothing.
    """
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    leave(folder)

    code = main(["spool", "drain", str(folder), "--to", "/dev/full"])

    assert 2 == code
    assert "No space left" in capsys.readouterr().err
    assert [(False, 3)] == [
        (each.alive, each.records) for each in inspect(str(folder / "syslog"))
    ]


def test_drain_that_fails_in_the_middle_cuts_its_fragment_off(
    folder, tmp_path, monkeypatch
):
    """
    After a failed flush the file ends with the last whole batch, and the rest
    is drained later, without a gap.
    """
    leave(folder, [b"%d" % number for number in range(10)])
    target = tmp_path / "out"
    monkeypatch.setattr(draining, "_BATCH_RECORDS", 4)
    real, calls = draining._sync, []

    def fail_once(fd):
        calls.append(fd)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(draining, "_sync", fail_once)
    command = ["spool", "drain", str(folder), "--to", str(target)]

    assert 2 == main(command)
    assert b"0\n1\n2\n3\n" == target.read_bytes()
    assert 0 == main(command)

    assert b"".join(b"%d\n" % number for number in range(10)) == (
        target.read_bytes()
    )


def test_drain_that_acknowledges_before_writing_loses_records(
    folder, tmp_path, monkeypatch
):
    """
    The control: with the order reversed a failing disk costs what the test
    above finds again.
    """
    leave(folder, [b"%d" % number for number in range(10)])

    def careless(source, file):
        entries = source.read(4, 1 << 20)
        source.ack(len(entries))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(draining, "_write_one", careless)
        target = str(tmp_path / "out")
        assert 2 == main(["spool", "drain", str(folder), "--to", target])
    assert 0 == main(["spool", "drain", str(folder), "--to", target])

    assert 6 == Path(target).read_bytes().count(b"\n")


def test_drain_of_damaged_record_exits_1_and_says_so(folder, tmp_path, capsys):
    """
    What cannot be read is not passed over in silence.
    """
    path = leave(folder)
    (segment,) = path.glob("*.spool")
    data = bytearray(segment.read_bytes())
    data[data.index(b"second")] ^= 1
    segment.write_bytes(data)

    code = main(["spool", "drain", str(folder), "--to", str(tmp_path / "o")])

    assert 1 == code
    assert "1 records were damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--to", "-", "--config", "x"],
        ["--to", "-", "--handler", "x"],
        ["--to", "-", "--timeout", "1"],
        ["--config", "x", "--timeout", "0"],
        ["--config", "x", "--timeout", "nan"],
    ],
)
def test_drain_with_options_that_exclude_each_other_is_a_usage_error(
    folder, capsys, more
):
    """
    A file and a configuration are two ways, and each has its options.
    """
    with pytest.raises(SystemExit) as caught:
        main(["spool", "drain", str(folder), *more])

    assert 2 == caught.value.code


# --- drain to its sink ---


@pytest.mark.parametrize("form", ["json", "ini"])
def test_drain_by_config_sends_and_removes(folder, tmp_path, capsys, form):
    """
    The handler of that name sends it, and no other handler is made.
    """
    leave(folder)
    receiver = Receiver()
    path = configuration(tmp_path, receiver.address)
    if form == "ini":
        path = str(tmp_path / "log.ini")
        Path(path).write_text(
            "[loggers]\nkeys = root\n[handlers]\nkeys = file, syslog\n"
            "[formatters]\nkeys =\n[logger_root]\nhandlers = file, syslog\n"
            "[handler_file]\nclass = FileHandler\n"
            f"args = ({str(tmp_path / 'never.log')!r},)\n"
            "[handler_syslog]\nclass = mllog.SyslogHandler\nargs = ()\n"
            f"kwargs = {{'address': {receiver.address!r},"
            f" 'spool': 'overflow', 'spool_dir': {str(folder)!r}}}\n"
        )

    code = main(["spool", "drain", str(folder), "--config", path])

    receiver.end()
    assert (0, {}) == (code, content(folder))
    for record in RECORDS:
        assert b"%d %b" % (len(record), record) in receiver.data
    assert "syslog: 3 records sent" in capsys.readouterr().err
    assert not (tmp_path / "never.log").exists()


def test_drain_by_config_without_its_server_leaves_all(
    folder, tmp_path, capsys
):
    """
    When the time is over the records are where they were, and status is 1.
    """
    leave(folder)
    path = configuration(tmp_path, f"tcp://127.0.0.1:{unused_port()}")

    code = main(
        ["spool", "drain", str(folder), "--config", path, "--timeout", "0.5"]
    )

    err = capsys.readouterr().err
    assert 1 == code
    assert "3 records are left" in err
    assert [(False, 3)] == [
        (each.alive, each.records) for each in inspect(str(folder / "syslog"))
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--handler", "sylog"], "write syslog"),
        (["--config", "none.json"], "none.json cannot be read"),
    ],
)
def test_drain_by_wrong_config_exits_2_and_touches_nothing(
    folder, tmp_path, capsys, more, said
):
    """
    A name or a file that is not there is one message.
    """
    leave(folder)
    path = configuration(tmp_path, "tcp://127.0.0.1:9")
    before = content(folder)

    code = main(["spool", "drain", str(folder), "--config", path, *more])

    assert 2 == code
    assert said in capsys.readouterr().err
    assert before == content(folder)


def test_drain_by_config_of_another_spool_exits_2(folder, tmp_path, capsys):
    """
    Records go by the handler that they were for, or not at all.
    """
    leave(folder)
    other = str(tmp_path / "other")
    path = configuration(tmp_path, "tcp://127.0.0.1:9", spool_dir=other)

    code = main(["spool", "drain", str(folder), "--config", path])

    err = capsys.readouterr().err
    assert 2 == code
    assert os.path.join(other, "syslog") in err and "--to" in err


def test_drain_by_config_with_wrong_option_names_it(folder, tmp_path, capsys):
    """
    What the handler says about its options is the message.
    """
    leave(folder)
    path = configuration(tmp_path, "tcp://127.0.0.1:9", facility="usr")

    code = main(["spool", "drain", str(folder), "--config", path])

    assert 2 == code
    assert "facility='usr'" in capsys.readouterr().err
