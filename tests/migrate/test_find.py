"""
Which prints become records, at which level, and which stay, and why.
"""

from __future__ import annotations

import pytest

from mllog.migrate import convert


def left(text):
    """
    Line and reason of what stays.
    """
    return [(each.line, each.reason) for each in convert(text).left]


@pytest.mark.parametrize(
    ("call", "method"),
    [
        ('print("a", file=sys.stdout)', "info"),
        ('print("a", file=sys.stderr)', "warning"),
        ('print("a", file=err)', "warning"),
        ('print("Error:", x, file=sys.stderr)', "error"),
        ('print(f"{x} failed", file=sys.stderr)', "error"),
        ('print("terror", file=sys.stderr)', "warning"),
        ("traceback.print_exc()", "exception"),
        ("traceback.print_exc(file=sys.stdout)", "exception"),
        ("print_exc()", "exception"),
    ],
)
def test_stream_and_text_decide_about_the_level(call, method):
    """
    Standard error is a warning, or an error where the text names one.
    """
    head = (
        "import sys, traceback\nfrom sys import stderr as err\n"
        "from traceback import print_exc\n\n"
    )

    made = convert(f"{head}{call}\n")

    assert f"\nlogger.{method}(" in made.text
    assert () == made.left


def test_print_to_stderr_in_an_except_block_is_an_error():
    """
    Whatever its text is; a traceback names the function.
    """
    made = convert(
        "import sys, traceback\n\n\ndef f():\n    try:\n        g()\n"
        "    except OSError as e:\n        print(e, file=sys.stderr)\n"
        "        print(e)\n        traceback.print_exc()\n"
    )

    assert made.text.endswith(
        '        logger.error("%s", e)\n        logger.info("%s", e)\n'
        '        logger.exception("Exception in f")\n'
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('print("a", end="")', 'end=""'),
        ('print("a", end=e)', "end=e"),
        ('print("a", sep=s)', "sep= is no literal"),
        ('print("a", file=log)', "file=log"),
        ('import sys\nprint("a", file=sys.__stderr__)', "file=sys.__stderr__"),
        ("print(*a, **k)", "** may hold file= or end="),
        ("print(a, flush=f())", "flush=f()"),
        ("list(map(print, x))", "print is passed on, not called"),
        ("f(out=print)", "print is passed on, not called"),
        (
            "from rich import print\nprint(1)",
            "print is another function here",
        ),
        ("print = f\nprint(1)", "print is another function here"),
        (
            "import builtins\nbuiltins.print(1)",
            "print is called by another name",
        ),
        (
            "import builtins\nbuiltins.print = f\nprint(1)",
            "builtins.print is replaced in this file",
        ),
        ("import sys\nsys.stdout.write(x)", "sys.stdout.write is no print"),
        (
            "import traceback\ntraceback.print_exc(3)",
            "print_exc(3)",
        ),
        (
            "from contextlib import redirect_stdout\n"
            "with redirect_stdout(f): print(1)",
            "its output is redirected here",
        ),
        (
            "import sys\nsys.stdout = Tee()\nprint(1)",
            "sys.stdout or sys.stderr is replaced here",
        ),
        ("def test(capsys): print(1)", "a test captures what it prints"),
        (
            "class H(Base):\n    def emit(self, record): print(record)",
            "it would log while a record is handled",
        ),
        (
            "import logging\nclass F(logging.Formatter):\n"
            "    def other(self): print(1)",
            "it would log while a record is handled",
        ),
        (
            "print(  # why\n    x, flush=True\n)",
            "a comment in it would be lost",
        ),
        ("print(  # why\n)", "a comment in it would be lost"),
    ],
)
def test_output_of_the_program_stays_with_a_reason(text, reason):
    """
    The file is as it was, and the last of its lines is listed.
    """
    made = convert(f"{text}\n")

    assert (f"{text}\n", 0) == (made.text, made.converted)
    assert [reason] == [each.reason for each in made.left]


def test_doctests_and_what_they_call_stay():
    """
    The functions that an example runs, directly or not, keep their prints.
    """
    text = (
        'def show():\n    """\n    >>> show()\n    1\n    >>> print(2)\n    2\n'
        '    """\n    inner()\n\n\ndef inner():\n    print(1)\n\n\n'
        "def other():\n    print(1)\n"
    )

    made = convert(text)

    assert [
        (5, "a doctest"),
        (12, "a doctest compares what it prints"),
    ] == left(text)
    assert 1 == made.converted
    assert made.text.endswith('def other():\n    logger.info("%s", 1)\n')


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("print(1)  # mllog: keep\nprint(2)\n", [1]),
        ("# the answer\n# mllog: keep\nprint(1)\nprint(2)\n", [3]),
        ("print(\n    1,  # mllog: keep\n)\nprint(2)\n", [1]),
        (
            "def f():  # mllog: keep\n    if x:\n        print(1)\nprint(2)\n",
            [3],
        ),
        ("# mllog: keep\n@d\ndef f():\n    print(1)\nprint(2)\n", [4]),
        ("@d  # mllog: keep\ndef f():\n    print(1)\nprint(2)\n", [3]),
        ("if x:  # mllog: keep\n    print(1)\nelse:\n    print(2)\n", [2]),
        ("if x:\n    print(2)\nelse:  # mllog: keep\n    print(1)\n", [4]),
        ("def f():\n    # mllog: keep\n    print(1)\n    print(2)\n", [3]),
        ("x = '# mllog: keep'; print(2)\n", []),
    ],
)
def test_mark_holds_for_its_statement(text, lines):
    """
    A line, or the block that it starts, and nothing more.
    """
    marked = [(line, "marked # mllog: keep") for line in lines]

    assert marked == left(text)
    assert convert(text).text.count("print(2)") == 0


def test_mark_of_a_file_holds_for_all_of_it():
    """
    # mllog: keep file stands anywhere.
    """
    text = "print(1)\n# mllog: keep file\nprint(2)\n"

    assert text == convert(text).text
    assert [1, 3] == [line for line, _ in left(text)]
