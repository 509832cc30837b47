"""
Names: what is ours keeps its name, and no value takes another's.
"""

import json
import logging

import hostile
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mllog
from mllog.fields import RECORD_ATTRIBUTES, distinct
from mllog.formatters.ecs import ECS_KEYS, ECS_NAMES, distinct_paths
from mllog.formatters.structured_data import StructuredData

OURS = {
    "own": {"level": "ERROR", "logger": "app", "message": "m"},
    "ecs": {"log.level": "error", "log.logger": "app", "message": "m"},
    "fmt": {"levelname": "ERROR", "name": "app", "message": "m"},
}
OPTIONS = {
    "own": {},
    "ecs": {"schema": "ecs"},
    "fmt": {"fmt": "%(levelname)s %(name)s %(message)s"},
}
# names that somebody gives a field, or renames one to
NAMES = sorted(
    {
        *mllog.fields.OUR_KEYS,
        *ECS_KEYS,
        *ECS_NAMES,
        *ECS_NAMES.values(),
        *(name.partition(".")[0] for name in ECS_KEYS),
        *("severity", "loss", "loss_", "event", "event.duration", "error.x"),
        *("message.x", "log.level.x", "level_", "service", "http", "a", "a.b"),
        *("exc_info", "stack_info", "formatter_error", "@t"),
    }
    - RECORD_ATTRIBUTES
    | {"message"}
)
RENAMES = ["severity", "level_", "loss", "log.severity", "error", "x.y"]


def record_of(fields, exc_info=None):
    record = logging.makeLogRecord(
        {"msg": "m", "name": "app", "levelname": "ERROR", "exc_info": exc_info}
    )
    record.__dict__.update(fields)
    return record


def values_in(line):
    return [repr(value) for value in line.values()]


def clashes_in(line):
    """
    Names that are a value and an object at once, as Elasticsearch sees it.
    """

    def paths(value, name):
        if not isinstance(value, dict):
            return [name]
        return [
            path
            for key, inner in value.items()
            for path in paths(inner, f"{name}.{key}" if name else key)
        ]

    found = paths(line, "")
    return [one for one in found if found.count(one) > 1] + [
        one for one in found for two in found if two.startswith(f"{one}.")
    ]


