"""
Shippers at the end of a process, in reconfigurations, forks and signals.

Each application is a process of its own.  One that takes too long is aborted,
and writes the stacks of all threads, so that a hang is told from slowness.
The controls take one safeguard away and have to be caught.
"""

import collections
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from mllog.delivery.spool import inspect

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]

PRELUDE = r"""
import atexit, ctypes, faulthandler, gc, json, logging, logging.config
import multiprocessing, os, signal, sys, tempfile, threading, time

faulthandler.enable()  # on SIGABRT it says where each thread is
FOLDER = os.environ["FOLDER"]
CONTROL = os.environ["CONTROL"]
SCALE = float(os.environ["SCALE"])
if CONTROL == "stdlib's RLock":  # not freed in a child
    import mllog.forking
    mllog.forking.fork_safe_lock = threading.RLock
if CONTROL == "plain lock":  # not re-entrant
    import mllog.forking
    mllog.forking.fork_safe_lock = threading.Lock
if CONTROL == "no hooks at fork":
    registered = os.register_at_fork
    os.register_at_fork = lambda **hooks: None
    import mllog.forking
    os.register_at_fork = registered
import mllog
from mllog import waiting
from mllog.accounting import DeliveryStats
from mllog.delivery import lifecycle, outbox
from mllog.delivery.handler import ShippingHandler
from mllog.delivery.retry import Fault, Verdict


class Sink:
    "A file: who sent which record."
    def __init__(self, path):
        self.path = path
    def open(self, deadline):
        pass
    def send(self, events, deadline):
        data = b"".join(b"%d %s\n" % (os.getpid(), e.value) for e in events)
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        assert os.write(fd, data) == len(data)
        os.close(fd)
    def close(self, deadline):
        pass
    def classify(self, error):
        return Verdict(Fault.TRANSIENT)

class Talkative(Sink):
    "Its client logs, by loggers that nobody asked for before."
    calls = 0
    def send(self, events, deadline):
        for _ in range(3):
            Talkative.calls += 1
            client = logging.getLogger(f"client.{Talkative.calls}")
            if client.isEnabledFor(logging.DEBUG):
                client.debug("sends")
        super().send(events, deadline)

class Silent(Sink):
    "Takes what comes and never answers."
    def send(self, events, deadline):
        time.sleep(max(0.0, deadline - time.monotonic()))
        raise TimeoutError("no answer")

class Stuck(Sink):
    "A client that has never heard of deadlines."
    def send(self, events, deadline):
        time.sleep(1000)

class Away(Sink):
    def open(self, deadline):
        raise ConnectionRefusedError("nobody there")

class Shipper(ShippingHandler):
    made = []
    def __init__(self, sink="Sink", **options):
        super().__init__(**options)
        self.ship(globals()[sink](f"{FOLDER}/received"), sink)
        self.made.append(self)
    def default_formatter(self):
        return logging.Formatter("%(message)s")

def is_exact(stats):
    return stats.accepted == (
        stats.sent + sum(stats.dropped.values()) + stats.queued
        + stats.in_flight + stats.spooled + stats.dead_lettered
    )

def spooling(mode):
    return {} if mode == "off" else {"spool": mode, "spool_dir": FOLDER + "/spool"}

def say(**facts):
    os.write(1, json.dumps(facts).encode() + b"\n")

logger = logging.getLogger("app")
logger.setLevel(logging.DEBUG)
logger.propagate = False
"""


@dataclasses.dataclass
class Run:
    """
    What an application left behind.
    """

    folder: object
    code: int | None
    ended: float
    facts: dict
    stderr: str

    @property
    def is_hung(self):
        """
        Whether it was aborted.
        """
        return self.code is None

    @property
    def received(self):
        """
        The processes that sent each record.
        """
        found = collections.defaultdict(list)
        path = self.folder / "received"
        if path.exists():
            for line in path.read_text().splitlines():
                pid, _, message = line.partition(" ")
                found[message].append(int(pid))
        return found


