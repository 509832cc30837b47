"""
A real rsyslogd, one for all tests of a session.

What it makes of a message, beyond RFC 5424: of structured data with the same
name twice in an element it keeps the last; a nil hostname stays nil, a nil
timestamp becomes the time of arrival.

TLS is that of GnuTLS.  With OpenSSL rsyslogd 8.2302 closes a connection's
descriptor twice, and so at times one that another input has just got.
"""

from __future__ import annotations

import glob
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from servers.receiver import PORTS, Receiver, moment, nil, openssl, shared
from servers.running import Running, program

_CONFIG = """\
global(
  workDirectory="{folder}"
  maxMessageSize="256k"
  net.enableDNS="off"
  defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{cert}"
  defaultNetstreamDriverKeyFile="{key}"
  parser.escapeControlCharactersOnReceive="off"
  parser.dropTrailingLFOnReception="off"
)
module(load="imudp")
module(load="imptcp")
module(load="imtcp" maxSessions="1000")
module(load="imuxsock" sysSock.use="off")
module(load="mmpstrucdata")
template(name="line" type="list" option.jsonf="on") {{
  property(outname="input" name="inputname" format="jsonf")
  property(outname="version" name="protocol-version" format="jsonf")
  property(outname="pri" name="pri" format="jsonf" dataType="number")
  property(outname="hostname" name="hostname" format="jsonf")
  property(outname="app_name" name="app-name" format="jsonf")
  property(outname="procid" name="procid" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="timestamp" name="timereported" format="jsonf"
           dateFormat="rfc3339")
  property(outname="data" name="$!rfc5424-sd" format="jsonf")
  property(outname="sent_data" name="structured-data" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="raw" name="rawmsg" format="jsonf")
}}
ruleset(name="received") {{
  action(type="mmpstrucdata" sd_name.lowercase="off")
  action(type="omfile" file="{folder}/messages.json" template="line")
}}
input(type="imudp" name="udp" ruleset="received"
      address="127.0.0.1" port="{udp}")
input(type="imptcp" name="tcp" ruleset="received"
      address="127.0.0.1" port="{tcp}")
input(type="imtcp" name="tls" ruleset="received"
      address="127.0.0.1" port="{tls}"
      streamDriver.name="gtls" streamDriver.mode="1"
      streamDriver.authMode="anon")
input(type="imtcp" name="mtls" ruleset="received"
      address="127.0.0.1" port="{mtls}"
      streamDriver.name="gtls" streamDriver.mode="1"
      streamDriver.authMode="x509/certvalid")
input(type="imuxsock" ruleset="received" socket="{unix}"
      useSpecialParser="off" parseHostname="on"
      ignoreTimestamp="off" useSysTimeStamp="off" usePIDFromSystem="off"
      rateLimit.interval="0")
action(type="omfile" file="{folder}/rsyslogd.log")
"""


class Rsyslog(Receiver):
    """
    An rsyslogd with the inputs "udp", "tcp", "tls", "mtls" and "unix".

    It takes counted frames and lines on each input that is a stream.
    """

    inputs = {**PORTS, "unix": socket.SOCK_DGRAM}

    def _running(self) -> Running:
        config = self.folder / "rsyslog.conf"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                ca=self.authority.cert,
                cert=self.identity.cert,
                key=self.identity.key,
                **self.ports(),
            )
        )
        pidfile = str(self.folder / "rsyslogd.pid")
        return Running(
            [str(program("rsyslogd")), "-n", "-f", str(config), "-i", pidfile],
            self._ready,
            self.folder / "rsyslogd.log",
        )

    def _normal(self, line: dict[str, Any]) -> dict[str, Any]:
        name = line["input"]
        elements = json.loads(line["data"] or "{}")
        return {
            # imuxsock says what it is, not what the configuration calls it
            "input": "unix" if name == "imuxsock" else name,
            "parsed": _whole(line)
            and (line["sent_data"] == "-") != bool(elements),
            "facility": line["pri"] >> 3,
            "severity": line["pri"] & 7,
            "hostname": nil(line["hostname"]),
            "app_name": nil(line["app_name"]),
            "procid": nil(line["procid"]),
            "msgid": nil(line["msgid"]),
            "timestamp": moment(line["timestamp"]),
            "structured_data": elements,
            "message": line["message"].removeprefix("\ufeff"),
            "raw": line["raw"],
        }


def _whole(line: dict[str, Any]) -> bool:
    """
    Whether each field of the header is there.

    rsyslog calls a frame RFC 5424 by its version alone; what it cannot read
    of the header stays empty, where a nil field would be "-".
    """
    names = ("app_name", "procid", "msgid", "sent_data")
    return line["version"] == "1" and all(line[name] for name in names)


@pytest.fixture
def rsyslog(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[str, str], None],
) -> Rsyslog:
    """
    The session's rsyslogd, running; the test is skipped where there is none.
    """
    openssl(missing)
    if program("rsyslogd") is None:
        missing("rsyslog", "install the package rsyslog")
    if not any(
        glob.glob(f"{folder}/rsyslog/lmnsd_gtls.so")
        for folder in ("/usr/lib*", "/usr/lib/*", "/usr/local/lib")
    ):
        missing("rsyslog-gnutls", "install rsyslog's TLS by GnuTLS")
    return shared(request, tmp_path_factory, Rsyslog)
