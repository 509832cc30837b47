"""
The syslog servers of the tests: what is sent by hand arrives as it was sent.
"""

import contextlib
import datetime
import os
import socket
import ssl
import uuid

import pytest

from servers.certificates import Authority
from servers.receiver import moment
from servers.rsyslog import Rsyslog, rsyslog  # noqa: F401
from servers.running import answers
from servers.syslog_ng import SyslogNg, syslog_ng  # noqa: F401

INPUTS = [
    *(("rsyslog", name) for name in Rsyslog.inputs),
    *(("syslog_ng", name) for name in SyslogNg.inputs),
]
STREAMS = [
    (server, name) for server, name in INPUTS if name in ("tcp", "tls", "mtls")
]
TIME = datetime.datetime(
    2026,
    1,
    2,
    3,
    4,
    5,
    678900,
    datetime.timezone(datetime.timedelta(hours=2)),
)


@pytest.fixture
def server(request):
    """
    The server that the test is parametrized with.
    """
    return request.getfixturevalue(request.param)


@pytest.fixture
def marker():
    """
    A word that no other message has.
    """
    return uuid.uuid4().hex


@contextlib.contextmanager
def _connected(server, name, context=None):
    where = server.address[name]
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family, server.inputs[name]) as plain:
        plain.settimeout(5)
        plain.connect(where)
        if name not in ("tls", "mtls"):
            yield plain
            return
        context = context or server.context(name)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
            yield sock
            # closed with unread session tickets it would send a reset, at
            # which the server drops what it has not read yet
            # (rsyslogd ends without the notice that unwrap() waits for)
            with contextlib.suppress(ssl.SSLEOFError):
                sock.unwrap()


def _framed(name, frame):
    if name in ("tcp", "tls", "mtls"):
        return b"%d %b" % (len(frame), frame)
    return frame + b"\n" if name in ("tcp_lines", "unix_stream") else frame


def _send(server, name, text):
    with _connected(server, name) as sock:
        sock.sendall(_framed(name, text.encode()))


@pytest.mark.parametrize(("server", "name"), INPUTS, indirect=["server"])
def test_servers_a_frame_over_each_input_arrives_parsed(server, name, marker):
    """
    Header, structured data with escapes, and UTF-8 text are what was sent.
    """
    frame = (
        "<134>1 2026-01-02T03:04:05.6789+02:00 Host.example App-1 77 ID47"
        rf' [MLlog@32473 Model.Name="a\"b\\c\]d é" n="5"][other@1 k="{marker}"]'
        " \ufeffhéllo  wörld\t✓"
    )
    _send(server, name, frame)
    (record,) = server.records(marker)

    assert record == {
        "input": name,
        "parsed": True,
        "facility": 16,
        "severity": 6,
        "hostname": "Host.example",
        "app_name": "App-1",
        "procid": "77",
        "msgid": "ID47",
        "timestamp": TIME,
        "structured_data": {
            "MLlog@32473": {"Model.Name": 'a"b\\c]d é', "n": "5"},
            "other@1": {"k": marker},
        },
        "message": "héllo  wörld\t✓",
        "raw": frame,
    }
    assert record["timestamp"].utcoffset() == TIME.utcoffset()


@pytest.mark.parametrize(("server", "name"), STREAMS, indirect=["server"])
def test_servers_counted_frames_keep_lines_and_60_kb(server, name, marker):
    """
    A message of several lines and one of 60 kB share a connection unharmed.
    """
    lines = f"{marker} one\n  two\r\n\nthree"
    large = marker + "ä" * 30_000
    with _connected(server, name) as sock:
        for text in (lines, large):
            frame = f"<13>1 - - app - - - {text}".encode()
            sock.sendall(_framed(name, frame))
    records = server.records(marker, 2)

    assert [record["message"] for record in records] == [lines, large]


@pytest.mark.parametrize(
    ("server", "name"),
    [one for one in INPUTS if one[1] in ("udp", "unix")],
    indirect=["server"],
)
def test_servers_datagrams_keep_lines_and_60_kb(server, name, marker):
    """
    A datagram is one message, whatever its lines and its size.
    """
    lines = f"{marker} one\n  two\r\n\nthree"
    large = marker + "ä" * 30_000
    for text in (lines, large):
        _send(server, name, f"<13>1 - - app - - - {text}")
    records = server.records(marker, 2)

    assert [record["message"] for record in records] == [lines, large]


@pytest.mark.parametrize("server", ["rsyslog", "syslog_ng"], indirect=True)
def test_servers_what_a_frame_leaves_nil_is_none(server, marker):
    """
    A nil field is None and nil structured data is empty.
    """
    _send(server, "tcp", f"<0>1 - - - - - - {marker}")
    (record,) = server.records(marker)

    assert record["parsed"]
    assert (record["facility"], record["severity"]) == (0, 0)
    assert [record[key] for key in ("app_name", "procid", "msgid")] == [
        None
    ] * 3
    assert record["structured_data"] == {}


