"""
Latencies over time, and the slowest with their context.
"""

from report.logged import START, opened, record, served

from mllog.report import latency_over_time, slowest


def test_latency_over_time_shows_when_it_became_slow(tmp_path):
    """
    Each interval has its own percentiles.
    """
    records = [
        record(n, inference_latency=0.1 if n < 600 else 0.4)
        for n in range(1200)
    ]
    with opened(tmp_path, records) as logs:
        found = latency_over_time(
            logs, "inference_latency", bucket_seconds=300
        )

    assert [0.1, 0.1, 0.4, 0.4] == [each.p95_seconds for each in found]
    assert [START + 300 * n for n in range(4)] == [
        each.start for each in found
    ]


def test_slowest_have_their_context(tmp_path):
    """
    The slowest come first, with their other fields.
    """
    with opened(tmp_path, served(500)) as logs:
        found = slowest(logs, "inference_latency", 3)

    assert 3 == len(found)
    assert found[0].seconds >= found[1].seconds >= found[2].seconds
    assert {"model_name", "model_version", "batch_size", "request_id"} == set(
        found[0].fields
    )
