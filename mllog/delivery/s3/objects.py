"""
Putting objects into a bucket, each of them once.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from typing import Any, BinaryIO

from ... import options
from ...errors import ConfigError, shown
from ...forking import tell_child
from ...s3 import Access, Location, Shared, answer_of, give_back
from ..retry import Fault, Verdict
from .faults import StoreError, store_error

__all__ = ["ObjectStore", "PutOptions"]

_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_MOST_TAGS = 10
_LONGEST_TAG = 128, 256
_MOST_METADATA_BYTES = 2048
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_EXISTS = "PreconditionFailed"
# Clients of a parent process: closing them would end its connections.
_leaked: list[Any] = []


class PutOptions:
    """
    What is asked for with each object.

    Args:
        create_only: Whether an object that has the key already stays, by
            ``If-None-Match: *``.

        storage_class: ``"STANDARD_IA"``, …; None is the bucket's.

        server_side_encryption: ``"AES256"``, ``"aws:kms"`` or
            ``"aws:kms:dsse"``; None is the bucket's.

        kms_key_id: The key for ``aws:kms``; None is the account's.

        tags: Up to 10 tags.

        metadata: ASCII names and values, of 2048 bytes together.

    Raises:
        ConfigError: One of them cannot work.
    """

    def __init__(
        self,
        *,
        create_only: bool | str = True,
        storage_class: str | None = None,
        server_side_encryption: str | None = None,
        kms_key_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.create_only = options.boolean("create_only", create_only)
        arguments: dict[str, Any] = {
            "StorageClass": storage_class,
            "ServerSideEncryption": _encryption(
                server_side_encryption, kms_key_id
            ),
            "SSEKMSKeyId": kms_key_id,
            "Tagging": _tagging(tags),
            "Metadata": _metadata(metadata),
            "IfNoneMatch": "*" if self.create_only else None,
        }
        #: Arguments of ``put_object``.
        self.arguments = {
            name: value for name, value in arguments.items() if value
        }


def _encryption(name: Any, kms_key_id: Any) -> str | None:
    if name in (None, ""):
        if kms_key_id:
            raise ConfigError(
                f"{shown('kms_key_id', kms_key_id)} without KMS",
                fix='add server_side_encryption="aws:kms"',
            )
        return None
    chosen = options.choice("server_side_encryption", name, _ENCRYPTIONS)
    if kms_key_id and chosen == "AES256":
        raise ConfigError(
            f"{shown('kms_key_id', kms_key_id)} for AES256",
            expected='server_side_encryption="aws:kms"',
        )
    return chosen


def _tagging(given: Any) -> str:
    tags = options.mapping("tags", given)
    if len(tags) > _MOST_TAGS:
        raise ConfigError(
            f"{len(tags)} tags", expected=f"at most {_MOST_TAGS}"
        )
    for name, value in tags.items():
        if len(name) > _LONGEST_TAG[0] or len(str(value)) > _LONGEST_TAG[1]:
            raise ConfigError(
                f"a tag of {len(name)} and {len(str(value))} characters",
                expected="at most 128 in its name and 256 in its value",
            )
    return urllib.parse.urlencode({k: str(v) for k, v in tags.items()})


def _metadata(given: Any) -> dict[str, str]:
    found = options.mapping("metadata", given)
    plain = {str(name): str(value) for name, value in found.items()}
    for name, value in plain.items():
        is_plain_text = value.isascii() and value.isprintable()
        if not (_HEADER.fullmatch(name) and is_plain_text):
            raise ConfigError(
                f"{shown('metadata', {name: value})}",
                expected="a name of letters, digits and -, and printable"
                " ASCII as its value",
            )
    size = sum(len(name) + len(value) for name, value in plain.items())
    if size > _MOST_METADATA_BYTES:
        raise ConfigError(
            f"metadata of {size} bytes",
            expected=f"at most {_MOST_METADATA_BYTES} in names and values",
        )
    return plain


class ObjectStore:
    """
    A bucket that objects are put into, by ``put_object`` alone.

    ``upload_file`` and its like use thread pools, which refuse to work at the
    end of a process.  One store may be used by several threads.

    Args:
        location: The bucket.

        access: How to reach its server.

        put_options: What is asked for with each object.

        connect_timeout: Seconds for connecting.

        read_timeout: Seconds without an answer.

        connections: How many objects may be put at the same time.
    """

    def __init__(
        self,
        location: Location,
        access: Access,
        put_options: PutOptions,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        connections: int = 1,
    ) -> None:
        self.location = location
        self.create_only = put_options.create_only
        self._access = access
        self._arguments = {
            "Bucket": location.bucket,
            **put_options.arguments,
        }
        self._timeouts = connect_timeout, read_timeout
        self._connections = connections
        self._shared: Shared | None = None
        self._is_stale = False
        #: The key of the object that was stored last.
        self.stored = ""
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: its own client, and the parent's left alone.
        """
        if self._shared is not None:
            _leaked.append(self._shared)
            self._shared = None

    def open(self) -> None:
        """
        Make the client, if there is none.

        Raises:
            StoreError: It cannot be made: credentials, region, profile.
        """
        if self._is_stale:
            self.close()
        if self._shared is not None:
            return
        try:
            self._shared = self._access.borrow(
                *self._timeouts, self._connections
            )
        except Exception as exc:
            raise self.error_of(exc) from exc

    @property
    def _client(self) -> Any:
        shared = self._shared
        return None if shared is None else shared.client

    def put(
        self,
        key: str,
        body: bytes | BinaryIO,
        content_type: str,
        content_encoding: str = "",
    ) -> bool:
        """
        Store *body*.

        Args:
            key: Its whole key.

            body: Bytes, or an open file that is read from where it is.

            content_type: Its media type.

            content_encoding: ``""`` if none.

        Returns:
            Whether it is stored now; False if *key* has an object already.

        Raises:
            StoreError: It is not, or nobody knows.
        """
        more = (
            {"ContentEncoding": content_encoding} if content_encoding else {}
        )
        client = self._client
        if client is None:
            raise StoreError(
                f"{self._where()}: the client is closed",
                Verdict(Fault.TRANSIENT),
            )
        try:
            answer = client.put_object(
                Key=key,
                Body=body,
                ContentType=content_type,
                **more,
                **self._arguments,
            )
        except Exception as exc:
            if self.create_only and _says_it_exists(exc):
                return False
            raise self.error_of(exc) from exc
        if not answer.get("ETag") or _is_page(answer):
            raise self._stranger("an answer without the ETag of the object")
        self.stored = key
        return True

    def ask(self) -> None:
        """
        Have the server say that the bucket is there.

        Raises:
            StoreError: It is not, or cannot be reached.
        """
        self.open()
        try:
            answer = self._client.head_bucket(Bucket=self.location.bucket)
        except Exception as exc:
            raise self.error_of(exc) from exc
        if _is_page(answer):
            raise self._stranger("the answer is a page of HTML")

    def etag(self, key: str) -> str:
        """
        The ETag of the object *key*; of bytes put at once it is their MD5.

        Raises:
            Exception: There is none, or nobody may ask.
        """
        found = self._client.head_object(Bucket=self.location.bucket, Key=key)
        return str(found["ETag"]).strip('"')

    def error_of(self, error: BaseException) -> StoreError:
        """
        *error* of the client as ours.
        """
        found = store_error(error, self._where())
        if found.verdict.fault is Fault.AUTH:
            # a new client reads the credentials anew; other threads may be
            # using this one
            self._is_stale = True
        return found

    def _stranger(self, said: str) -> StoreError:
        return StoreError(
            f"{self._where()}: {said}\n  fix: correct endpoint_url; what"
            " answers is no S3, such as a proxy or its login page",
            Verdict(Fault.AMBIGUOUS),
            may_be_stored=True,
        )

    def _where(self) -> str:
        endpoint = self._access.endpoint_url
        return f"{self.location}" + (f" at {endpoint}" if endpoint else "")

    def close(self) -> None:
        """
        Let go of the client.
        """
        shared, self._shared = self._shared, None
        is_stale, self._is_stale = self._is_stale, False
        if shared is not None:
            give_back(shared, is_stale=is_stale)


def _says_it_exists(error: Exception) -> bool:
    # with S3's own code: a proxy may answer 412 as well
    return answer_of(error)[:2] == (_EXISTS, 412)


def _is_page(answer: Mapping[str, Any]) -> bool:
    """
    Whether somebody answered 200 with a page, such as one to log in.
    """
    headers = (answer.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    is_html = "html" in str(headers.get("content-type") or "").lower()
    # S3's own is empty, of whatever type
    return is_html and headers.get("content-length") != "0"
