"""
KafkaHandler from a log call to a consumer: Apache Kafka, and the mock.
"""

import importlib
import io
import json
import logging
import logging.config
import time

import pytest
from servers.registry import Registry
from shipping import unaccounted, wait_until

importlib.import_module("confluent_kafka")

import mllog

#: Both schemas, as Hopsworks documents them for those who read the topic.
KSERVE = """
{
    "fields": [
        { "name": "servingId", "type": "int" },
        { "name": "modelName", "type": "string" },
        { "name": "modelVersion", "type": "int" },
        { "name": "requestTimestamp", "type": "long" },
        { "name": "responseHttpCode", "type": "int" },
        { "name": "inferenceId", "type": "string" },
        { "name": "messageType", "type": "string" },
        { "name": "payload", "type": "string" }
    ],
    "name": "inferencelog",
    "type": "record"
}
"""
DOCKER = """
{
    "fields": [
        { "name": "modelId", "type": "int" },
        { "name": "modelName", "type": "string" },
        { "name": "modelVersion", "type": "int" },
        { "name": "requestTimestamp", "type": "long" },
        { "name": "responseHttpCode", "type": "int" },
        { "name": "inferenceRequest", "type": "string" },
        { "name": "inferenceResponse", "type": "string" },
        { "name": "modelServer", "type": "string" },
        { "name": "servingTool", "type": "string" }
    ],
    "name": "inferencelog",
    "type": "record"
}
"""
SCHEMAS = {"hopsworks-kserve": KSERVE, "hopsworks": DOCKER}
INFERENCE = {
    "inputs": [[5.1, 3.5, 1.4, 0.2]],
    "predictions": [0],
    "model_name": "iris",
    "model_version": 3,
    "serving_id": 7,
    "request_id": "req-1",
    "request_time": 1795243512.25,
}

#: A test runs against the mock, and marked against Apache Kafka.
BOTH = pytest.mark.parametrize(
    "server", ["mock", pytest.param("broker", marks=pytest.mark.kafka)]
)


@pytest.fixture
def make(logger):
    """
    A handler on the logger of the test.
    """
    made = []

    def maker(*args, formatter=None, **options):
        handler = mllog.KafkaHandler(*args, **options)
        if formatter is not None:
            handler.setFormatter(formatter)
        made.append(handler)
        logger.addHandler(handler)
        return handler

    yield maker
    for handler in made:
        logger.removeHandler(handler)
        handler.close(1.0)


def values(messages):
    return [json.loads(each.value) for each in messages]


# --- records ---


@BOTH
def test_records_arrive_in_order_as_json_lines(server, kafka, make, logger):
    """
    A thousand log calls are a thousand messages, in their order.
    """
    topic = kafka.create_topic(kafka.topic())
    handler = make(kafka.bootstrap, topic)
    for number in range(1000):
        logger.info("Step %d", number, extra={"step": number})
    assert handler.flush(30)

    found = values(kafka.messages(topic, 1000))

    assert [f"Step {n}" for n in range(1000)] == [v["message"] for v in found]
    assert list(range(1000)) == [v["step"] for v in found]
    assert (1000, 1000) == (handler.stats().accepted, handler.stats().sent)
    assert 0 == unaccounted(handler.stats())


@BOTH
def test_record_has_key_and_headers_of_the_listed_fields(
    server, kafka, make, logger
):
    """
    Equal keys go to one partition; what is not listed is in the value alone.
    """
    topic = kafka.create_topic(kafka.topic(), partitions=4)
    handler = make(
        kafka.bootstrap,
        topic,
        key_field="request_id",
        header_fields=["model_name", "absent"],
    )
    for number in range(40):
        logger.info(
            "x",
            extra={
                "request_id": f"r{number % 4}",
                "model_name": "größe",
                "user": "u",
                "n": number,
            },
        )
    assert handler.flush(30)

    found = kafka.messages(topic, 40)

    places = {}
    for each in found:
        places.setdefault(each.key, set()).add(each.partition)
    assert {b"r0", b"r1", b"r2", b"r3"} == set(places)
    assert all(len(each) == 1 for each in places.values())
    assert [("model_name", "größe".encode())] == found[0].headers
    for key in places:
        numbers = [
            json.loads(each.value)["n"] for each in found if each.key == key
        ]
        assert sorted(numbers) == numbers


