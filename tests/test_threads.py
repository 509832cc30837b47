"""
Threads, locks and waits of the system, also where Python's are greenlets.
"""

import importlib.util
import signal
import socket
import subprocess
import sys
import threading

import pytest

from mllog import threads

NO_GEVENT, NO_EVENTLET = (
    pytest.mark.skipif(
        importlib.util.find_spec(name) is None, reason=f"no {name}"
    )
    for name in ("gevent", "eventlet")
)
WHENS = ["before the import", "before a record"]
# eventlet turns the locks that it finds into its own
CASES = [
    pytest.param("gevent", WHENS[0], marks=NO_GEVENT),
    pytest.param("gevent", WHENS[1], marks=NO_GEVENT),
    pytest.param("eventlet", WHENS[0], marks=NO_EVENTLET),
]

# Greenlets stand still for as long as a wait that is none of theirs: a second,
# or for ever.
PROGRAM = r"""
import os, sys, warnings
patcher, when, hole, sink, control = sys.argv[1:]
warnings.simplefilter("ignore")

def patch():
    if patcher == "gevent":
        from gevent import monkey
        monkey.patch_all()
    else:
        import eventlet
        eventlet.monkey_patch()

if when == "before the import":
    patch()
import logging, logging.config, threading, time, urllib.request
import mllog
from mllog import threads

if control:
    threads._are_greenlets = threads.in_greenlet = lambda: False
os.environ.update(
    AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_DEFAULT_REGION="c"
)
away = f"http://127.0.0.1:{hole}"
healthy = mllog.SyslogHandler(f"tcp://127.0.0.1:{sink}", linger_seconds=0.1)
served = mllog.PrometheusHandler(0)
handlers = [
    healthy,
    served,
    mllog.SyslogHandler(f"udp://127.0.0.1:{hole}"),
    mllog.OTLPHandler(away),
    mllog.S3Handler("bucket", endpoint_url=away, linger_seconds=0.1),
    mllog.KafkaHandler(f"127.0.0.1:{hole}", "topic"),
    mllog.PrometheusHandler(gateway=away, job="j", interval_seconds=0.2),
    mllog.SyslogHandler(
        f"tcp://127.0.0.1:{hole}",
        spool="always",
        spool_dir="spool",
    ),
    mllog.TimestampedRotatingFileHandler(
        "app.log",
        maxBytes=2000,
        compress=True,
        on_rotate=lambda path: time.sleep(0.05),
    ),
    mllog.LatencyCSVHandler("latency.csv", maxBytes=500),
    mllog.SummaryHandler(),
]
logger = logging.getLogger("app")
logger.setLevel("INFO")
logger.propagate = False
for handler in handlers:
    logger.addHandler(handler)
if when != "before the import":
    patch()

longest, last, is_over = 0.0, time.perf_counter(), False

def beat():
    global longest, last
    while not is_over:
        time.sleep(0.01)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now

def log():
    for _ in range(50):
        logger.info("x" * 60, extra={"inference_latency": 0.1})
        time.sleep(0.005)

threading.Thread(target=beat, daemon=True).start()
writers = [threading.Thread(target=log) for _ in range(3)]
for each in writers:
    each.start()
for each in writers:
    each.join()
url = f"http://127.0.0.1:{served.port}/metrics"
with urllib.request.urlopen(url, timeout=10) as answer:
    page = answer.read()
mllog.flush(1)
sent = healthy.stats().sent
logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
mllog.shutdown(1)
is_over = True
print(longest, sent, b"inference_latency_seconds_count" in page, flush=True)
os._exit(0)
"""


