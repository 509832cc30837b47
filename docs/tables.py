"""
Write the tables of the reference pages from the code they describe.

Run it with ``.venv/bin/python docs/tables.py`` after a change of the
vocabulary or the settings; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mllog.env import SETTINGS
from mllog.fields import VOCABULARY

REFERENCE = Path(__file__).resolve().parent / "reference"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def fields() -> str:
    """
    The vocabulary: field, kind, unit, meaning.
    """
    return _table(
        ("field", "kind", "unit", "meaning"),
        (
            (f"`{field.name}`", field.kind, field.unit, field.meaning)
            for field in VOCABULARY.values()
        ),
    )


def settings() -> str:
    """
    The settings of presets: name, variable, default, meaning.
    """
    return _table(
        ("setting", "variable", "default", "meaning"),
        (
            (
                f"`{setting.name.lower()}`",
                f"`{setting.variable}`",
                f"`{setting.default}`" if setting.default else "",
                setting.meaning,
            )
            for setting in SETTINGS.values()
        ),
    )


def with_table(page: str, table: str) -> str:
    """
    *page* with *table* between its two marks.
    """
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


TABLES = {"fields.md": fields, "settings.md": settings}


if __name__ == "__main__":
    for name, table in TABLES.items():
        path = REFERENCE / name
        page = with_table(path.read_text(encoding="utf-8"), table())
        path.write_text(page, encoding="utf-8", newline="\n")
