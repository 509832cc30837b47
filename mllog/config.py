"""
Find, read and apply configurations: presets by name, files by path.
"""

from __future__ import annotations

import codecs
import configparser
import importlib
import json
import logging.config
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import options
from .env import SETTINGS
from .errors import (
    ConfigError,
    MllogError,
    PresetNotFoundError,
    nearest,
    require,
    shown,
)

if TYPE_CHECKING:
    from importlib.abc import Traversable

    from .checks import Finding

__all__ = [
    "check",
    "configure",
    "preset",
    "preset_companions",
    "preset_file",
    "preset_names",
    "presets_folder",
    "read_file",
    "settings_of",
]

_KINDS = {"dictconfig": ".json", "fileconfig": ".ini"}
# Folders of what goes with a preset
_COMPANIONS = {"prometheus": ("prometheus", "grafana")}
_INI = frozenset({".ini", ".cfg", ".conf", ".config"})
_REINSTALL = "pip install --force-reinstall mllog-handlers"
_FREEZE = (
    "freeze it with them: PyInstaller --collect-all mllog, Nuitka"
    " --include-package=mllog --include-package-data=mllog, cx_Freeze"
    " --packages=mllog"
)
_SETTING = re.compile(r"ext://mllog\.env\.([A-Z0-9_]+)")


def preset(name: str, **settings: Any) -> dict[str, Any]:
    """
    A preset as a dict for ``logging.config.dictConfig``.

    Args:
        name: ``console``, ``files``, ``training``, ``inference``,
            ``monitoring``, ``prometheus``, ``tensorboard``, ``syslog``,
            ``s3``, ``s3-payloads``, ``kafka`` or ``inference-kafka``.

        settings: Values for what the preset otherwise takes from the
            environment, in lower case: ``directory="/var/log/model"``.

    Raises:
        PresetNotFoundError: There is no preset of that name.

        ConfigError: The preset has no such setting.
    """
    config = json.loads(preset_file(name).read_text(encoding="utf-8"))
    return _with_settings(config, settings, f"preset {name!r}")


def configure(source: str | os.PathLike[str], **settings: Any) -> None:
    """
    Configure logging from a preset's name or from a file.

    Levels may be words in any case, which logging itself refuses; a byte
    order mark of the file is passed over.

    Args:
        source: A preset's name, or the path of a JSON, YAML, TOML or INI file.

        settings: Values that take the place of the environment's, or of the
            file's own ``[DEFAULT]`` if it is INI.

    Raises:
        ConfigError: The source is not there, cannot be read or has no such
            setting.

        ValueError: As by ``logging.config``, for what a handler or formatter
            does not accept.
    """
    text = os.fspath(source)
    # a folder may well be called training; only a file is meant by its name
    if not os.path.isfile(text) and not _looks_like_path(text):
        _apply(preset(text, **settings))
        return
    config = read_file(text)
    if isinstance(config, configparser.ConfigParser):
        _override(config, settings, text)
        for section in config.sections():
            _name_level(config[section])
        logging.config.fileConfig(config, disable_existing_loggers=False)
    else:
        _apply(_with_settings(config, settings, text))


def _apply(config: dict[str, Any]) -> None:
    # a variable that is wrong or not set: said before anything is changed
    for name in settings_of(config):
        if name.upper() in SETTINGS:
            SETTINGS[name.upper()].value()
    logging.config.dictConfig(config)


def check(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    untrusted: bool = False,
    allow: Sequence[str] = (),
) -> list[Finding]:
    """
    Say what is wrong with a configuration, and run nothing of it.

    Args:
        source: The path of a JSON, YAML, TOML or INI file, or what
            ``dictConfig`` would be given.

        untrusted: Whether to refuse whatever could run foreign code: classes
            and ``()`` outside logging and mllog, ``ext://`` outside
            ``sys.std*`` and ``mllog.env``, ``.`` and Python that is no literal.

        allow: Beginnings of dotted names that an untrusted one may use.

    Raises:
        ConfigError: The file cannot be read.
    """
    from . import checks  # not at import: it loads every class of logging

    if isinstance(source, Mapping):
        return checks.check(source, untrusted=untrusted, allow=allow)
    path = os.fspath(source)
    config, text = _read(path)
    return checks.check(
        config, name=path, text=text, untrusted=untrusted, allow=allow
    )


