"""
mllog's messages of syslog, against a strict reader of RFC 5424.
"""

import itertools
import json
import logging
import logging.handlers
import os
import re
import socket
import sys

from ids import as_id
import hostile
import pytest
import rfc5424
from hypothesis import given, settings
from hypothesis import strategies as st

import mllog
from mllog.formatters.syslog import FACILITIES, SEVERITIES, SyslogFormat

RAW = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e"
    "\u2066-\u2069\ud800-\udfff]"
)
OLD = re.compile(
    r"<(\d{1,3})>"
    r"((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    r" [ \d]\d \d\d:\d\d:\d\d)"
    r" ([!-~]+) ([0-9A-Za-z]{1,32})(?:\[([0-9A-Za-z]+)\])?: (.*)",
    re.DOTALL,
)


def record_of(message="hello", level=logging.INFO, name="app", **fields):
    return logging.getLogger("x").makeRecord(
        name, level, "/app/serve.py", 12, message, (), None, "f", fields
    )


def read(options=None, record=None, text="hello"):
    return rfc5424.parse(
        SyslogFormat(**options or {}).of(record or record_of(), text)
    )


def test_of_default_is_every_part_of_the_rfc():
    """
    Priority, version, UTC, names, number, fields and text stand in one line.
    """
    made = SyslogFormat(hostname="gpu-7", app_name="serve", procid=42)
    record = record_of(model="resnet50", loss=0.25)
    record.created = 1795243512.000317

    assert made.of(record, "Inference complete") == (
        b"<14>1 2026-11-21T06:45:12.000317Z gpu-7 serve 42 app"
        b' [meta sequenceId="1"][mllog@32473 model="resnet50" loss="0.25"]'
        b" Inference complete"
    )


def test_of_without_fields_and_numbers_has_no_data():
    """
    Nothing to say in structured data is said by a dash.
    """
    message = SyslogFormat(sequence_id="false").of(record_of(), "hello")

    assert message.endswith(b" app - hello")
    assert rfc5424.parse(message).structured_data == {}


@pytest.mark.parametrize("facility", [*FACILITIES, *range(24), "23"])
def test_of_priority_is_facility_and_severity(facility):
    """
    Each facility has its number, by name or as it is.
    """
    number = FACILITIES.get(facility, facility)

    found = read({"facility": facility})

    assert (found.facility, found.severity) == (int(number), 6)


def test_tables_know_what_the_stdlib_knows():
    """
    Whatever SysLogHandler takes means the same here.
    """
    stdlib = logging.handlers.SysLogHandler

    assert FACILITIES.items() >= stdlib.facility_names.items()
    assert SEVERITIES.items() >= stdlib.priority_names.items()
    assert SyslogFormat.FACILITIES is FACILITIES
    assert SyslogFormat.SEVERITIES is SEVERITIES


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (-5, 7),
        (0, 7),
        (logging.DEBUG, 7),
        (19, 7),
        (logging.INFO, 6),
        (24, 6),
        (25, 5),
        (29, 5),
        (logging.WARNING, 4),
        (39, 4),
        (logging.ERROR, 3),
        (49, 3),
        (logging.CRITICAL, 2),
        (59, 2),
        (60, 1),
        (10**30, 1),
        (20.5, 6),
        ("odd", 6),
        ([], 6),
        (None, 6),
    ],
    ids=as_id,
)
def test_of_severity_is_that_of_the_level(level, severity):
    """
    Each level has its severity, and none is an emergency.
    """
    record = record_of()
    record.levelno = level
    made = SyslogFormat()

    assert rfc5424.parse(made.of(record, "")).severity == severity
    assert rfc5424.parse(made.of(record, "")).severity == severity


