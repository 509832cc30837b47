"""
What tests of S3 share: a look-alike server, ways to it, and what it stored.

Import the fixtures ``server`` and ``credentials`` along with the functions.
"""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest
from servers.faulty_s3 import FaultyS3
from sharing import share_models

from mllog.compression import codec_of, decompressed
from mllog.delivery.s3 import (
    KEY_TEMPLATE,
    BatchTransport,
    Keys,
    ObjectStore,
    PutOptions,
)
from mllog.s3 import Access, Location

pytest.importorskip("boto3")
share_models()

BUCKET = "logs"
SECRET = "s3cr3t-of-this-test"
PATH_STYLE = {"s3": {"addressing_style": "path"}}
#: Options that make a test quick; a test gives its own over them.
QUICK: dict[str, Any] = {
    "client_config": PATH_STYLE,
    "linger_seconds": 0.005,
    "retry_max_seconds": 0.02,
    "send_timeout_seconds": 5,
    "connect_timeout_seconds": 1,
    "compression": "none",
}
STAMP = '{"timestamp":"2026-11-21T%s:00:00.000000Z",'


@pytest.fixture
def credentials(monkeypatch):
    """
    Some that boto3's chain finds, and nothing else that it could find.
    """
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDOFTHISTEST",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def server(credentials):
    """
    One that does what it is told.
    """
    with FaultyS3() as running:
        yield running


def store_at(
    server: Any,
    prefix: str = "",
    *,
    access: dict[str, Any] | None = None,
    timeout: float = 5.0,
    connections: int = 1,
    **put_options: Any,
) -> ObjectStore:
    """
    A store at *server*, open.
    """
    given = {"endpoint_url": server.url, "client_config": PATH_STYLE}
    made = ObjectStore(
        Location.of(BUCKET, prefix),
        Access(**{**given, **(access or {})}),
        PutOptions(**put_options),
        connect_timeout=1.0,
        read_timeout=timeout,
        connections=connections,
    )
    made.open()
    return made


def transport_to(
    server: Any,
    prefix: str = "",
    *,
    template: str = KEY_TEMPLATE,
    fields: tuple[str, ...] = (),
    compression: str = "none",
    at_once: int = 1,
    **options: Any,
) -> BatchTransport:
    """
    A transport to *server*, open.
    """
    codec = codec_of("compression", compression)
    store = store_at(server, prefix, connections=at_once, **options)
    keys = Keys(
        template, fields, prefix=prefix, suffix=f".jsonl{codec.suffix}"
    )
    return BatchTransport(store, keys, codec, at_once)


def soon(seconds: float = 10.0) -> float:
    """
    A deadline.
    """
    return time.monotonic() + seconds


def send_until_stored(transport: Any, events: Any, attempts: int = 20) -> int:
    """
    Send as a worker does; gives how many attempts it took.
    """
    for attempt in range(1, attempts + 1):
        try:
            transport.open(soon())
            transport.send(events, soon())
        except Exception:
            continue
        return attempt
    raise AssertionError(f"not stored in {attempts} attempts")


def stored(server: Any) -> dict[str, bytes]:
    """
    What the keys of the bucket hold.
    """
    return {key: body for (_, key), body in list(server.objects.items())}


def lines_in(server: Any, folder: str = "") -> list[bytes]:
    """
    The lines in all objects below *folder* that are of lines, sorted by key.
    """
    found: list[bytes] = []
    for key, body in sorted(stored(server).items()):
        if key.startswith(folder) and ".jsonl" in key:
            data = decompressed(io.BytesIO(body)).read()
            assert data.endswith(b"\n")
            found += data[:-1].split(b"\n")
    return found


def documents(server: Any, folder: str = "") -> list[dict[str, Any]]:
    """
    The same lines as JSON; a key that is there twice is an error.
    """
    return [
        json.loads(line, object_pairs_hook=_once)
        for line in lines_in(server, folder)
    ]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"keys twice: {names}"
    return dict(pairs)


def line(number: int, hour: str = "06") -> bytes:
    """
    A line of JSON that says which hour of one day it is of.
    """
    return (STAMP % hour + f'"message":"{number}"}}').encode()
