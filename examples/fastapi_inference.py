"""
Serve a model with FastAPI, and log each request with its inputs and predictions.

Run it with ``python examples/fastapi_inference.py``; it needs FastAPI, uvicorn
and nothing else.  It asks itself a few questions, writes one JSON line for
each record to stdout, and ends.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

import mllog
from mllog.integrations.asgi import InferenceMiddleware

logger = logging.getLogger("iris")

SPECIES = ("setosa", "versicolor", "virginica")


class Question(BaseModel):
    """
    Petal lengths in centimetres, one for each flower.
    """

    instances: list[float]


app = FastAPI()
app.add_middleware(
    InferenceMiddleware,
    logger=logger,
    model="iris",
    version=3,
    paths=["/predict", "/explain"],
)


def classify(lengths: list[float]) -> list[str]:
    """
    The species of each flower.
    """
    logger.info("Classifying", extra={"batch_size": len(lengths)})
    return [SPECIES[(x > 2.5) + (x > 4.9)] for x in lengths]


@app.post("/predict")
def predict(question: Question) -> dict[str, list[str]]:
    """
    Answer, or refuse what nobody measures.
    """
    if not question.instances:
        raise HTTPException(400, "no flowers")
    return {"predictions": classify(question.instances)}


@app.post("/explain")
async def explain(question: Question) -> StreamingResponse:
    """
    Answer word by word.
    """

    async def words() -> AsyncIterator[str]:
        for species in classify(question.instances):
            yield f"It is {species}. "

    return StreamingResponse(words(), media_type="text/plain")


def ask(address: str, path: str, instances: list[float]) -> None:
    """
    Send one request.
    """
    request = urllib.request.Request(
        address + path,
        data=json.dumps({"instances": instances}).encode(),
        headers={"content-type": "application/json"},
    )
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as refused:
        refused.close()


def main() -> None:
    """
    Serve on a free port, ask, and stop.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(mllog.JSONFormatter())
    handler.addFilter(mllog.ContextFilter())  # what is bound: request_id
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    address = "http://127.0.0.1:%d" % listening.getsockname()[1]
    ask(address, "/predict", [1.4, 4.7, 6.0])
    ask(address, "/explain", [1.4])
    ask(address, "/predict", [])
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main()
