"""
Print statements of all kinds, and what they and their records write.
"""

from __future__ import annotations

import collections
import contextlib
import datetime
import decimal
import enum
import io
import logging
import string
import types

from hypothesis import strategies as st

__all__ = ["messages", "namespace", "printed", "runs", "statements"]


class Point:
    """
    Three texts for three ways to ask.
    """

    x = 3
    label = "50 %"

    def __str__(self):
        return "str {} %s %"

    def __repr__(self):
        return "<repr 'é' %d>"


class Weekday(enum.Enum):
    MONDAY = 1


def namespace():
    """
    The names that statements use, new objects each time.
    """
    return {
        "__name__": "program",
        "i": 42,
        "minus": -7,
        "big": 10**30,
        "pi": 3.14159,
        "small": -1.5e-9,
        "nan": float("nan"),
        "inf": float("inf"),
        "flag": True,
        "nothing": None,
        "text": "a %s {b} é ✓",
        "empty": "",
        "lines": "one\ntwo\r\n%%",
        "pair": (1, "two"),
        "single": (1,),
        "none": (),
        "items": [3, 1, 2],
        "table": {"a": 1, "b": {"c": "%d"}},
        "no_table": {},
        "counts": collections.Counter("hello"),
        "data": b"\x00%s",
        "when": datetime.datetime(2026, 1, 2, 3, 4, 5),
        "day": Weekday.MONDAY,
        "exact": decimal.Decimal("1.10"),
        "point": Point(),
        "error": KeyError("k"),
    }


NAMES = sorted(set(namespace()) - {"__name__"})
EXPRESSIONS = [
    *NAMES,
    *NAMES,
    "point.x",
    "point.label",
    "items[0]",
    "table['a']",
    'table["b"]["c"]',
    "items.pop()",
    "items.append(1)",
    "len(text)",
    "sorted(items)",
    "i + 1",
    "-pi",
    "100 * pi",
    "text if flag else i",
    "not flag",
    "(seen := i)",
    "[n for n in items]",
    "{n: n for n in pair}",
    "(lambda: i)()",
    "str(pi)",
    "repr(text)",
    "error.args",
    "1",
    "'x'",
    "b'y'",
]
SPECS = [
    "",
    *(
        "d",
        "5d",
        "05d",
        "+d",
        " d",
        "-d",
        "<5d",
        ">5d",
        "^5d",
        "x",
        "#x",
        "08X",
        "o",
        "b",
        ",",
        "_d",
        "n",
        "c",
    ),
    *(
        "f",
        ".0f",
        ".4f",
        "8.2f",
        "08.2f",
        "+.1f",
        "<9.2f",
        ">9.2f",
        "*^9.2f",
        "e",
        ".3E",
        "g",
        ".3g",
        "G",
        "F",
        "%",
        ".1%",
        ",.2f",
        "#.0f",
        "z.1f",
        "=+9.2f",
    ),
    *(
        "s",
        "10s",
        ">10s",
        "<10s",
        "^10s",
        ".2s",
        "10.3s",
        "10",
        ">10",
        "<10",
        "x^10",
        ".3",
        "05",
    ),
    *("%Y-%m-%d", "%H%%"),
]
PERCENTS = [
    "%s",
    "%r",
    "%a",
    "%d",
    "%i",
    "%5d",
    "%-5s|",
    "%05.1f",
    "%+.2e",
    "%g",
    "%x",
    "%.3s",
    "%%",
    "%c",
]
ALPHABET = "ab %{}'\"\\é✓=:!#,()"


def written(text, quote):
    """
    *text* as it is written between *quote*, without a prefix.
    """
    body = text.replace("\\", "\\\\")
    return body.replace(quote[0], f"\\{quote[0]}")


quotes = st.sampled_from(['"', "'", '"""'])
texts = st.one_of(
    st.text(ALPHABET, max_size=8),
    st.sampled_from(["", "loss ", "100%", "a\tb", "{}", "%s", "%", "%%"]),
)
escapes = st.sampled_from(
    [
        "",
        "",
        "",
        r"\n",
        r"\t",
        r"\x25",
        r"\x41",
        r"\45",
        r"\0",
        r"\u0025",
        r"\N{PERCENT SIGN}",
        r"\N{DASH}" if False else r"\N{BULLET}",
    ]
)
expressions = st.sampled_from(EXPRESSIONS)


@st.composite
def literals(draw):
    quote = draw(quotes)
    prefix = draw(st.sampled_from(["", "", "", "u", "r"]))
    text = draw(texts)
    if prefix == "r":
        text = text.replace("\\", "").replace(quote[0], "")
        return f"r{quote}{text}{quote}"
    return f"{prefix}{quote}{written(text, quote)}{draw(escapes)}{quote}"


