"""
mllog.checks.connecting: which sinks of a configuration answer.
"""

import configparser
import http.server
import json
import logging
import os
import socket
import sys
import threading
import time

import pytest
from servers.faulty import black_hole, free_port
from servers.moto import moto_signed
from servers.rsyslog import rsyslog
from storing import BUCKET, PATH_STYLE, SECRET, credentials, server

import mllog
from mllog.checks.connecting import connect, reasons, receipts, trials
from mllog.errors import ConfigError

__all__ = ["credentials", "moto_signed", "rsyslog", "server"]

#: Seconds that a sink that is well may take on a machine that is busy.
PATIENT = 30.0
#: Where it is known that nothing answers.
SHORT = 1.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """
    What is refused is believed sooner than by people.
    """
    monkeypatch.setattr(receipts, "_PATIENCE_SECONDS", 0.3)


def config(**handlers):
    """
    A configuration with *handlers*.
    """
    return {
        "version": 1,
        "formatters": {
            "plain": {"format": "%(message)s"},
            "wants": {"format": "%(request_id)s"},
        },
        "handlers": handlers,
    }


def tried(handler, timeout=PATIENT, **more):
    """
    The answer for one handler.
    """
    (answer,) = connect(config(tried=handler, **more), timeout)[:1]
    assert "tried" == answer.handler
    return answer


def failed(handler, *words, timeout=PATIENT):
    """
    The answer of one that has to fail, with all *words* in what is said.
    """
    answer = tried(handler, timeout)
    assert not answer.is_there
    for word in words:
        assert word in f"{answer.said}; {answer.fix}"
    assert "\n" not in answer.said + answer.fix
    return answer


# --- files and streams ---


@pytest.mark.parametrize(
    "handler",
    [
        {"class": "logging.FileHandler", "formatter": "plain"},
        {"class": "mllog.TimestampedRotatingFileHandler"},
    ],
)
def test_file_is_named_with_size_and_permissions(tmp_path, handler):
    """
    The marked record is in the file, which the receipt describes.
    """
    path = tmp_path / "app.log"

    answer = tried({**handler, "filename": str(path)})

    assert answer.is_there
    assert trials.MESSAGE in path.read_text()
    assert f"{path}, {path.stat().st_size} bytes, -rw-" in answer.said


def test_file_that_its_handler_would_empty_keeps_what_it_has(tmp_path):
    """
    mode="w" is for a start of the application, not for a check of it.
    """
    path = tmp_path / "app.log"
    path.write_text("kept\n")
    handler = {"class": "logging.FileHandler", "filename": str(path)}
    ini = configparser.ConfigParser()
    ini.read_string(
        "[handlers]\nkeys=f\n[handler_f]\nclass=FileHandler\n"
        f"args=({str(path)!r}, 'w')\n"
    )

    assert tried({**handler, "mode": "w"}).is_there
    assert connect(ini)[0].is_there

    assert path.read_text().startswith("kept\n")
    assert 2 == path.read_text().count(trials.MESSAGE)


def test_file_in_a_folder_that_is_missing_says_how_to_mend_it(tmp_path):
    """
    The path and what to do are in one line.
    """
    path = tmp_path / "no" / "app.log"

    failed(
        {"class": "logging.FileHandler", "filename": str(path)},
        "No such file or directory",
        str(path),
        "make the folder",
    )


def test_latency_file_has_no_row_of_it(tmp_path):
    """
    What measures gets nothing to measure, and says that it could write.
    """
    path = tmp_path / "latency.csv"

    answer = tried({"class": "mllog.LatencyCSVHandler", "filename": str(path)})

    assert answer.is_there
    assert "latency.csv" in answer.said
    assert not path.exists() or 1 == path.read_text().count("\n")


def test_console_has_the_marked_record(capsys):
    """
    The record is on the stream, and marked by its field.
    """
    answer = tried({"class": "mllog.ConsoleHandler", "stream": "stdout"})

    assert answer.is_there and "stdout" in answer.said
    assert f"{trials.MESSAGE} mllog_check=True" in capsys.readouterr().out


def test_record_has_the_level_that_the_handler_wants(capsys):
    """
    A handler for errors is tried as any other.
    """
    assert tried({"class": "mllog.ConsoleHandler", "level": "ERROR"}).is_there

    assert "ERROR mllog.check" in capsys.readouterr().err


