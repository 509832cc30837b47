"""
A real syslog-ng, one for all tests of a session.

Debian's package excludes rsyslog's, so that one of the two is unpacked in a
folder that the variable MLLOG_SYSLOG_NG_ROOT names; `.ci/run` does so.

What it makes of a message, beyond RFC 5424: a nil hostname becomes the
sender's address, a nil timestamp the time of arrival; whitespace at the end
of a message is lost.  It keeps structured data by "id.name" in one string, of
which an id's dots after the @ cannot be told from the dots of a name.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from servers.receiver import PORTS, Receiver, moment, nil, openssl, shared
from servers.running import Running, program

_CONFIG = """\
@version: 3.35
options {{
  keep-hostname(yes); use-dns(no); dns-cache(no); chain-hostnames(no);
  log-msg-size(262144); flush-lines(1); stats-freq(0);
  ts-format(iso); frac-digits(6);
}};
source s_udp {{
  syslog(ip(127.0.0.1) port({udp}) transport("udp")
    flags(store-raw-message));
}};
source s_tcp {{
  syslog(ip(127.0.0.1) port({tcp}) transport("tcp") max-connections(1000)
    flags(store-raw-message));
}};
source s_tcp_lines {{
  network(ip(127.0.0.1) port({tcp_lines}) transport("tcp")
    max-connections(1000) flags(syslog-protocol, store-raw-message));
}};
source s_tls {{
  syslog(ip(127.0.0.1) port({tls}) transport("tls") max-connections(1000)
    flags(store-raw-message)
    tls(key-file("{key}") cert-file("{cert}") ca-file("{ca}")
      peer-verify(optional-untrusted)));
}};
source s_mtls {{
  syslog(ip(127.0.0.1) port({mtls}) transport("tls") max-connections(1000)
    flags(store-raw-message)
    tls(key-file("{key}") cert-file("{cert}") ca-file("{ca}")
      peer-verify(required-trusted)));
}};
source s_unix {{
  unix-dgram("{unix}" flags(syslog-protocol, store-raw-message));
}};
source s_unix_stream {{
  unix-stream("{unix_stream}" max-connections(1000)
    flags(syslog-protocol, store-raw-message));
}};
destination d_lines {{
  file("{folder}/messages.json" template("$(format-flat-json input=$SOURCE
    pri=$PRI hostname=$HOST app_name=$PROGRAM procid=$PID msgid=$MSGID
    timestamp=$ISODATE message=$MESSAGE raw=$RAWMSG --key .SDATA.*)\\n"));
}};
log {{
  source(s_udp); source(s_tcp); source(s_tcp_lines); source(s_tls);
  source(s_mtls); source(s_unix); source(s_unix_stream);
  destination(d_lines);
}};
"""
_REFUSED = "Error processing log message: "


class Installed(NamedTuple):
    """
    Where syslog-ng is, and the folders of what it loads if it is unpacked.
    """

    program: str
    libraries: list[str]
    modules: list[str]


def installed() -> Installed | None:
    """
    The syslog-ng of MLLOG_SYSLOG_NG_ROOT, or that of PATH; None without one.
    """
    root = os.environ.get("MLLOG_SYSLOG_NG_ROOT")
    if not root:
        found = program("syslog-ng")
        return Installed(found, [], []) if found else None
    binary = Path(root, "usr/sbin/syslog-ng")
    if not binary.exists():
        return None
    own = Path(root, "usr/lib/syslog-ng")
    libraries = [
        own,
        *Path(root).glob("lib/*/"),
        *Path(root).glob("usr/lib/*/"),
    ]
    modules = [path.parent for path in own.glob("*/libsyslogformat.so")]
    return Installed(str(binary), [*map(str, libraries)], [*map(str, modules)])


class SyslogNg(Receiver):
    """
    A syslog-ng with the inputs of `Rsyslog` and "tcp_lines", "unix_stream".

    "tcp", "tls" and "mtls" take counted frames only, "tcp_lines" and
    "unix_stream" lines only; of the latter a NUL ends a message, too.
    """

    inputs = {
        **PORTS,
        "tcp_lines": socket.SOCK_STREAM,
        "unix": socket.SOCK_DGRAM,
        "unix_stream": socket.SOCK_STREAM,
    }

    def _running(self) -> Running:
        config = self.folder / "syslog-ng.conf"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                ca=self.authority.cert,
                cert=self.identity.cert,
                key=self.identity.key,
                **self.ports(),
            )
        )
        found = installed()
        assert found is not None
        command = [found.program, "--foreground", "--stderr", "--no-caps"]
        for option, name in (
            ("--cfgfile", "syslog-ng.conf"),
            ("--persist-file", "syslog-ng.persist"),
            ("--pidfile", "syslog-ng.pid"),
            ("--control", "syslog-ng.ctl"),
        ):
            command.append(f"{option}={self.folder / name}")
        environment = {}
        if found.libraries:
            command.append(f"--module-path={':'.join(found.modules)}")
            environment["LD_LIBRARY_PATH"] = ":".join(found.libraries)
        log = self.folder / "syslog-ng.log"
        return Running(command, self._ready, log, environment)

    def _normal(self, line: dict[str, Any]) -> dict[str, Any]:
        raw, version = line["raw"], f"<{line['pri']}>1 "
        if line["message"].startswith(_REFUSED):
            # a message of its own, with a mark where it stopped to read
            frame = line["message"].removeprefix(_REFUSED)
            raw, version = frame.replace(">@<", "", 1), None
        return {
            "input": line["input"].removeprefix("s_"),
            "parsed": version is not None and raw.startswith(version),
            "facility": int(line["pri"]) >> 3,
            "severity": int(line["pri"]) & 7,
            "hostname": nil(line["hostname"]),
            "app_name": nil(line["app_name"]),
            "procid": nil(line["procid"]),
            "msgid": nil(line["msgid"]),
            "timestamp": moment(line["timestamp"]),
            "structured_data": _elements(line),
            "message": line["message"].removeprefix("\ufeff"),
            "raw": raw,
        }


def _elements(line: dict[str, Any]) -> dict[str, dict[str, str]]:
    """
    The structured data of *line*, whose keys are "_SDATA.id.name".
    """
    elements: dict[str, dict[str, str]] = {}
    for key, value in line.items():
        prefix, _, path = key.partition(".")
        if prefix != "_SDATA":
            continue
        # the id may have dots before its @; an empty element has no name
        dot = path.find(".", max(path.find("@"), 0))
        name = path[:dot] if dot >= 0 else path
        element = elements.setdefault(name, {})
        if dot >= 0:
            element[path[dot + 1 :]] = value
    return elements


@pytest.fixture
def syslog_ng(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> SyslogNg:
    """
    The session's syslog-ng, running; the test is skipped where there is none.
    """
    openssl(missing)
    if installed() is None:
        missing("syslog-ng", "neither MLLOG_SYSLOG_NG_ROOT nor PATH has it")
    return shared(request, tmp_path_factory, SyslogNg)
