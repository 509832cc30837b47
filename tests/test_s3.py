"""
Locations and clients: what is refused, and what a client does and tells.
"""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.faulty_s3 import FaultyS3
from storing import PATH_STYLE, SECRET, credentials, server

from mllog.errors import ConfigError, MissingPackageError
from mllog.s3 import Access, Location, load_boto3

__all__ = ["credentials", "server"]


# --- locations ---


@pytest.mark.parametrize(
    ("bucket", "prefix", "uri"),
    [
        ("logs", "", "s3://logs"),
        ("logs", None, "s3://logs"),
        ("logs", "/", "s3://logs"),
        ("logs", "serve", "s3://logs/serve"),
        ("logs", "/serve/v1/", "s3://logs/serve/v1"),
        ("my.logs-1_x", "a b/ü=1", "s3://my.logs-1_x/a b/ü=1"),
    ],
)
def test_location_of_bucket_and_prefix_has_no_outer_slashes(
    bucket, prefix, uri
):
    """
    However the prefix is written, keys begin with it and one slash.
    """
    location = Location.of(bucket, prefix)

    assert uri == str(location)
    assert location == Location.parse(uri)


def test_location_of_an_access_point_is_its_arn():
    """
    An ARN is as good as a name.
    """
    arn = "arn:aws:s3:eu-north-1:123456789012:accesspoint/logs"

    assert (arn, "a") == Location.of(arn, "a")


@pytest.mark.parametrize(
    "bucket",
    [
        "",
        None,
        "a",
        "-logs",
        "lo gs",
        "logs/serve",
        "logs\n",
        "ü" * 3,
        "x" * 256,
    ],
)
def test_location_without_a_possible_bucket_is_refused(bucket):
    """
    The error names the option and what was given.
    """
    with pytest.raises(ConfigError, match="expected: the name of a bucket"):
        Location.of(bucket)


def test_location_of_a_url_as_bucket_says_where_the_rest_belongs():
    """
    Whoever gives ``s3://logs/serve`` learns what to write.
    """
    with pytest.raises(ConfigError) as caught:
        Location.of("s3://logs/serve")

    assert str(caught.value) == (
        "bucket='s3://logs/serve'\n"
        "  expected: the name of a bucket\n"
        "  fix: give the rest of the URL as prefix"
    )


@pytest.mark.parametrize(
    "prefix",
    [
        "..",
        "a/../b",
        "../a",
        "a\nb",
        "a\x00b",
        "a\x7f",
        "a" * 513,
        "ü" * 257,
        pytest.param("a\ud800"),
    ],
)
def test_location_with_a_prefix_that_cannot_be_is_refused(prefix):
    """
    No way up, no control character, nothing that leaves no room for a key,
    nothing that cannot be sent.
    """
    with pytest.raises(ConfigError, match="prefix="):
        Location.of("logs", prefix)


@pytest.mark.parametrize("prefix", ["a..b", "...", "a" * 512, "ü" * 256])
def test_location_with_an_odd_prefix_works(prefix):
    """
    Two dots are a way up only between slashes, and 512 bytes fit.
    """
    assert prefix == Location.of("logs", prefix).key


@pytest.mark.parametrize(
    "uri",
    ["", "logs", "s3:/logs", "s3://", "s3:///a", "S3://logs", "gs://logs/a"],
)
def test_location_of_what_is_no_uri_is_refused(uri):
    """
    The error shows what one looks like.
    """
    with pytest.raises(ConfigError, match="expected: s3://bucket or"):
        Location.parse(uri)


@given(
    key=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40
    )
)
def test_location_is_what_its_uri_says(key):
    """
    ``str`` and ``parse`` undo each other.
    """
    location = Location("logs", key.strip("/"))

    assert location == Location.parse(str(location)) or key.endswith("/")


# --- how to get there ---


@pytest.mark.parametrize("package", ["boto3"])
def test_boto3_that_is_missing_names_the_extra(monkeypatch, package):
    """
    The error says what to install, and is an ImportError.
    """
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingPackageError) as caught:
        load_boto3()

    assert isinstance(caught.value, ImportError)
    assert "fix: pip install 'mllog-handlers[s3]'" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["localhost:9000", "s3.example.com", "ftp://x", "http://", "http:///x"],
)
def test_endpoint_without_a_scheme_is_refused(url):
    """
    The error shows a URL as it should be.
    """
    with pytest.raises(ConfigError, match="such as https://s3.example.com"):
        Access(url)


@pytest.mark.parametrize("nothing", [None, ""])
def test_access_takes_nothing_for_nothing(nothing):
    """
    Empty text, as an INI file has it, is what boto3's chain says.
    """
    Access(nothing, nothing, nothing, None).check()