def test_record_that_a_filter_stops_is_sent_nevertheless(capsys):
    """
    The sink is what is tried, not the filters in front of it.
    """
    handler = {
        "class": "mllog.ConsoleHandler",
        "filters": [{"class": "logging.Filter", "name": "other"}],
    }
    everything = config(tried=handler)
    handler["filters"] = ["other"]
    everything["filters"] = {"other": {"name": "other"}}

    assert connect(everything)[0].is_there
    assert trials.MESSAGE in capsys.readouterr().err


# --- handlers of others ---


class Failing(logging.Handler):
    """
    Fails as handlers do: quietly.
    """

    def emit(self, record):
        try:
            raise RuntimeError("the disk is full of bees")
        except RuntimeError:
            self.handleError(record)


class Quitting(logging.Handler):
    """
    Ends the program when it is made.
    """

    def __init__(self):
        super().__init__()
        sys.exit("no")


class Hanging(logging.Handler):
    """
    Never comes back from emit, with its lock held.
    """

    gate = threading.Event()

    def emit(self, record):
        self.gate.wait(600)


def of_this_module(name, **options):
    return {"()": globals()[name], **options}


def test_handler_of_others_that_emits_says_that_it_did():
    """
    What it does with the record only it knows.
    """
    answer = tried({"class": "logging.NullHandler"})

    assert answer.is_there and "without an error" in answer.said


def test_handler_of_others_that_fails_quietly_is_heard(capsys):
    """
    What handleError would have printed, or hidden, is the reason.
    """
    failed(of_this_module("Failing"), "RuntimeError: the disk is full of bees")

    assert "" == capsys.readouterr().err


def test_formatter_that_wants_a_field_is_a_failure():
    """
    Its other records would be lost as well.
    """
    failed(
        {"class": "logging.StreamHandler", "formatter": "wants"},
        "request_id",
        "defaults",
    )


@pytest.mark.parametrize(
    "handler, words",
    [
        ({"class": "nosuch.Handler"}, ["nosuch", "install"]),
        ({"class": "mllog.ConsoleHandler", "piped": "jsn"}, ["piped='jsn'", "json"]),
        ({"class": "mllog.ConsoleHandler", "formatter": "none"}, ["none"]),
        ({"class": "mllog.S3Handler", "bucket": ""}, ["MLLOG_S3_BUCKET"]),
        ({}, ["class"]),
        (of_this_module("Quitting"), ["no"]),
    ],
)  # fmt: skip
def test_handler_that_cannot_be_made_says_why(handler, words):
    """
    The reason is the real one, not that it could not be configured.
    """
    failed(handler, *words)


def test_handler_that_hangs_is_given_up_and_holds_up_nobody(tmp_path):
    """
    The others have answered, and the end of the process does not wait for it.
    """
    path = tmp_path / "app.log"
    began = time.monotonic()

    hangs, works = connect(
        config(
            hangs=of_this_module("Hanging"),
            works={"class": "logging.FileHandler", "filename": str(path)},
        ),
        SHORT,
    )

    assert time.monotonic() - began < PATIENT
    assert not hangs.is_there and "no answer within 1 s" in hangs.said
    assert works.is_there
    assert not any(
        isinstance(each(), Hanging) for each in list(logging._handlerList)
    )
    Hanging.gate.set()


def test_handlers_that_pass_on_are_made_and_nothing_comes_twice(tmp_path):
    """
    A MemoryHandler is made with its target, which gets one record in all.
    """
    path = tmp_path / "app.log"

    memory, _ = connect(
        config(
            memory={
                "class": "logging.handlers.MemoryHandler",
                "capacity": 1,
                "target": "file",
            },
            file={"class": "logging.FileHandler", "filename": str(path)},
        )
    )

    assert memory.is_there and "others" in memory.said
    assert 1 == path.read_text().count(trials.MESSAGE)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in 3.12")
def test_queue_of_handlers_is_made_with_them(tmp_path):
    """
    A QueueHandler with a list of handlers is no circle.
    """
    queue = {"class": "logging.handlers.QueueHandler", "handlers": ["null"]}

    assert tried(queue, null={"class": "logging.NullHandler"}).is_there


