"""
mllog.rotation.charset: what a file in any encoding is made of.
"""

import codecs
import encodings.aliases
import logging
import warnings

import pytest

import mllog
from mllog.rotation import Charset

TEXTS = ("one", "two é €", "three \U0001f600")


def _log(kind, path, encoding, **options):
    """
    Write *TEXTS*, each by a process that opens the file anew.
    """
    for text in TEXTS:
        handler = kind(path, encoding=encoding, **options)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger = logging.Logger("x")
        logger.addHandler(handler)
        logger.info("%s", text)
        logger.info("")
        handler.close()


def _names():
    return sorted({*encodings.aliases.aliases.values(), "utf-8-sig", "locale"})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", _names())
def test_encoding_of_any_name_reads_as_the_stdlib_writes_or_is_refused(
    name, tmp_path
):
    """
    One mark at the top and line ends in the encoding, also when reopened.
    """
    try:
        _log(
            mllog.TimestampedRotatingFileHandler,
            tmp_path / "ours",
            name,
            errors="backslashreplace",
        )
    except mllog.ConfigError as exc:
        assert "encoding" in str(exc)
        return
    _log(
        logging.FileHandler,
        tmp_path / "theirs",
        name,
        errors="backslashreplace",
    )

    def read(path):
        encoding = None if name == "locale" else name
        return path.read_text(encoding=encoding)

    assert read(tmp_path / "theirs") == read(tmp_path / "ours")


@pytest.mark.parametrize(
    "name",
    [
        "utf-8",
        "utf-8-sig",
        "utf-16",
        "utf-16-be",
        "utf-32",
        "latin-1",
        "cp500",
    ],
)
def test_encoding_that_people_use_is_not_refused(name):
    """
    Refusing all would be right as well, and no use.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Charset(name)


@pytest.mark.parametrize(
    "name", ["utf-9", "hex", "", "no such", "punycode", "a\0b", 3, "undefined"]
)
def test_encoding_that_writes_no_lines_is_a_config_error(name, tmp_path):
    """
    It is refused when the handler is made, not at each record.
    """
    if name == "":
        Charset(name)
        return
    with pytest.raises(mllog.ConfigError, match="encoding"):
        mllog.TimestampedRotatingFileHandler(
            tmp_path / "app.log", encoding=name
        )


@pytest.mark.parametrize(
    "errors",
    [
        "strict",
        "ignore",
        "replace",
        "backslashreplace",
        "xmlcharrefreplace",
        "namereplace",
        "surrogateescape",
        "surrogatepass",
    ],
)
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-16"])
def test_errors_of_any_name_write_what_the_stdlib_writes(
    errors, encoding, tmp_path, monkeypatch
):
    """
    Also where a text cannot be written, which costs that record only.
    """
    monkeypatch.setattr(logging, "raiseExceptions", False)
    for kind, name in (
        (mllog.TimestampedRotatingFileHandler, "ours"),
        (logging.FileHandler, "theirs"),
    ):
        _log(kind, tmp_path / name, encoding, errors=errors)

    theirs = (tmp_path / "theirs").read_bytes()
    assert theirs == (tmp_path / "ours").read_bytes()


def test_errors_that_nobody_handles_are_a_config_error(tmp_path):
    """
    Else the first text that does not fit would be lost, and each after it.
    """
    with pytest.raises(mllog.ConfigError, match="write replace"):
        mllog.TimestampedRotatingFileHandler(
            tmp_path / "app.log", errors="replaces"
        )


@pytest.mark.parametrize("terminator", ["\n", "\r\n", "\0", "--"])
@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-32", "cp500"]
)
def test_fragment_cut_anywhere_spoils_no_line_behind_it(
    encoding, terminator, tmp_path
):
    """
    Wherever a crash cuts a file, lines that come later read back.
    """
    path = tmp_path / "app.log"

    def log(text):
        handler = mllog.TimestampedRotatingFileHandler(path, encoding=encoding)
        handler.setFormatter(logging.Formatter("%(message)s"))
        handler.terminator = terminator
        handler.handle(logging.makeLogRecord({"msg": text}))
        handler.close()

    log("first")
    log("sec")
    whole = path.read_bytes()
    start = len(codecs.encode("", encoding)) + 1
    for cut in range(start, len(whole) + 1):
        path.write_bytes(whole[:cut])
        log("third")
        text = path.read_bytes().decode(encoding, "replace")
        assert text.endswith(f"{terminator}third{terminator}"), cut
        assert text.count("third") == 1
