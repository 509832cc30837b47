"""
Curves for TensorBoard, out of the fields of records.
"""

import decimal
import gc
import io
import json
import logging
import logging.config
import math
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from curves import events, files, run, scalars, tags
from PIL import Image

import mllog
from mllog.errors import ConfigError

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


@pytest.fixture(name="make")
def _make(attach, tmp_path):
    def make(run="", **options):
        return attach(
            mllog.TensorBoardHandler(tmp_path / "runs", run, **options)
        )

    return make


# --- scalars ---


def test_metrics_of_a_record_are_curves_under_their_own_names(make, logger):
    """
    train/loss is the tag train/loss, at the step and time of its record.
    """
    handler = make()
    for step in (0, 10, 20):
        logger.info(
            "step",
            extra={"metrics": {"train/loss": 1 / (step + 1)}, "step": step},
        )

    found = run(handler.folder).Scalars("train/loss")
    assert [0, 10, 20] == [each.step for each in found]
    assert pytest.approx([1, 1 / 11, 1 / 21]) == [each.value for each in found]
    assert 3 == handler.stats().written


def test_time_of_a_point_is_that_of_its_record(make, logger):
    """
    A record that comes late, as from a queue, keeps its time.
    """
    handler = make()
    record = logger.makeRecord(
        "x", 20, "f", 1, "m", (), None, extra={"loss": 0.5}
    )
    record.created = 1_700_000_000.25

    handler.handle(record)

    (found,) = run(handler.folder).Scalars("loss")
    assert 1_700_000_000.25 == found.wall_time


def test_known_fields_and_configured_ones_are_curves_others_are_not(
    make, logger
):
    """
    What becomes a curve: a Metric, the vocabulary, and numbers in metrics.
    """
    handler = make(metrics=[{"field": "depth", "kind": "gauge"}])
    logger.info(
        "x", extra={"loss": 1, "depth": 2, "other": 3, "metrics": {"mine": 4}}
    )

    assert {"loss", "depth", "mine"} == tags(handler.folder)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, [0.5]),
        (3, [3]),
        (np.float32(0.25), [0.25]),
        (np.array([0.75]), [0.75]),
        (decimal.Decimal("1.5"), [1.5]),
        (math.nan, [math.nan]),
        (math.inf, [math.inf]),
        (-math.inf, [-math.inf]),
        (np.float64("nan"), [math.nan]),
        (1e20, [1e20]),
        (1e300, []),
        (-1.5, [-1.5]),
        (True, []),
        ("0.5", []),
        (None, []),
        (np.zeros(3), []),
    ],
)
def test_value_has_its_stated_result(make, logger, value, expected):
    """
    Numbers of any library are points, NaN and the infinities too; a bool and text are none.
    """
    handler = make()
    logger.info("x", extra={"metrics": {"train/loss": value}})

    found = [point[1] for point in scalars(handler.folder, "train/loss")]
    assert pytest.approx(expected, nan_ok=True) == found
    assert {} == handler.stats().dropped
    too_large = {"too_large": 1} if str(value) == "1e+300" else {}
    assert too_large == handler.stats().refused


def test_known_field_that_is_no_number_is_refused_and_counted(make, logger):
    """
    A bool or text under a known name is no point, and not lost unseen.
    """
    handler = make()
    logger.info("x", extra={"loss": True})
    logger.info("x", extra={"loss": "0.5"})
    logger.info("x", extra={"inference_latency": -1})

    assert [] == files(handler.folder)
    assert {"not_a_number": 2, "negative": 1} == handler.stats().refused
    assert 0 == handler.stats().written


def test_counter_is_the_sum_so_far_and_nan_does_not_spoil_it(make, logger):
    """
    The curve of a counter rises by what each record has.
    """
    handler = make()
    for value in (2, math.nan, math.inf, 3):
        logger.info("x", extra={"examples": value})

    assert [(0, 2), (1, 5)] == scalars(handler.folder, "examples")
    assert {"not_finite": 2} == handler.stats().refused