@pytest.mark.parametrize(
    ("level_severities", "severity"),
    [
        ({"audit": "notice"}, 5),
        ({"AUDIT": "EMERG"}, 0),
        ({"AUDIT": 1}, 1),
        ({21: "err"}, 3),
        ({"21": "2"}, 2),
        ({"INFO": "debug"}, 6),
        ("", 6),
    ],
)
def test_of_severity_can_be_given_by_level(level_severities, severity):
    """
    A level by name or number has the severity that was asked for.
    """
    made = SyslogFormat(level_severities=level_severities)
    logging.addLevelName(21, "AUDIT")
    try:
        found = rfc5424.parse(made.of(record_of(level=21), ""))
    finally:
        del logging._levelToName[21], logging._nameToLevel["AUDIT"]

    assert found.severity == severity


def test_of_levels_without_end_are_not_all_remembered():
    """
    Levels, loggers and processes that are data do not fill the memory.
    """
    made = SyslogFormat()
    for number in range(3000):
        record = record_of(level=number, name=f"app.{number}")
        record.process = number + 1
        made.of(record, "")

    assert len(made._header._starts) == 1000
    assert len(made._header._ids) == 1000


def test_names_default_are_of_this_process(monkeypatch):
    """
    Host, program, process id and logger name the message.
    """
    monkeypatch.setattr(sys, "argv", ["/srv/bin/serve"])
    found = read(record=record_of(name="app.serving"))

    assert found.hostname == socket.gethostname()
    assert found.app_name == "serve"
    assert found.procid == str(os.getpid())
    assert found.msgid == "app.serving"


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["/a/b c/tr\u00e4in.py", "x"], "tr_in.py"),
        (["/a/package/__main__.py"], "package"),
        (["-c"], "python"),
        ([""], "python"),
        ([], "python"),
        (["/a/" + "x" * 100], "x" * 48),
    ],
)
def test_names_program_is_reduced(argv, name, monkeypatch):
    """
    The program's name is printable ASCII, or python.
    """
    monkeypatch.setattr(sys, "argv", argv)

    assert read().app_name == name


def test_names_hostname_is_looked_up_once(monkeypatch):
    """
    The machine is asked for its name at the first record, and never again.
    """
    asked = []

    def gethostname():
        asked.append(1)
        return "gr\u00fcn host." + "x" * 300

    monkeypatch.setattr(socket, "gethostname", gethostname)
    made = SyslogFormat()
    assert asked == []
    found = [rfc5424.parse(made.of(record_of(name=name), "")) for name in "ab"]

    assert asked == [1]
    assert found[0].hostname == ("gr_n_host." + "x" * 300)[:255]


def test_names_hostname_that_is_unknown_is_a_dash(monkeypatch):
    """
    A machine that cannot say its name does not stop a message.
    """

    def gethostname():
        raise OSError

    monkeypatch.setattr(socket, "gethostname", gethostname)

    assert read().hostname is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("req-1", "req-1"),
        ("", None),
        ("a b\n\u00fc\ud800", "a_b___"),
        (7, "7"),
        (None, "null"),
        (hostile.RaisingRepr(), "<RaisingRepr>"),
        (hostile.np.float32(0.5), "0.5"),
    ],
    ids=lambda _: "value",
)
def test_names_from_fields_have_precedence(value, text):
    """
    A field of the record names the message, in printable ASCII.
    """
    options = {
        f"{name}{ending}": "f" if ending else "constant"
        for name in ("app_name", "procid", "msgid")
        for ending in ("", "_field")
    }

    found = read(options, record_of(f=value))
    without = read(options)

    assert (found.app_name, found.procid, found.msgid) == (text,) * 3
    assert without.app_name == without.procid == without.msgid == "constant"


@pytest.mark.parametrize(
    ("option", "longest"), [("app_name", 48), ("procid", 128), ("msgid", 32)]
)
def test_names_from_fields_are_cut(option, longest):
    """
    Each name ends where the RFC says.
    """
    found = read({f"{option}_field": "f"}, record_of(f="x" * 500))

    assert getattr(found, option) == "x" * longest


