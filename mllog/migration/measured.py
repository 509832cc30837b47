"""
What steps, metrics, latencies and units are called.
"""

from __future__ import annotations

from typing import Final

from ..fields import VOCABULARY

__all__ = ["LATENCIES", "MEASURES", "STEPS", "UNITS"]

# The first of them is the x axis; the others are fields of their own names.
STEPS: Final = (
    "global_step",
    "step",
    "iteration",
    "iter",
    "it",
    "round",
    "epoch",
    "batch",
)
MEASURES: Final = frozenset(
    [
        "acc",
        "accuracy",
        "auc",
        "auroc",
        "bleu",
        "cer",
        "confidence",
        "dice",
        "entropy",
        "f1",
        "fid",
        "fps",
        "kl",
        "latency",
        "loss",
        "lr",
        "mae",
        "mape",
        "mse",
        "norm",
        "perplexity",
        "ppl",
        "precision",
        "psnr",
        "r2",
        "rate",
        "recall",
        "reward",
        "rmse",
        "rouge",
        "score",
        "ssim",
        "throughput",
        "top1",
        "top5",
        "wer",
    ]
)
LATENCIES: Final = {
    "latency": "inference_latency",
    "inference": "inference_latency",
    "inference_time": "inference_latency",
    "prediction_time": "inference_latency",
    "predict_time": "inference_latency",
    "request_time": "request_latency",
    "response_time": "request_latency",
    "preprocess_time": "preprocess_latency",
    "preprocessing_time": "preprocess_latency",
    "postprocess_time": "postprocess_latency",
    "postprocessing_time": "postprocess_latency",
    "queue_time": "queue_latency",
    "wait_time": "queue_latency",
    "load_time": "load_latency",
    "loading_time": "load_latency",
    "model_load_time": "load_latency",
    "step_time": "step_latency",
    "batch_time": "step_latency",
    "iteration_time": "step_latency",
    "ttft": "time_to_first_token",
    "tpot": "time_per_output_token",
    **{
        name: name
        for name, each in VOCABULARY.items()
        if each.unit == "seconds"
    },
}
UNITS: Final = {
    "s": "s",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "ms": "ms",
    "msec": "ms",
    "millis": "ms",
    "milliseconds": "ms",
    "us": "us",
    "µs": "us",
    "microseconds": "us",
    "min": "min",
    "minutes": "min",
}