def test_unit_that_is_converted_stands_in_the_tag(make, logger):
    """
    queue_ms in milliseconds is queue_seconds; what is in its base unit keeps its name.
    """
    handler = make(
        metrics=[{"field": "queue_ms", "kind": "gauge", "unit": "ms"}]
    )
    logger.info("x", extra={"queue_ms": 1500, "inference_latency": 0.5})

    assert {"queue_seconds", "inference_latency"} == tags(handler.folder)
    assert [(0, 1.5)] == scalars(handler.folder, "queue_seconds")


def test_parts_and_labels_of_a_metric_are_parts_of_its_tag(make, logger):
    """
    A reduction with parts is a group of curves, and so is a metric with labels.
    """
    handler = make(
        metrics=[
            {"field": "image", "kind": "gauge", "reduce": "mean_per_channel"},
            {"field": "depth", "kind": "gauge", "labels": ["queue"]},
        ]
    )
    image = np.zeros((4, 4, 3))
    logger.info("x", extra={"image": image, "depth": 1, "queue": "in"})

    assert {
        "image_mean_per_channel/channel_0",
        "image_mean_per_channel/channel_1",
        "image_mean_per_channel/channel_2",
        "depth/in",
    } == tags(handler.folder)


def test_two_metrics_of_one_tag_are_not_mixed(make, logger, capsys):
    """
    The second of them is refused as name_clash, and said once.
    """
    handler = make(
        metrics=[{"field": "depth", "kind": "gauge", "name": "loss"}]
    )
    for _ in range(3):
        logger.info("x", extra={"loss": 1, "depth": 2})

    assert [(0, 1), (1, 1), (2, 1)] == scalars(handler.folder, "loss")
    assert {"name_clash": 3} == handler.stats().refused
    assert 1 == capsys.readouterr().err.count("called 'loss'")


def test_tag_with_anything_odd_can_be_read_back(make, logger):
    """
    Surrogates and control characters become _, slashes and the rest stay.
    """
    handler = make()
    names = ("a\ud800b", "new\nline", "größe", "", "x" * 500, "a%b<i>")
    logger.info("x", extra={"metrics": dict.fromkeys(names, 1.0)})

    assert {
        "a_b",
        "new_line",
        "größe",
        "_",
        "x" * 191 + "…0ab2ce51",
        "a%b<i>",
    } == tags(handler.folder)


def test_names_out_of_data_come_to_an_end(make, logger):
    """
    Of a million names in metrics a thousand are curves; the rest is refused.
    """
    handler = make()
    for number in range(1500):
        logger.info("x", extra={"metrics": {f"n{number}": 1.0}})

    assert 1000 == len(tags(handler.folder))
    assert {"too_many_names": 500} == handler.stats().refused


# --- steps ---


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([5, 6, 9], [5, 6, 9]),
        ([None, None, None], [0, 1, 2]),
        ([5, None, None, 3], [5, 6, 7, 3]),
        ([np.int64(7), 8.0, np.array(9)], [7, 8, 9]),
        ([3, 2.5, "9", True, math.nan, 2**70], [3, 4, 5, 6, 7, 8]),
        ([-5, 0, 2**62], [-5, 0, 2**62]),
    ],
)
def test_step_is_the_fields_or_one_after_the_last(
    make, logger, given, expected
):
    """
    What is no whole number of 64 bits counts as missing.
    """
    handler = make()
    for step in given:
        extra = {} if step is None else {"step": step}
        logger.info("x", extra={"loss": 1.0, **extra})

    found = [step for step, _ in scalars(handler.folder, "loss")]
    assert expected == found


def test_step_is_counted_for_each_tag(make, logger):
    """
    A tag that comes at every other record has steps without holes.
    """
    handler = make(step_field="iteration")
    for number in range(4):
        logger.info("x", extra={"loss": 1, "step": 99})
        if number % 2:
            logger.info("x", extra={"accuracy": 1, "iteration": number})

    assert [0, 1, 2, 3] == [s for s, _ in scalars(handler.folder, "loss")]
    assert [1, 3] == [s for s, _ in scalars(handler.folder, "accuracy")]


# --- runs ---


def test_labels_are_the_folders_of_a_run(make, logger, tmp_path):
    """
    Two versions of a model are two runs, and so two curves.
    """
    make("exp/7")
    for version in (1, 2):
        logger.info(
            "x",
            extra={"loss": 1, "model_name": "bert", "model_version": version},
        )
    logger.info("x", extra={"loss": 1, "variant": "b"})

    folders = {path.parent for path in files(tmp_path)}
    at = tmp_path / "runs" / "exp" / "7"
    assert {at / "bert" / "1", at / "bert" / "2", at / "_/_/b"} == folders