def test_names_logger_is_reduced_and_cut():
    """
    A logger's name becomes printable ASCII of at most 32 characters.
    """
    assert read(record=record_of(name="a b\n" + "x" * 40)).msgid == (
        "a_b_" + "x" * 28
    )
    assert read(record=record_of(name="")).msgid is None


@pytest.mark.parametrize(
    "process",
    [None, 0, -1, "worker 1", hostile.RaisingEverything()],
    ids=as_id,
)
def test_names_process_that_is_none_is_this_one(process):
    """
    A record without a process id is of the process that writes it.
    """
    record = record_of()
    record.process = process

    assert read(record=record).procid == str(os.getpid())


def test_fields_come_back():
    """
    A receiver reads each field as it was given.
    """
    fields = {'q"': 'a"]\\', "n": 7, "metrics": {"loss": 0.5}, "none": None}

    found = read(record=record_of(**fields))

    assert found.structured_data["mllog@32473"] == [
        ("q_", 'a"]\\'),
        ("n", "7"),
        ("metrics.loss", "0.5"),
        ("none", "null"),
    ]


def test_enterprise_id_names_the_element():
    """
    The element is called as the option says.
    """
    found = read({"enterprise_id": "ml@1.2"}, record_of(a=1))

    assert found.structured_data["ml@1.2"] == [("a", "1")]


def test_sequence_counts_and_begins_anew():
    """
    The numbers go from 1 to 2147483647, and then from 1 on.
    """
    made = SyslogFormat()

    def number():
        data = rfc5424.parse(made.of(record_of(), "")).structured_data
        return data["meta"]

    assert [number(), number()] == [
        [("sequenceId", "1")],
        [("sequenceId", "2")],
    ]
    made._header._sequence = itertools.count(2**31 - 2)
    assert number() == [("sequenceId", "2147483647")]
    assert number() == [("sequenceId", "1")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_sequence_in_a_child_begins_anew(monkeypatch):
    """
    A forked child numbers its own messages, under its own process id.
    """
    monkeypatch.setattr(logging, "logProcesses", False)
    made = SyslogFormat()
    made.of(record_of(), "")
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, made.of(record_of(), ""))
        os._exit(0)
    os.waitpid(child, 0)
    found = rfc5424.parse(os.read(reading, 10_000))
    os.close(reading)
    os.close(writing)

    assert found.procid == str(child)
    assert found.structured_data["meta"] == [("sequenceId", "1")]


@pytest.mark.parametrize(
    ("fields", "text", "has_data"),
    [
        ("structured_data", b"first\nsecond", True),
        ("text", b'first a=1 b="x y"\nsecond', False),
        ("json", b"first\nsecond", False),
        ("none", b"first\nsecond", False),
    ],
)
def test_fields_stand_where_the_option_says(fields, text, has_data):
    """
    Fields are structured data, or behind the first line, or left out.
    """
    found = read({"fields": fields}, record_of(a=1, b="x y"), "first\nsecond")

    assert found.message == text
    assert ("mllog@32473" in found.structured_data) is has_data


def test_fields_as_json_are_the_formatters():
    """
    With fields="json" the message is the formatter's line.
    """
    record = record_of(a=1)
    line = mllog.JSONFormatter().format_bytes(record)

    assert json.loads(read({"fields": "json"}, record, line).message)["a"] == 1


