"""
The ids of OpenTelemetry's active span on records, with the real SDK.
"""

import asyncio
import io
import json
import logging
import subprocess
import sys

from ids import as_id
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import exposition

import mllog
from mllog import spans

IDS = ("trace_id", "span_id", "trace_flags")


@pytest.fixture
def tracer():
    return TracerProvider().get_tracer("tests")


@pytest.fixture
def lines(logger):
    """
    The JSON lines that a handler of mllog wrote for the test's logger.
    """
    stream = io.StringIO()
    handler = mllog.ConsoleHandler(stream=stream, piped="json")
    logger.addHandler(handler)
    return lambda: [
        json.loads(each) for each in stream.getvalue().splitlines()
    ]


def ids_of(span):
    """
    What a record says of a span, by the SDK's own formatting.
    """
    context = span.get_span_context()
    return (
        trace.format_trace_id(context.trace_id),
        trace.format_span_id(context.span_id),
        f"{context.trace_flags & 255:02x}",
    )


def said(line):
    return tuple(line.get(name) for name in IDS)


def test_record_in_a_span_has_its_ids(logger, lines, tracer):
    """
    Without configuration a line has the innermost span's ids, and no others.
    """
    logger.info("outside")
    with tracer.start_as_current_span("outer") as outer:
        logger.info("outer")
        with tracer.start_as_current_span("inner") as inner:
            logger.info("inner")
        logger.info("outer")
    logger.info("outside")

    none = (None, None, None)
    assert [
        none,
        ids_of(outer),
        ids_of(inner),
        ids_of(outer),
        none,
    ] == [said(line) for line in lines()]
    assert 32 == len(lines()[1]["trace_id"])
    assert 16 == len(lines()[1]["span_id"])


def test_record_itself_is_not_changed(logger, lines, tracer):
    """
    Handlers of others see the record as it was logged.
    """
    seen = []
    foreign = logging.Handler()
    foreign.emit = seen.append
    logger.addHandler(foreign)

    with tracer.start_as_current_span("a"):
        logger.info("x")

    assert [] == [name for name in IDS if hasattr(seen[0], name)]


@pytest.mark.parametrize("given", [{"trace_id": "mine"}, {"span_id": "mine"}])
def test_field_of_the_record_wins_and_is_not_mixed(
    logger, lines, tracer, given
):
    """
    Where extra= has one of the ids, the record gets no other of the span.
    """
    with tracer.start_as_current_span("a"):
        logger.info("x", extra=given)
        with mllog.bind(trace_flags="00", trace_id="t", request_id="r"):
            logger.info("x", extra=given)

    for line in lines():
        assert given == {name: line[name] for name in IDS if name in line}
    assert "r" == lines()[1]["request_id"]


def test_active_span_wins_over_bound_ids(logger, lines, tracer):
    """
    What a middleware bound of the caller's span gives way to a span of ours.
    """
    with mllog.bind(trace_id="t", span_id="s", request_id="r"):
        logger.info("before")
        with tracer.start_as_current_span("a") as span:
            logger.info("inside")

    before, inside = lines()
    assert ("t", "s", None) == said(before)
    assert ids_of(span) == said(inside)
    assert "r" == inside["request_id"]


def test_context_filter_puts_ids_on_foreign_records(logger, tracer):
    """
    ContextFilter serves the stdlib's handlers, unless it is told not to.
    """
    for options in ({}, {"spans": False}, {"spans": "false"}):
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(
            logging.Formatter("%(trace_id)s", defaults={"trace_id": "none"})
        )
        handler.addFilter(mllog.ContextFilter(**options))
        logger.handlers[:] = [handler]
        with tracer.start_as_current_span("a") as span:
            logger.info("x")
        expected = "none" if options else ids_of(span)[0]
        assert expected == stream.getvalue().strip()

    with pytest.raises(mllog.ConfigError, match="spans='maybe'"):
        mllog.ContextFilter(spans="maybe")


def test_follow_spans_switches_it_off(logger, lines, tracer):
    """
    After follow_spans(False) no record of the process has ids of a span.
    """
    spans.follow_spans(False)
    try:
        with tracer.start_as_current_span("a"):
            logger.info("x")
    finally:
        spans.follow_spans()
    with tracer.start_as_current_span("a") as span:
        logger.info("x")

    assert [(None, None, None), ids_of(span)] == [
        said(line) for line in lines()
    ]


@pytest.mark.parametrize("module", [None, object(), sys], ids=as_id)
def test_module_that_is_no_opentelemetry_breaks_nothing(
    logger, lines, monkeypatch, module
):
    """
    Half imported, blocked, or somebody else's: the record is written.
    """
    monkeypatch.setitem(sys.modules, spans.MODULE, module)

    logger.info("x")

    assert ["x"] == [line["message"] for line in lines()]


def test_span_of_another_process_counts(logger, lines):
    """
    A remote parent that is not recording has ids as well; an invalid one none.
    """
    for trace_id, expected in ((5, ("5", "7", "01")), (0, None)):
        context = trace.SpanContext(
            trace_id, 7, is_remote=True, trace_flags=trace.TraceFlags(1)
        )
        with trace.use_span(trace.NonRecordingSpan(context)):
            logger.info("x")
        found = said(lines()[-1])
        if expected:
            assert expected == tuple(
                each.lstrip("0") if len(each) > 2 else each for each in found
            )
        else:
            assert (None, None, None) == found


def test_tasks_have_each_their_own_span(logger, lines, tracer):
    """
    Fifty tasks at once log the ids of their own spans.
    """

    async def one(number):
        with tracer.start_as_current_span("task") as span:
            await asyncio.sleep(0)
            logger.info("x", extra={"number": number})
            await asyncio.to_thread(logger.info, "x", extra={"number": number})
            return number, ids_of(span)

    async def run():
        return dict(await asyncio.gather(*(one(n) for n in range(50))))

    expected = asyncio.run(run())

    assert 100 == len(lines())
    for line in lines():
        assert expected[line["number"]] == said(line)


def test_opentelemetry_is_never_imported():
    """
    Logging imports nothing of it, although it is installed.
    """
    code = (
        "import logging, sys, mllog; mllog.configure('console');"
        "logging.warning('x'); mllog.ContextFilter().filter("
        "logging.makeLogRecord({}));"
        "sys.exit(any(n.startswith('opentelemetry') for n in sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60
    )

    assert 0 == done.returncode, done.stderr


def test_exemplar_of_prometheus_has_the_trace(logger, tracer):
    """
    A histogram links to the trace that its value was logged in.
    """
    registry = CollectorRegistry()
    logger.addHandler(mllog.PrometheusHandler(registry=registry, port=None))
    with tracer.start_as_current_span("a") as span:
        logger.info("x", extra={"inference_latency": 0.01})

    text = exposition.generate_latest(registry).decode()
    assert f'trace_id="{ids_of(span)[0]}"' in text
