"""
Records of inferences, right ones and others, for several test modules.
"""

from __future__ import annotations

import logging

import hostile
from hypothesis import strategies as st

FIELDS = {
    "inputs": [5.1, 3.5, 1.4],
    "predictions": [0],
    "model_name": "iris",
    "model_version": 3,
    "serving_id": 7,
    "request_id": "req-1",
    "request_time": 1795243512.2504,
}


def record_of(exc_info=None, **fields):
    return logging.getLogger("x").makeRecord(
        "app",
        logging.INFO,
        "/app/serve.py",
        12,
        "Inference complete",
        (),
        exc_info,
        "predict",
        fields,
    )


RIGHT = {
    "inputs": hostile.VALUES,
    "predictions": hostile.VALUES,
    "feedback": st.one_of(st.none(), st.none(), hostile.VALUES),
    "model_name": st.sampled_from(["iris", "\ud800", "é😀"]),
    "model_version": st.one_of(
        st.integers(-(2**31), 2**31 - 1), st.sampled_from(["3", "007"])
    ),
    "serving_id": st.integers(0, 2**31 - 1),
    "request_id": st.text(st.characters(), min_size=1, max_size=40),
    "request_time": st.one_of(st.none(), st.floats(0, 253402300000)),
    "status_code": st.sampled_from([200, 404, 503]),
    "inference_latency": st.floats(0, 100),
    "error": st.sampled_from(["", "ValueError: wrong", "\ud800"]),
}


def some_fields():
    """
    What a record may have in the fields that count: right but for one or two.
    """
    return st.builds(
        lambda right, wrong: {**right, **wrong},
        st.fixed_dictionaries(RIGHT),
        st.dictionaries(
            st.sampled_from(list(RIGHT)),
            st.one_of(st.none(), hostile.VALUES),
            max_size=2,
        ),
    )
