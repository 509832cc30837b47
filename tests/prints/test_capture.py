"""
mllog.capture_prints: what others print becomes records.
"""

import asyncio
import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings

import pytest

import mllog
from mllog.errors import ConfigError


class Kept(logging.Handler):
    """
    Keeps records.
    """

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)

    @property
    def lines(self):
        return [record.getMessage() for record in self.records]


@pytest.fixture(name="kept")
def _kept():
    """
    The handler of the logger ``vendor``, which nobody else hears.
    """
    logger = logging.getLogger("vendor")
    handler = Kept()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    logger.propagate = False
    yield handler
    logger.removeHandler(handler)
    logger.level, logger.propagate = before


def test_print_in_the_block_is_a_record_with_the_place_that_printed(
    kept, capsys
):
    """
    Level, stream and place are those of the print, and nothing is written.
    """
    with mllog.capture_prints("vendor"):
        print("loss", 0.5)
        print("odd", file=sys.stderr)

    first, second = kept.records
    assert ("loss 0.5", "INFO", "stdout") == (
        first.getMessage(),
        first.levelname,
        first.stream,
    )
    assert ("odd", "WARNING", "stderr") == (
        second.getMessage(),
        second.levelname,
        second.stream,
    )
    assert __file__ == first.pathname
    assert second.lineno == first.lineno + 1
    assert first.funcName.startswith("test_print_in_the_block")
    assert ("", "") == tuple(capsys.readouterr())


@pytest.mark.parametrize(
    "written, lines",
    [
        (["a", "b", "\n"], ["ab"]),
        (["a\nb\nc"], ["a", "b", "c"]),
        (["a\r\n", "b\r\n"], ["a", "b"]),
        (["a\r", "\nb\n"], ["a", "b"]),
        (["\r 10%", "\r 20%", "\r100%", "\n"], ["100%"]),
        (["10%\r", "20%\r", "30%\r"], ["30%"]),
        (["bar", "\r   \r", "done\n"], ["done"]),
        (["\n", "  \n", "\x1b[0m\n"], []),
        (["\x1b[1;31mred\x1b[0m \x1b]8;;x\x07link\n"], ["red link"]),
        (["1% %s {x}\n"], ["1% %s {x}"]),
        (["\ud800 \x00\n"], ["\ud800 \x00"]),
        (["x\u2028y\x0cz\n"], ["x\u2028y\x0cz"]),
        (["é" * 25 + "\n"], ["é" * 10, "é" * 10, "é" * 5]),
        (["é" * 7] * 3, ["é" * 10, "é" * 10, "é"]),
    ],
)
def test_text_in_pieces_is_whole_lines(kept, written, lines):
    """
    Lines end at a line break, a bar is its last state, a long one is several.
    """
    with mllog.capture_prints("vendor", max_line_characters=10):
        for text in written:
            assert len(text) == sys.stdout.write(text)

    assert lines == kept.lines


class Odd(str):
    """
    Text that fails at whatever one does to it.
    """

    def __add__(self, other):
        raise RuntimeError

    __radd__ = __mod__ = split = strip = __len__ = __add__


def test_text_of_an_odd_class_is_its_text(kept):
    """
    Nothing of a subclass of str is called.
    """
    with mllog.capture_prints("vendor"):
        sys.stdout.writelines([Odd("odd"), Odd("\n")])

    assert ["odd"] == kept.lines


def test_endless_line_is_logged_while_it_grows(kept):
    """
    Text without a line break never grows in memory beyond a line.
    """
    with mllog.capture_prints("vendor", max_line_characters=100):
        for _ in range(1000):
            sys.stdout.write("x" * 10)
        assert 10_000 - 100 <= sum(map(len, kept.lines))

    assert "x" * 10_000 == "".join(kept.lines)


def test_bytes_of_the_buffer_are_lines_too(kept, capfd):
    """
    A character may come in two pieces; what is no text is shown as it is.
    """
    with mllog.capture_prints("vendor"):
        data = "grün\n".encode()
        sys.stdout.buffer.write(data[:3])
        sys.stdout.buffer.write(memoryview(data)[3:])
        sys.stdout.buffer.write(b"\xff\n")
        sys.stdout.buffer.write(b"\xc3")
        sys.stdout.buffer.flush()

    assert ["grün", "\\xff", "\\xc3"] == kept.lines


