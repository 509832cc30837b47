"""
Batches as objects: which lines go where, and that nothing is stored twice.
"""

import os
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.faulty_s3 import Mixture
from storing import (
    credentials,
    line,
    lines_in,
    send_until_stored,
    server,
    soon,
    stored,
    transport_to,
)

from mllog.delivery.retry import Fault
from mllog.delivery.s3 import BatchTransport, StoreError
from mllog.delivery.s3.index import index_event, payload_event
from mllog.events import Event

__all__ = ["credentials", "server"]

TELLING = "{host}-{pid}-{start}-{sequence}"
BY_MODEL = {"template": f"{{model}}/{TELLING}", "fields": ("model",)}


def of_model(number, model="m", hour="06"):
    return Event(line(number, hour), headers=(("model", model.encode()),))


def payload(data, extension=".bin"):
    return payload_event(
        data,
        "application/octet-stream",
        head=b"bytes|||",
        offset=0,
        extension=extension,
        ref="",
    )


def index(number, *names):
    return index_event(line(number), {n: {"status": "stored"} for n in names})


def folders(server):
    return sorted(key.rpartition("/")[0] for key in stored(server))


def ticks(count):
    """
    Lines that are equal, and not the same.
    """
    return [bytes(bytearray(b"tick")) for _ in range(count)]


def refuse_larger_than(server, size, fault="too_large"):
    """
    As a gateway that bounds requests.
    """
    server.choose = lambda attempt: (
        fault if int(attempt.headers["content-length"]) > size else ""
    )


# --- what goes where ---


def test_batch_is_one_object_of_lines(server):
    """
    In order, each with its line break, of the media type of JSON lines.
    """
    transport = transport_to(server, "p")

    transport.send([line(1), line(2), line(3)], soon())

    ((key, body),) = stored(server).items()
    assert key.startswith("p/dt=2026-11-21/hour=06/")
    assert key.endswith("-000001.jsonl")
    assert body == line(1) + b"\n" + line(2) + b"\n" + line(3) + b"\n"
    assert "application/x-ndjson" == server.attempts[0].headers["content-type"]


@pytest.mark.parametrize(
    ("compression", "suffix", "content_type"),
    [
        ("gzip", ".jsonl.gz", "application/gzip"),
        ("zstd", ".jsonl.zst", "application/zstd"),
    ],
)
def test_batch_is_compressed_and_says_how(
    server, compression, suffix, content_type
):
    """
    By suffix and media type; never by an encoding that a proxy would undo.
    """
    transport = transport_to(server, compression=compression)

    transport.send([line(1), line(2)], soon())

    assert [line(1), line(2)] == lines_in(server)
    assert list(stored(server))[0].endswith(suffix)
    headers = server.attempts[0].headers
    assert content_type == headers["content-type"]
    assert headers.get("content-encoding", "aws-chunked") == "aws-chunked"


def test_batch_is_split_where_the_hour_of_its_lines_changes(server):
    """
    The lines' own hour decides, not that of the clock.
    """
    events = [line(1, "06"), line(2, "06"), line(3, "07"), line(4, "08")]

    transport_to(server).send(events, soon())

    assert [
        "dt=2026-11-21/hour=06",
        "dt=2026-11-21/hour=07",
        "dt=2026-11-21/hour=08",
    ] == folders(server)
    assert events == lines_in(server)


def test_batch_with_a_late_line_at_its_end_is_split_too(server):
    """
    A thread that was overtaken may bring a line of the hour before.
    """
    events = [line(1, "07"), line(2, "07"), line(3, "06")]

    transport_to(server).send(events, soon())

    assert [line(3, "06"), line(1, "07"), line(2, "07")] == lines_in(server)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"no JSON",
        b'{"time":"2020-01-01T05"}',
        b'{"timestamp":5}',
        b'{"timestamp":"now"}',
        b'{"timestamp":"2020-01-01 05:00:00"}',
        b'{"timestamp":"../../../../x',
        b'{"timestamp":"2020/01/01T05:00"}',
        b'{"timestamp":"\xff\xff\xff\xff-\xff\xff-\xff\xffT\xff\xff',
        '{"timestamp":"٢٠٢٠-٠١-٠١T٠٥'.encode(),
    ],
)
def test_line_that_says_no_hour_is_of_the_clocks(server, start):
    """
    Where the formatter writes another layout, or none: when it is stored.
    """
    before = time.strftime("dt=%Y-%m-%d/hour=%H", time.gmtime())

    transport_to(server).send([start], soon())

    after = time.strftime("dt=%Y-%m-%d/hour=%H", time.gmtime())
    assert folders(server)[0] in (before, after)