class Application:
    """
    Runs scripts in a folder of their own.
    """

    def __init__(self, folder, scale):
        self._folder = folder
        self._scale = scale

    def apart(self, name):
        """
        Another folder, for scripts that run again.
        """
        folder = self._folder / name
        folder.mkdir()
        return Application(folder, self._scale)

    def __call__(
        self, script, *arguments, control="", watchdog=25.0, scale=None, **more
    ):
        path = self._folder / "application.py"
        path.write_text(PRELUDE + script)
        environ = {
            **os.environ,
            "FOLDER": str(self._folder),
            "CONTROL": control,
            "SCALE": str(self._scale if scale is None else scale),
            **{name: str(value) for name, value in more.items()},
        }
        command = [sys.executable, "-W", "ignore", str(path), *arguments]
        out, err = self._folder / "stdout", self._folder / "stderr"
        with (
            out.open("wb") as stdout,
            err.open("wb") as stderr,
            subprocess.Popen(
                command,
                stdout=stdout,
                stderr=stderr,
                env=environ,
                start_new_session=True,
            ) as process,
        ):
            try:
                code = process.wait(watchdog)
            except subprocess.TimeoutExpired:
                code = None
                _tell_group(process, signal.SIGABRT)
                time.sleep(0.2)
            finally:
                ended = time.monotonic()
                _tell_group(process, signal.SIGKILL)
        facts = {}
        for line in out.read_text().splitlines():
            facts.update(json.loads(line))
        return Run(self._folder, code, ended, facts, err.read_text())


def _tell_group(process, number):
    """
    Send a signal to the application and to the children that it left.
    """
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


@pytest.fixture
def application(tmp_path, fault_scale):
    """
    Run a script as a process, and give what came of it.
    """
    return Application(tmp_path, fault_scale)


def _assert_no_noise(run):
    """
    No thread, hook or finaliser failed.
    """
    for sign in (
        "Exception in thread",
        "Exception ignored",
        "Fatal",
        "atexit",
    ):
        assert sign not in run.stderr, run.stderr


# the end of a process


EXIT = r"""
if CONTROL == "a budget for each handler":
    waiting.deadline = lambda timeout, default=5.0: time.monotonic() + (
        default if timeout is None else timeout
    )
    atexit.unregister(lifecycle._at_exit)
if CONTROL == "nothing is counted":
    outbox.Outbox.finish = lambda self: 0

ending, spool, records, port = sys.argv[1:]
records = int(records)
budget = float(os.environ["MLLOG_EXIT_SECONDS"])

def log_it_all():
    options = {
        "max_queue_records": 2 * records,
        "max_queue_bytes": "64MiB",
        "send_timeout_seconds": 60,
    }
    handlers, pad = [], "x" * (8_000_000 // records)
    for number in range(8):
        more = {**options, **spooling(spool)}
        if number < 2:
            handler = mllog.SyslogHandler(f"tcp://127.0.0.1:{port}", **more)
        else:
            handler = Shipper(("Silent", "Stuck")[number % 2], **more)
        handler.name = f"handler-{number}"
        logger.addHandler(handler)
        handlers.append(handler)
    for number in range(records):
        logger.info("%d %s", number, pad)
    return handlers

def say_when():
    say(ending_at=time.monotonic())

def child():
    global handlers
    handlers = log_it_all()
    time.sleep(0.3)
    say_when()

def sent(handlers):
    return {handler.name: handler.stats().sent for handler in handlers}

if __name__ == "__main__":
    if ending in ("fork", "spawn"):
        process = multiprocessing.get_context(ending).Process(target=child)
        process.start()
        process.join()
        say(code=process.exitcode)
        sys.exit()
    handlers = log_it_all()
    time.sleep(0.3)  # let each worker begin with it
    say_when()
    if ending == "sys.exit":
        sys.exit(3)
    if ending == "error":
        raise ValueError("unhandled")
    if ending == "SIGTERM":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    if ending == "os._exit":
        is_sent = mllog.shutdown(budget)
        assert not is_sent or spool == "always"
        stats = mllog.stats()
        assert len(stats) == 8
        say(exact=all(map(is_exact, stats.values())))
        os._exit(5)
"""

CODES = {"sys.exit": 3, "error": 1, "SIGTERM": 4, "os._exit": 5}
ENDINGS = ["end", *CODES, "fork", "spawn"]


@pytest.fixture
def stalled():
    """
    The port of a TCP server that accepts and never reads.
    """
    with socket.socket() as server:
        # small, so that the kernel takes only a part of it
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.bind(("127.0.0.1", 0))
        server.listen(20)
        yield server.getsockname()[1]


def _lost(run):
    """
    What each handler says that it lost, in the order of its lines.
    """
    lost = collections.defaultdict(list)
    for line in run.stderr.splitlines():
        if "not sent before the close" in line:
            name = line.partition("'")[2].partition("'")[0]
            words = line.split()
            lost[name].append(int(words[words.index("not") - 3]))
    return lost


