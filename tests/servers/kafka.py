"""
Which Kafka a test gets.

A test with the mark ``kafka`` gets an Apache Kafka, others librdkafka's mock;
an address in MLLOG_TEST_KAFKA is what all get.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.kafka_broker import Broker
from servers.kafka_client import Kafka
from servers.kafka_cluster import MockKafka
from servers.kafka_jars import Missing, jars
from servers.receiver import openssl

_SERVED = pytest.StashKey[dict[str, str]]()
_BROKER = pytest.StashKey[Broker]()
_MISSING = pytest.StashKey[Missing]()


class Elsewhere(Kafka):
    """
    The Kafka that MLLOG_TEST_KAFKA names, which is not ours to stop.
    """

    name = "the one of MLLOG_TEST_KAFKA"

    def __init__(
        self, bootstrap: str, missing: Callable[[str, str], None]
    ) -> None:
        super().__init__(bootstrap)
        self._missing = missing

    def start(self) -> None:
        """
        It runs.
        """

    def stop(self) -> None:
        """
        Skip the test; so do ``kill``, ``pause`` and ``resume``.
        """
        self._missing(
            "a Kafka of our own", "MLLOG_TEST_KAFKA names one not to stop"
        )

    kill = pause = resume = stop


@pytest.fixture
def kafka(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Iterator[Kafka]:
    """
    The Kafka of the test, running: see the module.

    The broker is the session's, the mock is the test's own.
    """
    _require_client(missing)
    address = os.environ.get("MLLOG_TEST_KAFKA")
    if address:
        yield _note(request, Elsewhere(address, missing))
    elif request.node.get_closest_marker("kafka"):
        yield _note(request, _shared(request, tmp_path_factory, missing))
    else:
        yield from _mock(request, tmp_path_factory)


@pytest.fixture
def broker(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Broker:
    """
    The session's Apache Kafka, for what an address alone does not give.

    That is TLS, passwords and rights, and to stop it.  A test that has it
    carries the mark ``kafka``.
    """
    _require_client(missing)
    if request.node.get_closest_marker("kafka") is None:
        pytest.fail("mark the test kafka: it needs Apache Kafka")
    if os.environ.get("MLLOG_TEST_KAFKA"):
        Elsewhere("", missing).stop()
    found = _shared(request, tmp_path_factory, missing)
    _note(request, found)
    return found


@pytest.fixture
def own_kafka(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Iterator[Any]:
    """
    As :func:`kafka`, and no other test's: it may be left in any state.
    """
    _require_client(missing)
    if os.environ.get("MLLOG_TEST_KAFKA"):
        Elsewhere("", missing).stop()
    if request.node.get_closest_marker("kafka"):
        broker = _new_broker(request, tmp_path_factory, missing)
        try:
            broker.start()
            yield _note(request, broker)
        finally:
            broker.kill()
    else:
        yield from _mock(request, tmp_path_factory)


@pytest.fixture
def mock_kafka(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Iterator[MockKafka]:
    """
    librdkafka's mock, for tests of what only it can be told to do.

    It has one broker, or as many as the test is parametrized with.
    """
    _require_client(missing)
    yield from _mock(request, tmp_path_factory)


def served(config: pytest.Config) -> list[str]:
    """
    Which Kafkas the tests of the session had, and where.
    """
    found = config.stash.get(_SERVED, {})
    return [f"{name} at {where}" for name, where in sorted(found.items())]


def _note(request: pytest.FixtureRequest, kafka: Kafka) -> Kafka:
    names = request.config.stash.setdefault(_SERVED, {})
    names.setdefault(kafka.name, kafka.bootstrap)
    return kafka


def _require_client(missing: Callable[[str, str], None]) -> None:
    if importlib.util.find_spec("confluent_kafka") is None:
        missing("confluent-kafka", "install mllog-handlers[kafka]")


def _mock(
    request: pytest.FixtureRequest, factory: pytest.TempPathFactory
) -> Iterator[Any]:
    brokers = getattr(request, "param", 1)
    mock = MockKafka(factory.mktemp("kafka_mock"), brokers)
    try:
        mock.start()
        yield _note(request, mock)
    finally:
        mock.kill()


def _shared(
    request: pytest.FixtureRequest,
    factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Broker:
    """
    The session's broker, running whatever the last test did with it.
    """
    stash = request.config.stash
    if _BROKER not in stash:
        stash[_BROKER] = _new_broker(request, factory, missing)
        request.session.addfinalizer(stash[_BROKER].kill)
    broker = stash[_BROKER]
    broker.start()
    return broker


def _new_broker(
    request: pytest.FixtureRequest,
    factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Broker:
    openssl(missing)
    stash = request.config.stash
    if _MISSING not in stash:
        try:
            # within what a test may take; `make test-servers` has more time
            jars(timeout=45)
            return Broker(Path(factory.mktemp("kafka")))
        except Missing as absent:
            stash[_MISSING] = absent
    missing(stash[_MISSING].name, stash[_MISSING].why)
    raise AssertionError("missing() ends the test")