@pytest.mark.parametrize(
    "said",
    [b"9999-99-99T99", b"2026-11-21T24", b"-026-11-21T06", b"2026-13-01T00"],
)
def test_line_that_says_an_impossible_hour_is_of_the_clocks(server, said):
    """
    A folder that is no day would break whoever reads the table.
    """
    transport_to(server).send([b'{"timestamp":"' + said + b':00"}'], soon())

    day, _, hour = said.decode().partition("T")
    assert [f"dt={day}/hour={hour}"] != folders(server)


def test_batch_is_sorted_by_key_fields(server):
    """
    Lines of one model are in one object, in order.
    """
    transport = transport_to(server, **BY_MODEL)
    events = [of_model(n, "ab"[n % 2]) for n in range(6)]

    transport.send(events, soon())

    assert ["a", "b"] == folders(server)
    assert [line(n) for n in (0, 2, 4, 1, 3, 5)] == lines_in(server)


def test_batch_of_more_than_100_values_has_one_object_for_the_others(server):
    """
    A field that has a value for each request makes no object for each.
    """
    transport = transport_to(server, **BY_MODEL)
    events = [of_model(n, f"m{n:03}") for n in range(300)]

    transport.send(events, soon(30))

    found = folders(server)
    assert 101 == len(found)
    assert {f"m{n:03}" for n in range(100)} | {"other"} == set(found)
    assert [line(n) for n in range(100, 300)] == lines_in(server, "other/")
    assert 200 == transport.relabelled
    assert 300 == len(lines_in(server))


def test_batch_of_more_than_100_hours_has_a_bounded_number_of_objects(server):
    """
    Text in which requests say the hour makes no object for each.
    """
    hours = [
        f"2026-{m:02}-{d:02}T06" for m in range(1, 13) for d in range(1, 28)
    ]
    lines = [f'{{"timestamp":"{hour}:00"}}'.encode() for hour in hours]

    transport_to(server).send(lines, soon(30))

    assert len(stored(server)) <= 102
    assert len(lines) == len(lines_in(server))


def test_values_of_key_fields_are_safe_though_a_spool_changed_them(server):
    """
    What comes from a disk is reduced once more.
    """
    transport = transport_to(server, "p", **BY_MODEL)

    transport.send([of_model(1, "../../etc")], soon())

    (key,) = stored(server)
    assert key.startswith("p/__.._etc/")


@pytest.mark.parametrize(
    "old",
    [
        line(1),
        Event(line(1)),
        Event(line(1), headers=(("user", b"u"), ("model", b"m"))),
        Event(line(1), headers=(("user", b"u"),)),
    ],
)
def test_batch_of_a_spool_from_before_key_fields_changed_is_stored(
    server, old
):
    """
    Records that another configuration spooled never stop those behind them.
    """
    transport = transport_to(server, **BY_MODEL)

    transport.send([old, of_model(2)], soon())

    assert {line(1), line(2)} == set(lines_in(server))
    assert "u" not in folders(server)


def test_batch_with_key_fields_spooled_is_stored_without_them(server):
    """
    The other way round: fields that no key has any more are left out.
    """
    transport = transport_to(server)

    transport.send([of_model(1), line(2)], soon())

    assert {line(1), line(2)} == set(lines_in(server))


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from(["05", "06", "07"])),
        min_size=1,
        max_size=30,
    )
)
def test_batch_loses_and_doubles_no_line(pairs):
    """
    Whatever the order of hours and however often a line comes.
    """
    puts = {}

    class Store:
        class location:
            key = ""

        def put(self, key, body, content_type):
            assert key not in puts
            puts[key] = body
            return True

    transport = _to(Store())
    puts.clear()
    transport.send([line(n, hour) for n, hour in pairs], soon())

    found = b"".join(puts.values()).split(b"\n")[:-1]
    if pairs[0][1] != pairs[-1][1] or len({h for _, h in pairs}) == 1:
        for key, body in puts.items():
            hour = key.partition("hour=")[2][:2]
            for each in body.split(b"\n")[:-1]:
                assert f"T{hour}:".encode() in each
    assert sorted(found) == sorted(line(n, hour) for n, hour in pairs)


def _to(store):
    from mllog.compression import codec_of
    from mllog.delivery.s3 import Keys

    keys = Keys(suffix=".jsonl")
    return BatchTransport(store, keys, codec_of("compression", "none"))


# --- again, and only once ---