@pytest.mark.parametrize(
    "name",
    ["../../etc", "..", "/etc/passwd", "a/../../b", "\ud800\n", ".hidden"],
)
def test_label_never_leaves_the_folder(make, logger, tmp_path, name):
    """
    What a record holds becomes one folder of safe characters.
    """
    make()
    logger.info("x", extra={"loss": 1, "model_name": name})

    (path,) = files(tmp_path)
    folder = path.parent
    assert tmp_path / "runs" == folder.parent
    assert not folder.name.startswith(".")
    assert set(folder.name) <= set("_.abcdehinpstw")


def test_fields_that_are_not_listed_make_no_run(make, logger, tmp_path):
    """
    Only labels are folders.
    """
    make(labels=["model_name"])
    logger.info("x", extra={"loss": 1, "user": "eve", "model_version": 3})

    assert {tmp_path / "runs"} == {path.parent for path in files(tmp_path)}


def test_a_million_labels_make_no_more_runs_than_allowed(
    make, logger, tmp_path
):
    """
    Beyond max_runs all go to one run, other, and all points are there.
    """
    handler = make(max_runs=3)
    for number in range(2000):
        logger.info("x", extra={"loss": 1, "model_name": f"m{number}"})

    names = {path.parent.name for path in files(tmp_path)}
    assert {"m0", "m1", "m2", "other"} == names
    points = scalars(tmp_path / "runs" / "other", "loss")
    assert list(range(1997)) == [step for step, _ in points]
    assert 2000 == handler.stats().written


def test_folder_of_a_run_is_made_at_the_first_event(make, logger, tmp_path):
    """
    A service that logs no numbers leaves no empty runs.
    """
    make("{start}-{host}-{pid}")
    logger.info("nothing to see")
    assert not (tmp_path / "runs").exists()

    logger.info("x", extra={"loss": 1})

    (path,) = files(tmp_path)
    assert path.parent.name.endswith(f"-{os.getpid()}")


# --- arrays, images, texts ---


def test_field_of_arrays_is_a_histogram(make, logger):
    """
    TensorBoard's histogram counts the finite numbers of an array.
    """
    handler = make(histogram_fields="weights")
    array = np.array([0.0, 1.0, 1.0, 3.0, math.nan])
    logger.info("x", extra={"weights": array, "step": 7, "loss": 1})
    logger.info("x", extra={"metrics": {"weights": [2, 2]}})

    first, second = run(handler.folder).Histograms("weights")
    value = first.histogram_value
    assert (7, 0, 3, 4, 5) == (
        first.step,
        value.min,
        value.max,
        value.num,
        value.sum,
    )
    assert 4 == sum(value.bucket)
    assert (8, [2.0], [2.0]) == (
        second.step,
        second.histogram_value.bucket_limit,
        second.histogram_value.bucket,
    )


def test_metric_of_each_number_is_a_histogram_too(make, logger):
    """
    By a Metric it has a name, a unit, edges, a logger and every.
    """
    handler = make(
        metrics=[
            {
                "field": "re:(.*)_ms",
                "kind": "histogram",
                "reduce": "each",
                "unit": "ms",
                "name": r"\1/spread",
                "buckets": [0.002, 0.003],
                "every": 2,
            }
        ]
    )
    for _ in range(3):
        logger.info("x", extra={"layer_ms": [1, 2.5, 2.5, 4]})

    found = run(handler.folder).Histograms("layer/spread")
    assert 2 == len(found)
    assert [1, 2, 1] == found[0].histogram_value.bucket
    assert 0.004 == found[0].histogram_value.max


