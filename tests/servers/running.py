"""
Starting a server's process, waiting until it answers, and stopping it.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Linux hands out 32768 and up to whoever connects: a port below is still
# free when a stopped server comes back to it.  Each worker of pytest-xdist has
# every eighth of them: two cannot choose the same one before either binds it.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
_PORTS = range(20000 + _WORKER, 32000, 8)
_PATH = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))


def program(name: str) -> str | None:
    """
    Where the server *name* is; users have no sbin on their PATH.
    """
    return shutil.which(
        name, path=os.environ.get("PATH", "") + os.pathsep + _PATH
    )


def free_ports(count: int) -> list[int]:
    """
    Ports of 127.0.0.1 that nobody uses, neither for TCP nor for UDP.
    """
    found: list[int] = []
    # not the tests' random: a seed must not give two sessions the same ports
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        if len(found) == count:
            break
        if all(
            _is_free(port, kind)
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        ):
            found.append(port)
    return found


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(address: tuple[str, int] | str, kind: socket.SocketKind) -> bool:
    """
    Whether somebody listens at *address*, a host and port or a socket's path.

    A datagram socket is asked by a message that says "probe".
    """
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.settimeout(1)
        try:
            probe.connect(address)
            if kind is socket.SOCK_DGRAM:
                # the refusal of the first comes as the error of the second
                probe.send(b"<15>1 - - probe - - - probe")
                probe.send(b"<15>1 - - probe - - - probe")
        except OSError:
            return False
        return True


class Running:
    """
    A server's process, which ends with the tests at the latest.

    Args:
        command: What to run, in the foreground.

        ready: Called until it says True; the server is then up.

        log: The file that stdout and stderr are appended to.

        environment: Variables beside those of this process.

        folder: Where it runs; None is where this process does.
    """

    def __init__(
        self,
        command: Sequence[str],
        ready: Callable[[], bool],
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._folder = folder
        self._command = list(command)
        self._ready = ready
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    @property
    def pid(self) -> int | None:
        """
        The process id; None while the server is stopped.
        """
        return None if self._process is None else self._process.pid

    def start(self, timeout: float = 15.0) -> None:
        """
        Start the server unless it runs, and wait until it is ready.

        Raises:
            AssertionError: It ended or was not ready within *timeout*
                seconds; says what the server wrote.
        """
        if self._process is not None and self._process.poll() is None:
            return
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [*_end_with_parent(), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self._folder,
            )
        self._owner = os.getpid()
        try:
            self._wait(time.monotonic() + timeout)
        except BaseException:
            self.stop()
            raise

    def _wait(self, deadline: float) -> None:
        while not self._ready():
            assert self._process is not None
            code = self._process.poll()
            if code is not None:
                raise AssertionError(self.told(f"ended with status {code}"))
            if time.monotonic() > deadline:
                raise AssertionError(self.told("is not ready"))
            time.sleep(0.01)

    def stop(self, timeout: float = 5.0, *, kill: bool = False) -> None:
        """
        Stop the server by its process id and wait for its end.

        A forked child leaves alone what its parent started.

        Args:
            timeout: Seconds until a server that does not end is killed.

            kill: End it by SIGKILL at once, as a crash would.
        """
        if self._process is None or self._owner != os.getpid():
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(
                signal.SIGKILL if kill else signal.SIGTERM
            )
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def pause(self, timeout: float = 15.0) -> None:
        """
        Stop its process by SIGSTOP: it takes connections, answers nothing.

        The signal is taken a moment after it was sent, and no answer is to
        slip out meanwhile: this returns when every thread has stopped.
        """
        if self.pid is None:
            return
        os.kill(self.pid, signal.SIGSTOP)
        deadline = time.monotonic() + timeout
        while not _has_stopped(self.pid):
            if time.monotonic() > deadline:
                raise AssertionError(self.told("does not stop"))
            time.sleep(0.001)

    def resume(self) -> None:
        """
        Have its process go on.
        """
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)

    def told(self, problem: str) -> str:
        """
        A sentence on *problem*, and the last 4000 characters of the log.
        """
        name = os.path.basename(self._command[0])
        log = self._log.read_text(errors="backslashreplace")
        return f"{name} {problem}; it wrote:\n{log[-4000:]}"


def _end_with_parent() -> list[str]:
    """
    What to put before a command so that it never outlives this process.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _has_stopped(pid: int) -> bool:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0]
            for task in tasks
        ]
    except OSError:
        # a thread that ended between, or a system without /proc
        return not os.path.isdir("/proc/self/task")
    return all(state in "TtZX" for state in states)
