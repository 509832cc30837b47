"""
No secret reaches a file, a spool, standard error or a repr, however it is spelled.

The control logs the same without the filter, and must be found out.
"""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

SECRET = "q7Zr-Xw93kLmPt"
STEMS = (
    "password", "passwd", "passphrase", "secret", "client_secret", "token",
    "access_token", "refresh_token", "id_token", "api_key", "api_token",
    "authorization", "proxy_authorization", "cookie", "set_cookie",
    "session_id", "session_key", "private_key", "credential", "credentials",
    "aws_secret_access_key", "access_key", "signing_key", "csrf_token",
    "connection_string", "account_key", "ssh_key", "encryption_key",
    "shared_key", "xsrf_token",
)  # fmt: skip
STYLES = (
    str,
    str.upper,
    lambda name: name.replace("_", "-"),
    lambda name: name.title().replace("_", "-"),
    lambda name: name.title().replace("_", ""),
    lambda name: name.replace("_", "."),
    lambda name: f"x_{name}",
    lambda name: f"db.{name}_2",
)
SPELLINGS = list(
    dict.fromkeys(
        style(stem) for style, stem in itertools.product(STYLES, STEMS)
    )
)

# Runs in a process of its own, so that all of its standard error is seen.
SERVICE = """
import json, logging, sys
import mllog
from mllog.fields import extra

folder, filters = sys.argv[1], json.loads(sys.argv[2])
spellings, secret = json.loads(sys.argv[3]), sys.argv[4]


class Broken(mllog.JSONFormatter):
    def format_bytes(self, record):
        raise ValueError("cannot write it")

    format_line = format = format_bytes


def handlers():
    yield mllog.TimestampedRotatingFileHandler(
        f"{folder}/app.json", filters=filters
    ), mllog.JSONFormatter(max_record_bytes="1MB")
    yield mllog.TimestampedRotatingFileHandler(
        f"{folder}/app.log", filters=filters
    ), mllog.TextFormatter()
    yield mllog.TimestampedRotatingFileHandler(
        f"{folder}/stdlib.log", filters=filters
    ), logging.Formatter("%(message)s %(value)s")
    yield mllog.ConsoleHandler(stream="stderr", filters=filters), None
    yield mllog.ConsoleHandler(stream="stderr", filters=filters), Broken()
    # nobody listens there, and the records stay in the spool
    yield mllog.SyslogHandler(
        "tcp://127.0.0.1:9", spool="always", spool_dir=f"{folder}/spool",
        filters=filters, close_timeout_seconds=0.1,
    ), None


logger = logging.getLogger("app")
logger.setLevel(logging.INFO)
for handler, formatter in handlers():
    if formatter:
        handler.setFormatter(formatter)
    logger.addHandler(handler)


def nested(value, levels, name):
    for level in range(levels):
        value = ([value], {"inner": value}, (1, value))[level % 3]
    return value


for number, name in enumerate(spellings):
    levels = number % 6 + 1
    held = nested({name: secret, "port": 5432}, levels, name)
    logger.info("started", extra={**extra(**{name: secret}), "value": held})
    logger.info("config %s", held, extra={"value": 0})
    logger.info(f"{name}=%s and {name}: %r", secret, secret, extra={"value": 0})
    logger.info("using " + name + " %s", secret, extra={"value": [name, secret]})
    logger.info(f"GET https://host/a?{name}={secret}&page=2", extra={"value": 0})
    logger.info("%s", f"https://bob:{secret}@host/{name}", extra={"value": held})
    try:
        try:
            raise ValueError(f"refused: {held!r}")
        except ValueError as error:
            raise RuntimeError(f'{{"{name}": "{secret}"}}') from error
    except RuntimeError as error:
        logger.exception("failed", extra={"value": error}, stack_info=True)
    with mllog.bind(**extra(**{name: secret})):
        logger.info("bound", extra={"value": json.dumps(held)})
print([repr(handler) for handler in logger.handlers], file=sys.stderr)
print(logger.handlers[0].stats().written)
logging.shutdown()
"""


def places_of_the_secret(folder, filters):
    """
    The files and streams of a service in which the secret's bytes stand.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            SERVICE,
            str(folder),
            json.dumps(filters),
            json.dumps(SPELLINGS),
            SECRET,
        ],
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) == 8 * len(SPELLINGS)
    found = {"stderr": done.stderr}
    for path in Path(folder).rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).parts[0]
            found[name] = found.get(name, b"") + path.read_bytes()
    assert {"app.json", "app.log", "stdlib.log", "spool"} <= found.keys()
    assert len(found["spool"]) > 10_000
    return {name for name, data in found.items() if SECRET.encode() in data}


@pytest.mark.timeout(150)
def test_secrets_of_any_spelling_stand_nowhere(tmp_path):
    """
    200 names, nested up to six deep, in fields, arguments, URLs, exceptions.
    """
    assert 200 <= len(SPELLINGS)

    filters = [{"class": "mllog.RedactingFilter"}]

    assert set() == places_of_the_secret(tmp_path, filters)


@pytest.mark.timeout(150)
def test_control_without_the_filter_shows_the_secret_everywhere(tmp_path):
    """
    The same search finds each place of an application that redacts nothing.
    """
    assert {
        "app.json",
        "app.log",
        "spool",
        "stderr",
        "stdlib.log",
    } == places_of_the_secret(tmp_path, [])
