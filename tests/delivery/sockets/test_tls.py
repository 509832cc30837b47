"""
TLS: whom each side trusts, what errors say, and files that are none.
"""

import os
import shutil
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

import pytest

from mllog.delivery.retry import Fault
from mllog.delivery.sockets import (
    TLS,
    Address,
    StreamTransport,
    TLSError,
    route_to,
)
from mllog.errors import ConfigError
from mllog.events import Event

TESTS = Path(__file__).parents[2]
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

from servers.certificates import Authority  # noqa: E402
from servers.faulty import StreamServer, server_context  # noqa: E402


def _soon(seconds=5):
    return time.monotonic() + seconds


class Certificates:
    """
    Two authorities that do not know each other, and what one of them signed.
    """

    def __init__(self, folder):
        self.ours = Authority(folder)
        self.other = Authority(folder, "other")
        self.server = self.ours.identity("server")
        self.client = self.ours.identity("client")
        self.stranger = self.other.identity("stranger")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("needs the command openssl")
    return Certificates(tmp_path_factory.mktemp("pki"))


def _transport(server, host="127.0.0.1", **options):
    address = Address("tls", host, server.port, stream=True)
    return route_to(address, tls=TLS(**options))


def _opening_fails(server, **options):
    """
    What open() raises, and that it waits for a person.
    """
    transport = _transport(server, **options)
    with pytest.raises(TLSError) as raised:
        transport.open(_soon())
    assert transport.classify(raised.value).fault is Fault.AUTH
    assert f"tls://127.0.0.1:{server.port}" in str(raised.value)
    assert raised.value.fix
    return str(raised.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls_with_the_right_authority_arrives(pki, host):
    """
    Long and many messages come through a verified connection.
    """
    values = [b"x" * 60_000, b"one\ntwo"] * 50
    with StreamServer(tls=server_context(pki.server)) as server:
        transport = _transport(server, host, ca_file=pki.ours.cert)
        transport.open(_soon())
        transport.send([Event(value) for value in values], _soon())
        transport.close(_soon())

        assert server.messages == values
        assert server.errors == []


def test_tls_with_another_authority_says_what_to_give(pki):
    """
    A server that we cannot verify gets nothing, and the error names ca_file.
    """
    with StreamServer(tls=server_context(pki.server)) as server:
        other = _opening_fails(server, ca_file=pki.other.cert)
        system = _opening_fails(server)

        assert "ca_file=" in other
        assert "ca_file=" in system
        assert server.messages == []


def test_tls_with_another_host_says_what_to_give(pki):
    """
    A certificate for another host is refused; server_hostname mends it.
    """
    named = pki.ours.identity("named", "DNS:logs.example")
    with StreamServer(tls=server_context(named)) as server:
        said = _opening_fails(server, ca_file=pki.ours.cert)
        transport = _transport(
            server, ca_file=pki.ours.cert, server_hostname="logs.example"
        )
        transport.open(_soon())
        transport.close(_soon())

        assert "server_hostname=" in said


def test_tls_with_a_certificate_that_expired_says_so(pki):
    """
    An expired certificate is refused, and called by its name.
    """
    old = pki.ours.identity("old", expired=True)
    with StreamServer(tls=server_context(old)) as server:
        said = _opening_fails(server, ca_file=pki.ours.cert)

        assert "expired" in said


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
)
@pytest.mark.parametrize("client", ["none", "stranger"])
def test_tls_server_that_wants_a_certificate_says_so(pki, version, client):
    """
    A certificate that is missing or strange fails in open(), in each version.
    """
    context = server_context(pki.server, pki.ours)
    context.minimum_version = context.maximum_version = version
    own = {}
    if client == "stranger":
        own = {
            "cert_file": pki.stranger.cert,
            "key_file": pki.stranger.key,
        }
    with StreamServer(tls=context) as server:
        said = _opening_fails(server, ca_file=pki.ours.cert, **own)

        assert "cert_file=" in said
        assert server.messages == []


def test_tls_refusal_that_comes_late_is_found_by_send(pki, monkeypatch):
    """
    An alert behind a failed write says why it failed, and nothing is lost.
    """
    monkeypatch.setattr(
        "mllog.delivery.sockets.tls.TLS._await_refusal", lambda *_: None
    )
    events = [Event(b"x" * 1000)] * 500
    with StreamServer(tls=server_context(pki.server, pki.ours)) as server:
        transport = _transport(server, ca_file=pki.ours.cert)
        transport.open(_soon())
        with pytest.raises(TLSError) as raised:
            for _ in range(100):
                transport.send(events, _soon())
                time.sleep(0.01)

        assert "cert_file=" in str(raised.value)
        assert transport.classify(raised.value).fault is Fault.AUTH


def test_tls_with_both_certificates_arrives(pki):
    """
    Mutual TLS works, also with an encrypted key.
    """
    locked = pki.ours.encrypted(pki.client, "sesame")
    with StreamServer(tls=server_context(pki.server, pki.ours)) as server:
        for own, password in ((pki.client, None), (locked, "sesame")):
            transport = _transport(
                server,
                ca_file=pki.ours.cert,
                cert_file=own.cert,
                key_file=own.key,
                key_password=password,
            )
            transport.open(_soon())
            transport.send([Event(b"mutual")], _soon())
            transport.close(_soon())

        assert server.messages == [b"mutual"] * 2


def test_tls_accepted_by_tickets_does_not_wait(pki):
    """
    A server that sends session tickets has accepted us: nobody waits for it.
    """
    with StreamServer(tls=server_context(pki.server)) as server:
        transport = _transport(server, ca_file=pki.ours.cert)
        took = []
        for _ in range(5):
            started = time.monotonic()
            transport.open(_soon())
            took.append(time.monotonic() - started)
        transport.close(_soon())

        assert min(took) < 0.045


