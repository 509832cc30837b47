"""
Names as Prometheus has them, out of whatever a field is called.
"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.errors import ConfigError
from mllog.exposition.names import base_name, help_of, label_names, valid
from mllog.metrics.metric import Metric


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (Metric("inference_latency"), "inference_latency_seconds"),
        (Metric("memory_bytes"), "memory_bytes"),
        (Metric("input_tokens"), "input_tokens"),
        (Metric("train/loss", "gauge"), "train_loss"),
        (Metric("llm.ttft", "histogram", unit="ms"), "llm_ttft_seconds"),
        (Metric("queue_ms", "histogram", unit="ms"), "queue_seconds"),
        (Metric("cpu_percent", "gauge", unit="percent"), "cpu_ratio"),
        (Metric("speed", "gauge", unit="tokens/s"), "speed_tokens_per_second"),
        (Metric("hits_total", "counter"), "hits"),
        (Metric("sent", "counter", unit="kB"), "sent_bytes"),
        (Metric("x", "gauge", name="depth"), "depth"),
        (Metric("x", "gauge", reduce="mean"), "x_mean"),
        (
            Metric("text", "histogram", reduce="string_length"),
            "text_string_length",
        ),
        (Metric("3d loss", "gauge"), "_3d_loss"),
        (Metric("größe", "gauge"), "gr__e"),
    ],
)
def test_name_has_the_base_unit_and_only_valid_characters(metric, name):
    """
    The name of a family is what Prometheus' own rules ask for.
    """
    assert name == base_name(metric)
    assert f"my_{name}".replace("my__3", "my_3") == base_name(metric, "my_")


@given(st.text())
def test_name_of_anything_is_valid(text):
    """
    Whatever a field is called, there is a name, of bounded length.
    """
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,200}", valid(text))


def test_labels_have_valid_names_that_are_their_own():
    """
    What Prometheus reserves is renamed.
    """
    assert ("http_method", "le_", "quantile_", "label__x") == label_names(
        ["http.method", "le", "quantile", "__x"]
    )


def test_labels_of_the_same_name_are_refused():
    """
    Two labels that Prometheus cannot tell apart are an error.
    """
    with pytest.raises(ConfigError, match="a_b"):
        label_names(["a.b", "a_b"])


def test_help_is_one_printable_line():
    """
    A field with a surrogate in its name has a help text that can be sent.
    """
    said = help_of(Metric("lo\ud800ss\n", "gauge"))

    assert "Lo_ss_" == said
    assert "Mean of image" == help_of(Metric("image", "gauge", reduce="mean"))