@pytest.mark.parametrize(
    ("text", "newlines", "expected"),
    [
        ("grüße 😀", "keep", "grüße 😀"),
        ("a\nb", "keep", "a\nb"),
        ("a\nb", "escape", "a\\nb"),
        ("a\r\n\x00\x1b[31m\x07\t", "keep", "a\\r\n\\x00\\x1b[31m\\x07\\t"),
        ("\u202e\ud800", "escape", "\\u202e\\ud800"),
        (b"\xc3\xbc\xff\n", "keep", "ü\\xff\n"),
        (bytearray(b"x"), "keep", "x"),
        (hostile.SpokenFor("secret"), "keep", "secret"),
        (None, "keep", "null"),
        (hostile.Liar(str), "keep", None),
        ("", "keep", ""),
    ],
    ids=lambda _: "text",
)
def test_text_is_safe_utf8(text, newlines, expected):
    """
    Text is UTF-8 with its control characters shown, whatever was handed over.
    """
    found = read({"newlines": newlines}, text=text).message.decode()

    assert RAW.search(found) is None
    if expected is not None:
        assert found == expected


def test_text_has_a_mark_if_asked_for():
    """
    The byte order mark is off unless it is asked for.
    """
    assert read().bom is False
    found = read({"bom": "true"}, text="hällo")
    assert (found.bom, found.message.decode()) == (True, "hällo")


@pytest.mark.parametrize("limit", range(480, 700))
def test_limit_text_is_cut_at_a_character(limit):
    """
    Text that is too long is cut between characters, and says what is missing.
    """
    cuts = []
    made = SyslogFormat(
        max_message_bytes=limit, bom=limit % 2, on_cut=lambda: cuts.append(1)
    )
    text = "aü€😀" * 200

    message = made.of(record_of(a=1), text)

    found = rfc5424.parse(message).message.decode()
    kept, _, missing = found.partition(" [truncated ")
    assert limit - 4 < len(message) <= limit
    assert text.startswith(kept)
    assert missing == f"{len(text.encode()) - len(kept.encode())} bytes]"
    assert cuts == [1]


def test_limit_text_of_any_size_says_what_is_missing():
    """
    Of a text of 10 MB only as much is looked at as can be sent.
    """
    found = read({"max_message_bytes": 1000}, text="\n" * 10_000_000)

    kept = found.message.count(b"\n")
    assert found.message.endswith(
        f" [truncated {10_000_000 - kept} bytes]".encode()
    )


def test_limit_exact_is_not_cut():
    """
    A message of just the limit is whole; with one byte more it is cut.
    """
    cuts = []
    made = SyslogFormat(
        max_message_bytes=1000, procid=1, on_cut=lambda: cuts.append(1)
    )
    room = 1000 - len(made.of(record_of(), ""))

    assert len(made.of(record_of(), "x" * room)) == 1000
    assert cuts == []
    assert made.of(record_of(), "x" * (room + 1)).endswith(b" bytes]")
    assert cuts == [1]


def test_limit_fields_give_way_after_the_text():
    """
    The text is cut to a quarter, then long values are, then fields left out.
    """
    made = SyslogFormat(max_message_bytes=1000)
    record = record_of(first="x" * 5000, **{f"f{n}": n for n in range(200)})

    found = rfc5424.parse(made.of(record, "y" * 5000))

    params = found.structured_data["mllog@32473"]
    kept, _, rest = params[0][1].partition("…[truncated ")
    assert len(kept) + int(rest.removesuffix("]")) == 5000
    assert params[1:3] == [("f0", "0"), ("f1", "1")]
    assert params[-1] == ("mllog_truncated", "true")
    assert 100 < len(found.message) < 400
    assert found.structured_data["meta"]


@pytest.mark.parametrize("sequence_id", [True, False])
def test_limit_least_has_room_for_the_longest_header(sequence_id):
    """
    The longest names leave a valid message of 480 bytes.
    """
    made = SyslogFormat(
        facility=23,
        hostname="h" * 255,
        app_name="a" * 48,
        procid_field="p",
        msgid="m" * 32,
        max_message_bytes=480,
        sequence_id=sequence_id,
    )
    made._header._sequence = itertools.count(2**31 - 2)
    record = record_of(p="p" * 128, a=1, b="x" * 100)

    message = made.of(record, "y" * 100)

    assert len(message) <= 480
    assert rfc5424.parse(message).procid == "p" * 64


