"""
What the handler's options become for librdkafka, and what is refused.
"""

import logging.config

import pytest

pytest.importorskip("confluent_kafka")

from confluent_kafka.admin import AdminClient  # noqa: E402
from servers.certificates import Authority  # noqa: E402

from mllog.delivery.bounds import Bounds  # noqa: E402
from mllog.delivery.kafka import Producer, Settings  # noqa: E402
from mllog.delivery.kafka import settings as module  # noqa: E402
from mllog.errors import ConfigError  # noqa: E402

SECRET = "s3cr3t-of-this-test"
PLAIN = {
    "sasl_mechanism": "PLAIN",
    "sasl_username": "me",
    "sasl_password": SECRET,
}


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """
    An authority, and options with a certificate of it.
    """
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    identity = authority.identity("client")
    return {
        "ca_file": authority.cert,
        "cert_file": identity.cert,
        "key_file": identity.key,
    }


def _of(servers="h:9092", **options):
    return Settings(servers, **options)


def _made(bounds=Bounds(), **options):
    return _of(**options).producer(bounds)


# --- servers ---


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("h:9092", "h:9092"),
        ("a:1, b:2 ,", "a:1,b:2"),
        (["a:1", "b:65535"], "a:1,b:65535"),
        (("kafka-1.example.com:9092",), "kafka-1.example.com:9092"),
        ("127.0.0.1:9092", "127.0.0.1:9092"),
        ("[::1]:9092", "[::1]:9092"),
    ],
)
def test_servers_are_text_or_a_list(given, expected):
    """
    Either way they are what librdkafka is given.
    """
    settings = _of(given)

    assert expected == settings.servers
    assert expected == settings.client["bootstrap.servers"]
    assert expected == settings.producer(Bounds())["bootstrap.servers"]


@pytest.mark.parametrize(
    "given",
    [
        *(None, "", [], (), " , ", 5, {"h": 1}, [5], ["a:1", ""]),
        *("h", "h:", ":9092", "h:x", "h:0", "h:65536", "h:-1", "h:٣"),
        *("h:9092/x", "kafka://h:9092", "SASL_PLAINTEXT://h:9092"),
        *(f"me:{SECRET}@h:9092", "a b:1", "h:1;g:2", ["a:1,b"]),
    ],
)
def test_servers_that_are_none_are_refused(given):
    """
    The error names the option, and never shows a password.
    """
    with pytest.raises(ConfigError, match="bootstrap_servers") as caught:
        _of(given)

    assert SECRET not in str(caught.value)


# --- how to connect ---


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "PLAINTEXT"),
        ({"security_protocol": ""}, "PLAINTEXT"),
        ({"security_protocol": "ssl"}, "SSL"),
        ({"security_protocol": "SSL"}, "SSL"),
        (PLAIN, "SASL_SSL"),
        ({**PLAIN, "security_protocol": "SASL_SSL"}, "SASL_SSL"),
    ],
)
def test_protocol_is_what_the_options_ask_for(options, expected):
    """
    Without a word it is PLAINTEXT, and with a password always TLS.
    """
    assert expected == _of(**options).client["security.protocol"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"security_protocol": "SASL_PLAINTEXT"}, "for everybody to read"),
        (
            {**PLAIN, "security_protocol": "SASL_PLAINTEXT"},
            "for everybody to read",
        ),
        (
            {**PLAIN, "security_protocol": "sasl_plaintext"},
            "for everybody to read",
        ),
        ({**PLAIN, "security_protocol": "PLAINTEXT"}, "for everybody to read"),
        ({**PLAIN, "security_protocol": "SSL"}, "expected: SASL_SSL"),
        ({"security_protocol": "SASL_SSL"}, "sasl_mechanism"),
        ({"security_protocol": "TLS"}, "one of PLAINTEXT, SSL, SASL_SSL"),
        ({"security_protocol": 5}, "one of PLAINTEXT, SSL, SASL_SSL"),
        ({"sasl_username": "me"}, "sasl_mechanism"),
        ({"sasl_password": SECRET}, "sasl_mechanism"),
        ({"sasl_mechanism": "PLAIN"}, "sasl_username and sasl_password"),
        (
            {"sasl_mechanism": "scram-sha-512", "sasl_username": "me"},
            "sasl_username and sasl_password",
        ),
        (
            {"sasl_mechanism": "PLAIN", "sasl_password": SECRET},
            "sasl_username and sasl_password",
        ),
        ({"sasl_mechanism": 5}, "sasl_mechanism=5"),
    ],
)
def test_passwords_without_tls_and_halves_are_refused(options, match):
    """
    The error says what is missing, and never shows a password.
    """
    with pytest.raises(ConfigError, match=match) as caught:
        _of(**options)

    assert SECRET not in str(caught.value)


