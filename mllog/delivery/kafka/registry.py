"""
A schema registry: the number that stands before each Avro value.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request

from ... import options
from ...errors import ConfigError, shown
from ...events import Event
from ...http_answers import open_by
from ..retry import Fault, Verdict
from ..sockets.tls import trusting
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
_MOST_NUMBERS: Final = 2 ** (8 * _ID_BYTES)
_MOST_ANSWER_BYTES: Final = 1024 * 1024
_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_MEND = {
    401: "mend username and password of schema_registry",
    403: "allow it to this user",
    404: "register the schema, or set auto_register to true",
    409: "give another subject: this one has an incompatible schema",
    422: "mend the schema",
}


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
        self._headers = {"Content-Type": _TYPE, "Accept": _TYPE}
        if username:
            pair = b64encode(f"{username}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        ca_file = options.optional(options.path, "ca_file", ca_file)
        if ca_file and not os.access(ca_file, os.R_OK):
            raise ConfigError(
                shown("ca_file", ca_file),
                expected="a PEM file that may be read",
            )
        self._ca_file = ca_file
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
        path = f"{self.url}/subjects/{quote(self.subject, safe='')}"
        # http or https: the constructor sees to it
        request = Request(  # noqa: S310
            f"{path}/versions" if self._registers else path,
            json.dumps({"schema": text}).encode(),
            self._headers,
            method="POST",
        )
        is_secure = self.url.startswith("https")
        try:
            context = trusting(self._ca_file) if is_secure else None
            with open_by(request, deadline, context=context) as answer:
                found = json.loads(answer.body(_MOST_ANSWER_BYTES))
            number = found["id"] if isinstance(found, dict) else None
            if type(number) is not int or not 0 <= number < _MOST_NUMBERS:
                raise ValueError("what answers is no schema registry")
            return number
        except Exception as exc:
            raise self._fault(exc) from exc

    def _fault(self, error: Exception) -> KafkaError:
        status = error.code if isinstance(error, HTTPError) else 0
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, HTTPError):
            said = f"HTTP {status}: {_reason(error)}"
        fix = f"\n  fix: {_MEND[status]}" if status in _MEND else ""
        is_ours = 400 <= status < 500 and status != 429
        return KafkaError(
            f"schema registry {self.url}: subject {self.subject}: {said}{fix}",
            Verdict(Fault.AUTH if is_ours else Fault.TRANSIENT),
        )


def _reason(error: HTTPError) -> str:
    """
    What the registry said about a request that it refused.
    """
    try:
        text = str(json.loads(error.read(_MOST_ANSWER_BYTES))["message"])
    except Exception:  # whatever is before it answered
        text = str(error.reason)
    finally:
        error.close()
    return "".join(c if c.isprintable() else " " for c in text)[:300]
