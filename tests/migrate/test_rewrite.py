"""
Programs whose prints become records: their text stays the same.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statements import messages, printed, runs, statements

from mllog.migrate import MigrationOptions, convert

HEAD = "import logging\n\nlogger = logging.getLogger(__name__)\n\n"


def converted(statement, **options):
    """
    What becomes of one statement.
    """
    made = convert(f"{statement}\n", MigrationOptions(**options))
    assert made.text.startswith(HEAD), made.text
    return made.text.removeprefix(HEAD).strip()


def check(found, **options):
    """
    Statements that work write the same as records, and are converted once.
    """
    program = "\n".join(filter(runs, found)) + "\n"
    before = printed(program)

    made = convert(program, MigrationOptions(**options))

    assert (before, "") == messages(made.text), made.text
    assert (made.text, 0) == again(made.text, options)


def again(text, options):
    made = convert(text, MigrationOptions(**options))
    return made.text, made.converted


@settings(max_examples=60)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(st.lists(statements(), min_size=5, max_size=15))
def test_statements_of_all_kinds_as_records_equal_what_was_printed(found):
    """
    Each message is the text that print wrote, to the character.
    """
    check(found)


@settings(max_examples=20)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(st.lists(statements(), min_size=5, max_size=15))
def test_statements_with_metrics_equal_what_was_printed(found):
    """
    Fields change nothing of the text, and evaluate nothing twice that matters.
    """
    check(found, metrics=True, exact=True)


@pytest.mark.full
@settings(max_examples=900)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@given(st.lists(statements(), min_size=20, max_size=30))
def test_ten_thousand_statements_as_records_equal_what_was_printed(found):
    """
    The same with more than 10 000 statements.
    """
    check(found)


def test_check_sees_a_text_that_changed(monkeypatch):
    """
    The control: a conversion that forgets to double ``%`` is found.
    """
    monkeypatch.setattr(
        "mllog.migrate.string_literals.StringLiteral.code",
        lambda self, **_: (
            self.quote
            + "".join(getattr(p, "percent", p) for p in self.parts)
            + self.quote
        ),
    )

    with pytest.raises((AssertionError, TypeError, ValueError)):
        check(['print("100%", i)'])


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('print("done")', 'logger.info("done")'),
        ('print("100%")', 'logger.info("100%")'),
        ('print("100%", n)', 'logger.info("100%% %s", n)'),
        ("print()", 'logger.info("")'),
        ("print(x)", 'logger.info("%s", x)'),
        ('print("a", x, "b", y)', 'logger.info("a %s b %s", x, y)'),
        ("print('a', x, sep='')", "logger.info('a%s', x)"),
        ('print(f"a {x!r} {{}}")', 'logger.info("a %r {}", x)'),
        ('print(f"{x:.4f} {x:>8d}")', 'logger.info("%.4f %8d", x, x)'),
        ('print(f"{x:,}")', 'logger.info("%s", f"{x:,}")'),
        ('print(f"{x:>8}")', 'logger.info("%s", f"{x:>8}")'),
        ('print(f"{x:{w}}")', 'logger.info("%s", f"{x:{w}}")'),
        ('print(f"{x=}")', 'logger.info("x=%r", x)'),
        ('print(f"{1, 2}")', 'logger.info("%s", (1, 2))'),
        ("print(f'{d[\"a\"]}')", "logger.info('%s', d[\"a\"])"),
        ('print("{} {:.2f}".format(a, b))', 'logger.info("%s %.2f", a, b)'),
        ('print("{1} {0}".format(a, b))', 'logger.info("%s %s", b, a)'),
        ('print("{n}".format(n=a))', 'logger.info("%s", a)'),
        ('print("{0.x}".format(a))', 'logger.info("%s", "{0.x}".format(a))'),
        ('print("%d%% of %s" % (a, b))', 'logger.info("%d%% of %s", a, b)'),
        ('print("%.3f" % loss)', 'logger.info("%.3f", loss)'),
        ('print("%s" % e.args)', 'logger.info("%s", "%s" % e.args)'),
        ('print("%(a)s" % d)', 'logger.info("%s", "%(a)s" % d)'),
        ('print("a " + str(x) + "!")', 'logger.info("a %s!", x)'),
        ("print(*xs)", 'logger.info("%s", " ".join(map(str, xs)))'),
        ("print(n for n in ns)", 'logger.info("%s", (n for n in ns))'),
        ("print(b'x')", "logger.info(\"%s\", b'x')"),
        ("y = print(x)", 'y = logger.info("%s", x)'),
        ("f = lambda: print(x)", 'f = lambda: logger.info("%s", x)'),
        ('print("a", end="\\n")', 'logger.info("a")'),
        ('print("a", flush=True)', 'logger.info("a")'),
        ('print("a", file=None)', 'logger.info("a")'),
        (r'print("\x25", x)', 'logger.info("%% %s", x)'),
        (r'print("\0", "7", sep="")', r'logger.info("\0" "7")'),
        (
            'print(f"{stack} {stack.pop()}")',
            'logger.info("%s %s", f"{stack}", stack.pop())',
        ),
        (
            'print(f"{name} {len(name)}")',
            'logger.info("%s %s", name, len(name))',
        ),
    ],
)
def test_statement_becomes_a_call_with_lazy_arguments(statement, expected):
    """
    What is written once, and formatted by logging.
    """
    assert expected == converted(statement)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            'print(\n    f"a {x} "\n    f"b {y}",\n)',
            'logger.info(\n    "a %s "\n    "b %s",\n    x,\n    y,\n)',
        ),
        (
            'print("a",\n      x)',
            'logger.info("a %s",\n            x)',
        ),
        (
            'print(\n    "a",  # first\n    x,  # second\n)',
            'logger.info(\n    "%s %s",\n    "a",  # first\n    x,  # second\n)',
        ),
        (
            'print(  # why\n    f"a {x}"\n)',
            'logger.info(  # why\n    "a %s",\n    x\n)',
        ),
        ("print ('x')  # why", "logger.info ('x')  # why"),
        ("if x: print(1); y = 2", 'if x: logger.info("%s", 1); y = 2'),
    ],
)
def test_layout_and_comments_stay(before, after):
    """
    Lines stay lines, and no comment is lost.
    """
    assert after == converted(before)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_tabs_and_form_feeds_stay(newline):
    """
    Only the calls change, and the lines that are new end as the others do.
    """
    text = "def f():\n\tif x:\n\t\tprint('a',\n\t\t      b)\n\x0c\ny = 1\n"

    made = convert(text.replace("\n", newline)).text

    expected = (
        f"{HEAD}\ndef f():\n\tif x:\n\t\tlogger.info('a %s',\n"
        "\t\t            b)\n\x0c\ny = 1\n"
    )
    assert expected.replace("\n", newline) == made


@pytest.mark.parametrize(
    "head",
    [
        "import torch\n",
        "from lightning import Trainer\n",
        "import enum\nclass Split(str, enum.Enum):\n    TRAIN = 'train'\n",
        "class X:\n    def __format__(self, spec): return 'x'\n",
    ],
)
def test_value_that_format_writes_its_own_way_is_formatted_at_once(head):
    """
    ``f"{loss}"`` of a tensor is a number, and ``str(loss)`` is not.
    """
    made = convert(f'{head}\nprint(f"{{x}} {{x!r}} {{len(x)}}")\n').text

    assert made.endswith('info("%s %r %s", f"{x}", x, len(x))\n')


def test_print_within_a_print_is_converted_too():
    """
    A print in the arguments of another is found in the second pass.
    """
    made = convert('print("a", lambda: print("b", lambda: print("c")))\n')

    assert 3 == made.converted
    assert "print(" not in made.text


def test_exact_believes_in_no_type_that_is_not_evident():
    """
    With --exact a Decimal is rounded as format() rounds it.
    """
    code = 'print(f"{x:.2f} {3:d} {x}", "%s" % x)'

    assert (
        'logger.info("%s %d %s %s", f"{x:.2f}", 3, f"{x}", "%s" % x)'
        == converted(code, exact=True)
    )


def test_ascii_file_keeps_characters_as_escapes():
    """
    Text that is quoted anew needs no other encoding than the file has.
    """
    code = 'print(x, "\\u2713", \'"\')'

    assert 'logger.info("%s \\u2713 \\"", x)' == converted(code, is_ascii=True)


def test_blanks_that_libcst_drops_move_nothing():
    """
    It passes over the blank before the colon of ``except OSError :``.
    """
    text = (
        "try:\n    é = 'é'\nexcept OSError :\n    print(1)\n"
        "except (ValueError) :\n    print(2 )  # é\n"
    )

    made = convert(text).text

    assert made.endswith(
        'except OSError :\n    logger.info("%s", 1)\n'
        'except (ValueError) :\n    logger.info("%s", 2)  # é\n'
    )
