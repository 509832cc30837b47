"""
What the handlers that store objects share: the bucket, and how to put things there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypedDict

from ... import options
from ...errors import ConfigError
from ...options import Default, Parse, Unpack
from ...s3 import Access, Location, bucket_name, key_prefix
from ..handler import DeliveryOptions, ShippingHandler
from .objects import ObjectStore, PutOptions

__all__ = ["Bucket", "ObjectHandler", "ObjectOptions", "Prefix"]


#: The name of a bucket, and what keys in it begin with.
Bucket: TypeAlias = Annotated[str, Parse(bucket_name, {"type": "string"})]
Prefix: TypeAlias = Annotated[str, Parse(key_prefix, {"type": "string"})]


class StoreOptions(TypedDict, total=False):
    """
    The options of what puts objects into a bucket.
    """

    create_only: Annotated[options.Flag, Default(True)]
    storage_class: Annotated[options.Text | None, Default(None)]
    server_side_encryption: Annotated[
        Literal["AES256", "aws:kms", "aws:kms:dsse"] | None, Default(None)
    ]
    kms_key_id: Annotated[options.Text | None, Default(None)]
    tags: Annotated[options.Fields | None, Default(None)]
    metadata: Annotated[options.Fields | None, Default(None)]
    endpoint_url: Annotated[options.Text | None, Default(None)]
    region: Annotated[options.Text | None, Default(None)]
    profile: Annotated[options.Text | None, Default(None)]
    client_config: Annotated[options.Fields | None, Default(None)]
    connect_timeout_seconds: Annotated[options.Positive, Default(5.0)]
    parallel_uploads: Annotated[options.PositiveCount, Default(4)]


class ObjectOptions(StoreOptions, DeliveryOptions, total=False):
    """
    How to put objects into a bucket, and how to deliver them.
    """


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
        bucket: Bucket,
        prefix: Prefix = "",
        **store: Unpack[ObjectOptions],
    ) -> None:
        self.location = Location(bucket, prefix)
        self.destination = str(self.location)
        self._at_once = int(store["parallel_uploads"])
        super().__init__(**options.only(DeliveryOptions, store))
        self._store = ObjectStore(
            self.location,
            options.construct(Access, store),
            options.construct(PutOptions, store),
            connect_timeout=float(store["connect_timeout_seconds"]),
            read_timeout=self._send_timeout,
            connections=self._at_once,
        )

    @classmethod
    def conflicts(cls, given: Mapping[str, Any]) -> Iterator[ConfigError]:
        """
        What is wrong with parsed options together.
        """
        options.construct(PutOptions, given)
        options.construct(Access, given).check()
        yield from ()
