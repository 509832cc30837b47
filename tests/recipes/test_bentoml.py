"""
The recipe of BentoML: a real service with two workers.
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

STARTED = "Service Iris initialized"


@pytest.fixture(name="service")
def _service(tmp_path, missing):
    if importlib.util.find_spec("bentoml") is None:
        missing("bentoml", "make test-frameworks installs it")
    (port,) = free_ports(1)
    service = Service(
        "bentoml",
        tmp_path,
        [
            "-m",
            "bentoml",
            "serve",
            "service:Iris",
            "--host=127.0.0.1",
            f"--port={port}",
        ],
        f"http://127.0.0.1:{port}/readyz",
        {"BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "1"},
    )
    service.port = port
    return service


def lengths(values):
    return {"lengths": values}


def measured(service):
    """
    How many latencies BentoML's page of metrics has.
    """
    page = scraping.samples(scraping.fetch(service.port))
    return sum(
        value
        for name, value in page.items()
        if name.startswith("inference_latency_seconds_count")
    )


def test_each_request_has_one_record_row_and_count(service):
    """
    300 requests, a fifth failing: file, CSV and BentoML's /metrics agree.
    """
    url = f"http://127.0.0.1:{service.port}/classify"
    with service:
        sent = ask_all(url, mixed(300), body_of=lengths)
        assert Counter({200: 240, 400: 30, 500: 30}) == Counter(
            each.status for each in sent
        )
        check_each_has_one_record(sent, service)
        wait_until(lambda: measured(service) == 300, "all are measured")

    records = service.records()
    ids = {each.request_id for each in sent}
    for logger, count in (("mllog.access", 300), ("iris", 600)):
        own = [
            each
            for each in records
            if each["logger"] == logger and each.get("request_id") in ids
        ]
        assert count == len(own)
        assert ids == {each["request_id"] for each in own}
    # BentoML's own: once, through the same handlers
    assert 2 == sum(each["message"] == STARTED for each in records)
    failures = [
        each
        for each in records
        if each["message"] == "Exception on /classify [POST]"
    ]
    assert 60 == len({each["request_id"] for each in failures})
    assert 60 == len(failures)
    output = service.log.read_text().splitlines()
    assert len(records) == sum(line.startswith("{") for line in output)
    assert not [line for line in output if "[INFO]" in line]


def test_worker_that_is_replaced_loses_and_doubles_nothing(service):
    """
    One of two workers ends while requests come, and then the service does.
    """
    url = f"http://127.0.0.1:{service.port}/classify"
    with service:

        def starts():
            return service.log.read_text().count(STARTED)

        wait_until(lambda: starts() >= 2, "both workers are up", 120)
        with asking(url, mixed(400), body_of=lengths) as asked:
            wait_until(lambda: service.count() > 50, "some are logged")
            end(min(workers_of(service, "_bentoml_impl.worker.service")))
        wait_until(lambda: starts() >= 3, "the follower is up", 120)
        sent = list(asked.result())
        sent += ask_all(url, mixed(100), body_of=lengths, prefix="later")
        found = check_each_has_one_record(sent, service)
        wait_until(lambda: measured(service) == len(found), "all are measured")
        with asking(url, mixed(300), body_of=lengths, prefix="end") as asked:
            wait_until(
                lambda: service.count() > len(found) + 50, "some are logged"
            )
            service.running.stop(timeout=60)

    found = check_each_has_one_record([*sent, *asked.result()], service)
    # the percentiles of each worker, which uvicorn would not leave time for
    rows = (service.folder / "logs" / "latency.summary.csv").read_text()
    workers = {line.split(",")[1] for line in rows.splitlines()[1:]}
    assert 3 == len(workers)
