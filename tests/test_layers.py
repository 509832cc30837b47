"""
The layers: a module imports from below or beside, never above.
"""

import ast
from pathlib import Path

from ids import as_id
import pytest

import mllog

pytestmark = pytest.mark.once

ROOT = Path(mllog.__file__).parent
LAYERS = {
    -1: ["errors"],
    0: [
        "accounting",
        "compression",
        "decoration",
        "encoding",
        "env",
        "fields",
        "events",
        "forking",
        "http_answers",
        "options",
        "payloads",
        "recursion",
        "reports",
        "spans",
        "threads",
        "timestamps",
        "values",
        "waiting",
    ],
    1: [
        "context",
        "filters",
        "metrics",
        "prints",
        "reading",
        "rotation",
        "s3",
    ],
    2: [
        "calls",
        "delivery",
        "exposition",
        "formatters",
        "handling",
        "tensorboard",
    ],
    3: ["handlers", "integrations"],
    4: ["checks", "config", "frameworks", "migrate", "report"],
    5: ["__main__", "cli", "freezing"],
}
LAYER_OF = {name: layer for layer in LAYERS for name in LAYERS[layer]}
MODULES = sorted(
    path.relative_to(ROOT)
    for path in ROOT.rglob("*.py")
    if path.name != "__init__.py" or path.parent != ROOT
)


def imports_of(path):
    """
    What a module imports of mllog, as paths below it: ("handlers", "file").
    """
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    package = ["mllog", *path.parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            base = base if node.level else []
            base = [*base, *(node.module or "").split(".")]
            base = [part for part in base if part]
            names = [
                base if is_module(base) else [*base, alias.name]
                for alias in node.names
            ]
        else:
            continue
        for name in names:
            if name[0] == "mllog" and is_part(name[1:2]):
                yield tuple(name[1:])


def is_part(parts):
    """
    Whether it is a module or package, and no name such as __version__.
    """
    path = ROOT.joinpath(*parts)
    return path != ROOT and (
        path.is_dir() or path.with_suffix(".py").is_file()
    )


def is_module(parts):
    return (ROOT.joinpath(*parts[1:]).with_suffix(".py")).is_file()


@pytest.mark.parametrize("path", MODULES, ids=as_id)
def test_module_imports_only_from_below(path):
    """
    Each import of mllog leads to a lower layer, or to one beside.
    """
    own = path.parts[0].removesuffix(".py")
    assert own in LAYER_OF, f"{own} stands in no layer"

    for found in imports_of(path):
        assert found[0] in LAYER_OF, found
        assert LAYER_OF[found[0]] <= LAYER_OF[own], (
            f"{path} imports {'.'.join(found)} from above"
        )


@pytest.mark.parametrize(
    "path",
    [each for each in MODULES if each.parts[0] == "handlers"],
    ids=as_id,
)
def test_handler_imports_no_other_handler(path):
    """
    What handlers share lies below them.
    """
    if path.name == "__init__.py":
        pytest.skip("it only names them")

    assert all(found[0] != "handlers" for found in imports_of(path))


def test_modules_import_each_other_in_no_circle():
    """
    No module needs itself to be imported, by whatever way round.
    """
    graph = {}
    for path in MODULES:
        name = ".".join(path.with_suffix("").parts)
        graph[name] = {".".join(found) for found in imports_of(path)}
    for path in [each for each in MODULES if each.name == "__init__.py"]:
        graph.pop(".".join(path.with_suffix("").parts))

    def walk(name, above):
        assert name not in above, " → ".join([*above, name])
        for found in graph.get(name, ()):
            walk(found, [*above, name])

    for name in graph:
        walk(name, [])


def test_check_sees_an_import_from_above(tmp_path, monkeypatch):
    """
    The control: an import upwards is found, in each way to write it.
    """
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "file.py").write_text("")
    (tmp_path / "fields.py").write_text(
        "from .handlers.file import X\n"
        "from . import handlers\n"
        "import mllog.handlers.file\n"
        "def f():\n    from mllog.handlers import file\n"
    )
    monkeypatch.setitem(globals(), "ROOT", tmp_path)

    found = list(imports_of(Path("fields.py")))

    assert len(found) == 4
    assert all(each[0] == "handlers" for each in found)
