"""
Keys: each of them once, where readers look for it, and nothing a record chose.
"""

import os
import re
import socket
import sys

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.delivery.s3.keys import KEY_TEMPLATE, MISSING, Keys, safe
from mllog.errors import ConfigError

HOUR = "2026-11-21T06"
TELLING = "{host}-{pid}-{start}-{sequence}"
PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


# --- values ---


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("resnet50", "resnet50"),
        ("ResNet-50_v1.5", "ResNet-50_v1.5"),
        (7, "7"),
        (True, "True"),
        (0.5, "0.5"),
        ("a b/c", "a_b_c"),
        ("../../etc/passwd", "__.._etc_passwd"),
        (".", "_"),
        ("..", "_"),
        (".hidden", "_hidden"),
        ("größe", "gr__e"),
        ("a\nb\x00c", "a_b_c"),
        ("a=b", "a_b"),
        ("\ud800", "_"),
        ("x" * 200, "x" * 64),
        ("", MISSING),
        (None, MISSING),
        (hostile.RaisingRepr(), MISSING),
    ],
)
def test_value_in_a_key_is_reduced_to_safe_characters(value, expected):
    """
    ``A-Z a-z 0-9 . _ -``, at most 64 of them; nothing is Hive's own name.
    """
    assert expected == safe(value)


@given(st.text() | st.binary() | st.integers() | st.none() | st.floats())
def test_value_in_a_key_is_never_a_way_elsewhere(value):
    """
    Whatever it is: no slash, no dot in front, never empty, never long.
    """
    assert PART.fullmatch(safe(value))


class Liar(str):
    def __getitem__(self, index):
        return "../" * 100

    def __str__(self):
        return self


@pytest.mark.parametrize(
    "value", [Liar("x"), hostile.HugeRepr(), hostile.OddRepr()]
)
def test_value_in_a_key_of_a_hostile_class_is_reduced_too(value):
    """
    What an object says of itself is not believed.
    """
    assert PART.fullmatch(safe(value))


# --- layout ---


def test_key_is_that_of_a_hive_table():
    """
    Prefix, day and hour as partitions, and a name that nobody else gives.
    """
    keys = Keys(prefix="serve/v1", suffix=".jsonl.gz")

    assert re.fullmatch(
        r"serve/v1/dt=2026-11-21/hour=06/"
        rf"{re.escape(safe(socket.gethostname()))}-{os.getpid()}-"
        r"\d{8}T\d{12}Z[0-9a-f]{8}-000001\.jsonl\.gz",
        keys.new(HOUR),
    )


def test_key_without_a_prefix_begins_with_the_day():
    """
    And with no slash.
    """
    assert Keys().new(HOUR).startswith("dt=2026-11-21/hour=06/")


def test_key_has_the_values_of_key_fields_in_their_places():
    """
    They are given in the order of *fields*, whatever the template's.
    """
    keys = Keys(f"{{b}}/m={{a}}/{TELLING}", ("a", "b"), prefix="p")

    assert keys.new(HOUR, ("one", "two")).startswith("p/two/m=one/")


def test_keys_of_one_process_are_numbered():
    """
    In the order they were made, whatever their hours.
    """
    keys = Keys("{sequence}/{host}-{pid}-{start}")

    found = [keys.new(f"2026-11-21T{hour:02}") for hour in (6, 5, 6)]

    assert ["000001", "000002", "000003"] == [key[:6] for key in found]


def test_number_of_a_key_may_outgrow_its_places():
    """
    The 1 000 000th object has seven digits, and is no other's.
    """
    keys = Keys()
    keys._sequence = 999_999

    assert keys.new(HOUR).endswith("-1000000")


FIELDS = ("model", "user")


