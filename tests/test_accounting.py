"""
mllog.accounting: counts that are exact.
"""

import threading

from mllog.accounting import Ledger, Stats


def test_stats_of_new_ledger_are_zero():
    """
    Nothing happened yet.
    """
    assert Ledger().stats() == Stats()


def test_stats_are_a_snapshot():
    """
    What was read does not change with what comes after.
    """
    ledger = Ledger()
    ledger.wrote()
    ledger.dropped("disk_full")
    ledger.refused("negative")
    ledger.fragment()

    found = ledger.stats()
    ledger.wrote()
    ledger.dropped("disk_full")

    assert found == Stats(1, {"disk_full": 1}, {"negative": 1}, 1)
    assert ledger.stats().written == 2
    assert ledger.lost == 2


def test_counts_under_many_threads_are_exact():
    """
    Eight threads that count lose none, while another reads.
    """
    ledger = Ledger()

    def run():
        for _ in range(5000):
            ledger.wrote()
            ledger.dropped("x")
            ledger.refused("y")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        ledger.stats()
    for thread in threads:
        thread.join()

    assert ledger.stats() == Stats(40_000, {"x": 40_000}, {"y": 40_000})
