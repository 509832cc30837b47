"""
What all shippers share: options, formatters, counts, names.
"""

import ast
import json
import logging
import logging.config
import threading
from fnmatch import fnmatch

import pytest
import shipping
from shipping import MemoryHandler, unaccounted, wait_until

import mllog
from mllog.delivery.handler import ShippingHandler
from mllog.errors import ConfigError
from mllog.events import Event


@pytest.fixture
def make(logger):
    """
    Make handlers of the test's logger.
    """

    made = []

    def handler(**options):
        made.append(MemoryHandler(**options))
        logger.addHandler(made[-1])
        return made[-1]

    yield handler
    for each in made:
        each.sink.is_down = False
        each.close(5)


@pytest.fixture
def alone():
    """
    A logger that pytest does not know: it raises what handlers run into.
    """
    return logging.Logger("alone")


class Plain(ShippingHandler):
    """
    A handler with the formatter that all have.
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.sink = shipping.MemoryTransport()
        self.ship(self.sink, "plain")


# options

NUMBERS = {
    "block_seconds": [0, "0.5"],
    "max_queue_records": [1, "10"],
    "max_queue_bytes": [100_000, "1MiB"],
    "max_record_bytes": [1024, "2KiB"],
    "batch_records": [1, "10"],
    "batch_bytes": [1024, "2KiB"],
    "linger_seconds": [0, "0.5"],
    "max_age_seconds": [0.5, "10", None],
    "send_timeout_seconds": [0.1, "10"],
    "retry_max_seconds": [0.1, "10"],
    "close_timeout_seconds": [0, "1"],
    "spool_max_bytes": [100_000, "1GiB"],
    "overflow": ["drop_oldest", "drop_newest", "block"],
    "spool_fsync": ["never", "interval", "always"],
}


@pytest.mark.parametrize(
    ("option", "value"),
    [(name, value) for name in NUMBERS for value in NUMBERS[name]],
)
def test_handler_takes_numbers_and_their_strings(option, value):
    """
    A fileConfig has strings only.
    """
    MemoryHandler(**{option: value}).close()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("block_seconds", -1),
        ("max_queue_records", 0),
        ("max_queue_records", "many"),
        ("max_queue_records", 2.5),
        ("max_queue_bytes", "1 parsec"),
        ("max_queue_bytes", 10),
        ("max_record_bytes", 10),
        ("batch_records", 0),
        ("batch_bytes", 0),
        ("linger_seconds", -1),
        ("linger_seconds", float("nan")),
        ("max_age_seconds", 0),
        ("send_timeout_seconds", 0),
        ("retry_max_seconds", 0),
        ("retry_max_seconds", "soon"),
        ("close_timeout_seconds", -2),
        ("overflow", "explode"),
        ("spool", "sometimes"),
        ("spool_fsync", "maybe"),
        ("filters", "x"),
        ("formatter_options", "x"),
    ],
)
def test_handler_with_a_wrong_value_names_option_and_value(option, value):
    """
    The constructor refuses it, and says what was expected.
    """
    with pytest.raises(ConfigError) as caught:
        MemoryHandler(**{option: value})

    assert option in str(caught.value)
    assert "expected" in str(caught.value)


def test_handler_with_an_unknown_option_names_the_nearest():
    """
    A typing error is no option that is silently ignored.
    """
    with pytest.raises(ConfigError, match="max_queue_records") as caught:
        mllog.SyslogHandler(max_queue_record=10)

    assert "max_queue_record" in str(caught.value)
    assert "SyslogHandler" in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"linger_seconds": 300},
        {"linger_seconds": "10", "max_age_seconds": "10"},
    ],
)
def test_handler_that_lingers_until_records_are_too_old_is_refused(options):
    """
    Without a spool a record is given up after 300 s unless told otherwise.
    """
    with pytest.raises(ConfigError, match="linger_seconds") as caught:
        Plain(**options)

    assert "max_age_seconds" in str(caught.value)


def test_handler_with_a_spool_may_linger_as_long_as_it_likes(tmp_path):
    """
    Its records never grow too old.
    """
    handler = Plain(
        linger_seconds=3600, spool="overflow", spool_dir=tmp_path / "spool"
    )

    handler.close()


def test_handler_with_records_larger_than_its_queue_is_refused():
    """
    A queue holds at least one record.
    """
    with pytest.raises(ConfigError, match="max_queue_bytes"):
        MemoryHandler(max_record_bytes="2MiB", max_queue_bytes="1MiB")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"spool": "always"}, "spool_dir"),
        ({"spool": "overflow", "spool_dir": ""}, "spool_dir"),
        ({"spool_dir": "/tmp"}, "spool="),
        (
            {"spool": "always", "spool_dir": "x", "max_age_seconds": 5},
            "max_age_seconds",
        ),
    ],
)
def test_handler_with_half_a_spool_is_refused(options, named):
    """
    A folder without a spool, a spool without a folder, ages on a disk.
    """
    with pytest.raises(ConfigError, match=named):
        MemoryHandler(**options)


def test_handler_with_a_spool_that_others_may_write_is_refused(tmp_path):
    """
    What is in it would be sent as ours.
    """
    tmp_path.chmod(0o777)

    with pytest.raises(ConfigError, match="chmod 700"):
        MemoryHandler(spool="always", spool_dir=tmp_path)


def test_handler_of_a_sink_that_is_away_is_made_and_takes_records(
    make, logger
):
    """
    Nothing is connected before the first record, and its loss is no error.
    """
    handler = make()
    handler.sink.is_down = True
    opens_before = handler.sink.opens
    logger.info("x")
    is_tried = wait_until(lambda: handler.sink.opens, 5)
    handler.sink.is_down = False

    assert 0 == opens_before
    assert is_tried
    assert handler.flush(30)
    assert [b"x"] == handler.sink.received


# formatters


def test_formatter_that_is_not_given_writes_json(logger):
    """
    Fields and all.
    """
    handler = Plain()
    logger.addHandler(handler)
    logger.info("done", extra={"inference_latency": 0.5})
    handler.flush(5)

    line = json.loads(handler.sink.received[0])
    assert ("done", 0.5) == (line["message"], line["inference_latency"])


class Events(logging.Formatter):
    """
    One event a word, with its number as the key.
    """

    def events(self, record):
        words = record.getMessage().encode().split()
        return tuple(Event(word, b"%d" % n) for n, word in enumerate(words))


class Bytes(logging.Formatter):
    def format_bytes(self, record):
        return b"<" + record.getMessage().encode() + b">"


def test_formatter_of_events_sends_several_for_a_record(make, logger):
    """
    The record is sent when its last event is; with none it is skipped.
    """
    handler = make()
    handler.setFormatter(Events())
    logger.info("a b c")
    logger.info("")
    handler.flush(5)

    stats = handler.stats()
    assert [Event(b"a", b"0"), Event(b"b", b"1"), Event(b"c", b"2")] == (
        handler.sink.events
    )
    assert (1, 1, 1) == (stats.accepted, stats.sent, stats.skipped)


@pytest.mark.parametrize(
    ("formatter", "wanted"),
    [
        (Bytes(), b"<caf\xc3\xa9>"),
        (logging.Formatter("[%(message)s]"), b"[caf\xc3\xa9]"),
        (None, b"caf\xc3\xa9"),
    ],
)
def test_formatter_of_bytes_or_text_sends_what_it_writes(
    make, logger, formatter, wanted
):
    """
    Text is UTF-8; None is the handler's own formatter.
    """
    handler = make()
    handler.setFormatter(formatter)
    logger.info("café")
    handler.flush(5)

    assert [wanted] == handler.sink.received


def test_formatter_of_text_that_is_not_unicode_loses_no_record(make, logger):
    """
    A lone surrogate is escaped.
    """
    handler = make()
    logger.info("a\udc80b")
    handler.flush(5)

    assert [b"a\\udc80b"] == handler.sink.received


def test_formatter_of_plain_data_is_made_by_the_handler(logger):
    """
    ``formatter_options`` with a class, as an INI file has it.
    """
    handler = MemoryHandler(
        formatter_options={
            "class": "logging.Formatter",
            "fmt": "<%(message)s>",
        }
    )
    logger.addHandler(handler)
    logger.info("x")
    handler.flush(5)

    assert [b"<x>"] == handler.sink.received


class Redacting(logging.Filter):
    """
    Gives a new record, as a filter of mllog does.
    """

    def filter(self, record):
        return logging.makeLogRecord(
            {**vars(record), "password": "[redacted]"}
        )


def test_filters_run_before_anything_is_queued(logger, tmp_path):
    """
    A secret is on no queue and on no disk.
    """
    handler = Plain(
        filters=[Redacting()], spool="always", spool_dir=tmp_path / "spool"
    )
    handler.sink.is_down = True
    logger.addHandler(handler)
    logger.info("x", extra={"password": "hunter2"})
    handler.close(0)

    on_disk = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )
    assert b"password" in on_disk
    assert b"hunter2" not in on_disk


# what cannot be sent


class Bad:
    def __str__(self):
        raise ValueError("secret")


def test_record_that_cannot_be_formatted_is_counted_and_said_once(
    make, alone, capsys
):
    """
    The application goes on, and so do the records behind it.
    """
    handler = make()
    alone.addHandler(handler)
    for _ in range(100):
        alone.info("%s", Bad())
    alone.info("x")
    handler.flush(5)

    stats = handler.stats()
    said = capsys.readouterr().err
    assert {"format_error": 100} == stats.dropped
    assert 0 == unaccounted(stats)
    assert [b"x"] == handler.sink.received
    assert 1 == said.count("Traceback")
    assert said.count("\n") < 40


@pytest.mark.parametrize("length", [1024, 1025])
def test_record_that_is_too_large_is_counted(make, logger, length):
    """
    Up to ``max_record_bytes`` it is sent, and not one byte more.
    """
    handler = make(max_record_bytes=1024)
    logger.info("x" * length)
    handler.flush(5)

    stats = handler.stats()
    assert (length == 1024) == (stats.sent == 1)
    assert ({} if length == 1024 else {"too_large": 1}) == stats.dropped
    assert 0 == unaccounted(stats)


def test_record_of_several_events_is_measured_as_a_whole(make, logger):
    """
    Keys and headers count.
    """
    handler = make(max_record_bytes=1024)
    handler.setFormatter(Events())
    logger.info("%s %s", "x" * 600, "y" * 600)
    handler.flush(5)

    assert {"too_large": 1} == handler.stats().dropped


def test_record_of_the_transport_itself_is_suppressed(make, logger):
    """
    What it logs while it sends would be sent, and logged, and sent.
    """
    handler = make()
    handler.sink.on_send = lambda events: logger.debug("sending")
    logger.info("x")
    handler.flush(5)

    stats = handler.stats()
    assert [b"x"] == handler.sink.received
    assert (1, 1) == (stats.accepted, stats.suppressed)


def test_record_of_another_thread_is_not_suppressed_meanwhile(make, logger):
    """
    The thread says whose record it is, not the time and not the logger.
    """
    handler = make()

    def log_elsewhere(events):
        if b"x" in [event.value for event in events]:
            thread = threading.Thread(target=lambda: logger.info("y"))
            thread.start()
            thread.join()

    handler.sink.on_send = log_elsewhere
    logger.info("x")

    assert wait_until(lambda: len(handler.sink.received) == 2, 30)
    assert [b"x", b"y"] == handler.sink.received
    assert 0 == handler.stats().suppressed


def test_record_that_logs_itself_while_it_is_formatted_ends(make, alone):
    """
    Three deep, and what would be deeper is counted.
    """

    class Endless:
        def __str__(self):
            alone.info("inner %s", Endless())
            return "x"

    handler = make()
    alone.addHandler(handler)
    alone.info("outer %s", Endless())
    handler.flush(5)

    stats = handler.stats()
    assert [b"inner x", b"inner x", b"outer x"] == handler.sink.received
    assert (4, 0) == (stats.accepted, stats.suppressed)
    assert {"recursion": 1} == stats.dropped


# after close


def test_record_after_close_is_sent_or_counted(make, logger):
    """
    A thread may hold a handler that dictConfig has just taken away.
    """
    handler = make()
    logger.info("x")
    handler.close()
    logger.info("y")
    wait_until(lambda: len(handler.sink.received) == 2, 2)

    stats = handler.stats()
    assert 2 == stats.accepted == stats.sent + stats.dropped.get("closed", 0)
    assert stats.sent == len(handler.sink.received)
    assert 0 == unaccounted(stats)


def test_record_after_close_goes_to_the_spool_of_one_that_has_it(
    make, logger, tmp_path
):
    """
    The next handler of the name sends it, if no worker does.
    """
    options = {"spool": "always", "spool_dir": tmp_path / "spool"}
    handler = make(**options)
    logger.info("x")
    handler.close()
    handler.sink.is_down = True
    logger.info("y")
    handler.close(0.1)
    logger.removeHandler(handler)
    heir = make(**options)
    logger.info("z")

    assert wait_until(lambda: set(heir.sink.received) == {b"y", b"z"}, 30)
    assert 0 == unaccounted(handler.stats())


# names


def test_repr_of_a_handler_names_class_sink_and_level():
    """
    And nothing that could be secret.
    """
    handler = MemoryHandler()
    handler.setLevel("WARNING")

    assert "<MemoryHandler memory (WARNING)>" == repr(handler)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("metrics", "metrics"),
        ("a.b-c_d", "a.b-c_d"),
        (None, "MemoryHandler-memory"),
        ("../../etc", "_.._etc-????????"),
        (".hidden", "hidden-????????"),
        ("a/b", "a_b-????????"),
        ("ä", "_-????????"),
        ("x" * 300, "x" * 100 + "-????????"),
        ("\udc80", "_-????????"),
    ],
)
def test_folder_of_a_spool_is_named_after_the_handler(
    make, logger, tmp_path, name, folder
):
    """
    In safe characters, with a checksum where others could look alike.
    """
    handler = make(spool="always", spool_dir=tmp_path / "spool")
    handler.sink.is_down = True
    if name is not None:
        handler.name = name
    logger.info("x")

    (found,) = (tmp_path / "spool").iterdir()
    assert fnmatch(found.name, folder)
    assert found.stat().st_mode & 0o777 == 0o700


def test_folders_of_names_that_look_alike_are_different(logger, tmp_path):
    """
    Otherwise one handler would send what is another's.
    """
    names = ["a/b", "a:b", "a_b", ".a_b", "x" * 101, "x" * 102, "x" * 100]
    handlers = []
    for name in names:
        handler = MemoryHandler(spool="always", spool_dir=tmp_path / "spool")
        handler.name = name
        handler.sink.is_down = True
        logger.addHandler(handler)
        handlers.append(handler)
    logger.info("x")
    for handler in handlers:
        handler.close(0)

    assert len(names) == len(list((tmp_path / "spool").iterdir()))


# configurations


def test_handler_of_a_dict_config_is_made_with_its_options(logger):
    """
    By its class, with filters and a formatter.
    """
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"short": {"format": "%(levelname)s %(message)s"}},
            "handlers": {
                "sink": {
                    "class": "shipping.MemoryHandler",
                    "formatter": "short",
                    "level": "INFO",
                    "max_queue_records": "100",
                    "overflow": "drop_newest",
                }
            },
            "loggers": {logger.name: {"handlers": ["sink"]}},
        }
    )
    (handler,) = logger.handlers
    logger.info("x")
    logger.debug("y")

    assert handler.flush(30)
    assert [b"INFO x"] == handler.sink.received
    assert "MemoryHandler 'sink'" == handler.label()


def test_handler_of_a_dict_config_with_a_mistake_says_which():
    """
    The stdlib's "Unable to configure handler" has the reason as its cause.
    """
    with pytest.raises(ValueError, match="sink") as caught:
        logging.config.dictConfig(
            {
                "version": 1,
                "handlers": {
                    "sink": {
                        "class": "shipping.MemoryHandler",
                        "overflow": "explode",
                    }
                },
            }
        )

    assert isinstance(caught.value.__cause__, ConfigError)
    assert "drop_oldest" in str(caught.value.__cause__)


INI = """
[loggers]
keys=root,app

