"""
The recipe of vLLM: its own way to configure logging, without its engine.
"""

import csv
import importlib.util
import json
import logging
import logging.config
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from servers.running import free_ports
from servers.service import ROOT, ask_all, wait_until

FILE = ROOT / "presets" / "frameworks" / "vllm" / "logging.json"
RECORDS = "logs/vllm.jsonl"

# the part of `vllm serve` that is about logging, by vLLM's own functions
SERVER = """
import sys
from argparse import Namespace

import uvicorn
from fastapi import FastAPI, HTTPException
from vllm.config.logging import LoggingConfig
from vllm.entrypoints.serve.middleware.register import (
    init_entrypoints_middleware,
)
from vllm.logger import configure_logging, init_logger
import json

config = LoggingConfig()
configure_logging(config)
logger = init_logger("vllm.entrypoints.openai.api_server")
app = FastAPI()


@app.post("/v1/completions")
def complete(prompt: dict):
    logger.info("Received request")
    lengths = prompt["instances"]
    if not lengths:
        raise HTTPException(400, "no prompt")
    if min(lengths) < 0:
        try:
            raise ValueError("the engine\\nbroke")
        except ValueError:
            logger.exception("EngineCore failed")
            raise HTTPException(500, "the engine broke")
    return {"choices": []}


init_entrypoints_middleware(
    Namespace(
        allowed_origins=["*"], allow_credentials=False, allowed_methods=["*"],
        allowed_headers=["*"], api_key=None, enable_request_id_headers=False,
        middleware=["mllog.integrations.asgi.AccessMiddleware"],
    ),
    app,
    (),
)
configure_logging(config)  # the engine does so once more
with open(config.pylogging_config_file) as file:
    log_config = json.load(file)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=log_config)
"""


def records(folder):
    lines = (folder / RECORDS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_file_takes_the_place_of_what_vllm_configured(tmp_path, monkeypatch):
    """
    Loggers of vLLM and uvicorn that had handlers write to ours, once.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("vllm", "uvicorn", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(logging.DEBUG)
        logger.propagate = False

    for _ in range(2):  # vLLM, and then uvicorn, which is given the same
        logging.config.dictConfig(json.loads(FILE.read_text()))
    names = ("vllm", "vllm.v1.engine.core", "uvicorn.error")
    for name in names:
        logging.getLogger(name).info("said by %s", name)
    logging.getLogger("vllm.v1").debug("not said")
    logging.getLogger("uvicorn.access").info("not said")

    assert list(names) == [each["logger"] for each in records(tmp_path)]


@pytest.mark.frameworks
@pytest.mark.timeout(300)
def test_requests_to_vllm_have_one_record_each(tmp_path, missing):
    """
    By vLLM's functions that configure logging and add middlewares.
    """
    for name in ("vllm", "torch"):
        if importlib.util.find_spec(name) is None:
            missing(name, "make test-frameworks installs it")
    (tmp_path / "logging.json").write_bytes(FILE.read_bytes())
    (port,) = free_ports(1)
    log = tmp_path / "output.txt"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port)],
            cwd=tmp_path,
            env={**os.environ, "VLLM_LOGGING_CONFIG_PATH": "logging.json"},
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(
            lambda: "running on" in log.read_text() or process.poll(),
            "the server is up",
            120,
        )
        assert process.poll() is None, log.read_text()
        url = f"http://127.0.0.1:{port}/v1/completions"
        sent = ask_all(url, [[1.0], [1.0], [], [-1.0]] * 50)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    assert Counter({200: 100, 400: 50, 500: 50}) == Counter(
        each.status for each in sent
    )
    found = records(tmp_path)
    by_logger = {
        name: [each for each in found if each["logger"] == name]
        for name in ("mllog.access", "vllm.entrypoints.openai.api_server")
    }
    ids = sorted(each.request_id for each in sent)
    access, own = by_logger.values()
    assert ids == sorted(each["request_id"] for each in access)
    assert Counter(INFO=100, WARNING=50, ERROR=50) == Counter(
        each["level"] for each in access
    )
    assert {"/v1/completions"} == {each["route"] for each in access}
    failed = [each for each in own if each["level"] == "ERROR"]
    assert (250, 50) == (len(own), len(failed))
    assert ids == sorted(
        each["request_id"]
        for each in own
        if each["message"] == "Received request"
    )
    for each in failed:
        assert each["exception"]["traceback"].endswith(
            "ValueError: the engine\nbroke"
        )
    assert all("vllm_process_name" in each for each in own)
    assert 1 == sum("running on" in each["message"] for each in found)
    with open(tmp_path / "logs" / "latency.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter({"200": 100, "400": 50, "500": 50}) == Counter(
        each["status_code"] for each in rows
    )
    assert (tmp_path / "logs" / "latency.summary.csv").exists()
    # the console has the same lines, and nothing beside them
    lines = log.read_text().splitlines()
    assert len(found) == sum(line.startswith("{") for line in lines)


def test_example_of_prompts_is_a_class_that_takes_an_app(
    tmp_path, monkeypatch
):
    """
    What the page says of payloads works with what vLLM does: cls(app).
    """
    page = (ROOT / "docs" / "how-to" / "vllm.md").read_text()
    code = page.split("<!-- file: payloads.py -->\n```python\n")[1]
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "payloads.py").write_text(code.split("```")[0])

    module = importlib.import_module("payloads")

    assert isinstance(module.Payloads, type)
    assert callable(module.Payloads(lambda *_: None))
    sys.modules.pop("payloads")