@pytest.mark.parametrize(
    "fault",
    [
        "internal_error_after",
        "silence_after",
        "reset_after",
        "cut",
        "bad_gateway",
        "slow_down",
        "conflict",
        "reset",
    ],
)
def test_batch_that_is_tried_again_has_the_same_key_and_bytes(server, fault):
    """
    So what an attempt without an answer stored is found by its key.
    """
    transport = transport_to(server, compression="gzip", timeout=0.3)
    server.script(fault)
    events = [line(n) for n in range(5)]

    assert 2 == send_until_stored(transport, events)

    first, second = server.attempts
    assert first.key == second.key
    assert first.digest == second.digest
    assert 1 == len(stored(server))
    assert events == lines_in(server)


def test_batch_that_was_stored_without_an_answer_is_not_stored_again(server):
    """
    412 after such an attempt means that it is there.
    """
    transport = transport_to(server)
    server.script("reset_after")

    assert 2 == send_until_stored(transport, [line(1)])

    assert 1 == server.counts("stored")
    assert 1 == server.counts("exists")
    assert 0 == server.counts("overwritten")


def test_batch_stored_twice_where_conditions_are_left_out_is_replaced(server):
    """
    The control: without *create_only* the same key is written twice.
    """
    transport = transport_to(server, create_only=False)
    server.script("reset_after")

    assert 2 == send_until_stored(transport, [line(1)])

    assert 1 == server.counts("overwritten")
    assert [line(1)] == lines_in(server)


def test_batch_meets_somebody_elses_object_and_leaves_it(server):
    """
    412 at the first attempt is no object of ours: ours gets a new key.
    """
    transport = transport_to(server)
    key = transport._keys.new("2026-11-21T06")
    server.objects["logs", key] = b"theirs"
    transport._keys._sequence -= 1

    transport.send([line(1)], soon())

    assert b"theirs" == stored(server).pop(key)
    ((other, body),) = [(k, v) for k, v in stored(server).items() if k != key]
    assert other.endswith("-000002.jsonl")
    assert line(1) + b"\n" == body


def test_batch_meets_somebody_elses_object_and_stores_the_rest_once(server):
    """
    The objects of the same batch that are stored already stay as they are.
    """
    transport = transport_to(server)
    events = [line(1, "06"), line(2, "07"), line(3, "08")]
    key = transport._keys.new("2026-11-21T08")
    server.objects["logs", key.replace("000001", "000003")] = b"theirs\n"
    transport._keys._sequence = 0

    send_until_stored(transport, events)

    found = [each for each in lines_in(server) if each != b"theirs"]
    assert sorted(events) == sorted(found)


def test_batch_of_several_objects_goes_on_where_it_stopped(server):
    """
    What is stored is not put again.
    """
    transport = transport_to(server)
    events = [line(1, "05"), line(2, "06"), line(3, "07")]
    server.script("", "internal_error")

    assert 2 == send_until_stored(transport, events)

    assert 4 == len(server.attempts)
    assert 3 == server.counts("stored")
    assert events == lines_in(server)


def test_batch_whose_first_records_expired_goes_on_with_its_plan(server):
    """
    The rest is in an object that may be stored already: the same key.
    """
    transport = transport_to(server)
    events = [line(n) for n in range(5)]
    server.script("reset_after")
    with pytest.raises(StoreError):
        transport.send(events, soon())

    transport.open(soon())
    transport.send(events[2:], soon())

    assert 1 == len(stored(server))
    assert events == lines_in(server)


def test_batch_after_another_has_another_key(server):
    """
    A plan ends when all of it is stored, though the bytes are the same.
    """
    transport = transport_to(server)

    for _ in range(3):
        transport.send([line(1)], soon())

    assert 3 == len(stored(server))
    assert [line(1)] * 3 == lines_in(server)


def test_batch_like_one_that_expired_is_stored(server):
    """
    Text without a time is often the same: these are other records.
    """
    transport = transport_to(server)
    server.script("internal_error_after")
    with pytest.raises(StoreError):
        transport.send(ticks(5), soon())

    # all of them grew too old meanwhile; three new ones came
    transport.open(soon())
    transport.send(ticks(3), soon())

    assert [b"tick"] * 8 == lines_in(server)


def test_batch_that_is_halved_is_stored_in_parts(server):
    """
    After a 413 the worker sends less, in an object of its own.
    """
    transport = transport_to(server)
    events = [line(n) for n in range(8)]
    refuse_larger_than(server, 5 * len(line(1)))
    with pytest.raises(StoreError) as caught:
        transport.send(events, soon())
    assert caught.value.verdict.fault is Fault.POISON

    transport.send(events[:4], soon())
    transport.send(events[4:], soon())

    assert events == lines_in(server)
    assert 2 == len(stored(server))