@pytest.mark.parametrize("ending", ENDINGS)
def test_process_with_dead_sinks_ends_in_its_budget_and_counts(
    application, stalled, fault_scale, ending
):
    """
    Eight sinks that never answer cost one budget, and each says once what it lost.
    """
    budget = 5 if fault_scale == 1 else 1
    records = int(10_000 * fault_scale)

    run = application(
        EXIT,
        *(ending, "off", str(records), str(stalled)),
        MLLOG_EXIT_SECONDS=budget,
    )

    lost = _lost(run)
    took = run.ended - run.facts["ending_at"]
    assert CODES.get(ending, 0) == run.code, run.stderr
    assert took < budget + 0.5
    assert {f"handler-{n}": 1 for n in range(8)} == {
        name: len(counts) for name, counts in lost.items()
    }, run.stderr
    for number in range(8):
        (count,) = lost[f"handler-{number}"]
        # what a server's kernel took counts as sent
        assert count == records or (number < 2 and 0 < count < records)
    assert run.stderr.count("Traceback") == (ending == "error")
    assert run.facts.get("exact", True)
    assert not run.facts.get("code")
    _assert_no_noise(run)


@pytest.mark.parametrize("ending", ["end", "os._exit", "spawn"])
def test_process_with_dead_sinks_leaves_all_in_the_spool(
    application, stalled, tmp_path, fault_scale, ending
):
    """
    With a spool nothing is lost: what was not sent is on disk, to be adopted.
    """
    budget = 5 if fault_scale == 1 else 1
    records = int(10_000 * fault_scale)

    run = application(
        EXIT,
        *(ending, "always", str(records), str(stalled)),
        MLLOG_EXIT_SECONDS=budget,
    )

    took = run.ended - run.facts["ending_at"]
    assert CODES.get(ending, 0) == run.code, run.stderr
    assert took < budget + 0.5
    assert {} == _lost(run)
    for number in range(8):
        left = inspect(str(tmp_path / "spool" / f"handler-{number}"))
        pending = sum(each.records for each in left)
        assert pending == records or (number < 2 and 0 < pending < records)
        assert not any(each.alive for each in left)
    _assert_no_noise(run)


def test_process_whose_handlers_wait_one_by_one_is_late(application, stalled):
    """
    Control: with a budget for each handler the end takes longer.
    """
    run = application(
        EXIT,
        *("end", "off", "1000", str(stalled)),
        control="a budget for each handler",
        watchdog=3,
        MLLOG_EXIT_SECONDS=1,
    )

    assert run.is_hung
    assert run.ended - run.facts["ending_at"] > 1.5


def test_process_that_does_not_count_is_noticed(application, stalled):
    """
    Control: where nothing is counted at the end, nothing is said.
    """
    run = application(
        EXIT,
        *("end", "off", "1000", str(stalled)),
        control="nothing is counted",
        MLLOG_EXIT_SECONDS=1,
    )

    assert {} == _lost(run)


HEALTHY = r"""
def late():
    logger.info("in a later atexit handler")

def before_logging():
    "Registered before mllog's, so it runs after it."
    logger.info("after mllog's own")

class Finaliser:
    def __del__(self):
        logger.info("in a finaliser")

class Cycle(Finaliser):
    def __init__(self):
        self.me = self

def in_thread():
    for number in range(50):
        logger.info("in a thread %d", number)
        time.sleep(0.002)

if sys.argv[1] == "beside dead ones":
    for number in range(8):
        logger.addHandler(Shipper("Silent"))
        logger.addHandler(Shipper(linger_seconds=30))
    logger.info("one of eight")
    say(ending_at=time.monotonic())
elif sys.argv[1] == "at first":
    handler = Shipper(linger_seconds=30)
    logger.addHandler(handler)
    def first():
        started = time.monotonic()
        logger.info("the very first")
        say(logged_in=time.monotonic() - started)
    atexit.register(first)
    say(ending_at=time.monotonic())
elif sys.argv[1] == "at last":
    # mllog's hook runs before what was registered before it, so do it again
    atexit.unregister(lifecycle._at_exit)
    atexit.register(before_logging)
    atexit.register(lifecycle._at_exit)
    handler = Shipper(linger_seconds=30)
    logger.addHandler(handler)
    if len(sys.argv) > 2:
        logger.info("one before")
    say(ending_at=time.monotonic())
else:
    handler = Shipper(linger_seconds=30)
    logger.addHandler(handler)
    atexit.register(late)
    thread = threading.Thread(target=in_thread)
    thread.start()
    kept = Finaliser()
    atexit.register(lambda: globals().pop("kept"))
    garbage = Cycle()
    del garbage
    for number in range(1000):
        logger.info("%d", number)
    say(ending_at=time.monotonic())
"""


