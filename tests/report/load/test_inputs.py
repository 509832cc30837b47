"""
Reports of logs in S3.
"""

import gzip

import pytest
from report.logged import lines, served
from servers.moto import moto  # noqa: F401

from mllog.report import latency, open_logs
from mllog.s3 import Access

pytestmark = pytest.mark.s3servers


def test_report_of_a_prefix_is_that_of_its_objects(moto, monkeypatch):  # noqa: F811
    """
    Objects below a prefix are read, compressed or not; a damaged one counts.
    """
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    good = lines(served(200))
    bucket = moto.new_bucket("reports")
    for key, body in {
        "serve/a.jsonl": good,
        "serve/2026/b.jsonl.gz": gzip.compress(good),
        "serve/2026/c.jsonl.gz": gzip.compress(good)[:-500],
        "other/d.jsonl": good,
    }.items():
        moto.client().put_object(Bucket=bucket, Key=key, Body=body)

    with open_logs(
        f"s3://{bucket}/serve", access=Access(endpoint_url=moto.endpoint_url)
    ) as logs:
        found = logs.reading
        (all_of_them,) = latency(logs, "inference_latency")

    assert 3 == found.files
    assert 400 < found.records < 600
    assert all_of_them.count == found.records
    assert {("serve/2026/c.jsonl.gz", "bad_compression")} <= {
        (each.file, each.reason) for each in found.skipped
    }