@pytest.mark.parametrize(
    ("by", "small"), [("model", {0}), ("model", {0, 7}), ("hour", {0})]
)
def test_batch_that_is_halved_stores_nothing_twice(server, by, small):
    """
    Where a batch is several objects, and one of them was too large.
    """
    options = BY_MODEL if by == "model" else {}
    transport = transport_to(server, **options)
    events = [
        of_model(n, "a" if n in small else "b")
        if by == "model"
        else line(n, "05" if n in small else "06")
        for n in range(8)
    ]
    refuse_larger_than(server, 5 * len(line(1)))
    with pytest.raises(StoreError):
        transport.send(events, soon())

    transport.send(events[:4], soon())
    transport.send(events[4:], soon())

    assert 8 == len(lines_in(server))


def test_batch_of_equal_lines_is_halved(server):
    """
    The half is planned anew, though it reads like the end of the whole.
    """
    transport = transport_to(server)
    refuse_larger_than(server, 5 * len(b"tick\n"))
    events = ticks(8)
    with pytest.raises(StoreError):
        transport.send(events, soon())

    transport.send(events[:4], soon())

    assert [b"tick"] * 4 == lines_in(server)


@pytest.mark.parametrize("fault", ["reset", "bad_gateway"])
def test_batch_that_broke_and_then_is_too_large_is_halved(server, fault):
    """
    A gateway that refuses a large body may hang up in the middle of it: the
    413 that comes next says that nothing of it was stored.
    """
    transport = transport_to(server)
    refuse_larger_than(server, 5 * len(line(1)))
    server.script(fault)
    events = [line(n) for n in range(8)]
    for _ in range(2):
        with pytest.raises(StoreError):
            transport.send(events, soon())

    transport.send(events[:4], soon())
    transport.send(events[4:], soon())

    assert events == lines_in(server)


def test_100_batches_through_a_fifth_of_faults_are_stored_once(server):
    """
    Each line is in exactly one object; no object was ever replaced.
    """
    transport = transport_to(server, timeout=0.2)
    server.choose = Mixture(
        {
            "internal_error": 2,
            "internal_error_after": 2,
            "slow_down": 2,
            "bad_gateway": 1,
            "conflict": 1,
            "reset": 2,
            "reset_after": 2,
            "cut": 1,
            "garbage": 1,
        },
        share=0.2,
    )
    batches = [
        [line(100 * b + n, f"{5 + n % 2:02}") for n in range(6)]
        for b in range(100)
    ]

    for batch in batches:
        send_until_stored(transport, batch)

    assert server.faulted() > 20
    assert 0 == server.counts("overwritten")
    assert sorted(sum(batches, [])) == sorted(lines_in(server))
    assert 200 == len(stored(server))


def test_100_batches_without_a_plan_are_stored_twice(server, monkeypatch):
    """
    The control: a transport that plans each attempt anew fails that test.
    """
    transport = transport_to(server)
    server.choose = Mixture({"reset_after": 1}, share=0.2)

    for number in range(50):
        while True:
            transport.begin()
            transport.open(soon())
            try:
                transport.send([line(number)], soon())
            except StoreError:
                continue
            break

    assert len(lines_in(server)) > 50


# --- payloads ---


def test_index_is_stored_behind_the_payloads_it_names(server):
    """
    A line never names what is not there.
    """
    transport = transport_to(server, at_once=4)
    events = [*(payload(b"%d" % n) for n in range(8))]
    events.append(index(1, *"abcdefgh"))

    transport.send(events, soon())

    assert ".jsonl" in server.attempts[-1].key
    assert not any(".jsonl" in each.key for each in server.attempts[:-1])
    assert 9 == server.counts("stored")


@pytest.mark.parametrize("fault", ["internal_error", "too_large", "denied"])
def test_index_waits_for_a_payload_that_failed(server, fault):
    """
    And is not stored before it.
    """
    transport = transport_to(server)
    server.script("", fault)
    with pytest.raises(StoreError):
        transport.send([payload(b"1"), payload(b"2"), index(1, *"ab")], soon())

    assert not any(".jsonl" in key for key in stored(server))
    send_until_stored(
        transport, [payload(b"1"), payload(b"2"), index(1, *"ab")]
    )
    assert 3 == len(stored(server))


