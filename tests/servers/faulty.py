"""
Servers over sockets that misbehave on purpose.

As a program it is a TCP server of its own process, which ends connections at
random: ``faulty.py <ending> <shortest> <longest> <lag>`` (seconds; longest 0:
never; lag: it reads only so often, and drops what it has not read).  A line on its input makes it print what it received since, as one JSON line.
"""

import contextlib
import json
import os
import random
import select
import socket
import ssl
import struct
import sys
import threading
import time


def free_port():
    """
    A port of 127.0.0.1 on which nobody listens at the moment.
    """
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def reset(sock):
    """
    Close *sock* by RST.
    """
    with contextlib.suppress(OSError):
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    sock.close()


def octet_counted(data):
    """
    The whole messages of a stream, and what is left.
    """
    found, start = [], 0
    while (space := data.find(b" ", start, start + 12)) > 0:
        end = space + 1 + int(data[start:space])
        if end > len(data):
            break
        found.append(bytes(data[space + 1 : end]))
        start = end
    return found, data[start:]


class StreamServer:
    """
    A TCP or unix server in a thread; keeps what each connection brought.

    Args:
        path: Of a unix socket; None for TCP.

        port: 0 for any.

        life: Seconds (shortest, longest) of a connection; None for ever.

        ending: ``fin`` or ``rst``, how it ends.

        stall: Whether it accepts and never reads.

        tls: A server's SSLContext.

        family: AF_INET or AF_INET6.
    """

    def __init__(
        self,
        *,
        path=None,
        port=0,
        life=None,
        ending="fin",
        stall=False,
        tls=None,
        family=socket.AF_INET,
    ):
        self.path, self.port = path, port
        self._life, self._ending = life, ending
        self._stall, self._tls, self._family = stall, tls, family
        self.streams = []
        self.errors = []
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        """
        Listen, at the same place as before.
        """
        if self.path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self.path)
        else:
            self._listener = socket.socket(self._family)
            self._listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )
            host = "::1" if self._family == socket.AF_INET6 else "127.0.0.1"
            self._listener.bind((host, self.port))
            self.port = self._listener.getsockname()[1]
        self._listener.listen(64)
        self._listener.settimeout(0.02)
        self._ended = threading.Event()
        self._cut = threading.Event()
        self._workers = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def stop(self, ending=None):
        """
        Close everything, by *ending* if that is given.
        """
        usual, self._ending = self._ending, ending or self._ending
        self._ended.set()
        self._thread.join(10)
        for worker in self._workers:
            worker.join(10)
        self._listener.close()
        self._ending = usual

    def cut(self, ending):
        """
        End the connections that are open, and go on listening.
        """
        usual, self._ending = self._ending, ending
        self._cut.set()
        for worker in self._workers:
            worker.join(10)
        self._cut.clear()
        self._ending = usual

    @property
    def messages(self):
        """
        All whole messages, in order of their connections.
        """
        return [
            message
            for stream in self.streams
            for message in octet_counted(stream)[0]
        ]

    def wait_for(self, count, seconds=10):
        """
        Wait until *count* messages are there.
        """
        end = time.monotonic() + seconds
        while len(self.messages) < count and time.monotonic() < end:
            time.sleep(0.005)
        return self.messages

    def _accept(self):
        while not self._ended.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            stream = bytearray()
            self.streams.append(stream)
            worker = threading.Thread(target=self._serve, args=(sock, stream))
            self._workers.append(worker)
            worker.start()

    def _serve(self, sock, stream):
        sock.settimeout(5)
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            sock.settimeout(0.01)
            self._read(sock, stream)
        except OSError as exc:
            self.errors.append(exc)
        if self._ending == "rst":
            reset(sock)
        else:
            sock.close()

    def _read(self, sock, stream):
        end = None
        if self._life:
            end = time.monotonic() + random.uniform(*self._life)
        while end is None or time.monotonic() < end:
            if self._ended.is_set() or self._cut.is_set():
                return
            if self._stall:
                time.sleep(0.01)
                continue
            try:
                data = sock.recv(65536)
            except TimeoutError:
                continue
            if not data:
                return
            stream += data


class DatagramServer:
    """
    A UDP or unix datagram socket that keeps what it receives.
    """

    def __init__(self, *, path=None, port=0):
        self.path, self.port = path, port
        self.messages = []
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        """
        Receive, at the same place as before.
        """
        if self.path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sock.bind(self.path)
        else:
            self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sock.bind(("127.0.0.1", self.port))
            self.port = self._sock.getsockname()[1]
        self._sock.settimeout(0.02)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def stop(self):
        """
        Receive what is there, and close.
        """
        self._ended.set()
        self._thread.join(10)
        self._sock.close()

    def wait_for(self, count, seconds=10):
        """
        Wait until *count* messages are there.
        """
        end = time.monotonic() + seconds
        while len(self.messages) < count and time.monotonic() < end:
            time.sleep(0.005)
        return self.messages

    def _receive(self):
        while True:
            try:
                self.messages.append(self._sock.recv(1 << 20))
            except TimeoutError:
                if self._ended.is_set():
                    return


@contextlib.contextmanager
def black_hole():
    """
    A port whose backlog is full: who connects to it hears nothing.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()[1]


def _first_words(stream):
    """
    How often each first word of a message came.
    """
    return [message.split(b" ", 1)[0].decode() for message in stream]


def main(ending, shortest, longest, lag):
    """
    Serve until the input ends.
    """
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    print(listener.getsockname()[1], flush=True)
    open_now, words = {}, []

    def end(sock):
        _, _, frames = open_now.pop(sock)
        words.extend(_first_words(octet_counted(bytes(frames))[0]))
        how = random.choice(("fin", "rst")) if ending == "either" else ending
        reset(sock) if how == "rst" else sock.close()

    while True:
        time.sleep(lag)
        now = time.monotonic()
        for sock in [each for each in open_now if open_now[each][0] < now]:
            end(sock)
        waiting = [sys.stdin, listener, *open_now]
        readable = select.select(waiting, [], [], 0.002)[0]
        if listener in readable:
            sock, _ = listener.accept()
            life = random.uniform(shortest, longest) if longest else 1e9
            open_now[sock] = (time.monotonic() + life, sock, bytearray())
        for sock in [each for each in readable if each in open_now]:
            try:
                data = sock.recv(65536)
            except ConnectionError:
                data = b""
            if data:
                open_now[sock][2].extend(data)
            else:
                end(sock)
        if sys.stdin in readable and not _told(open_now, end, words):
            return


def _told(open_now, end, words):
    if not sys.stdin.readline():
        return False
    for sock in list(open_now):
        end(sock)
    print(json.dumps(words), flush=True)
    words.clear()
    return True


def server_context(identity, authority=None):
    """
    A server's SSLContext; with *authority* it asks for a certificate of it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.cert, identity.key)
    if authority is not None:
        context.load_verify_locations(authority.cert)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