def test_socket_handler_without_a_server_fails():
    """
    The stdlib's own says nothing of it: it would try again later.
    """
    handler = {
        "class": "logging.handlers.SocketHandler",
        "host": "127.0.0.1",
        "port": free_port(),
    }

    failed(handler, "refused", "start the server")


def test_configuration_of_an_ini_file_is_tried_as_well(tmp_path):
    """
    args and kwargs are Python there, and one handler is made at a time.
    """
    path = tmp_path / "app.log"
    found = configparser.ConfigParser()
    found.read_string(
        f"""
[handlers]
keys = file, memory, bad
[formatters]
keys = plain
[formatter_plain]
format = %(message)s!
[handler_file]
class = FileHandler
formatter = plain
args = ({str(path)!r},)
[handler_memory]
class = handlers.MemoryHandler
args = (10,)
target = file
[handler_bad]
class = nosuch.Handler
"""
    )

    assert [True, True, False] == [each.is_there for each in connect(found)]
    assert f"{trials.MESSAGE}!\n" == path.read_text()


# --- syslog ---


@pytest.mark.parametrize("name", ["udp", "tcp", "tls", "unix"])
def test_syslog_server_gets_the_record(rsyslog, name):
    """
    A real server reads it, and the receipt says what is not known.
    """
    where = rsyslog.address[name]
    url = (
        f"unix://{where}"
        if name == "unix"
        else f"{name}://{where[0]}:{where[1]}"
    )
    marker = f"check-{name}-{os.getpid()}"
    options = {"ca_file": rsyslog.authority.cert} if name == "tls" else {}

    answer = tried(
        {
            "class": "mllog.SyslogHandler",
            "address": url,
            "msgid": marker,
            **options,
        }
    )

    assert answer.is_there, answer
    assert (name == "unix") != ("no receipt" in answer.said)
    assert name not in ("udp", "tcp", "tls") or name.upper() in answer.said
    (record,) = rsyslog.records(trials.MESSAGE)[-1:]
    assert "mllog_check" in record["raw"]


def test_syslog_server_whose_authority_is_unknown_says_what_to_give(rsyslog):
    """
    TLS without ca_file fails with the option's name.
    """
    host, port = rsyslog.address["tls"]

    failed(
        {"class": "mllog.SyslogHandler", "address": f"tls://{host}:{port}"},
        "certificate",
        "ca_file",
        timeout=PATIENT,
    )


def test_syslog_without_a_server_fails_before_its_time():
    """
    What is refused is told in seconds, however long it might take.
    """
    began = time.monotonic()

    failed(
        {
            "class": "mllog.SyslogHandler",
            "address": f"tcp://127.0.0.1:{free_port()}",
        },
        "refused",
        "start the server",
        timeout=300,
    )

    assert time.monotonic() - began < 60


def test_syslog_server_that_is_frozen_ends_with_the_time():
    """
    Who neither refuses nor answers is given up.
    """
    began = time.monotonic()
    with black_hole() as port:
        answer = failed(
            {
                "class": "mllog.SyslogHandler",
                "address": f"tcp://127.0.0.1:{port}",
            },
            timeout=SHORT,
        )

    assert answer.fix
    assert time.monotonic() - began < PATIENT


# --- S3 ---


def s3(server, **options):
    return {
        "class": "mllog.S3Handler",
        "bucket": BUCKET,
        "endpoint_url": server.url,
        "client_config": PATH_STYLE,
        "compression": "none",
        **options,
    }


def test_s3_receipt_is_the_key_of_the_object(server):
    """
    Without a spool: the object is there, nothing is on the disk.
    """
    answer = tried(s3(server, prefix="logs/"))

    ((bucket, key),) = server.objects
    assert answer.is_there
    assert f"s3://{bucket}/{key}" == answer.said
    (body,) = server.objects.values()
    assert json.loads(body)["mllog_check"] is True


def test_spool_is_neither_read_nor_written(server, tmp_path):
    """
    What dead processes left is not for a check to send.
    """
    options = {"spool": "always", "spool_dir": str(tmp_path / "spool")}

    assert tried(s3(server, **options)).is_there
    server.stop()
    failed(s3(server, **options), "start the server")

    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize(
    "fault, words",
    [
        ("denied", ["AccessDenied", "s3:PutObject"]),
        ("no_bucket", ["NoSuchBucket"]),
        ("wrong_signature", ["SignatureDoesNotMatch"]),
        ("silence", []),
    ],
)
def test_s3_that_refuses_says_why(server, fault, words):
    """
    The error of the server and how to mend it, and never the secret.
    """
    server.always(fault)

    answer = failed(s3(server), *words, timeout=PATIENT if words else SHORT)

    assert SECRET not in str(answer)


