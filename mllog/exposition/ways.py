"""
How metrics get to Prometheus: a port, a file, a gateway, or all of them.
"""

from __future__ import annotations

import gzip
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from .. import options, waiting
from ..errors import ConfigError, masked, shown
from .names import label_names
from .pushing import Regularly, Trouble, push, write_file
from .server import Server

__all__ = ["Ways"]

_PID = "{pid}"
_HIGHEST_PORT = 65535


@dataclass
class Ways:
    """
    The ways that are configured, and what keeps them going.

    ``of`` reads them from options.
    """

    address: str = ""
    asked_port: int | None = None
    textfile: str = ""
    gateway: str = ""
    job: str = ""
    grouping: Mapping[str, str] = field(default_factory=dict)
    interval: float = 15.0
    close_timeout: float = 5.0
    authorization: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self._server: Server | None = None
        self._regular: list[Regularly] = []
        self._owner = os.getpid()
        self._said = False
        self._closed_in = 0
        self._registry: Any = None
        self._exposition: Any = None
        self._failed: Callable[[BaseException], None] = _ignore

    @classmethod
    def of(
        cls,
        *,
        port: Any = None,
        address: Any = "127.0.0.1",
        textfile: Any = None,
        gateway: Any = None,
        job: Any = None,
        grouping: Any = None,
        interval_seconds: Any = 15.0,
        close_timeout_seconds: Any = 5.0,
    ) -> Ways:
        """
        Read options, as they are given to the handler.

        Raises:
            ConfigError: One of them cannot work.
        """
        found = options.optional(_url, "gateway", gateway)
        found, authorization = _without_user(found or "")
        named = options.optional(options.text, "job", job)
        group = _grouping(grouping)
        if found and not named:
            raise ConfigError(
                f"{shown('gateway', gateway)} without a job",
                expected="a name under which the metrics are pushed",
                fix='add job="nightly-training"',
            )
        if (named or group) and not found:
            which = "job" if named else "grouping"
            raise ConfigError(
                f"{which} without a gateway", expected="gateway as well"
            )
        return cls(
            options.text("address", address),
            options.optional(_port, "port", port),
            options.optional(_path, "textfile", textfile) or "",
            found,
            named or "",
            group,
            options.number("interval_seconds", interval_seconds),
            options.number("close_timeout_seconds", close_timeout_seconds),
            authorization,
        )

    @property
    def is_any(self) -> bool:
        """
        Whether there is a way of our own.
        """
        return self.asked_port is not None or bool(
            self.textfile or self.gateway
        )

    @property
    def port(self) -> int | None:
        """
        The port that is served; None while there is none.
        """
        server = self._server
        return server.port if server and server.is_serving else None

    def open(
        self, registry: Any, failed: Callable[[BaseException], None]
    ) -> None:
        """
        Serve *registry* from now on; write and push from the first record on.
        """
        self._registry = registry
        self._failed = failed
        # now, not at a scrape: a fork would find the import half done
        self._exposition = import_module("prometheus_client.exposition")
        if self.asked_port is not None:
            self._server = Server(
                self.address,
                self.asked_port,
                self._page,
                failed,
                is_shared=_is_shared(),
            )
            self._server.start()
        for where, act in (
            (self.textfile, self._write),
            (masked(self.gateway), self._push),
        ):
            if where:
                self._regular.append(
                    Regularly(act, self.interval, failed, where)
                )

    def start(self) -> None:
        """
        Begin in this process, at its first record.
        """
        if self._closed_in == os.getpid():
            return
        if self._server is not None:
            self._server.start()
        for each in self._regular:
            each.start()

    def flush(self) -> None:
        """
        Write and push now.
        """
        self.nudge()
        for each in self._regular:
            each.flush(self.close_timeout)

    def nudge(self) -> None:
        """
        Have it written and pushed now, and do not wait.
        """
        for each in self._regular:
            each.nudge()

    def close(self, done: Callable[[], None]) -> None:
        """
        Write and push a last time, and give the port back.

        Args:
            done: Called as soon as nobody reads the registry any more; that
                may be later, by another thread, and more than once.
        """
        if self._closed_in == os.getpid():
            return
        self._closed_in = os.getpid()

        def ended() -> None:
            if not any(each.is_running for each in self._regular):
                done()

        if self._server is not None:
            self._server.close()
        for each in self._regular:
            each.ended = ended
            each.end()
        with waiting.within(waiting.deadline(None, self.close_timeout)):
            for each in self._regular:
                each.close(self.close_timeout)
        ended()

    # --- pages ---

    def _page(
        self, accept: str, encoding: str
    ) -> tuple[dict[str, str], bytes]:
        exposition = self._exposition
        encode, content_type = exposition.choose_encoder(accept)
        body = encode(self._registry)
        headers = {"Content-Type": content_type}
        if exposition.gzip_accepted(encoding):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1)
        return headers, body

    def _write(self, _timeout: float) -> None:
        path = self.textfile
        if self._may(path, "textfile"):
            data = self._exposition.generate_latest(self._registry)
            write_file(_filled(path), data)

    def _push(self, timeout: float) -> None:
        if not self._may("".join(self.grouping.values()), "gateway"):
            return
        group = {name: _filled(each) for name, each in self.grouping.items()}
        push(
            self.gateway,
            self.job,
            group,
            self._registry,
            timeout,
            authorization=self.authorization,
        )

    def _may(self, text: str, option: str) -> bool:
        """
        Whether this process may: it is the first, or has its own place.
        """
        if self._owner == os.getpid() or _PID in text or _is_shared():
            return True
        if not self._said:
            self._said = True
            self._failed(
                Trouble(
                    f"{option} belongs to process {self._owner}: what this"
                    " forked child measures does not get there; put {pid}"
                    " into it, or set PROMETHEUS_MULTIPROC_DIR"
                )
            )
        return False

    def __str__(self) -> str:
        ways = [
            f"{self.address}:{self.port or self.asked_port}"
            if self._server
            else "",
            self.textfile,
            self.gateway,
        ]
        return ", ".join(filter(None, ways)) or "in the registry"


def _ignore(_error: BaseException) -> None:
    pass


def _is_shared() -> bool:
    return bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))


def _filled(text: str) -> str:
    return text.replace(_PID, str(os.getpid()))


def _port(option: str, value: Any) -> int:
    found = options.integer(option, value)
    if found > _HIGHEST_PORT:
        raise ConfigError(shown(option, value), expected="a port, 0 to 65535")
    return found


def _path(option: str, value: Any) -> str:
    path = options.path(option, value)
    folder = os.path.dirname(os.path.abspath(path))
    if not path.endswith(".prom"):
        raise ConfigError(
            shown(option, value),
            expected="a name that ends with .prom: the node exporter reads"
            " no others",
        )
    return os.path.join(folder, os.path.basename(path))


def _url(option: str, value: Any) -> str:
    url = options.text(option, value)
    if "://" not in url:
        url = f"http://{url}"
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            shown(option, value), expected="http://host:9091, or https://…"
        )
    return url


def _without_user(url: str) -> tuple[str, str]:
    """
    *url* without its user and password, and the header that says them.
    """
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    if not at:
        return url, ""
    said = b64encode(unquote(user).encode()).decode()
    return f"{scheme}://{place}", f"Basic {said}"


def _grouping(value: Any) -> dict[str, str]:
    found = options.mapping("grouping", value)
    label_names(tuple(found))
    return {name: str(each) for name, each in found.items()}