class Sinks:
    """
    A server that takes connections and never answers, and one that reads.
    """

    def __init__(self):
        self.hole = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.sink = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self.sink.accept()[0]
            except OSError:
                return
            threading.Thread(
                target=self._read, args=(connection,), daemon=True
            ).start()

    def _read(self, connection):
        with connection:
            while connection.recv(65536):
                pass

    def run(self, folder, patcher, when, control="", *, timeout=60):
        """
        The longest time that greenlets stood still, and what came of it.
        """
        hole, sink = (
            str(each.getsockname()[1]) for each in (self.hole, self.sink)
        )
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                PROGRAM,
                patcher,
                when,
                hole,
                sink,
                control,
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.stdout, done.stderr
        longest, sent, is_page = done.stdout.split()
        return float(longest), int(sent), is_page

    def close(self):
        """
        Give the ports back.
        """
        self.hole.close()
        self.sink.close()


@pytest.fixture
def sinks():
    """
    Servers on loopback.
    """
    found = Sinks()
    yield found
    found.close()


@pytest.mark.parametrize(("patcher", "when"), CASES)
def test_greenlets_go_on_beside_every_handler(sinks, tmp_path, patcher, when):
    """
    Whatever waits for a sink that is away, greenlets do not; what is healthy
    is served, whenever threads were replaced.
    """
    longest, sent, is_page = sinks.run(tmp_path, patcher, when)

    assert longest < 0.8
    assert 150 == sent
    assert "True" == is_page


@NO_GEVENT
def test_greenlets_stand_still_where_we_do_as_threads_do(sinks, tmp_path):
    """
    The control: a worker that is a greenlet holds up all others.
    """
    try:
        longest = sinks.run(tmp_path, "gevent", WHENS[1], "yes", timeout=8)[0]
    except subprocess.TimeoutExpired:
        longest = 8

    assert longest > 0.8


def test_lock_that_another_thread_has_is_waited_for_until_the_timeout():
    """
    acquire() gives whether it has it.
    """
    lock = threads.Lock()
    lock.acquire()

    in_vain = threads.acquire(lock, 0.05)
    threading.Timer(0.05, lock.release).start()
    in_time = threads.acquire(lock, 20)

    assert (False, True) == (in_vain, in_time)


def test_flag_lets_all_who_wait_go_on_and_stays():
    """
    As an Event does: until it is cleared.
    """
    flag = threads.Flag()
    before = flag.wait(0.01)
    done = []
    waiters = [
        threading.Thread(target=lambda: done.append(flag.wait(20)))
        for _ in range(3)
    ]
    for each in waiters:
        each.start()

    flag.set()
    flag.set()
    for each in waiters:
        each.join(20)

    assert not before
    assert [True] * 3 == done
    assert flag.is_set() and flag.wait(0)
    flag.clear()
    assert not (flag.is_set() or flag.wait(0.01))


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no SIGALRM")
def test_flag_set_by_a_signal_handler_ends_the_wait_of_its_thread():
    """
    The lock inside of an Event would be waited for by its own owner.
    """
    flag = threads.Flag()
    before = signal.signal(signal.SIGALRM, lambda *_: flag.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        is_set = flag.wait(20)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert is_set


def test_thread_is_known_to_itself_and_joined_by_several():
    """
    It is alive from its start to its end; a join within it does not wait.
    """
    may_end, seen = threads.Flag(), []

    def work():
        thread.join(20)
        seen.append((thread.is_here, thread.is_alive))
        may_end.wait(20)

    thread = threads.SystemThread(work, "mllog-test")
    before = thread.is_alive
    thread.start()
    during = thread.is_alive, thread.is_here
    thread.join(0.01)
    is_left = thread.is_alive
    may_end.set()
    thread.join(20)
    thread.join(20)

    assert [(True, True)] == seen
    assert (False, (True, False), True) == (before, during, is_left)
    assert not thread.is_alive


def test_thread_that_cannot_start_is_not_alive(monkeypatch):
    """
    The interpreter ends, or there are too many; it may be started later.
    """

    def fail(_self):
        raise RuntimeError("can't start new thread")

    done = threads.Flag()
    thread = threads.SystemThread(done.set, "mllog-test")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            thread.start()
    is_alive = thread.is_alive
    thread.start()

    assert not is_alive
    assert done.wait(20)
