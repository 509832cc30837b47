"""
``mllog presets``: the configurations that come with mllog.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .. import config
from ..env import SETTINGS, Setting
from ..errors import ConfigError, masked

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = ["add_to"]

_ENDINGS = {"dictconfig": ".json", "fileconfig": ".ini"}
_INI_STYLES = (
    (r"(?m)^\[.*\]$", "bold"),
    (r"(?m)^\w+(?= ?=)", "blue"),
    (r"(?m)^;.*$", "dim"),
)
# By the parser of a setting, where its name is not what people call it
_TYPES = {
    "bucket": "text",
    "days": "number",
    "encoding": "json, avro",
    "mode": "text",
    "path": "text",
    "piped": "json, text",
    "port": "integer",
    "prefix": "text",
    "run": "text",
    "schedule": "when",
    "schema": "text",
    "seconds": "number",
    "servers": "text",
    "share": "number",
    "spool": "off, overflow, always",
    "topic": "text",
    "whole": "integer",
    "word": "text",
}
_MASK = "***"
# Columns for all that there is, and those that the others say as well
_WIDE = 160
_ONLY_WIDE = frozenset({"setting", "type"})
_MEANINGS = {
    "console": "coloured on a terminal, text in a pipe",
    "files": "console, and info.log and error.log that rotate",
    "training": "console, and training.jsonl",
    "inference": "console, inference.jsonl and latency.csv with percentiles",
    "monitoring": "inference, and a summary each minute, and drift",
    "prometheus": "console, and metrics that Prometheus reads",
    "tensorboard": "training, and curves that TensorBoard shows",
    "syslog": "console, and a syslog server by UDP, TCP or TLS",
    "s3": "console, and compressed JSON lines in a bucket of S3",
    "s3-payloads": "the same, and images, arrays and tokens with an index",
    "kafka": "console, and JSON lines to a topic of Kafka",
    "inference-kafka": "console, inference.jsonl, and events to Kafka",
    "otlp": "console, and a collector of OpenTelemetry by OTLP",
}


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """
    Add the command to *commands*.
    """
    parser = commands.add_parser(
        "presets", help="list, show or copy ready configurations"
    )
    parser.set_defaults(run=_help, parser=parser)
    actions = parser.add_subparsers(title="commands", metavar="")
    listing = actions.add_parser("list", help="names, one line each")
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="a preset and its settings")
    show.set_defaults(run=_show)
    copy = actions.add_parser("copy", help="a preset as a file of your own")
    copy.set_defaults(run=_copy)
    for action in (show, copy):
        action.add_argument("name", metavar="NAME")
        action.add_argument(
            "--ini",
            action="store_const",
            const="fileconfig",
            default="dictconfig",
            dest="kind",
            help="for fileConfig instead of dictConfig",
        )
    copy.add_argument("path", metavar="PATH", nargs="?", default=".")
    copy.add_argument(
        "--all",
        action="store_true",
        help="also what goes with it: rules and a dashboard of prometheus",
    )
    copy.add_argument(
        "--force", action="store_true", help="overwrite what is there"
    )


def _help(given: argparse.Namespace) -> int:
    given.parser.print_help()
    return 0


def _list(_: argparse.Namespace) -> int:
    names = config.preset_names()
    width = max(map(len, names), default=0)
    for name in names:
        meaning = _MEANINGS.get(name) or _handlers_of(name)
        sys.stdout.write(f"{name:{width}}  {meaning}\n")
    return 0


def _handlers_of(name: str) -> str:
    handlers = config.preset(name).get("handlers", {})
    return ", ".join(handlers)


def _show(given: argparse.Namespace) -> int:
    text = _text(given)
    if sys.stdout.isatty():
        _print_in_color(text, given.kind)
    else:
        sys.stdout.write(text)
    sys.stdout.flush()
    _print_settings(given)
    return 0


def _text(given: argparse.Namespace) -> str:
    file = config.preset_file(given.name, given.kind)
    return file.read_text(encoding="utf-8")


def _print_in_color(text: str, kind: str) -> None:
    from rich.console import Console  # not at import: only terminals need it
    from rich.highlighter import JSONHighlighter
    from rich.text import Text

    shown = Text(text)
    if kind == "dictconfig":
        JSONHighlighter().highlight(shown)
    else:
        for pattern, style in _INI_STYLES:
            shown.highlight_regex(pattern, style)
    Console(soft_wrap=True).print(shown)


def _print_settings(given: argparse.Namespace) -> None:
    """
    Print the settings; in a pipe beside the file, not behind it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_terminal = sys.stdout.isatty()
    columns, rows = (
        _ini_settings(_text(given))
        if given.kind == "fileconfig"
        else _settings(given.name)
    )
    console = Console(stderr=not is_terminal)
    if not console.is_terminal:
        console.width = _WIDE
    shown = [
        number
        for number, column in enumerate(columns)
        if console.width >= _WIDE or column not in _ONLY_WIDE
    ]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number in shown:
        column = columns[number]
        table.add_column(column, no_wrap=column != "meaning")
    for row in rows:
        # else [ ] would be markup
        table.add_row(*(Text(row[number]) for number in shown))
    console.print(table)


