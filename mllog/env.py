"""
Settings from the environment, for ``"ext://mllog.env.NAME"`` in presets.

The table is fixed: a preset can read these variables and no others.  A value
is read and checked each time its name is used, so a preset sees the
environment of the process that applies it.

    >>> import os, mllog.env
    >>> os.environ["MLLOG_LEVEL"] = "debug"
    >>> mllog.env.LEVEL
    'DEBUG'
    >>> del os.environ["MLLOG_LEVEL"]
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import options
from .errors import ConfigError, shown

__all__ = ["SETTINGS", "Setting", "odd_sizes"]

_HIGHEST_PORT = 65535
_SIZE = re.compile(r"[1-9][0-9]{0,4}")


def _whole(option: str, value: Any) -> int:
    return options.integer(option, value)


def _days(option: str, value: Any) -> float | None:
    return None if value in ("", None) else options.number(option, value)


def _seconds(option: str, value: Any) -> float:
    return options.number(option, value, above=-1)


def _piped(option: str, value: Any) -> str:
    return options.choice(option, value, ("json", "text"))


def _schedule(_option: str, value: Any) -> str | None:
    return value or None


def _path(_option: str, value: Any) -> str | None:
    return value or None


def _spool(option: str, value: Any) -> str:
    return options.choice(option, value, ("off", "overflow", "always"))


def _bucket(option: str, value: Any) -> str:
    return _needed(option, value, "the name of a bucket")


def _servers(option: str, value: Any) -> str:
    return _needed(option, value, "host:9092, some with commas")


def _topic(option: str, value: Any) -> str:
    return _needed(option, value, "the name of a topic")


def _needed(option: str, value: Any, expected: str) -> str:
    if value:
        return str(value)
    # no default: whoever guessed one would send records to a stranger
    raise ConfigError(
        f"{option} is not set",
        expected=expected,
        fix=f"set {option}, or give {option[len('MLLOG_') :].lower()}=…",
    )


def _word(_option: str, value: Any) -> str | None:
    return value or None


def _schema(option: str, value: Any) -> str:
    return options.choice(
        option, value, ("hopsworks-kserve", "hopsworks", "cloudevents")
    )


def _mode(option: str, value: Any) -> str:
    modes = ("ALL", "MODEL_INPUTS", "PREDICTIONS", "NONE")
    return options.choice(option, str(value).upper(), modes)


def _encoding(option: str, value: Any) -> str:
    return options.choice(option, value, ("json", "avro"))


def _prefix(_option: str, value: Any) -> str:
    return str(value).strip("/")


def _port(option: str, value: Any) -> int:
    port = options.integer(option, value)
    if port > _HIGHEST_PORT:
        raise ConfigError(shown(option, value), expected="a port, 0 to 65535")
    return port


def _run(_option: str, value: Any) -> str:
    return str(value)


def _share(option: str, value: Any) -> float:
    try:
        share = options.number(option, value, above=-1)
    except ConfigError:
        share = -1
    if not 0 <= share <= 1:
        raise ConfigError(shown(option, value), expected="a number, 0 to 1")
    return share


@dataclass(frozen=True)
class Setting:
    """
    One variable that presets may read.

    Args:
        name: Its name in ``mllog.env`` and as a setting of presets.

        default: What holds when ``MLLOG_<NAME>`` is not set, as text.

        parse: Option name and text to value.

        meaning: One line for ``mllog presets show``.

        is_secret: Whether its value is never shown.
    """

    name: str
    default: str
    parse: Callable[[str, Any], Any]
    meaning: str
    is_secret: bool = False

    @property
    def variable(self) -> str:
        """
        The environment variable.
        """
        return f"MLLOG_{self.name}"

    def value(self) -> Any:
        """
        The value in force.

        Raises:
            ConfigError: The variable holds something else.
        """
        found = os.environ.get(self.variable, self.default)
        try:
            return self.parse(self.variable, found)
        except ConfigError as exc:
            exc.owner = "environment"
            raise


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "LEVEL", "INFO", options.level, "lowest level of the root logger"
        ),
        Setting("DIRECTORY", "logs", options.text, "folder of the files"),
        Setting("STREAM", "stderr", options.text, "console: stderr or stdout"),
        Setting(
            "PIPED",
            "text",
            _piped,
            "console when not a terminal: text or json",
        ),
        Setting(
            "MAX_BYTES", "10MB", options.size, "size at which a file rotates"
        ),
        Setting(
            "WHEN",
            "",
            _schedule,
            "time at which a file rotates: H, D, MIDNIGHT",
        ),
        Setting(
            "BACKUP_COUNT", "10", _whole, "rotated files to keep; 0 keeps all"
        ),
        Setting(
            "MAX_AGE_DAYS", "", _days, "age at which rotated files are deleted"
        ),
        Setting("COMPRESS", "false", options.boolean, "gzip rotated files"),
        Setting(
            "SYSLOG_ADDRESS",
            "localhost:514",
            options.text,
            "syslog server: host:514 (UDP), tcp://host:514, tls://host:6514",
        ),
        Setting("SYSLOG_FACILITY", "user", options.text, "facility of syslog"),
        Setting(
            "SYSLOG_CA_FILE",
            "",
            _path,
            "authorities that sign the server's certificate, as a PEM file",
        ),
        Setting(
            "SPOOL",
            "off",
            _spool,
            "what goes to disk before it is sent: off, overflow, always",
        ),
        Setting("SPOOL_DIR", "", _path, "folder of the spool"),
        Setting("S3_BUCKET", "", _bucket, "bucket; it has to be set"),
        Setting("S3_PREFIX", "", _prefix, "what the keys in it begin with"),
        Setting(
            "PAYLOAD_FIELDS",
            "",
            options.names,
            "fields whose values are stored: image, tokens",
        ),
        Setting(
            "SAMPLE_RATE",
            "1",
            _share,
            "share of the requests whose payloads are stored, 0 to 1",
        ),
        Setting(
            "KAFKA_BOOTSTRAP_SERVERS",
            "",
            _servers,
            "brokers, as host:9092; it has to be set",
        ),
        Setting(
            "KAFKA_TOPIC",
            "",
            _topic,
            "topic; it has to be set; NONE sends nothing",
        ),
        Setting(
            "KAFKA_SECURITY_PROTOCOL",
            "",
            _word,
            "PLAINTEXT, SSL or SASL_SSL; empty is what the others ask for",
        ),
        Setting(
            "KAFKA_CA_FILE",
            "",
            _path,
            "authorities that sign the brokers' certificates, as a PEM file",
        ),
        Setting(
            "KAFKA_SASL_MECHANISM",
            "",
            _word,
            "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
        ),
        Setting("KAFKA_SASL_USERNAME", "", _word, "who we are to the brokers"),
        Setting(
            "KAFKA_SASL_PASSWORD",
            "",
            _word,
            "how we prove it; only sent over TLS, and never shown",
            is_secret=True,
        ),
        Setting(
            "OTLP_ENDPOINT",
            "",
            _word,
            "collector of OpenTelemetry, as http://host:4318; empty is what"
            " OTEL_EXPORTER_OTLP_ENDPOINT says, or this machine",
        ),
        Setting(
            "OTLP_PROTOCOL",
            "",
            _word,
            "http/protobuf or grpc; empty is what OTEL_EXPORTER_OTLP_PROTOCOL"
            " says, or the former",
        ),
        Setting(
            "SERVICE_NAME",
            "",
            _word,
            "what logs, to OpenTelemetry; empty is what OTEL_SERVICE_NAME"
            " says, or unknown_service",
        ),
        Setting(
            "INFERENCE_SCHEMA",
            "hopsworks-kserve",
            _schema,
            "events of inferences: hopsworks-kserve, hopsworks, cloudevents",
        ),
        Setting(
            "INFERENCE_MODE",
            "ALL",
            _mode,
            "what they hold: ALL, MODEL_INPUTS, PREDICTIONS, NONE",
        ),
        Setting("INFERENCE_ENCODING", "json", _encoding, "json or avro"),
        Setting(
            "SERVING_ID",
            "0",
            _whole,
            "number of the deployment, in events of Hopsworks",
        ),
        Setting(
            "METRICS_PORT",
            "9464",
            _port,
            "port where Prometheus finds /metrics",
        ),
        Setting(
            "METRICS_ADDRESS",
            "127.0.0.1",
            options.text,
            "address of that port; 0.0.0.0 for scrapers on other machines",
        ),
        Setting(
            "TENSORBOARD_DIR",
            "runs",
            options.text,
            "folder that TensorBoard is given",
        ),
        Setting(
            "RUN",
            "{start}",
            _run,
            "folder of this run in it: {start}, {host}, {pid} or your own",
        ),
        Setting(
            "SUMMARY_SECONDS",
            "60",
            options.number,
            "time from one summary to the next",
        ),
        Setting(
            "DRIFT_REFERENCE",
            "",
            _path,
            "earlier logs to compare with; else the first values",
        ),
        Setting(
            "EXIT_SECONDS",
            "5",
            _seconds,
            "time that all handlers have together at the exit",
        ),
    )
}


def odd_sizes(environ: Mapping[str, str]) -> list[str]:
    """
    The variables of *environ* that are no size of a terminal.

    Rich takes any digit for one of a number, and any number for a size.
    """
    return [
        name
        for name in ("COLUMNS", "LINES", "JUPYTER_COLUMNS", "JUPYTER_LINES")
        if name in environ and not _SIZE.fullmatch(environ[name])
    ]


def __getattr__(name: str) -> Any:
    if name in SETTINGS:
        return SETTINGS[name].value()
    raise AttributeError(f"module {__name__!r} has no setting {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *SETTINGS]