def test_process_with_healthy_sinks_delivers_to_the_last_record(application):
    """
    Also what threads, finalisers and atexit handlers log at the end.
    """
    run = application(HEALTHY, "all")

    wanted = {str(number) for number in range(1000)}
    wanted |= {f"in a thread {number}" for number in range(50)}
    wanted |= {"in a later atexit handler", "in a finaliser"}
    assert (0, "") == (run.code, run.stderr)
    assert wanted == set(run.received)
    assert 1 == len(run.received["0"])
    assert 0.1 <= run.ended - run.facts["ending_at"] < 1.5


def test_process_with_dead_sinks_delivers_to_the_healthy_ones(application):
    """
    What lingers for others to go with is sent, whoever else hangs.
    """
    run = application(HEALTHY, "beside dead ones", MLLOG_EXIT_SECONDS=1)

    assert 0 == run.code, run.stderr
    assert 8 == len(run.received["one of eight"])
    assert 8 == sum(map(sum, _lost(run).values()))
    assert run.ended - run.facts["ending_at"] < 1.5


def test_process_whose_first_record_comes_at_exit_delivers_it(application):
    """
    Whether or not this Python still starts threads then.
    """
    run = application(HEALTHY, "at first")

    assert (0, "") == (run.code, run.stderr)
    assert ["the very first"] == list(run.received)
    assert run.facts["logged_in"] < 0.5
    assert run.ended - run.facts["ending_at"] < 1.5


@pytest.mark.parametrize("before", [(), ("one before",)])
def test_process_that_logs_after_the_hook_of_mllog_delivers_it(
    application, before
):
    """
    Until logging closes the handler it takes records and sends them.
    """
    run = application(HEALTHY, "at last", *before)

    assert (0, "") == (run.code, run.stderr)
    assert {*before, "after mllog's own"} == set(run.received)
    assert run.ended - run.facts["ending_at"] < 1.5


# a new configuration while everything runs


RECONFIGURE = r'''
kind, sink, rounds, port = sys.argv[1:]
if CONTROL == "close joins the worker":  # whoever holds logging's lock
    lifecycle.waiting.under_logging_lock = lambda: False

class Quiet(logging.NullHandler):
    pass

class Syslog(mllog.SyslogHandler):
    made = []
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.made.append(self)

INI = """
[loggers]
keys=root,app
[handlers]
keys=sink
[formatters]
keys=
[logger_root]
handlers=
[logger_app]
handlers=sink
level=DEBUG
qualname=app
propagate=0
[handler_sink]
class=%s
args=%s
kwargs=%s
"""

CLASSES = {
    "null": ("__main__.Quiet", {}),
    "file": ("__main__.Shipper", {
        "sink": "Talkative",
        "linger_seconds": 0.05,
        "close_timeout_seconds": 1 if CONTROL else 5,
    }),
    "syslog": ("__main__.Syslog", {
        "address": f"tcp://127.0.0.1:{port}", "close_timeout_seconds": 1,
    }),
}

def configure(of):
    name, options = CLASSES[of]
    if kind == "dictConfig":
        return lambda: logging.config.dictConfig({
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"sink": {"class": name, **options}},
            "loggers": {"app": {
                "handlers": ["sink"], "level": "DEBUG", "propagate": False,
            }},
        })
    path = f"{FOLDER}/{of}.ini"
    with open(path, "w") as file:
        file.write(INI % (name, (), options))
    return lambda: logging.config.fileConfig(
        path, disable_existing_loggers=False
    )

def slowest(of, rounds):
    call, times = configure(of), []
    for _ in range(rounds):
        began = time.monotonic()
        call()
        times.append(time.monotonic() - began)
        time.sleep(0.001)
    return max(times)

class Asker:
    "A thread that logs; at times by a logger that is new."
    def __init__(self, name):
        self.name = name
        self.logged = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
    def run(self):
        while not ended.is_set():
            logger.info("%s %d", self.name, self.logged)
            self.logged += 1
            if not self.logged % 50:
                logging.getLogger(f"app.{self.name}.{self.logged}").debug(
                    "%s %d", self.name, self.logged
                )
                self.logged += 1
            time.sleep(0.0005)

def at_rest():
    return (threading.active_count(), len(os.listdir("/proc/self/fd")))

ended = threading.Event()
logging.lastResort = Quiet()
logging.getLogger("client").addHandler(logging.NullHandler())
made = Syslog.made if sink == "syslog" else Shipper.made
before = at_rest()
askers = [Asker(f"t{number}") for number in range(8)]
for asker in askers:
    asker.thread.start()
baseline = slowest("null", max(20, int(rounds) // 4))
say(baseline=baseline)
most = 0
def watch():
    global most
    while not ended.wait(0.02):
        most = max(most, threading.active_count())
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
say(slowest=slowest(sink, int(rounds)))
say(most_threads=most)
ended.set()
for thread in [watcher, *(asker.thread for asker in askers)]:
    thread.join()
logger.handlers[0].close()
closed_by = time.monotonic() + 10
while at_rest() > before and time.monotonic() < closed_by:
    time.sleep(0.01)
say(before=before, after=at_rest())
stats = [each.stats() for each in made]
say(
    exact=all(map(is_exact, stats)),
    accepted=sum(each.accepted for each in stats),
    sent=sum(each.sent for each in stats),
    reasons=sorted({reason for each in stats for reason in each.dropped}),
    closed=sum(each.dropped.get("closed", 0) for each in stats),
    waiting=sum(each.queued + each.in_flight for each in stats),
    handlers=len(stats),
    logged=sum(asker.logged for asker in askers),
    calls=Talkative.calls,
)
'''


