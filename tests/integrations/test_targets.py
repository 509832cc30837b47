"""
Rules: DeepSparse's notation of targets, functions and frequencies.
"""

import types

import numpy as np
from ids import as_id
import pytest

from mllog.errors import ConfigError
from mllog.integrations.targets import GROUPS, Rule, rules_from
from mllog.metrics.groups import GROUPS as OURS


@pytest.mark.parametrize(
    ("target", "identifier", "takes"),
    [
        ("foo/bar", "foo/bar", True),
        ("foo/bar.baz[0]", "foo/bar", True),
        ("bar", "foo/bar/alice", True),
        ("bar", "foo/bar", True),
        ("bar.scores", "foo/bar", True),
        ("", "anything", True),
        ("bar", "foo/barn", False),
        ("foo/bar", "bar", False),
        ("ba", "foo/bar", False),
        ("re:.*latency", "a/prediction_latency/x_seconds", True),
        ("re:latency", "a/latency", False),
    ],
)
def test_target_takes_identifiers_as_in_deepsparse(target, identifier, takes):
    """
    Whole parts of an identifier count, or a regular expression from its start.
    """
    assert Rule(target, "identity").takes(identifier) is takes


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", {"key": [[1, 2], [3, 4]]}),
        ("['key']", [[1, 2], [3, 4]]),
        ("[key][0]", [1, 2]),
        (".key", [[1, 2], [3, 4]]),
        ('["key"][1,0]', 3),
        ("['key'][0:1]", [[1, 2]]),
        ("['key'][-1][-1]", 4),
    ],
)
def test_path_leads_to_a_part_of_the_value(path, expected):
    """
    Attributes, keys, indexes and slices, one after the other.
    """
    rule = Rule(f"outputs{path}", "identity")

    assert rule.made({"key": [[1, 2], [3, 4]]}) == expected


def test_path_of_attributes_and_the_name_of_the_result():
    """
    The name has attributes and the function, and no brackets.
    """
    value = types.SimpleNamespace(scores=[0.25, 0.75])
    rule = Rule("ic/pipeline_outputs.scores[1]", "max")

    assert rule.made(value) == 0.75
    assert rule.name("ic/pipeline_outputs") == (
        "ic/pipeline_outputs.scores__max"
    )


@pytest.mark.parametrize(
    ("func", "expected"),
    [
        ("identity", [1.0, 3.0]),
        ("mean", 2.0),
        ("average", 2.0),
        ("np.mean", 2.0),
        ("numpy.max", 3.0),
        ("statistics.fmean", 2.0),
    ],
)
def test_function_is_found_by_any_of_its_names(func, expected):
    """
    DeepSparse's, mllog's, a framework's or one of your own.
    """
    made = Rule("a", func).made([1.0, 3.0])

    assert np.array_equal(made, expected)


def test_function_of_a_file_is_loaded(tmp_path):
    """
    ``file.py:function`` is DeepSparse's way of naming one of your own.
    """
    path = tmp_path / "own.py"
    path.write_text("def double(value):\n    return 2 * value\n")

    assert Rule("a", f"{path}:double").made(4) == 8
    with pytest.raises(ConfigError, match="func"):
        Rule("a", f"{path}:treble")
    with pytest.raises(ConfigError, match="func"):
        Rule("a", f"{tmp_path}/none.py:double")


def test_frequency_takes_the_first_and_then_each_so_many():
    """
    The first value counts, as in DeepSparse.
    """
    rule = Rule("a", "mean", 3)

    assert [rule.is_due() for _ in range(7)] == [
        True,
        False,
        False,
        True,
        False,
        False,
        True,
    ]


def test_predefined_group_stands_for_its_rules():
    """
    ``<endpoint>/predefined``, and without an endpoint, which there fails.
    """
    found = rules_from(
        "data_logging",
        {"ic/predefined": [{"func": "image_classification", "frequency": 2}]},
    )
    bare = rules_from(
        "data_logging", {"predefined": [{"func": "image_classification"}]}
    )

    assert [each.func for each in found] == [
        "image_shape",
        "mean_pixels_per_channel",
        "std_pixels_per_channel",
        "fraction_zeros",
        "predicted_classes",
        "predicted_top_score",
    ]
    assert found[0].takes("ic/pipeline_inputs")
    assert not found[0].takes("other/pipeline_inputs")
    assert bare[0].takes("other/pipeline_inputs")


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_each_group_can_be_made(group):
    """
    All functions that a group names exist, and mllog has the group too.
    """
    rules = rules_from("data_logging", {"predefined": [{"func": group}]})

    assert rules
    assert GROUPS.keys() == OURS.keys()


@pytest.mark.parametrize(
    "given",
    [
        3,
        {"a": "mean"},
        {"a": [{"func": "meen"}]},
        {"a": [{}]},
        {"a": [{"func": "mean", "frequency": 0}]},
        {"a": [{"func": "mean", "freq": 2}]},
        {"a": [{"func": "np.no_such"}]},
        {"a[": [{"func": "mean"}]},
        {"re:(": [{"func": "mean"}]},
        {"predefined": [{"func": "mean"}]},
    ],
    ids=as_id,
)
def test_wrong_rules_raise_config_error(given):
    """
    What cannot work is said when the logger is made.
    """
    with pytest.raises(ConfigError):
        rules_from("data_logging", given)
