"""
mllog: every public name is there, and costs nothing until it is used.
"""

import importlib
import subprocess
import sys

import pytest

import mllog
import mllog.formatters
import mllog.handlers

FOREIGN = [
    "orjson",
    "rich",
    "pythonjsonlogger",
    "numpy",
    "yaml",
    "tomli",
    "boto3",
    "botocore",
    "confluent_kafka",
    "fastavro",
    "prometheus_client",
    "tensorboard",
    "torch",
    "pandas",
    "isal",
]


@pytest.mark.parametrize("module", [mllog, mllog.formatters, mllog.handlers])
def test_all_is_sorted_and_complete(module):
    """
    __all__ is in order, has each name once, and is what dir() says.
    """
    assert list(module.__all__) == sorted(set(module.__all__))
    assert list(dir(module)) == list(module.__all__)
    assert set(module._HOMES) == set(module.__all__) - {"__version__"}


@pytest.mark.parametrize("name", mllog._HOMES)
def test_name_is_reachable_here_and_at_home(name):
    """
    mllog.X is the X of its home module, and a home lists it in __all__.
    """
    home = importlib.import_module(f"mllog.{mllog._HOMES[name]}")

    assert getattr(mllog, name) is getattr(home, name)
    assert name in home.__all__


@pytest.mark.parametrize("package", [mllog.formatters, mllog.handlers])
def test_name_of_package_is_the_one_of_mllog(package):
    """
    mllog.handlers.X is mllog.X.
    """
    for name in package.__all__:
        assert getattr(package, name) is getattr(mllog, name)
        assert isinstance(getattr(mllog, name), type)


@pytest.mark.parametrize("package", [mllog, mllog.formatters, mllog.handlers])
def test_name_unknown_is_an_attribute_error(package):
    """
    A name that is not there raises what Python expects.
    """
    with pytest.raises(AttributeError, match="no_such"):
        package.no_such


def test_import_loads_no_other_package():
    """
    import mllog in a fresh interpreter loads nothing but the stdlib.
    """
    code = (
        "import sys; before = set(sys.modules); import mllog;"
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout.split()

    assert "mllog" in loaded
    assert not set(loaded) & set(FOREIGN)
    assert set(loaded) - {"mllog"} <= sys.stdlib_module_names


def test_every_module_has_all_and_a_docstring():
    """
    Each module says in one sentence what it is, and names what is public.
    """
    from pathlib import Path

    root = Path(mllog.__file__).parent
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if parts[-1] == "__main__" or "checks" in parts or "cli" in parts:
            continue
        if parts[-1].startswith("hook-"):  # PyInstaller's, no module of ours
            continue
        module = importlib.import_module(
            ".".join(parts).removesuffix(".__init__")
        )
        assert module.__doc__, path
        for name in getattr(module, "__all__", []):
            assert hasattr(module, name), (path, name)
