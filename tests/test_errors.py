"""
mllog.errors: what goes wrong says what to do.
"""

import copy
import importlib
import inspect
import logging
import pickle
import pkgutil
import sys

import hostile
import pytest

import mllog
from mllog import errors
from mllog.delivery.retry import Fault, Verdict


def test_config_error_says_problem_expected_and_fix():
    """
    The message has the owner, the problem, what was expected, and the fix.
    """
    error = mllog.ConfigError(
        "when='X'", expected="H or D", fix="write H", owner="FileHandler"
    )

    assert str(error) == (
        "FileHandler: when='X'\n  expected: H or D\n  fix: write H"
    )
    assert str(mllog.ConfigError("alone")) == "alone"


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (errors.ConfigError, (errors.MllogError, TypeError, ValueError)),
        (errors.PresetNotFoundError, (errors.ConfigError, LookupError)),
        (errors.EventError, (errors.MllogError, ValueError)),
        (errors.MissingPackageError, (errors.MllogError, ImportError)),
        (errors.MllogWarning, (UserWarning,)),
    ],
)
def test_tree_is_as_drawn(kind, bases):
    """
    Each class can be caught as what the docstring's tree says.
    """
    assert all(issubclass(kind, base) for base in bases)
    assert kind.__name__ in errors.__doc__


def test_require_gives_the_module():
    """
    A package that is there is imported.
    """
    assert errors.require("json", "x").__name__ == "json"
    assert errors.require("os.path", "x") is sys.modules["os.path"]


@pytest.mark.parametrize("package", ["no_such_pkg", "no_such_pkg.inner"])
def test_require_missing_package_names_the_extra(package):
    """
    A package that is not there is an ImportError with the pip command.
    """
    with pytest.raises(mllog.MissingPackageError) as caught:
        errors.require(package, "s3")

    assert "pip install 'mllog-handlers[s3]'" in str(caught.value)
    assert caught.value.name == package
    assert caught.value.extra == "s3"


def test_require_package_that_lacks_another_says_which(tmp_path, monkeypatch):
    """
    A package that is there but broken is not called missing.
    """
    (tmp_path / "brokenpkg.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError) as caught:
        errors.require("brokenpkg", "s3")

    assert caught.value.name == "no_such_dependency"
    assert not isinstance(caught.value, mllog.MissingPackageError)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("max_bytes", "maxBytes"),
        ("backupcount", "backupCount"),
        ("filname", "filename"),
        ("zzz", ""),
    ],
)
def test_nearest_is_what_was_meant(name, expected):
    """
    Case, underscores and small slips are seen through.
    """
    known = ["maxBytes", "backupCount", "filename"]

    assert errors.nearest(name, known) == expected


@pytest.mark.parametrize(
    "option",
    [
        "password",
        "sasl_password",
        "api_key",
        "apikey",
        "Token",
        "client_secret",
    ],
)
def test_shown_secret_is_masked(option):
    """
    The value of an option that may be a secret is never shown.
    """
    assert errors.shown(option, "hunter2") == f"{option}=***"


def test_shown_value_is_short_and_never_raises():
    """
    A long value is cut, and one whose repr raises is named by its type.
    """

    class Rude:
        def __repr__(self):
            raise ValueError

    assert errors.shown("x", 1) == "x=1"
    assert len(errors.shown("x", "a" * 1000)) == 82
    assert errors.shown("x", Rude()) == "x=<Rude>"


def test_value_that_has_no_name_either_is_shown_as_an_object():
    """
    Whatever a value forbids, the message about it can be made.
    """
    assert "a=<object>" == errors.shown("a", hostile.Nameless())


def classes_of_errors():
    """
    Every exception and warning that a module of mllog defines.
    """
    found = {}
    for module in pkgutil.walk_packages(mllog.__path__, "mllog."):
        if module.name.endswith("__main__"):
            continue
        try:
            made = importlib.import_module(module.name)
        except ImportError:  # of an extra that is not installed
            continue
        for each in vars(made).values():
            if (
                isinstance(each, type)
                and issubclass(each, BaseException)
                and each.__module__ == module.name
            ):
                found[each.__qualname__] = each
    return found


# what the arguments of a constructor are, by their names
ARGUMENTS = {
    "acknowledged": 3,
    "error": ValueError("inner"),
    "fault": Fault.POISON,
    "refused": 2,
    "retry_after": 1.5,
    "verdict": Verdict(Fault.AUTH, 2.0),
}
CLASSES = classes_of_errors()


def error_of(kind):
    """
    One with each of its arguments, and a note.
    """
    if not inspect.isfunction(kind.__init__):
        error = kind("what failed")
    else:
        given = inspect.signature(kind).parameters.values()
        values = [
            (each, ARGUMENTS.get(each.name, each.name)) for each in given
        ]
        plain = [
            value for each, value in values if each.kind < each.VAR_POSITIONAL
        ]
        named = {
            each.name: value
            for each, value in values
            if each.kind == each.KEYWORD_ONLY
        }
        error = kind(*plain, **named)
    error.__notes__ = ["a note"]
    return error


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_error_pickled_or_copied_is_the_same(kind):
    """
    Each exception of mllog arrives from another process as it was raised.
    """
    error = error_of(kind)
    protocols = range(pickle.HIGHEST_PROTOCOL + 1)
    arrived = [pickle.loads(pickle.dumps(error, each)) for each in protocols]

    for found in (*arrived, copy.copy(error), copy.deepcopy(error)):
        assert isinstance(found, kind)
        assert type(found).__qualname__ == type(error).__qualname__
        assert str(found) == str(error)
        assert repr(found) == repr(error)
        assert repr(found.args) == repr(error.args)
        assert repr(vars(found)) == repr(vars(error))
        assert getattr(found, "name", "") == getattr(error, "name", "")


def test_error_redacted_pickled_is_the_same():
    """
    What stands for an exception has a class of no module, and arrives too.
    """
    record = logging.makeLogRecord(
        {"msg": "m", "exc_info": hostile.failed_with(KeyError("password=x"))}
    )
    (_, error, _) = mllog.RedactingFilter().apply(record).exc_info

    found = pickle.loads(pickle.dumps(error))

    assert type(found).__name__ == "KeyError"
    assert str(found) == str(error)
    assert found.__log_traceback__ == error.__log_traceback__