@pytest.mark.parametrize(
    "compression", ["lz4", "zstd", "gzip", "snappy", "none"]
)
@BOTH
def test_record_arrives_with_each_compression(
    server, kafka, make, logger, compression
):
    """
    A consumer needs no setting to read them.
    """
    topic = kafka.create_topic(kafka.topic())
    handler = make(kafka.bootstrap, topic, compression=compression)
    for number in range(50):
        logger.info("same text again and again", extra={"n": number})
    assert handler.flush(30)

    found = values(kafka.messages(topic, 50))

    assert list(range(50)) == [each["n"] for each in found]


# --- the topic ---


@pytest.mark.kafka
def test_topic_that_is_missing_is_made_as_configured(kafka, make, logger):
    """
    ``create_topic`` gives partitions and replicas; a second handler finds it.
    """
    topic = kafka.topic()
    wanted = {"num_partitions": 3, "num_replicas": 1}
    for number in range(2):
        handler = make(kafka.bootstrap, topic, create_topic=wanted)
        logger.info("x", extra={"n": number})
        assert handler.flush(30)
        logger.removeHandler(handler)

    assert 3 == kafka.partitions(topic)
    assert [0, 1] == sorted(v["n"] for v in values(kafka.messages(topic, 2)))


@pytest.mark.kafka
def test_topic_with_more_replicas_than_brokers_is_told_how_to_mend(
    kafka, make, logger, capsys
):
    """
    The records wait, and one report names option and remedy.
    """
    handler = make(
        kafka.bootstrap,
        kafka.topic(),
        create_topic={"num_partitions": 1, "num_replicas": 3},
    )
    logger.info("x")

    assert wait_until(lambda: "num_replicas" in capsys.readouterr().err, 30)
    assert 0 == unaccounted(handler.stats())


def test_topic_none_sends_nothing(kafka, make, logger):
    """
    Each record is skipped, and no worker starts.
    """
    handler = make(kafka.bootstrap, "NONE")
    logger.info("x")

    assert handler.flush(30)
    assert (0, 1) == (handler.stats().accepted, handler.stats().skipped)


# --- who may ---


@pytest.mark.kafka
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_sasl_over_tls_delivers(broker, make, logger, mechanism):
    """
    The password goes over TLS, whose authority the handler is told.
    """
    topic = broker.create_topic(broker.topic("allowed"))
    handler = make(
        broker.sasl_bootstrap,
        topic,
        ca_file=str(broker.ca_file),
        sasl_mechanism=mechanism,
        sasl_username=broker.writer.name,
        sasl_password=broker.writer.password,
    )
    logger.info("x")

    assert handler.flush(30)
    assert 1 == len(broker.messages(topic, 1))


@pytest.mark.kafka
def test_tls_without_the_authority_says_what_to_give(
    broker, make, logger, capsys
):
    """
    A broker that cannot prove who it is gets nothing, and ca_file is named.
    """
    topic = broker.create_topic(broker.topic())
    handler = make(broker.tls_bootstrap, topic, security_protocol="SSL")
    logger.info("x")

    told = []

    def is_told():
        told.append(capsys.readouterr().err)
        return "ca_file" in "".join(told)

    assert wait_until(is_told, 40)
    assert 0 == handler.stats().sent
    assert 0 == unaccounted(handler.stats())


@pytest.mark.kafka
def test_wrong_password_is_told_of_and_never_shown(
    broker, make, logger, capsys
):
    """
    The report names the options, and no report has the password.
    """
    topic = broker.create_topic(broker.topic("allowed"))
    handler = make(
        broker.sasl_bootstrap,
        topic,
        ca_file=str(broker.ca_file),
        sasl_mechanism="PLAIN",
        sasl_username=broker.writer.name,
        sasl_password="hunter2-wrong",
    )
    logger.info("x")
    told = []

    def is_told():
        told.append(capsys.readouterr().err)
        return "sasl_password" in "".join(told)

    assert wait_until(is_told, 40)
    assert "hunter2" not in "".join(told) + repr(handler)
    assert 0 == handler.stats().sent
    assert 0 == unaccounted(handler.stats())


