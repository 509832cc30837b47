"""
mllog.config: presets by name, files by path.
"""

import json
import logging
import logging.config
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import mllog
from mllog import config

PRESETS = [
    "console",
    "files",
    "inference",
    "inference-kafka",
    "kafka",
    "monitoring",
    "otlp",
    "prometheus",
    "s3",
    "s3-payloads",
    "syslog",
    "tensorboard",
    "training",
]
STORING = [name for name in PRESETS if name.startswith("s3")]
PUBLISHING = ["inference-kafka", "kafka"]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("MLLOG_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLLOG_METRICS_PORT", "0")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def server(environment, monkeypatch):
    """
    A syslog server for the preset that sends to one.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("MLLOG_SYSLOG_ADDRESS", address)
        yield server


@pytest.fixture(autouse=True)
def bucket(environment, monkeypatch):
    """
    A bucket that nobody can reach, for the presets that store objects.
    """
    monkeypatch.setenv("MLLOG_S3_BUCKET", "models")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("MLLOG_EXIT_SECONDS", "0.5")


@pytest.fixture(autouse=True)
def collector(environment, monkeypatch):
    """
    A collector that nobody can reach, for the preset that sends to one.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")


@pytest.fixture(autouse=True)
def topic(environment, monkeypatch):
    """
    A topic that nobody can reach, for the presets that publish.
    """
    monkeypatch.setenv("MLLOG_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("MLLOG_KAFKA_TOPIC", "records")


def filled(name):
    """
    The text of an INI preset, with what has no default.
    """
    text = config.preset_file(name, "fileconfig").read_text()
    for line in (
        "s3_bucket = models",
        "kafka_bootstrap_servers = 127.0.0.1:9",
        "kafka_topic = records",
    ):
        text = text.replace(f"{line.partition(' =')[0]} =\n", f"{line}\n")
    return text


def test_preset_names_are_the_files():
    """
    Each preset is there in both forms.
    """
    assert set(config.preset_names()) >= set(PRESETS)
    for name in config.preset_names():
        for kind in ("dictconfig", "fileconfig"):
            assert config.preset_file(name, kind).is_file()


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_valid_for_dictconfig(name, tmp_path):
    """
    Each preset configures logging, and a record arrives.
    """
    settings = config.settings_of(mllog.preset(name))
    given = {"directory": tmp_path / "d"} if "directory" in settings else {}

    logging.config.dictConfig(mllog.preset(name, **given))
    logging.getLogger("app").error("hello", extra={"inference_latency": 0.1})

    # there is no server; files need no time
    mllog.flush(0.1)
    mllog.shutdown(0.1)
    if given:
        found = list((tmp_path / "d").iterdir())
        assert any(b"hello" in each.read_bytes() for each in found)


def test_preset_syslog_sends_to_the_address_of_the_environment(server):
    """
    A record arrives as a message of the facility and with its fields.
    """
    mllog.configure("syslog", syslog_facility="local0")
    logging.getLogger("app").error("hello", extra={"loss": 0.5})
    assert mllog.flush(30)

    message = server.recv(4096)
    assert message.startswith(b"<131>1 ")
    assert b'loss="0.5"' in message and message.endswith(b" hello")


@pytest.mark.parametrize("url", ["", "tcp://"])
def test_preset_syslog_without_a_server_says_so_and_goes_on(url):
    """
    With nobody at the address the program ends well, and says it once.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    code = (
        "import logging, mllog; mllog.configure('syslog');"
        "logging.info('first'); logging.info('second'); print('done')"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(mllog.__file__).parents[1]),
            "MLLOG_SYSLOG_ADDRESS": f"{url}127.0.0.1:{port}",
            "MLLOG_EXIT_SECONDS": "1.5",
        },
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (0, "done\n") == (done.returncode, done.stdout)
    assert 1 == done.stderr.count("cannot send: ")
    assert "refused" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", PRESETS)
def test_preset_ini_says_the_same_as_json(name, tmp_path):
    """
    The INI form makes the same handlers at the same levels.
    """
    path = tmp_path / "preset.ini"
    path.write_text(filled(name))
    forms = []
    for configure in (
        lambda: logging.config.dictConfig(mllog.preset(name)),
        lambda: mllog.configure(path),
    ):
        configure()
        forms.append(
            [
                (type(each), each.level, type(each.formatter))
                for each in logging.root.handlers
            ]
        )

    assert forms[0] == forms[1]


@pytest.mark.parametrize("name", STORING)
def test_preset_without_its_bucket_is_refused_before_anything_changes(
    name, monkeypatch
):
    """
    The error names the variable, and the handlers of before stay.
    """
    monkeypatch.delenv("MLLOG_S3_BUCKET")
    before = list(logging.root.handlers)

    with pytest.raises(mllog.ConfigError, match="MLLOG_S3_BUCKET is not set"):
        mllog.configure(name)

    assert before == logging.root.handlers


@pytest.mark.parametrize("name", STORING)
def test_preset_ini_without_its_bucket_is_refused(name, tmp_path):
    """
    An INI preset does not read the environment; its own line has to be filled.
    """
    path = tmp_path / "preset.ini"
    path.write_text(config.preset_file(name, "fileconfig").read_text())

    with pytest.raises(mllog.ConfigError, match="bucket is empty"):
        mllog.configure(path)
    mllog.configure(path, s3_bucket="models", s3_prefix="digits")

    stored = [
        each for each in logging.root.handlers if hasattr(each, "location")
    ]
    assert {"s3://models/digits"} == {str(each.location) for each in stored}
    assert STORING.index(name) + 1 == len(stored)


@pytest.mark.parametrize("name", PUBLISHING)
@pytest.mark.parametrize("setting", ["kafka_bootstrap_servers", "kafka_topic"])
def test_preset_without_broker_or_topic_is_refused_before_anything_changes(
    name, setting, monkeypatch, tmp_path
):
    """
    The error names the variable, or in INI the option, and nothing changes.
    """
    variable = f"MLLOG_{setting.upper()}"
    monkeypatch.delenv(variable)
    before = list(logging.root.handlers)
    path = tmp_path / "preset.ini"
    path.write_text(config.preset_file(name, "fileconfig").read_text())
    given = {"kafka_bootstrap_servers": "a:9092", "kafka_topic": "records"}
    del given[setting]

    with pytest.raises(mllog.ConfigError, match=f"{variable} is not set"):
        mllog.configure(name)
    assert before == logging.root.handlers
    option = setting.removeprefix("kafka_")
    with pytest.raises(mllog.ConfigError, match=f"{option} is empty"):
        mllog.configure(path, **given)


@pytest.mark.parametrize("kind", ["dictconfig", "fileconfig"])
def test_preset_inference_kafka_publishes_its_settings(kind, kafka, tmp_path):
    """
    A record of an inference is two events as the settings say; others none.
    """
    topic = kafka.create_topic(kafka.topic())
    given = {
        "kafka_bootstrap_servers": kafka.bootstrap,
        "kafka_topic": topic,
        "serving_id": 7,
        "directory": tmp_path,
    }
    source = "inference-kafka"
    if kind == "fileconfig":
        source = tmp_path / "preset.ini"
        source.write_text(
            config.preset_file("inference-kafka", kind).read_text()
        )
    mllog.configure(source, **given)
    logger = logging.getLogger("iris")

    logger.info("Model loaded")
    with mllog.inference(logger, model="iris", version=3) as call:
        call.inputs, call.predictions = [1.4], ["setosa"]
    assert mllog.flush(30)

    messages = kafka.messages(topic, 2)
    events = [json.loads(each.value) for each in messages]
    assert ["request", "response"] == [each["messageType"] for each in events]
    assert {7} == {each["servingId"] for each in events}
    assert {"iris"} == {each["modelName"] for each in events}
    assert {each.key for each in messages} == {
        each["inferenceId"].encode() for each in events
    }
    stats = logging.root.handlers[-1].stats()
    assert (1, 1) == (stats.sent, stats.skipped)
    lines = (tmp_path / "inference.jsonl").read_text().splitlines()
    assert 2 == len(lines)


@pytest.mark.parametrize("kind", ["dictconfig", "fileconfig"])
def test_preset_kafka_publishes_every_record(kind, kafka, tmp_path):
    """
    Every record is one line of JSON in the topic.
    """
    topic = kafka.create_topic(kafka.topic())
    source = "kafka"
    if kind == "fileconfig":
        source = tmp_path / "preset.ini"
        source.write_text(config.preset_file("kafka", kind).read_text())

    mllog.configure(
        source, kafka_bootstrap_servers=kafka.bootstrap, kafka_topic=topic
    )
    logging.getLogger("app").info("hello", extra={"loss": 0.5})
    assert mllog.flush(30)

    (message,) = kafka.messages(topic, 1)
    found = json.loads(message.value)
    assert ("hello", 0.5) == (found["message"], found["loss"])


@pytest.mark.kafka
@pytest.mark.parametrize("kind", ["dictconfig", "fileconfig"])
def test_preset_kafka_signs_in_with_its_settings(
    kind, broker, tmp_path, monkeypatch
):
    """
    Name, password and authority reach the brokers, from either source.
    """
    topic = broker.create_topic(broker.topic())
    given = {
        "kafka_bootstrap_servers": broker.sasl_bootstrap,
        "kafka_topic": topic,
        "kafka_ca_file": broker.ca_file,
        "kafka_sasl_mechanism": "SCRAM-SHA-512",
        "kafka_sasl_username": broker.writer.name,
        "kafka_sasl_password": broker.writer.password,
    }
    if kind == "fileconfig":
        source = tmp_path / "preset.ini"
        source.write_text(config.preset_file("kafka", kind).read_text())
        mllog.configure(source, **given)
    else:
        for name, value in given.items():
            monkeypatch.setenv(f"MLLOG_{name.upper()}", value)
        mllog.configure("kafka")

    logging.getLogger("app").error("hello")
    assert mllog.flush(30)

    assert 1 == logging.root.handlers[-1].stats().sent
    assert 1 == len(broker.messages(topic, 1))


def test_presets_that_publish_share_no_spool(tmp_path):
    """
    Records of one never go to the topic of the other.
    """
    folders = []
    for name in PUBLISHING:
        mllog.configure(name, spool="overflow", spool_dir=tmp_path)
        folders.append(logging.root.handlers[-1].spool_folder)

    assert 2 == len(set(folders))


def test_preset_payloads_hands_its_settings_on():
    """
    Fields, rate and spool reach the handlers that they are for.
    """
    mllog.configure(
        "s3-payloads",
        s3_prefix="digits",
        payload_fields=["image"],
        sample_rate=0.25,
    )

    logs, payloads = logging.root.handlers[-2:]
    assert "s3://models/digits" == str(logs.location) == str(payloads.location)
    assert frozenset({"image"}) == payloads._payload_fields
    assert (0.25, "request_id") == (
        payloads._sampling.rate,
        payloads._sampling.by,
    )


def test_preset_settings_take_the_place_of_the_environment():
    """
    A setting is put where the environment would have been asked.
    """
    found = mllog.preset("console", level="DEBUG", stream="stdout")

    assert found["root"]["level"] == "DEBUG"
    assert found["handlers"]["console"]["stream"] == "stdout"
    assert mllog.preset("console")["root"]["level"].startswith("ext://")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: mllog.preset("consol"), "write console"),
        (lambda: mllog.configure("trainning"), "write training"),
        (lambda: mllog.preset("console", levle="x"), "write level"),
        (lambda: mllog.preset("console", token="hunter2"), "token=***"),
    ],
)
def test_name_that_is_wrong_is_answered_with_the_right_one(call, expected):
    """
    Unknown presets and settings are named with what was meant.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        call()

    assert expected in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_configure_preset_where_a_folder_has_its_name(tmp_path):
    """
    A folder called console does not hide the preset of that name.
    """
    (tmp_path / "console").mkdir()

    mllog.configure("console", level="ERROR")

    assert logging.root.level == logging.ERROR


CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"c": {"class": "mllog.ConsoleHandler"}},
    "root": {"handlers": ["c"], "level": "ext://mllog.env.LEVEL"},
}
TOML = """
version = 1
disable_existing_loggers = false
[handlers.c]
class = "mllog.ConsoleHandler"
[root]
handlers = ["c"]
level = "ext://mllog.env.LEVEL"
"""
INI = """
[DEFAULT]
level = INFO
[loggers]
keys = root
[handlers]
keys = c
[formatters]
keys =
[logger_root]
handlers = c
[handler_c]
class = mllog.ConsoleHandler
args = ()
"""


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("json", json.dumps(CONFIG)),
        ("yaml", json.dumps(CONFIG)),
        ("yml", json.dumps(CONFIG)),
        ("toml", TOML),
        ("ini", INI),
        ("cfg", INI),
        ("conf", INI),
    ],
)
def test_configure_file_of_each_kind(ending, text, tmp_path):
    """
    Each kind of file is read by its ending, and takes settings.
    """
    path = tmp_path / f"logging.{ending}"
    path.write_text(text)

    mllog.configure(path, level="ERROR")

    assert isinstance(logging.root.handlers[0], mllog.ConsoleHandler)
    assert logging.root.level == logging.ERROR