@pytest.mark.parametrize("server", ["rsyslog", "syslog_ng"], indirect=True)
def test_servers_an_element_may_be_empty(server, marker):
    """
    An element without parameters and an empty value are kept.
    """
    _send(server, "tcp", f'<13>1 - - a - - [none@1][b@1 k="" m="1"] {marker}')
    (record,) = server.records(marker)

    assert record["structured_data"] == {
        "none@1": {},
        "b@1": {"k": "", "m": "1"},
    }


@pytest.mark.parametrize("server", ["rsyslog", "syslog_ng"], indirect=True)
def test_servers_what_is_no_rfc_5424_is_not_parsed(server, marker):
    """
    Frames that break the grammar are there, and are said to be unparsed.
    """
    frames = [
        f"<13>1 yesterday h a p m - {marker}",
        f"<13>1 2026-01-01T00:00:00Z h a p m [x@1 k=v] {marker}",
        f'<13>1 2026-01-01T00:00:00Z h a p m [x@1 k="v" {marker}',
        f'<13>1 2026-01-01T00:00:00Z h a p m [x@1 k="v"][y {marker}',
        f'<13>1 2026-01-01T00:00:00Z h a p m [x@1 k="a"b"] {marker}',
        f"<13>1 2026-01-01T00:00:00Z h a p m {marker} x",
        f"<13>Jan  1 00:00:00 h a: {marker}",
        f"<13>1 2026-01-01T00:00:00Z h a p m - {marker} good",
    ]
    for frame in frames:
        _send(server, "udp", frame)
    records = server.records(marker, len(frames))

    assert [record["parsed"] for record in records] == [False] * 7 + [True]
    assert [record["raw"] for record in records] == frames


@pytest.mark.parametrize("server", ["rsyslog", "syslog_ng"], indirect=True)
def test_servers_mtls_without_a_certificate_takes_nothing(server, marker):
    """
    A client without a certificate is refused; one with it comes through.
    """
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        _connected(server, "mtls", server.context("tls")) as sock,
    ):
        sock.sendall(_framed("mtls", f"<13>1 - - - - - - {marker}".encode()))
        # TLS 1.3 tells of the refusal with the first thing that is read
        if sock.recv(1) == b"":
            raise ConnectionResetError
    _send(server, "mtls", f"<13>1 - - - - - - {marker} with")
    records = server.records(marker)

    assert [record["message"] for record in records] == [f"{marker} with"]


@pytest.mark.parametrize("server", ["rsyslog", "syslog_ng"], indirect=True)
def test_servers_certificate_of_another_authority_is_refused(server, tmp_path):
    """
    A client that trusts somebody else does not speak to the server.
    """
    other = ssl.create_default_context(
        cafile=Authority(tmp_path, "other").cert
    )

    with (
        pytest.raises(ssl.SSLCertVerificationError),
        _connected(server, "tls", other),
    ):
        pass


@pytest.mark.parametrize("server", ["rsyslog", "syslog_ng"], indirect=True)
@pytest.mark.parametrize("kill", [False, True])
def test_servers_restart_keeps_addresses_and_messages(server, marker, kill):
    """
    A connection ends; every input is where it was, and so is what came before.
    """
    with _connected(server, "tcp") as sock:
        sock.sendall(_framed("tcp", f"<13>1 - - - - - - {marker} 1".encode()))
        server.records(marker)
        before = dict(server.address), server.process.pid
        server.restart(kill=kill)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    for name in server.inputs:
        _send(server, name, f"<13>1 - - - - - - {marker} 2")
    records = server.records(marker, 1 + len(server.inputs))

    assert server.address == before[0]
    assert server.process.pid != before[1]
    assert {record["input"] for record in records[1:]} == set(server.inputs)


@pytest.mark.parametrize("server", ["rsyslog", "syslog_ng"], indirect=True)
def test_servers_stopped_refuse_and_are_up_for_the_next_test(
    request, server, marker
):
    """
    A stopped server has no process; whoever asks for it next has it running.
    """
    pid = server.process.pid
    server.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not answers(server.address["tcp"], socket.SOCK_STREAM)
    assert not answers(server.address["udp"], socket.SOCK_DGRAM)
    assert not answers(server.address["unix"], socket.SOCK_DGRAM)
    server.start()
    _send(server, "tcp", f"<13>1 - - - - - - {marker}")
    assert server.records(marker)


@pytest.mark.parametrize("server", ["rsyslog"], indirect=True)
def test_servers_records_that_do_not_come_are_told(server, marker):
    """
    Too few messages in time are an error that says how many there were.
    """
    _send(server, "tcp", f"<13>1 - - - - - - {marker}")
    server.records(marker)

    with pytest.raises(AssertionError, match=rf"wrote 1 .*{marker}.* not 2"):
        server.records(marker, 2, timeout=0.05)


@pytest.mark.parametrize(
    ("text", "micro"), [("5Z", 500000), ("1234567+00:00", 123456)]
)
def test_moment_of_any_fraction_is_read(text, micro):
    """
    Python 3.10 reads 3 or 6 digits only, and no Z.
    """
    read = moment(f"2026-01-02T03:04:05.{text}")

    assert read.microsecond == micro
    assert read.utcoffset() == datetime.timedelta()
