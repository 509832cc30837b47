"""
How Sphinx makes a site of these pages, and the reference out of docstrings.

``make docs`` builds it; a warning is an error.  The list of pages in
``README.md`` is the site's table of contents, so that there is one, and each
public name gets an entry on a page of its kind, so that none is forgotten.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import re
import sys
import textwrap
from collections import defaultdict
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import mllog
import mllog.cli
import mllog.integrations
import mllog.report

project = "mllog"
release = version = mllog.__version__
author = "the mllog maintainers"
copyright = f"2026, {author}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
root_doc = "README"
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["smartquotes"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_inherit_docstrings = False
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Guarantee", "Limit"]

html_theme = "furo"
html_title = "mllog"
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

SOURCE = Path(__file__).resolve().parent
REFERENCE = SOURCE / "reference" / "python"
_SECTION = re.compile(r"^(To .+):$")
# all that a page says of files beside docs/ begins so
_OUTSIDE = re.compile(r"\[([^]]+)\]\((?:\.\./){2}[^)]*\)")
_PAGE = re.compile(r"^\* \[[^]]+\]\(([^)#]+)\.md\)")

# Which page a public name is on, by the module that is its home.
_KINDS = {
    "handlers": "Handlers",
    "formatters": "Formatters",
    "filters": "Filters",
    "errors": "Errors",
    "config": "Configuration",
    "metrics": "Metrics and values",
    "payloads": "Metrics and values",
    "reading": "Reading",
    "delivery": "Delivery",
}
_REST = "Fields of the running code"
# its answers have a part of their own on that page
_REPORT = [name for name in mllog.report.__all__ if name != "Report"]


def _kind(home: str) -> str:
    return _KINDS.get(home.partition(".")[0], _REST)


def _entry(module: str, name: str) -> str:
    found = getattr(importlib.import_module(module), name)
    if isinstance(found, type):
        return f".. autoclass:: {module}.{name}\n   :members:\n\n"
    if callable(found):
        return f".. autofunction:: {module}.{name}\n\n"
    return f".. autodata:: {module}.{name}\n   :no-value:\n\n"


def _page(title: str, text: str) -> str:
    return f"{title}\n{'=' * len(title)}\n\n{text}"


def _by_kind() -> dict[str, list[str]]:
    kinds = defaultdict(list)
    for name in mllog.__all__:
        if name != "__version__":
            kinds[_kind(mllog._HOMES[name])].append(_entry("mllog", name))
    return kinds


def _commands(parser: argparse.ArgumentParser) -> str:
    """
    What ``mllog`` and each of its commands say of themselves.
    """
    title = f"``{parser.prog}``"
    parts = [
        f"{title}\n{'-' * len(title)}\n\n.. code-block:: text\n\n",
        textwrap.indent(parser.format_help(), "   ") + "\n",
    ]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parts.extend(_commands(each) for each in action.choices.values())
    return "".join(parts)


def _integrations() -> str:
    parts = []
    for found in pkgutil.iter_modules(mllog.integrations.__path__):
        name = f"mllog.integrations.{found.name}"
        module = importlib.import_module(name)
        public = getattr(module, "__all__", ())
        if public and name not in _INNER:
            title = f"``{name}``"
            parts.append(f"{title}\n{'-' * len(title)}\n\n")
            parts.extend(_entry(name, each) for each in public)
    return "".join(parts)


# what integrations share, and nobody else uses
_INNER = {
    f"mllog.integrations.{name}"
    for name in (
        "access",
        "based",
        "body",
        "paths",
        "request_ids",
        "step_log",
        "targets",
    )
}


def write_reference(app: Sphinx) -> None:
    """
    Write a page for each kind of public names, where it changed.
    """
    pages = {
        kind.lower().replace(" ", "-"): _page(kind, "".join(entries))
        for kind, entries in _by_kind().items()
    }
    pages["integrations"] = _page("Integrations", _integrations())
    pages["report"] = _page(
        "Report",
        f".. automodule:: mllog.report\n   :no-members:\n\n"
        + "".join(_entry("mllog.report", name) for name in _REPORT)
        + ".. automodule:: mllog.report.answers\n   :members:\n",
    )
    os.environ["COLUMNS"] = "79"
    pages["commands"] = _page("Commands", _commands(mllog.cli._parser()))
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        path = REFERENCE / f"{name}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    for path in REFERENCE.glob("*.rst"):
        if path.stem not in pages:
            path.unlink()


def add_contents(app: Sphinx, name: str, text: list[str]) -> None:
    """
    Make a table of contents of each list of pages in ``README.md``.

    What a page says of files beside docs/ is text here and a link there.
    """
    text[0] = _OUTSIDE.sub(r"\1", text[0])
    if name != root_doc:
        return
    lines, pages, title = [], [], ""
    for line in [*text[0].splitlines(), ""]:
        lines.append(line)
        section, page = _SECTION.match(line), _PAGE.match(line)
        if section:
            title = section[1]
        elif page:
            pages.append(page[1])
        elif pages and not line.startswith("*"):
            lines.append(_toctree(title, pages))
            pages = []
    lines.append(_toctree("Python", ["reference/python/*"], glob=True))
    text[0] = "\n".join(lines)


def _toctree(caption: str, pages: list[str], *, glob: bool = False) -> str:
    options = [":hidden:", f":caption: {caption}", *([":glob:"] * glob)]
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def setup(app: Sphinx) -> None:
    """
    Called by Sphinx.
    """
    app.connect("builder-inited", write_reference)
    app.connect("source-read", add_contents)