def _limit(run):
    """
    Seconds that a configuration may take here, while eight threads log.
    """
    return max(0.1, 3 * run.facts["baseline"])


def _reconfigured(application, *arguments):
    """
    The first of three runs in which no configuration was slow.

    Other work of the machine makes one of a thousand slow; a handler that
    waits makes it so in each run.
    """
    for attempt in range(3):
        # a thousand configurations take 20 s and more where all log
        run = application.apart(str(attempt))(
            RECONFIGURE, *arguments, watchdog=120
        )
        if run.code != 0 or run.facts["slowest"] < _limit(run):
            break
    return run


@pytest.mark.parametrize("kind", ["dictConfig", "fileConfig"])
def test_configuration_made_anew_while_all_log_neither_waits_nor_loses(
    application, fault_scale, kind
):
    """
    Closing a handler under logging's lock waits for nobody, whatever its
    worker's client asks logging for, and what was accepted is sent.
    """
    rounds = int(1000 * fault_scale)

    run = _reconfigured(application, kind, "file", str(rounds), "0")

    facts = run.facts
    print({"kind": kind, **facts})
    assert (0, "") == (run.code, run.stderr)
    assert facts["slowest"] < _limit(run)
    assert facts["exact"]
    assert facts["handlers"] == rounds
    assert facts["calls"] >= rounds
    assert 0 == facts["waiting"]
    assert [] == [each for each in facts["reasons"] if each != "closed"]
    assert facts["accepted"] == facts["sent"] + facts["closed"]
    assert facts["sent"] == len(run.received)
    assert {1} == {len(senders) for senders in run.received.values()}
    assert facts["after"] == facts["before"]
    assert facts["most_threads"] < 60


@pytest.mark.parametrize("kind", ["dictConfig", "fileConfig"])
def test_configuration_made_anew_with_a_stalled_server_does_not_wait(
    application, stalled, fault_scale, kind
):
    """
    A server that takes nothing costs a new configuration no time.
    """
    rounds = int(1000 * fault_scale)

    run = _reconfigured(application, kind, "syslog", str(rounds), str(stalled))

    facts = run.facts
    print({"kind": kind, **facts})
    assert 0 == run.code, run.stderr
    assert facts["slowest"] < _limit(run)
    assert facts["exact"]
    assert facts["handlers"] == rounds
    assert 0 == facts["waiting"]
    assert facts["after"] == facts["before"]
    _assert_no_noise(run)


def test_configuration_made_anew_by_one_that_joins_is_slow(application):
    """
    Control: the worker asks for a logger, and its lock is held by who waits.
    """
    run = application(
        RECONFIGURE,
        *("dictConfig", "file", "20", "0"),
        control="close joins the worker",
        watchdog=3,
    )

    assert run.is_hung or run.facts["slowest"] > _limit(run)


# forks


FORK = r"""
if CONTROL == "the queue is not cleared":
    outbox.Outbox.forget_parent = outbox.Outbox._reset

spool, forks, records = sys.argv[1], int(sys.argv[2]), 300
handler = Shipper(linger_seconds=0.02, **spooling(spool))
logger.addHandler(handler)
ended = threading.Event()
logged = [0] * 8

def work(number):
    while not ended.is_set():
        logger.info("t%d %d", number, logged[number])
        logged[number] += 1
        if not logged[number] % 20:
            time.sleep(0.001)

def child(number):
    for each in range(records):
        logger.info("c%d %d", number, each)
    if spool == "always" and number % 5 == 0:
        os._exit(0)  # as if it was killed: another one adopts what it left
    is_sent = mllog.shutdown(20)
    stats = handler.stats()
    os._exit(0 if is_sent and is_exact(stats) and stats.sent >= records else 1)

threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for thread in threads:
    thread.start()
codes, running = [], []
for number in range(forks):
    pid = os.fork()
    if not pid:
        child(number)
    running.append(pid)
    if len(running) == 4:
        codes.append(os.waitpid(running.pop(0), 0)[1])
codes += [os.waitpid(pid, 0)[1] for pid in running]
ended.set()
for thread in threads:
    thread.join()
is_sent = mllog.shutdown(20)
stats = handler.stats()
say(
    codes=sorted(set(codes)), is_sent=is_sent, logged=logged, pid=os.getpid(),
    exact=is_exact(stats), dropped=stats.dropped,
)
"""

