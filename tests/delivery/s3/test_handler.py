"""
The options that all handlers of objects share: what is refused, and how.
"""

import sys

import pytest
from storing import PATH_STYLE, SECRET, credentials

import mllog
from mllog.errors import ConfigError, MissingPackageError
from mllog.handlers.s3 import S3Handler
from mllog.handlers.s3_payload import S3PayloadHandler

__all__ = ["credentials"]


@pytest.fixture(params=[S3Handler, S3PayloadHandler])
def kind(request, credentials):
    return request.param


@pytest.mark.parametrize("bucket", ["", None])
def test_handler_without_a_bucket_says_where_to_give_it(kind, bucket):
    """
    A preset whose setting is empty names the variable.
    """
    with pytest.raises(ConfigError) as caught:
        kind(bucket)

    assert str(caught.value) == (
        f"{kind.__name__}: bucket is empty\n"
        "  expected: the name of a bucket\n"
        "  fix: give bucket=…, or set MLLOG_S3_BUCKET for a preset"
    )


def test_handler_without_any_argument_says_what_is_missing(kind):
    """
    By the name of the option.
    """
    with pytest.raises(ConfigError, match="bucket"):
        kind()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"bucket": "s3://logs/a"}, "give the rest of the URL as prefix"),
        ({"bucket": "a b"}, "the name of a bucket"),
        ({"prefix": "a/../b"}, "prefix='a/../b'"),
        ({"endpoint_url": "localhost:9000"}, "https://s3.example.com"),
        ({"client_config": {"retires": 1}}, "botocore.config.Config"),
        ({"client_config": "x"}, "client_config='x'"),
        ({"compression": "gzp"}, "fix: write gzip"),
        ({"create_only": "maybe"}, "create_only='maybe'"),
        ({"server_side_encryption": "KMS"}, "AES256, aws:kms"),
        ({"kms_key_id": "k"}, 'server_side_encryption="aws:kms"'),
        ({"tags": "a=b"}, "tags='a=b'"),
        ({"metadata": {"a": "ü"}}, "printable ASCII"),
        ({"parallel_uploads": 0}, "1 or more"),
        ({"connect_timeout_seconds": 0}, "connect_timeout_seconds=0"),
        ({"linger_seconds": "soon"}, "linger_seconds='soon'"),
        ({"batch_bytes": "8 elephants"}, "batch_bytes="),
        ({"max_queue_bytes": "x"}, "max_queue_bytes='x'"),
        ({"spool": "always"}, "spool_dir"),
        ({"buckte": "x"}, "fix: write bucket"),
        ({"endpoint": "http://x"}, "fix: write endpoint_url"),
    ],
)
def test_handler_option_that_cannot_work_is_refused(kind, given, text):
    """
    The error names the handler, the option, and what would be right.
    """
    with pytest.raises(ConfigError) as caught:
        kind(**{"bucket": "logs", **given})

    assert text in str(caught.value)
    assert str(caught.value).startswith(f"{kind.__name__}: ")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"compression_level": 9}, "0 to 3 for gzip"),
        (
            {"compression": "none", "compression_level": 1},
            "without compression",
        ),
        ({"key_template": "{user}"}, 'fix: add key_fields=["user"]'),
        ({"key_fields": ["a"]}, "key_template does not use a"),
        ({"key_fields": 5}, "key_fields=5"),
    ],
)
def test_s3_option_that_cannot_work_is_refused(credentials, given, text):
    """
    Those that S3Handler alone has.
    """
    with pytest.raises(ConfigError) as caught:
        S3Handler("logs", **given)

    assert text in str(caught.value)
    assert str(caught.value).startswith("S3Handler: ")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"payload_fields": 5}, "payload_fields=5"),
        ({"max_payload_bytes": "big"}, "max_payload_bytes='big'"),
        ({"sampling": "0.1"}, "sampling='0.1'"),
        ({"sampling": {"rate": 2}}, "rate=2"),
        ({"sampling": {"rat": 0.1}}, "fix: write rate"),
        ({"sampling": {"rate": 0.1, "every": 5}}, "exactly one of"),
    ],
)
def test_payload_option_that_cannot_work_is_refused(credentials, given, text):
    """
    Those that S3PayloadHandler alone has.
    """
    with pytest.raises(ConfigError) as caught:
        S3PayloadHandler("logs", **given)

    assert text in str(caught.value)


def test_handler_takes_the_text_of_an_ini_file(kind):
    """
    Numbers, sizes, names and truths as text; nothing for nothing.
    """
    handler = kind(
        "logs",
        "",
        create_only="no",
        storage_class="",
        server_side_encryption="",
        kms_key_id="",
        endpoint_url="",
        region="",
        profile="",
        connect_timeout_seconds="2.5",
        parallel_uploads="3",
        batch_records="100",
        batch_bytes="1MiB",
        linger_seconds="0.5",
        max_queue_bytes="4MiB",
        max_queue_records="1000",
        max_age_seconds="",
        spool="off",
        spool_dir="",
    )

    assert "s3://logs" in repr(handler)
    assert not handler._store.create_only
    assert 3 == handler._at_once
    handler.close()


def test_handler_without_boto3_names_the_extra(kind, monkeypatch):
    """
    An ImportError of the constructor, with what to install.
    """
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(ImportError) as caught:
        kind("logs")

    assert isinstance(caught.value, MissingPackageError)
    assert "pip install 'mllog-handlers[s3]'" in str(caught.value)


def test_handler_without_boto3_and_with_a_wrong_option_says_the_option(
    kind, monkeypatch
):
    """
    What is wrong in any case comes first.
    """
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(ConfigError):
        kind("logs", parallel_uploads=0)


def test_handler_needs_no_server_and_no_credentials_to_be_made(
    kind, monkeypatch
):
    """
    Neither is looked for before the first record.
    """
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    handler = kind(
        "logs",
        endpoint_url="http://127.0.0.1:9",
        client_config=PATH_STYLE,
        profile="nobody",
    )

    handler.close()
    assert 0 == handler.stats().accepted


def test_handler_shows_no_secret(kind):
    """
    Its repr has the location and the level.
    """
    handler = kind("logs", "a/b", endpoint_url="http://127.0.0.1:9")

    assert f"<{kind.__name__} s3://logs/a/b (NOTSET)>" == repr(handler)
    assert SECRET not in repr(vars(handler))
    handler.close()


def test_handlers_are_names_of_mllog(kind):
    """
    Each by its home and by ``mllog``.
    """
    assert kind is getattr(mllog, kind.__name__)
