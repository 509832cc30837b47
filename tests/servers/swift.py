"""
A real OpenStack Swift with its S3 API, one for all tests of a session.

It checks signatures, digests and conditions, and has its objects on disk: they
survive a restart.  It says 501 to tags and encryption, and "wrong signature"
to an unknown access key.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.object_store import Keys, ObjectStore, require, running
from servers.running import Running, free_ports

#: The processes, in the order in which they start.
BACKENDS = ("account", "container", "object")
PROCESSES = (*BACKENDS, "proxy")

_COMMON = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
log_level = WARNING
"""

_BACKEND = (
    _COMMON
    + """\
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
)

# With suppression a backend that was down would be left alone for a minute.
_PROXY = (
    _COMMON
    + """\
[pipeline:main]
pipeline = catch_errors healthcheck listing_formats s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_limit = 1000000000
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_test_writer = writing .admin
user_test_reader = reading
[filter:slo]
use = egg:swift#slo
"""
)

_CLUSTER = """\
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
"""

# One node and one copy; in a process of its own, because eventlet changes
# Python's own modules.
_RINGS = """\
import sys
from swift.common.ring import RingBuilder
folder, *pairs = sys.argv[1:]
for name, port in zip(pairs[::2], pairs[1::2]):
    builder = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
    builder.add_dev({
        "region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port),
        "device": "d1", "weight": 1.0,
    })
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{name}.ring.gz")
"""


class Swift(ObjectStore):
    """
    The four processes of a Swift cluster of one node.

    Each can be ended, stopped and started by itself: ``proxy`` is what
    clients speak to, the others are what it speaks to.
    """

    # who reads it is then not asked for; the writer alone writes
    bucket_acl = "public-read"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.keys = Keys("test:writer", "writing")
        self.read_only = Keys("test:reader", "reading")
        self._ports = dict(zip(BACKENDS, free_ports(3), strict=True))
        self._ports["proxy"] = self.port
        self._log = folder / "swift.log"
        self._configure()
        self._processes = {name: self._process(name) for name in PROCESSES}

    def _configure(self) -> None:
        (self.folder / "devices" / "d1").mkdir(parents=True)
        (self.folder / "swift.conf").write_text(_CLUSTER)
        for name, port in self._ports.items():
            text = _PROXY if name == "proxy" else _BACKEND
            self._config(name).write_text(
                text.format(
                    name=name,
                    port=port,
                    user=getpass.getuser(),
                    folder=self.folder,
                )
            )
        pairs = [
            word
            for name in BACKENDS
            for word in (name, str(self._ports[name]))
        ]
        subprocess.run(
            [sys.executable, "-c", _RINGS, str(self.folder), *pairs],
            check=True,
            timeout=60,
            env={**os.environ, "SWIFT_DIR": str(self.folder)},
        )

    def _config(self, name: str) -> Path:
        return self.folder / f"{name}-server.conf"

    def _process(self, name: str) -> Running:
        script = Path(sysconfig.get_path("scripts"), f"swift-{name}-server")
        return Running(
            [sys.executable, str(script), str(self._config(name)), "-v"],
            # all start at once, and start() waits for all of them
            lambda: True,
            self._log,
            {"SWIFT_DIR": str(self.folder), "PYTHONWARNINGS": "ignore"},
        )

    def start(self) -> None:
        """
        Start what does not run, let go on what is stopped, wait for all.
        """
        for name, process in self._processes.items():
            self._processes[name].resume()
            process.start()
        deadline = time.monotonic() + 15
        for name, process in self._processes.items():
            while not self._is_up(name):
                if time.monotonic() > deadline:
                    raise AssertionError(process.told(f"{name} is not up"))
                time.sleep(0.02)

    def _is_up(self, name: str) -> bool:
        url = f"http://127.0.0.1:{self._ports[name]}/healthcheck"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.read() == b"OK")
        except urllib.error.HTTPError:
            # a backend has no such page, and says so
            return name != "proxy"
        except OSError:
            return False

    def stop(self, *names: str, kill: bool = False) -> None:
        """
        Stop the processes *names*, or all of them; the data stay.

        Args:
            names: Some of :data:`PROCESSES`; none is all.

            kill: By SIGKILL, as a crash would.
        """
        for name in names or reversed(PROCESSES):
            self._processes[name].resume()
            self._processes[name].stop(kill=kill)

    @contextlib.contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """
        The processes *names* take connections and answer nothing, within it.
        """
        for name in names:
            self._processes[name].pause()
        try:
            yield
        finally:
            for name in names:
                self._processes[name].resume()


@pytest.fixture
def swift(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Any:
    """
    The session's Swift, running; the test is skipped where there is none.
    """
    require("swift", {"swift": "swift", "boto3": "boto3"}, missing)
    if not _takes_attributes(tmp_path_factory.getbasetemp()):
        missing("swift", "give a --basetemp that takes extended attributes")
    return running(request, tmp_path_factory, Swift)


def _takes_attributes(folder: Path) -> bool:
    """
    Whether a file may have the attributes in which Swift keeps metadata.
    """
    probe = folder / "attributes"
    probe.touch()
    try:
        os.setxattr(probe, "user.mllog", b"1")
    except (AttributeError, OSError):
        return False
    return True
