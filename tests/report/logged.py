"""
Logs made for the tests of reports.
"""

import json
import random

from mllog.report import open_logs
from mllog.timestamps import utc

START = 1795219200.0  # 2026-11-21T00:00:00Z


def record(number=0, **fields):
    return {
        "timestamp": utc(START + number),
        "level": "INFO",
        "logger": "serve",
        "message": "Inference complete",
        **fields,
    }


def lines(records):
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def written(path, records):
    path.write_bytes(lines(records))
    return path


def opened(tmp_path, records, **options):
    return open_logs(written(tmp_path / "a.jsonl", records), **options)


def served(count, seed=1, slower=None, **fields):
    """
    Records of a server: latencies are log-normal, one a second.

    Args:
        slower: Gives a factor for the latency of a record.
    """
    chance = random.Random(seed)
    for number in range(count):
        made = record(
            number,
            inference_latency=round(chance.lognormvariate(-3, 0.6), 6),
            model_name=chance.choice(["resnet50", "bert"]),
            model_version=chance.choice(["3", "4"]),
            batch_size=chance.choice([1, 2, 4, 8]),
            request_id=f"r{number:06d}",
            **fields,
        )
        if slower is not None:
            made["inference_latency"] *= slower(made)
        if chance.random() < 0.02:
            made["level"] = "ERROR"
        yield made
