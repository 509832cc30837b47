"""
What the handlers that store objects share: the bucket, and how to put things there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import options
from ...errors import ConfigError
from ...s3 import Access, Location
from ..handler import ShippingHandler
from .objects import ObjectStore, PutOptions

__all__ = ["ObjectHandler"]


class ObjectHandler(ShippingHandler):
    """
    Puts objects into a bucket of S3, or of a server that speaks its protocol.

    Args:
        bucket: Name of the bucket, which exists already.

        prefix: What all keys begin with.

        create_only: Whether an object is only ever created, never replaced
            (``If-None-Match: *``).  For servers without conditional writes
            it has to be False; keys are unique all the same.

        storage_class: ``"STANDARD_IA"``, …; None is the bucket's.

        server_side_encryption: ``"AES256"``, ``"aws:kms"`` or
            ``"aws:kms:dsse"``; None is the bucket's.

        kms_key_id: Key for ``"aws:kms"``; None is the account's.

        tags: Tags of each object.

        metadata: Metadata of each object, ASCII.

        endpoint_url: ``"https://s3.example.com"``; None is Amazon's, or what
            ``AWS_ENDPOINT_URL`` says.

        region: None is that of boto3's chain.

        profile: Profile in ``~/.aws``; None is boto3's.

        client_config: Arguments of ``botocore.config.Config``, such as
            ``{"s3": {"addressing_style": "path"}}``.

        connect_timeout_seconds: How long connecting may take.

        parallel_uploads: Objects that are put at the same time.

        delivery: The options of
            :class:`mllog.delivery.handler.ShippingHandler`: queue, spool,
            overflow, timeouts, filters.

    Raises:
        ConfigError: An option is unknown or has a value that cannot work.

        MissingPackageError: boto3 is not installed.
    """

    @options.checked
    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        create_only: bool | str = True,
        storage_class: str | None = None,
        server_side_encryption: str | None = None,
        kms_key_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        endpoint_url: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        client_config: Mapping[str, Any] | None = None,
        connect_timeout_seconds: float | str = 5.0,
        parallel_uploads: int | str = 4,
        **delivery: Any,
    ) -> None:
        self.location = _location(bucket, prefix)
        self.destination = str(self.location)
        access = Access(endpoint_url, region, profile, client_config)
        put_options = PutOptions(
            create_only=create_only,
            storage_class=storage_class,
            server_side_encryption=server_side_encryption,
            kms_key_id=kms_key_id,
            tags=tags,
            metadata=metadata,
        )
        connect_timeout = options.number(
            "connect_timeout_seconds", connect_timeout_seconds
        )
        self._at_once = options.integer(
            "parallel_uploads", parallel_uploads, minimum=1
        )
        super().__init__(**delivery)
        access.check()
        self._store = ObjectStore(
            self.location,
            access,
            put_options,
            connect_timeout=connect_timeout,
            read_timeout=self._send_timeout,
            connections=self._at_once,
        )


def _location(bucket: Any, prefix: Any) -> Location:
    if bucket in (None, ""):
        raise ConfigError(
            "bucket is empty",
            expected="the name of a bucket",
            fix="give bucket=…, or set MLLOG_S3_BUCKET for a preset",
        )
    return Location.of(bucket, prefix)
