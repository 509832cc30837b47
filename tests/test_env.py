"""
mllog.env: the settings that presets may read from the environment.
"""

import logging.config
import os

import pytest

import mllog
from mllog import env
from mllog.errors import ConfigError


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("MLLOG_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "text", "default", "expected"),
    [
        ("LEVEL", "debug", "INFO", "DEBUG"),
        ("DIRECTORY", "/var/log", "logs", "/var/log"),
        ("STREAM", "stdout", "stderr", "stdout"),
        ("PIPED", "json", "text", "json"),
        ("MAX_BYTES", "1KiB", 10**7, 1024),
        ("WHEN", "H", None, "H"),
        ("BACKUP_COUNT", "3", 10, 3),
        ("MAX_AGE_DAYS", "0.5", None, 0.5),
        ("COMPRESS", "yes", False, True),
        ("SYSLOG_ADDRESS", "tls://a:6514", "localhost:514", "tls://a:6514"),
        ("SYSLOG_FACILITY", "local0", "user", "local0"),
        ("SYSLOG_CA_FILE", "ca.pem", None, "ca.pem"),
        ("SPOOL", "overflow", "off", "overflow"),
        ("SPOOL_DIR", "/var/spool/app", None, "/var/spool/app"),
        ("S3_PREFIX", "a/b/", "", "a/b"),
        ("PAYLOAD_FIELDS", "image, tokens", (), ("image", "tokens")),
        ("SAMPLE_RATE", "0.1", 1.0, 0.1),
        ("OTLP_ENDPOINT", "http://c:4318", None, "http://c:4318"),
        ("OTLP_PROTOCOL", "grpc", None, "grpc"),
        ("SERVICE_NAME", "serve", None, "serve"),
        ("KAFKA_SECURITY_PROTOCOL", "SSL", None, "SSL"),
        ("KAFKA_CA_FILE", "ca.pem", None, "ca.pem"),
        ("KAFKA_SASL_MECHANISM", "PLAIN", None, "PLAIN"),
        ("KAFKA_SASL_USERNAME", "me", None, "me"),
        ("KAFKA_SASL_PASSWORD", "hunter2", None, "hunter2"),
        ("INFERENCE_SCHEMA", "hopsworks", "hopsworks-kserve", "hopsworks"),
        ("INFERENCE_MODE", "predictions", "ALL", "PREDICTIONS"),
        ("INFERENCE_ENCODING", "avro", "json", "avro"),
        ("SERVING_ID", "7", 0, 7),
        ("METRICS_PORT", "8000", 9464, 8000),
        ("METRICS_ADDRESS", "0.0.0.0", "127.0.0.1", "0.0.0.0"),
        ("TENSORBOARD_DIR", "/data/runs", "runs", "/data/runs"),
        ("RUN", "exp/7", "{start}", "exp/7"),
        ("SUMMARY_SECONDS", "10", 60.0, 10.0),
        ("DRIFT_REFERENCE", "logs/old", None, "logs/old"),
        ("EXIT_SECONDS", "0", 5.0, 0.0),
    ],
)
def test_setting_has_a_default_and_is_parsed(
    name, text, default, expected, monkeypatch
):
    """
    Each variable of the table has its default, and its own type.
    """
    assert getattr(env, name) == default

    monkeypatch.setenv(f"MLLOG_{name}", text)

    assert getattr(env, name) == expected
    assert env.SETTINGS[name].variable == f"MLLOG_{name}"
    assert env.SETTINGS[name].meaning
    assert name in dir(env)