def test_limit_default_is_that_of_the_rfc():
    """
    64 KiB for RFC 5424, 1024 bytes for RFC 3164.
    """
    text = "x" * 10**6

    assert 65530 < len(SyslogFormat().of(record_of(), text)) <= 65536
    assert 1018 < len(SyslogFormat(rfc=3164).of(record_of(), text)) <= 1024


def test_old_format_is_time_host_tag_and_text(monkeypatch):
    """
    The message reads <PRI>Mmm dd hh:mm:ss HOST TAG[pid]: text key=value.
    """
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-7.example.org")
    made = SyslogFormat(rfc="3164", facility="local0", app_name="my-app.py")
    record = record_of(loss=0.5)

    pri, _, host, tag, pid, text = OLD.fullmatch(
        made.of(record, "a\nb").decode()
    ).groups()

    assert (pri, host, tag, pid) == ("134", "gpu-7", "myapp", str(os.getpid()))
    assert text == "a loss=0.5\\nb"


@pytest.mark.parametrize("month", range(12))
def test_old_time_is_local(month):
    """
    The time is the local one, in English, its day two characters wide.
    """
    import time

    when = time.mktime((2026, month + 1, 3, 4, 5, 6, 0, 0, -1))
    record = record_of()
    record.created = when

    found = OLD.fullmatch(SyslogFormat(rfc=3164).of(record, "").decode())

    names = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
    assert found[2] == f"{names[month]}  3 04:05:06"


@pytest.mark.parametrize("created", [None, "x", float("nan"), 1e30])
def test_old_time_that_is_none_is_1970(created):
    """
    A record without a time that exists has the first there is.
    """
    record = record_of()
    record.created = created

    assert b"Jan  1 00:00:00" in SyslogFormat(rfc=3164).of(record, "")
    assert read(record=record).timestamp == "1970-01-01T00:00:00.000000Z"


def test_old_tag_is_cut():
    """
    A tag has at most 32 letters and digits.
    """
    made = SyslogFormat(rfc=3164, app_name="a-" * 20 + "b" * 8, procid=7)
    longest = SyslogFormat(rfc=3164, app_name="a" * 48, procid=7)

    assert b" " + b"a" * 20 + b"b" * 8 + b"[7]: x" in made.of(record_of(), "x")
    assert b" " + b"a" * 32 + b"[7]: x" in longest.of(record_of(), "x")


def test_old_tag_needs_no_process():
    """
    Without a process id there are no brackets; without letters it is python.
    """
    made = SyslogFormat(rfc=3164, procid="-", app_name="--", fields="none")

    assert made.of(record_of(a=1), "x").endswith(b" python: x")


@settings(max_examples=200)
@given(
    record=hostile.records(),
    limit=st.one_of(st.integers(480, 3000), st.integers(480, 70_000)),
    fields=st.sampled_from(["structured_data", "text", "json", "none"]),
    newlines=st.sampled_from(["keep", "escape"]),
    flags=st.tuples(st.booleans(), st.booleans()),
    named=st.sampled_from([None, "loss", "metrics", "_private"]),
)
def test_of_any_record_is_one_valid_message(
    record, limit, fields, newlines, flags, named
):
    """
    Any record gives a message that a strict reader takes, within the limit.
    """
    cuts = []
    options = {
        "fields": fields,
        "newlines": newlines,
        "bom": flags[0],
        "sequence_id": flags[1],
        "procid_field": named,
        "on_cut": lambda: cuts.append(1),
    }
    before = hostile.state_of(record)
    text = mllog.fields.message_of(record)

    message = SyslogFormat(max_message_bytes=limit, **options).of(record, text)

    found = rfc5424.parse(message)
    shown = message.decode().replace("\ufeff", "", int(flags[0]))
    assert len(message) <= limit
    assert RAW.search(shown) is None
    assert "\n" not in shown or newlines == "keep"
    assert found.severity in (3, 6, 7)
    assert hostile.state_of(record) == before
    assert len(cuts) <= 1
    if named is None:
        whole = SyslogFormat(max_message_bytes="1GB", **options)
        whole = whole.of(record, text)
        assert (message == whole) is (not cuts) is (len(whole) <= limit)