# --- inference events ---


@BOTH
@pytest.mark.parametrize("schema", sorted(SCHEMAS))
def test_avro_events_are_read_with_the_documented_schema(
    server, kafka, make, logger, schema
):
    """
    An independent reader finds each field of Hopsworks' schema, by its type.
    """
    avro = importlib.import_module("avro.schema")
    from avro.io import BinaryDecoder, DatumReader

    topic = kafka.create_topic(kafka.topic())
    handler = make(
        kafka.bootstrap,
        topic,
        formatter=mllog.InferenceFormatter(schema, encoding="avro"),
    )
    logger.info("Inference complete", extra=INFERENCE)
    logger.info("an ordinary line")
    assert handler.flush(30)

    parsed = avro.parse(SCHEMAS[schema])
    count = 2 if schema == "hopsworks-kserve" else 1
    found = [
        DatumReader(parsed).read(BinaryDecoder(io.BytesIO(each.value)))
        for each in kafka.messages(topic, count)
    ]

    shared = {
        "modelName": "iris",
        "modelVersion": 3,
        "requestTimestamp": 1795243512250,
        "responseHttpCode": 200,
    }
    inputs, predictions = "[[5.1,3.5,1.4,0.2]]", "[0]"
    if schema == "hopsworks-kserve":
        shared |= {"servingId": 7, "inferenceId": "req-1"}
        assert [
            {**shared, "messageType": "request", "payload": inputs},
            {**shared, "messageType": "response", "payload": predictions},
        ] == found
    else:
        shared |= {
            "inferenceRequest": inputs,
            "inferenceResponse": predictions,
        }
        (event,) = found
        assert {**shared, "modelId": 7} == {
            name: event[name] for name in {**shared, "modelId": 7}
        }
        assert [f.name for f in parsed.fields] == list(event)
    assert (2, 1, 1) == (
        handler.stats().accepted + handler.stats().skipped,
        handler.stats().sent,
        handler.stats().skipped,
    )


def test_registered_avro_is_read_by_confluents_deserializer(
    kafka, make, logger
):
    """
    The schema is registered once, and its number stands before each value.
    """
    registry_client = importlib.import_module(
        "confluent_kafka.schema_registry"
    )
    avro = importlib.import_module("confluent_kafka.schema_registry.avro")
    from confluent_kafka.serialization import (
        MessageField,
        SerializationContext,
    )

    topic = kafka.create_topic(kafka.topic())
    with Registry(username="writer", password="secret") as registry:
        handler = make(
            kafka.bootstrap,
            topic,
            schema_registry={
                "url": registry.url,
                "username": "writer",
                "password": "secret",
            },
            formatter=mllog.InferenceFormatter(encoding="avro"),
        )
        for _ in range(3):
            logger.info("Inference complete", extra=INFERENCE)
        assert handler.flush(30)
        found = kafka.messages(topic, 6)
        with registry_client.SchemaRegistryClient(
            {"url": registry.url, "basic.auth.user.info": "writer:secret"}
        ) as client:
            read = avro.AvroDeserializer(client)
            where = SerializationContext(topic, MessageField.VALUE)
            events = [read(each.value, where) for each in found]

    assert {"request", "response"} == {each["messageType"] for each in events}
    assert {"req-1"} == {each["inferenceId"] for each in events}
    assert [f"{topic}-value"] == list(registry.subjects)
    assert "secret" not in repr(handler)


@pytest.mark.parametrize(
    ("fault", "told"),
    [(401, "username and password"), (409, "another subject")],
)
def test_registry_that_refuses_holds_the_records_and_says_how_to_mend(
    kafka, make, logger, capsys, fault, told
):
    """
    Nothing unreadable is sent; when the registry takes it, all is.
    """
    importlib.import_module("confluent_kafka.schema_registry")
    topic = kafka.create_topic(kafka.topic())
    said = []

    def is_told():
        said.append(capsys.readouterr().err)
        return told in "".join(said)

    with Registry() as registry:
        registry.fail(fault)
        handler = make(
            kafka.bootstrap,
            topic,
            schema_registry={"url": registry.url},
            formatter=mllog.InferenceFormatter("hopsworks", encoding="avro"),
        )
        logger.info("Inference complete", extra=INFERENCE)
        assert wait_until(is_told, 30)
        assert [] == kafka.messages(topic)
        registry.recover()
        # as an operator would who mended it, and does not want to wait
        assert wait_until(lambda: handler.flush(1), 30)

    assert 1 == len(kafka.messages(topic, 1))