LEVELS = {
    **{word: 10 for word in ("DEBUG", "debug", "Debug", " debug ", "10")},
    **{"info": 20, "warn": 30, "Warning": 30, "fatal": 50, "notset": 0},
}


@pytest.mark.parametrize("word", LEVELS)
@pytest.mark.parametrize(
    ("ending", "text"),
    [("json", json.dumps(CONFIG)), ("toml", TOML), ("ini", INI)],
)
def test_configure_level_in_any_case_is_known(ending, text, word, tmp_path):
    """
    A level in a file, a setting or a variable may be a word in any case.
    """
    path = tmp_path / f"logging.{ending}"
    path.write_text(text)
    mllog.configure(path, level=word)
    assert logging.root.level == LEVELS[word]

    mllog.configure("console", level=word)
    assert logging.root.level == LEVELS[word]

    spec = json.loads(json.dumps(CONFIG))
    spec["handlers"]["c"]["level"] = spec["root"]["level"] = word
    spec["loggers"] = {"some.app": {"level": word}}
    other = tmp_path / "other.json"
    other.write_text(json.dumps(spec))
    mllog.configure(other)
    assert logging.root.level == LEVELS[word]
    assert logging.root.handlers[0].level == LEVELS[word]
    assert logging.getLogger("some.app").level == LEVELS[word]