@pytest.mark.parametrize(
    ("image", "size", "pixel"),
    [
        (np.full((4, 6, 3), 200, "uint8"), (6, 4), (200, 200, 200)),
        (np.full((3, 4, 6), 1.0), (6, 4), (255, 255, 255)),
        (np.full((4, 6), 0.5), (6, 4), 128),
        (np.full((4, 6, 1), 300), (6, 4), 255),
        (np.full((4, 6), math.nan), (6, 4), 0),
        (np.ones((4, 6), bool), (6, 4), 255),
        (Image.new("CMYK", (6, 4)), (6, 4), (255, 255, 255)),
        (mllog.Payload(np.zeros((4, 6), "uint8")), (6, 4), 0),
    ],
)
def test_field_of_images_is_an_image(make, logger, image, size, pixel):
    """
    Arrays with channels first or last, floats, Pillow's images and Payloads.
    """
    handler = make(image_fields=["image"])
    logger.info("x", extra={"image": image, "step": 3})

    (found,) = run(handler.folder).Images("image")
    decoded = Image.open(io.BytesIO(found.encoded_image_string))
    assert (3, *size) == (found.step, found.width, found.height)
    assert (size, pixel) == (decoded.size, decoded.getpixel((0, 0)))


def test_file_of_an_image_stays_as_it_is(make, logger):
    """
    JPEG is not encoded again; BMP, which browsers need not show, is PNG.
    """
    handler = make(image_fields=["a", "b"])
    jpeg, bmp = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (6, 4)).save(jpeg, "JPEG")
    Image.new("RGB", (6, 4)).save(bmp, "BMP")
    logger.info("x", extra={"a": jpeg.getvalue(), "b": bmp.getvalue()})

    (a,) = run(handler.folder).Images("a")
    (b,) = run(handler.folder).Images("b")
    assert jpeg.getvalue() == a.encoded_image_string
    assert b.encoded_image_string.startswith(b"\x89PNG")


def test_batch_of_images_is_its_first_eight(make, logger):
    """
    Each has a tag of its own.
    """
    handler = make(image_fields="batch")
    logger.info("x", extra={"batch": np.zeros((20, 3, 4, 4), "uint8")})

    assert {f"batch/{n}" for n in range(8)} == tags(handler.folder)


def test_field_that_is_not_what_it_should_be_costs_no_other(
    make, logger, capsys
):
    """
    A broken image is refused and reported once; the loss beside it is written.
    """
    handler = make(
        image_fields="image", histogram_fields="w", text_fields="note"
    )
    for _ in range(3):
        logger.info(
            "x",
            extra={
                "image": b"no image",
                "w": ["a"],
                "note": "\ud800",
                "hparams": 3,
                "loss": 1,
            },
        )

    assert {"loss", "note"} == tags(handler.folder)
    assert {
        "not_an_image": 3,
        "not_an_array": 3,
        "not_a_mapping": 3,
    } == handler.stats().refused
    assert 3 == handler.stats().written
    assert 1 == capsys.readouterr().err.count("UnidentifiedImageError: ")


def test_every_thins_what_is_dear_and_leaves_scalars(make, logger):
    """
    Of texts, arrays and images the 1st value is taken, and then each third.
    """
    handler = make(text_fields="message", every=3)
    for number in range(7):
        logger.info("record %d", number, extra={"loss": 1, "step": number})

    texts = run(handler.folder).Tensors("message")
    assert [0, 3, 6] == [each.step for each in texts]
    assert b"record 3" == texts[1].tensor_proto.string_val[0]
    assert 7 == len(scalars(handler.folder, "loss"))


def test_text_is_bounded(make, logger):
    """
    Of a long text the beginning is written, of a mapping its JSON.
    """
    handler = make(text_fields=["long", "mapping"])
    logger.info("x", extra={"long": "x" * 10**6, "mapping": {"a": [1, "ä"]}})

    found = run(handler.folder)
    (long,) = found.Tensors("long")
    (mapping,) = found.Tensors("mapping")
    said = f"…[truncated {10**6 - 64 * 1024}]".encode()
    assert b"x" * 64 * 1024 + said == long.tensor_proto.string_val[0]
    assert '{"a":[1,"ä"]}'.encode() == mapping.tensor_proto.string_val[0]


