"""
One object at a time: what is asked for with it, and what became of it.
"""

import contextlib
import io
import os
import socket
import sys
import threading

import pytest
from servers.certificates import Authority
from servers.faulty import server_context
from servers.faulty_s3 import FaultyS3
from storing import (
    BUCKET,
    PATH_STYLE,
    SECRET,
    credentials,
    server,
    store_at,
    stored,
)

from mllog.delivery.retry import Fault
from mllog.delivery.s3 import ObjectStore, PutOptions, StoreError
from mllog.errors import ConfigError
from mllog.s3 import Access, Location

__all__ = ["credentials", "server"]


# --- what is asked for ---


def test_options_of_nothing_are_that_nothing_is_replaced():
    """
    ``If-None-Match: *`` alone.
    """
    assert {"IfNoneMatch": "*"} == PutOptions().arguments


def test_options_are_those_of_put_object():
    """
    Each under its name there.
    """
    options = PutOptions(
        create_only="false",
        storage_class="STANDARD_IA",
        server_side_encryption="aws:kms",
        kms_key_id="alias/logs",
        tags={"team": "a&b", "n": 5},
        metadata={"run": 7},
    )

    assert not options.create_only
    assert options.arguments == {
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/logs",
        "Tagging": "team=a%26b&n=5",
        "Metadata": {"run": "7"},
    }


@pytest.mark.parametrize("nothing", ["", None])
def test_options_that_are_empty_are_left_out(nothing):
    """
    Empty text, as an INI file has it, is the bucket's own.
    """
    options = PutOptions(
        storage_class=nothing,
        server_side_encryption=nothing,
        kms_key_id=nothing,
        tags=None,
        metadata={},
    )

    assert {"IfNoneMatch": "*"} == options.arguments


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"create_only": "perhaps"}, "create_only='perhaps'"),
        (
            {"server_side_encryption": "AES"},
            "expected: one of AES256, aws:kms, aws:kms:dsse",
        ),
        ({"server_side_encryption": "aes256"}, "fix: write AES256"),
        (
            {"kms_key_id": "k"},
            'fix: add server_side_encryption="aws:kms"',
        ),
        (
            {"kms_key_id": "k", "server_side_encryption": "AES256"},
            "for AES256",
        ),
        ({"tags": {str(n): 1 for n in range(11)}}, "at most 10"),
        ({"tags": "team=a"}, "tags='team=a'"),
        ({"tags": [("a", 1)]}, "tags="),
        ({"metadata": {"run": "größe"}}, "printable ASCII"),
        ({"metadata": {"größe": "1"}}, "printable ASCII"),
        ({"metadata": {"run": "a\r\nx-amz-acl: public-read"}}, "printable"),
        ({"metadata": {"a\nb": "1"}}, "printable ASCII"),
        ({"metadata": {"a": "x" * 2048}}, "2049 bytes"),
        ({"tags": {"a" * 129: "1"}}, "129 and 1 characters"),
        ({"tags": {"a": "1" * 257}}, "1 and 257 characters"),
        ({"metadata": "x"}, "metadata="),
        ({"metadata": {"a b": "1"}}, "metadata="),
        ({"metadata": {"a:": "1"}}, "metadata="),
        ({"metadata": {"": "1"}}, "metadata="),
    ],
)
def test_option_that_cannot_work_is_refused(given, text):
    """
    The error says which, and what was expected.
    """
    with pytest.raises(ConfigError) as caught:
        PutOptions(**given)

    assert text in str(caught.value)


def test_options_reach_the_server(server):
    """
    As headers, with the media type of each object.
    """
    store = store_at(
        server,
        storage_class="STANDARD_IA",
        server_side_encryption="AES256",
        tags={"team": "a b"},
        metadata={"run": "7"},
    )

    assert store.put("key", b"body", "application/x", "gzip")

    headers = server.attempts[0].headers
    assert {
        "if-none-match": "*",
        "content-type": "application/x",
        "content-encoding": "gzip",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "AES256",
        "x-amz-tagging": "team=a+b",
        "x-amz-meta-run": "7",
    }.items() <= {
        **headers,
        "content-encoding": headers["content-encoding"]
        .replace("aws-chunked", "")
        .strip(","),
    }.items()


# --- what became of it ---


def test_object_that_is_put_is_there(server):
    """
    Its bytes, under its key.
    """
    assert store_at(server).put("a/b c=ü.gz", b"body", "text/plain")

    assert {"a/b c=ü.gz": b"body"} == stored(server)


