"""
OTLPHandler against a collector of OpenTelemetry's own protocol definitions.
"""

import logging
import logging.config
import os
import socket
import sys
import time
import traceback
import warnings

from ids import as_id
import pytest
from opentelemetry.sdk.trace import TracerProvider
from servers.certificates import Authority
from servers.otlp_receiver import OTLPReceiver
from shipping import unaccounted

import mllog
from mllog.errors import ConfigError

DEADLINE = 30
PROTOCOLS = ("http/protobuf", "grpc")


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    found = OTLPReceiver(tmp_path_factory.mktemp("otlp"))
    found.start()
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.fixture(params=PROTOCOLS)
def protocol(request):
    return request.param


@pytest.fixture
def received(collector, logger):
    """
    What the collector got from the test's logger.
    """
    if collector.process.pid:
        collector.tell()
    return lambda: [
        each for each in collector.received() if each.scope == logger.name
    ]


def handler_to(collector, protocol, **options):
    given = {"linger_seconds": 0.01, "retry_max_seconds": 0.05, **options}
    return mllog.OTLPHandler(
        collector.endpoint(protocol), protocol=protocol, **given
    )


def test_record_arrives_with_all_it_has(collector, received, logger, protocol):
    """
    Times, severity, body, attributes, exception, code, span and resource.
    """
    tracer = TracerProvider().get_tracer("tests")
    handler = handler_to(
        collector,
        protocol,
        service_name="serve",
        resource_attributes={"deployment.environment.name": "test", "n": 5},
        headers={"X-Api-Key": "k"},
    )
    logger.addHandler(handler)
    before = time.time_ns()
    with tracer.start_as_current_span("a") as span:
        try:
            raise ValueError("odd") from KeyError("why")
        except ValueError:
            logger.exception(
                "took %d", 7, extra={"latency": 0.5, "shape": [1, 2]}
            )
            stack = traceback.format_exc()
    assert handler.flush(DEADLINE)

    (found,) = received()
    record, attributes = found.record, found.attributes
    assert before - 10**6 <= record.time_unix_nano <= time.time_ns()
    assert record.time_unix_nano <= record.observed_time_unix_nano + 1000
    assert (17, "ERROR") == (record.severity_number, record.severity_text)
    assert "took 7" == found.body
    assert {"latency": 0.5, "shape": [1, 2]} == {
        name: attributes.pop(name) for name in ("latency", "shape")
    }
    assert {
        "exception.type": "ValueError",
        "exception.message": "odd",
        "exception.stacktrace": stack.rstrip(),
        "code.file.path": __file__,
        "code.function.name": "test_record_arrives_with_all_it_has",
    } == {
        name: value
        for name, value in attributes.items()
        if name != "code.line.number"
    }
    assert 0 < attributes["code.line.number"] < 200
    context = span.get_span_context()
    assert context.trace_id == int.from_bytes(record.trace_id, "big")
    assert context.span_id == int.from_bytes(record.span_id, "big")
    assert context.trace_flags == record.flags
    assert {
        "service.name": "serve",
        "deployment.environment.name": "test",
        "n": 5,
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    } == found.resource
    assert "k" == found.headers["x-api-key"]
    stats = handler.stats()
    assert (1, 1) == (stats.accepted, stats.sent)