ADOPT = r"""
handler = Shipper(spool="always", spool_dir=FOLDER + "/spool")
logger.addHandler(handler)
logger.info("heir")
say(is_sent=mllog.shutdown(20), dropped=handler.stats().dropped)
"""


def _wanted(run, forks):
    wanted = {f"c{child} {n}" for child in range(forks) for n in range(300)}
    for thread, count in enumerate(run.facts["logged"]):
        wanted |= {f"t{thread} {n}" for n in range(count)}
    return wanted


def _sent_by_others(run):
    """
    Records of the parent that came from a child, or twice.
    """
    parent = run.facts["pid"]
    return [
        message
        for message, senders in run.received.items()
        if message[0] == "t" and senders != [parent]
    ]


@pytest.mark.parametrize("spool", ["off", "overflow", "always"])
def test_children_of_a_process_that_logs_send_their_own_records_once(
    application, tmp_path, fault_scale, spool
):
    """
    None of the parent's, none twice, and no spool stays without an heir.
    """
    forks = int(200 * fault_scale)

    run = application(FORK, spool, str(forks), watchdog=200 * fault_scale + 30)
    heir = application(ADOPT) if spool == "always" else run

    facts, received = run.facts, run.received
    assert (0, "") == (run.code, run.stderr)
    assert (0, "") == (heir.code, heir.stderr)
    assert [0] == facts["codes"]
    assert facts["is_sent"] and facts["exact"]
    assert {} == facts["dropped"]
    assert [] == _sent_by_others(run)
    assert set() == _wanted(run, forks) - received.keys()
    twice = [each for each in received if len(received[each]) > 1]
    # of those that ended without a word some came, and were not noted down
    assert {name[: name.index(" ")] for name in twice} <= {
        f"c{number}" for number in range(0, forks, 5) if spool == "always"
    }
    spooled = tmp_path / "spool"
    left = list(spooled.glob("*/*")) if spooled.exists() else []
    assert [] == left


def test_children_that_keep_the_queue_send_what_is_the_parents(application):
    """
    Control: a queue that is not cleared at the fork is sent twice.
    """
    run = application(
        FORK, "off", "20", control="the queue is not cleared", watchdog=8
    )

    assert run.is_hung or _sent_by_others(run)


HELD = r"""
handler = Shipper(linger_seconds=30)
logger.addHandler(handler)
for number in range(500):
    logger.info("t0 %d", number)
held, ended = threading.Event(), threading.Event()

def hold():
    with handler._stock.lock:
        held.set()
        ended.wait(20)

thread = threading.Thread(target=hold)
thread.start()
held.wait(20)
pid = os.fork()
if not pid:
    logger.info("c0 0")
    is_sent = mllog.shutdown(5)
    stats = handler.stats()
    os._exit(0 if is_sent and (stats.accepted, stats.sent) == (1, 1) else 1)
say(code=os.waitpid(pid, 0)[1], pid=os.getpid())
ended.set()
thread.join()
"""


def test_child_forked_while_a_thread_is_in_the_queue_logs(application):
    """
    Whatever lock a thread of the parent holds, it is free in the child.
    """
    run = application(HELD)

    assert (0, "") == (run.code, run.stderr)
    assert 0 == run.facts["code"]
    assert 501 == len(run.received)
    assert [] == _sent_by_others(run)


def test_child_whose_locks_are_not_freed_hangs(application):
    """
    Control: the stdlib's lock stays held in the child for ever.
    """
    run = application(HELD, control="stdlib's RLock", watchdog=2)

    assert run.is_hung
    assert "code" not in run.facts