@pytest.mark.parametrize("text", [None, ""])
def test_bucket_has_no_default_and_says_which_variable_to_set(
    text, monkeypatch
):
    """
    No name is guessed: it might be the bucket of a stranger.
    """
    if text is not None:
        monkeypatch.setenv("MLLOG_S3_BUCKET", text)

    with pytest.raises(mllog.ConfigError) as caught:
        _ = env.S3_BUCKET

    assert str(caught.value) == (
        "environment: MLLOG_S3_BUCKET is not set\n"
        "  expected: the name of a bucket\n"
        "  fix: set MLLOG_S3_BUCKET, or give s3_bucket=…"
    )
    monkeypatch.setenv("MLLOG_S3_BUCKET", "models")
    assert env.S3_BUCKET == "models"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "host:9092, some with commas"),
        ("KAFKA_TOPIC", "the name of a topic"),
    ],
)
def test_kafka_has_no_default_and_says_which_variable_to_set(
    name, expected, monkeypatch
):
    """
    No broker and no topic is guessed: they might be those of a stranger.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        getattr(env, name)

    assert str(caught.value) == (
        f"environment: MLLOG_{name} is not set\n"
        f"  expected: {expected}\n"
        f"  fix: set MLLOG_{name}, or give {name.lower()}=…"
    )
    monkeypatch.setenv(f"MLLOG_{name}", "kafka:9092")
    assert getattr(env, name) == "kafka:9092"


def test_only_the_password_is_secret():
    """
    Its value is shown nowhere; all others may be.
    """
    secret = [each.name for each in env.SETTINGS.values() if each.is_secret]

    assert secret == ["KAFKA_SASL_PASSWORD"]


def test_table_is_what_is_tested_here():
    """
    There is no other variable.
    """
    assert set(env.SETTINGS) == {
        "LEVEL",
        "DIRECTORY",
        "STREAM",
        "PIPED",
        "MAX_BYTES",
        "WHEN",
        "BACKUP_COUNT",
        "MAX_AGE_DAYS",
        "COMPRESS",
        "SYSLOG_ADDRESS",
        "SYSLOG_FACILITY",
        "SYSLOG_CA_FILE",
        "SPOOL",
        "SPOOL_DIR",
        "S3_BUCKET",
        "S3_PREFIX",
        "PAYLOAD_FIELDS",
        "SAMPLE_RATE",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_TOPIC",
        "KAFKA_SECURITY_PROTOCOL",
        "KAFKA_CA_FILE",
        "KAFKA_SASL_MECHANISM",
        "KAFKA_SASL_USERNAME",
        "KAFKA_SASL_PASSWORD",
        "OTLP_ENDPOINT",
        "OTLP_PROTOCOL",
        "SERVICE_NAME",
        "INFERENCE_SCHEMA",
        "INFERENCE_MODE",
        "INFERENCE_ENCODING",
        "SERVING_ID",
        "METRICS_PORT",
        "METRICS_ADDRESS",
        "TENSORBOARD_DIR",
        "RUN",
        "SUMMARY_SECONDS",
        "DRIFT_REFERENCE",
        "EXIT_SECONDS",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LEVEL", "loud"),
        ("DIRECTORY", ""),
        ("PIPED", "xml"),
        ("MAX_BYTES", "big"),
        ("BACKUP_COUNT", "-1"),
        ("MAX_AGE_DAYS", "0"),
        ("COMPRESS", "maybe"),
        ("SYSLOG_ADDRESS", ""),
        ("SPOOL", "on"),
        ("SAMPLE_RATE", "1.5"),
        ("SAMPLE_RATE", "-1"),
        ("SAMPLE_RATE", "often"),
        ("INFERENCE_SCHEMA", "kserve"),
        ("INFERENCE_MODE", "some"),
        ("INFERENCE_ENCODING", "xml"),
        ("SERVING_ID", "seven"),
        ("EXIT_SECONDS", "-1"),
    ],
)
def test_setting_wrong_value_names_the_variable(name, text, monkeypatch):
    """
    A value that cannot be is refused with the variable's name.
    """
    monkeypatch.setenv(f"MLLOG_{name}", text)

    with pytest.raises(mllog.ConfigError) as caught:
        getattr(env, name)

    assert str(caught.value).startswith(f"environment: MLLOG_{name}=")


def test_other_variable_cannot_be_read():
    """
    Nothing else of the environment is there.
    """
    with pytest.raises(AttributeError, match="PATH"):
        _ = env.PATH


def test_ext_in_dictconfig_is_resolved(monkeypatch):
    """
    "ext://mllog.env.LEVEL" is the setting's value.
    """
    monkeypatch.setenv("MLLOG_LEVEL", "error")
    converter = logging.config.BaseConfigurator({})

    assert converter.convert("ext://mllog.env.LEVEL") == "ERROR"


@pytest.mark.parametrize("name", sorted(env.SETTINGS))
def test_setting_of_any_text_is_a_value_or_a_config_error(monkeypatch, name):
    """
    Ours are options: what cannot work is refused with the variable's name.
    """
    setting = env.SETTINGS[name]
    for text in (
        "",
        " ",
        "odd",
        "-1",
        "1e999",
        "nan",
        "²",
        "9" * 5000,
        "a\nb",
        "[" * 99,
        "\udcff",
        "${HOME}",
        "{",
    ):
        monkeypatch.setenv(setting.variable, text)
        try:
            setting.value()
        except ConfigError as exc:
            assert setting.variable in str(exc), text
