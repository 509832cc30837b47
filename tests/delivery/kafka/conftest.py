"""
What these tests share: they take minutes, so `make test-servers` runs them.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and "mock_kafka" in item.fixturenames:
            item.add_marker(pytest.mark.mockkafka)