@pytest.mark.parametrize("word", ["loud", "", None, True, [10]])
def test_configure_level_that_nobody_knows_is_refused(word, tmp_path):
    """
    What is no level is still logging's own error.
    """
    path = tmp_path / "logging.json"
    path.write_text(json.dumps({**CONFIG, "root": {"level": word}}))

    if word in (None, True):  # which logging passes over or takes for 1
        mllog.configure(path)
    else:
        with pytest.raises(ValueError, match="root"):
            mllog.configure(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("json", json.dumps(CONFIG, indent=1)),
        ("yaml", json.dumps(CONFIG, indent=1)),
        ("toml", TOML),
        ("ini", INI),
    ],
)
def test_configure_file_with_a_byte_order_mark_is_read(
    ending, text, newline, encoding, tmp_path
):
    """
    What editors of Windows put before a text is no part of it.
    """
    path = tmp_path / f"logging.{ending}"
    path.write_bytes(text.replace("\n", newline).encode(encoding))

    mllog.configure(path, level="ERROR")

    assert logging.root.level == logging.ERROR
    assert not [
        each for each in config.check(path) if each.severity == "error"
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("absent.json", None, "cannot be read"),
        ("broken.json", "{", "not valid JSON"),
        ("broken.toml", "=", "not valid TOML"),
        ("broken.yaml", "a: [", "not valid YAML"),
        ("broken.ini", "no section", "not valid INI"),
        ("list.json", "[]", "holds no mapping"),
        ("other.xml", "<a/>", "ends in .xml"),
        ("folder/file", "", "ends in nothing"),
    ],
)
def test_configure_file_that_cannot_be_names_it(
    name, text, expected, tmp_path
):
    """
    A file that is not there or not what it says is named.
    """
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if text is not None:
        path.write_text(text)

    with pytest.raises(mllog.ConfigError, match=expected) as caught:
        mllog.configure(path)

    assert name in str(caught.value)


def test_configure_yaml_runs_nothing(tmp_path):
    """
    YAML is read by its safe loader.
    """
    path = tmp_path / "evil.yaml"
    path.write_text(f"!!python/object/apply:os.mkdir ['{tmp_path}/made']")

    with pytest.raises(mllog.ConfigError):
        mllog.configure(path)

    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("value", ["a'b", 'a"b', "a\nb", "a\\"])
def test_configure_ini_value_that_would_end_the_text_is_refused(
    value, tmp_path
):
    """
    fileConfig evaluates kwargs, so no setting may break out of its quotes.
    """
    path = tmp_path / "logging.ini"
    path.write_text(INI)

    with pytest.raises(mllog.ConfigError, match="no quotes"):
        mllog.configure(path, level=value)


def test_configure_ini_value_with_percent_is_kept(tmp_path):
    """
    A per cent sign in a setting is no interpolation.
    """
    path = tmp_path / "logging.ini"
    path.write_text(config.preset_file("files", "fileconfig").read_text())

    mllog.configure(path, directory=str(tmp_path / "100%"))
    logging.getLogger("x").error("hello")

    assert (tmp_path / "100%" / "error.log").is_file()