@pytest.mark.parametrize("layout", OPTIONS)
@given(
    names=st.lists(st.sampled_from(NAMES), unique=True, max_size=8),
    static=st.lists(st.sampled_from(NAMES), unique=True, max_size=3),
    renamed=st.dictionaries(
        st.sampled_from(
            [*OURS["own"], *OURS["ecs"], *OURS["fmt"], "exception", "loss"]
        ),
        st.sampled_from(RENAMES),
        max_size=2,
    ),
    fails=st.booleans(),
    time=st.sampled_from([False, True, "@t", "severity_at"]),
)
@settings(max_examples=settings().max_examples // 3)
@example(["severity"], [], {"level": "severity"}, False, False)
@example(["error", "log", "event", "trace_id", "trace"], [], {}, True, False)
def test_line_holds_every_value_and_ours_by_their_names(
    layout, names, static, renamed, fails, time
):
    """
    In every layout, after renaming: ours under their names, all others there.
    """
    names = [name for name in names if name != "message"]
    fields = {name: f"of {name}" for name in names}
    constants = {name: f"static {name}" for name in static}
    try:
        formatter = mllog.JSONFormatter(
            static_fields=constants,
            rename_fields=renamed,
            timestamp=time,
            **OPTIONS[layout],
        )
    except mllog.ConfigError as exc:  # two of ours would have one name
        assert "rename_fields" in str(exc)
        return
    info = hostile.failed_with(KeyError("k")) if fails else None

    line = hostile.strict(formatter.format_bytes(record_of(fields, info)))

    for key, value in OURS[layout].items():
        assert line[renamed.get(key, key)] == value
    there = values_in(line)
    for value in (*fields.values(), *constants.values()):
        assert repr(value) in there
    assert ("KeyError" in json.dumps(line)) is fails
    if layout == "ecs":
        assert clashes_in(line) == []


@pytest.mark.parametrize("layout", OPTIONS)
def test_static_field_keeps_its_name_before_one_of_the_record(layout):
    """
    A constant is not displaced by a record, and displaces no key of ours.
    """
    key = next(iter(OURS[layout]))
    formatter = mllog.JSONFormatter(
        static_fields={"stage": "prod", key: "x"}, **OPTIONS[layout]
    )

    line = json.loads(formatter.format(record_of({"stage": "mine"})))

    assert (line["stage"], line["stage_"]) == ("prod", "mine")
    assert line[key] == OURS[layout][key]
    assert line[f"{key}_"] == "x"


@pytest.mark.parametrize("layout", OPTIONS)
def test_default_is_only_for_what_is_missing(layout):
    """
    A default gives way to the field, and to a static field.
    """
    formatter = mllog.JSONFormatter(
        defaults={"a": 0, "b": 0, "c": 0},
        static_fields={"c": 1},
        **OPTIONS[layout],
    )

    line = json.loads(formatter.format(record_of({"b": 1})))

    assert [line[name] for name in "abc"] == [0, 1, 1]
    assert "b_" not in line


def test_default_fills_what_fmt_asks_for():
    """
    So it does where fmt names the field.
    """
    formatter = mllog.JSONFormatter("%(a)s %(b)s", defaults={"a": 0})

    assert json.loads(formatter.format(record_of({"b": 1}))) == {
        "a": 0,
        "b": 1,
    }


def test_dict_and_extra_of_one_name_are_both_kept():
    """
    A dict that is logged does not lose an entry to extra=.
    """
    for options in OPTIONS.values():
        record = record_of({"loss": "extra"})
        record.msg = {"loss": "dict", "message": "own"}

        line = json.loads(mllog.JSONFormatter(**options).format(record))

        assert {line["loss"], line["loss_"]} == {"extra", "dict"}
        assert "own" in line.values()


@pytest.mark.parametrize(
    "options",
    [
        {"rename_fields": {"level": "message"}},
        {"rename_fields": {"level": "x", "logger": "x"}},
        {"rename_fields": {"mllog_truncated": "cut"}},
        {"rename_fields": {"level": "nonfinite"}},
        {"schema": "ecs", "rename_fields": {"log.level": "log"}},
        {"schema": "ecs", "rename_fields": {"message": "error.type"}},
        {
            "fmt": "%(levelname)s %(name)s",
            "rename_fields": {"name": "levelname"},
        },
    ],
    ids=str,
)
def test_rename_that_makes_two_of_ours_one_is_refused(options):
    """
    Two keys of ours with one name are a ConfigError.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        mllog.JSONFormatter(**options)

    assert "rename_fields" in str(caught.value)


FIELD_NAMES = st.lists(
    st.sampled_from(["a", "b", "a_", "x"]), min_size=1, max_size=3
).map(".".join)
VALUES = st.recursive(
    st.integers(),
    lambda inner: st.dictionaries(FIELD_NAMES, inner, min_size=1, max_size=3),
    max_leaves=4,
)


@given(
    ours=st.dictionaries(
        st.sampled_from(["a.b", "b.a.b", "x"]), st.integers()
    ),
    others=st.lists(st.tuples(FIELD_NAMES, VALUES), max_size=5),
)
def test_paths_of_a_document_are_never_value_and_object(ours, others):
    """
    Fields of any names and depth give a document that Elasticsearch takes.
    """
    line = distinct_paths(ours, others, {})

    assert len(line) == len(ours) + len(others)
    assert {**line, **ours} == line
    flat = {name for name, value in line.items() if type(value) is not dict}
    assert not [a for a in flat for b in line if b.startswith(f"{a}.")]


def test_paths_of_mappings_that_share_others_take_no_time():
    """
    A small mapping may stand for more paths than there is time for.
    """
    shared = {"k": 1}
    for _ in range(64):
        shared = {"a": shared, "b": shared}

    assert distinct_paths({"x": 1}, [("f", shared)], {})["f"] is shared


@given(
    ours=st.dictionaries(st.sampled_from("ab"), st.integers()),
    others=st.lists(
        st.tuples(st.sampled_from(["a", "a_", "b"]), st.integers())
    ),
    last=st.dictionaries(st.sampled_from(["b", "c", "a_"]), st.integers()),
)
def test_distinct_loses_nothing(ours, others, last):
    """
    As many values as were given, but where ours and last are the same key.
    """
    found = distinct(ours, others, last)

    assert len(found) == len({*ours, *last}) + len(others)
    assert {**found, **{**ours, **last}} == found


@pytest.mark.parametrize("make", [mllog.extra, mllog.fields.renamed])
def test_extra_name_beside_its_renamed_form_keeps_both(make):
    """
    extra(name=…, name_=…) loses neither.
    """
    if make is mllog.extra:
        found = mllog.extra(name="a", name_="b", loss=1)
    else:
        found = make({"name": "a", "name_": "b", "loss": 1})

    assert found == {"name_": "b", "loss": 1, "name__": "a"}


def test_structured_data_has_a_parameter_for_each_field():
    """
    Names that syslog reduces to one stay distinct.
    """
    fields = {"a b": 1, "a=b": 2, "a_b": 3, "é": 4, "x" * 40: 5, "x" * 41: 6}
    fields |= {"mllog_truncated": 7, "metrics": {"l": 8}, "metrics.l": 9}

    text = StructuredData("e@1", 9999).of(record_of(fields))

    names = [part.partition("=")[0] for part in text[1:-1].split(" ")[1:]]
    assert len(set(names)) == len(names) == 9
    assert all(f'"{number}"' in text for number in range(1, 10))


def test_mlperf_keeps_its_own_metadata():
    """
    A field called like metadata of ours is kept under another name.
    """
    names = ("file", "lineno", "exception", "stack", "level", "value_")
    record = record_of(
        {name: f"of {name}" for name in names},
        hostile.failed_with(KeyError("k")),
    )
    record.stack_info = "Stack"
    record.msg = "two words"

    line = mllog.MLPerfFormatter().format(record)

    found = json.loads(line.removeprefix(":::MLLOG "))["metadata"]
    assert found["exception"]["type"] == "KeyError"
    assert (found["stack"], found["level"]) == ("Stack", "ERROR")
    for name in names:
        assert f"of {name}" in found.values()
