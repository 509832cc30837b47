"""
The processes of the tests' servers: they start, answer, and always end.
"""

import datetime
import os
import shutil
import subprocess
import sys
import time

import pytest

from servers.running import Running, free_ports


def test_running_that_does_not_start_says_what_it_wrote(tmp_path):
    """
    The error has the status and the output of a server that ended.
    """
    code = "import sys; print('no such option'); sys.exit(3)"
    running = Running(
        [sys.executable, "-c", code], lambda: False, tmp_path / "log"
    )

    with pytest.raises(AssertionError, match="status 3.*\n.*no such option"):
        running.start()
    assert running.pid is None


def test_running_that_is_never_ready_is_ended(tmp_path):
    """
    A server that does not answer in time is stopped, and the error says so.
    """
    code = "import time; time.sleep(60)"
    pids = []
    running = Running(
        [sys.executable, "-c", code],
        lambda: pids.append(running.pid),
        tmp_path / "log",
    )

    with pytest.raises(AssertionError, match="is not ready"):
        running.start(timeout=0.1)
    assert running.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_running_stopped_by_a_forked_child_runs_on(tmp_path):
    """
    Only the process that started a server ends it.
    """
    code = "import time; time.sleep(60)"
    running = Running(
        [sys.executable, "-c", code], lambda: True, tmp_path / "log"
    )
    running.start()
    try:
        running._owner += 1  # as a child would see it
        running.stop()

        os.kill(running.pid, 0)
    finally:
        running._owner = os.getpid()
        running.stop()


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_running_ends_with_a_process_that_is_killed(tmp_path):
    """
    A server does not outlive a test session that dies by SIGKILL.
    """
    server = "import time; print('up', flush=True); time.sleep(60)"
    log = tmp_path / "log"
    session = (
        "import os, signal, sys; from pathlib import Path;"
        f"sys.path.append({os.path.dirname(os.path.dirname(__file__))!r});"
        "from servers.running import Running;"
        f"log = Path({str(log)!r});"
        f"running = Running([sys.executable, '-c', {server!r}],"
        " lambda: 'up' in log.read_text(), log); running.start();"
        "print(running.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", session], capture_output=True, text=True
    )
    pid = int(done.stdout)

    assert _ends(pid)


def _ends(pid, timeout=5.0):
    """
    Whether *pid* ends; a zombie that nobody waits for has ended.
    """
    deadline = datetime.datetime.now() + datetime.timedelta(seconds=timeout)
    while datetime.datetime.now() < deadline:
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
    return False


def test_free_ports_are_many_and_below_those_of_clients():
    """
    Ports differ, and none is one that the kernel gives to a connection.
    """
    ports = free_ports(20)

    assert len(set(ports)) == 20
    assert max(ports) < 32768


def test_running_that_is_paused_does_nothing_until_it_is_resumed(tmp_path):
    """
    After ``pause`` returned, not one more line is written.
    """
    code = "import itertools\nfor n in itertools.count(): print(n, flush=True)"
    log = tmp_path / "log"
    running = Running(
        [sys.executable, "-c", code],
        lambda: log.stat().st_size > 1000,
        log,
    )
    running.start()
    try:
        for _ in range(20):
            running.pause()
            size = log.stat().st_size
            assert size == log.stat().st_size
            running.resume()
        deadline = time.monotonic() + 15
        while log.stat().st_size == size and time.monotonic() < deadline:
            time.sleep(0.01)
        assert size < log.stat().st_size
    finally:
        running.stop(kill=True)