def test_object_of_a_file_is_read_from_where_it_is(server):
    """
    A file that is open, as an archive has it.
    """
    file = io.BytesIO(b"not this|this")
    file.seek(9)

    assert store_at(server).put("key", file, "text/plain")

    assert {"key": b"this"} == stored(server)


def test_object_that_is_there_stays(server):
    """
    The second one with its key is told so, and nothing is replaced.
    """
    store = store_at(server)

    assert store.put("key", b"first", "text/plain")
    assert not store.put("key", b"second", "text/plain")

    assert {"key": b"first"} == stored(server)


def test_object_is_replaced_where_that_is_allowed(server):
    """
    The control of the one before: without *create_only*.
    """
    store = store_at(server, create_only=False)

    assert store.put("key", b"first", "text/plain")
    assert store.put("key", b"second", "text/plain")

    assert {"key": b"second"} == stored(server)
    assert "if-none-match" not in server.attempts[0].headers


def test_server_without_conditions_says_what_to_leave_out(server):
    """
    And works without *create_only*.
    """
    server.has_conditions = False

    with pytest.raises(StoreError, match="create_only=False") as caught:
        store_at(server).put("key", b"body", "text/plain")

    assert caught.value.verdict.fault is Fault.AUTH
    assert store_at(server, create_only=False).put("key", b"b", "text/plain")


def test_store_has_no_connection_before_the_first_object(server):
    """
    Opening makes a client, which connects to nobody.
    """
    store = store_at(server)

    assert 0 == server.connections
    store.put("key", b"body", "text/plain")
    assert 1 == server.connections


def test_store_keeps_its_connection(server):
    """
    100 objects need one.
    """
    store = store_at(server)
    for number in range(100):
        assert store.put(f"key {number}", b"body", "text/plain")

    assert 1 == server.connections


# --- clients ---


def test_store_reads_credentials_anew_after_they_were_refused(
    server, monkeypatch
):
    """
    Whoever mends them need not restart the process.
    """
    store = store_at(server)
    server.script("expired_token")
    with pytest.raises(StoreError, match="ExpiredToken"):
        store.put("key", b"body", "text/plain")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDMENDED")

    store.open()

    assert store.put("key", b"body", "text/plain")
    first, second = server.attempts
    assert "AKIDOFTHISTEST/" in first.headers["authorization"]
    assert "AKIDMENDED/" in second.headers["authorization"]


@pytest.mark.parametrize("fault", ["slow_down", "reset", "too_large"])
def test_store_keeps_its_client_after_other_faults(server, fault):
    """
    To make one takes time, and nothing would be better with it.
    """
    store = store_at(server)
    client = store._client
    server.script(fault)
    with pytest.raises(StoreError):
        store.put("key", b"body", "text/plain")

    store.open()

    assert client is store._client


def test_store_without_credentials_says_where_they_belong(server, monkeypatch):
    """
    It says so when it is used; a constructor needs none.
    """
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = store_at(server)

    with pytest.raises(StoreError, match="AWS_ACCESS_KEY_ID") as caught:
        store.put("key", b"body", "text/plain")

    assert caught.value.verdict.fault is Fault.AUTH
    assert not caught.value.may_be_stored


