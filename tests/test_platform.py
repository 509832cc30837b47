"""
Variables of the platform that make no sense: whatever they hold, mllog starts.
"""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, logging, os, sys, warnings
import mllog

warnings.simplefilter("ignore")
port = "http://127.0.0.1:9"
made = {
    "console": lambda: mllog.ConsoleHandler(),
    "rich": lambda: mllog.RichHandler(),
    "syslog": lambda: mllog.SyslogHandler("tls://127.0.0.1:9"),
    "otlp": lambda: mllog.OTLPHandler(),
    "otlp over tls": lambda: mllog.OTLPHandler("https://127.0.0.1:9"),
    "s3": lambda: mllog.S3Handler("bucket", linger_seconds=0.01),
    "prometheus": lambda: mllog.PrometheusHandler(port=0),
    "pushgateway": lambda: mllog.PrometheusHandler(gateway=port, job="j"),
    "tensorboard": lambda: mllog.TensorBoardHandler(sys.argv[1]),
    "kafka": lambda: mllog.KafkaHandler(
        "127.0.0.1:9", "t", schema_registry={"url": port}
    ),
}
wrong = {}
logger = logging.getLogger("x")
logger.propagate = False
for name, make in made.items():
    try:
        handler = make()
    except BaseException as exc:
        wrong[name] = repr(exc)
        continue
    logger.addHandler(handler)
logger.warning("hello", extra={"loss": 1.5, "inference_latency": 0.1})
for name, stats in mllog.stats().items():
    if stats.dropped:
        wrong[name] = str(stats.dropped)
for handler in logger.handlers:
    if type(handler).__name__ in ("OTLPHandler", "S3Handler"):
        handler.flush(1)
sys.stderr.flush()
print(json.dumps(wrong), flush=True)
os._exit(0)
"""
ODD = {
    "AWS_CA_BUNDLE": ["/no/such"],
    "AWS_CONFIG_FILE": ["/"],
    "AWS_DEFAULTS_MODE": ["odd"],
    "AWS_DEFAULT_REGION": ["no region"],
    "AWS_ENDPOINT_URL": [":::"],
    "AWS_MAX_ATTEMPTS": ["odd"],
    "AWS_PROFILE": ["nobody"],
    "AWS_REQUEST_CHECKSUM_CALCULATION": ["odd"],
    "AWS_RETRY_MODE": ["odd"],
    "COLORTERM": ["odd"],
    "COLUMNS": ["", "odd", "0", "-5", "²", "99999999999"],
    "FORCE_COLOR": ["", "odd"],
    "HTTPS_PROXY": [":::"],
    "HTTP_PROXY": [":::"],
    "JUPYTER_COLUMNS": ["²"],
    "LC_ALL": ["odd"],
    "LINES": ["²"],
    "NO_COLOR": ["", "odd"],
    "OTEL_EXPORTER_OTLP_ENDPOINT": [":::", "ftp://c", "//"],
    "OTEL_EXPORTER_OTLP_HEADERS": ["odd", "=,="],
    "OTEL_EXPORTER_OTLP_INSECURE": ["odd"],
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": ["odd"],
    "OTEL_EXPORTER_OTLP_PROTOCOL": ["odd", "http/json"],
    "OTEL_EXPORTER_OTLP_TIMEOUT": ["odd"],
    "OTEL_RESOURCE_ATTRIBUTES": ["odd", "=x", "a=1,b"],
    "OTEL_SERVICE_NAME": ["\udcff"],
    "PROMETHEUS_DISABLE_CREATED_SERIES": ["odd"],
    "PROMETHEUS_MULTIPROC_DIR": ["/dev/null/m"],
    "SSLKEYLOGFILE": ["/no/such/file"],
    "SSL_CERT_FILE": ["/no/such"],
    "TERM": ["", "odd"],
    "TZ": ["odd"],
    "http_proxy": ["odd"],
}
#: Those that mllog itself reads, and has to tell of.
TOLD = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_RESOURCE_ATTRIBUTES",
    "PROMETHEUS_MULTIPROC_DIR",
)


def run_with(folder, **variables):
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "AWS_", "PROMETHEUS_"))
    }
    environ |= {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONWARNINGS": "ignore",
    }
    return subprocess.run(
        [sys.executable, "-c", CODE, str(folder)],
        env={**environ, **variables},
        capture_output=True,
        timeout=50,
    )


def rounds(names):
    """
    Each value of each variable in turn, all variables together.
    """
    most = max(len(ODD[name]) for name in names)
    return [
        {name: ODD[name][number % len(ODD[name])] for name in names}
        for number in range(most)
    ]


@pytest.mark.parametrize("number", range(len(rounds(ODD))))
def test_variables_of_the_platform_stop_no_program(tmp_path, number):
    """
    Each handler is made and takes a record; what is passed over is told.
    """
    variables = rounds(ODD)[number]
    if number % 2:  # whose profile is missing asks for nothing else
        variables.pop("AWS_PROFILE")
    done = run_with(tmp_path, **variables)

    told = done.stderr.decode(errors="replace")
    assert done.returncode == 0, told
    assert {} == json.loads(done.stdout.splitlines()[-1]), told
    for variable in TOLD:
        assert f"{variable}" in told


def test_variables_of_the_terminal_stop_no_command():
    """
    Commands draw tables of rich, which takes any digit for a number.
    """
    for variables in rounds(["COLUMNS", "LINES", "TERM", "NO_COLOR"]):
        done = subprocess.run(
            [sys.executable, "-m", "mllog", "presets", "list"],
            env={**os.environ, **variables},
            capture_output=True,
            timeout=50,
        )
        assert (0, b"") == (done.returncode, done.stderr), variables