def test_hyperparameters_are_those_of_the_run(make, logger):
    """
    TensorBoard's plugin reads numbers, bools and texts from the field hparams.
    """
    from tensorboard.plugins.hparams import plugin_data_pb2

    handler = make()
    given = {"lr": 0.1, "layers": 3, "adam": True, "data": ["a"], "none": None}
    logger.info("start", extra={"hparams": given})

    metadata = run(handler.folder).SummaryMetadata(
        "_hparams_/session_start_info"
    )
    assert "hparams" == metadata.plugin_data.plugin_name
    data = plugin_data_pb2.HParamsPluginData.FromString(
        metadata.plugin_data.content
    )
    found = data.session_start_info.hparams
    assert (0.1, 3, True, "['a']") == (
        found["lr"].number_value,
        found["layers"].number_value,
        found["adam"].bool_value,
        found["data"].string_value,
    )


# --- files ---


def test_numbers_of_a_record_are_one_event(make, logger):
    """
    A record is one event, and so one write, whatever it has.
    """
    handler = make()
    logger.info("x", extra={"metrics": {"a": 1, "b": 2}, "loss": 3, "step": 4})

    (path,) = files(handler.folder)
    version, event = events(path)
    assert "brain.Event:2" == version.file_version
    assert 3 == len(event.summary.value)


WRITER = """
import logging, sys, mllog
kind, folder, name = sys.argv[1:]
logger = logging.getLogger("writer")
logger.setLevel(logging.INFO)
if kind == "buffered":  # the control: what a file object does
    import io, os
    import mllog.tensorboard.files as files
    class Late:
        def __init__(self): self.file = None
        def write(self, fd, data):
            self.file = self.file or open(fd, "ab", buffering=2**20, closefd=False)
            return self.file.write(data)
        def __getattr__(self, name): return getattr(os, name)
    files.os = Late()
logger.addHandler(mllog.TensorBoardHandler(folder, ""))
number = 0
while number < int(name):
    logger.info("x", extra={"metrics": {"train/loss": number}, "step": number})
    number += 1
    if number % 100 == 0:
        print(number, flush=True)
"""


def _writer(kind, folder, count):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, kind, str(folder), str(count)],
        stdout=subprocess.PIPE,
    )


def _killed(kind, folder):
    """
    What a writer said that it had written when it was killed.
    """
    with _writer(kind, folder, 10**9) as process:
        for _ in range(20):
            said = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read().split()
    return max([said, *map(int, rest)])


def test_events_are_whole_after_a_kill(tmp_path):
    """
    Each record whose log call returned before a kill -9 is read back.
    """
    said = _killed("mllog", tmp_path)

    points = scalars(tmp_path, "train/loss")
    assert len(points) >= said
    assert [(n, float(n)) for n in range(len(points))] == points


def test_writer_with_a_buffer_loses_events_at_a_kill(tmp_path):
    """
    The control: behind a buffer some of what was logged is not there.
    """
    said = _killed("buffered", tmp_path)

    assert len(scalars(tmp_path, "train/loss")) < said


def test_processes_share_a_run_without_losing_points(tmp_path):
    """
    Four writers of one folder have four files, and no point is lost.
    """
    writers = [_writer("mllog", tmp_path, 500) for _ in range(4)]
    for writer in writers:
        writer.communicate(timeout=60)

    assert 4 == len(files(tmp_path))
    found = run(tmp_path).Scalars("train/loss")
    assert 2000 == len(found)
    assert set(range(500)) == {each.step for each in found}


def test_threads_lose_and_tear_nothing(make, logger):
    """
    Eight threads write whole events, and a counted step comes once.
    """
    handler = make()

    def work():
        for _ in range(250):
            logger.info("x", extra={"loss": 1.0, "examples": 1})

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    losses = scalars(handler.folder, "loss")
    assert list(range(2000)) == sorted(step for step, _ in losses)
    totals = sorted(scalars(handler.folder, "examples"))
    assert list(range(1, 2001)) == [total for _, total in totals]


