"""
SyslogHandler against a real rsyslog and a real syslog-ng.
"""

import io
import json
import logging
import logging.config
import logging.handlers
import os
import socket
import sys
import time
import uuid

import pytest
from servers.certificates import Authority
from servers.faulty import DatagramServer
from servers.rsyslog import rsyslog
from servers.syslog_ng import syslog_ng

import mllog
from mllog.errors import ConfigError

__all__ = ["rsyslog", "syslog_ng"]

ESCAPES = r'a "quote", a \ backslash, a ] bracket, both \] and \"'


@pytest.fixture(params=["rsyslog", "syslog_ng"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def marker():
    return uuid.uuid4().hex


def url(server, name):
    where = server.address[name]
    if isinstance(where, str):
        return f"unix://{where}"
    scheme = "tls" if name == "mtls" else name
    return f"{scheme}://{where[0]}:{where[1]}"


def handler_for(server, name, **options):
    if name in ("tls", "mtls"):
        options.setdefault("ca_file", server.authority.cert)
    if name == "mtls":
        options.setdefault("cert_file", server.client.cert)
        options.setdefault("key_file", server.client.key)
    return mllog.SyslogHandler(url(server, name), **options)


@pytest.mark.parametrize("name", ["udp", "tcp", "tls", "mtls", "unix"])
def test_syslog_message_is_parsed_by_a_real_server(
    server, logger, marker, name
):
    """
    Header, structured data with every escape, and text arrive as logged.
    """
    handler = handler_for(
        server, name, facility="local3", app_name="serve", hostname="gpu1"
    )
    logger.addHandler(handler)

    logger.warning(
        "Überhitzt 🔥 %s",
        marker,
        extra={
            "note": ESCAPES,
            "model_name": "ResNet-50 日本語",
            "inference_latency": 0.0123,
            "shape": [1, 2],
        },
    )

    assert handler.flush()
    (found,) = server.records(marker)
    assert found["parsed"]
    assert (found["facility"], found["severity"]) == (19, 4)
    assert (found["hostname"], found["app_name"]) == ("gpu1", "serve")
    assert found["procid"] == str(os.getpid())
    assert found["msgid"] == logger.name[:32]
    assert abs(found["timestamp"].timestamp() - time.time()) < 10
    assert found["message"] == f"Überhitzt 🔥 {marker}"
    assert found["structured_data"]["mllog@32473"] == {
        "note": ESCAPES,
        "model_name": "ResNet-50 日本語",
        "inference_latency": "0.0123",
        "shape": "[1,2]",
    }
    assert found["structured_data"]["meta"] == {"sequenceId": "1"}
    stats = handler.stats()
    assert (stats.accepted, stats.sent, stats.dropped) == (1, 1, {})


@pytest.mark.parametrize("name", ["tcp", "tls", "mtls"])
def test_syslog_text_with_many_lines_or_60_kb_arrives_as_one_message(
    server, logger, marker, name
):
    """
    Octet counting carries line breaks, tracebacks and 60 kB, record by record.
    """
    handler = handler_for(server, name)
    logger.addHandler(handler)
    long_text = f"{marker} {'ä€🔥x' * 6000}"

    logger.info("%s first\nsecond\n<13>1 - - - - - - forged", marker)
    logger.info(long_text)
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        logger.exception("%s failed", marker)

    assert handler.flush()
    first, second, third = server.records(marker, 3)
    assert len(long_text.encode()) > 60_000
    assert first["message"].endswith("first\nsecond\n<13>1 - - - - - - forged")
    assert second["message"] == long_text
    assert third["severity"] == 3
    assert third["message"].startswith(f"{marker} failed\n  Traceback ")
    assert "ValueError: broken\n" in third["message"]


def test_syslog_json_message_is_an_object_with_all_fields(
    server, logger, marker
):
    """
    With ``fields="json"`` message and fields are JSON, and there are no data.
    """
    handler = handler_for(server, "tcp", fields="json", sequence_id=False)
    logger.addHandler(handler)

    logger.info(marker, extra={"loss": 0.5, "note": ESCAPES})

    assert handler.flush()
    (found,) = server.records(marker)
    read = json.loads(found["message"])
    assert (read["message"], read["loss"]) == (marker, 0.5)
    assert read["note"] == ESCAPES
    assert found["structured_data"] == {}


@pytest.mark.parametrize("level", [5, 10, 20, 25, 30, 35, 40, 50, 60])
def test_syslog_severity_is_that_of_the_level(rsyslog, logger, marker, level):
    """
    Each level, custom ones too, has a severity; INFO is no emergency.
    """
    expected = {5: 7, 10: 7, 20: 6, 25: 5, 30: 4, 35: 4, 40: 3, 50: 2, 60: 1}
    handler = handler_for(rsyslog, "tcp")
    logger.setLevel(1)
    logger.addHandler(handler)

    logger.log(level, marker)

    assert handler.flush()
    (found,) = rsyslog.records(marker)
    assert found["severity"] == expected[level]


def test_syslog_names_may_come_from_fields(server, logger, marker):
    """
    App name, process id and message id follow the record where told so.
    """
    handler = handler_for(
        server,
        "tcp",
        app_name_field="service",
        procid_field="worker",
        msgid_field="request_id",
    )
    logger.addHandler(handler)

    logger.info(
        marker,
        extra={"service": "my app", "worker": 7, "request_id": "9f3c"},
    )

    assert handler.flush()
    (found,) = server.records(marker)
    names = found["app_name"], found["procid"], found["msgid"]
    assert names == ("my_app", "7", "9f3c")


def test_syslog_too_long_a_message_is_cut_and_counted(server, logger, marker):
    """
    It is cut at a character, says so, and the stats do.
    """
    handler = handler_for(server, "tcp", max_message_bytes="2KiB")
    logger.addHandler(handler)

    logger.info("%s %s", marker, "€" * 5000)

    assert handler.flush()
    (found,) = server.records(marker)
    assert found["parsed"]
    assert "[truncated " in found["message"]
    assert found["message"].count("€") > 500
    assert handler.stats().truncated == 1


@pytest.mark.parametrize("fields", ["structured_data", "text", "json"])
@pytest.mark.parametrize(
    "size", [65_000, 65_480, 65_508, 65_536, 70_000, 200_000]
)
def test_syslog_datagram_beyond_udps_limit_is_cut_once(logger, fields, size):
    """
    It fits before it is queued: one mark counts what is missing, and one count.
    """
    with DatagramServer() as receiver:
        handler = mllog.SyslogHandler(
            ("127.0.0.1", receiver.port),
            fields=fields,
            hostname="h",
            app_name="a",
            max_message_bytes="1MiB",
            linger_seconds=0.005,
        )
        logger.addHandler(handler)
        logger.info("x" * size)
        assert handler.flush(10)
        (message,) = receiver.wait_for(1)

        assert len(message) <= 65_507
        is_cut = message.count(b"x") < size
        assert handler.stats().truncated == (is_cut and fields != "json")
        if fields == "json":
            line = json.loads(message[message.index(b"{") :])
            assert line.get("mllog_truncated", False) is is_cut
        else:
            assert message.count(b"[truncated ") == is_cut
            missing = size - message.count(b"x")
            assert not is_cut or b"[truncated %d bytes]" % missing in message
        handler.close()


def test_syslog_newline_framing_keeps_one_record_one_message(
    syslog_ng, logger, marker
):
    """
    A line break in a message cannot forge a second one.
    """
    handler = mllog.SyslogHandler(
        list(syslog_ng.address["tcp_lines"]), socktype="tcp", framing="newline"
    )
    logger.addHandler(handler)

    logger.info("%s\n<13>1 - - forged - - - %s", marker, marker)

    assert handler.flush()
    (found,) = syslog_ng.records(marker)
    assert r"\n<13>1" in found["message"]


def test_syslog_reconnects_by_itself(server, logger, marker):
    """
    A server that restarts gets every record; none is lost, some may repeat.
    """
    handler = handler_for(server, "tcp")
    logger.addHandler(handler)
    for number in range(100):
        logger.info("%s before %d.", marker, number)
    assert handler.flush()
    server.records(marker, 100)

    server.restart()
    for number in range(100):
        logger.info("%s after %d.", marker, number)

    assert handler.flush(30)
    found = server.records(f"{marker} after 99.")
    texts = {each["message"] for each in server.records(marker, 200)}
    wanted = {
        f"{marker} {when} {number}."
        for when in ("before", "after")
        for number in range(100)
    }
    assert found
    assert wanted <= texts
    assert handler.stats().reconnects >= 1


@pytest.mark.parametrize("name", ["tls", "mtls"])
def test_syslog_with_a_wrong_authority_is_a_clear_error(
    server, logger, tmp_path, capsys, name
):
    """
    The certificate is refused, nothing is sent, and one line says what to do.
    """
    stranger = Authority(tmp_path, "stranger")
    handler = handler_for(server, name, ca_file=stranger.cert)
    logger.addHandler(handler)

    for number in range(100):
        logger.info("for nobody %d", number)

    assert not handler.flush(0.5)
    handler.close(0)
    said = capsys.readouterr().err
    assert said.count("cannot send") == 1
    assert "do not trust" in said
    assert "ca_file" in said
    stats = handler.stats()
    assert (stats.sent, stats.accepted) == (0, 100)
    assert stats.dropped == {"unsent_at_close": 100}


def test_syslog_without_the_client_certificate_is_a_clear_error(
    server, logger, capsys
):
    """
    A server that asks for one refuses us, nothing counts as sent.
    """
    handler = mllog.SyslogHandler(
        url(server, "mtls"), ca_file=server.authority.cert
    )
    logger.addHandler(handler)

    logger.info("for nobody")

    assert not handler.flush(1.5)
    handler.close(0)
    said = capsys.readouterr().err
    assert "cannot send" in said
    assert "cert_file" in said
    assert handler.stats().sent == 0
    assert handler.stats().dropped == {"unsent_at_close": 1}


def test_syslog_makes_its_socket_anew_when_dev_log_is_made_anew(
    server, logger, marker
):
    """
    A restarted server has a new socket at the old path.
    """
    handler = handler_for(server, "unix")
    logger.addHandler(handler)
    logger.info("%s before", marker)
    assert handler.flush()
    server.records(marker)

    server.restart()
    logger.info("%s after", marker)

    assert handler.flush(30)
    texts = [each["message"] for each in server.records(marker, 2)]
    assert texts == [f"{marker} before", f"{marker} after"]


def test_syslog_config_of_the_stdlib_works_by_its_class_alone(rsyslog, marker):
    """
    ``class`` is all that changes in a configuration of SysLogHandler.
    """
    host, port = rsyslog.address["tcp"]
    spec = {
        "class": "logging.handlers.SysLogHandler",
        "address": [host, port],
        "facility": "local1",
        "socktype": "ext://socket.SOCK_STREAM",
    }
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"short": {"format": "%(levelname)s %(message)s"}},
        "handlers": {
            "syslog": {
                **spec,
                "class": "mllog.SyslogHandler",
                "formatter": "short",
            }
        },
        "loggers": {
            "moved": {"handlers": ["syslog"], "level": "INFO"},
        },
    }

    logging.config.dictConfig(config)
    logging.getLogger("moved").info(marker)

    assert mllog.flush()
    (found,) = rsyslog.records(marker)
    assert found["message"] == f"INFO {marker}"
    assert found["facility"] == 17


