"""
The families of one registry: who has which name, and what a page says.
"""

import pytest
from prometheus_client import CollectorRegistry, Counter
from scraping import of_registry

from mllog.exposition.book import NameTaken, book_of, let_go
from mllog.metrics.instruments import Instrument
from mllog.metrics.metric import Metric


@pytest.fixture(name="registry")
def _registry():
    return CollectorRegistry()


def _instrument(field, kind="gauge", labels=(), **more):
    return Instrument(Metric(field, kind, **more), tuple(labels))


def _put(book, instrument, value, labels=()):
    cell = book.cell(instrument, tuple(labels))
    cell.add((value, 0.0, "", None))


def test_book_is_one_for_a_registry_until_all_have_let_go(registry):
    """
    The last one takes it out of the registry.
    """
    first, second = book_of(registry), book_of(registry)
    _put(first, _instrument("depth"), 3)

    assert first is second
    let_go(registry, first)
    assert {"depth": 3.0} == of_registry(registry)
    let_go(registry, second)
    assert {} == of_registry(registry)
    assert book_of(registry) is not first


def test_book_gives_a_name_to_one_source_only(registry):
    """
    Names that a family needs for its samples are taken as well.
    """
    book = book_of(registry)
    _put(book, _instrument("took", "histogram", buckets=[1]), 0.5)

    for field, kind in (
        ("took", "gauge"),
        ("took_count", "gauge"),
        ("took/sum", "gauge"),
        ("took_bucket", "counter"),
        ("mllog_records", "counter"),
        ("mllog_queue_records", "gauge"),
    ):
        with pytest.raises(NameTaken):
            book.cell(_instrument(field, kind), ())
    with pytest.raises(NameTaken, match="another name"):
        book.cell(_instrument("took", "histogram", buckets=[2]), ())
    assert 4 == len(of_registry(registry))


def test_book_leaves_out_what_the_application_has(registry):
    """
    A counter of the application is never doubled.
    """
    Counter("hits", "theirs", registry=registry)
    book = book_of(registry)

    with pytest.raises(NameTaken, match="of this process"):
        book.cell(_instrument("hits", "counter"), ())


def test_book_leaves_out_labels_that_are_empty(registry):
    """
    A label without a value is none, as for Prometheus itself.
    """
    book = book_of(registry)
    instrument = _instrument("depth", labels=("model_name", "le"))

    _put(book, instrument, 1, ("bert", ""))
    _put(book, instrument, 2, ("", "x"))

    assert {
        'depth{model_name="bert"}': 1.0,
        'depth{le_="x"}': 2.0,
    } == of_registry(registry)


def test_book_without_values_says_nothing(registry):
    """
    A gauge that only saw NaN has no line, and no head.
    """
    from prometheus_client import generate_latest

    book_of(registry).cell(_instrument("loss"), ())

    assert b"" == generate_latest(registry)