HOOKLESS = r"""
handler = Shipper(linger_seconds=30, **spooling(sys.argv[2]))
logger.addHandler(handler)
for number in range(500):
    logger.info("t0 %d", number)

def child(number):
    for each in range(300):
        logger.info("c%d %d", number, each)
    is_sent = mllog.shutdown(10)
    stats = handler.stats()
    os._exit(0 if is_sent and (stats.accepted, stats.sent) == (300, 300) else 1)

def fork_in_c():
    # as a server written in C does: no hook of Python runs; its threads must
    # sleep then, for nobody mends the GIL in the child
    time.sleep(0.1)
    return ctypes.PyDLL(None).fork()

fork = fork_in_c if sys.argv[1] == "C" else os.fork
codes = []
for number in range(5):
    pid = fork()
    if not pid:
        child(number)
    codes.append(os.waitpid(pid, 0)[1])
say(codes=codes, pid=os.getpid(), logged=[500])
"""


@pytest.mark.parametrize(
    ("how", "spool"), [("C", "off"), ("os.fork", "off"), ("os.fork", "always")]
)
def test_children_forked_without_hooks_send_their_own_records_once(
    application, how, spool
):
    """
    The first record notices that the process is another.
    """
    run = application(HOOKLESS, how, spool, control="no hooks at fork")

    assert (0, "") == (run.code, run.stderr)
    assert [0] * 5 == run.facts["codes"]
    assert _wanted(run, 5) == run.received.keys()
    assert [] == _sent_by_others(run)
    assert {1} == {len(senders) for senders in run.received.values()}


def test_children_that_notice_nothing_are_noticed(application):
    """
    Control: neither a hook nor the first record says that it is a child.
    """
    run = application(
        "mllog.forking.woke_up = lambda: None\n" + HOOKLESS,
        *("os.fork", "off"),
        control="no hooks at fork",
        watchdog=3,
    )

    assert run.is_hung or run.facts["codes"] != [0] * 5


CHILDREN = r"""
def work(number):
    logger.info("c%d first", number)
    for each in range(299):
        logger.info("c%d %d", number, each)

def set_up():
    handler = Shipper(linger_seconds=30, **spooling("always"))
    logger.addHandler(handler)
    return handler

if __name__ != "__main__":  # spawned
    set_up()
else:
    handler = set_up()
    context = multiprocessing.get_context(sys.argv[1])
    for number in range(500):
        logger.info("t0 %d", number)
    children = [
        context.Process(target=work, args=(number,)) for number in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    with context.Pool(2) as pool:
        pool.map(work, [3, 4])
        pool.close()
        pool.join()
    say(codes=[child.exitcode for child in children], pid=os.getpid())
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_send_what_they_logged(
    application, tmp_path, method
):
    """
    Though they end by ``os._exit``, and the application does nothing for it.
    """
    run = application(CHILDREN, method)

    wanted = {f"t0 {number}" for number in range(500)}
    for child in range(5):
        wanted |= {f"c{child} {number}" for number in range(299)}
        wanted.add(f"c{child} first")
    assert (0, "") == (run.code, run.stderr)
    assert [0, 0, 0] == run.facts["codes"]
    assert wanted == run.received.keys()
    assert [] == _sent_by_others(run)
    assert {1} == {len(senders) for senders in run.received.values()}
    assert [] == list((tmp_path / "spool").glob("*/*"))


PRELOAD = r"""
handler = Shipper(linger_seconds=30)
logger.addHandler(handler)
for number in range(500):
    logger.info("t0 %d", number)
time.sleep(0.1)
workers = []
for number in range(4):
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        for each in range(300):
            logger.info("c%d %d", number, each)
        os.write(2, b"")
        while True:
            time.sleep(60)
    workers.append(pid)
time.sleep(0.5)
for pid in workers:
    os.kill(pid, signal.SIGTERM)
codes = [os.waitpid(pid, 0)[1] for pid in workers]
say(codes=codes, pid=os.getpid(), logged=[500])
"""


def test_workers_of_a_server_that_preloads_send_their_own_records(
    application,
):
    """
    A handler made and used before the fork works in each worker, and ends
    with it when the master sends SIGTERM.
    """
    run = application(PRELOAD)

    assert (0, "") == (run.code, run.stderr)
    assert [0] * 4 == run.facts["codes"]
    assert _wanted(run, 4) == run.received.keys()
    assert [] == _sent_by_others(run)
    assert {1} == {len(senders) for senders in run.received.values()}


# log calls in the middle of log calls


REENTRANT = r"""
import collections

if CONTROL == "an alarm of an Event":
    class Alarm:
        def __init__(self):
            self._rung = threading.Event()
            self.records = self.bytes = 1 << 62
        def set(self, records=1 << 62, size=1 << 62):
            self.records, self.bytes = records, size
        def ring(self):
            self.records = self.bytes = 1 << 62
            self._rung.set()
        def doze(self, seconds):
            rang = self._rung.wait(max(seconds, 0.0))
            self._rung.clear()
            return rang
    outbox.Alarm = Alarm