@given(record=hostile.records(), limit=st.integers(480, 70_000))
def test_of_any_record_is_one_old_message(record, limit):
    """
    Any record gives one line of the old form, within the limit.
    """
    made = SyslogFormat(rfc="3164", max_message_bytes=limit)

    message = made.of(record, mllog.TextFormatter().format(record))

    assert len(message) <= limit
    assert OLD.fullmatch(message.decode())
    assert RAW.search(message.decode()) is None
    assert b"\n" not in message


@given(
    values=st.dictionaries(
        st.sampled_from(list(vars(record_of()))), hostile.VALUES
    )
)
def test_of_a_record_that_was_made_by_hand(values):
    """
    Whatever stands in logging's own attributes, the message is valid.
    """
    record = record_of(a=1)
    record.__dict__.update(values)

    rfc5424.parse(SyslogFormat().of(record, "x"))
    assert OLD.fullmatch(SyslogFormat(rfc=3164).of(record, "x").decode())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rfc": "5425"}, "rfc='5425'"),
        ({"facility": "locl0"}, "local0"),
        ({"facility": 24}, "facility=24"),
        ({"facility": "24"}, "facility='24'"),
        ({"facility": True}, "facility=True"),
        ({"facility": None}, "facility=None"),
        ({"level_severities": "AUDIT"}, "level_severities='AUDIT'"),
        ({"level_severities": {"AUDIT": "notic"}}, "write notice"),
        ({"level_severities": {"AUDIT": 8}}, "['AUDIT']=8"),
        ({"level_severities": {None: 1}}, "[None]"),
        ({"hostname": "a b"}, "hostname='a b'"),
        ({"hostname": "x" * 256}, "at most 255"),
        ({"app_name": "x" * 49}, "at most 48"),
        ({"app_name": 1}, "app_name=1"),
        ({"procid": "ü"}, "procid='ü'"),
        ({"msgid": "x" * 33}, "at most 32"),
        ({"msgid_field": 1}, "msgid_field=1"),
        ({"enterprise_id": "mllog"}, "enterprise_id='mllog'"),
        ({"fields": "xml"}, "fields='xml'"),
        ({"sequence_id": "maybe"}, "sequence_id='maybe'"),
        ({"bom": "maybe"}, "bom='maybe'"),
        ({"newlines": "drop"}, "newlines='drop'"),
        ({"max_message_bytes": 479}, "480 or more"),
        ({"max_message_bytes": "many"}, "max_message_bytes='many'"),
        ({"rfc": 3164, "fields": "structured_data"}, "fix:"),
        ({"rfc": 3164, "sequence_id": True}, "fix:"),
        ({"rfc": 3164, "bom": True}, "fix:"),
    ],
)
def test_options_wrong_raise_config_error(options, expected):
    """
    A wrong option is named, with its value and what would be right.
    """
    with pytest.raises(mllog.ConfigError) as caught:
        SyslogFormat(**options)

    assert expected in str(caught.value)


def test_options_of_a_file_are_text():
    """
    Options may be text, as configuration files have them.
    """
    found = read(
        {
            "rfc": "5424",
            "facility": "16",
            "procid": "",
            "msgid_field": "",
            "fields": "",
            "sequence_id": "no",
            "bom": "yes",
            "newlines": "",
            "max_message_bytes": "8KiB",
        }
    )

    assert found.facility == 16
    assert found.structured_data == {}