def test_tls_options_mean_tls(pki):
    """
    Files become librdkafka's, for records and for topics alike.
    """
    settings = _of(**pki, key_password=SECRET)
    expected = {
        "security.protocol": "SSL",
        "ssl.ca.location": pki["ca_file"],
        "ssl.certificate.location": pki["cert_file"],
        "ssl.key.location": pki["key_file"],
        "ssl.key.password": SECRET,
    }

    assert expected.items() <= settings.client.items()
    assert expected.items() <= settings.producer(Bounds()).items()


def test_tls_options_of_nothing_are_none(pki):
    """
    Presets give "" for what the environment does not say.
    """
    nothing = dict.fromkeys(
        (*pki, "key_password", "sasl_mechanism", "sasl_username"), ""
    )

    assert "PLAINTEXT" == _of(**nothing).client["security.protocol"]


@pytest.mark.parametrize("option", ["ca_file", "cert_file", "key_file"])
def test_file_that_is_not_there_is_named(option, pki):
    """
    The constructor says so, not the first connection.
    """
    with pytest.raises(ConfigError, match=f"{option}='/no/such.pem'"):
        _of(**{**pki, option: "/no/such.pem"})


@pytest.mark.parametrize("option", ["cert_file", "key_file"])
def test_certificate_and_key_belong_together(option, pki):
    """
    One without the other is an error.
    """
    with pytest.raises(ConfigError, match="belong together"):
        _of(**{option: pki[option]})


def test_plaintext_with_tls_options_is_refused(pki):
    """
    They would be ignored.
    """
    with pytest.raises(ConfigError, match="expected: SSL"):
        _of(**pki, security_protocol="PLAINTEXT")


def test_file_that_is_no_certificate_is_refused(tmp_path):
    """
    librdkafka looks at it before there is a connection.
    """
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(ConfigError, match="librdkafka refuses"):
        Producer(_made(ca_file=str(path)), "t").check()


def test_sasl_options_are_librdkafkas():
    """
    The mechanism is written as brokers write it.
    """
    client = _of(**{**PLAIN, "sasl_mechanism": "scram-sha-256"}).client

    assert "SCRAM-SHA-256" == client["sasl.mechanism"]
    assert ("me", SECRET) == (client["sasl.username"], client["sasl.password"])


# --- the producer ---


def test_producer_stores_each_record_once_and_on_all_replicas():
    """
    acks=all and idempotence, and reports for what is not delivered.
    """
    found = _made()

    assert "all" == found["acks"]
    assert found["enable.idempotence"] is True
    assert found["delivery.report.only.error"] is True
    assert "lz4" == found["compression.type"]
    assert 0 == found["log_level"]


def test_bounds_are_those_of_librdkafkas_queue():
    """
    What the handler promises of its queue holds for librdkafka's.
    """
    found = _made(
        Bounds(
            max_queue_records=123,
            max_queue_bytes=10 * 2**20,
            max_record_bytes=2 * 10**6,
            linger_seconds=0.25,
            max_age_seconds=1.5,
        )
    )

    assert 123 == found["queue.buffering.max.messages"]
    assert 10 * 2**20 <= 1024 * found["queue.buffering.max.kbytes"] < 11e6
    assert 2 * 10**6 < found["message.max.bytes"] < 2.2e6
    assert 250 == found["linger.ms"]
    assert 1500 == found["message.timeout.ms"]
    assert found["batch.size"] <= found["message.max.bytes"]


def test_record_as_large_as_the_queue_has_room():
    """
    Rounding to KiB never takes room away.
    """
    found = _made(Bounds(max_queue_bytes=2000, max_record_bytes=1900))

    assert 1024 * found["queue.buffering.max.kbytes"] >= 2000


def test_messages_without_an_age_never_time_out():
    """
    With a spool nothing grows too old.
    """
    assert 0 == _made(Bounds(max_age_seconds=None))["message.timeout.ms"]


