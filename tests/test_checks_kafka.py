"""
What ``mllog.config.check`` finds in configurations that publish to Kafka.
"""

from __future__ import annotations

import logging.config
import socket
import subprocess
import sys

import pytest

import mllog
from mllog import config

KAFKA = {
    "class": "mllog.KafkaHandler",
    "bootstrap_servers": "kafka:9092",
    "topic": "records",
}
REGISTRY = {"url": "https://registry:8081"}
SASL = {
    "sasl_mechanism": "PLAIN",
    "sasl_username": "me",
    "sasl_password": "hunter2",
}


def make(handler, formatter=None, **more):
    """
    A configuration with one handler *h* on the root, and formatter *f* for it.
    """
    made = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"h": handler},
        "root": {"handlers": ["h"]},
        **more,
    }
    if formatter is not None:
        made["handlers"]["h"] = {**handler, "formatter": "f"}
        given = {"()": "mllog.InferenceFormatter", **formatter}
        made["formatters"] = {"f": given}
    return made


def only(found):
    """
    The one finding there is.
    """
    assert len(found) == 1, list(map(str, found))
    return found[0]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("bootstrap_servers", "", "MLLOG_KAFKA_BOOTSTRAP_SERVERS"),
        ("bootstrap_servers", "kafka", 'write "host:port"'),
        ("topic", "", "MLLOG_KAFKA_TOPIC"),
        ("topic", "CREATE", 'create_topic={"num_partitions": 1'),
        ("topic", "my topic", "A-Z a-z 0-9"),
        ("create_topic", {"num_partitions": 0}, "1 or more"),
        ("create_topic", {"partitions": 1}, "write num_partitions"),
        ("create_topic", "yes", "a mapping"),
        ("overflow", "drop_oldest", 'write "drop_newest"'),
        ("overflow", "drop", "drop_newest"),
        ("compression", "lz5", "write lz4"),
        ("security_protocol", "SASL_PLAINTEXT", "TLS port"),
        ("security_protocol", "TLS", "PLAINTEXT, SSL, SASL_SSL"),
        ("ca_file", "{folder}/no.pem", "a PEM file"),
        ("sasl_mechanism", "PLAIN", "sasl_username and sasl_password"),
        ("sasl_username", "me", "sasl_mechanism"),
        ("sasl_password", "hunter2", "sasl_mechanism"),
        ("schema_registry", {"url": "registry:8081"}, "https://host:8081"),
        ("schema_registry", {"uri": "x"}, "write url"),
        ("schema_registry", "https://registry", "a mapping"),
        ("producer_config", {"acks": 1}, "would not be stored"),
        ("producer_config", {"linger.ms": 5}, "use linger_seconds"),
        ("producer_config", {"ack": 1}, 'property: "ack"'),
        ("producer_config", {"socket.timeout.ms": "x"}, "socket.timeout.ms"),
        ("producer_config", {"client.id": []}, "client.id"),
        ("producer_config", {"plugin.library.paths": "x.so"}, "run code"),
        ("producer_config", "acks=1", "a mapping"),
        ("key_field", 5, "text"),
        ("header_fields", 5, "a list of names"),
        ("max_record_bytes", "64MB", "holds at least one record"),
        ("linger_seconds", "soon", "a number"),
        ("spool", "overflow", "add spool_dir"),
        ("topc", "a", "write topic"),
    ],
)
def test_check_of_wrong_kafka_option_says_place_and_fix(
    option, value, said, tmp_path
):
    """
    Each option of KafkaHandler is read as its constructor reads it.
    """
    if isinstance(value, str):
        value = value.replace("{folder}", str(tmp_path))
    formatter = {"encoding": "avro"} if option == "schema_registry" else None
    made = make({**KAFKA, option: value}, formatter)

    finding = only(config.check(made))

    assert "error" == finding.severity
    assert finding.place.startswith((f"handlers.h.{option}", "handlers.h"))
    assert said in str(finding) and "hunter2" not in str(finding)
    with pytest.raises(ValueError):
        logging.config.dictConfig(made)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"bootstrap_servers": ["a:9092", "b:9092"], "topic": "NONE"},
        {"create_topic": {"num_partitions": 3, "num_replicas": "1"}},
        SASL,
        {"key_field": "request_id", "header_fields": "model_name, variant"},
        {"producer_config": {"socket.keepalive.enable": True}},
        {"compression": "zstd", "overflow": "block"},
        {"spool": "overflow", "spool_dir": "{folder}/spool"},
    ],
)
def test_check_of_right_kafka_options_finds_nothing(more, tmp_path):
    """
    What the constructor takes is no finding.
    """
    given = {
        name: value.replace("{folder}", str(tmp_path))
        if isinstance(value, str)
        else value
        for name, value in more.items()
    }
    made = make({**KAFKA, **given})

    assert [] == config.check(made)

    logging.config.dictConfig(made)


@pytest.mark.parametrize(
    "option",
    ["bootstrap_servers", "topic", "sasl_mechanism", "producer_config"],
)
def test_check_of_kafka_options_that_are_known_later_says_nothing(option):
    """
    What only the run will tell is taken for right, and for what it may be.
    """
    made = make({**KAFKA, **SASL, option: "cfg://x.y"}, x={"y": "cfg://x.y"})

    found = config.check(made)

    assert [] == [each for each in found if not each.place.startswith("x")]