def test_syslog_works_from_an_ini_file(rsyslog, marker):
    """
    fileConfig takes the stdlib's args and our options as text.
    """
    host, port = rsyslog.address["tcp"]
    text = f"""
[loggers]
keys=root,ini
[handlers]
keys=syslog
[formatters]
keys=
[logger_root]
handlers=
[logger_ini]
qualname=ini
level=INFO
handlers=syslog
[handler_syslog]
class=mllog.SyslogHandler
args=(("{host}", {port}), handlers.SysLogHandler.LOG_LOCAL2)
kwargs={{"socktype": "tcp", "max_queue_bytes": "2MB", "bom": "false"}}
"""
    logging.config.fileConfig(
        io.StringIO(text), disable_existing_loggers=False
    )

    logging.getLogger("ini").info(marker)

    assert mllog.flush()
    (found,) = rsyslog.records(marker)
    assert found["facility"] == 18


def test_syslog_of_rfc_3164_is_parsed_by_old_receivers(
    rsyslog, logger, marker
):
    """
    Host, tag with process id, and the fields behind the text arrive.
    """
    handler = handler_for(
        rsyslog, "tcp", rfc="3164", app_name="serve", hostname="gpu1"
    )
    logger.addHandler(handler)

    logger.error(marker, extra={"loss": 0.5})

    assert handler.flush()
    (found,) = rsyslog.records(marker)
    assert found["severity"] == 3
    assert found["hostname"] == "gpu1"
    assert found["raw"].endswith(
        f" gpu1 serve[{os.getpid()}]: {marker} loss=0.5"
    )