def preset_names() -> list[str]:
    """
    The names of all presets.
    """
    folder = presets_folder() / "dictconfig"
    return sorted(
        entry.name.removesuffix(".json")
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    )


def preset_file(name: str, kind: str = "dictconfig") -> Traversable:
    """
    The file of a preset.

    Args:
        name: The preset.

        kind: ``dictconfig`` (JSON) or ``fileconfig`` (INI).

    Raises:
        PresetNotFoundError: There is none of that name.
    """
    known = preset_names()
    if name not in known:
        near = nearest(name, known)
        raise PresetNotFoundError(
            f"no preset is called {name!r}",
            expected="one of " + ", ".join(known) + ", or the path of a file",
            fix=f"write {near}" if near else "",
        )
    return presets_folder() / kind / f"{name}{_KINDS[kind]}"


def preset_companions(name: str) -> dict[str, Traversable]:
    """
    The files that go with a preset, such as alert rules and a dashboard.

    Args:
        name: The preset.

    Returns:
        Files by their path beside the preset; most presets have none.
    """
    return {
        f"{folder}/{entry.name}": entry
        for folder in _COMPANIONS.get(name, ())
        for entry in sorted(
            (presets_folder() / folder).iterdir(), key=lambda entry: entry.name
        )
        if entry.is_file()
    }


def presets_folder() -> Traversable:
    """
    The folder of the presets: inside the package, or beside it in a checkout.
    """
    package = resources.files("mllog")
    inside = package / "presets"
    if inside.is_dir():
        return inside
    beside = Path(__file__).resolve().parent.parent / "presets"
    if beside.is_dir():
        return beside
    raise PresetNotFoundError(
        "the presets that belong to mllog are not installed",
        expected=f"a folder presets in {package}",
        fix=_FREEZE if _is_frozen() else _REINSTALL,
    )


def _is_frozen() -> bool:
    """
    Whether the program is one file or folder, without its packages as such.
    """
    return hasattr(sys, "frozen") or "__compiled__" in globals()


def read_file(path: str) -> dict[str, Any] | configparser.ConfigParser:
    """
    What a configuration file says, by its ending; nothing of it is run.

    Raises:
        ConfigError: It is not there, or is not what its ending says.
    """
    return _read(path)[0]


