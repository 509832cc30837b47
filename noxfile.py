"""
The tests on every Python that is there, each in an environment of its own.
"""

import sys

import nox

nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.default_venv_backend = "uv|venv"

# The Python of the virtual environment is what `make test` tries.
OWN = "{}.{}".format(*sys.version_info)
PYTHONS = [
    each for each in ("3.10", "3.11", "3.12", "3.13", "3.14") if each != OWN
]

# Servers, and what does not depend on the Python, are tried once, by
# `make test` and `make test-servers`.
ARGUMENTS = [
    "-q",
    "-m",
    "not (once or packaging or s3servers or kafka or mockkafka"
    " or metricservers or site or frameworks)",
    "-n4",
    "--dist=worksteal",
]
# The ends of processes and threads are not the same on all of them.
FAULTY = {"3.13", "3.14"}
WITHOUT_FAULTS = "--ignore=tests/faults"
# What encodes, and what reads it back.
ENCODERS = [
    "tests/formatters",
    "tests/handlers/test_file.py",
    "tests/payloads",
    "tests/reading",
    "tests/test_encoding.py",
    "tests/test_events.py",
    "tests/test_fields.py",
    "tests/test_values.py",
]


def _install(session: nox.Session) -> None:
    """
    The extra test, compiled once instead of by each worker.
    """
    compiled = ["--compile-bytecode"] if session.venv_backend == "uv" else []
    session.install(*compiled, "-e", ".[test]")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """
    Install the wheel's dependencies and run the tests that need no demo.
    """
    _install(session)
    more = [] if session.python in FAULTY else [WITHOUT_FAULTS]
    session.run("python", "-m", "pytest", *ARGUMENTS, *more, *session.posargs)


@nox.session(python="3.13")
def without_orjson(session: nox.Session) -> None:
    """
    The tests where orjson is missing: the stdlib's encoder gives equal values.
    """
    _install(session)
    if session.venv_backend == "uv":
        session.run("uv", "pip", "uninstall", "--quiet", "orjson")
    else:
        session.run("pip", "uninstall", "-q", "-y", "orjson")
    session.run(
        "python", "-m", "pytest", *ARGUMENTS, *ENCODERS, *session.posargs
    )
