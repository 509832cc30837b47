"""
moto as a server, one for all tests of a session.

It knows tags, encryption, KMS and storage classes, and keeps all in memory: a
restart forgets it.  It checks signatures only as ``moto_signed``, and digests
never.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from servers.object_store import Keys, ObjectStore, require, running
from servers.running import Running

_MANY = 1_000_000
_USERS = {
    "writer": ["s3:*"],
    "reader": ["s3:Get*", "s3:List*"],
}


class Moto(ObjectStore):
    """
    A moto_server that takes any keys.
    """

    environ: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.keys = Keys("anybody", "anything")
        self._server = Running(
            [
                *(sys.executable, "-m", "moto.server"),
                *("-H", "127.0.0.1", "-p", str(self.port)),
            ],
            self._is_up,
            folder / "moto.log",
            {
                "PYTHONWARNINGS": "ignore",
                "MOTO_S3_CUSTOM_ENDPOINTS": self.endpoint_url,
                **self.environ,
            },
        )

    @property
    def pid(self) -> int | None:
        """
        The process id; None while the server is stopped.
        """
        return self._server.pid

    def start(self) -> None:
        """
        Start the server unless it runs; one that starts has no buckets.
        """
        self._server.start()

    def stop(self, *, kill: bool = False) -> None:
        """
        Stop the server; what it holds is gone.
        """
        self._server.stop(kill=kill)

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"{self.endpoint_url}/moto-api/data.json", timeout=2
            ):
                return True
        except OSError:
            return False


class SignedMoto(Moto):
    """
    A moto_server that checks signatures and what a user may do.
    """

    environ: Mapping[str, str] = {"INITIAL_NO_AUTH_ACTION_COUNT": str(_MANY)}

    def start(self) -> None:
        """
        Start the server unless it runs, and make its two users.
        """
        pid = self.pid
        super().start()
        if self.pid == pid:
            return
        self.keys = Keys("nobody", "yet")
        self.keys, self.read_only = (
            self._user(name, actions) for name, actions in _USERS.items()
        )
        self._check_from_now_on()

    def _user(self, name: str, actions: list[str]) -> Keys:
        iam = self.service("iam")
        iam.create_user(UserName=name)
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": actions, "Resource": "*"}
            ],
        }
        iam.put_user_policy(
            UserName=name,
            PolicyName=name,
            PolicyDocument=json.dumps(policy),
        )
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"])

    def _check_from_now_on(self) -> None:
        asked = urllib.request.Request(
            f"{self.endpoint_url}/moto-api/reset-auth",
            data=b"0",
            headers={"Content-Type": "text/plain"},
        )
        with urllib.request.urlopen(asked, timeout=5):
            pass


_PACKAGES = {
    "moto": "moto[server,s3]",
    "flask": "moto[server,s3]",
    "boto3": "boto3",
}


@pytest.fixture
def moto(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Any:
    """
    The session's moto, running; the test is skipped where there is none.
    """
    require("moto", _PACKAGES, missing)
    return running(request, tmp_path_factory, Moto)


@pytest.fixture
def moto_signed(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Any:
    """
    As :func:`moto`, with signatures and permissions checked.
    """
    require("moto", _PACKAGES, missing)
    return running(request, tmp_path_factory, SignedMoto)
