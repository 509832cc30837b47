"""
What the tests see of a server that speaks S3, and how it is missing.
"""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from servers.receiver import shared
from servers.running import free_ports
from sharing import share_models

#: The extra that installs these servers.
EXTRA = "mllog-handlers[test-s3]"
REGION = "us-east-1"


class Keys(NamedTuple):
    """
    With what somebody signs.
    """

    access_key: str
    secret_key: str


class ObjectStore:
    """
    A server of objects on a free port of 127.0.0.1, which stays the same.

    Args:
        folder: Where its configuration, data and output are.

    Attributes:
        endpoint_url: Where it is.

        keys: Of somebody who may do everything.

        read_only: Of somebody who may read; None where there is nobody.
    """

    bucket_acl = "private"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self.endpoint_url = f"http://127.0.0.1:{self.port}"
        self.keys = Keys("", "")
        self.read_only: Keys | None = None

    def start(self) -> None:
        """
        Start the server, or what of it does not run, and wait until it is up.
        """
        raise NotImplementedError

    def stop(self, *, kill: bool = False) -> None:
        """
        Stop the server; its port refuses.

        Args:
            kill: As a crash would.
        """
        raise NotImplementedError

    def environment(self, keys: Keys | None = None) -> dict[str, str]:
        """
        Variables by which boto3 finds *keys* and region, and nothing else.

        Args:
            keys: Of whom; None is who may do everything.
        """
        keys = keys or self.keys
        return {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, keys: Keys | None = None, **config: Any) -> Any:
        """
        A client of boto3's that tries nothing twice.

        Args:
            keys: Who asks; None is who may do everything.

            config: Arguments of botocore's Config, over those here.
        """
        return self.service("s3", keys, **config)

    def service(
        self, name: str, keys: Keys | None = None, **config: Any
    ) -> Any:
        """
        A client of boto3's for the service *name*.
        """
        import boto3
        from botocore.config import Config

        share_models()
        keys = keys or self.keys
        options = {
            "connect_timeout": 5,
            "read_timeout": 15,
            "retries": {"total_max_attempts": 1},
            **config,
        }
        return boto3.client(
            name,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            region_name=REGION,
            config=Config(**options),
        )

    def new_bucket(self, name: str = "") -> str:
        """
        The name of a bucket that is made now, and that no other test has.
        """
        bucket = f"{name or 'test'}-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=bucket, ACL=self.bucket_acl)
        return bucket

    def names(self, bucket: str, prefix: str = "") -> list[str]:
        """
        The keys in *bucket* that begin with *prefix*, sorted.
        """
        pages = self.client().get_paginator("list_objects_v2")
        return sorted(
            found["Key"]
            for page in pages.paginate(Bucket=bucket, Prefix=prefix)
            for found in page.get("Contents", ())
        )

    def objects(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """
        What each key in *bucket* that begins with *prefix* holds.
        """
        client = self.client()
        return {
            key: client.get_object(Bucket=bucket, Key=key)["Body"].read()
            for key in self.names(bucket, prefix)
        }


def require(
    name: str,
    packages: Mapping[str, str],
    missing: Callable[[str, str], None],
) -> None:
    """
    Skip the test where the server *name* is not installed.

    Args:
        name: What is missing then.

        packages: The distribution of each import name that it needs.

        missing: The fixture.
    """
    absent = [
        distribution
        for package, distribution in packages.items()
        if importlib.util.find_spec(package) is None
    ]
    if absent:
        wanted = " and ".join(sorted(set(absent)))
        missing(name, f"install {wanted}, or {EXTRA}")


def running(
    request: pytest.FixtureRequest,
    factory: pytest.TempPathFactory,
    kind: type[ObjectStore],
) -> Any:
    """
    The one server of *kind* that the session has, running.

    A test that has it carries the mark ``s3servers``: where these servers
    are not installed on purpose, such tests are left out by it.
    """
    if request.node.get_closest_marker("s3servers") is None:
        pytest.fail(f"mark the test s3servers: it needs {kind.__name__}")
    return shared(request, factory, kind)