if CONTROL == "no bound of the depth":
    from mllog import fields, handling
    fields.DEEPEST = handling.DEEPEST = 1 << 40

spool, how, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
handler = Shipper(linger_seconds=0.0, batch_records=20, **spooling(spool))
logger.addHandler(handler)
calls = collections.Counter()
wrong = []
ended = threading.Event()

def log(kind, *more):
    calls[kind] += 1
    logger.info("%s %d%s", kind, calls[kind], "".join(map(str, more)))

def watch():
    while not ended.wait(0.005):
        stats = handler.stats()
        if not is_exact(stats) or stats.queued_bytes < 0:
            wrong.append(str(stats))

def on_signal(*_):
    log("signal")
    hurry()
    signal.setitimer(signal.ITIMER_REAL, 0.001)

def hurry():
    if spool == "off":  # it rings the worker; with a spool it would spill
        handler.flush(0)

class Finaliser:
    def __init__(self):
        self.me = self
    def __del__(self):
        log("finaliser")

class Chatty:
    def __init__(self, depth):
        self.depth = depth
    def __str__(self):
        if self.depth:
            log("inner", Chatty(self.depth - 1))
        return ""

watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
if how == "finalisers":
    gc.set_threshold(1)
end = time.monotonic() + seconds
if how == "signals":
    signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
while time.monotonic() < end:
    if how == "finalisers":
        Finaliser()
        log("main")
    elif how == "__str__":
        log("main", Chatty(1000 if CONTROL else 1))
    else:
        log("main")
        hurry()
    if calls["main"] % 2000 == 0:
        handler.flush(5)  # so that nothing has to be dropped
signal.signal(signal.SIGALRM, signal.SIG_IGN)
gc.set_threshold(700)
gc.collect()
ended.set()
watcher.join()
is_sent = handler.flush(20)
stats = handler.stats()
say(
    calls=calls, is_sent=is_sent, wrong=wrong[:3], exact=is_exact(stats),
    accepted=stats.accepted, sent=stats.sent, dropped=stats.dropped,
    suppressed=stats.suppressed, unspooled=stats.unspooled,
    queued_bytes=stats.queued_bytes, queued=stats.queued,
)
"""


@pytest.mark.parametrize("spool", ["off", "overflow", "always"])
@pytest.mark.parametrize("how", ["signals", "finalisers", "__str__"])
def test_log_calls_within_log_calls_are_counted_exactly(
    application, fault_scale, how, spool
):
    """
    From a signal handler, a finaliser or a formatted object: no deadlock, no
    error, and each of them is sent once, or counted: those in the worker are
    suppressed, and those within too many others dropped.
    """
    seconds = 10 * fault_scale

    run = application(
        REENTRANT, spool, how, str(seconds), watchdog=seconds + 25
    )

    facts = run.facts
    print({"how": how, "spool": spool, **facts})
    assert (0, "") == (run.code, run.stderr)
    assert facts["is_sent"] and facts["exact"]
    assert [] == facts["wrong"]
    lost = facts["dropped"].pop("recursion", 0)
    assert {} == facts["dropped"]
    logged = sum(facts["calls"].values())
    assert logged == facts["accepted"] + facts["suppressed"]
    assert facts["sent"] == facts["accepted"] - lost == len(run.received)
    assert {1} == {len(senders) for senders in run.received.values()}
    assert (0, 0) == (facts["queued"], facts["queued_bytes"])
    kinds = facts["calls"].keys() - {"main"}
    assert kinds
    assert all(facts["calls"][kind] > 20 for kind in kinds)
    if how == "__str__":  # the others may come in the worker, or too deep
        assert (0, 0) == (facts["suppressed"], lost)


@pytest.mark.parametrize("control", ["an alarm of an Event", "plain lock"])
def test_log_calls_within_log_calls_hang_where_a_lock_is_plain(
    application, control
):
    """
    Control: whoever interrupts the holder of such a lock waits for ever.
    """
    run = application(
        REENTRANT, "off", "signals", "60", control=control, watchdog=4
    )

    assert run.is_hung


def test_log_calls_within_log_calls_without_bound_are_lost(application):
    """
    Control: what logs itself in its ``__str__`` ends in a RecursionError.
    """
    run = application(
        REENTRANT, "off", "__str__", "0.2", control="no bound of the depth"
    )

    assert run.is_hung or run.code or run.facts["dropped"]