def test_payload_that_somebody_stored_is_content_with_it(server):
    """
    The key is that of the content: 412 means that it is there.
    """
    first, second = transport_to(server), transport_to(server)

    first.send([payload(b"1"), index(1, "a")], soon())
    second.send([payload(b"1"), index(2, "a")], soon())

    assert 1 == server.counts("exists")
    assert 3 == len(stored(server))


def test_payload_that_is_twice_in_a_batch_is_put_once(server):
    """
    Both lines name it.
    """
    events = [payload(b"1"), index(1, "a"), payload(b"1"), index(2, "a")]

    transport_to(server).send(events, soon())

    assert 2 == len(server.attempts)


# --- time ---


def test_batch_whose_time_is_over_stops_and_goes_on(server):
    """
    No object is begun after the deadline; the next attempt goes on there.
    """
    transport = transport_to(server)
    server.delay_seconds = 0.15
    events = [line(n, f"{n:02}") for n in range(6)]

    with pytest.raises(StoreError, match="the time for one batch") as caught:
        transport.send(events, time.monotonic() + 0.4)
    assert caught.value.verdict.fault is Fault.TRANSIENT
    assert 0 < len(stored(server)) < 6
    server.delay_seconds = 0
    transport.send(events, soon())

    assert events == lines_in(server)
    assert 6 == len(server.attempts)


def test_batch_of_many_objects_puts_several_at_once(server):
    """
    As many as asked for, which the time shows.
    """
    server.delay_seconds = 0.1
    events = [line(n, f"{n:02}") for n in range(16)]
    transport = transport_to(server, at_once=8)
    began = time.monotonic()

    transport.send(events, soon())

    assert time.monotonic() - began < 0.1 * 16 * 0.6
    assert 2 <= server.connections <= 8
    assert events == lines_in(server)


@pytest.mark.parametrize("error", [ValueError("odd"), OSError(5, "odd")])
def test_error_that_is_not_of_the_store_is_tried_again(server, error):
    """
    A bug is no reason to lose records.
    """
    assert transport_to(server).classify(error).fault is Fault.TRANSIENT


# --- forks ---


def in_child(work):
    """
    Do *work* in a forked child; gives its exit code.
    """
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_batch_of_a_forked_child_has_its_own_key(server):
    """
    With its own process id; the parent goes on with its numbers.
    """
    transport = transport_to(server)
    transport.send([line(1)], soon())

    def work():
        transport.open(soon())
        transport.send([line(2)], soon())

    assert 0 == in_child(work)
    transport.send([line(3)], soon())

    assert {line(1), line(2), line(3)} == set(lines_in(server))
    mine = [key for key in stored(server) if f"-{os.getpid()}-" in key]
    assert ["000001", "000002"] == [key[-12:-6] for key in sorted(mine)]
    assert 3 == len(stored(server))


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_batch_of_a_forked_child_is_not_its_parents(server):
    """
    The parent was in the middle of one; the child's reads the same, and is
    another one.
    """
    transport = transport_to(server)
    server.script("reset_after")
    mine = ticks(1)
    with pytest.raises(StoreError):
        transport.send(mine, soon())

    def work():
        transport.open(soon())
        transport.send(ticks(1), soon())

    assert 0 == in_child(work)
    send_until_stored(transport, mine)

    assert [b"tick"] * 2 == lines_in(server)


def test_batch_in_the_thread_of_a_closer_is_stored(server):
    """
    Where no thread can be started any more the caller sends, all of it.
    """
    transport = transport_to(server, at_once=8)
    with pytest.MonkeyPatch.context() as patch:
        original = threading.Thread.start

        def start(thread):
            if thread.name == "mllog-upload":
                raise RuntimeError("can't create new thread at shutdown")
            original(thread)

        patch.setattr(threading.Thread, "start", start)
        transport.send([line(n, f"{n:02}") for n in range(9)], soon())

    assert 9 == len(stored(server))


@pytest.mark.parametrize(
    "event",
    [
        Event(
            b"{}", b"index", (("payloads", b'{"a": {"status": "stored"}}'),)
        ),
        Event(b"{}", b"index", (("payloads", b"no json"),)),
        Event(b"x", b"payload"),
    ],
)
def test_event_that_makes_no_plan_is_refused_and_not_tried_for_ever(
    server, event
):
    """
    What a spool holds of another version goes to the dead letters.
    """
    transport = transport_to(server)
    transport.open(time.monotonic() + 5)
    transport.begin()
    with pytest.raises(Exception) as caught:
        transport.send([event], time.monotonic() + 5)

    assert transport.classify(caught.value).fault is Fault.POISON