@pytest.mark.parametrize(
    ("message", "position"),
    [
        (b"", 0),
        (b"14>1 - - - - - -", 0),
        (b"<014>1 - - - - - -", 0),
        (b"<192>1 - - - - - -", 1),
        (b"<14>0 - - - - - -", 4),
        (b"<14>1  - - - - -", 6),
        (b"<14>1 2026-11-21T06:45:12 - - - - -", 6),
        (b"<14>1 2026-11-21t06:45:12Z - - - - -", 6),
        (b"<14>1 2026-11-21T06:45:60Z - - - - -", 6),
        (b"<14>1 2026-02-30T06:45:12Z - - - - -", 6),
        (b"<14>1 2026-11-21T06:45:12.1234567Z - - - - -", 6),
        (b"<14>1 2026-11-21T06:45:12+24:00 - - - - -", 6),
        (b"<14>1 - " + b"h" * 256 + b" - - - -", 8),
        (b"<14>1 - - " + b"a" * 49 + b" - - -", 10),
        (b"<14>1 - - - " + b"p" * 129 + b" - -", 12),
        (b"<14>1 - - - - " + b"m" * 33 + b" -", 14),
        (b"<14>1 - \xc3\xbc - - - -", 8),
        (b"<14>1 - - - - -", 15),
        (b"<14>1 - - - - - text", 16),
        (b"<14>1 - - - - - -text", 17),
        (b"<14>1 - - - - - [a@1", 20),
        (b"<14>1 - - - - - [a]", 17),
        (b"<14>1 - - - - - [a@]", 17),
        (b"<14>1 - - - - - [a@1][a@1]", 22),
        (b"<14>1 - - - - - [" + b"a" * 31 + b"@1]", 17),
        (b"<14>1 - - - - - [a@1 ]", 21),
        (b'<14>1 - - - - - [a@1  b=""]', 21),
        (b"<14>1 - - - - - [a@1 b=1]", 22),
        (b'<14>1 - - - - - [a@1 b="]"]', 24),
        (b'<14>1 - - - - - [a@1 b="\\n"]', 24),
        (b'<14>1 - - - - - [a@1 b="\\"]', 26),
        (b'<14>1 - - - - - [a@1 b="x\xff"]', 25),
        (b'<14>1 - - - - - [a@1 b="x"', 26),
        (b"<14>1 - - - - - [a@1 " + b"b" * 33 + b'=""]', 21),
        (b'<14>1 - - - - - [meta sequenceId="0"]', 34),
        (b'<14>1 - - - - - [meta sequenceId="2147483648"]', 34),
        (b"<14>1 - - - - - [a@1] \xef\xbb\xbf\xff", 25),
    ],
    ids=lambda _: "",
)
def test_reader_refuses_what_the_grammar_does_not_allow(message, position):
    """
    The control: each mistake is found where it is.
    """
    with pytest.raises(ValueError, match=f"position {position}:"):
        rfc5424.parse(message)


def test_reader_takes_the_examples_of_the_rfc():
    """
    The parts of a message come back as they were written.
    """
    found = rfc5424.parse(
        b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 -"
        b' [ex@32473 iut="3" q="\\"\\\\\\]" q="\xc3\xbc\n"][meta]'
        b" \xef\xbb\xbfok \xc3\xbc"
    )

    assert (found.facility, found.severity, found.version) == (20, 5, 1)
    assert found.timestamp == "2003-08-24T05:14:15.000003-07:00"
    assert found.hostname == "192.0.2.1"
    assert (found.app_name, found.procid) == ("myproc", "8710")
    assert found.msgid is None
    assert found.structured_data == {
        "ex@32473": [("iut", "3"), ("q", '"\\]'), ("q", "ü\n")],
        "meta": [],
    }
    assert (found.message.decode(), found.bom) == ("ok ü", True)
    assert rfc5424.parse(b"<0>1 - - - - - -").message is None
    assert rfc5424.parse(b"<0>1 - - - - - - \xff").message == b"\xff"