def test_stream_says_of_itself_what_the_real_one_does(kept, capfd):
    """
    fileno, encoding and name are real; a terminal it is not; it stays open.
    """
    real = sys.stdout
    with mllog.capture_prints("vendor"):
        stream = sys.stdout
        assert real.fileno() == stream.fileno()
        assert real.encoding == stream.encoding
        assert real.errors == stream.errors
        assert isinstance(stream, io.TextIOBase)
        assert not stream.isatty() and not stream.buffer.isatty()
        assert stream.writable() and not stream.closed
        stream.close()
        assert stream.name == real.name
        with pytest.raises(AttributeError):
            _ = stream.nothing
        with pytest.raises(TypeError, match="must be str"):
            stream.write(b"x")
    print("still open")

    assert "still open\n" == capfd.readouterr().out


def test_stream_without_a_real_one_captures_as_well(kept, monkeypatch):
    """
    A program without a console has None for its streams.
    """
    monkeypatch.setattr(sys, "stdout", None)

    with mllog.capture_prints("vendor"):
        print("hello", flush=True)
        assert not sys.stdout.isatty()
        with pytest.raises(OSError):
            sys.stdout.fileno()

    assert ["hello"] == kept.lines
    assert sys.stdout is None


# --- no recursion ---


def test_handlers_on_captured_streams_write_to_the_real_ones(capsys):
    """
    Neither what they write of a print nor of another record comes back.
    """
    logger = logging.getLogger("recursion")
    logger.setLevel("DEBUG")
    logger.propagate = False
    with mllog.capture_prints("recursion"):
        logger.addHandler(logging.StreamHandler(sys.stderr))
        logger.addHandler(mllog.ConsoleHandler(stream="stdout"))
        logger.addHandler(Printing())
        print("printed")
        logger.info("logged")
    logger.handlers.clear()

    out, err = capsys.readouterr()
    assert "printed\nlogged\n" == err
    assert 2 == out.count("while emitting")
    assert 1 == out.count("INFO recursion printed")
    assert 1 == out.count("INFO recursion logged")


class Printing(logging.Handler):
    """
    Prints while it emits.
    """

    def emit(self, record):
        print("while emitting")


def test_listener_of_a_queue_writes_to_the_real_stream(capsys):
    """
    A handler that a QueueListener calls, in its thread, is a handler as well.
    """
    import queue
    from logging.handlers import QueueHandler, QueueListener

    waiting = queue.SimpleQueue()
    logger = logging.getLogger("queued")
    logger.propagate = False
    with mllog.capture_prints("queued", stdout="ERROR"):
        listener = QueueListener(
            waiting, mllog.ConsoleHandler(stream="stdout")
        )
        logger.addHandler(QueueHandler(waiting))
        listener.start()
        print("once")
        listener.stop()
    logger.handlers.clear()

    assert 1 == capsys.readouterr().out.count("once")


def test_rich_prints_lines_and_its_handler_writes_to_the_console(capsys):
    """
    A console of rich without a file is captured; one in a handler is not.
    """
    from rich.console import Console

    logger = logging.getLogger("richly")
    logger.setLevel("INFO")
    logger.propagate = False
    logger.addHandler(mllog.RichHandler(console=Console(width=100)))
    kept = Kept()
    logger.addHandler(kept)
    with mllog.capture_prints("richly"):
        Console(width=60).print("[red]hello[/red]")
    logger.handlers.clear()

    assert ["hello"] == kept.lines
    assert 1 == capsys.readouterr().out.count("hello")


def test_fault_that_mllog_reports_is_no_record(kept, capsys):
    """
    What a handler cannot do is told on the real standard error.
    """
    handler = mllog.ConsoleHandler(stream="stdout")
    with mllog.capture_prints("vendor"):
        handler.reports.say("out of order")

    assert "out of order" in capsys.readouterr().err
    assert [] == kept.lines


# --- it never raises, and loses nothing ---


class Raising(logging.Handler):
    """
    Raises at each record.
    """

    def emit(self, record):
        raise RuntimeError("no")


def test_line_that_a_handler_raises_at_is_written_instead(capsys):
    """
    The program that prints goes on, and its line is seen.
    """
    logger = logging.getLogger("raising")
    logger.setLevel("INFO")
    logger.propagate = False
    logger.addHandler(Raising())
    with (
        pytest.warns(UserWarning, match="needed too"),
        mllog.capture_prints("raising"),
    ):
        print("needed")
        warnings.warn("needed too", stacklevel=1)
    logger.handlers.clear()

    assert ("needed\n", "") == tuple(capsys.readouterr())


