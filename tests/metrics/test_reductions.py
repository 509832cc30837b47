"""
What a metric makes of a raw value: numbers out of images, texts and scores.
"""

import math
import warnings

import numpy as np
import pytest
from hostile import RaisingEverything

from mllog.errors import ConfigError
from mllog.metrics.reductions import REDUCTIONS, numeric, reduction_of


class Scalar:
    """
    What a tensor of torch looks like from outside.
    """

    def __init__(self, value, shape=()):
        self._value, self.shape = value, shape
        self.dtype, self.device = "torch.float32", "cuda:0"

    def item(self):
        return self._value


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (np.float32(0.5), 0.5),
        (Scalar(0.25), 0.25),
        (Scalar(0.25, (1,)), 0.25),
        (Scalar(0.25, (1, 1)), 0.25),
        (np.array([2.0]), 2.0),
        (Scalar(0.25, (2,)), None),
        (np.array([1.0, 2.0]), None),
        (np.array([]), None),
        (np.array([True]), None),
        (True, None),
        ("1e3", None),
        (None, None),
        ([1.0], None),
    ],
)
def test_numeric_takes_numbers_and_arrays_of_one(value, number):
    """
    Scalars and arrays of one element are numbers; bools and text are not.
    """
    assert number == numeric(value)


def test_numeric_survives_an_object_that_raises_at_everything():
    """
    It is no number.
    """
    assert numeric(RaisingEverything()) is None


IMAGE = np.zeros((4, 6, 3))
IMAGE[:, :, 1] = 2.0
IMAGE[0, 0, 2] = 24.0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("mean", [1, 2, 3], 2.0),
        ("std", [1, 3], 1.0),
        ("min", np.array([[3, 1], [2, 5]]), 1.0),
        ("max", np.array([[3, 1], [2, 5]]), 5.0),
        ("sum", [1, 2, 3], 6.0),
        ("average", [1, 2, 3], 2.0),
        ("each", [1, 2], [1, 2]),
        ("count", object(), 1.0),
        ("length", [4, 5, 6], 3.0),
        ("fraction_zeros", [0, 0, 1, 2], 0.5),
        ("shape", IMAGE, {"channels": 3, "dim_0": 4, "dim_1": 6}),
        (
            "image_shape",
            np.zeros((8, 3, 32, 16)),
            {"channels": 3, "dim_0": 32, "dim_1": 16},
        ),
        ("shape", np.zeros((5, 7)), {"dim_0": 5, "dim_1": 7}),
        (
            "mean_per_channel",
            IMAGE,
            {"channel_0": 0.0, "channel_1": 2.0, "channel_2": 1.0},
        ),
        (
            "std_pixels_per_channel",
            IMAGE[:, :, :1],
            {"channel_0": 0.0},
        ),
        (
            "mean_per_channel",
            np.ones((2, 1, 4, 4)),
            {"channel_0": 1.0},
        ),
        ("predicted_class", "cat", {"cat": 1}),
        ("predicted_class", 7, {7: 1}),
        ("predicted_classes", ["cat", "dog", "cat"], {"cat": 2, "dog": 1}),
        ("predicted_class", np.array([0.1, 0.7, 0.2]), {1: 1}),
        ("predicted_class", np.array([[0.1, 0.9], [0.8, 0.2]]), {1: 1, 0: 1}),
        ("predicted_class", np.array([3, 3, 4]), {3: 2, 4: 1}),
        ("top_score", [0.1, 0.7, 0.2], 0.7),
        ("top_score", [[0.1, 0.9], [0.8, 0.2]], [0.9, 0.8]),
        ("predicted_top_score", {"cat": 0.9, "dog": 0.1}, 0.9),
        ("top_score", 0.6, 0.6),
        ("detected_classes", [["a", "b"], [None], ["a"]], {"a": 2, "b": 1}),
        ("number_detected_objects", [["a", "b"], [None], []], [2, 0, 0]),
        ("number_of_detections", ["a", "b"], 2.0),
        ("mean_score", [[0.5, 1.0], [None]], [0.75, 0.0]),
        ("std_score_per_detection", [[0.5, 1.5]], [0.5]),
        ("string_length", "four", 4.0),
        ("string_length", ["a", "bcd"], [1.0, 3.0]),
        ("unknown_tokens", "the [UNK] cat [UNK]", 0.5),
        ("percent_unknown_tokens", [["a", "<unk>"], ["b"]], [0.5, 0.0]),
        ("unknown_tokens", "", 0.0),
        ("answer_found", "Paris", 1.0),
        ("answer_found", "", 0.0),
        ("zero_labels", ["O", "B-PER", "O", "O"], 0.75),
        ("percent_zero_labels", ["LABEL_0", "LABEL_3"], 0.5),
    ],
)
def test_reduction_gives_what_its_name_says(name, value, expected):
    """
    Each reduction, by its name and by DeepSparse's, gives these numbers.
    """
    function = reduction_of("reduce", name).function

    assert expected == function(value)


def test_reduction_of_channels_needs_an_image():
    """
    What has no channels raises, which the meter counts.
    """
    with pytest.raises(ValueError, match="no image"):
        REDUCTIONS["mean_per_channel"].function(np.zeros((5, 7)))


def test_reduction_of_your_own_is_found_by_its_dotted_name():
    """
    A dotted name gives the function, which may give several parts.
    """
    found = reduction_of("reduce", "math.sqrt")

    assert ("sqrt", math.sqrt, "part") == found[:3]


@pytest.mark.parametrize(
    "value",
    [
        np.clongdouble(1 + 2j),
        np.array([1 + 2j]),
        ["1.5", "2.5"],
        np.array(["2026-11-21"], dtype="M8[s]"),
    ],
)
def test_mean_of_what_has_no_numbers_raises_and_warns_of_nothing(value):
    """
    No half of a complex number is measured, and no text that looks like one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match="has no numbers"):
            REDUCTIONS["mean"].function(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("meen", "write mean"),
        ("math.nothing", "dotted name"),
        ("math.pi", "a function"),
        (3, "a function"),
    ],
)
def test_reduction_that_is_none_is_refused(value, said):
    """
    The error says what is near, or what was expected.
    """
    with pytest.raises(ConfigError, match=said):
        reduction_of("reduce", value)


def test_reduction_takes_a_tensor_from_its_device():
    """
    A tensor that is elsewhere and needs gradients is brought here first.
    """
    array = np.array([1.0, 3.0])

    class Tensor:
        dtype = "torch.float32"

        def detach(self):
            return self

        def cpu(self):
            return array

    assert 2.0 == REDUCTIONS["mean"].function(Tensor())