@pytest.mark.parametrize("codec", module.COMPRESSIONS)
def test_compression_is_one_that_librdkafka_has(codec):
    """
    Each of them is taken by the client that is installed.
    """
    Producer(_made(compression=codec), "t").check()


@pytest.mark.parametrize("codec", ["LZ4", "brotli", "", None, 5])
def test_compression_that_is_none_is_refused(codec):
    """
    The error lists those there are.
    """
    with pytest.raises(ConfigError, match="lz4, zstd, gzip, snappy, none"):
        _of(compression=codec)


@pytest.mark.parametrize(
    "options",
    [
        {},
        PLAIN,
        {"security_protocol": "SSL"},
        {"producer_config": {"socket.keepalive.enable": True}},
    ],
)
def test_settings_are_taken_by_clients_of_records_and_of_topics(options):
    """
    librdkafka knows each of them, and takes its value.
    """
    settings = _of("127.0.0.1:1", **options)
    Producer(settings.producer(Bounds()), "t").check()
    AdminClient({**settings.client, "bootstrap.servers": ""})


# --- producer_config ---


def test_further_settings_go_to_the_producer():
    """
    What mllog has no option for is given as it is.
    """
    found = _made(
        producer_config={
            "batch.num.messages": 5,
            "partitioner": "murmur2",
            "batch.size": "1000",
            "client.id": "my-service",
        }
    )

    assert (5, "murmur2") == (
        found["batch.num.messages"],
        found["partitioner"],
    )
    assert (1000, "my-service") == (
        int(found["batch.size"]),
        found["client.id"],
    )


def test_further_settings_of_connections_go_to_all_clients():
    """
    Those of batches do not: a client of topics does not know them.
    """
    client = _of(
        producer_config={
            "socket.keepalive.enable": True,
            "broker.address.family": "v4",
            "ssl.cipher.suites": "DEFAULT",
            "batch.num.messages": 5,
        }
    ).client

    assert client["socket.keepalive.enable"] is True
    assert "v4" == client["broker.address.family"]
    assert "batch.num.messages" not in client


@pytest.mark.parametrize("name", sorted(module._NOT_TO_BE_SET))
def test_further_setting_that_breaks_a_promise_is_refused(name):
    """
    The error names it and says what to do; never its value.
    """
    with pytest.raises(ConfigError, match="fix: (use|leave it out)") as caught:
        _of(producer_config={name: SECRET})

    assert name in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "plugin.library.paths",
        "sasl.kerberos.kinit.cmd",
        "ssl.engine.location",
        "ssl.providers",
        "enable.ssl.certificate.verification",
        "ssl.endpoint.identification.algorithm",
    ],
)
def test_further_setting_that_runs_code_or_trusts_all_is_refused(name):
    """
    A preset is data, and TLS is verified.
    """
    with pytest.raises(ConfigError, match=name):
        _of(producer_config={name: "none"})


@pytest.mark.parametrize(
    "config",
    [
        {"batch.size": "1MB"},
        {"batch.size": "many"},
        {"no.such.setting": 1},
        {"partitioner": "none-such"},
        {"max.in.flight": 10},
        {"retries": 0},
        {"ssl.key.pem": [SECRET]},
        {"sasl.oauthbearer.client.secret": None},
        {"ssl_key_password": SECRET},
        {"SASL.password": SECRET},
        {"debug": {}},
        {5: 6},
        "linger.ms=5",
        [("a", "b")],
    ],
)
def test_further_settings_that_cannot_work_are_refused(config):
    """
    By a ConfigError in the constructor, without what may be a secret.
    """
    with pytest.raises(ConfigError) as caught:
        Producer(_made(producer_config=config), "t").check()

    assert SECRET not in str(caught.value)


def test_further_settings_of_dictconfig_are_resolved():
    """
    A ConvertingDict gives its ext:// values.
    """
    configurator = logging.config.DictConfigurator({"version": 1})
    given = logging.config.ConvertingDict(
        {"client.id": "ext://logging.BASIC_FORMAT"}
    )
    given.configurator = configurator

    assert logging.BASIC_FORMAT == _made(producer_config=given)["client.id"]


def test_further_settings_are_copied():
    """
    What the caller does with its mapping later changes nothing.
    """
    given = {"client.id": "a"}
    settings = _of(producer_config=given)
    given["client.id"] = "b"

    assert "a" == settings.client["client.id"]
    settings.producer(Bounds())["client.id"] = "c"
    assert "a" == settings.producer(Bounds())["client.id"]
