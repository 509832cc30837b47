"""
The recipe of KServe: a real model server, with one process and with workers.
"""

import importlib.util
from collections import Counter

import pytest
import scraping
from servers.running import free_ports
from servers.service import (
    Service,
    ask_all,
    asking,
    check_each_has_one_record,
    end,
    mixed,
    wait_until,
    workers_of,
)

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(300)]

STARTED = "Application startup complete."
LATENCIES = (
    'inference_latency_seconds_count{model_name="iris",model_version="3"}'
)


@pytest.fixture(name="start")
def _start(tmp_path, missing):
    if importlib.util.find_spec("kserve") is None:
        missing("kserve", "make test-frameworks installs it")
    (port,) = free_ports(1)

    def make(*options, **environment):
        url = f"http://127.0.0.1:{port}"
        service = Service(
            "kserve",
            tmp_path,
            [
                "model.py",
                "--log_config_file=logging.json",
                f"--http_port={port}",
                "--enable_grpc=false",
                *options,
            ],
            url + "/v2/health/ready",
            environment,
        )
        return service, url + "/v1/models/iris:predict", port

    return make


def test_each_request_has_one_record_row_and_count(start):
    """
    300 requests, a fifth failing: file, CSV and KServe's own /metrics agree.
    """
    service, url, port = start()
    with service:
        sent = ask_all(url, mixed(300))
        assert Counter({200: 240, 400: 30, 500: 30}) == Counter(
            each.status for each in sent
        )
        found = check_each_has_one_record(sent, service)
        assert {"HTTP 400: no flowers"} == {
            each["error"] for each in found if each["level"] == "WARNING"
        }
        page = scraping.samples(scraping.fetch(port))
        assert 300 == page[LATENCIES]
        assert 300 == page['request_predict_seconds_count{model_name="iris"}']

    records = service.records()
    assert 1 == sum(each["message"] == STARTED for each in records)
    access = [each for each in records if each["logger"] == "uvicorn.access"]
    assert 300 == sum("iris" in each["message"] for each in access)
    own = [each for each in records if each["message"] == "Classifying"]
    assert {each.request_id for each in sent} == {
        each["request_id"] for each in own
    }
    assert 300 == sum(
        "Inference " in line and '"logger":"iris"' in line
        for line in service.log.read_text().splitlines()
    )


def test_service_that_is_stopped_under_load_has_logged_what_it_answered(start):
    """
    SIGTERM while requests come: whoever got an answer has a record.
    """
    service, url, _ = start()
    with service, asking(url, mixed(600)) as asked:
        wait_until(lambda: service.count() > 100, "some requests are logged")
        service.running.stop(timeout=60)

    assert asked.result()[0].status
    assert asked.result()[-1].status is None
    check_each_has_one_record(asked.result(), service)
    # the percentiles of all, which are written when logging is shut down
    summary = (service.folder / "logs" / "latency.summary.csv").read_text()
    assert f",{service.count()}," in summary.splitlines()[-1]


@pytest.mark.parametrize("is_whole", [True, False], ids=["recipe", "control"])
def test_worker_that_is_replaced_loses_and_doubles_nothing(
    start, tmp_path, is_whole
):
    """
    The follower of a worker logs as it did.

    KServe starts it without the file, and on a busy machine replaces workers
    that are slow to start: the control, which leaves logging to the option
    alone, loses records.
    """
    service, url, _ = start(
        "--workers=2", PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "metrics")
    )
    (metrics_port,) = free_ports(1)
    service.reconfigure(
        lambda config: config["handlers"]["prometheus"].update(
            port=metrics_port
        )
    )
    if not is_whole:
        line = "configure_logging(args.log_config_file)\n"
        model = service.folder / "model.py"
        assert line in model.read_text()
        model.write_text(model.read_text().replace(line, ""))

    def starts():
        text = service.log.read_text()
        return text.count(STARTED)

    with service:
        wait_until(lambda: starts() >= 2, "both workers are up", 120)
        with asking(url, mixed(300), prefix="first") as asked:
            wait_until(
                lambda: service.count() > 50 or asked.done(), "some are logged"
            )
            end(min(workers_of(service, "spawn_main")))
        wait_until(lambda: starts() >= 3, "the follower is up", 120)
        later = ask_all(url, mixed(300), prefix="later", threads=16)
        assert not [each for each in later if each.status is None]
        sent = [*asked.result(), *later]
        if not is_whole:
            answered = sum(each.status is not None for each in sent)
            assert service.count() < answered
            return
        found = check_each_has_one_record(sent, service)
        wait_until(
            lambda: (
                len(found)
                == scraping.samples(scraping.fetch(metrics_port))[LATENCIES]
            ),
            "all workers are on the page of metrics",
        )

    check_each_has_one_record(sent, service)