def _read(
    path: str,
) -> tuple[dict[str, Any] | configparser.ConfigParser, str]:
    """
    What a configuration file says, and its text.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in {*_INI, ".json", ".yaml", ".yml", ".toml"}:
        raise ConfigError(
            f"{path} ends in {ending or 'nothing'}",
            expected=".json, .yaml, .yml, .toml, .ini, .cfg, .conf or .config",
        )
    try:
        text = _text_in(Path(path).read_bytes())
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}") from exc
    try:
        config = _parse(text, ending, path)
    except MllogError:
        raise
    except Exception as exc:
        kind = "INI" if ending in _INI else ending[1:].upper()
        raise ConfigError(f"{path} is not valid {kind}: {_said(exc)}") from exc
    if not isinstance(config, (dict, configparser.ConfigParser)):
        raise ConfigError(
            f"{path} holds no mapping", expected='{"version": 1, …}'
        )
    return config, text


def _text_in(data: bytes) -> str:
    """
    UTF-8, or UTF-16 by its byte order mark: editors on Windows write one.
    """
    is_utf16 = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _said(error: Exception) -> str:
    """
    What a parser said, without quoting the file, which may hold secrets.
    """
    if isinstance(error, configparser.ParsingError):
        if isinstance(error, configparser.MissingSectionHeaderError):
            return f"line {error.lineno} stands before any [section]"
        lines = ", ".join(str(number) for number, _ in error.errors)
        return f"neither [section] nor key = value in line {lines}"
    mark = getattr(error, "problem_mark", None)  # PyYAML's
    if mark is not None:
        problem = getattr(error, "problem", None) or type(error).__name__
        return f"{problem} in line {mark.line + 1}"
    return str(error)


def _parse(text: str, ending: str, path: str) -> Any:
    if ending in _INI:
        parser = configparser.ConfigParser()
        parser.read_string(text, source=path)
        return parser
    if ending == ".json":
        return json.loads(text)
    if ending == ".toml":
        # the standard library has it from Python 3.11 on
        name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
        return importlib.import_module(name).loads(text)
    return require("yaml", "yaml").safe_load(text)


def settings_of(config: Any) -> list[str]:
    """
    The settings that a configuration takes, in lower case.
    """
    if isinstance(config, configparser.ConfigParser):
        return list(config.defaults())
    found = (_SETTING.fullmatch(text) for text in _texts(config))
    return sorted({match[1].lower() for match in found if match})


def _texts(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for value in config.values():
            yield from _texts(value)
    elif isinstance(config, list):
        for value in config:
            yield from _texts(value)


def _with_settings(
    config: dict[str, Any], settings: Mapping[str, Any], owner: str
) -> dict[str, Any]:
    _refuse_unknown(config, settings, owner)
    replaced: dict[str, Any] = _replaced(config, settings)
    for key in ("handlers", "loggers"):
        parts = replaced.get(key)
        for part in parts.values() if isinstance(parts, dict) else ():
            _name_level(part)
    _name_level(replaced.get("root"))
    return replaced


def _name_level(part: Any) -> None:
    """
    Write the level of *part* as logging knows it, which has capitals only.
    """
    with suppress(Exception):  # what is wrong logging itself refuses
        if isinstance(part["level"], str):
            named = options.level("level", part["level"])
            is_text = not isinstance(part, dict)  # of an INI file
            part["level"] = (
                logging.getLevelName(named)
                if (is_text and isinstance(named, int))
                else named
            )


def _replaced(config: Any, settings: Mapping[str, Any]) -> Any:
    """
    A copy of *config* with *settings* in the place of the environment's.
    """
    if isinstance(config, Mapping):
        return {
            key: _replaced(value, settings) for key, value in config.items()
        }
    if isinstance(config, list):
        return [_replaced(value, settings) for value in config]
    if isinstance(config, str) and (match := _SETTING.fullmatch(config)):
        value = settings.get(match[1].lower(), config)
        return os.fspath(value) if isinstance(value, os.PathLike) else value
    return config


def _override(
    config: configparser.ConfigParser, settings: Mapping[str, Any], owner: str
) -> None:
    """
    Put *settings* into the ``[DEFAULT]`` of an INI file.
    """
    _refuse_unknown(config, settings, owner)
    for name, value in settings.items():
        text = str(value)
        # fileConfig evaluates kwargs as Python, where these would end the text
        if any(mark in text for mark in "\"'\n\r") or text.endswith("\\"):
            raise ConfigError(
                shown(name, value),
                expected="no quotes, line breaks or final backslash in an INI value",
                owner=owner,
            )
        config["DEFAULT"][name] = text.replace("%", "%%")


def _refuse_unknown(
    config: Any, settings: Mapping[str, Any], owner: str
) -> None:
    known = settings_of(config)
    for name in settings:
        if name not in known:
            near = nearest(name, known)
            raise ConfigError(
                f"no setting {shown(name, settings[name])}",
                expected="one of " + ", ".join(known)
                if known
                else "no settings",
                fix=f"write {near}" if near else "",
                owner=owner,
            )


def _looks_like_path(text: str) -> bool:
    return os.sep in text or "/" in text or bool(os.path.splitext(text)[1])
