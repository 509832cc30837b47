"""
Closed log files to S3, as the ``on_rotate`` of a file that rotates.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, ClassVar

from .. import forking, options
from ..delivery.retry import Fault, Verdict
from ..delivery.s3 import ObjectStore, StoreError
from ..delivery.s3.archive import (
    FILE_TEMPLATE,
    FileKeys,
    Journal,
    Links,
    identity_of,
)
from ..delivery.s3.handler import (
    Bucket,
    ObjectHandler,
    ObjectOptions,
    Prefix,
)
from ..errors import ConfigError, shown
from ..events import Event
from ..options import Parse, Unpack

__all__ = ["S3Archive"]

_LARGEST_FILE = 5 * 2**30
_CONTENT_TYPES = {".gz": "application/gzip", ".zst": "application/zstd"}
_PLAIN = "text/plain"


def _always(option: str, value: Any) -> str:
    if value != "always":
        raise ConfigError(
            f"{shown(option, value)} for files",
            expected="always, or leave it out",
        )
    return "always"


class S3Archive(ObjectHandler):
    """
    Store each closed log file in S3, from a background worker.

    It is no handler for records, but what a file that rotates calls::

        "on_rotate": {
            "class": "mllog.S3Archive",
            "bucket": "logs",
            "spool_dir": "/var/spool/app",
        }

    A file that is accepted is kept by a hard link in *spool_dir* until the
    server has it, whatever retention does to its name, or by a copy where
    *spool_dir* is on another device.

    Guarantee:
        A file is stored at least once, also over a kill -9 at any moment and
        over an outage; in general exactly once.  No other object is replaced:
        where a key is taken by other content, the file gets a key that only
        it can have.

    Limit:
        A file has up to 5 GiB; larger ones are counted as ``too_large``.
        Accepted files take the disk's space until they are stored; beyond
        *spool_max_bytes* none is accepted, and those not accepted are asked
        for again after each rotation.  One archive may serve several log
        files.

    Args:
        bucket: Name of the bucket, which exists already.

        prefix: What all keys begin with.

        spool_dir: Folder for what waits, on a local disk; best on that of the
            log files.

        key_template: What comes behind *prefix*, with ``{name}``, the name of
            the rotated file, ``{host}``, and ``{date}`` and ``{hour}`` of its
            rotation, in UTC.

        create_only: Whether an object is only ever created (``If-None-Match:
            *``).  Where it is False, each key has a number that is the file's.

        spool_max_bytes: How much may wait.

        send_timeout_seconds: How long the server may be silent.

        store: The other options of
            :class:`mllog.delivery.s3.handler.ObjectHandler`: endpoint,
            region, encryption, tags; and of
            :class:`mllog.delivery.handler.ShippingHandler`.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        MissingPackageError: boto3 is not installed.
    """

    DEFAULTS: ClassVar[Mapping[str, Any]] = {
        "spool": "always",
        "spool_dir": options.REQUIRED,
        "spool_max_bytes": "10GiB",
        "send_timeout_seconds": 60.0,
    }
    PARSERS: ClassVar[Mapping[str, Parse]] = {
        "spool": Parse(_always, {"enum": ["always"]})
    }

    @options.checked
    def __init__(
        self,
        bucket: Bucket,
        prefix: Prefix = "",
        *,
        key_template: options.Text | None = None,
        **store: Unpack[ObjectOptions],
    ) -> None:
        super().__init__(bucket, prefix, **store)
        keys = FileKeys(key_template or FILE_TEMPLATE, self.location.key)
        # known only now: the folder has this archive's name
        self._sink = str(self.location)
        self._links = Links(
            os.path.join(self.spool_folder, ".files"), self._spool_max
        )
        self._journal = Journal(os.path.join(self.spool_folder, ".accepted"))
        self._has_begun = False
        self.ship(_Uploads(self._store, self._links, keys), self._sink)
        forking.tell_child(self)

    @classmethod
    def complete(cls, given: dict[str, Any]) -> None:
        """
        A file is an object, whatever is given for batches of records.
        """
        given["batch_records"], given["linger_seconds"] = 1, 0.0

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        """
        What is wrong with parsed options together.
        """
        FileKeys(given["key_template"] or FILE_TEMPLATE, given["prefix"])
        yield from ()

    def forget_parent(self) -> None:
        """
        In a forked child: what waits is the parent's.
        """
        self._has_begun = False

    # --- what a file that rotates calls ---

    def __call__(self, path: str) -> None:
        """
        Accept the closed file at *path*.

        Raises:
            OSError: It is not accepted.
        """
        self._begin_to_work()
        path = os.path.abspath(path)
        identity = identity_of(path)
        if os.stat(path).st_size > _LARGEST_FILE:
            self.lost("too_large")
            self.reports.say(f"{path} has more than 5 GiB: not stored")
        else:
            # in this order: a crash in between leaves the link or the entry,
            # and the file is asked for until it is in the journal
            link = self._links.add(path)
            if link is not None:
                self._take(link)
        self._journal.add(path, identity)

    def missed(self, paths: Iterable[str]) -> list[str]:
        """
        Those of *paths* that were never accepted.
        """
        self._begin_to_work()
        had, found = self._journal.had(), []
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                if had.get(os.path.abspath(path)) != identity_of(path):
                    found.append(path)
        return found

    def _begin_to_work(self) -> None:
        """
        At the first call in a process: go on with what dead ones left.
        """
        forking.woke_up()
        if self._has_begun:
            return
        self._has_begun = True
        self.start()
        for link in self._links.orphans():
            self._take(link)

    def _take(self, link: str) -> None:
        entry = json.dumps({"file": link}).encode()
        self._outbox.put(entry, len(entry), logging.WARNING)

    # --- what it is as a handler ---

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - a file is all it takes
        """
        Pass over a record: it is given files.
        """
        self._outbox.count("skipped")

    def close(self, timeout: float | None = None) -> None:
        """
        Store what is left, and leave the rest to the next process.

        Args:
            timeout: Seconds; None is *close_timeout_seconds*.
        """
        super().close(timeout)
        links = self.__dict__.get("_links")
        if links is not None:  # its constructor did not fail
            links.close()


class _Uploads:
    """
    Stores the files behind links, and lets go of them.

    Args:
        store: Where to.

        links: What keeps them.

        keys: Their keys.
    """

    def __init__(
        self, store: ObjectStore, links: Links, keys: FileKeys
    ) -> None:
        self._store = store
        self._links = links
        self._keys = keys

    def open(self, deadline: float) -> None:  # noqa: ARG002 - makes no connection
        """
        Make the client.
        """
        self._store.open()

    def send(self, events: Sequence[Event], deadline: float) -> None:  # noqa: ARG002 - a large file takes its time
        """
        Store the files that *events* name.

        Raises:
            StoreError: One is not stored, or nobody knows.
        """
        for event in events:
            self._store_file(json.loads(event.value)["file"])

    def close(self, deadline: float) -> None:  # noqa: ARG002 - nothing waits
        """
        Let go of the client.
        """
        self._store.close()

    def classify(self, error: BaseException) -> Verdict:
        """
        What *error* means.
        """
        if isinstance(error, StoreError):
            return error.verdict
        is_odd = isinstance(error, (KeyError, TypeError, ValueError))
        return Verdict(Fault.POISON if is_odd else Fault.TRANSIENT)

    def _store_file(self, link: str) -> None:
        try:
            file = open(self._links.path(link), "rb")  # noqa: SIM115 - closed below
        except FileNotFoundError:  # stored, and only the answer was lost
            return
        try:
            with file:
                self._put(link, file)
        except StoreError as exc:
            if exc.verdict.fault is Fault.POISON:  # will never be stored
                self._links.remove(link)
            raise
        self._links.remove(link)

    def _put(self, link: str, file: BinaryIO) -> None:
        content_type = _CONTENT_TYPES.get(os.path.splitext(link)[1], _PLAIN)
        if self._store.create_only:
            key = self._keys.of(link)
            if self._store.put(key, file, content_type):
                return
            if self._has_same(key, file):
                return
            file.seek(0)
        # a key that only this file has: what is there already is this file
        unique = self._keys.of(link, is_unique=True)
        self._store.put(unique, file, content_type)

    def _has_same(self, key: str, file: BinaryIO) -> bool:
        """
        Whether what is stored as *key* is known to be what *file* holds.

        Under encryption by KMS nobody can tell; then the file is stored again.
        """
        from hashlib import md5  # here, for it takes 3 ms to import

        try:
            digest = md5(usedforsecurity=False)
            file.seek(0)
            while chunk := file.read(1024 * 1024):
                digest.update(chunk)
            return self._store.etag(key) == digest.hexdigest()
        except Exception:  # no right to ask, or no MD5 here
            return False