def test_record_is_like_that_of_opentelemetrys_own_handler(
    collector, received, logger
):
    """
    Where the SDK's handler says something, ours says the same.
    """
    from opentelemetry.exporter.otlp.proto.http._log_exporter import (
        OTLPLogExporter,
    )
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    provider = LoggerProvider(Resource.create({"service.name": "serve"}))
    endpoint = f"{collector.endpoint()}/v1/logs"
    provider.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(endpoint))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.addHandler(LoggingHandler(logger_provider=provider))
    ours = handler_to(collector, "http/protobuf", service_name="serve")
    logger.addHandler(ours)
    logging.addLevelName(25, "NOTICE")
    tracer = TracerProvider().get_tracer("tests")
    fields = {"a": 1, "b": "x", "c": [1, 2], "d": {"e": 0.5}, "f": b"\x00"}
    with tracer.start_as_current_span("a"):
        for level in (10, 20, 25, 30, 40, 50):
            logger.log(level, "level %d", level, extra=fields)
        try:
            raise ValueError("odd")
        except ValueError:
            logger.exception("failed")
    logger.info({"a": [1]})
    assert ours.flush(DEADLINE)
    provider.shutdown()

    found = received()
    theirs = [r for r in found if "telemetry.sdk.name" in r.resource]
    mine = [r for r in found if "telemetry.sdk.name" not in r.resource]
    assert 8 == len(theirs) == len(mine)
    for their, own in zip(theirs, mine):
        for name in ("severity_number", "severity_text", "trace_id"):
            assert getattr(their.record, name) == getattr(own.record, name)
        assert their.record.span_id == own.record.span_id
        assert their.record.flags & 255 == own.record.flags
        assert their.scope == own.scope
        assert their.body == own.body
        assert abs(their.record.time_unix_nano - own.record.time_unix_nano) < (
            2000
        )
        attributes = dict(their.attributes)
        own_attributes = dict(own.attributes)
        for each in (attributes, own_attributes):
            if "exception.stacktrace" in each:
                each["exception.stacktrace"] = each[
                    "exception.stacktrace"
                ].strip()
        assert attributes == own_attributes


def test_requests_are_compressed_or_not(collector, received, logger):
    """
    gzip is the default over HTTP, and can be left out.
    """
    for options in ({}, {"compression": "none"}):
        handler = handler_to(collector, "http/protobuf", **options)
        logger.addHandler(handler)
        logger.info("x")
        assert handler.flush(DEADLINE)
        logger.removeHandler(handler)
        handler.close()

    assert ["gzip", None] == [
        each.headers.get("content-encoding") for each in received()
    ]


def test_formatter_makes_the_body(collector, received, logger):
    """
    Its text is the body, and fields stay attributes.
    """
    handler = handler_to(collector, "http/protobuf")
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.info("x", extra={"a": 1})
    assert handler.flush(DEADLINE)

    (found,) = received()
    assert ("INFO x", 1) == (found.body, found.attributes["a"])


def test_redaction_comes_before_it_is_sent(collector, received, logger):
    """
    A filter's record is the one that is sent.
    """
    handler = handler_to(
        collector,
        "http/protobuf",
        filters=[{"class": "mllog.RedactingFilter"}],
    )
    logger.addHandler(handler)
    logger.info("x", extra={"password": "hunter2"})
    assert handler.flush(DEADLINE)

    assert "[redacted]" == received()[0].attributes["password"]


class Hostile:
    def __repr__(self):
        raise RuntimeError

    __str__ = __repr__


def test_hostile_fields_arrive_as_something(
    collector, received, logger, protocol
):
    """
    Cycles, surrogates, huge values and objects that raise: one record each.
    """
    handler = handler_to(collector, protocol)
    logger.addHandler(handler)
    cycle = []
    cycle.append(cycle)
    values = [
        cycle,
        Hostile(),
        "\ud800\x00",
        10**400,
        "x" * 10**6,
        {Hostile: 1},
        b"x" * 10**6,
        [[[[[[[[1]]]]]]]],
        float("nan"),
    ]
    for value in values:
        logger.info("%s", "odd", extra={"value": value, "trace_id": value})
    assert handler.flush(DEADLINE)

    assert len(values) == len(received())
    stats = handler.stats()
    assert (len(values), 0) == (stats.sent, unaccounted(stats))


def test_options_come_from_opentelemetrys_variables(
    collector, received, logger, monkeypatch
):
    """
    What is not given is taken from the environment; what is given wins.
    """
    for name, value in {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint(),
        "OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=a%20b",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_SERVICE_NAME": "from-env",
        "OTEL_RESOURCE_ATTRIBUTES": "a=1,b=2",
    }.items():
        monkeypatch.setenv(name, value)
    handler = mllog.OTLPHandler(linger_seconds=0.01, resource_attributes="b=3")
    logger.addHandler(handler)
    logger.info("x")
    assert handler.flush(DEADLINE)

    (found,) = received()
    assert "a b" == found.headers["x-api-key"]
    assert "content-encoding" not in found.headers
    assert ("from-env", "1", "3") == tuple(
        found.resource[name] for name in ("service.name", "a", "b")
    )

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv(
        "OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint("grpc")
    )
    handler.close()
    handler = mllog.OTLPHandler(linger_seconds=0.01, service_name="given")
    logger.handlers[:] = [handler]
    logger.info("y")
    assert handler.flush(DEADLINE)
    last = received()[-1]
    assert ("grpc", "given") == (last.way, last.resource["service.name"])