def test_without_a_handler_all_is_printed_as_before(capsys):
    """
    Where logging is not configured, nothing vanishes.
    """
    logger = logging.getLogger("unheard")
    logger.propagate = False
    with mllog.capture_prints("unheard"):
        print("a", end="")
        assert "a" == capsys.readouterr().out
        sys.stdout.buffer.write(b"")
        print("b", file=sys.stderr)

    assert ("", "b\n") == tuple(capsys.readouterr())


def test_print_that_the_stack_has_no_room_for_raises_nothing_of_ours(kept):
    """
    At the end of the stack a print is logged or written; it never fails.
    """
    depth = 0

    def deeper():
        nonlocal depth
        depth += 1
        deeper()

    with mllog.capture_prints("vendor"), contextlib.suppress(RecursionError):
        deeper()
    limit = depth

    def down(left):
        if left:
            down(left - 1)
        else:
            sys.stdout.write("deep\n")

    with mllog.capture_prints("vendor"):
        for left in range(limit - 60, limit):
            try:
                down(left)
            except RecursionError:
                break
        print("after")

    assert "after" == kept.lines[-1]


def test_adapter_gives_its_fields(kept):
    """
    A LoggerAdapter may be given; its extra is on each record.
    """
    adapter = logging.LoggerAdapter(
        logging.getLogger("vendor"), {"job": 7, "name": "x"}
    )
    with mllog.capture_prints(adapter):
        print("hello")

    (record,) = kept.records
    assert (7, "vendor") == (record.job, record.name)


# --- threads, tasks, processes ---