@BOTH
def test_cloudevents_in_binary_mode_have_their_attributes_as_headers(
    server, kafka, make, logger
):
    """
    KServe's types, one id for both, and the payload alone as value.
    """
    topic = kafka.create_topic(kafka.topic())
    handler = make(
        kafka.bootstrap,
        topic,
        formatter=mllog.InferenceFormatter("cloudevents"),
    )
    logger.info("Inference complete", extra=INFERENCE)
    assert handler.flush(30)

    found = kafka.messages(topic, 2)
    headers = [dict(each.headers) for each in found]

    assert [
        b"org.kubeflow.serving.inference.request",
        b"org.kubeflow.serving.inference.response",
    ] == [each["ce_type"] for each in headers]
    assert {b"req-1"} == {each["ce_id"] for each in headers}
    assert [INFERENCE["inputs"], INFERENCE["predictions"]] == values(found)


def test_event_that_cannot_be_made_is_counted_and_its_neighbours_arrive(
    kafka, make, logger, capsys
):
    """
    A version that is no number is named once; nothing wrong is sent.
    """
    topic = kafka.create_topic(kafka.topic())
    handler = make(
        kafka.bootstrap, topic, formatter=mllog.InferenceFormatter()
    )
    logger.info("Inference complete", extra=INFERENCE)
    logger.info(
        "Inference complete", extra={**INFERENCE, "model_version": "v3"}
    )
    logger.info("Inference complete", extra=INFERENCE)
    assert handler.flush(30)

    assert 4 == len(kafka.messages(topic, 4))
    assert {"invalid_event": 1} == handler.stats().dropped
    assert "model_version" in capsys.readouterr().err
    assert 0 == unaccounted(handler.stats())


def test_predict_function_to_events_in_one_decorator(kafka, make, logger):
    """
    What mllog.inference logs of a call is what the formatter needs.
    """
    topic = kafka.create_topic(kafka.topic())
    handler = make(
        kafka.bootstrap,
        topic,
        formatter=mllog.InferenceFormatter(serving_id=7),
    )

    @mllog.inference(logger, model="iris", version=3)
    def predict(rows):
        if rows is None:
            raise ValueError("no rows")
        return [0 for _ in rows]

    predict([[5.1, 3.5]])
    with pytest.raises(ValueError, match="no rows"):
        predict(None)
    assert handler.flush(30)

    found = values(kafka.messages(topic, 4))

    assert [200, 200, 500, 500] == [each["responseHttpCode"] for each in found]
    assert [
        "[[5.1,3.5]]",
        "[0]",
        "null",
        '{"error":"ValueError: no rows"}',
    ] == [each["payload"] for each in found]
    assert 2 == len({each["inferenceId"] for each in found})


# --- configuration ---


def test_dictconfig_makes_a_handler_that_delivers(kafka, logger):
    """
    Options come as plain data, the formatter as the handler's options.
    """
    topic = kafka.create_topic(kafka.topic())
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "kafka": {
                    "class": "mllog.KafkaHandler",
                    "bootstrap_servers": [kafka.bootstrap],
                    "topic": topic,
                    "linger_seconds": "0.01",
                    "producer_config": {"socket.keepalive.enable": True},
                    "formatter_options": {
                        "class": "mllog.InferenceFormatter",
                        "schema": "hopsworks",
                    },
                }
            },
            "loggers": {logger.name: {"handlers": ["kafka"], "level": "INFO"}},
        }
    )
    (handler,) = logger.handlers
    began = time.monotonic()
    logger.info("Inference complete", extra=INFERENCE)
    assert handler.flush(30)
    handler.close()

    (event,) = values(kafka.messages(topic, 1))
    assert "iris" == event["modelName"]
    assert time.monotonic() - began < 40
