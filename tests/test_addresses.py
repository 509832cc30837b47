"""
Passwords in addresses: no error, report, repr or finding shows one.

People put a user and a password into an address where none belongs.  Each
option that is an address, and each way that its text comes to people, is tried
with passwords of any make.
"""

import base64
import http.server
import json
import socket
import threading
import traceback
import warnings

import pytest

import mllog
from mllog import config
from mllog.errors import ConfigError, EventError, masked, shown
from mllog.reports import Reports

#: Found in what is shown, however little of the password is left.
CORE = "".join(("vK7q", "Zr2m", "X9tB"))
PASSWORDS = {
    "plain": CORE,
    "slash": f"a/{CORE}",
    "at": f"a@{CORE}",
    "colon": f"a:{CORE}",
    "hash": f"a#{CORE}?x={CORE}",
    "percent": f"%40{CORE}",
    "number first": f"12{CORE}",
    "port first": f"514{CORE}",
    "bracket": f"[{CORE}]",
    "quote": f"a'b\"{CORE}",
    "space": f"a b{CORE}",
    "long": CORE * 20,
}
#: The options that are addresses, with what else they need.
HANDLERS = {
    "syslog": ("SyslogHandler", "address", {}),
    "syslog list": ("SyslogHandler", "address", {"listed": True}),
    "gateway": ("PrometheusHandler", "gateway", {"job": "x"}),
    "gateway alone": ("PrometheusHandler", "gateway", {}),
    "s3": ("S3Handler", "endpoint_url", {"bucket": "logs"}),
    "s3 payloads": ("S3PayloadHandler", "endpoint_url", {"bucket": "logs"}),
    "kafka": ("KafkaHandler", "bootstrap_servers", {"topic": "t"}),
    "registry": (
        "KafkaHandler",
        "schema_registry",
        {"topic": "t", "bootstrap_servers": "127.0.0.1:9", "url": True},
    ),
    "otlp": ("OTLPHandler", "endpoint", {}),
    "proxies": (
        "S3Handler",
        "client_config",
        {"bucket": "logs", "proxies": True},
    ),
    "unknown option": ("SyslogHandler", "adress", {}),
    "unknown key": ("S3Handler", "client_config", {"bucket": "b", "odd": 1}),
}
FORMS = (
    "{scheme}ada:{password}@127.0.0.1:9",
    "{scheme}ada:{password}@127.0.0.1:nine",
    "{scheme}:{password}@127.0.0.1",
    "ada:{password}@127.0.0.1:9",
    "odd://ada:{password}@h",
    "{scheme}127.0.0.1:9?token={password}",
)
SCHEMES = {"syslog": "tcp://", "syslog list": "tcp://"}


def addresses(name):
    scheme = SCHEMES.get(name, "http://")
    for kind, password in PASSWORDS.items():
        for form in FORMS:
            if "token=" in form and kind not in ("plain", "long"):
                continue  # what ends a parameter ends it here as well
            yield form.format(scheme=scheme, password=password)


def options_of(name, address):
    _, option, given = HANDLERS[name]
    more = dict(given)
    value = address
    if more.pop("listed", False):
        value = [address, 514]
    elif more.pop("url", False):
        value = {"url": address}
    elif more.pop("proxies", False):
        value = {"proxies": {"http": address}, "nonsense": 1}
    elif more.pop("odd", False):
        value = {"odd": address}
    return {option: value, **more}


