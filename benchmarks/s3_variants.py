"""
The handlers that the case ``s3`` measures.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .application import call_through

__all__ = [
    "BUCKET",
    "ENVIRONMENT",
    "MLLOG",
    "NULL",
    "VARIANTS",
    "Call",
    "S3Variant",
]

Call = Callable[[float], None]

NULL, MLLOG = "null", "mllog"

BUCKET = "logs"
#: Of each process that has a client: nothing of this machine reaches it.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

_HOST = "127.0.0.1"
# All of them send about once a second, so that there is something to feel.
_SECONDS = 1


@dataclass(frozen=True)
class S3Variant:
    """
    One way to bring records into a bucket.

    Args:
        label: What tables call it.

        make: Makes the call that an application makes, for a port and a
            folder, and what tells how many records it said were lost.

        needs: The module it cannot do without; "" for none.

        budget: Microseconds that its median may cost; 0 for peers.
    """

    label: str
    make: Callable[[int, str], tuple[Call, Callable[[], int]]]
    needs: str = ""
    budget: float = 0.0


def _told_by(handler: logging.Handler) -> Callable[[], int]:
    """
    Count what ends in ``handleError``, instead of printing a traceback.
    """
    count = 0

    def told(record: logging.LogRecord) -> None:
        nonlocal count
        count += 1

    handler.handleError = told  # type: ignore[method-assign]
    return lambda: count


def _null(port: int, folder: str) -> tuple[Call, Callable[[], int]]:
    return call_through(logging.NullHandler()), int


def _mllog(**options: Any) -> Callable[..., tuple[Call, Callable[[], int]]]:
    def make(port: int, folder: str) -> tuple[Call, Callable[[], int]]:
        from mllog import S3Handler

        if "spool" in options:
            options["spool_dir"] = os.path.join(folder, "spool")
        handler = S3Handler(
            BUCKET,
            endpoint_url=f"http://{_HOST}:{port}",
            linger_seconds=_SECONDS,
            **options,
        )
        return call_through(handler), lambda: sum(
            handler.stats().dropped.values()
        )

    return make


def _json() -> logging.Formatter:
    from pythonjsonlogger.orjson import OrjsonFormatter

    return OrjsonFormatter()


def _aws(**options: Any) -> Callable[..., tuple[Call, Callable[[], int]]]:
    """
    aws-logging-handlers; its own default for encryption_options raises.
    """

    def make(port: int, folder: str) -> tuple[Call, Callable[[], int]]:
        from aws_logging_handlers.S3 import S3Handler

        handler = S3Handler(
            "app",
            BUCKET,
            time_rotation=_SECONDS,
            encryption_options={},
            endpoint_url=f"http://{_HOST}:{port}",
            **options,
        )
        handler.setFormatter(_json())
        return call_through(handler), _told_by(handler)

    return make


class _Logs:
    """
    In place of watchtower's client of CloudWatch, which is no S3.

    It answers at once while the server is well; asking that server costs what
    a client's connection would.
    """

    def __init__(self, port: int) -> None:
        self._address = (_HOST, port)

    def put_log_events(self, **batch: Any) -> dict[str, str]:
        import http.client

        connection = http.client.HTTPConnection(*self._address)
        try:
            connection.request("PUT", "/logs/key", b"x" * 100_000)
            connection.getresponse().read()
        finally:
            connection.close()
        return {"nextSequenceToken": "1"}


def _watchtower(port: int, folder: str) -> tuple[Call, Callable[[], int]]:
    import warnings

    import watchtower

    warnings.simplefilter("ignore", watchtower.WatchtowerWarning)
    handler = watchtower.CloudWatchLogHandler(
        boto3_client=_Logs(port),
        log_stream_name="app",
        create_log_group=False,
        create_log_stream=False,
        send_interval=_SECONDS,
    )
    handler.setFormatter(_json())
    return call_through(handler), _told_by(handler)


VARIANTS = {
    NULL: S3Variant("NullHandler (sends nothing)", _null),
    MLLOG: S3Variant("**mllog** S3Handler", _mllog(), "boto3", 4),
    "overflow": S3Variant(
        '**mllog**, spool="overflow"', _mllog(spool="overflow"), "boto3", 4
    ),
    "always": S3Variant(
        '**mllog**, spool="always"', _mllog(spool="always"), "boto3", 12
    ),
    "aws": S3Variant("aws-logging-handlers", _aws(), "aws_logging_handlers"),
    "aws_gzip": S3Variant(
        "aws-logging-handlers, compress=True",
        _aws(compress=True),
        "aws_logging_handlers",
    ),
    "watchtower": S3Variant(
        "watchtower, its client a stub", _watchtower, "watchtower"
    ),
}
