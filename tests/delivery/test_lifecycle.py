"""
Flush, close, shutdown and stats, of one shipper and of all of them.
"""

import gc
import logging
import math
import threading
import time
import weakref

import pytest
from shipping import MemoryHandler, unaccounted, wait_until

import mllog
from mllog import waiting
from mllog.delivery import lifecycle


@pytest.fixture
def make(logger, monkeypatch):
    """
    Make handlers of the test's logger; each is let go of at the end.
    """
    # what other tests left is not ours to flush
    monkeypatch.setattr(lifecycle, "_shipments", weakref.WeakSet())
    monkeypatch.setattr(lifecycle, "_closing", set())
    made = []

    def handler(**options):
        made.append(MemoryHandler(**options))
        logger.addHandler(made[-1])
        return made[-1]

    yield handler
    for each in made:
        each.sink.is_down = False
        each.sink.unblock()
        each.close(5)
        logger.removeHandler(each)


def _seconds(call):
    began = time.monotonic()
    result = call()
    return result, time.monotonic() - began


# flush


def test_flush_of_a_healthy_sink_is_true_when_all_is_sent(make, logger):
    """
    It does not wait for others to go with, and afterwards the sink has all.
    """
    handler = make(linger_seconds=30)
    for number in range(100):
        logger.info("%d", number)

    done, took = _seconds(handler.flush)

    assert done
    assert took < 2
    assert [b"%d" % number for number in range(100)] == handler.sink.received


@pytest.mark.parametrize("flush", ["handler", "mllog"])
def test_flush_of_a_sink_that_hangs_is_false_at_its_deadline(
    make, logger, flush
):
    """
    Nothing is lost by it: what was not sent still waits.
    """
    handler = make()
    handler.sink.block()
    logger.info("x")
    call = handler.flush if flush == "handler" else mllog.flush

    done, took = _seconds(lambda: call(0.2))

    assert not done
    assert 0.2 <= took < 0.6
    assert 1 == handler.stats().queued + handler.stats().in_flight


def test_flush_of_nothing_is_true_at_once(make):
    """
    A handler that never saw a record has started no thread.
    """
    handler = make()

    assert _seconds(handler.flush)[1] < 0.1
    assert handler.flush()
    assert mllog.flush()
    assert not handler._worker.is_running


def test_flush_of_a_sink_that_is_down_is_true_with_a_spool(
    make, logger, tmp_path
):
    """
    What is on disk is safe: no use to wait for the sink.
    """
    handler = make(spool="overflow", spool_dir=tmp_path / "spool")
    handler.sink.is_down = True
    logger.info("x")

    done, took = _seconds(lambda: handler.flush(5))

    stats = handler.stats()
    assert done
    assert took < 3
    assert 1 == stats.spooled + stats.in_flight
    assert 0 == stats.queued


def test_flush_of_all_waits_for_them_at_the_same_time(make, logger):
    """
    Five sinks that hang cost one timeout.
    """
    for _ in range(5):
        make().sink.block()
    logger.info("x")

    done, took = _seconds(lambda: mllog.flush(0.3))

    assert not done
    assert took < 0.8


def test_flush_of_all_delivers_what_healthy_sinks_have(make, logger):
    """
    One that hangs takes nothing from the others, whoever's turn is first.
    """
    handlers = [make(linger_seconds=30) for _ in range(8)]
    for handler in handlers[::2]:
        handler.sink.block()
    logger.info("x")

    assert not mllog.flush(0.3)
    assert [[b"x"]] * 4 == [each.sink.received for each in handlers[1::2]]


def test_flush_of_all_includes_files(logger, tmp_path):
    """
    A file handler's records are written when the call returns.
    """
    handler = mllog.TimestampedRotatingFileHandler(tmp_path / "app.log")
    logger.addHandler(handler)
    logger.info("x")

    assert mllog.flush()
    assert "x" in (tmp_path / "app.log").read_text()


def test_flush_under_the_lock_of_logging_does_not_wait(make, logger):
    """
    The worker may need that lock, so it says what it can at once.
    """
    handler = make()
    handler.sink.block()
    logger.info("x")

    with logging._lock:
        done, took = _seconds(lambda: handler.flush(5))

    assert not done
    assert took < 0.2


def test_flush_by_the_worker_itself_does_not_wait(make, logger):
    """
    A transport whose library flushes all handlers does not wait for itself.
    """
    handler = make()
    found = []
    handler.sink.on_send = lambda events: found.append(
        _seconds(lambda: handler.flush(5))
    )
    logger.info("x")

    assert handler.flush(30)
    assert not found[0][0]
    assert found[0][1] < 0.5


def test_flush_that_was_in_vain_does_not_shorten_the_next_close(make, logger):
    """
    A healthy sink has its time, whatever another one did just before.
    """
    dead, healthy = make(), make(linger_seconds=30)
    dead.sink.block()
    logger.info("x")
    dead.flush(0.1)
    logger.removeHandler(dead)
    logger.info("y")

    healthy.close()

    assert [b"x", b"y"] == healthy.sink.received


# close


