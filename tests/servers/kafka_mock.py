"""
librdkafka's mock of a Kafka cluster, as a process on ports that are given.

    python kafka_mock.py CONTROL PORT [PORT ...]

Each PORT is a broker of its own.  The mock itself listens where it likes;
before each of its brokers is a door on the port, which can be closed or hold
back what goes through.  CONTROL takes and gives one JSON object a line, of
which "do" names a method of :class:`Cluster` and the rest are its arguments.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import json
import socket
import socketserver
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_POINTER, _TEXT, _INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_ID, _API, _SIZE = ctypes.c_int32, ctypes.c_int16, ctypes.c_size_t

#: What each function of librdkafka gives and takes.
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "conf_new": (_POINTER,),
    "new": (_POINTER, _INT, _POINTER, _TEXT, _SIZE),
    "mock_cluster_new": (_POINTER, _POINTER, _INT),
    "mock_cluster_bootstraps": (_TEXT, _POINTER),
    "mock_set_controller_id": (None, _POINTER, _ID),
    "mock_group_initial_rebalance_delay_ms": (None, _POINTER, _ID),
    "mock_broker_set_host_port": (None, _POINTER, _ID, _TEXT, _INT),
    "mock_broker_set_down": (_INT, _POINTER, _ID),
    "mock_broker_set_up": (_INT, _POINTER, _ID),
    "mock_broker_set_rtt": (_INT, _POINTER, _ID, _INT),
    "mock_topic_create": (_INT, _POINTER, _TEXT, _INT, _INT),
    "mock_topic_set_error": (None, _POINTER, _TEXT, _INT),
    "mock_partition_set_leader": (_INT, _POINTER, _TEXT, _ID, _ID),
    "mock_push_request_errors_array": (
        *(None, _POINTER, _API, _SIZE, ctypes.POINTER(_INT)),
    ),
    "mock_start_request_tracking": (None, _POINTER),
    "mock_clear_requests": (None, _POINTER),
    "mock_get_requests": (
        *(ctypes.POINTER(_POINTER), _POINTER, ctypes.POINTER(_SIZE)),
    ),
    "mock_request_api_key": (_API, _POINTER),
    "mock_request_destroy_array": (None, ctypes.POINTER(_POINTER), _SIZE),
}


class Library:
    """
    The librdkafka that confluent_kafka brings along, without its "rd_kafka_".
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(_path())

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._library, f"rd_kafka_{name}")
        function.restype, *function.argtypes = _SIGNATURES[name]
        setattr(self, name, function)
        return function


def _path() -> str:
    import confluent_kafka  # what it was built against is then loaded

    package = Path(confluent_kafka.__file__).parent
    for folder in (
        package.with_name("confluent_kafka.libs"),
        package / ".dylibs",
    ):
        for found in sorted(folder.glob("librdkafka*")):
            return str(found)
    found = ctypes.util.find_library("rdkafka")
    if found is None:
        raise SystemExit("no librdkafka beside confluent_kafka")
    return found


class Door:
    """
    Port *port* of 127.0.0.1, through which clients reach port *to*.
    """

    def __init__(self, port: int, to: int) -> None:
        self._port, self._to = port, to
        self._server: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._flows = threading.Event()
        self._flows.set()

    def open(self) -> None:
        """
        Let clients in, unless they are.
        """
        if self._server is None:
            self._server = socket.create_server(
                ("127.0.0.1", self._port), backlog=128
            )
            _thread(self._accept, self._server)

    def close(self) -> None:
        """
        Refuse clients, and end the connections that there are.
        """
        server, self._server = self._server, None
        for sock in (server, *list(self._open)):
            if sock is not None:
                _end(sock)
        if server is not None:
            server.close()

    def freeze(self) -> None:
        """
        Take connections and keep them, and let nothing through.
        """
        self._flows.clear()

    def thaw(self) -> None:
        """
        Let through what was held back, and what comes.
        """
        self._flows.set()

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                _thread(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with self._listed(client):
            self._flows.wait()
            try:
                broker = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            with self._listed(broker):
                back = _thread(self._pass, broker, client)
                self._pass(client, broker)
                back.join()

    @contextlib.contextmanager
    def _listed(self, sock: socket.socket) -> Iterator[None]:
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(sock)
            try:
                yield
            finally:
                self._open.discard(sock)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 18):
                self._flows.wait()
                target.sendall(data)
        _end(source)
        _end(target)