def test_tls_to_a_server_without_it_says_so(pki):
    """
    A port that answers in clear text is called so.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            peer, _ = listener.accept()
            with peer:
                peer.recv(100)
                peer.sendall(b"220 hello, I am no TLS at all\r\n")
                peer.recv(10_000)

        thread = threading.Thread(target=answer)
        thread.start()
        address = Address("tls", *listener.getsockname()[:2], stream=True)
        transport = StreamTransport(address, tls=TLS(ca_file=pki.ours.cert))
        with pytest.raises(TLSError, match="does not speak TLS") as raised:
            transport.open(_soon())
        thread.join()

    assert "tcp://" in str(raised.value)


def test_tls_to_a_server_that_is_silent_ends_at_the_deadline(pki):
    """
    A handshake that nobody answers costs the deadline, and may pass.
    """
    with StreamServer(stall=True) as server:
        transport = _transport(server, ca_file=pki.ours.cert)
        started = time.monotonic()
        with pytest.raises(TimeoutError) as raised:
            transport.open(_soon(0.2))
        took = time.monotonic() - started

        assert took < 1
        assert transport.classify(raised.value).fault is Fault.TRANSIENT


def test_tls_connection_that_breaks_is_made_anew(pki):
    """
    What a reset swallowed is written again over the next connection.
    """
    with StreamServer(tls=server_context(pki.server)) as server:
        transport = _transport(server, ca_file=pki.ours.cert)
        transport.open(_soon())
        transport.send([Event(b"one")], _soon())
        server.wait_for(1)
        for ending in ("rst", "fin"):
            server.cut(ending)
            time.sleep(0.02)
            with pytest.raises(ConnectionError) as raised:
                transport.send([Event(b"two")], _soon())
            assert transport.classify(raised.value).fault is Fault.TRANSIENT
            transport.open(_soon())
        transport.send([Event(b"two")], _soon())
        transport.close(_soon())

        assert server.messages == [b"one", b"one", b"two"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_in_a_forked_child_does_not_disturb_the_parent(pki):
    """
    The child's copy is closed without a goodbye; the parent's goes on.
    """
    with StreamServer(tls=server_context(pki.server)) as server:
        transport = _transport(server, ca_file=pki.ours.cert)
        transport.open(_soon())
        transport.send([Event(b"before")], _soon())
        child = os.fork()
        if child == 0:
            transport.close(_soon())
            os._exit(0)
        os.waitpid(child, 0)
        time.sleep(0.05)
        transport.send([Event(b"after")], _soon())
        transport.close(_soon())

        assert server.messages == [b"before", b"after"]
        assert len(server.streams) == 1


def test_tls_without_verification_trusts_whoever_answers(pki):
    """
    verify=False works.
    """
    with StreamServer(tls=server_context(pki.stranger)) as server:
        transport = _transport(server, verify="false")
        transport.open(_soon())
        transport.send([Event(b"a")], _soon())
        transport.close(_soon())

        assert server.messages == [b"a"]


def _wrong(pki, folder):
    """
    Options that cannot work, and what their error says.
    """
    junk = folder / "junk.pem"
    junk.write_text("nothing of use")
    locked = pki.ours.encrypted(pki.client, "sesame")
    cert, key = pki.client.cert, pki.client.key
    return [
        ({"ca_file": str(junk)}, "ca_file"),
        ({"ca_file": str(folder)}, "ca_file"),
        ({"cert_file": str(junk), "key_file": key}, "cert_file"),
        ({"cert_file": cert, "key_file": str(junk)}, "key_file"),
        ({"cert_file": cert}, "key_file="),
        ({"cert_file": cert, "key_file": pki.server.key}, "does not match"),
        ({"cert_file": cert, "key_file": locked.key}, "key_password"),
        (
            {
                "cert_file": cert,
                "key_file": locked.key,
                "key_password": "wrong-word",
            },
            "key_password",
        ),
        ({"key_file": key}, "cert_file"),
        ({"server_hostname": 1}, "server_hostname"),
        ({"verify": "perhaps"}, "verify"),
    ]


def test_tls_with_wrong_files_names_the_option(pki, tmp_path):
    """
    Each wrong file or word is a ConfigError of its option, without secrets.
    """
    for given, word in _wrong(pki, tmp_path):
        with pytest.raises(ConfigError) as raised:
            TLS(**given)

        assert word in str(raised.value), given
        assert "wrong-word" not in str(raised.value)


def test_tls_files_that_come_later_are_read_then(pki, tmp_path):
    """
    A file may be put in place, renewed or spoiled while it runs.
    """
    path = tmp_path / "ca.pem"
    with StreamServer(tls=server_context(pki.server)) as server:
        transport = _transport(server, ca_file=path)
        missing = _fails(transport)
        path.write_text("half")
        half = _fails(transport)
        shutil.copy(pki.ours.cert, path)
        os.utime(path, ns=(1, 1))
        transport.open(_soon())
        path.write_text("spoiled")
        transport.open(_soon())
        path.write_bytes(Path(pki.other.cert).read_bytes())
        renewed = _fails(transport)
        transport.close(_soon())

        assert "does not exist" in missing
        assert "holds no certificate" in half
        assert "do not trust" in renewed


def _fails(transport):
    with pytest.raises(TLSError) as raised:
        transport.open(_soon())
    assert transport.classify(raised.value).fault is Fault.AUTH
    return str(raised.value)


def test_tls_for_an_address_without_it_is_a_mistake():
    """
    Options of TLS for tcp:// would be ignored in silence.
    """
    with pytest.raises(ConfigError, match="tls://"):
        route_to(Address.parse("tcp://host"), tls=TLS())