def test_store_of_an_unknown_profile_opens_when_there_is_one(
    server, monkeypatch, tmp_path
):
    """
    Each ``open`` looks again.
    """
    store = ObjectStore(
        Location(BUCKET),
        Access(server.url, None, "ml", PATH_STYLE),
        PutOptions(),
    )
    with pytest.raises(StoreError, match="ml") as caught:
        store.open()
    assert caught.value.verdict.fault is Fault.AUTH
    path = tmp_path / "config"
    path.write_text(
        "[profile ml]\naws_access_key_id = AKIDOFML\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))

    store.open()

    assert store.put("key", b"body", "text/plain")


def test_store_that_is_closed_opens_again(server):
    """
    Closing twice is as good as once.
    """
    store = store_at(server)
    store.close()
    store.close()

    store.open()

    assert store.put("key", b"body", "text/plain")


def test_store_whose_client_went_away_says_so_in_words(server):
    """
    Another thread may have met wrong credentials and let go of the client:
    nothing was sent, and no detail of Python's is told.
    """
    store = store_at(server)
    store.close()

    with pytest.raises(StoreError) as caught:
        store.put("key", b"body", "text/plain")

    assert "AttributeError" not in str(caught.value)
    assert not caught.value.may_be_stored


def test_store_is_used_by_several_threads(server):
    """
    100 objects by 8 threads: each is there, and no connection was too many.
    """
    store = store_at(server, connections=8)
    numbers = iter(range(100))
    lock, failed = threading.Lock(), []

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                assert store.put(f"{number}", b"%d" % number, "text/plain")
            except BaseException as exc:
                failed.append(exc)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert not failed
    assert {str(n): b"%d" % n for n in range(100)} == stored(server)
    assert server.connections <= 8


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_store_in_a_forked_child_leaves_the_parents_connection(server):
    """
    The child makes its own client; the parent's goes on over its connection.
    """
    store = store_at(server)
    store.put("before", b"1", "text/plain")
    child = os.fork()
    if not child:
        code = 1
        try:
            store.open()
            code = 0 if store.put("child", b"2", "text/plain") else 2
            store.close()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert 0 == os.waitstatus_to_exitcode(status)
    assert store.put("after", b"3", "text/plain")
    assert {"before": b"1", "child": b"2", "after": b"3"} == stored(server)
    assert 2 == server.connections


def test_errors_and_reprs_have_no_secret(server, monkeypatch):
    """
    Neither key nor session token is in any text.
    """
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-this-test")
    store = store_at(server, timeout=0.2)
    texts = [repr(store), str(store.location)]
    for fault in ("denied", "wrong_signature", "silence", "reset", "redirect"):
        server.always(fault)
        store.open()
        with pytest.raises(StoreError) as caught:
            store.put("key", b"body", "text/plain")
        texts += [str(caught.value), repr(caught.value)]

    for text in texts:
        assert SECRET not in text
        assert "token-of-this-test" not in text


# --- TLS ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


def test_object_goes_over_tls_to_whom_is_trusted(
    credentials, authority, monkeypatch
):
    """
    With the authority in ``AWS_CA_BUNDLE``; without it nothing is sent.
    """
    context = server_context(authority.identity("s3"))
    with FaultyS3(tls=context) as server:
        with pytest.raises(StoreError, match="AWS_CA_BUNDLE") as caught:
            store_at(server).put("key", b"body", "text/plain")
        assert caught.value.verdict.fault is Fault.AUTH
        assert not server.attempts

        monkeypatch.setenv("AWS_CA_BUNDLE", authority.cert)
        assert store_at(server).put("key", b"body", "text/plain")


class BrokenTLS:
    """
    Takes one request over TLS, stores it, and then spoils the TLS.
    """

    def __init__(self, identity, garbage):
        self._garbage = garbage
        self._context = server_context(identity)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        self.received = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        raw, _ = self._socket.accept()
        with (
            contextlib.suppress(OSError),
            self._context.wrap_socket(raw, server_side=True) as sock,
        ):
            self.received = sock.recv(65536)
            if b"100-continue" in self.received:
                sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            while b"the whole body" not in self.received:
                self.received += sock.recv(65536)
            os.write(sock.fileno(), self._garbage)
            sock.recv(1)  # until the client has gone

    def close(self):
        self._thread.join(5)
        self._socket.close()


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x17\x03\x03\x00\x20" + b"x" * 32, id="record"),
        pytest.param(b"HTTP/1.1 200 OK, in clear", id="clear"),
    ],
)
def test_object_whose_tls_broke_after_it_was_sent_may_be_stored(
    credentials, authority, monkeypatch, garbage
):
    """
    It is no matter of certificates: whoever comes again has to expect that
    the object is there, or it is stored twice.
    """
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.cert)
    identity = authority.identity("s3")

    with contextlib.closing(BrokenTLS(identity, garbage)) as server:
        with pytest.raises(StoreError, match="SSL") as caught:
            store_at(server).put("key", b"the whole body", "text/plain")

    assert b"the whole body" in server.received
    assert caught.value.may_be_stored


def test_stores_of_one_bucket_share_a_client_until_its_credentials_fail(
    server,
):
    """
    Whoever closes leaves the others theirs; it serves again after a pause, and
    one whose credentials are refused gets another.
    """
    first, second = store_at(server), store_at(server)
    shared = first._client
    is_shared = shared is second._client
    first.close()
    assert second.put("a", b"body", "text/plain")
    second.close()
    first.open()
    assert first._client is shared
    assert first.put("b", b"body", "text/plain")
    server.script("unknown_access_key")
    with pytest.raises(StoreError):
        first.put("c", b"body", "text/plain")
    first.open()
    second.open()

    assert is_shared
    assert first._client is second._client is not shared


def test_stores_with_other_credentials_have_another_client(
    server, monkeypatch
):
    """
    As boto3 finds them in the environment when a store is opened.
    """
    first = store_at(server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFANOTHER")
    second = store_at(server)

    assert first._client is not second._client