def test_s3_payloads_ask_for_the_bucket_and_store_nothing(server):
    """
    A record without a payload makes no object, so the bucket is asked for.
    """
    handler = {**s3(server), "class": "mllog.S3PayloadHandler"}
    del handler["compression"]
    before = len(server.objects)

    answer = tried(handler)

    assert answer.is_there == (len(server.objects) > before) or (
        "bucket" in answer.said
    )


@pytest.mark.s3servers
def test_s3_with_a_wrong_key_says_what_to_mend(moto_signed, monkeypatch):
    """
    A real server that checks signatures refuses the key.
    """
    bucket = moto_signed.new_bucket()
    for name, value in moto_signed.environment(None).items():
        monkeypatch.setenv(name, value)
    handler = {
        "class": "mllog.S3Handler",
        "bucket": bucket,
        "endpoint_url": moto_signed.endpoint_url,
    }
    assert tried(handler).is_there

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-wrong")
    answer = failed(handler, "SignatureDoesNotMatch", timeout=PATIENT)

    assert "hunter2" not in str(answer)


# --- Kafka ---


def kafka_at(bootstrap, topic, **options):
    return {
        "class": "mllog.KafkaHandler",
        "bootstrap_servers": bootstrap,
        "topic": topic,
        **options,
    }


def test_kafka_acknowledges_the_record(mock_kafka):
    """
    It is a message of the topic, with the field that marks it.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())

    answer = tried(kafka_at(mock_kafka.bootstrap, topic))

    assert answer.is_there and topic in answer.said
    (message,) = mock_kafka.messages(topic, 1)
    assert json.loads(message.value)["mllog_check"] is True


def test_kafka_without_a_broker_says_so():
    """
    Nobody listens there; the password is not told.
    """
    answer = failed(
        kafka_at(
            f"127.0.0.1:{free_port()}",
            "records",
            sasl_mechanism="PLAIN",
            sasl_username="me",
            sasl_password="hunter2",
        ),
        "refused",
        "start the server",
        timeout=10,
    )

    assert "hunter2" not in str(answer)


def test_kafka_whose_broker_is_frozen_ends_with_the_time(mock_kafka):
    """
    It neither refuses nor answers.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    mock_kafka.freeze()
    began = time.monotonic()

    failed(kafka_at(mock_kafka.bootstrap, topic), timeout=1.5)

    assert time.monotonic() - began < PATIENT


def test_kafka_of_inferences_is_asked_and_gets_no_event(mock_kafka):
    """
    A formatter that makes no event of a test leaves the topic as it is.
    """
    topic = mock_kafka.create_topic(mock_kafka.topic())
    events = {"class": "mllog.InferenceFormatter", "serving_id": 7}
    handler = kafka_at(mock_kafka.bootstrap, topic, formatter_options=events)

    answer = tried(handler)

    assert answer.is_there, answer
    assert f"have the topic {topic}" in answer.said
    assert [] == mock_kafka.messages(topic, timeout=2)


@pytest.mark.kafka
def test_kafka_with_a_wrong_password_or_topic_says_which(broker):
    """
    A real broker: what fails is told apart, and the password not told.
    """
    topic = broker.create_topic(broker.topic("allowed"))
    options = {
        "ca_file": str(broker.ca_file),
        "sasl_mechanism": "PLAIN",
        "sasl_username": broker.writer.name,
        "sasl_password": broker.writer.password,
    }
    assert tried(kafka_at(broker.sasl_bootstrap, topic, **options)).is_there

    wrong = {**options, "sasl_password": "hunter2-wrong"}
    answer = failed(
        kafka_at(broker.sasl_bootstrap, topic, **wrong),
        "sasl_password",
        timeout=PATIENT,
    )
    assert "hunter2" not in str(answer)
    failed(
        kafka_at(broker.bootstrap, broker.topic("missing")),
        "no such topic",
        "create_topic",
        timeout=20,
    )


