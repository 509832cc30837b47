"""
The way to a sink over a stream: TCP, TLS on it, or a unix socket.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from ... import options
from ...events import Event
from ...forking import tell_child
from ..retry import Fault, Verdict
from ..transport import PartlySentError
from .addresses import Address
from .connecting import connected, leave
from .errors import PeerClosedError, SocketError, StalledError, verdict_of
from .framing import framing_of
from .refusals import explained
from .tls import TLS
from .waiting import ready
from .window import ResendWindow, unsent_bytes

__all__ = ["StreamTransport"]

_CHUNK_BYTES = 256 * 1024
# One record of TLS: OpenSSL does not tell how much of a call it has written.
_TLS_CHUNK_BYTES = 16 * 1024
_LONGEST_GOODBYE_SECONDS = 1.0
_LAST_ATTEMPTS = 6
_POLL_SECONDS = 0.002
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class StreamTransport:
    """
    Write each event as one frame of a stream, in order.

    A stream has no receipts, so what a connection may have swallowed when it
    broke is written again on the next one.  Frames of a batch that fails are
    not kept for that: ``send`` leaves them to its caller, who still has them,
    except those it reports by PartlySentError, which were read.  So the
    caller's counts are true while the sink is away, and each frame has exactly
    one owner who sends it again.

    Guarantee:
        A frame is not given up before the peer's kernel took it (Linux), nor
        while it is among the last 256 frames or 64 KiB of the last 60 s.  A
        connection that carried part of a frame is never used again.

    Limit:
        What a peer's kernel took and its program never read is lost beyond
        those.  Frames that were read are repeated after a break.  Not on
        Linux, only the last frames are kept.

    Args:
        address: A host, or a unix socket.

        framing: ``octet-counting``, ``newline`` or ``nul``.

        tls: How to speak TLS; None for an open connection.

        connect_timeout_seconds: For each IP address of the host.

        send_timeout_seconds: For one batch, of a peer that does not read.

        window: What is kept; None for the usual.

    Raises:
        ConfigError: An option is wrong.  The network is not touched.
    """

    def __init__(
        self,
        address: Address,
        *,
        framing: Any = "octet-counting",
        tls: TLS | None = None,
        connect_timeout_seconds: Any = 5.0,
        send_timeout_seconds: Any = 30.0,
        window: ResendWindow | None = None,
    ) -> None:
        self._address = address
        self._frame = framing_of(framing)
        self._tls = tls
        if address.scheme == "tls" and tls is None:
            self._tls = TLS()
        self._connect_timeout = options.number(
            "connect_timeout_seconds", connect_timeout_seconds
        )
        self._send_timeout = options.number(
            "send_timeout_seconds", send_timeout_seconds
        )
        self._window = ResendWindow() if window is None else window
        self._chunk = _CHUNK_BYTES if self._tls is None else _TLS_CHUNK_BYTES
        self._sock: socket.socket | None = None
        self._connections = 0
        #: Frames written once more after a connection broke.
        self.resent = 0
        #: Messages cut to fit: a stream cuts none.
        self.cut = 0
        tell_child(self)

    @property
    def reconnects(self) -> int:
        """
        Connections made after the first.
        """
        return max(self._connections - 1, 0)

    @property
    def receipt(self) -> str:
        """
        What is known of what was sent.
        """
        how = "TLS" if self._tls else self._address.scheme.upper()
        return f"sent; syslog over {how} has no receipt"

    def open(self, deadline: float) -> None:
        """
        Connect, and shake hands if it is TLS.

        Raises:
            SocketError: Nobody answers, or not the one we trust.
        """
        self._drop()
        sock = connected(
            self._address,
            socket.SOCK_STREAM,
            timeout=self._connect_timeout,
            deadline=deadline,
            prepare=self._prepare,
        )
        if self._tls is not None:
            until = time.monotonic() + self._connect_timeout
            try:
                sock = self._tls.handshake(
                    sock,
                    self._address.host,
                    str(self._address),
                    min(until, deadline),
                )
            except BaseException:
                sock.close()
                raise
        self._sock = sock
        self._connections += 1

    def send(self, events: Sequence[Event], deadline: float) -> None:
        """
        Write what an earlier connection may have lost, then *events*.

        Raises:
            PartlySentError: Some of *events* were read, and the rest not.

            SocketError: None was, or nobody knows; the connection is closed.
        """
        frame = self._frame
        frames = [frame(event.value) for event in events]
        deadline = min(deadline, time.monotonic() + self._send_timeout)
        done, failure = self._deliver(frames, deadline)
        if failure is None:
            return
        if done:
            raise PartlySentError(done) from failure
        raise failure

    def close(self, deadline: float) -> None:
        """
        See that the peer has everything, as far as it says so, and disconnect.

        A connection that turns out to be broken is made again, a few times,
        for the frames it may have lost.
        """
        with contextlib.suppress(Exception):
            for _ in range(_LAST_ATTEMPTS):
                if self._sock is None or self._finished(deadline):
                    break
                self.open(deadline)
        self._drop()

    def classify(self, error: BaseException) -> Verdict:
        """
        What *error* means: a matter of permission, or of time.
        """
        return verdict_of(error, unix=self._address.scheme == "unix")

    def forget_parent(self) -> None:
        """
        In a forked child: the connection and what it may lose are the parent's.
        """
        sock, self._sock = self._sock, None
        self._window.clear()
        self._connections = self.resent = 0
        if sock is not None:
            leave(sock)

    def _prepare(self, sock: socket.socket) -> None:
        """
        Options of a socket that tell a dead peer from a silent one.
        """
        if self._address.scheme == "unix":
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        unanswered = getattr(socket, "TCP_USER_TIMEOUT", None)
        if unanswered is not None:  # Linux: otherwise it waits 15 minutes
            milliseconds = int(self._send_timeout * 1000) or 1
            sock.setsockopt(socket.IPPROTO_TCP, unanswered, milliseconds)

    def _deliver(
        self, frames: Sequence[bytes], deadline: float
    ) -> tuple[int, SocketError | None]:
        """
        Write owed frames and *frames*; gives how many of these were read
        although it failed, and why it failed.
        """
        sock, window = self._sock, self._window
        if sock is None:
            return 0, PeerClosedError(f"{self._address} is not connected")
        owed = len(window.owed)
        pending = [*window.owed, *frames] if owed else frames
        progress = _Progress()
        failure: OSError | None = None
        try:
            self._look(sock)
            self._write(sock, b"".join(pending), deadline, progress)
            whole = len(pending)
        except OSError as exc:
            failure = exc
            whole = bisect_right(
                list(accumulate(map(len, pending))), progress.written
            )
        now = time.monotonic()
        window.wrote(pending[:whole], now)
        self.resent += min(owed, whole)
        if failure is None:
            window.took(window.written - unsent_bytes(sock), now)
            return 0, None
        reason = self._reason(sock, failure)
        own = max(whole - owed, 0)
        # who refuses us has read nothing, whatever his kernel took
        return self._drop(own, refused=reason.fault is Fault.AUTH), reason

    def _write(
        self,
        sock: socket.socket,
        data: bytes,
        deadline: float,
        progress: _Progress,
    ) -> None:
        """
        Write all of *data*, listening whether the peer is still there.
        """
        view = memoryview(data)
        while progress.written < len(data):
            start = progress.written
            try:
                progress.written += sock.send(
                    view[start : start + self._chunk]
                )
            except _BLOCKED:
                if not ready(sock, deadline, read=True, write=True):
                    raise StalledError(
                        f"{self._address} does not read: "
                        f"{len(data) - start} bytes left at the deadline"
                    ) from None
                self._look(sock)

    def _look(self, sock: socket.socket) -> None:
        """
        Raise if the peer ended the connection; what it says is thrown away.

        The first write after the peer closed succeeds and is lost, so it is
        asked before.
        """
        try:
            while sock.recv(65536):
                pass
        except _BLOCKED:
            return
        raise PeerClosedError(f"{self._address} ended the connection")

    def _reason(self, sock: socket.socket, error: OSError) -> SocketError:
        """
        Why *error* came: a refusal may wait to be read behind a failed write.
        """
        if isinstance(sock, ssl.SSLSocket):
            refusal = _refusal(sock, error)
            if refusal or not isinstance(error, SocketError):
                return explained(refusal or error, str(self._address))
        if isinstance(error, SocketError):
            return error
        said = error.strerror or str(error)
        if isinstance(error, TimeoutError):
            return StalledError(f"{self._address}: {said}")
        return PeerClosedError(f"{self._address}: {said}")

    def _drop(self, own: int = 0, *, refused: bool = False) -> int:
        """
        Close at once; gives how many of the last *own* frames were read.
        """
        sock, self._sock = self._sock, None
        if sock is None:
            return 0
        taken = 0 if refused else self._window.written - unsent_bytes(sock)
        sock.close()
        return self._window.broke(taken, time.monotonic(), own)

    def _finished(self, deadline: float) -> bool:
        """
        Say goodbye once the peer has everything; False if it was gone before.
        """
        _, failure = self._deliver((), deadline)
        sock = self._sock
        if failure is not None or sock is None:
            return not self._window
        try:
            while unsent_bytes(sock) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
                self._look(sock)
            if not unsent_bytes(sock):
                self._goodbye(sock, deadline)
        except OSError:
            self._drop()
            return not self._window
        return True

    def _goodbye(self, sock: socket.socket, deadline: float) -> None:
        """
        End our side, and hear the peer end his: then everything was read.
        """
        if isinstance(sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                sock.unwrap()
        sock.shutdown(socket.SHUT_WR)
        end = min(deadline, time.monotonic() + _LONGEST_GOODBYE_SECONDS)
        while ready(sock, end, read=True):
            with contextlib.suppress(*_BLOCKED):
                if not sock.recv(65536):
                    self._window.clear()
                    return


def _refusal(sock: ssl.SSLSocket, error: OSError) -> ssl.SSLError | None:
    """
    The alert that *error* is, or that is waiting to be read behind it.
    """
    gone = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
    for _ in range(2):
        if isinstance(error, ssl.SSLError) and not isinstance(error, gone):
            return error
        try:
            while sock.recv(65536):
                pass
            return None
        except _BLOCKED:
            return None
        except OSError as exc:
            error = exc
    return None


class _Progress:
    """
    How many bytes a write got rid of, known also if it fails.
    """

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.written = 0
