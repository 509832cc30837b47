"""
Write the tables of the reference pages from the code they describe.

Run it with ``.venv/bin/python docs/tables.py`` after a change of the
vocabulary, the settings, or the options of a handler or of InferenceFormatter;
a test compares.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import mllog
from mllog.accounting import DeliveryStats
from mllog.delivery.handler import ShippingHandler
from mllog.delivery.s3.handler import ObjectHandler
from mllog.env import SETTINGS
from mllog.fields import VOCABULARY
from mllog.metrics.groups import GROUPS
from mllog.metrics.reductions import ALIASES, REDUCTIONS
from mllog.options import REQUIRED, Option, declared

REFERENCE = Path(__file__).resolve().parent / "reference"
# Options whose annotation is Any
_KINDS = {
    "baseline": "text, number or bool",
    "buckets": "list",
    "every": "number",
    "filters": "list",
    "formatter_options": "mapping",
    "kind": "text",
    "metrics": "list",
    "model_version": "number or mapping",
    "reduce": "text",
    "reference": "path or mapping",
    "registry": "text",
    "socktype": "text or number",
    "thresholds": "list or mapping",
}
_HEAD = ("option", "type", "unit", "default", "meaning")
_MORE = "It takes those of every handler that sends as well.\n\n"
_STORE = (
    "It takes those of handlers that store objects, and of every handler that"
    " sends, as well.\n\n"
)
_HANDLERS = (
    ("every handler that sends over a network", "", ShippingHandler),
    ("SyslogHandler", _MORE, mllog.SyslogHandler),
    (
        "handlers that store objects",
        "S3Handler, S3PayloadHandler and S3Archive take them.\n\n",
        ObjectHandler,
    ),
    ("S3Handler", _STORE, mllog.S3Handler),
    ("S3PayloadHandler", _STORE, mllog.S3PayloadHandler),
    ("S3Archive", _STORE, mllog.S3Archive),
    ("KafkaHandler", _MORE, mllog.KafkaHandler),
    ("OTLPHandler", _MORE, mllog.OTLPHandler),
)
_METERS = (
    mllog.PrometheusHandler,
    mllog.TensorBoardHandler,
    mllog.SummaryHandler,
    mllog.DriftHandler,
)
# What logging's configurators give every formatter
_GIVEN = ("fmt", "datefmt", "style", "validate")
_WORDS: dict[Any, str] = {
    Literal: "text",
    Mapping: "mapping",
    Sequence: "list",
    bool: "bool",
    float: "number",
    int: "number",
    os.PathLike: "path",
    str: "text",
}
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


def delivery() -> str:
    """
    The options of shippers, those of each of them, and the counts of all.
    """
    counts = _arguments(DeliveryStats)
    return (
        "\n".join(
            f"## Options of {title}\n\n{said}{_table(_HEAD, _options(handler))}"
            for title, said, handler in _HANDLERS
        )
        + "\n## Counts\n\n"
        + "`handler.stats()` gives them, and `mllog.stats()` for every handler.\n\n"
        + _table(
            ("count", "meaning"),
            ((f"`{name}`", meaning) for name, meaning in counts.items()),
        )
    )


def metrics() -> str:
    """
    The options of what measures and of a metric, reductions, and groups.
    """
    moved = {name: alias for alias, name in ALIASES.items()}
    return (
        "".join(
            f"## Options of {handler.__name__}\n\n"
            f"{_table(_HEAD, _options(handler))}\n"
            for handler in _METERS
        )
        + "## Options of a metric\n\n"
        + _table(_HEAD, _options(mllog.Metric))
        + "\n## Reductions\n\n"
        + _table(
            ("reduce", "DeepSparse", "label", "what it gives"),
            (
                (
                    f"`{each.name}`",
                    f"`{moved[each.name]}`" if each.name in moved else "",
                    f"`{each.part}`" if each.part else "",
                    each.meaning,
                )
                for each in REDUCTIONS.values()
            ),
        )
        + "\n## Groups\n\n"
        + _table(
            ("group", "fields and what is measured of them"),
            ((f"`{name}`", _in_group(name)) for name in GROUPS),
        )
    )


def _in_group(name: str) -> str:
    found: dict[str, list[str]] = {}
    for spec in GROUPS[name]:
        found.setdefault(spec["field"], []).append(spec["reduce"])
    return "; ".join(
        f"`{field}`: {', '.join(reductions)}"
        for field, reductions in found.items()
    )


def inference() -> str:
    """
    The options of InferenceFormatter.
    """
    return _table(_HEAD, _options(mllog.InferenceFormatter))


def _options(handler: type) -> Iterator[tuple[str, ...]]:
    """
    What *handler* itself takes: its declarations, explained by its docstring.
    """
    known = declared(handler)
    for name, meaning in _arguments(handler).items():
        if name in known and name not in _GIVEN:
            yield (
                f"`{name}`",
                _kind(known[name]),
                _unit(name),
                _default(known[name]),
                meaning,
            )


def _default(option: Option) -> str:
    if option.default is REQUIRED:
        return "it has to be given"
    return f"`{option.default!r}`".replace("'", '"')


def _kind(option: Option) -> str:
    """
    What may be given, in a word.
    """
    name = option.name
    if name == "address" and option.annotation is Any:
        return "text or list"
    if name in _KINDS:
        return _KINDS[name]
    if name == "labels":
        return "list or text"
    if name.endswith("_bytes"):
        return "size"
    words = list(dict.fromkeys(_words(option.annotation)))
    if "path" in words:
        return "path"
    if words[0] in ("number", "bool"):  # as text too, for INI files
        return words[0]
    return " or ".join(words)


def _words(annotation: Any) -> Iterator[str]:
    origin = get_origin(annotation) or annotation
    if origin in (Union, UnionType):
        for each in get_args(annotation):
            yield from _words(each)
    elif origin is Annotated:
        yield from _words(get_args(annotation)[0])
    elif origin in _WORDS:
        yield _WORDS[origin]


def _unit(name: str) -> str:
    ending = name.rpartition("_")[2]
    return {"timeout": "seconds"}.get(name) or (
        ending if ending in ("seconds", "bytes", "records") else ""
    )


def _arguments(documented: type) -> dict[str, str]:
    """
    The arguments that a docstring explains, in Markdown.
    """
    text = inspect.getdoc(documented) or ""
    _, _, text = text.partition("\nArgs:\n")
    section = re.split(r"(?m)^(?=\S)", text)[0]
    found = re.findall(r"(?ms)^    (\w+): (.*?)(?=^    \w+: |\Z)", section)
    return {name: _in_markdown(meaning) for name, meaning in found}


def _in_markdown(text: str) -> str:
    text = re.sub(r":\w+:(`[.\w]+`)", r"\1", " ".join(text.split()))
    return text.replace("``", "`").replace("|", "\\|")


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


TABLES = {
    "delivery.md": delivery,
    "fields.md": fields,
    "inference.md": inference,
    "metrics.md": metrics,
    "settings.md": settings,
}


if __name__ == "__main__":
    for name, table in TABLES.items():
        path = REFERENCE / name
        page = with_table(path.read_text(encoding="utf-8"), table())
        path.write_text(page, encoding="utf-8", newline="\n")