# --- metrics ---


def test_prometheus_serves_and_counts_nothing():
    """
    Its own page answers, and has no number of the marked record.
    """
    answer = tried({"class": "mllog.PrometheusHandler", "port": 0})

    assert answer.is_there
    assert "/metrics answers" in answer.said


def test_prometheus_whose_port_is_taken_says_so():
    """
    Somebody else answers there: that is no success.
    """
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        failed(
            {"class": "mllog.PrometheusHandler", "port": port},
            f"port {port}",
            "in use",
            "give another one",
        )


class _Gateway(http.server.BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        self.asked.append("GET")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"up 1\n")

    def do_PUT(self):
        self.asked.append("PUT")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


def test_gateway_and_textfile_are_asked_and_keep_what_they_have(tmp_path):
    """
    Neither is overwritten by the empty metrics of a check.
    """
    textfile = tmp_path / "job.prom"
    textfile.write_text("kept 1\n")
    gateway = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Gateway)
    threading.Thread(target=gateway.serve_forever, daemon=True).start()
    handler = {
        "class": "mllog.PrometheusHandler",
        "textfile": str(textfile),
        "gateway": f"http://127.0.0.1:{gateway.server_port}",
        "job": "train",
    }
    answer = tried(handler)
    gateway.shutdown()
    gateway.server_close()

    assert answer.is_there, answer
    assert "kept 1\n" == textfile.read_text()
    assert {"GET"} == set(_Gateway.asked)
    failed(handler, "refused", "start the server")
    handler["gateway"] = "http://me:hunter2@127.0.0.1:9"
    assert "hunter2" not in str(failed(handler))


def test_tensorboard_gets_no_run(tmp_path):
    """
    A run without a curve would be shown for ever.
    """
    answer = tried(
        {
            "class": "mllog.TensorBoardHandler",
            "log_dir": str(tmp_path / "runs"),
        }
    )

    assert answer.is_there and "runs" in answer.said
    assert not (tmp_path / "runs").exists()


def test_prometheus_of_an_application_that_runs_is_recognised():
    """
    Whoever checks beside a running application reads that it may be that.
    """
    running = mllog.PrometheusHandler(port=0)

    failed(
        {"class": "mllog.PrometheusHandler", "port": running.port},
        "in use",
        "the application may run",
    )
    running.close()


# --- reasons ---


def test_secrets_of_any_kind_of_configuration_are_found(monkeypatch):
    """
    In nested options, in the Python of an INI file, and in the settings.
    """
    monkeypatch.setenv("MLLOG_KAFKA_SASL_PASSWORD", "from-env")
    ini = configparser.ConfigParser()
    ini.read_string(
        "[handler_a]\nkwargs = {'sasl_password': 'in-kwargs', 'topic': 't'}\n"
    )
    tree = {
        "handlers": {
            "a": {
                "api_key": "in-a-tree",
                "credentials": ["user", {"x": "deep-one"}],
                "topic": "visible",
                "headers": {"Authorization": "Bearer xyz"},
            }
        }
    }

    assert {"in-kwargs", "from-env"} == reasons.secrets_of(ini)
    assert {
        "in-a-tree",
        "user",
        "deep-one",
        "Bearer xyz",
        "from-env",
    } == reasons.secrets_of(tree)


@pytest.mark.parametrize(
    "error, said, fix",
    [
        (OSError("http://me:pw@host: bad"), "http://***@host: bad", ""),
        (RuntimeError("key pw12 is\nwrong"), "RuntimeError: key *** is wrong", ""),
        (ConfigError("a=1", expected="2", fix="b"), "a=1; expected: 2", "b"),
        (ValueError(), "ValueError: ValueError", ""),
        (TimeoutError("timed out"), "timed out", reasons._FIXES[3][1]),
    ],
)  # fmt: skip
def test_reason_is_one_line_without_secrets(error, said, fix):
    """
    What failed, and apart from it how to mend it.
    """
    found = reasons.reason_of(error, frozenset({"pw12"}))

    assert (said, fix) == found


def test_reason_that_is_long_is_cut():
    """
    A server may answer with a page.
    """
    found = reasons.reason_of(OSError("x" * 9999), frozenset())

    assert 300 == len(found.said)
