"""
The ids of the tests are the same in each process that collects them.
"""

from __future__ import annotations

import pytest
from ids import ADDRESS, as_id


def test_ids_of_all_tests_hold_no_address(
    request: pytest.FixtureRequest,
) -> None:
    """
    No test of this run has a memory address in its id.
    """
    named = [each.nodeid for each in request.session.items]

    assert [each for each in named if ADDRESS.search(each)] == []


def test_as_id_object_without_repr_loses_its_address() -> None:
    """
    An object is named by its class, and only its repr has the address.
    """
    value = object()

    assert ADDRESS.search(repr(value))
    assert as_id([value]) == "[<object object>]"
    assert as_id("0xff") == "0xff"