def test_variable_of_the_logs_endpoint_is_the_whole_path(monkeypatch):
    """
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT is taken as it is.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://c:1/in")
    assert "http://c:1/in" == str(mllog.OTLPHandler().endpoint)
    assert "http://d:1/v1/logs" == str(
        mllog.OTLPHandler("http://d:1").endpoint
    )


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ENDPOINT": "c:4317"}, "https://c:4317"),
        ({"ENDPOINT": "c:4317", "INSECURE": "True"}, "http://c:4317"),
        ({"LOGS_ENDPOINT": " ", "ENDPOINT": "http://c"}, "http://c:4317"),
    ],
    ids=as_id,
)
def test_variable_of_grpc_needs_no_scheme(monkeypatch, variables, expected):
    """
    It is TLS, as for OpenTelemetry, unless INSECURE says otherwise.
    """
    for name, value in variables.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)

    assert expected == str(mllog.OTLPHandler(protocol="grpc").endpoint)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "udp"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:port"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cr3t"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cr3t"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/no/such"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=prod,broken",
        ),
        ("OTEL_RESOURCE_ATTRIBUTES", "=x,team=ml"),
    ],
    ids=as_id,
)
def test_variable_of_the_platform_that_makes_no_sense_is_told_and_passed_over(
    collector, received, logger, monkeypatch, capsys, variable, value
):
    """
    It is meant for other programs as well, and stops none.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
    monkeypatch.setenv(variable, value)
    if variable == "OTEL_EXPORTER_OTLP_ENDPOINT":
        assert "localhost" in str(mllog.OTLPHandler().endpoint)
    else:
        handler = mllog.OTLPHandler(linger_seconds=0.01)
        logger.addHandler(handler)
        logger.info("x")
        assert handler.flush(DEADLINE)
        assert 1 == len(received())

    told = capsys.readouterr().err
    assert f"{variable} is passed over" in told
    assert "s3cr3t" not in told


def test_protocol_of_the_platform_whose_package_is_missing_is_passed_over(
    monkeypatch, capsys
):
    """
    HTTP is spoken, and the extra named; who wrote it himself is refused.
    """
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")

    assert "http://localhost:4318/v1/logs" == str(mllog.OTLPHandler().endpoint)
    assert "mllog-handlers[otlp-grpc]" in capsys.readouterr().err
    with pytest.raises(ImportError):
        mllog.OTLPHandler(protocol="grpc")