@FORKS
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_has_its_own_file_and_steps(make, logger):
    """
    A child writes nothing into its parent's file, nor the parent into its.
    """
    handler = make()
    for _ in range(3):
        logger.info("x", extra={"loss": 1.0})
    pid = os.fork()
    if pid == 0:
        logger.info("x", extra={"loss": 2.0})
        is_good = (1, 2) == (
            handler.stats().written,
            len(files(handler.folder)),
        )
        os._exit(0 if is_good else 1)
    assert 0 == os.waitpid(pid, 0)[1]
    logger.info("x", extra={"loss": 3.0})

    by_pid = {path.name.split(".")[-2]: path for path in files(handler.folder)}
    assert {str(os.getpid()), str(pid)} == set(by_pid)
    assert [(0, 2.0)] == [
        (event.step, event.summary.value[0].simple_value)
        for event in events(by_pid[str(pid)])[1:]
    ]
    assert 4 == handler.stats().written


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_signal_handler_may_log_in_the_midst_of_a_record(make, logger):
    """
    A record in a record costs neither of them a point.
    """
    handler = make()
    seen = []

    def interrupt(*_):
        seen.append(1)
        logger.info("signal", extra={"metrics": {"signals": 1.0}})

    before = signal.signal(signal.SIGALRM, interrupt)
    count, alarms = 0, 0
    try:
        while len(seen) < 50:
            if alarms == len(seen):  # never one within another
                signal.setitimer(signal.ITIMER_REAL, 0.0005)
                alarms += 1
            logger.info("x", extra={"loss": 1.0})
            count += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert count == len(scalars(handler.folder, "loss"))
    assert len(seen) == len(scalars(handler.folder, "signals"))


@pytest.mark.faults
def test_memory_does_not_grow_with_events(make, logger, fault_scale):
    """
    A hundred thousand events leave no object behind.
    """
    events = round(100_000 * fault_scale)
    handler = make()
    fields = {"metrics": {"train/loss": 0.5}, "loss": 1.0}
    record = logger.makeRecord("x", 20, "f", 1, "m", (), None, extra=fields)

    def log(count):
        for step in range(count):
            record.step = step
            handler.handle(record)
        gc.collect()
        return sys.getallocatedblocks()

    before = log(1000)
    after = log(events - 1000)

    assert after - before < 500
    assert events == handler.stats().written


def test_configuring_twice_keeps_all_points(tmp_path):
    """
    dictConfig closes the first handler; the second goes on in the same run.
    """
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "tb": {
                "class": "mllog.TensorBoardHandler",
                "log_dir": str(tmp_path),
                "run": "",
            }
        },
        "loggers": {
            "twice": {"handlers": ["tb"], "level": "INFO", "propagate": False}
        },
    }
    logger = logging.getLogger("twice")
    try:
        for step in (0, 1):
            logging.config.dictConfig(config)
            logger.info("x", extra={"loss": 1.0, "step": step})
    finally:
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()

    assert 2 == len(files(tmp_path))
    assert [0, 1] == [step for step, _ in scalars(tmp_path, "loss")]


def test_record_after_close_begins_another_file(make, logger):
    """
    A record that comes late is not lost.
    """
    handler = make()
    logger.info("x", extra={"loss": 1.0})
    handler.close()
    logger.info("x", extra={"loss": 2.0})

    assert [(0, 1.0), (1, 2.0)] == scalars(handler.folder, "loss")
    assert 2 == len(files(handler.folder))


# --- faults ---


def test_folder_that_cannot_be_made_is_counted_and_said_once(
    tmp_path, logger, capsys
):
    """
    The application goes on, and each record that is lost is counted.
    """
    (tmp_path / "file").write_text("in the way")
    handler = mllog.TensorBoardHandler(tmp_path / "file" / "runs")
    logger.addHandler(handler)
    for _ in range(5):
        logger.info("x", extra={"loss": 1.0})

    assert {"io_error": 5} == handler.stats().dropped
    assert 0 == handler.stats().written
    assert 1 == capsys.readouterr().err.count("Traceback")


FULL = """
import json, logging, resource, sys, mllog
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
kind, folder = sys.argv[1:]
if kind == "torn":  # the control: what is cut short stays
    import mllog.tensorboard.files as files
    files.EventFile._take_back = lambda self, done: None
logger = logging.getLogger("writer")
logger.setLevel(logging.INFO)
handler = mllog.TensorBoardHandler(folder, "")
logger.addHandler(handler)
for number in range(500):
    if number == 400:  # there is room again
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
    logger.info("x", extra={"loss": number, "step": number})
stats = handler.stats()
print(json.dumps([stats.written, dict(stats.dropped)]))
"""