def test_close_sends_what_is_left_and_counts_nothing(make, logger):
    """
    Closing is no loss while the sink is healthy.
    """
    handler = make(linger_seconds=30)
    for number in range(1000):
        logger.info("%d", number)

    handler.close()

    stats = handler.stats()
    assert (1000, 1000, {}) == (stats.accepted, stats.sent, stats.dropped)
    assert 1000 == len(handler.sink.received)
    assert 1 == handler.sink.closes


def test_close_of_a_sink_that_hangs_counts_what_is_left(make, logger, capsys):
    """
    At the deadline the rest is counted and said, once.
    """
    handler = make()
    handler.name = "hung"
    handler.sink.block()
    for number in range(10):
        logger.info("%d", number)

    _, took = _seconds(lambda: handler.close(0.2))
    handler.close(0.2)

    stats = handler.stats()
    assert took < 0.7
    assert {"unsent_at_close": 10} == stats.dropped
    assert 0 == unaccounted(stats)
    said = capsys.readouterr().err
    assert said.startswith(
        "mllog: MemoryHandler 'hung': 10 records were not sent before the"
        " close: lost\n"
    )
    # why is known where the attempt has failed by then
    assert said.count("\n") == 1 + ("because: blocked" in said)


def test_close_with_a_spool_keeps_what_is_left_for_the_next_one(
    make, logger, tmp_path, capsys
):
    """
    Nothing is lost and nothing is said; another handler of the name sends it.
    """
    options = {"spool": "overflow", "spool_dir": tmp_path / "spool"}
    handler = make(**options)
    handler.sink.is_down = True
    for number in range(10):
        logger.info("%d", number)
    handler.close(0.2)
    stats = handler.stats()
    logger.removeHandler(handler)
    heir = make(**options)
    logger.info("heir")

    assert heir.flush(30)
    assert 10 == stats.spooled
    assert {} == stats.dropped
    assert 0 == unaccounted(stats)
    assert 10 == heir.stats().adopted
    assert {b"%d" % number for number in range(10)} < set(heir.sink.received)
    assert "lost" not in capsys.readouterr().err


def test_close_and_flush_in_any_order_any_number_of_times_are_quick(
    make, logger
):
    """
    From several threads at once, too.
    """
    handler = make()
    logger.info("x")
    calls = [handler.close, handler.flush, handler.close, handler.flush] * 3
    threads = [threading.Thread(target=call) for call in calls]

    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert time.monotonic() - began < 2
    assert [b"x"] == handler.sink.received
    assert handler.flush()


def test_close_of_a_handler_that_was_never_used_is_quick(make):
    """
    It has nothing to send, and was never connected.
    """
    handler = make()

    assert _seconds(handler.close)[1] < 0.1
    assert 0 == handler.sink.opens


def test_close_by_the_worker_itself_does_not_wait(make, logger):
    """
    What the transport's own library does to handlers cannot stop it.
    """
    handler = make()
    took = []
    handler.sink.on_send = lambda events: took.append(
        _seconds(handler.close)[1]
    )
    logger.info("x")

    assert wait_until(lambda: handler.sink.received, 30)
    assert took[0] < 0.5


def test_close_under_the_lock_of_logging_leaves_the_rest_to_the_worker(
    make, logger
):
    """
    It returns at once, and all of it arrives though the client logs.
    """
    handler = make(linger_seconds=30)
    handler.sink.on_send = lambda events: logging.getLogger(
        f"client.{time.monotonic_ns()}"
    ).isEnabledFor(logging.DEBUG)
    for number in range(100):
        logger.info("%d", number)

    with logging._lock:
        _, took = _seconds(handler.close)
        time.sleep(0.05)

    assert took < 0.1
    assert wait_until(lambda: len(handler.sink.received) == 100, 30)
    assert wait_until(lambda: not handler._worker.is_running, 30)


def test_close_of_a_handler_that_nobody_holds_still_sends(logger):
    """
    A configuration that fails midway leaves handlers that nobody closes.
    """
    handler = MemoryHandler(linger_seconds=30)
    sink, gone = handler.sink, weakref.ref(handler)
    logger.addHandler(handler)
    logger.info("x")
    logger.removeHandler(handler)
    del handler
    gc.collect()

    assert gone() is None
    assert wait_until(lambda: sink.received == [b"x"], 30)
    assert wait_until(lambda: sink.closes == 1, 30)


def test_close_of_several_by_logging_takes_the_time_of_one(
    make, logger, monkeypatch
):
    """
    logging.shutdown closes handlers one by one, and all share one budget.
    """
    monkeypatch.setattr(waiting, "_ALL_SECONDS", 0.3)
    monkeypatch.setattr(waiting, "_shutdown", (0, 0.0, 0.0))
    handlers = [make() for _ in range(4)]
    for handler in handlers:
        handler.sink.block()
    logger.info("x")

    _, took = _seconds(
        lambda: logging.shutdown([weakref.ref(each) for each in handlers])
    )

    assert took < 1
    for handler in handlers:
        assert {"unsent_at_close": 1} == handler.stats().dropped


# shutdown


