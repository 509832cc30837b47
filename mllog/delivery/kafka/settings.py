"""
The settings of a producer: what the handler's options mean to librdkafka.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict

from ... import options
from ...errors import ConfigError, shown
from ...options import Default, Parse
from ..bounds import Bounds

__all__ = [
    "COMPRESSIONS",
    "PRODUCER_CONFIG",
    "SERVERS",
    "KafkaSecurity",
    "Settings",
]

COMPRESSIONS = ("lz4", "zstd", "gzip", "snappy", "none")

_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_SSL")
_SERVER = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]):([0-9]{1,5})")
_WITH_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
# librdkafka's longest message has its own overhead beside the value.
_OVERHEAD_BYTES = 64 * 2**10
# A broker that is back is tried again soon; the default waits up to 10 s.
_RECONNECT_MS = 1000
# Of several requests on their way each is repeated in its place.
_DEFAULTS = {
    "acks": "all",
    "enable.idempotence": True,
    "batch.size": 2**20,
    "reconnect.backoff.max.ms": _RECONNECT_MS,
    "topic.metadata.refresh.interval.ms": 60_000,
    # librdkafka's own log: what matters of it comes as an error
    "log_level": 0,
    "client.id": "mllog",
}
# What would break what the handler promises, and the option that is meant.
_NOT_TO_BE_SET = {
    "acks": "what is counted as sent would not be stored",
    "request.required.acks": "what is counted as sent would not be stored",
    "enable.idempotence": "repeated requests would be stored twice",
    "enable.gapless.guarantee": "it is experimental",
    "delivery.report.only.error": "it is how the handler counts",
    "transactional.id": "records are no transaction",
    "message.timeout.ms": "use max_age_seconds",
    "delivery.timeout.ms": "use max_age_seconds",
    "queue.buffering.max.messages": "use max_queue_records",
    "queue.buffering.max.kbytes": "use max_queue_bytes",
    "message.max.bytes": "use max_record_bytes",
    "linger.ms": "use linger_seconds",
    "queue.buffering.max.ms": "use linger_seconds",
    "bootstrap.servers": "use bootstrap_servers",
    "metadata.broker.list": "use bootstrap_servers",
    "compression.type": "use compression",
    "compression.codec": "use compression",
    "security.protocol": "use security_protocol",
    "sasl.username": "use sasl_username",
    "sasl.password": "use sasl_password",
    "sasl.mechanism": "use sasl_mechanism",
    "sasl.mechanisms": "use sasl_mechanism",
    "ssl.ca.location": "use ca_file",
    "ssl.certificate.location": "use cert_file",
    "ssl.key.location": "use key_file",
    "ssl.key.password": "use key_password",
    "plugin.library.paths": "it would run code",
    "sasl.kerberos.kinit.cmd": "it would run code",
    "ssl.engine.location": "it would run code",
    "ssl.providers": "it would run code",
    "enable.ssl.certificate.verification": "whoever answers would pass for a"
    " broker",
    "ssl.endpoint.identification.algorithm": "whoever answers would pass for"
    " a broker",
    "on_delivery": "it is how the handler counts",
    "dr_cb": "it is how the handler counts",
    "dr_msg_cb": "it is how the handler counts",
    "error_cb": "use handler.stats() and the handler's reports",
    "logger": "librdkafka's log would come back into the handler",
}


def _protocol_named(option: str, value: Any) -> str:
    name = str(value).upper()
    if name == "SASL_PLAINTEXT":
        raise ConfigError(
            f"{shown(option, value)} with SASL sends the password for"
            " everybody to read",
            expected="SASL_SSL",
            fix="ask for the brokers' TLS port",
        )
    return options.choice(option, name, _PROTOCOLS)


class KafkaSecurity(TypedDict, total=False):
    """
    The options that say how brokers and this process trust each other.
    """

    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_SSL"] | None,
        Parse(_protocol_named, {"type": "string"}),
        Default(None),
    ]
    ca_file: Annotated[options.Path | None, Default(None)]
    cert_file: Annotated[options.Path | None, Default(None)]
    key_file: Annotated[options.Path | None, Default(None)]
    key_password: Annotated[options.Text | None, Default(None)]
    sasl_mechanism: Annotated[options.Text | None, Default(None)]
    sasl_username: Annotated[options.Text | None, Default(None)]
    sasl_password: Annotated[options.Text | None, Default(None)]


class Settings:
    """
    How to reach brokers, and what for.

    Args:
        bootstrap_servers: ``"kafka-1:9092,kafka-2:9092"``, or a list.

        security_protocol: ``PLAINTEXT``, ``SSL`` or ``SASL_SSL``; None is
            what the other options ask for.

        ca_file: PEM file with the authorities that may have signed the
            brokers' certificates; None is the system's.

        cert_file: PEM file with our own certificate.

        key_file: PEM file with its key.

        key_password: Password of an encrypted key.

        sasl_mechanism: ``PLAIN``, ``SCRAM-SHA-256``, ``SCRAM-SHA-512``, or
            another that librdkafka has, with its settings in
            *producer_config*.

        sasl_username: Who we are.

        sasl_password: How we prove it.

        compression: ``lz4``, ``zstd``, ``gzip``, ``snappy`` or ``none``.

        producer_config: Further settings of librdkafka, by its names.

    Raises:
        ConfigError: They do not go together, or would break a guarantee.
    """

    def __init__(
        self,
        bootstrap_servers: str | Sequence[str],
        *,
        security_protocol: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        cert_file: str | os.PathLike[str] | None = None,
        key_file: str | os.PathLike[str] | None = None,
        key_password: str | None = None,
        sasl_mechanism: str | None = None,
        sasl_username: str | None = None,
        sasl_password: str | None = None,
        compression: str = "lz4",
        producer_config: Mapping[str, Any] | None = None,
    ) -> None:
        self.servers = servers_of("bootstrap_servers", bootstrap_servers)
        further = further_settings("producer_config", producer_config)
        tls = _tls(ca_file, cert_file, key_file, key_password)
        sasl = _sasl(sasl_mechanism, sasl_username, sasl_password)
        protocol = _protocol(security_protocol, tls, sasl)
        codec = options.choice("compression", compression, COMPRESSIONS)
        #: For any client, of records or of topics.
        self.client = {
            **_DEFAULTS_OF_CLIENTS,
            "bootstrap.servers": self.servers,
            "security.protocol": protocol,
            **tls,
            **sasl,
            **{name: further[name] for name in further if _is_common(name)},
        }
        self._producer = {
            **_DEFAULTS,
            **self.client,
            "compression.type": codec,
            **further,
        }

    def producer(self, bounds: Bounds) -> dict[str, Any]:
        """
        Settings of a producer whose queue has these *bounds*.
        """
        age = bounds.max_age_seconds
        found = {
            **self._producer,
            "delivery.report.only.error": True,
            "linger.ms": bounds.linger_seconds * 1000,
            "queue.buffering.max.messages": bounds.max_queue_records,
            # one record may be as large as the queue
            "queue.buffering.max.kbytes": 1
            + max(bounds.max_queue_bytes, bounds.max_record_bytes) // 1024,
            "message.max.bytes": max(
                10**6, bounds.max_record_bytes + _OVERHEAD_BYTES
            ),
            # 0 is never
            "message.timeout.ms": int(1000 * age) if age else 0,
        }
        # no batch may be longer than a message may be
        found["batch.size"] = min(
            options.integer("batch.size", found["batch.size"], minimum=1),
            found["message.max.bytes"],
        )
        return found


_DEFAULTS_OF_CLIENTS = {
    name: _DEFAULTS[name]
    for name in ("log_level", "client.id", "reconnect.backoff.max.ms")
}


def _is_common(name: str) -> bool:
    return name.startswith(("sasl.", "ssl.", "socket.", "broker.", "client."))


def servers_of(option: str, given: Any) -> str:
    """
    Addresses of brokers as librdkafka takes them.

    Raises:
        ConfigError: One of them is no address.
    """
    if given in (None, "", [], ()):
        raise ConfigError(
            f"{option} is empty",
            expected='"host:9092", some with commas, or a list',
            fix="give bootstrap_servers=…, or set"
            " MLLOG_KAFKA_BOOTSTRAP_SERVERS for a preset",
        )
    servers = options.names(option, given)
    if not servers:
        return servers_of(option, None)
    for number, server in enumerate(servers, 1):
        match = _SERVER.fullmatch(server)
        if not match or not 0 < int(match[1]) < 65536:
            # not shown: people write passwords into addresses
            raise ConfigError(
                f"{option}: number {number} is no address",
                expected='"host:9092" each, with commas between them',
                fix='write "host:port", without a scheme, a name or a path',
            )
    return ",".join(servers)


SERVERS = Parse(servers_of, {"type": ["string", "array"]})


def _tls(
    ca_file: Any, cert_file: Any, key_file: Any, key_password: Any
) -> dict[str, str]:
    files = {"ca_file": ca_file, "cert_file": cert_file, "key_file": key_file}
    paths = {
        name: options.path(name, path)
        for name, path in files.items()
        if path not in (None, "")
    }
    for name, path in paths.items():
        if not os.access(path, os.R_OK):
            raise ConfigError(
                shown(name, path),
                expected="a PEM file that may be read",
            )
    if ("cert_file" in paths) != ("key_file" in paths):
        raise ConfigError(
            "cert_file and key_file belong together",
            fix="give both; they may be the same file",
        )
    found = {
        "ssl.ca.location": paths.get("ca_file"),
        "ssl.certificate.location": paths.get("cert_file"),
        "ssl.key.location": paths.get("key_file"),
        "ssl.key.password": key_password,
    }
    return {name: value for name, value in found.items() if value}


def _sasl(mechanism: Any, username: Any, password: Any) -> dict[str, str]:
    if not (mechanism or username or password):
        return {}
    if not mechanism:
        name = "sasl_username" if username else "sasl_password"
        raise ConfigError(
            f"{name} without a mechanism",
            expected="sasl_mechanism, one of " + ", ".join(_WITH_PASSWORD),
        )
    name = options.text("sasl_mechanism", mechanism).upper()
    if name in _WITH_PASSWORD and not (username and password):
        raise ConfigError(
            f"{shown('sasl_mechanism', name)} needs a name and a password",
            fix="give sasl_username and sasl_password",
        )
    found = {"sasl.mechanism": name}
    if username:
        found["sasl.username"] = str(username)
    if password:
        found["sasl.password"] = str(password)
    return found


def _protocol(
    given: Any, tls: Mapping[str, Any], sasl: Mapping[str, Any]
) -> str:
    """
    What is spoken; passwords never go over a connection without TLS.
    """
    if given in (None, ""):
        if sasl:
            return "SASL_SSL"
        return "SSL" if tls else "PLAINTEXT"
    name = str(given).upper()
    if name == "SASL_PLAINTEXT" or (name == "PLAINTEXT" and sasl):
        raise ConfigError(
            f"{shown('security_protocol', given)} with SASL sends the password"
            " for everybody to read",
            expected="SASL_SSL",
            fix="ask for the brokers' TLS port",
        )
    protocol = options.choice("security_protocol", name, _PROTOCOLS)
    if protocol == "SASL_SSL" and not sasl:
        raise ConfigError(
            f"{shown('security_protocol', given)} without a name",
            fix="give sasl_mechanism, sasl_username and sasl_password",
        )
    if protocol == "SSL" and sasl:
        raise ConfigError(
            f"{shown('security_protocol', given)} with SASL",
            expected="SASL_SSL",
        )
    if protocol == "PLAINTEXT" and tls:
        raise ConfigError(
            f"{shown('security_protocol', given)} with options of TLS",
            expected="SSL",
        )
    return protocol


def further_settings(option: str, given: Any) -> dict[str, Any]:
    """
    Settings of librdkafka that break nothing that the handler promises.

    Raises:
        ConfigError: One of them does, or is no plain value.
    """
    found = options.mapping(option, given)
    for name, value in found.items():
        why = _NOT_TO_BE_SET.get(name)
        if why:
            raise ConfigError(
                f"{option} sets {name}",
                expected="settings that the handler does not make itself",
                fix=why if why.startswith("use ") else f"leave it out: {why}",
            )
        if not isinstance(value, (str, int, float)):
            raise ConfigError(
                f"{option} sets {name} to {type(value).__name__}",
                expected="text, a number, true or false",
            )
    return found


PRODUCER_CONFIG = Parse(further_settings, {"type": "object"})
