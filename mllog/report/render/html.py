"""
Render a report as one HTML page that loads nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Any, Final

from ...errors import require
from .document import (
    NONE,
    Chart,
    Details,
    Document,
    Explanation,
    Headline,
    Note,
    Part,
    ReportTable,
    Section,
)

__all__ = ["chart_script", "render_html"]

_HEAD: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
"""
_MARKS: Final = {"good": "✓", "bad": "✗", "warn": "!", "quiet": "?"}
_WORDS: Final = {
    "good": "good",
    "bad": "bad",
    "warn": "look at this",
    "quiet": "not known",
}
_TOGETHER: Final = {Chart: "charts", ReportTable: "tables", Note: "notes"}
_BUTTONS: Final = (
    '<span class="zoom" hidden>'
    '<button type="button" data-zoom="0.5" aria-label="Zoom in">+</button>'
    '<button type="button" data-zoom="2" aria-label="Zoom out">&minus;</button>'
    '<button type="button" data-zoom="0" aria-label="Show all">All</button>'
    "</span>"
)
_ICON: Final = "data:,"


def render_html(found: Document, library: str) -> str:
    """
    The page.

    Args:
        found: What it shows.

        library: The script of the charts: it defines ``vegaEmbed``.

    Guarantee:
        Text of records is text on the page, never HTML or script: it is
        escaped, and the page's Content-Security-Policy runs these two scripts
        only and allows no request.
    """
    charts = {
        part.name: {
            "spec": part.spec,
            "time": part.is_over_time,
            "zoom": part.is_zoomable,
        }
        for section in found.sections
        for part in section.parts
        if isinstance(part, Chart)
    }
    style, own = _resource("page.css"), _resource("page.js")
    scripts = (library if charts else "", own)
    return "".join(
        (
            _HEAD,
            '<meta http-equiv="Content-Security-Policy" content="',
            _policy(style, scripts),
            '">\n',
            f'<link rel="icon" href="{_ICON}">\n',
            f"<title>{escape(found.title)} {NONE} mllog report</title>\n",
            f"<style>{style}</style>\n</head>\n<body>\n",
            *_body(found),
            '<script type="application/json" id="charts">',
            _data(charts),
            "</script>\n",
            *(f"<script>{script}</script>\n" for script in scripts),
            "</body>\n</html>\n",
        )
    )


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, scripts: Sequence[str]) -> str:
    allowed = " ".join(map(_hashed, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src"
        f" {_hashed(style)}; img-src data:; base-uri 'none';"
        " form-action 'none'"
    )


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _data(value: Any) -> str:
    """
    JSON that ends no element, whatever is in it.
    """
    text = json.dumps(_rounded(value), allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _rounded(value: Any) -> Any:
    """
    Numbers with as many digits as can be seen; times are large.
    """
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    if isinstance(value, float):
        return round(value) if abs(value) >= 1e9 else float(f"{value:.5g}")
    return value


def _body(found: Document) -> Iterator[str]:
    yield (
        "<header><div><h1>"
        f"{escape(found.title)}</h1><p>{escape(found.about)}</p></div>"
        '<button type="button" id="theme" hidden>Dark</button></header>\n'
        '<main>\n<section class="answers" aria-label="In one_line">\n'
    )
    keys = {each.key for each in found.sections}
    for answer in found.answers:
        yield _answer(answer, keys)
    yield '</section>\n<nav aria-label="Sections">'
    for section in found.sections:
        yield f'<a href="#{section.key}">{escape(section.title)}</a>'
    yield "</nav>\n"
    for section in found.sections:
        yield from _section(section)
    if found.missing:
        yield '<section id="missing"><h2>Not in these logs</h2><ul>'
        yield from (f"<li>{escape(each)}</li>" for each in found.missing)
        yield "</ul></section>\n"
    yield (
        "</main>\n<footer>Made by <code>mllog report</code>. Times are UTC."
        " Charts: drag to move, the buttons or Ctrl and the wheel to zoom,"
        " double-click for all.</footer>\n"
    )


def _answer(found: Headline, keys: set[str]) -> str:
    href = f' href="#{found.section}"' if found.section in keys else ""
    return (
        f'<a class="answer {found.tone}"{href}><h2>{escape(found.question)}'
        f'</h2><p class="verdict"><span class="mark" role="img" aria-label="'
        f'{_WORDS[found.tone]}">{_MARKS[found.tone]}</span>'
        f"{escape(found.verdict)}</p><p>{escape(found.about)}</p></a>\n"
    )


def _section(found: Section) -> Iterator[str]:
    yield f'<section id="{found.key}"><h2>{escape(found.title)}</h2>\n'
    for kind, parts in itertools.groupby(
        sorted(found.parts, key=lambda each: not isinstance(each, Chart)), type
    ):
        name = _TOGETHER.get(kind)
        yield f'<div class="{name}">' if name else ""
        yield from map(_part, parts)
        yield "</div>\n" if name else ""
    yield "</section>\n"


def _chart(found: Chart) -> str:
    buttons = _BUTTONS if found.is_zoomable else ""
    return (
        f'<figure id="figure-{found.name}"><figcaption>'
        f"<span>{escape(found.title)}</span>{buttons}</figcaption>"
        f'<div class="chart" id="chart-{found.name}" role="group"'
        f' aria-label="{escape(found.title)}"></div></figure>\n'
    )


def _part(found: Part) -> str:
    if isinstance(found, Chart):
        return _chart(found)
    if isinstance(found, ReportTable):
        return _table(found)
    if isinstance(found, Details):
        return _details(found)
    if isinstance(found, Explanation):
        text = "".join(f"<p>{escape(each)}</p>" for each in found.sentences)
        line = escape(found.line)
        return f"<details><summary>{line}</summary>{text}</details>\n"
    return f'<p class="note {found.tone}">{escape(found.text)}</p>\n'


def _table(found: ReportTable) -> str:
    head = "".join(
        f'<th scope="col"{_aligned(each.is_number)}>{escape(each.name)}</th>'
        for each in found.columns
    )
    rows = []
    for number, row in enumerate(found.rows):
        tone = found.tones[number] if found.tones else "quiet"
        cells = "".join(
            f"<td{_aligned(column.is_number)}>{escape(cell)}</td>"
            for column, cell in zip(found.columns, row, strict=True)
        )
        rows.append(f'<tr class="{tone}">{cells}</tr>')
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="'
        f'{escape(found.title)}"><table><caption>{escape(found.title)}'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}"
        "</tbody></table></div>\n"
    )


def _aligned(is_number: bool) -> str:
    return ' class="n"' if is_number else ""


def _details(found: Details) -> str:
    pairs = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        for name, value in found.pairs
    )
    return (
        f"<details><summary>{escape(found.line)}</summary><dl>{pairs}</dl>"
        "</details>\n"
    )


def chart_script() -> str:
    """
    Vega, Vega-Lite and vega-embed as one script of 0.9 MB.

    It takes seconds: call it in a thread while something else is computed.

    Raises:
        MissingPackageError: The extra ``[report]`` is not installed.
    """
    found: str = require("vl_convert", "report").javascript_bundle()
    return found
