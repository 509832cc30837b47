"""
Logs in a bucket.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, TypeVar, cast

from ..errors import ConfigError, MllogError
from ..s3 import FIXES, Access, Location, answer_of
from .names import log_name
from .sources import LogFile

__all__ = ["Objects"]

T = TypeVar("T")

_ATTEMPTS = 5
_FIRST_WAIT_SECONDS = 0.2
_CONNECTIONS = 10

_TRANSIENT_CODES = frozenset(
    {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"}
)
# of botocore, which has one class for each way that a network fails
_TRANSIENT_KINDS = frozenset(
    {
        "ConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
        "ResponseParserError",
    }
)
# How to mend what only reading meets.
_FIXES = {
    **FIXES,
    "AccessDenied": "allow s3:ListBucket on the bucket and s3:GetObject on"
    " what is in it",
    "NoSuchBucket": "mend the name of the bucket, or endpoint_url",
}
# What is wrong with one object, and not with all of them.
_OF_ONE_OBJECT = frozenset(
    {"InvalidObjectState", "NoSuchKey", "NoSuchVersion", "PreconditionFailed"}
)
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_DENIED = frozenset({"403", "AccessDenied", "Forbidden"})


class Objects:
    """
    The logs below a prefix of a bucket, or one object.

    Args:
        location: Bucket and prefix, or key.

        access: How to reach the server.

    Raises:
        ConfigError: There is nothing, or it cannot be read: bucket,
            credentials, permission, region, network.

        MissingPackageError: boto3 is not installed.
    """

    is_remote = True

    def __init__(self, location: Location, access: Access) -> None:
        self._location = location
        self._access = access
        access.check()
        self._client = self._asked(
            lambda: access.client(connections=_CONNECTIONS)
        )
        # whether anything was read yet
        self._has_read = threading.Event()
        first = self._first(location.key)
        self._is_object = bool(location.key) and first == location.key
        self._prefix = location.key
        if location.key and not self._is_object:
            folder = f"{location.key}/"
            self._prefix = folder if self._first(folder) else location.key
        if first is None and location.key:
            raise ConfigError(
                f"there is nothing at {location}",
                expected="an object, or a prefix that objects have",
                fix="mend the prefix, or wait until something is stored",
            )

    def _first(self, prefix: str) -> str | None:
        """
        The first key that begins with *prefix*.
        """
        found = self._asked(
            lambda: self._client.list_objects_v2(
                Bucket=self._location.bucket, Prefix=prefix, MaxKeys=1
            )
        )
        contents = found.get("Contents") or [{}]
        key: str | None = contents[0].get("Key")
        return key

    def files(self, skipped: Counter[str]) -> Iterator[LogFile]:  # noqa: ARG002
        """
        The objects that are logs by their names, by key.

        Raises:
            ConfigError: They cannot be listed.
        """
        if self._is_object:
            yield self._log_file(self._prefix)
            return
        for key in self._keys(self._prefix):
            if log_name(key):
                yield self._log_file(key)

    def _log_file(self, key: str) -> LogFile:
        base = self._prefix.rpartition("/")[0]
        return LogFile(key, base, partial(self._open, key))

    def _keys(self, prefix: str) -> Iterator[str]:
        arguments = {"Bucket": self._location.bucket, "Prefix": prefix}
        while True:
            page = self._asked(
                partial(self._client.list_objects_v2, **arguments)
            )
            for each in page.get("Contents", ()):
                yield each["Key"]
            token = page.get("NextContinuationToken")
            if not page.get("IsTruncated") or not token:
                return
            arguments["ContinuationToken"] = token

    def _open(self, key: str) -> BinaryIO:
        return cast("BinaryIO", _Body(partial(self._get, key)))

    def _get(self, key: str, start: int, etag: str) -> tuple[Any, str]:
        """
        The body of an object from *start* on, and which version it is.
        """
        arguments = {"Bucket": self._location.bucket, "Key": key}
        if start:
            arguments |= {"Range": f"bytes={start}-", "IfMatch": etag}
        try:
            answer = self._asked(
                partial(self._client.get_object, **arguments), raw=True
            )
        except Exception as exc:
            raise self._of_one(exc) from exc
        self._has_read.set()
        body = answer["Body"]
        if start and not answer.get("ContentRange"):
            _pass_over(body, start)  # a server that knows no ranges
        return body, answer.get("ETag", "")

    def payload(
        self, root: str, ref: str, extension: str | None
    ) -> bytes | None:
        """
        What is stored as ``payloads/<ref[:2]>/<ref>`` below *root*, or None.

        Raises:
            OSError: It is there and cannot be read.

            ConfigError: Nothing can be read any more.
        """
        key = f"{root}payloads/{ref[:2]}/{ref}"
        if extension is None:
            found = self._first(key)
            if found is None:
                return None
            key = found
        else:
            key += extension
        try:
            with contextlib.closing(self._open(key)) as body:
                return body.read(-1)
        except FileNotFoundError:
            return None

    # --- what goes wrong ---

    def _asked(self, call: Callable[[], T], *, raw: bool = False) -> T:
        """
        The answer to *call*, which is repeated while that may help.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return call()
            except MllogError:
                raise
            except Exception as exc:
                if not is_transient(exc) or attempt == _ATTEMPTS:
                    if raw:
                        raise
                    raise self._explained(exc) from exc
            time.sleep(_FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        raise AssertionError  # the last attempt returned or raised

    def _of_one(self, error: Exception) -> Exception:
        """
        *error* as an OSError if other objects may do better.
        """
        code = answer_of(error).code
        if code in _MISSING:
            return FileNotFoundError(str(error))
        is_own = code in _OF_ONE_OBJECT or code.startswith("KMS.")
        if is_own or (code in _DENIED and self._has_read.is_set()):
            return OSError(str(error))
        return self._explained(error)

    def _explained(self, error: Exception) -> ConfigError:
        endpoint = self._access.endpoint_url
        where = f"{self._location}" + (f" at {endpoint}" if endpoint else "")
        answer = answer_of(error)
        if answer.code:
            message = answer.message or error
            return ConfigError(
                f"{where}: {answer.code}: {message}"[:500],
                fix=_FIXES.get(answer.code, ""),
            )
        kinds = (kind.__name__ for kind in type(error).__mro__)
        fix = next((_FIXES[name] for name in kinds if name in _FIXES), "")
        if is_transient(error):
            fix = "mend endpoint_url or the network, and try again"
        return ConfigError(f"{where}: {error}", fix=fix)


def is_transient(error: BaseException) -> bool:
    """
    Whether to ask again may help.
    """
    answer = answer_of(error)
    if answer.code:
        status = answer.status
        busy = status in {408, 429} or (status >= 500 and status != 501)
        return busy or answer.code in _TRANSIENT_CODES
    if type(error).__module__.startswith("urllib3"):
        return True
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, TimeoutError) or bool(kinds & _TRANSIENT_KINDS)