def test_check_of_sasl_over_plaintext_is_an_error_without_the_password():
    """
    A password is never sent in the clear, and never shown.
    """
    made = make({**KAFKA, **SASL, "security_protocol": "PLAINTEXT"})

    finding = only(config.check(made))

    assert "handlers.h.security_protocol" == finding.place
    assert "for everybody to read" in finding.problem
    assert "hunter2" not in str(finding)


@pytest.mark.parametrize(
    ("formatter", "option", "said"),
    [
        ({"mode": "PREDICTION"}, "mode", "write PREDICTIONS"),
        ({"schema": "hopswork"}, "schema", "write hopsworks"),
        ({"encoding": "avor"}, "encoding", "write avro"),
        (
            {"encoding": "avro", "schema": "cloudevents"},
            "encoding",
            "leave encoding out",
        ),
        ({"model_version": "v3"}, "model_version", "a whole number"),
        ({"serving_id": "x"}, "serving_id", "a whole number"),
        ({"source": "/models/a"}, "source", "schema='cloudevents'"),
        ({"max_payload_bytes": 5}, "max_payload_bytes", "8192 or more"),
        ({"modle": "x"}, "modle", "write mode"),
    ],
)
@pytest.mark.parametrize("is_changed", [False, True])
def test_check_of_wrong_inference_option_says_place_and_fix(
    formatter, option, said, is_changed
):
    """
    Options of InferenceFormatter are read as it reads them, wherever they are.
    """
    if is_changed:
        made = make({**KAFKA, "formatter_options": formatter}, {})
        place = f"handlers.h.formatter_options.{option}"
    else:
        made = make(KAFKA, formatter)
        place = f"formatters.f.{option}"

    finding = only(config.check(made))

    assert ("error", place) == (finding.severity, finding.place)
    assert said in str(finding)
    with pytest.raises(ValueError):
        logging.config.dictConfig(made)


def test_check_of_formatter_and_its_changes_looks_at_both_together():
    """
    What the formatter says goes with what the handler adds to it.
    """
    handler = {**KAFKA, "formatter_options": {"source": "/models/a"}}

    assert [] == config.check(make(handler, {"schema": "cloudevents"}))
    assert "source" in only(config.check(make(handler, {}))).problem


@pytest.mark.parametrize(
    ("handler", "formatter", "is_in_vain"),
    [
        ({}, None, True),
        ({}, {}, True),
        ({}, {"encoding": "avro"}, False),
        ({"formatter_options": {"encoding": "avro"}}, {}, False),
        ({}, {"()": "my.Formatter"}, False),
    ],
)
def test_check_of_a_registry_without_avro_says_that_it_has_no_effect(
    handler, formatter, is_in_vain
):
    """
    Only Avro has a schema to register; a formatter of others may make some.
    """
    made = make({**KAFKA, "schema_registry": REGISTRY, **handler}, formatter)

    found = config.check(made)

    assert is_in_vain == bool(found)
    for finding in found:
        assert "warning" == finding.severity
        assert "schema_registry has no effect" in finding.problem


def test_check_of_avro_without_a_registry_finds_nothing():
    """
    Avro is good without Confluent's framing, as Hopsworks reads it.
    """
    assert [] == config.check(make(KAFKA, {"encoding": "avro"}))


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("http://registry:8081", True),
        ("http://127.0.0.1:8081", False),
        ("https://registry:8081", False),
    ],
)
def test_check_of_a_registry_over_http_warns_outside_this_machine(
    url, is_told
):
    """
    Whoever is on the way could change a schema.
    """
    handler = {**KAFKA, "schema_registry": {"url": url}}

    found = config.check(make(handler, {"encoding": "avro"}))

    assert is_told == bool(found)
    assert all("http to registry" in each.problem for each in found)


@pytest.mark.parametrize(
    ("handler", "formatter", "place"),
    [
        ({}, {"max_payload_bytes": "2MB"}, "formatters.f.max_payload_bytes"),
        ({"max_record_bytes": "100KB"}, {}, "handlers.h.max_record_bytes"),
    ],
)
def test_check_of_payloads_that_make_too_long_an_event_warns(
    handler, formatter, place
):
    """
    A payload that is allowed and finds no room would cost the whole record.
    """
    finding = only(config.check(make({**KAFKA, **handler}, formatter)))

    assert ("warning", place) == (finding.severity, finding.place)


def test_check_without_the_packages_says_which_to_install(tmp_path):
    """
    A package that the constructor would miss is an error with its command.
    """
    made = make({**KAFKA, "schema_registry": REGISTRY}, {"encoding": "avro"})
    code = (
        "import importlib.util, sys\n"
        "from mllog import config\n"
        "gone = {'confluent_kafka', 'fastavro'}\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in gone:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: (\n"
        "    None if name in gone else find(name))\n"
        f"for each in config.check({made!r}): print(each)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    lines = done.stdout.splitlines()
    assert 2 == len(lines), done.stdout + done.stderr
    assert all("not installed" in line for line in lines)
    assert all("mllog-handlers[kafka]" in line for line in lines)


def test_check_of_kafka_reaches_out_to_nobody():
    """
    No connection is made to the brokers; a handler makes one at a record.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        made = make({**KAFKA, "bootstrap_servers": address})
        made["handlers"]["h"]["producer_config"] = {"client.rack": "a"}

        assert [] == config.check(made)

        server.settimeout(0.5)
        with pytest.raises(TimeoutError):
            server.accept()
        logging.config.dictConfig(made)
        logging.getLogger("control").error("hello")
        server.settimeout(30)
        server.accept()[0].close()
        mllog.shutdown(0)