@st.composite
def f_strings(draw):
    quote = draw(quotes)
    prefix = draw(st.sampled_from(["f", "f", "F", "rf", "fR"]))
    is_raw = len(prefix) == 2
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        text = draw(texts)
        if is_raw:
            text = text.replace("\\", "").replace(quote[0], "")
        else:
            text = written(text, quote)
        text = text.replace("{", "{{").replace("}", "}}")
        if not is_raw:
            text += draw(escapes)
        parts.append(text)
        code = draw(expressions)
        if quote[0] in code or "\\" in code or ("'" in code and quote == "'"):
            code = "i"
        if code.startswith("{"):
            code = f" {code}"
        spec = draw(st.sampled_from(SPECS)) if draw(st.booleans()) else ""
        if code in ("when", "exact") and spec[-1:].isalpha():
            spec = ">12"  # .4f is for int and float, and exact for them
        conversion = draw(st.sampled_from(["", "", "", "!r", "!s", "!a"]))
        equal = draw(st.sampled_from(["", "", "", "", "=", " = "]))
        nested = draw(st.integers(0, 15)) == 0
        spec = ":{i}" if nested else spec and f":{spec}"
        parts.append(f"{{{code}{equal}{conversion}{spec}}}")
    return f"{prefix}{quote}{''.join(parts)}{quote}"


@st.composite
def formats(draw):
    fields = draw(
        st.lists(
            st.sampled_from(
                ["{}", "{:.2f}", "{!r}", "{:>5}", "{:d}", "{{}}", "{:%Y}"]
            ),
            max_size=3,
        )
    )
    count = sum(each != "{{}}" for each in fields)
    args = [draw(expressions) for _ in range(count)]
    args = ["i" if each in ("when", "exact") else each for each in args]
    kind = draw(st.integers(0, 3))
    text = draw(texts).replace("{", "").replace("}", "")
    if kind == 0:
        fields = [f"{{{n}}}" for n in range(count)][::-1]
    if kind == 1:
        fields = [f"{{{'ab'[n % 2]}}}" for n in range(count)]
        args = [f"{n}={a}" for n, a in zip("ab", [*args, "i", "pi"])]
    body = (
        written(text, '"')
        + draw(escapes).replace("\\N{BULLET}", "")
        + " ".join(fields)
    )
    return f'"{body}".format({", ".join(args)})'


@st.composite
def percents(draw):
    codes = draw(st.lists(st.sampled_from(PERCENTS), min_size=1, max_size=3))
    args = [draw(expressions) for each in codes if each != "%%"]
    text = written(draw(texts), '"').replace("%", "%%") + draw(escapes)
    right = f"({', '.join(args)},)"
    if len(args) == 1 and draw(st.booleans()):
        if args[0] != "single":  # "%s" % single writes its only item
            right = args[0] if args[0].isidentifier() else f"({args[0]})"
    return f'"{text}{" ".join(codes)}" % {right}'


@st.composite
def sums(draw):
    terms = draw(
        st.lists(
            st.one_of(
                literals(),
                f_strings(),
                st.builds("str({})".format, expressions),
                st.just("text"),
            ),
            min_size=2,
            max_size=4,
        )
    )
    return " + ".join(terms)


arguments = st.one_of(
    expressions,
    expressions.map(lambda code: f"({code})"),
    literals(),
    f_strings(),
    f_strings(),
    formats(),
    percents(),
    sums(),
    st.lists(st.one_of(literals(), f_strings()), min_size=2, max_size=3).map(
        " ".join
    ),
    st.sampled_from(
        ["*items", "*none", "*pair", "*[]", "*(n for n in items)"]
    ),
)
SEPS = ["sep=''", 'sep="\\n"', "sep=' %s '", "sep=None", "sep='%'", "sep='7'"]


@st.composite
def statements(draw):
    """
    A print statement on one line or on several.
    """
    args = draw(st.lists(arguments, max_size=4))
    options = []
    if draw(st.integers(0, 3)) == 0:
        options.append(draw(st.sampled_from(SEPS)))
    if draw(st.integers(0, 9)) == 0:
        options.append(draw(st.sampled_from(["flush=True", 'end="\\n"'])))
    args += options
    layout = draw(st.integers(0, 7))
    if layout == 0 and args:
        return "print(\n    " + ",\n    ".join(args) + ",\n)"
    if layout == 1:
        return "print(" + ",\n      ".join(args) + ")"
    is_left = options or any(each.startswith("*") for each in args)
    if layout == 2 and args and not is_left:  # else a comment would be lost
        return "print(  # why\n  " + ",  # é\n  ".join(args) + "\n)"
    return f"print({', '.join(args)})"


def runs(statement):
    """
    Whether *statement* works by itself.
    """
    try:
        code = compile(statement, "statement", "exec")
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, namespace())
    except Exception:
        return False
    return True


def printed(program):
    """
    What *program* writes.
    """
    out = io.StringIO(newline="")
    with contextlib.redirect_stdout(out):
        exec(compile(program, "program", "exec"), namespace())
    return out.getvalue()


class Lines(logging.Handler):
    """
    Collects messages; one that cannot be made is a failure.
    """

    def __init__(self):
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self.text = []

    def emit(self, record):
        self.text.append(self.format(record) + "\n")


def messages(program):
    """
    What the records of *program* say, and what it still prints.
    """
    handler, logger = Lines(), logging.getLogger("program")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        rest = printed(program)
    finally:
        logger.removeHandler(handler)
    return "".join(handler.text), rest