def test_header_of_the_platform_that_grpc_cannot_have_is_passed_over(
    monkeypatch, capsys
):
    """
    What HTTP could send may be none of gRPC's.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "grpc-x=s3cr3t")
    mllog.OTLPHandler(protocol="grpc")

    told = capsys.readouterr().err
    assert "OTEL_EXPORTER_OTLP_HEADERS is passed over" in told
    assert "s3cr3t" not in told


def test_variable_that_is_no_text_reaches_the_collector(
    collector, received, logger, monkeypatch
):
    """
    A byte that is no UTF-8 is escaped, and loses no record.
    """
    monkeypatch.setenv("OTEL_SERVICE_NAME", os.fsdecode(b"caf\xe9"))
    handler = handler_to(collector, "http/protobuf")
    logger.addHandler(handler)
    logger.info("x")
    assert handler.flush(DEADLINE)

    (found,) = received()
    assert "caf\\udce9" == found.resource["service.name"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"endpoint": "collector:4317"}, "endpoint='collector:4317'"),
        ({"protocol": "http/json"}, "protocol='http/json'"),
        ({"compression": "zstd"}, "compression='zstd'"),
        ({"max_attributes": 0}, "max_attributes=0"),
        ({"headers": "secret"}, "headers"),
        ({"headers": "a!=secret", "protocol": "grpc"}, "headers=['a!']"),
        ({"headers": "k-bin=secret", "protocol": "grpc"}, "['k-bin']"),
        ({"client_key": "key.pem"}, "client_key='key.pem'"),
        ({"timeout_seconds": 0}, "timeout_seconds=0"),
        ({"endpont": "x"}, "write endpoint"),
        ({"service_name": 5}, "service_name=5"),
    ],
)
def test_option_that_cannot_work_raises(options, told):
    """
    A wrong option is a ConfigError that names it, and shows no secret.
    """
    with pytest.raises(ConfigError) as raised:
        mllog.OTLPHandler(**options)

    assert told in str(raised.value)
    assert "OTLPHandler" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_secrets_are_in_no_repr(collector, capsys):
    """
    Neither the handler nor its transport shows headers.
    """
    handler = mllog.OTLPHandler(
        "http://127.0.0.1:9/x?key=hunter2",
        headers={"Authorization": "hunter2"},
    )
    said = f"{handler!r} {handler._worker._transport!r} {handler.endpoint}"
    handler.close()

    assert "hunter2" not in said


def test_tls_proves_both_sides(tmp_path, logger, protocol):
    """
    Over TLS with client certificates records arrive; a stranger gets none.
    """
    authority = Authority(tmp_path / "ca")
    ours = authority.identity("client")
    server = OTLPReceiver(tmp_path / "server", authority)
    server.start()
    other = Authority(tmp_path / "other", "other")
    try:
        handler = handler_to(
            server,
            protocol,
            certificate=authority.cert,
            client_certificate=ours.cert,
            client_key=ours.key,
        )
        logger.addHandler(handler)
        logger.info("x")
        assert handler.flush(DEADLINE)
        assert ["x"] == server.bodies()

        stranger = handler_to(server, protocol, certificate=other.cert)
        logger.handlers[:] = [stranger]
        logger.info("y")
        assert not stranger.flush(1)
        stranger.close(0.1)
        assert {"unsent_at_close": 1} == stranger.stats().dropped
        assert ["x"] == server.bodies()
    finally:
        server.stop()


def test_idle_connection_that_the_collector_ended_is_no_error(
    tmp_path, logger, capsys
):
    """
    A collector that restarts while nothing is logged costs no attempt.
    """
    server = OTLPReceiver(tmp_path)
    server.start()
    try:
        handler = handler_to(server, "http/protobuf")
        logger.addHandler(handler)
        for number in range(3):
            logger.info("%d", number)
            assert handler.flush(DEADLINE)
            server.stop()
            server.start()
        assert ["0", "1", "2"] == server.bodies()
        assert 0 == handler.stats().retried
    finally:
        server.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_child_sends_its_own_records(collector, received, logger):
    """
    Parent and child share no connection, and each has its own process.pid.
    """
    handler = handler_to(collector, "http/protobuf")
    logger.addHandler(handler)
    logger.info("before")
    assert handler.flush(DEADLINE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if not child:
        logger.info("child")
        os._exit(0 if handler.flush(DEADLINE) else 1)
    logger.info("parent")
    assert handler.flush(DEADLINE)
    assert 0 == os.waitpid(child, 0)[1]

    found = {each.body: each.resource["process.pid"] for each in received()}
    assert {
        "before": os.getpid(),
        "parent": os.getpid(),
        "child": child,
    } == found


def test_missing_package_names_the_extra(monkeypatch):
    """
    Without opentelemetry-proto or grpcio the error says what to install.
    """
    for module, protocol, extra in (
        ("opentelemetry.proto.logs.v1.logs_pb2", "http/protobuf", "[otlp]"),
        ("grpc", "grpc", "[otlp-grpc]"),
    ):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(ImportError) as raised:
                mllog.OTLPHandler(protocol=protocol)
        assert f"mllog-handlers{extra}" in str(raised.value)


def test_dictconfig_makes_it_with_text(collector, received, logger):
    """
    Every option works as text, as INI files have it.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "otlp": {
                    "class": "mllog.OTLPHandler",
                    "endpoint": collector.endpoint(),
                    "headers": "a=1",
                    "timeout_seconds": "5",
                    "compression": "",
                    "protocol": "",
                    "certificate": "",
                    "service_name": "",
                    "max_attributes": "10",
                    "linger_seconds": "0.01",
                }
            },
            "loggers": {logger.name: {"handlers": ["otlp"], "level": "INFO"}},
        }
    )
    logger.info("x")
    assert mllog.flush(DEADLINE)

    assert ["unknown_service"] == [
        each.resource["service.name"] for each in received()
    ]