@pytest.mark.parametrize("config", [{"retires": {}}, {"s3": 5}])
def test_client_config_that_botocore_refuses_is_refused(config):
    """
    What its Config does not take is said when the handler is made.
    """
    with pytest.raises(ConfigError, match="botocore.config.Config"):
        Access(client_config=config).check()


@pytest.mark.parametrize("config", ["a", 5, [("a", 1)], {1: 2}])
def test_client_config_that_is_no_mapping_is_refused(config):
    """
    The error names the option.
    """
    with pytest.raises(ConfigError, match="client_config="):
        Access(client_config=config)


def put(client, key="key"):
    client.put_object(Bucket="logs", Key=key, Body=b"x")


def test_client_tries_nothing_twice(server, monkeypatch):
    """
    Not even where the environment asks for it: only a worker knows whether an
    object may be there already.
    """
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    client = Access(server.url, client_config=PATH_STYLE).client()

    for fault in ("internal_error_after", "slow_down", "reset"):
        before = len(server.attempts)
        server.script(fault)
        with pytest.raises(Exception):
            put(client)
        assert len(server.attempts) == before + 1


def test_client_config_cannot_bring_retries_back(server):
    """
    Retries inside the client are refused, or do not happen.
    """
    config = {**PATH_STYLE, "retries": {"max_attempts": 3}}
    try:
        access = Access(server.url, client_config=config)
        access.check()
    except ConfigError:
        return
    server.script("internal_error_after")

    with pytest.raises(Exception, match="InternalError"):
        put(access.client())

    assert len(server.attempts) == 1


def test_client_says_who_it_is_and_keeps_what_config_adds(server):
    """
    Servers' logs have mllog's name; the addressing style is the one asked for.
    """
    put(Access(server.url, client_config=PATH_STYLE).client())

    (attempt,) = server.attempts
    assert "mllog" in attempt.headers["user-agent"]
    assert ("logs", "key") == (attempt.bucket, attempt.key)


def test_client_finds_its_endpoint_in_the_environment(server, monkeypatch):
    """
    ``AWS_ENDPOINT_URL`` counts where no endpoint is given.
    """
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)

    put(Access(client_config=PATH_STYLE).client())

    assert b"x" == server.objects["logs", "key"]


def test_client_signs_for_the_region_given(server):
    """
    The region is in the signature's scope.
    """
    put(Access(server.url, "eu-north-1", None, PATH_STYLE).client())

    assert "/eu-north-1/s3/" in server.attempts[0].headers["authorization"]


def test_client_signs_with_the_profile_given(server, monkeypatch, tmp_path):
    """
    Credentials of ``[profile]`` in ``~/.aws``.
    """
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    path = tmp_path / "credentials"
    path.write_text(
        "[ml]\naws_access_key_id = AKIDOFML\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))

    put(Access(server.url, None, "ml", PATH_STYLE).client())

    assert "AKIDOFML/" in server.attempts[0].headers["authorization"]


def test_client_of_an_unknown_profile_is_refused_by_boto3(credentials):
    """
    A worker finds out, not a constructor: the file may come later.
    """
    access = Access(profile="nobody")
    access.check()

    with pytest.raises(Exception, match="nobody"):
        access.client()


def test_client_waits_no_longer_than_it_is_told(server):
    """
    An answer that does not come ends after *read_timeout*.
    """
    server.script("silence")
    client = Access(server.url, client_config=PATH_STYLE).client(
        read_timeout=0.2
    )

    with pytest.raises(Exception, match="Read timeout"):
        put(client)


def test_access_shows_no_credentials(credentials):
    """
    Its repr has the endpoint alone.
    """
    access = Access("http://localhost:9000", profile="p")

    assert "Access(http://localhost:9000)" == repr(access)
    assert "Access(Amazon)" == repr(Access())
    assert SECRET not in repr(vars(access))


def test_password_in_an_endpoint_is_never_shown(server):
    """
    Such a URL is refused without being repeated, or shown without password.
    """
    try:
        text = repr(Access("http://user:hunter2@localhost:9000"))
    except ConfigError as exc:
        text = str(exc)

    assert "hunter2" not in text


def test_password_of_a_proxy_is_never_shown():
    """
    What is wrong with *client_config* is said without its values.
    """
    config = {"proxies": {"https": "http://u:hunter2@proxy"}, "retires": 1}

    with pytest.raises(ConfigError) as caught:
        Access(client_config=config).check()

    assert "hunter2" not in str(caught.value)
    assert "retires" in str(caught.value)


def test_server_is_a_faulty_one(server):
    """
    The look-alike that these tests use does not check who asks.
    """
    assert isinstance(server, FaultyS3)
