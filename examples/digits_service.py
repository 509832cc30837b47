"""
Train two digit classifiers, serve them over HTTP, and read what was logged.

Run it with ``make demo``.  It writes to ``./logs`` and to nowhere else.
"""

from __future__ import annotations

import argparse
import json
import logging.config
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import mllog

CLIENTS = 4
VARIANTS = {"v1": "control", "v2": "candidate"}

logger = logging.getLogger("digits")
request_logger = logging.getLogger("digits.requests")


class OneIn(logging.Filter):
    """
    Of the routine records of one logger pass one in so many.
    """

    def __init__(self, logger: str, many: int) -> None:
        super().__init__(logger)
        self.turns = cycle([True] + [False] * (many - 1))

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno > logging.INFO or not super().filter(record):
            return True
        return next(self.turns)


def train(images: Any, digits: Any) -> dict[str, Any]:
    """
    Two versions of a classifier, by name: the one in use and a candidate.
    """
    models = {
        "v1": LogisticRegression(max_iter=500),
        "v2": RandomForestClassifier(n_estimators=50, random_state=0),
    }
    x, x_test, y, y_test = train_test_split(images, digits, random_state=0)
    for version, model in models.items():
        with (
            mllog.bind(model_name="digits", model_version=version),
            mllog.timed(
                logger, "Model trained", field="training_latency"
            ) as t,
        ):
            model.fit(x, y)
            t.fields["accuracy"] = model.score(x_test, y_test)
    return models


class Service(BaseHTTPRequestHandler):
    """
    Answer ``POST /v1`` and ``POST /v2`` with the digit in an image.
    """

    def __init__(self, models: dict[str, Any], *args: Any) -> None:
        self.models = models
        super().__init__(*args)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with mllog.bind(request_id=self.headers["X-Request-ID"]):
            try:
                self.reply(200, {"digit": self.infer(body)})
            except ValueError as exc:
                request_logger.warning("Bad request", extra={"why": str(exc)})
                self.reply(400, {"error": str(exc)})
            except Exception:
                request_logger.exception("Request failed")
                self.reply(500, {"error": "internal"})

    def infer(self, body: bytes) -> int:
        pixels = np.array(json.loads(body)["image"], dtype=float)
        if pixels.shape != (64,):
            raise ValueError(f"an image has 64 pixels, not {pixels.size}")
        version = self.path.removeprefix("/")
        model = self.models[version]
        with mllog.timed(
            request_logger,
            "Inference complete",
            model_name="digits",
            model_version=version,
            variant=VARIANTS[version],
        ) as t:
            scores = model.predict_proba([pixels])[0]
            digit = int(scores.argmax())
            t.fields.update(digit=digit, confidence=scores[digit])
        return digit

    def reply(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """
        Nothing: each request has its record already.
        """


def ask(port: int, images: Any, number: int) -> int:
    """
    Send one request, now and then a wrong one; give the status it got.
    """
    path = "/v2" if number % 4 == 0 else "/v1"
    image = images[number % len(images)].tolist()
    if number % 700 == 11:
        image = image[8:]  # a row is missing
    elif number == 21:
        path = "/v3"  # nobody trained it
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"X-Request-ID": str(number)}
    connection.request("POST", path, json.dumps({"image": image}), headers)
    with connection.getresponse() as response:
        response.read()
    connection.close()
    return response.status


def serve(models: dict[str, Any], images: Any, total: int) -> None:
    """
    Serve *models* on a free port while clients send *total* requests.
    """
    console = Console(stderr=True)
    with (
        ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(Service, models)
        ) as server,
        Progress(console=console, disable=not console.is_terminal) as progress,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        server.daemon_threads = False  # leaving the block waits for them
        Thread(target=server.serve_forever, args=(0.05,)).start()
        logger.info("Serving", extra={"port": server.server_port})
        try:
            answers = pool.map(
                partial(ask, server.server_port, images), range(total)
            )
            statuses = Counter(
                progress.track(answers, total, description="Requests")
            )
        finally:
            pool.shutdown(cancel_futures=True)
            server.shutdown()
    logger.info(
        "All requests answered", extra={"requests": total, "status": statuses}
    )


def report(latency: mllog.LatencyCSVHandler) -> None:
    """
    Show the files, the beginning of two of them, and the percentiles.
    """
    latency.flush()  # writes the summaries
    folder = Path(os.path.relpath(latency.baseFilename)).parent
    plain: Any = {"box": SIMPLE, "collapse_padding": True, "pad_edge": False}
    files = Table("file", "bytes", "lines", **plain)
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        files.add_row(str(path), f"{len(data):,}", f"{data.count(10):,}")
    times = Table(
        *latency.labels, "count", "p50", "p90", "p99", "max", **plain
    )
    for labels, found in latency.summary().items():
        seconds = (found.p50, found.p90, found.p99, found.max)
        times.add_row(
            *labels, str(found.count), *(f"{s * 1000:.2f}" for s in seconds)
        )
    for table, left in (files, 1), (times, len(latency.labels)):
        for column in table.columns[left:]:
            column.justify = "right"

    console = Console(soft_wrap=True, highlight=False)
    lines = (folder / "inference.jsonl").read_text().splitlines()
    rows = (folder / "latency.csv").read_text().splitlines()
    console.print("\n[bold]What was written", files)
    console.print("[bold]A line of inference.jsonl\n")
    console.print_json(lines[-2:][0], indent=None)
    console.print("\n[bold]The first rows of latency.csv\n")
    console.print(*rows[:4], sep="\n")
    console.print("\n[bold]Milliseconds of one inference", times)


def main() -> None:
    """
    Configure, train, serve, report.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4000)
    total = parser.parse_args().requests

    config = mllog.preset("inference")
    config["filters"] = {
        "sample": {"()": OneIn, "logger": request_logger.name, "many": 299}
    }
    config["handlers"]["console"]["filters"] = ["sample"]
    logging.config.dictConfig(config)

    images, digits = load_digits(return_X_y=True)
    serve(train(images, digits), images, total)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, mllog.LatencyCSVHandler):
            report(handler)


if __name__ == "__main__":
    main()