@given(
    values=st.lists(
        st.tuples(st.text(max_size=300), st.text(max_size=300)),
        min_size=1,
        max_size=20,
    )
)
def test_key_of_hostile_values_stays_below_its_prefix_and_is_new(values):
    """
    Whatever records say, keys have one shape, fit into 1024 bytes, and differ.
    """
    keys = Keys(
        f"m={{model}}/u={{user}}/{KEY_TEMPLATE}",
        FIELDS,
        prefix="p" * 512,
        suffix=".jsonl.gz",
    )

    found = [keys.new(HOUR, [safe(v) for v in each]) for each in values]

    assert len(found) == len(set(found))
    for key in found:
        assert len(key.encode()) <= 1024
        assert key.startswith("p" * 512 + "/m=")
        assert key.count("/") == 5
        assert not {"", ".", ".."} & set(key.split("/"))


def longest(template, fields=(), prefix=""):
    """
    The longest key that may come of it; 0 where it is refused.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "h" * 64)
        try:
            keys = Keys(template, fields, prefix=prefix, suffix=".jsonl.gz")
        except ConfigError as exc:
            assert "1024" in str(exc)
            return 0
        patch.setattr("os.getpid", lambda: 4_194_304)
        return len(keys.new(HOUR, ["v" * 64] * len(fields)).encode())


@pytest.mark.parametrize(
    ("template", "fields"),
    [
        ("x" * 1000 + f"/{TELLING}", ()),
        (
            "".join(f"{{f{n}}}/" for n in range(10)) + TELLING,
            tuple(f"f{n}" for n in range(10)),
        ),
    ],
)
def test_key_that_may_grow_too_long_is_refused(template, fields):
    """
    What cannot fit into 1024 bytes is an error of the configuration: the
    server would refuse each record of it.
    """
    assert not longest(template, fields, "p" * 512)


def test_key_that_is_not_refused_fits():
    """
    With the longest host, number of a process and values: 1024 bytes.
    """
    found = [longest(f"{'x' * n}/{TELLING}") for n in range(780, 1000)]
    often = longest(f"{'{f}/' * 20}{TELLING}", ("f",))

    assert 0 < max(found) <= 1024
    assert often <= 1024


def test_keys_of_many_makers_differ():
    """
    Two handlers with one prefix never meet, in a forked child neither.
    """
    makers = [Keys() for _ in range(100)]
    for maker in makers[50:]:
        maker.forget_parent()

    found = [maker.new(HOUR) for maker in makers for _ in range(3)]

    assert len(found) == len(set(found))


def test_keys_of_two_makers_differ_while_the_clock_stands(monkeypatch):
    """
    Where the clock is coarse, or is set back.
    """
    monkeypatch.setattr("time.time_ns", lambda: 1_795_000_000_000_000_000)
    first, second = Keys(), Keys()

    assert first.new(HOUR) != second.new(HOUR)


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_keys_of_a_forked_child_are_others():
    """
    Its own process id and start, and its own count.
    """
    keys = Keys()
    keys.new(HOUR)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, keys.new(HOUR).encode())
        os._exit(0)
    os.waitpid(child, 0)
    found = os.read(reading, 4096).decode()
    os.close(reading), os.close(writing)

    assert f"-{child}-" in found
    assert found.endswith("-000001")
    assert keys._start not in found
    assert keys.new(HOUR).endswith("-000002")


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_keys_of_a_child_without_hooks_are_others(monkeypatch):
    """
    A server that forks in C runs no hook of Python's: the process id tells.
    """
    keys = Keys()
    mine = keys.new(HOUR)
    monkeypatch.setattr("os.getpid", lambda: 1)

    found = keys.new(HOUR)

    assert "-1-" in found
    assert mine.split("-")[-2] != found.split("-")[-2]


def test_key_of_a_host_with_an_odd_name_is_safe(monkeypatch):
    """
    A host may be called anything.
    """
    monkeypatch.setattr("socket.gethostname", lambda: "../a b/c")

    assert Keys(TELLING).new(HOUR).startswith("__a_b_c-")


# --- templates ---


def test_template_with_an_unlisted_field_says_how_to_list_it():
    """
    The message says what, what was expected, and what to write.
    """
    with pytest.raises(ConfigError) as caught:
        Keys("{user}/{date}.jsonl")

    assert str(caught.value) == (
        "key_template='{user}/{date}.jsonl' uses the field 'user', which"
        " records may set freely\n"
        "  expected: one of host, pid, start, date, hour, sequence, or a"
        " field listed in key_fields\n"
        '  fix: add key_fields=["user"] (values are then reduced to A-Z a-z'
        " 0-9 . _ -)"
    )


def test_template_misspelt_gets_the_nearest_name():
    """
    ``{sequense}`` was meant to be ``{sequence}``.
    """
    with pytest.raises(ConfigError, match=r"fix: write \{sequence\}"):
        Keys("{host}-{pid}-{start}-{sequense}")


@pytest.mark.parametrize("absent", ["host", "pid", "start", "sequence"])
def test_template_that_does_not_tell_objects_apart_is_refused(absent):
    """
    Each of host, process, start and number is needed.
    """
    template = TELLING.replace(f"{{{absent}}}", "x")

    with pytest.raises(
        ConfigError,
        match=rf"does not tell objects apart\n.*\n  fix: add \{{{absent}\}}",
    ):
        Keys(template)


@pytest.mark.parametrize(
    "template",
    [
        f"../{TELLING}",
        f"a/../{TELLING}",
        f"a b/{TELLING}",
        f"ü/{TELLING}",
        f"a\n{TELLING}",
        f"{{{{x}}}}/{TELLING}",
        f"{TELLING}*",
        "{host:>9}-{pid}-{start}-{sequence}",
        "{host!r}-{pid}-{start}-{sequence}",
        "{host.x}-{pid}-{start}-{sequence}",
        "{host[0]}-{pid}-{start}-{sequence}",
        "{}-{host}-{pid}-{start}-{sequence}",
        "{0}-{host}-{pid}-{start}-{sequence}",
        "{host-{pid}-{start}-{sequence}",
        "host}-{pid}-{start}-{sequence}",
        "",
        "{",
        5,
        ["a"],
    ],
)
def test_template_that_cannot_be_is_refused(template):
    """
    Ways up, other characters, formats, attributes, half braces.
    """
    with pytest.raises(ConfigError, match="key_template="):
        Keys(template)


def test_template_with_slashes_around_it_makes_no_empty_folder():
    """
    ``/a/`` is ``a``.
    """
    key = Keys(f"/a/{TELLING}/", prefix="p", suffix=".jsonl").new(HOUR)

    assert key.startswith("p/a/")
    assert "//" not in key
    assert "/.jsonl" not in key


def test_key_field_that_the_template_does_not_use_is_refused():
    """
    It would split batches for nothing.
    """
    with pytest.raises(ConfigError) as caught:
        Keys(KEY_TEMPLATE, ["model"])

    assert "key_template does not use model" in str(caught.value)
    assert 'fix: add "model={model}/" to key_template' in str(caught.value)


@pytest.mark.parametrize("name", ["host", "date", "sequence"])
def test_key_field_with_a_name_of_ours_is_refused(name):
    """
    A record cannot say which host or day it is of.
    """
    with pytest.raises(ConfigError, match=f"{name} is not a field"):
        Keys(KEY_TEMPLATE, [name])


@pytest.mark.parametrize("name", ["a.b", "a[0]", "0"])
def test_key_field_that_format_would_take_apart_works_or_is_refused(name):
    """
    It does not fail at each batch.
    """
    try:
        keys = Keys(f"{{{name}}}/{TELLING}", [name])
    except ConfigError:
        return

    assert keys.new(HOUR, ["value"]).startswith("value/")


@pytest.mark.parametrize("name", ["a-b", "a b", "größe"])
def test_key_field_with_an_odd_name_works(name):
    """
    The name of a field is no part of the key.
    """
    keys = Keys(f"{{{name}}}/{TELLING}", [name])

    assert keys.new(HOUR, ["value"]).startswith("value/")
