"""
Where objects are, and the client that gets there.

Credentials come from boto3's own chain only: environment, profile, role.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from . import options
from .errors import ConfigError, require, shown
from .forking import fork_safe_lock, tell_child
from .threads import only_here

__all__ = [
    "FIXES",
    "NO_CREDENTIALS",
    "Access",
    "Answer",
    "Location",
    "Shared",
    "answer_of",
    "bucket_name",
    "give_back",
    "is_credential",
    "key_prefix",
    "load_boto3",
]

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}|arn:[!-~]{1,1000}")
_MOST_KEY_BYTES = 1024
# of a client that several share, and clients that nobody uses
_CONNECTIONS = 32
_MOST_IDLE = 4
_CREDENTIAL = re.compile(
    r"^aws_|access_?key|secret|session_?token|password|credential",
    re.IGNORECASE,
)
#: What to do instead of writing credentials into a configuration.
NO_CREDENTIALS = (
    "take it out: credentials come from boto3's own chain, which is the"
    " environment, ~/.aws, or the role of the machine"
)
_CREDENTIALS = (
    "mend the credentials that boto3 finds: AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY, the profile, or the role of this machine"
)
_REGION = "set region to that of the bucket"
#: How to mend what a server says, or what boto3 says, whatever was asked for.
FIXES = {
    "AuthorizationHeaderMalformed": _REGION,
    "CredentialRetrievalError": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "IllegalLocationConstraintException": _REGION,
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "LoginError": _CREDENTIALS,
    "NoAuthTokenError": _CREDENTIALS,
    "NoCredentialsError": _CREDENTIALS,
    "NoSuchBucket": "create the bucket, or mend its name",
    "PartialCredentialsError": _CREDENTIALS,
    "PermanentRedirect": _REGION,
    "ProfileNotFound": "mend profile, or AWS_PROFILE",
    "RequestTimeTooSkewed": "set this machine's clock",
    "SSOError": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "TokenRetrievalError": _CREDENTIALS,
}


def load_boto3() -> Any:
    """
    The package boto3.

    Raises:
        MissingPackageError: It is not installed.
    """
    return require("boto3", "s3")


def is_credential(option: str) -> bool:
    """
    Whether *option* is what people call a key of S3, or a password.
    """
    return _CREDENTIAL.search(option) is not None


def bucket_name(option: str, value: Any) -> str:
    """
    The name of a bucket, or the ARN of an access point.

    Raises:
        ConfigError: It cannot be one.
    """
    if value in (None, ""):
        raise ConfigError(
            f"{option} is empty",
            expected="the name of a bucket",
            fix="give bucket=…, or set MLLOG_S3_BUCKET for a preset",
        )
    if isinstance(value, str) and _BUCKET.fullmatch(value):
        return value
    raise ConfigError(
        shown(option, value),
        expected="the name of a bucket",
        fix="give the rest of the URL as prefix"
        if str(value).startswith("s3://")
        else "",
    )


def key_prefix(option: str, value: Any) -> str:
    """
    What keys begin with, without slashes around it.

    Raises:
        ConfigError: No key may begin with it.
    """
    if not isinstance(value, (str, type(None))):
        raise ConfigError(shown(option, value), expected="text")
    key = (value or "").strip("/")
    if not key.isprintable() or ".." in key.split("/"):
        raise ConfigError(
            shown(option, value),
            expected="printable characters, and no '..' between slashes",
        )
    if len(key.encode("utf-8", "replace")) > _MOST_KEY_BYTES // 2:
        raise ConfigError(
            shown(option, value),
            expected=f"at most {_MOST_KEY_BYTES // 2} bytes",
        )
    return key


class Location(NamedTuple):
    """
    A bucket, and the beginning of keys in it.

    Args:
        bucket: Its name, or the ARN of an access point.

        key: Prefix without slashes around it; ``""`` is the whole bucket.
    """

    bucket: str
    key: str = ""

    @classmethod
    def of(cls, bucket: Any, prefix: Any = "") -> Location:
        """
        The location that the options *bucket* and *prefix* mean.

        Raises:
            ConfigError: No bucket, or none that can exist.
        """
        return cls(bucket_name("bucket", bucket), key_prefix("prefix", prefix))

    @classmethod
    def parse(cls, uri: str) -> Location:
        """
        The location of an ``s3://bucket/some/prefix``.

        Raises:
            ConfigError: It is none.
        """
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not _BUCKET.fullmatch(bucket):
            raise ConfigError(
                f"{uri!r} is no location in S3",
                expected="s3://bucket or s3://bucket/prefix",
            )
        return cls(bucket, key.strip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")


class Access:
    """
    How to reach the server: what makes a client, and no credentials.

    Args:
        endpoint_url: ``"https://s3.example.com"``; None is Amazon's, or what
            ``AWS_ENDPOINT_URL`` says.

        region: None is that of boto3's chain.

        profile: Profile in ``~/.aws``; None is the default one.

        client_config: Arguments of ``botocore.config.Config``, such as
            ``{"s3": {"addressing_style": "path"}}``.

    Raises:
        ConfigError: One of them cannot work.
    """

    def __init__(
        self,
        endpoint_url: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        client_config: Mapping[str, Any] | None = None,
    ) -> None:
        self.endpoint_url = endpoint_url or None
        if endpoint_url and "@" in str(endpoint_url):
            raise ConfigError(
                "endpoint_url has a user or password in it",
                expected="a URL such as https://s3.example.com",
                fix=NO_CREDENTIALS,
            )
        if endpoint_url and not re.match(r"https?://[^/]", str(endpoint_url)):
            raise ConfigError(
                shown("endpoint_url", endpoint_url),
                expected="a URL such as https://s3.example.com",
            )
        self._region = region or None
        self._profile = profile or None
        self._config = options.mapping("client_config", client_config)
        for name in filter(is_credential, self._config):
            raise ConfigError(
                f"client_config has credentials: {name}", fix=NO_CREDENTIALS
            )
        if "retries" in self._config:
            raise ConfigError(
                "client_config has 'retries'",
                fix="leave it out: the worker tries again, by"
                " retry_max_seconds and send_timeout_seconds",
            )

    def check(self) -> None:
        """
        See to it that boto3 is there, and takes the configuration.

        Raises:
            MissingPackageError: boto3 is not installed.

            ConfigError: It does not take *client_config*.
        """
        load_boto3()
        try:
            self._configuration()
        except Exception as exc:
            # without the values: a proxy's URL may have a password
            raise ConfigError(
                f"client_config with {', '.join(map(str, self._config))}:"
                f" {type(exc).__name__}",
                expected="arguments of botocore.config.Config",
            ) from None

    def _configuration(self, **settings: Any) -> Any:
        config = require("botocore.config", "s3").Config
        return config(**settings).merge(config(**self._config))

    def client(
        self,
        connect_timeout: float = 5.0,
        read_timeout: float = 30.0,
        connections: int = 10,
    ) -> Any:
        """
        A new client, which tries nothing twice.

        Args:
            connect_timeout: Seconds for connecting.

            read_timeout: Seconds for each answer.

            connections: Connections kept open.

        Raises:
            Exception: What boto3 says of a profile or region it does not know.
        """
        session = load_boto3().Session(
            profile_name=self._profile, region_name=self._region
        )
        return session.client(
            "s3",
            endpoint_url=self.endpoint_url,
            config=self._configuration(
                connect_timeout=connect_timeout,
                read_timeout=read_timeout,
                max_pool_connections=connections,
                retries={"total_max_attempts": 1, "mode": "standard"},
                tcp_keepalive=True,
                user_agent_extra="mllog",
            ),
        )

    def borrow(
        self, connect_timeout: float, read_timeout: float, connections: int
    ) -> Shared:
        """
        A client that all who ask for the same have together.

        To make one takes 0.2 s of Python's own time, in which other threads
        hardly run: a handler that takes the place of another has its client.
        To be given back by :func:`give_back`.

        Raises:
            Exception: What boto3 says of a profile or region it does not know.
        """
        more = connect_timeout, read_timeout, max(connections, _CONNECTIONS)
        # what boto3 looks at when it makes one
        seen = sorted(
            (name, value)
            for name, value in os.environ.items()
            if name.startswith("AWS_") or name.lower().endswith("_proxy")
        )
        wanted = self.endpoint_url, self._region, self._profile, self._config
        key = repr((wanted, more, seen, only_here()))
        with _clients.lock:
            found = _clients.known.get(key)
            if found is None:
                found = _clients.known[key] = Shared(self.client(*more))
            found.users += 1
            return found

    def __repr__(self) -> str:
        where = self.endpoint_url or "Amazon"
        return f"Access({where})"


class Shared:
    """
    A client, and how many use it.

    Args:
        client: The client, for any number of threads.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.users = 0