def test_shutdown_of_healthy_sinks_is_true_and_sends_all(make, logger):
    """
    Afterwards no worker runs.
    """
    handlers = [make(linger_seconds=30) for _ in range(3)]
    logger.info("x")

    assert mllog.shutdown(5)
    assert [[b"x"]] * 3 == [handler.sink.received for handler in handlers]
    assert not any(handler._worker.is_running for handler in handlers)


@pytest.mark.parametrize("spool", ["off", "overflow", "always"])
def test_shutdown_of_sinks_that_hang_takes_the_time_of_one(
    make, logger, tmp_path, spool
):
    """
    Whatever the number of handlers; with a spool nothing is lost by it.
    """
    options = {"close_timeout_seconds": 1}
    if spool != "off":
        options |= {"spool": spool, "spool_dir": tmp_path / "spool"}
    handlers = []
    for number in range(6):
        handlers.append(make(**options))
        handlers[-1].name = f"handler-{number}"
        handlers[-1].sink.block()
    logger.info("x")
    time.sleep(0.05)

    done, took = _seconds(lambda: mllog.shutdown(0.3))

    lost = {"unsent_at_close": 1} if spool == "off" else {}
    assert done == (spool != "off")
    assert took < 1
    for handler in handlers:
        assert lost == handler.stats().dropped
        assert 0 == unaccounted(handler.stats())


@pytest.mark.parametrize("end", ["close", "shutdown"])
def test_worker_that_hangs_is_waited_for_only_once(make, logger, end):
    """
    After a close in vain neither a shutdown nor a second close waits again.
    """
    handler = make()
    handler.sink.block()
    logger.info("x")
    assert wait_until(lambda: handler.sink.attempted)

    _, first = _seconds(lambda: handler.close(0.3))
    again = handler.close if end == "close" else mllog.shutdown
    _, second = _seconds(lambda: again(3.0))

    assert 0.3 <= first < 1.5
    assert second < 0.5
    assert {"unsent_at_close": 1} == handler.stats().dropped
    assert handler._worker.is_running


def test_worker_that_hangs_is_waited_for_again_for_a_later_record(
    make, logger
):
    """
    A record after the close is given its time, and arrives.
    """
    handler = make()
    handler.sink.block()
    logger.info("x")
    assert wait_until(lambda: handler.sink.attempted)
    handler.close(0.1)
    logger.info("late")
    timer = threading.Timer(0.3, handler.sink.unblock)
    timer.start()

    handler.close(5.0)

    stats = handler.stats()
    timer.join()
    assert {"unsent_at_close": 1} == stats.dropped
    assert 1 == stats.sent
    assert b"late" == handler.sink.received[-1]
    assert 0 == unaccounted(stats)


def test_shutdown_twice_is_quick_and_true(make, logger):
    """
    There is nothing left the second time.
    """
    make()
    logger.info("x")
    mllog.shutdown(5)

    done, took = _seconds(mllog.shutdown)

    assert done
    assert took < 0.1


# stats


def test_stats_have_each_handler_by_its_name_or_class(logger):
    """
    The second of a class has a number behind it.
    """

    class OddHandler(MemoryHandler):
        pass

    handlers = [OddHandler() for _ in range(4)]
    handlers[2].name = "an odd one"
    for handler in handlers:
        logger.addHandler(handler)
    logger.info("x")
    mllog.flush(5)

    found = mllog.stats()
    ours = [name for name in found if "odd" in name.lower()]
    assert ["OddHandler", "OddHandler 2", "an odd one", "OddHandler 3"] == ours
    assert all(found[name].sent == 1 for name in ours)


def test_stats_no_longer_have_a_handler_that_is_gone():
    """
    Nothing keeps it alive.
    """
    handler = MemoryHandler()
    handler.name = "a handler that goes"
    before = "a handler that goes" in mllog.stats()
    handler.close()
    del handler
    gc.collect()

    assert before
    assert "a handler that goes" not in mllog.stats()


# the exit


def test_exit_drains_all_within_its_budget(make, logger, monkeypatch):
    """
    A sink that hangs does not keep the others from their last records.
    """
    monkeypatch.setenv("MLLOG_EXIT_SECONDS", "0.3")
    monkeypatch.setattr(waiting, "_exit_by", math.inf)
    monkeypatch.setattr(waiting, "_is_exiting", False)
    handlers = [make(linger_seconds=30) for _ in range(8)]
    for handler in handlers[::2]:
        handler.sink.block()
    logger.info("x")

    _, took = _seconds(lifecycle._at_exit)
    again = _seconds(lifecycle._at_exit)[1]
    late = _seconds(handlers[0].close)[1]

    assert 0.3 <= took < 0.8
    assert again < 0.1
    assert late < 0.3
    assert [[b"x"]] * 4 == [each.sink.received for each in handlers[1::2]]


def test_exit_of_a_process_is_hooked_once(monkeypatch):
    """
    Each first record asks for it, and only children of multiprocessing need it.
    """
    monkeypatch.setattr(lifecycle, "_hooked_process", 0)

    lifecycle.hook_exit()
    lifecycle.hook_exit()

    assert lifecycle._hooked_process
