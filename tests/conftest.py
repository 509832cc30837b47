"""
What all tests share: a clean logging, fresh loggers, and what is missing here.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# the objects that tests of several modules throw at mllog: tests/hostile.py
TESTS = Path(__file__).parent
sys.path.append(str(TESTS))

from servers.kafka import (  # noqa: F401
    broker,
    kafka,
    mock_kafka,
    own_kafka,
    served,
)

_MISSING = pytest.StashKey[dict[str, str]]()
_SERVED = pytest.StashKey[set[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full-faults",
        action="store_true",
        help="run fault and property tests in full size",
    )
    parser.addoption(
        "--quick",
        action="store_true",
        help="try few examples of each property, for whoever is writing",
    )


def _examples(config: pytest.Config) -> int:
    if config.getoption("--full-faults"):
        return 3000
    return 20 if config.getoption("--quick") else 150


def pytest_configure(config: pytest.Config) -> None:
    gone = [str(path) for path in _WAITING if not path.exists()]
    if gone:
        raise pytest.UsageError(f"_WAITING names what is not there: {gone}")
    config.stash[_MISSING] = {}
    config.stash[_SERVED] = set()
    settings.register_profile(
        "mllog",
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=False,
        max_examples=_examples(config),
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.function_scoped_fixture,
            HealthCheck.data_too_large,
        ],
    )
    settings.load_profile("mllog")


#: Tests that take minutes together, and whom they are run with.
_LONG = {
    TESTS / "faults" / "test_s3.py": pytest.mark.s3servers,
    TESTS / "faults" / "test_kafka.py": pytest.mark.mockkafka,
    TESTS / "servers" / "test_kafka.py": pytest.mark.mockkafka,
}
#: Modules and folders whose tests start processes, talk to servers, wait or
#: measure: what make check leaves out.
_WAITING = [
    TESTS / each
    for each in (
        "checks/test_connecting.py",
        "cli",
        "delivery/kafka",
        "delivery/s3",
        "delivery/test_lifecycle.py",
        "delivery/test_outbox.py",
        "faults",
        "handlers/test_drift.py",
        "handlers/test_kafka.py",
        "handlers/test_otlp.py",
        "handlers/test_prometheus.py",
        "handlers/test_replacement.py",
        "handlers/test_s3.py",
        "handlers/test_s3_archive.py",
        "handlers/test_s3_payload.py",
        "handlers/test_summary.py",
        "handlers/test_syslog.py",
        "handlers/test_tensorboard.py",
        "integrations",
        "reading/test_following.py",
        "recipes",
        "report",
        "rotation/test_keeper.py",
        "servers",
        "test_compression.py",
        "test_config.py",
        "test_docs.py",
        "test_examples.py",
        "test_examples_frameworks.py",
        "test_growth.py",
        "test_http_answers.py",
        "test_packaging.py",
        "test_platform.py",
        "test_s3.py",
        "test_threads.py",
        "test_waiting.py",
    )
]
_LONG_WITH_A_MOCK = TESTS / "delivery" / "kafka"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    for item in items:
        if item.path in _LONG:
            item.add_marker(_LONG[item.path])
        elif _LONG_WITH_A_MOCK in item.path.parents:
            if "mock_kafka" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.mockkafka)
        elif TESTS / "faults" in item.path.parents:
            item.add_marker(pytest.mark.breaking)
        if not {item.path, *item.path.parents}.isdisjoint(_WAITING):
            item.add_marker(pytest.mark.waits)
    if config.getoption("--full-faults"):
        for item in items:
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(900))
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    if left_out and len(items) > len(left_out):  # not asked for by name
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    # pytest-xdist ends a worker whose report has a lone surrogate, and tests
    # print some
    return _encodable((yield))


def _encodable(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(data, dict):
        return {key: _encodable(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(_encodable(each) for each in data)
    return data


def pytest_sessionfinish(session: pytest.Session) -> None:
    # a worker of pytest-xdist has no terminal: its controller shows it
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["missing"] = session.config.stash[_MISSING]
        output["served"] = served(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    output = getattr(node, "workeroutput", {})  # none where it crashed
    node.config.stash[_MISSING].update(output.get("missing", {}))
    node.config.stash[_SERVED].update(output.get("served", []))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for name in sorted(config.stash[_SERVED].union(served(config))):
        terminalreporter.write_line(f"Kafka of the tests: {name}")
    absent = config.stash[_MISSING]
    if absent:
        terminalreporter.section("not tested: missing on this machine")
        for name, why in sorted(absent.items()):
            terminalreporter.write_line(f"{name}: {why}")


@pytest.fixture
def missing(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """
    Skip the test for want of a server or package, and list it at the end.

    With CI=true nothing may be missing, and the test fails instead.
    """

    def say(name: str, why: str) -> None:
        request.config.stash[_MISSING][name] = why
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"missing on CI: {name}: {why}")
        pytest.skip(f"missing: {name}: {why}")

    return say


@pytest.fixture
def fault_scale(request: pytest.FixtureRequest) -> float:
    """
    What the sizes of a fault test are multiplied by.
    """
    return 1.0 if request.config.getoption("--full-faults") else 0.1


@pytest.fixture(autouse=True)
def clean_logging() -> Iterator[None]:
    """
    Put logging back as the test found it; pytest does so for warnings.
    """
    root, manager = logging.root, logging.root.manager
    level, handlers = root.level, list(root.handlers)
    filters, disabled = list(root.filters), manager.disable
    loggers = dict(manager.loggerDict)
    raises, factory = logging.raiseExceptions, logging.getLogRecordFactory()
    logger_class = logging.getLoggerClass()
    capturing = logging._warnings_showwarning is not None
    yield
    _close_all(root, keep=handlers)
    for name, logger in list(manager.loggerDict.items()):
        if name not in loggers and isinstance(logger, logging.Logger):
            _close_all(logger, keep=[])
            logger.filters.clear()
            logger.disabled, logger.propagate = False, True
            logger.setLevel(logging.NOTSET)
    manager.loggerDict.clear()
    manager.loggerDict.update(loggers)
    root.handlers[:], root.filters[:] = handlers, filters
    root.setLevel(level)
    manager.disable = disabled
    manager._clear_cache()
    logging.raiseExceptions = raises
    logging.setLogRecordFactory(factory)
    logging.setLoggerClass(logger_class)
    if not capturing:
        logging.captureWarnings(False)


def _close_all(logger: logging.Logger, keep: list[logging.Handler]) -> None:
    for handler in list(logger.handlers):
        if handler not in keep:
            logger.removeHandler(handler)
            handler.close()


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    """
    A fresh logger that takes everything and tells nobody else.
    """
    fresh = logging.getLogger(f"test.{request.node.name}")
    fresh.setLevel(logging.DEBUG)
    fresh.propagate = False
    yield fresh
    _close_all(fresh, keep=[])


@pytest.fixture
def attach(
    logger: logging.Logger,
) -> Iterator[Callable[[logging.Handler], logging.Handler]]:
    """
    Put a handler on the test's logger, and close it at the end.
    """
    made: list[logging.Handler] = []

    def attach(handler: logging.Handler) -> logging.Handler:
        logger.addHandler(handler)
        made.append(handler)
        return handler

    yield attach
    for handler in made:
        handler.close()
