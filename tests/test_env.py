"""
mllog.env: the settings that presets may read from the environment.
"""

import logging.config
import os

import pytest

import mllog
from mllog import env


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
        ("METRICS_PORT", "8000", 9464, 8000),
        ("METRICS_ADDRESS", "0.0.0.0", "127.0.0.1", "0.0.0.0"),
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
        "METRICS_PORT",
        "METRICS_ADDRESS",
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