def _filled(kind, folder):
    done = subprocess.run(
        [sys.executable, "-c", FULL, kind, str(folder)],
        capture_output=True,
        timeout=60,
        check=True,
    )
    written, dropped = json.loads(done.stdout)
    return written, dropped, done.stderr.decode()


def test_disk_that_is_full_leaves_whole_events(tmp_path):
    """
    What did not fit is taken back, counted, and said once.
    """
    pytest.importorskip("resource")
    written, dropped, said = _filled("mllog", tmp_path)

    points = scalars(tmp_path, "loss")
    assert written == len(points) > 0
    assert 500 == written + sum(dropped.values())
    assert {"disk_full", "io_error"} >= set(dropped)
    assert 1 <= said.count("Traceback") <= 2
    (path,) = files(tmp_path)
    size = sum(len(e.SerializeToString()) + 16 for e in events(path))
    assert path.stat().st_size == size


def test_disk_that_is_full_tears_an_event_without_that(tmp_path):
    """
    The control: the file ends in the midst of an event.
    """
    pytest.importorskip("resource")
    _filled("torn", tmp_path)

    (path,) = files(tmp_path)
    size = sum(len(e.SerializeToString()) + 16 for e in events(path))
    assert path.stat().st_size > size


def test_object_that_raises_costs_at_most_its_own_point(make, logger):
    """
    No log call raises, whatever extra= holds.
    """
    from hostile import EACH_ARRAY, EACH_OBJECT

    handler = make(
        image_fields="i", histogram_fields="h", text_fields="t", labels="l"
    )
    odd = [*EACH_ARRAY, *(make() for make in EACH_OBJECT)]
    for each in odd:
        for name in ("i", "h", "t", "loss", "step", "hparams"):
            logger.info("x", extra={"accuracy": 0.5, name: each})

    assert {} == handler.stats().dropped
    assert 6 * len(odd) == len(scalars(handler.folder, "accuracy"))
    for each in odd:
        for name in ("l", "metrics"):
            logger.info("x", extra={"accuracy": 0.5, name: each})


# --- configuration ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"log_dirs": "x"}, "write log_dir"),
        ({"log_dir": ""}, "log_dir"),
        ({"log_dir": 3}, "a path"),
        ({"run": "{stat}"}, "write {start}"),
        ({"run": "{model_name}"}, "list fields in labels"),
        ({"run": "../x"}, "below log_dir"),
        ({"run": "/x"}, "below log_dir"),
        ({"run": "{"}, "text with {start}"),
        ({"run": "{pid!r}"}, "text with {start}"),
        ({"labels": ["msg"]}, "a field of extra="),
        ({"step_field": "created"}, "a field of extra="),
        ({"every": 0}, "1 or more"),
        ({"max_runs": 0}, "1 or more"),
        ({"image_fields": 3}, "a list of names"),
        ({"metrics": [{"field": "a"}]}, "kind"),
    ],
)
def test_option_that_cannot_work_is_refused(options, said):
    """
    The error names the handler, the option, and what was expected.
    """
    with pytest.raises(ConfigError) as caught:
        mllog.TensorBoardHandler(**options)
    assert said in str(caught.value)
    assert "TensorBoardHandler" in str(caught.value)


def test_without_tensorboard_the_error_names_the_extra(monkeypatch):
    """
    An ImportError at configuration, which says what to install.
    """
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match=r"mllog-handlers\[tensorboard\]"):
        mllog.TensorBoardHandler()


def test_without_google_crc32c_the_files_are_the_same(
    make, logger, monkeypatch
):
    """
    tensorboard's own checksum, slow as it is, stands in.
    """
    monkeypatch.setitem(sys.modules, "google_crc32c", None)
    handler = make()
    logger.info("x", extra={"loss": 0.5})

    assert [(0, 0.5)] == scalars(handler.folder, "loss")


def test_bound_fields_and_filters_hold(make, logger):
    """
    What is bound is a step like any other, and what a filter drops is no point.
    """
    handler = make(filters=[lambda record: record.levelno >= logging.INFO])
    with mllog.bind(step=7, model_name="bert"):
        logger.info("x", extra={"loss": 1.0})
        logger.debug("x", extra={"loss": 2.0})

    assert [(7, 1.0)] == scalars(f"{handler.folder}/bert", "loss")