def _end(sock: socket.socket) -> None:
    # it ends the accept() and recv() of other threads, which close() does not
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _thread(target: Any, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


class Cluster:
    """
    The mock, with a broker behind each of *ports*; the first has the id 1.
    """

    def __init__(self, ports: list[int]) -> None:
        self._lib = Library()
        told = ctypes.create_string_buffer(512)
        client = self._lib.new(0, self._lib.conf_new(), told, len(told))
        if not client:
            raise SystemExit(told.value.decode())
        self._mock = self._lib.mock_cluster_new(client, len(ports))
        # without them an admin call waits for 5 s, and a group for 3 s
        self._lib.mock_set_controller_id(self._mock, 1)
        self._lib.mock_group_initial_rebalance_delay_ms(self._mock, 0)
        self._lib.mock_start_request_tracking(self._mock)
        self._doors = self._build(ports)

    def _build(self, ports: list[int]) -> dict[int, Door]:
        where = self._lib.mock_cluster_bootstraps(self._mock).decode()
        doors = {}
        for broker, (port, behind) in enumerate(
            zip(ports, where.split(","), strict=True), 1
        ):
            self._lib.mock_broker_set_host_port(
                self._mock, broker, b"127.0.0.1", port
            )
            doors[broker] = Door(port, int(behind.rpartition(":")[2]))
            doors[broker].open()
        return doors

    def topic(self, name: str, partitions: int, replicas: int = 1) -> None:
        """
        Make the topic *name*; one that a client asks for gets 4 partitions.
        """
        _check(
            self._lib.mock_topic_create(
                self._mock, name.encode(), partitions, replicas
            )
        )

    def topic_error(self, name: str, code: int) -> None:
        """
        Answer *code* to who writes to *name*; 0 is no error.
        """
        self._lib.mock_topic_set_error(self._mock, name.encode(), code)

    def leader(self, topic: str, partition: int, broker: int) -> None:
        """
        Have *broker* lead *partition*.
        """
        _check(
            self._lib.mock_partition_set_leader(
                self._mock, topic.encode(), partition, broker
            )
        )

    def down(self, broker: int | None = None) -> None:
        """
        Have *broker* refuse connections and end those it has; None is all.
        """
        for number in self._some(broker):
            self._doors[number].close()
            _check(self._lib.mock_broker_set_down(self._mock, number))

    def up(self, broker: int | None = None) -> None:
        """
        End what :meth:`down` began.
        """
        for number in self._some(broker):
            _check(self._lib.mock_broker_set_up(self._mock, number))
            self._doors[number].open()

    def freeze(self, broker: int | None = None) -> None:
        """
        Have *broker* take connections and let nothing through; None is all.
        """
        for number in self._some(broker):
            self._doors[number].freeze()

    def thaw(self, broker: int | None = None) -> None:
        """
        End what :meth:`freeze` began; what was held back goes through.
        """
        for number in self._some(broker):
            self._doors[number].thaw()

    def rtt(self, ms: int, broker: int | None = None) -> None:
        """
        Have each answer of *broker* take *ms*; None is all.
        """
        for number in self._some(broker):
            _check(self._lib.mock_broker_set_rtt(self._mock, number, ms))

    def errors(self, api: int, codes: list[int]) -> None:
        """
        Answer the next requests of *api* with *codes*, one each.
        """
        array = (_INT * len(codes))(*codes)
        self._lib.mock_push_request_errors_array(
            self._mock, api, len(codes), array
        )

    def requests(self, *, forget: bool = False) -> dict[int, int]:
        """
        How many requests of each API came since the last time to *forget*.
        """
        count = _SIZE()
        found = self._lib.mock_get_requests(self._mock, ctypes.byref(count))
        counted = Counter(
            self._lib.mock_request_api_key(found[i])
            for i in range(count.value)
        )
        if count.value:
            self._lib.mock_request_destroy_array(found, count)
        if forget:
            self._lib.mock_clear_requests(self._mock)
        return counted

    def _some(self, broker: int | None) -> list[int]:
        return list(self._doors) if broker is None else [broker]


def _check(code: int) -> None:
    if code:
        raise ValueError(f"librdkafka refused it with code {code}")


class _Control(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    cluster: Cluster


class _Commands(socketserver.StreamRequestHandler):
    server: _Control

    def handle(self) -> None:
        for line in self.rfile:
            asked = json.loads(line)
            try:
                method = getattr(self.server.cluster, asked.pop("do"))
                answer = {"gives": method(**asked)}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            self.wfile.write(json.dumps(answer).encode() + b"\n")


def main() -> None:
    """
    Serve until the process ends.
    """
    control, *ports = map(int, sys.argv[1:])
    cluster = Cluster(ports)
    with _Control(("127.0.0.1", control), _Commands) as server:
        server.cluster = cluster
        server.serve_forever()


if __name__ == "__main__":
    main()