def _settings(name: str) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
    columns = ("setting", "variable", "type", "default", "now", "meaning")
    used = config.settings_of(config.preset(name))
    found = (SETTINGS[setting.upper()] for setting in used)
    return columns, (
        (
            setting.name.lower(),
            setting.variable,
            _type(setting),
            _plain(setting.default),
            _now(setting),
            setting.meaning,
        )
        for setting in found
    )


def _type(setting: Setting) -> str:
    name = setting.parse.__name__.strip("_")
    return _TYPES.get(name, name)


def _now(setting: Setting) -> str:
    try:
        value = setting.value()
    except ConfigError as exc:
        if setting.variable not in os.environ:
            return "to be set"
        return f"wrong: {exc.problem}"
    return _MASK if value and setting.is_secret else _plain(value)


def _plain(value: Any) -> str:
    if value is None or value in ("", ()):
        return "-"
    return masked(value if isinstance(value, str) else json.dumps(value))


def _masked(name: str, value: str) -> str:
    is_secret = name in SETTINGS and SETTINGS[name].is_secret
    return _MASK if value and is_secret else _plain(value)


def _ini_settings(
    text: str,
) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
    import configparser

    parser = configparser.ConfigParser()
    parser.read_string(text)
    return ("[DEFAULT]", "value", "meaning"), (
        (
            key,
            _masked(key.upper(), value),
            SETTINGS[key.upper()].meaning if key.upper() in SETTINGS else "",
        )
        for key, value in parser.defaults().items()
    )


def _copy(given: argparse.Namespace) -> int:
    path = given.path
    if os.path.isdir(path):
        path = os.path.join(path, given.name + _ENDINGS[given.kind])
    texts = {path: _text(given)}
    companions = config.preset_companions(given.name)
    if given.all:
        for place, companion in companions.items():
            beside = os.path.join(os.path.dirname(path), *place.split("/"))
            texts[beside] = companion.read_text(encoding="utf-8")
    _refuse_to_overwrite(texts, given)
    for written, text in texts.items():
        if written != path:
            os.makedirs(os.path.dirname(written), exist_ok=True)
        mode = "w" if given.force else "x"
        with open(written, mode, encoding="utf-8") as file:
            file.write(text)
        sys.stdout.write(f"{written}\n")
    if companions and not given.all:
        _say_what_goes_with(given.name, companions)
    return 0


def _refuse_to_overwrite(
    paths: Iterable[str], given: argparse.Namespace
) -> None:
    """
    Refuse before the first file is written, rather than half-way.
    """
    for path in paths:
        if not given.force and os.path.lexists(path):
            raise ConfigError(
                f"{path} is there already", fix="add --force to overwrite it"
            )


def _say_what_goes_with(
    name: str, companions: Mapping[str, Traversable]
) -> None:
    # beside the output, in which scripts find what was written
    sys.stderr.write(f"with {name} go, written by --all:\n")
    for file in companions.values():
        sys.stderr.write(f"  {file}\n")
