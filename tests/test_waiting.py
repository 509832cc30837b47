"""
When a thread may wait.
"""

import asyncio
import logging
import logging.config
import math
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from mllog import waiting


def _in_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join(10)
    return found[0]


def test_waiting_under_logging_lock_is_known_to_its_owner_alone():
    """
    Whoever holds logging's module lock must not wait; others may.
    """
    before = waiting.under_logging_lock()
    with logging._lock:
        inside = waiting.under_logging_lock()
        elsewhere = _in_thread(waiting.under_logging_lock)

    assert [False, True, False, False] == [
        *(before, inside, elsewhere),
        waiting.under_logging_lock(),
    ]


def test_waiting_in_a_configuration_is_seen_by_a_handler_that_it_closes():
    """
    dictConfig closes handlers under that lock.
    """
    seen = []

    class Closing(logging.NullHandler):
        def close(self):
            seen.append(waiting.under_logging_lock())
            super().close()

    handler = Closing()
    logging.config.dictConfig({"version": 1, "incremental": False})
    handler.close()

    assert [True, False] == seen


@pytest.mark.parametrize("lock", [None, object(), threading.Lock()])
def test_waiting_without_the_lock_that_is_known_is_allowed(monkeypatch, lock):
    """
    A logging that is built otherwise one day gives False, and no error.
    """
    monkeypatch.setattr(logging, "_lock", lock)

    found = waiting.under_logging_lock()

    monkeypatch.undo()
    assert not found


def test_waiting_in_an_event_loop_is_known_in_its_thread_alone():
    """
    It is true in a coroutine, and false in a thread beside it and afterwards.
    """

    async def ask():
        beside = await asyncio.to_thread(waiting.in_event_loop)
        return waiting.in_event_loop(), beside

    inside, beside = asyncio.run(ask())

    assert (True, False) == (inside, beside)
    assert not waiting.in_event_loop()


def test_waiting_in_a_process_without_asyncio_imports_none(monkeypatch):
    """
    Who has not imported asyncio has no loop.
    """
    monkeypatch.delitem(sys.modules, "asyncio")

    assert not waiting.in_event_loop()
    assert "asyncio" not in sys.modules


def test_waiting_at_exit_is_known_once_it_has_begun(monkeypatch):
    """
    It is said once, and is true from then on.
    """
    monkeypatch.setattr(waiting, "_is_exiting", False)
    monkeypatch.setattr(waiting, "_exit_by", math.inf)
    before = waiting.is_exiting()

    waiting.begin_exit()

    assert (False, True) == (before, waiting.is_exiting())


@pytest.mark.parametrize("given", ["", "0.5", "7"])
def test_waiting_at_exit_has_the_budget_of_the_environment(monkeypatch, given):
    """
    Seconds for all handlers together; 5 if nothing is said.
    """
    monkeypatch.setattr(waiting, "_exit_by", math.inf)
    monkeypatch.delenv("MLLOG_EXIT_SECONDS", raising=False)
    if given:
        monkeypatch.setenv("MLLOG_EXIT_SECONDS", given)

    waiting.count_down()
    waiting.count_down()

    left = waiting.deadline(60) - time.monotonic()
    assert float(given or 5) == pytest.approx(left, abs=0.2)


def test_waiting_at_exit_for_no_number_is_said_and_replaced(
    monkeypatch, capsys
):
    """
    A mistake in the environment does not cost the last records.
    """
    monkeypatch.setattr(waiting, "_exit_by", math.inf)
    monkeypatch.setenv("MLLOG_EXIT_SECONDS", "soon")

    waiting.count_down()

    left = waiting.deadline(60) - time.monotonic()
    assert 5 == pytest.approx(left, abs=0.2)
    assert "MLLOG_EXIT_SECONDS" in capsys.readouterr().err


def test_waiting_within_a_limit_ends_with_it():
    """
    An inner limit cannot be later than one around it; both end with their
    blocks.
    """
    now = time.monotonic()
    with waiting.within(now + 2):
        with waiting.within(now + 9):
            inner = waiting.deadline(60)
        outer = waiting.deadline(1)
    after = waiting.deadline(60)

    assert now + 2 == inner
    assert outer < now + 1.5
    assert after > now + 59


# Sinks that take connections and never answer, or what is called and never
# returns; each alone would wait for longer than all together may.
DEAD = {
    "gateway": "mllog.PrometheusHandler(gateway=away, job='j')",
    "otlp": "mllog.OTLPHandler(away)",
    "syslog": "mllog.SyslogHandler(away.replace('http', 'tls'))",
    "s3": "mllog.S3Handler('bucket', endpoint_url=away)",
    "kafka": "mllog.KafkaHandler(away.removeprefix('http://'), 'topic')",
    "rotation": "mllog.TimestampedRotatingFileHandler(path + '.log', **slow)",
    "latency": "mllog.LatencyCSVHandler(path + '.csv', **slow)",
    "archive": (
        "mllog.TimestampedRotatingFileHandler(path + '.archived', maxBytes=99,"
        " on_rotate=mllog.S3Archive('bucket', endpoint_url=away,"
        " spool_dir=path))"
    ),
}
ENDING = r"""
import atexit, math, os, sys, time
path, port, control, *sinks = sys.argv[1:]
began = []
atexit.register(lambda: print(time.monotonic() - began[0], flush=True))
import logging
import mllog
from mllog import waiting

if control:
    waiting.deadline = lambda timeout, default=5.0: time.monotonic() + min(
        default if timeout is None else timeout, 5.0
    )
os.environ.update(
    AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_DEFAULT_REGION="c"
)
away = f"http://127.0.0.1:{port}"
slow = {"maxBytes": 99, "on_rotate": lambda path: time.sleep(60)}
logger = logging.getLogger("app")
for sink in sinks:
    logger.addHandler(eval(sink))
for _ in range(5):
    logger.warning("x" * 60, extra={"inference_latency": 0.1})
time.sleep(0.2)
began.append(time.monotonic())
"""


def _ended(folder, orders, control=""):
    """
    Seconds that processes with these sinks took to end.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=128) as hole:
        port = str(hole.getsockname()[1])
        running = [
            subprocess.Popen(
                [
                    *(sys.executable, "-c", ENDING),
                    *(str(folder / str(number)), port, control),
                    *(DEAD[name] for name in order),
                ],
                env={**os.environ, "MLLOG_EXIT_SECONDS": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for number, order in enumerate(orders)
        ]
        return [float(each.communicate(timeout=90)[0]) for each in running]


def test_exit_with_all_sinks_dead_takes_one_budget_in_every_order(tmp_path):
    """
    What is flushed and closed one after the other has no time of its own.
    """
    names = list(DEAD)
    # each sink before each other one
    seconds = _ended(tmp_path, [names, names[::-1]])

    assert max(seconds) < 2.5


def test_exit_with_a_budget_for_each_wait_takes_longer(tmp_path):
    """
    The control: without one budget the times add up.
    """
    seconds = _ended(tmp_path, [["gateway", "rotation"]], "yes")

    assert min(seconds) > 2.5