[handlers]
keys=sink

[formatters]
keys=short

[logger_root]
handlers=

[logger_app]
handlers=sink
level=DEBUG
qualname={name}
propagate=0

[handler_sink]
class=shipping.MemoryHandler
level=INFO
formatter=short
args=()
kwargs={kwargs}

[formatter_short]
format=%(levelname)s %(message)s
"""


def test_handler_of_a_file_config_is_made_with_its_options(logger, tmp_path):
    """
    All of them may be strings.
    """
    kwargs = {
        "max_queue_records": "100",
        "max_queue_bytes": "1MiB",
        "linger_seconds": "0.01",
        "spool": "overflow",
        "spool_dir": str(tmp_path / "spool"),
        "filters": [{"class": "logging.Filter", "name": logger.name}],
    }
    assert kwargs == ast.literal_eval(repr(kwargs))
    path = tmp_path / "logging.ini"
    path.write_text(INI.format(name=logger.name, kwargs=kwargs))

    logging.config.fileConfig(path, disable_existing_loggers=False)
    (handler,) = logger.handlers
    logger.info("x")
    logger.debug("y")

    assert handler.flush(30)
    assert [b"INFO x"] == handler.sink.received


def test_record_without_a_process_never_raises_into_the_application():
    """
    A record that somebody took attributes from is counted, not raised about.
    """
    handler = MemoryHandler()
    record = logging.makeLogRecord({"msg": "x"})
    del record.__dict__["process"]

    handler.handle(record)
    stats = handler.stats()
    handler.close(0)

    assert (stats.accepted, stats.dropped) == (1, {"format_error": 1})


def test_spool_of_another_destination_is_another_folder(
    make, logger, tmp_path
):
    """
    Two services with handlers of one name never send each other's records.
    """
    folders = set()
    for destination in ("", "topic-a", "topic-b"):
        handler = make(spool="overflow", spool_dir=tmp_path / "spool")
        handler.name = "events"
        handler.destination = destination
        folders.add(handler.spool_folder)

    assert 3 == len(folders)