@pytest.fixture(autouse=True)
def quiet_end(monkeypatch):
    """
    Nobody answers at these addresses, and nothing waits for it.
    """
    monkeypatch.setenv("MLLOG_EXIT_SECONDS", "0.1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def needed(name):
    package = {
        "s3": "boto3",
        "s3 payloads": "boto3",
        "proxies": "boto3",
        "unknown key": "boto3",
        "kafka": "confluent_kafka",
        "registry": "confluent_kafka",
        "gateway": "prometheus_client",
        "gateway alone": "prometheus_client",
        "otlp": "opentelemetry.proto",
    }.get(name)
    if package:
        pytest.importorskip(package)


@pytest.mark.parametrize("name", HANDLERS)
def test_error_of_a_handler_shows_no_password_of_an_address(name):
    """
    Neither the error with its causes, nor a warning, nor the repr.
    """
    needed(name)
    shows = []
    for address in addresses(name):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                kind = getattr(mllog, HANDLERS[name][0])
                handler = kind(**options_of(name, address))
            except Exception as error:
                said = "".join(
                    [
                        str(error),
                        repr(error),
                        *_traced(error),
                    ]
                )
            else:
                said = repr(handler)
                handler.close()
        said += "".join(str(each.message) for each in warned)
        if CORE in said:
            shows.append(address)

    assert [] == shows


def _traced(error):
    """
    The errors that a traceback has, without the lines of source of a test.
    """
    whole = traceback.TracebackException.from_exception(error)
    seen = []
    while whole is not None:
        seen += whole.format_exception_only()
        whole = whole.__cause__ or (
            None if whole.__suppress_context__ else whole.__context__
        )
    return seen


@pytest.mark.parametrize("name", HANDLERS)
def test_findings_of_check_show_no_password_of_an_address(name, tmp_path):
    """
    What ``mllog check`` says of the same options, as text and as data.
    """
    needed(name)
    path = tmp_path / "log.json"
    shows = []
    for address in list(addresses(name))[::3]:
        kind = f"mllog.{HANDLERS[name][0]}"
        path.write_text(
            json.dumps(
                {
                    "version": 1,
                    "handlers": {
                        "x": {"class": kind, **options_of(name, address)}
                    },
                    "root": {"handlers": ["x"]},
                }
            )
        )
        found = config.check(path)
        said = "".join(f"{each} {each!r}" for each in found)
        if CORE in said:
            shows.append((address, said))

    assert [] == shows


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
def test_pushes_that_fail_show_no_password_of_the_gateway(
    password, logger, capsys
):
    """
    Nor a key in the query of its address.
    """
    pytest.importorskip("prometheus_client")
    where = f"ada:{password}@127.0.0.1:{free_port()}/x?token={CORE}"
    handler = mllog.PrometheusHandler(
        gateway=f"http://{where}", job="x", interval_seconds=60
    )
    logger.addHandler(handler)
    logger.warning("m", extra={"loss": 0.3})
    handler.flush()
    handler.close()

    said = capsys.readouterr().err
    assert "cannot push metrics" in said
    assert CORE not in said
    assert CORE not in repr(handler)


def test_password_of_the_gateway_is_sent_to_it(logger):
    """
    As the header that curl would send, and not in the address.
    """
    pytest.importorskip("prometheus_client")
    asked = []

    class Gateway(http.server.BaseHTTPRequestHandler):
        def do_PUT(self):
            asked.append((self.path, self.headers["Authorization"]))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    handler = mllog.PrometheusHandler(
        gateway=f"http://ada:a%40{CORE}@127.0.0.1:{server.server_port}",
        job="x",
        interval_seconds=60,
    )
    logger.addHandler(handler)
    logger.warning("m", extra={"loss": 0.3})

    handler.flush()
    handler.close()
    server.shutdown()
    server.server_close()

    said = base64.b64encode(f"ada:a@{CORE}".encode()).decode()
    assert ("/metrics/job/x", f"Basic {said}") == asked[0]


@pytest.mark.parametrize(
    "error",
    [
        OSError(f'Failed to connect to proxy URL: "http://u:{CORE}@p:3128"'),
        OSError(f"nonnumeric port: '{CORE}@127.0.0.1:9'"),
        ValueError(f"Port could not be cast to an integer as '{CORE}@h'"),
        OSError(f"cannot reach https://h/x?sig={CORE}&se=1"),
        OSError(f"ada:{CORE}@broker:9092/bootstrap: connection refused"),
        ConfigError(f"cannot reach redis://:{CORE}@h"),
        EventError("url", shown("url", f"https://ada:{CORE}@h")),
    ],
    ids=["proxy", "port", "cast", "query", "broker", "config", "event"],
)
def test_report_of_what_others_said_shows_no_password(error, capsys):
    """
    On standard error stands the error of a client without the password.
    """

    class Owner:
        def label(self):
            return "Owner"

    owner = Owner()
    try:
        raise error
    except Exception as caught:
        caught.__traceback__ = None
        Reports(owner.label).fault(caught)
        Reports(owner.label).say(str(caught))

    said = capsys.readouterr().err
    assert "***" in said
    assert CORE not in said


def test_presets_show_masks_the_password_of_a_setting(monkeypatch, capsys):
    """
    A setting that is an address is shown without it.
    """
    from mllog.cli import main

    monkeypatch.setenv("MLLOG_OTLP_ENDPOINT", f"http://ada:{CORE}@h:4318")

    main(["presets", "show", "otlp"])

    said = capsys.readouterr().out
    assert CORE not in said


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
def test_shown_masks_the_password_of_any_address(password):
    """
    Alone, in a list and a mapping, with and without a scheme.
    """
    for address in (
        f"tcp://ada:{password}@h:1",
        f"ada:{password}@h:1",
        f"http://:{password}@h",
    ):
        for value in (
            address,
            [address, 514],
            ("h:1", address),
            {"url": {"inner": address}},
            {"Authorization": password, "api-key": password, "pwd": password},
        ):
            said = shown("address", value)
            assert CORE not in said, value
            assert "***" in said


@pytest.mark.parametrize(
    "text",
    [
        "http://[::1]:8080/a@b",
        "tcp://127.0.0.1:514",
        "s3://bucket/prefix",
        "mAP@0.5",
        "{user}/{date}.jsonl",
        "12:30:45",
        "https://registry:4873/@scope/package",
        "key_template=x?page=2&size=3",
    ],
)
def test_shown_leaves_what_has_no_password(text):
    """
    Addresses, templates and names are shown as they are.
    """
    assert f"option={text!r}" == shown("option", text)
    assert text == masked(text)


@pytest.mark.parametrize(
    "unit", ["a", "a:", "a@", "://", "?token=", "port '", "a:b@", "http://a:"]
)
def test_masking_takes_time_in_proportion(unit):
    """
    Twice the text takes twice the time.
    """
    import time

    def seconds(text):
        start = time.process_time()
        masked(text)
        return time.process_time() - start

    text = unit * (20_000 // len(unit))
    ratios = [
        seconds(text + text) / max(seconds(text), 2e-4) for _ in range(3)
    ]

    assert min(ratios) <= 2.5


def test_control_of_an_error_that_is_not_masked_is_found():
    """
    Control: an exception of others shows the password that is looked for.
    """
    error = ValueError(f"tcp://ada:{CORE}@h")

    assert CORE in "".join(_traced(error))