def test_threads_have_lines_of_their_own(kept):
    """
    Pieces of eight threads are never mixed, and no line is lost.
    """

    def work(number):
        for count in range(50):
            for piece in ("a", str(number), "-", str(count)):
                sys.stdout.write(piece)
            sys.stdout.write("\n")
        sys.stdout.write(f"end{number}")

    with mllog.capture_prints("vendor"):
        threads = [
            threading.Thread(target=work, args=(each,)) for each in range(8)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    expected = [f"a{n}-{c}" for n in range(8) for c in range(50)]
    expected += [f"end{n}" for n in range(8)]
    assert sorted(expected) == sorted(kept.lines)


def test_tasks_have_lines_of_their_own(kept):
    """
    Tasks that take turns within a line do not mix theirs.
    """

    async def work(number):
        print(number, end="")
        await asyncio.sleep(0)
        print(number)

    async def main():
        await asyncio.gather(work(1), work(2))

    with mllog.capture_prints("vendor"):
        asyncio.run(main())

    assert ["11", "22"] == sorted(kept.lines)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_child_does_not_end_the_lines_of_its_parent(kept, capfd):
    """
    What was begun before a fork is logged once, by the parent.
    """
    with mllog.capture_prints("vendor"):
        print("begun", end="")
        pid = os.fork()
        if pid == 0:
            kept.records.clear()
            print(" in the child")
            os.write(1, json.dumps(kept.lines).encode())
            os._exit(0)
        assert 0 == os.waitpid(pid, 0)[1]
        print(" here")

    assert ["begun here"] == kept.lines
    assert [" in the child"] == json.loads(capfd.readouterr().out)


# --- its end ---


def test_end_under_an_exception_restores_and_logs_the_rest(kept):
    """
    The exception goes on, the last piece is logged, the streams are back.
    """
    before = sys.stdout, sys.stderr, warnings.showwarning

    with pytest.raises(ValueError), mllog.capture_prints("vendor"):
        print("half a li", end="")
        raise ValueError

    assert ["half a li"] == kept.lines
    assert before == (sys.stdout, sys.stderr, warnings.showwarning)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_blocks_may_end_in_any_order(kept, order, capsys):
    """
    After the last one all is as it was, whichever that is.
    """
    before = sys.stdout, sys.stderr, warnings.showwarning
    captures = [mllog.capture_prints("vendor").start() for _ in range(3)]

    for index in order[:2]:
        captures[index].stop()
        print("inside")
    captures[order[2]].stop()
    print("outside")

    assert before == (sys.stdout, sys.stderr, warnings.showwarning)
    assert ["inside"] * 2 == kept.lines
    assert "outside\n" == capsys.readouterr().out


def test_redirection_that_outlives_the_block_is_not_disturbed(kept, capsys):
    """
    Somebody else's stream stays where it is; behind it nothing is captured.
    """
    before = sys.stdout
    capture = mllog.capture_prints("vendor").start()
    redirected = contextlib.redirect_stdout(io.StringIO())
    with redirected as other:
        capture.stop()
        print("theirs")
    assert "theirs\n" == other.getvalue()

    print("outside")  # it puts back a stream that is over

    assert sys.stdout is before
    assert [] == kept.lines
    assert "outside\n" == capsys.readouterr().out


def test_stream_that_is_held_after_the_end_writes_through(kept, capsys):
    """
    A thread, a handler, a default argument: whoever kept it goes on writing.
    """
    with mllog.capture_prints("vendor"):
        held, buffer = sys.stdout, sys.stdout.buffer
    print("later", file=held, flush=True)
    held.writelines(["a", "b\n"])
    buffer.write(b"bytes\n")
    buffer.flush()

    assert "later\nab\nbytes\n" == capsys.readouterr().out
    assert [] == kept.lines


def test_capture_may_be_begun_again_and_within_itself(kept):
    """
    One object serves several blocks, and ends as often as it began.
    """
    capture = mllog.capture_prints("vendor")
    before = sys.stdout
    with capture:
        print("one")
        with capture:
            print("two")
        print("three")
    with contextlib.ExitStack() as stack:
        stack.enter_context(capture)
        print("four")
    capture.stop()

    assert ["one", "two", "three", "four"] == kept.lines
    assert sys.stdout is before


def test_generator_that_is_never_finished_ends_it_when_it_goes(kept):
    """
    A block in a generator ends with the generator.
    """
    before = sys.stdout

    def steps():
        with mllog.capture_prints("vendor"):
            yield

    generator = steps()
    next(generator)
    print("inside")
    generator.close()

    assert sys.stdout is before
    assert ["inside"] == kept.lines


def test_process_that_never_stops_logs_its_last_piece(tmp_path):
    """
    start() without stop(): the exit of the process ends it.
    """
    code = (
        "import logging, mllog\n"
        f"logging.basicConfig(filename={str(tmp_path / 'log')!r}, level=20,"
        " format='%(name)s %(message)s')\n"
        "mllog.capture_prints('vendor').start()\n"
        "print('whole'); print('half', end='')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)
    assert "vendor whole\nvendor half\n" == (tmp_path / "log").read_text()


# --- warnings and options ---


def test_warning_is_a_record_with_its_category_and_place(kept):
    """
    The message is the warning's, the place the one that it names.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with mllog.capture_prints("vendor", warnings="ERROR"):
            warnings.warn("use lr", DeprecationWarning, stacklevel=1)

    (record,) = kept.records
    assert ("use lr", "ERROR") == (record.getMessage(), record.levelname)
    assert "DeprecationWarning" == record.category
    assert f"{__file__}:{record.lineno}" == record.place


def test_warnings_that_logging_captures_are_so_again_afterwards(kept):
    """
    logging.captureWarnings is as it was, whether on or off.
    """
    theirs = warnings.showwarning
    for is_on in (True, False):
        logging.captureWarnings(is_on)
        before = warnings.showwarning
        try:
            with mllog.capture_prints("vendor"):
                assert before != warnings.showwarning
            assert before == warnings.showwarning
        finally:
            logging.captureWarnings(False)
    assert theirs == warnings.showwarning


@pytest.mark.parametrize("name", ["stdout", "stderr", "warnings"])
def test_none_leaves_that_alone(kept, name):
    """
    A stream, or warnings, whose level is None is not touched.
    """
    found = {
        "stdout": lambda: sys.stdout,
        "stderr": lambda: sys.stderr,
        "warnings": lambda: warnings.showwarning,
    }
    before = {key: get() for key, get in found.items()}
    with mllog.capture_prints("vendor", **{name: None}):
        changed = [key for key, get in found.items() if get() != before[key]]

    assert sorted(found.keys() - {name}) == sorted(changed)


def test_level_that_is_not_logged_is_not_seen(kept):
    """
    The level of the logger decides, as for any record.
    """
    logging.getLogger("vendor").setLevel("WARNING")
    with mllog.capture_prints("vendor", stdout=20, stderr="40"):
        print("info")
        print("error", file=sys.stderr)

    assert [("error", 40)] == [
        (record.getMessage(), record.levelno) for record in kept.records
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"stdout": "LOUD"},
        {"warnings": 1.5},
        {"max_line_characters": 0},
        {"sdtout": "INFO"},
    ],
)
def test_wrong_option_is_an_error_that_names_it(options):
    """
    The option, its value and what was expected are told.
    """
    with pytest.raises(ConfigError, match=f"capture_prints.*{[*options][0]}"):
        mllog.capture_prints("vendor", **options)
