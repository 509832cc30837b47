"""
What a handler that takes the place of another costs whoever logs meanwhile.
"""

import logging
import logging.config
import time

import pytest

import mllog
from mllog.s3 import Access

AWAY = "127.0.0.1:9"
S3 = {"bucket": "bucket", "endpoint_url": f"http://{AWAY}"}
MOST_SECONDS = 0.01
HANDLERS = {
    "ConsoleHandler": {},
    "RichHandler": {},
    "TimestampedRotatingFileHandler": {"filename": "app.log", "maxBytes": 999},
    "LatencyCSVHandler": {"filename": "latency.csv"},
    "SyslogHandler": {"address": f"tcp://{AWAY}"},
    "SyslogHandler with TLS": {"address": f"tls://{AWAY}"},
    "SyslogHandler with a spool": {
        "address": f"tcp://{AWAY}",
        "spool": "always",
        "spool_dir": "spool",
    },
    "S3Handler": S3,
    "S3PayloadHandler": S3,
    "KafkaHandler": {"bootstrap_servers": AWAY, "topic": "topic"},
    "OTLPHandler": {"endpoint": f"http://{AWAY}"},
    "OTLPHandler with gRPC": {
        "endpoint": f"http://{AWAY}",
        "protocol": "grpc",
    },
    "PrometheusHandler": {"port": 0},
    "PrometheusHandler with a gateway": {"gateway": AWAY, "job": "job"},
    "TensorBoardHandler": {"log_dir": "runs"},
    "SummaryHandler": {},
    "DriftHandler": {},
}


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """
    What boto3 finds.
    """
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "DEFAULT_REGION"):
        monkeypatch.setenv(f"AWS_{name}", "x")


class Slow(logging.NullHandler):
    """
    The control: it does what a worker should.
    """

    def __init__(self):
        super().__init__()
        until = time.thread_time() + 2 * MOST_SECONDS
        while time.thread_time() < until:
            pass


def _config(kind, options):
    handler = {"class": kind, **options}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"one": handler},
        "loggers": {"replaced": {"handlers": ["one"], "level": "INFO"}},
    }


def _least(config):
    """
    Seconds of this thread to replace a handler, and to log the first record.
    """
    logger, times = logging.getLogger("replaced"), []
    logger.propagate = False
    for _ in range(6):
        start = time.thread_time()
        logging.config.dictConfig(config)
        logger.info("x", extra={"inference_latency": 0.1})
        times.append(time.thread_time() - start)
    logging.config.dictConfig({"version": 1, "handlers": {}})
    return min(times)


@pytest.mark.parametrize("name", HANDLERS)
def test_handler_that_replaces_another_is_made_at_once(
    name, tmp_path, monkeypatch
):
    """
    dictConfig makes and closes handlers under logging's lock, for which other
    threads' calls wait: contexts, clients and connections are the worker's.
    """
    monkeypatch.chdir(tmp_path)

    kind = f"mllog.{name.partition(' ')[0]}"
    seconds = _least(_config(kind, HANDLERS[name]))

    mllog.shutdown(0)
    assert seconds < MOST_SECONDS


def test_handler_that_is_slow_to_make_is_seen():
    """
    The control.
    """
    assert _least(_config(f"{__name__}.Slow", {})) >= MOST_SECONDS


def test_s3_handlers_that_replace_each_other_have_one_client(
    monkeypatch, tmp_path
):
    """
    To make one takes 0.2 s, in which other threads hardly run.
    """
    made, client = [], Access.client

    def count(self, *given):
        made.append(given)
        return client(self, *given)

    monkeypatch.setattr(Access, "client", count)
    logger = logging.getLogger("replaced")
    logger.propagate = False
    for _ in range(5):
        config = _config(
            "mllog.S3Handler",
            {
                "bucket": "bucket",
                "endpoint_url": f"http://{AWAY}/{tmp_path.name}",
                "linger_seconds": 0.01,
            },
        )
        logging.config.dictConfig(config)
        (handler,) = logger.handlers
        logger.info("x")
        deadline = time.monotonic() + 30
        while not handler.stats().retried:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    logging.config.dictConfig({"version": 1, "handlers": {}})

    mllog.shutdown(0)
    assert 1 == len(made)
