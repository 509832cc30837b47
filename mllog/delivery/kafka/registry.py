"""
A schema registry: the number that stands before each Avro value.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any

from ... import options
from ...errors import ConfigError, MissingPackageError, require, shown
from ...events import Event
from ..retry import Fault, Verdict
from .faults import KafkaError

__all__ = ["Registry"]

_KNOWN = (
    "url",
    "subject",
    "username",
    "password",
    "ca_file",
    "auto_register",
)
_URL = re.compile(r"https?://[^@/\s]+(/[^@\s]*)?")
_AVRO = "application/vnd.apache.avro"
_MAGIC = b"\0"
_ID_BYTES = 4
_MEND = {
    401: "mend username and password of schema_registry",
    403: "allow it to this user",
    404: "register the schema, or set auto_register to true",
    409: "give another subject: this one has an incompatible schema",
    422: "mend the schema",
}


def _client() -> Any:
    name = "confluent_kafka.schema_registry"
    try:
        return require(name, "schema-registry")
    except ModuleNotFoundError as exc:  # of what it needs itself
        raise MissingPackageError(exc.name or name, "schema-registry") from exc


class Registry:
    """
    A schema registry that speaks Confluent's protocol.

    Args:
        url: ``"https://registry:8081"``.

        subject: Under which name the schema is kept.

        username: Who we are, if it asks.

        password: How we prove it.

        ca_file: PEM file with the authority that signed its certificate.

        auto_register: Whether a schema that it does not know is registered.

    Raises:
        ConfigError: A value cannot work.

        MissingPackageError: The registry's client is not installed.
    """

    def __init__(
        self,
        url: str,
        subject: str,
        *,
        username: str | None = None,
        password: str | None = None,
        ca_file: str | None = None,
        auto_register: bool | str = True,
    ) -> None:
        self._module = _client()
        text = options.text("url", url)
        if not _URL.fullmatch(text):
            # not shown: people write passwords into addresses
            raise ConfigError(
                "url of schema_registry",
                expected='"https://host:8081"; username and password are'
                " options of their own",
            )
        if bool(username) != bool(password):
            raise ConfigError(
                "schema_registry: username and password belong together"
            )
        self.url = text.rstrip("/")
        self.subject = options.text("subject", subject)
        self._registers = options.boolean("auto_register", auto_register)
        self._config: dict[str, Any] = {"url": self.url}
        if username:
            self._config["basic.auth.user.info"] = f"{username}:{password}"
        if ca_file:
            if not os.access(ca_file, os.R_OK):
                raise ConfigError(
                    shown("ca_file", ca_file),
                    expected="a PEM file that may be read",
                )
            self._config["ssl.ca.location"] = os.fspath(ca_file)
        #: From the content type of events to the text of their schema.
        self.schemas: Mapping[str, str] = {}
        # by content type and text: a name may come to mean another schema
        self._found: dict[tuple[str, str], bytes] = {}

    @classmethod
    def of(cls, given: Any, topic: str) -> Registry | None:
        """
        The registry that an option describes; None for none.

        Args:
            given: ``{"url": …}``, and further arguments of the class.

            topic: What the subject is named after.

        Raises:
            ConfigError: It cannot be one.
        """
        found = options.mapping("schema_registry", given)
        if not found:
            return None
        # without their values, one of which may be a password
        options.refuse_unknown(dict.fromkeys(found, "…"), _KNOWN)
        if not found.get("url"):
            raise ConfigError(
                f"{shown('schema_registry', sorted(found))} without a url",
                fix='give "url": "https://registry:8081"',
            )
        found.setdefault("subject", f"{topic}-value")
        return cls(**found)

    def look_up(self, deadline: float) -> None:
        """
        Have the number of each schema; what was found once is remembered.

        Raises:
            KafkaError: The registry does not answer, or refuses.
        """
        for content_type, schema in self.schemas.items():
            known = content_type, schema
            if known not in self._found:
                number = self._number(schema, deadline)
                self._found[known] = _MAGIC + number.to_bytes(_ID_BYTES, "big")

    def framed(self, event: Event) -> bytes:
        """
        The value of *event*, with the number of its schema if it has one.

        Raises:
            KafkaError: It is Avro of a schema that is not known here, so that
                nobody could read it.
        """
        if not event.content_type.startswith(_AVRO):
            return event.value
        schema = self.schemas.get(event.content_type, "")
        prefix = self._found.get((event.content_type, schema))
        if prefix is None:
            raise KafkaError(
                f"schema registry {self.url}: there is no schema for"
                f" {event.content_type}\n  fix: give the handler the formatter"
                " that makes these events",
                Verdict(Fault.POISON),
            )
        return prefix + event.value

    def _number(self, text: str, deadline: float) -> int:
        seconds = max(0.1, deadline - time.monotonic())
        config = {**self._config, "timeout": seconds, "max.retries": 0}
        schema = self._module.Schema(text, "AVRO")
        try:
            with self._module.SchemaRegistryClient(config) as client:
                if self._registers:
                    return int(client.register_schema(self.subject, schema))
                found = client.lookup_schema(self.subject, schema)
                return int(found.schema_id)
        except Exception as exc:
            raise self._fault(exc) from exc

    def _fault(self, error: Exception) -> KafkaError:
        status = getattr(error, "http_status_code", 0)
        said = getattr(error, "error_message", "") or str(error)
        fix = f"\n  fix: {_MEND[status]}" if status in _MEND else ""
        is_ours = 400 <= status < 500 and status != 429
        return KafkaError(
            f"schema registry {self.url}: subject {self.subject}: {said}{fix}",
            Verdict(Fault.AUTH if is_ours else Fault.TRANSIENT),
        )