class _Clients:
    """
    The clients of this process that are in use, or were lately.
    """

    def __init__(self) -> None:
        self.lock = fork_safe_lock()
        self.known: dict[str, Shared] = {}
        tell_child(self)

    def forget_parent(self) -> None:
        """
        In a forked child: its own; who used one of the parent's keeps it.
        """
        self.known = {}


_clients = _Clients()


def give_back(shared: Shared, *, is_stale: bool = False) -> None:
    """
    Use the client no more; with the last user its connections are closed.

    Args:
        shared: What was borrowed.

        is_stale: Whether the next who asks shall have another one, since the
            credentials of this one are refused.
    """
    with _clients.lock:
        shared.users -= 1
        is_used = shared.users > 0
        known = _clients.known
        if is_stale:
            for key in [key for key in known if known[key] is shared]:
                del known[key]
        for key in [key for key in known if not known[key].users][
            :-_MOST_IDLE
        ]:
            del known[key]
    if not is_used and hasattr(shared.client, "close"):
        shared.client.close()  # it opens others where it is used again


class Answer(NamedTuple):
    """
    What a server said of a request that failed.

    Args:
        code: ``"SlowDown"``, …; ``""`` if it did not say.

        status: That of HTTP; 0 if there was no answer.

        message: In its own words.

        headers: Those of the answer, in lower case.
    """

    code: str = ""
    status: int = 0
    message: str = ""
    headers: Mapping[str, str] = MappingProxyType({})


def answer_of(error: BaseException) -> Answer:
    """
    The answer of the server in an error of a client; empty if it gave none.
    """
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return Answer()
    said = response.get("Error") or {}
    meta = response.get("ResponseMetadata") or {}
    code = str(said.get("Code") or "")
    status = int(meta.get("HTTPStatusCode") or 0)
    if not status and code.isdigit():  # a reply without XML
        status = int(code)
    return Answer(
        code,
        status,
        str(said.get("Message") or ""),
        meta.get("HTTPHeaders") or {},
    )
