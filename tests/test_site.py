"""
The documentation as a site: what ``make docs`` builds.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mllog
import mllog.report.answers

pytestmark = [pytest.mark.site, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = [name for name in mllog.__all__ if name != "__version__"]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Path]:
    """
    The folder of the site, built as ``make docs`` does.
    """
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"),
            *("-b", "html", str(ROOT / "docs"), str(folder)),
        ],
        capture_output=True,
        text=True,
    )
    assert 0 == built.returncode, built.stderr
    yield folder


@pytest.fixture(scope="module")
def entries(site) -> set[str]:
    """
    The names that the reference explains, from the site's inventory.
    """
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads(
        (site / "objects.inv").read_bytes(), uri=""
    )
    return {
        name
        for kind in ("py:class", "py:function", "py:exception", "py:data")
        for name in inventory.data.get(kind, {})
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_in_the_reference_has_an_entry(entries, name):
    """
    Each name of ``mllog.__all__`` is explained by its docstring.
    """
    assert f"mllog.{name}" in entries


def test_integration_in_the_reference_has_an_entry(entries):
    """
    So is what ``mllog.integrations.keras`` gives, and the others.
    """
    for module in (
        "asgi",
        "wsgi",
        "keras",
        "lightning",
        "transformers",
        "deepsparse",
    ):
        home = f"mllog.integrations.{module}"
        for name in importlib.import_module(home).__all__:
            assert f"{home}.{name}" in entries


def test_question_to_the_logs_in_the_reference_has_an_entry(entries):
    """
    So is each function of ``mllog.report``, and what it answers.
    """
    for name in set(mllog.report.__all__) - {"Report"}:
        assert f"mllog.report.{name}" in entries
    for name in mllog.report.answers.__all__:
        assert f"mllog.report.answers.{name}" in entries


def test_page_of_docs_is_in_the_site(site):
    """
    Each page is there as HTML, and in the table of contents at its side.
    """
    home = (site / "README.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix(".html")
        assert (site / name).exists()
        assert page.name == "README.md" or f'href="{name.as_posix()}"' in home


def test_reference_of_an_option_says_its_type_default_and_error(site):
    """
    An option of a handler stands there with all that its docstring says.
    """
    text = (site / "reference/python/handlers.html").read_text("utf-8")
    for part in (
        "max_queue_records",
        "bootstrap_servers",
        "ConfigError",
        "Guarantee",
        "Limit",
    ):
        assert part in text


def test_site_in_a_browser_loads_nothing_from_elsewhere(site):
    """
    No page has a script, style or picture of another host.
    """
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for start in ('src="http', '<link rel="stylesheet" href="http'):
            assert start not in text, page
