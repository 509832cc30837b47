"""
``mllog.read``: records from wherever logs are.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import length_hint
from typing import Any

from ..errors import ConfigError
from ..s3 import Access, Location
from .files import Files
from .lines import Record
from .payloads import with_payloads
from .sources import Source, records_of

__all__ = ["Records", "read", "sources_of"]


class Records(Iterator[Record]):
    """
    Records in the order of their files, read while they are asked for.

    Args:
        blocks: Records, some at a time.

        skipped: What *blocks* counts while it is iterated.

    Attributes:
        skipped: How often something was passed over, by reason: ``torn``
            (a line that was not written to its end), ``not_json``,
            ``not_object``, ``too_long``, ``bad_csv``, ``bad_compression``,
            ``unreadable``, ``payload_missing``, ``payload_damaged``,
            ``payload_unreadable``.
    """

    def __init__(
        self, blocks: Iterable[list[Record]], skipped: Counter[str]
    ) -> None:
        self.skipped = skipped
        self._begun = 0
        self._block: Iterator[Record] = iter(())
        self._flow = self._flowing(blocks)

    def _flowing(self, blocks: Iterable[list[Record]]) -> Iterator[Record]:
        for block in blocks:
            self._begun += len(block)
            self._block = iter(block)
            yield from self._block

    @property
    def read(self) -> int:
        """
        Records given so far.
        """
        return self._begun - length_hint(self._block)

    def __iter__(self) -> Iterator[Record]:
        return self._flow  # which a for loop asks without a call of Python's

    def __next__(self) -> Record:
        return next(self._flow)

    def __repr__(self) -> str:
        skipped = ", ".join(
            f"{count} {reason}" for reason, count in self.skipped.items()
        )
        return f"<Records read={self.read} skipped={skipped or 0}>"


def read(
    source: Any,
    *,
    payloads: bool = False,
    endpoint_url: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    client_config: Mapping[str, Any] | None = None,
) -> Records:
    """
    Read records back: JSON lines and CSV, plain, gzip or zstd.

    ::

        for record in mllog.read("s3://bucket/digits", payloads=True):
            print(record["image"], record["label"])

    In a folder, and below a prefix, files whose names are those of logs are
    read (``.jsonl .ndjson .json .log .csv``, rotated and compressed ones too)
    and all others passed over; a file that is named is read in any case.
    Rotated files come before the live one, oldest first; folders and files
    otherwise by name, objects by key.

    Args:
        source: A file, a folder, a glob, ``s3://bucket/prefix``, one object,
            or a list of such.

        payloads: Whether to fetch what records point to: ``.npy`` becomes an
            array, ``.json`` its value, text a str, anything else bytes; None
            what is not stored.  They stand under their field's name;
            ``images.0``, ``images.1`` are a list, and the items of a dict
            stand as ``inputs.left``.

        endpoint_url: The S3 server; None is Amazon's, or what
            ``AWS_ENDPOINT_URL`` says.

        region: None is that of boto3's chain.

        profile: Profile in ``~/.aws``; None is the default one.

        client_config: Arguments of ``botocore.config.Config``.

    Raises:
        ConfigError: A source does not exist or cannot be reached; also while
            iterating, if a server can be reached no more.

        MissingPackageError: S3 needs boto3, or a file is zstd, and the package
            for it is not installed.

    Guarantee:
        What cannot be read is passed over and counted in ``skipped``: lines
        cut short, foreign text, damaged files.  A record that follows a
        fragment on the same line is found.  Memory is bounded by the longest
        line, 64 MiB, and the payloads fetched ahead.

    Limit:
        With orjson, integers of more than 64 bits become floats.
    """
    access = Access(endpoint_url, region, profile, client_config)
    skipped: Counter[str] = Counter()
    sources = sources_of(source, access)
    flow = with_payloads if payloads else _blocks
    blocks = (block for each in sources for block in flow(each, skipped))
    return Records(blocks, skipped)


def _blocks(source: Source, skipped: Counter[str]) -> Iterator[list[Record]]:
    for file in source.files(skipped):
        yield from records_of(file, skipped)


def sources_of(given: Any, access: Access) -> list[Source]:
    """
    The sources that an argument means.

    Raises:
        ConfigError: One does not exist or cannot be reached.
    """
    if isinstance(given, (str, bytes, os.PathLike)):
        given = [given]
    elif not isinstance(given, Iterable):
        raise ConfigError(
            f"{given!r} is no source of records",
            expected="a path, a glob, s3://bucket/prefix, or a list of them",
            owner="read",
        )
    return [_source(each, access) for each in given]


def _source(given: Any, access: Access) -> Source:
    try:
        path = os.fsdecode(given)
    except TypeError:
        raise ConfigError(
            f"{given!r} is no path",
            expected="a path, a glob or s3://bucket/prefix",
            owner="read",
        ) from None
    if not path.startswith("s3://"):
        return Files(path)
    from .objects import Objects

    return Objects(Location.parse(path), access)