def _pass_over(body: Any, size: int) -> None:
    while size > 0:
        size -= len(body.read(min(size, 1 << 16)) or b" " * size)


class _Body:
    """
    What an object holds; a connection that breaks is made again.

    Args:
        get: ``get(start, etag)`` gives a body that begins at *start*, and the
            version that it is.
    """

    def __init__(self, get: Callable[[int, str], tuple[Any, str]]) -> None:
        self._get = get
        self._at = 0
        self._failures = 0
        self._body, self._etag = get(0, "")

    def read(self, size: int) -> bytes:
        """
        Up to *size* bytes, or all for -1; ``b""`` at the end.

        Raises:
            OSError: They cannot be read.
        """
        while True:
            try:
                data = bytes(self._body.read(None if size < 0 else size))
            except Exception as exc:
                self._go_on(exc)
                continue
            self._at += len(data)
            self._failures = 0
            return data

    def _go_on(self, error: Exception) -> None:
        """
        Ask for what did not come.

        Raises:
            OSError: That does not help.
        """
        self._body.close()
        self._failures += 1
        if not is_transient(error) or self._failures >= _ATTEMPTS:
            raise OSError(f"{type(error).__name__}: {error}") from error
        time.sleep(_FIRST_WAIT_SECONDS * 2 ** (self._failures - 1))
        self._body, self._etag = self._get(self._at, self._etag)

    def close(self) -> None:
        """
        Let go of the connection.
        """
        self._body.close()