# --- without a server ---


def test_syslog_handler_is_made_without_a_server():
    """
    No constructor connects: a configuration works while the server does not.
    """
    handlers = [
        mllog.SyslogHandler(address)
        for address in (
            "tcp://127.0.0.1:1",
            "tls://no-such-host.invalid",
            "unix:///no/such/socket",
            ("no-such-host.invalid", 514),
        )
    ]

    assert [handler.stats().accepted for handler in handlers] == [0, 0, 0, 0]
    for handler in handlers:
        handler.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"address": "http://host"}, ["address", "tcp://"]),
        ({"facility": "usr"}, ["facility", "write user"]),
        ({"rfc": "5425"}, ["rfc", "5424"]),
        ({"fields": "xml"}, ["fields", "structured_data"]),
        ({"framing": "octets"}, ["framing", "octet-counting"]),
        ({"enterprise_id": "mllog"}, ["enterprise_id", "@"]),
        ({"ca_file": "/x"}, ["ca_file", "tls://"]),
        ({"address": "tls://h", "key_file": "/x"}, ["key_file", "cert_file"]),
        ({"spool": "always"}, ["spool", "spool_dir"]),
        ({"spool_dir": "/tmp"}, ["spool_dir", "spool="]),
        ({"overflow": "drop"}, ["overflow", "drop_oldest"]),
        ({"max_queue_record": 5}, ["write max_queue_records"]),
        ({"linger_seconds": "soon"}, ["linger_seconds", "number"]),
    ],
)
def test_syslog_option_that_cannot_work_is_a_clear_error(options, words):
    """
    The error names the handler and the option, and says what would do.
    """
    with pytest.raises(ConfigError) as caught:
        mllog.SyslogHandler(**options)

    said = str(caught.value)
    assert said.startswith("SyslogHandler: ")
    assert [word for word in words if word not in said] == []


def test_syslog_ident_of_the_stdlib_becomes_the_app_name(logger):
    """
    What a subclass or a configuration sets as ``ident`` is the app name.
    """
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(5)
    handler = mllog.SyslogHandler(receiver.getsockname())
    handler.ident = "myapp: "
    logger.addHandler(handler)

    logger.info("hello")

    handler.flush()
    assert receiver.recv(2000).split()[3] == b"myapp"
    receiver.close()


def test_syslog_records_are_read_when_they_are_logged(logger):
    """
    What changes after the call does not change the message.
    """
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(5)
    logger.addHandler(mllog.SyslogHandler(receiver.getsockname()))
    scores = [1, 2]

    with mllog.bind(request_id="9f3c"):
        logger.info("scores", extra={"scores": scores})
    scores.append(3)

    message = receiver.recv(2000)
    assert b'scores="[1,2\\]"' in message
    assert b'request_id="9f3c"' in message
    receiver.close()


def test_syslog_handler_imports_no_socket_before_it_is_used():
    """
    ``import mllog`` stays as cheap as it was.
    """
    import subprocess

    code = "import sys, mllog; sys.exit('socket' in sys.modules)"
    assert subprocess.run([sys.executable, "-S", "-c", code], check=False)


def test_handler_that_verifies_nobody_warns(recwarn):
    """
    verify=False says once what it means; other addresses have no such option.
    """
    with pytest.warns(mllog.MllogWarning, match="verify=False") as told:
        mllog.SyslogHandler("tls://127.0.0.1:9", verify="false").close()
    mllog.SyslogHandler("tcp://127.0.0.1:9").close()

    assert 1 == len(told)
    assert [] == list(recwarn)
