"""
Spools under faults: kill -9, damaged files, full disks.

Each control takes one safeguard away and must lose, invent or leave something:
a writer that does not take a short write back, files without a salt, a reader
that stops at the first damage, an acknowledgement before delivery, a directory
that is deleted before its records.
"""

import contextlib
import errno
import json
import os
import random
import subprocess
import sys
import time

import pytest

from mllog.delivery.spool import segments
from mllog.delivery.spool.segments import FRAME_BYTES, HEADER_BYTES, Reader
from mllog.delivery.spool import Spool, adopt

pytestmark = pytest.mark.faults

MIB = 2**20


def _drain(spool):
    entries = []
    while batch := spool.read(100, MIB):
        entries += batch
        spool.ack(len(batch))
    return entries


def _adopted(folder):
    """
    All entries below *folder*, what was damaged, and what was torn.
    """
    entries, corrupt, torn = [], 0, 0
    for left in adopt(str(folder)):
        torn += left.torn
        entries += _drain(left)
        corrupt += left.corrupt
        assert 0 == left.pending
        left.close()
    return entries, corrupt, torn


# damaged files


def _records(count=60):
    return [b"%d " % number + b"x" * (number % 17) for number in range(count)]


class Specimen:
    """
    A spool of a dead process with one segment, to be damaged again and again.
    """

    def __init__(self, folder, records=None):
        self.folder = folder
        self.records = _records() if records is None else records
        spool = Spool(str(folder), max_bytes=MIB, fsync="never")
        spool.append(self.records)
        spool.close()
        (name,) = [n for n in os.listdir(spool.path) if n.endswith(".spool")]
        self.path = os.path.join(spool.path, name)
        self.home = spool.path
        with open(self.path, "rb") as file:
            self.whole = file.read()

    def read(self, data):
        """
        What is read if the file holds *data*: entries, corrupt, torn.
        """
        os.makedirs(self.home, 0o700, exist_ok=True)
        with open(self.path, "wb") as file:
            file.write(data)
        result = _adopted(self.folder)
        assert not os.path.exists(self.home)
        return result

    def frames(self):
        """
        First and last byte of each record's frame.
        """
        offset = HEADER_BYTES
        for record in self.records:
            yield offset, offset + FRAME_BYTES + len(record)
            offset += FRAME_BYTES + len(record)


def _cut_anywhere(specimen):
    """
    The offsets at which a cut file is read wrongly.
    """
    wrong = []
    stops = [stop for _, stop in specimen.frames()]
    for offset in range(len(specimen.whole) + 1):
        whole = sum(stop <= offset for stop in stops)
        torn = offset not in (0, HEADER_BYTES, *stops)
        # a file without any record is deleted, and torn by nobody's loss
        expected = (specimen.records[:whole], 0, int(torn and whole > 0))
        if specimen.read(specimen.whole[:offset]) != expected:
            wrong.append(offset)
    return wrong


def test_spool_cut_at_any_offset_gives_what_is_whole(tmp_path):
    """
    A file of 60 records, cut at each of its bytes: the prefix, exactly.
    """
    assert [] == _cut_anywhere(Specimen(tmp_path / "spool"))


def test_spool_cut_and_read_without_crc_gives_what_is_not_whole(
    tmp_path, monkeypatch
):
    """
    Control: a reader that believes each length invents records.
    """

    def believing(self, offset, end):
        index = self._fetch(offset, FRAME_BYTES, end)
        data = self._data[index:]
        _, kind, length, number, _ = segments._unpack_whole(data, 0)
        payload = data[FRAME_BYTES : FRAME_BYTES + length]
        stop = min(offset + FRAME_BYTES + length, end)
        return segments.Frame(kind, number, offset, stop, payload)

    monkeypatch.setattr(Reader, "_frame_at", believing)

    assert _cut_anywhere(Specimen(tmp_path / "spool", _records(5)))


def _flip_anywhere(specimen, bits):
    """
    The bits whose flipping costs more or less than the record they are in.
    """
    wrong = []
    frames = list(specimen.frames())
    for offset in range(len(specimen.whole)):
        hit = [n for n, (a, b) in enumerate(frames) if a <= offset < b]
        expected = [r for n, r in enumerate(specimen.records) if n not in hit]
        for bit in bits(offset):
            data = bytearray(specimen.whole)
            data[offset] ^= 1 << bit
            entries, corrupt, torn = specimen.read(bytes(data))
            if entries != expected or corrupt + torn != len(hit):
                wrong.append((offset, bit))
    return wrong


def test_spool_with_one_bit_flipped_loses_one_record(tmp_path, fault_scale):
    """
    At each byte of 60 records: the damaged one is lost and counted, no other.
    """
    full = fault_scale == 1.0

    wrong = _flip_anywhere(
        Specimen(tmp_path / "spool"),
        lambda offset: range(8) if full else [offset % 8],
    )

    assert [] == wrong


def test_spool_with_one_bit_flipped_read_to_the_damage_loses_more(
    tmp_path, monkeypatch
):
    """
    Control: a reader that stops at the first damage loses what is behind it.
    """
    monkeypatch.setattr(Reader, "_candidate", lambda self, offset, end: end)

    assert _flip_anywhere(
        Specimen(tmp_path / "spool", _records(5)), lambda offset: [0]
    )


@pytest.mark.parametrize("pad", [0, 100, 300])
def test_spool_with_a_zeroed_block_loses_what_was_in_it(tmp_path, pad):
    """
    A block of 512 zeros costs the records it touches, all of them counted.
    """
    records = [record + b"x" * pad for record in _records()]
    specimen = Specimen(tmp_path / "spool", records)
    frames = list(specimen.frames())
    for start in range(0, len(specimen.whole), 512):
        stop = min(start + 512, len(specimen.whole))
        data = bytearray(specimen.whole)
        data[start:stop] = bytes(stop - start)

        entries, corrupt, torn = specimen.read(bytes(data))

        kept = [
            record
            for record, (a, b) in zip(specimen.records, frames)
            if b <= start or a >= stop
        ]
        assert kept == entries
        if stop < frames[-1][0]:  # at the end nobody knows how many they were
            assert (60 - len(kept), 0) == (corrupt, torn)
        else:
            assert corrupt + torn >= 1


def test_spool_with_a_block_written_twice_loses_and_doubles_nothing(tmp_path):
    """
    A block of 512 bytes that stands there twice is read once.
    """
    specimen = Specimen(tmp_path / "spool")
    for start in range(0, len(specimen.whole) - 512, 64):
        block = specimen.whole[start : start + 512]
        before = specimen.whole[: start + 512]

        entries, corrupt, _ = specimen.read(
            before + block + specimen.whole[start + 512 :]
        )

        assert (specimen.records, 0) == (entries, corrupt)


def test_spool_with_a_block_written_twice_without_numbers_doubles(
    tmp_path, monkeypatch
):
    """
    Control: a reader that does not look at sequence numbers reads it twice.
    """
    following = Reader.next
    monkeypatch.setattr(
        Reader, "next", lambda self, at, end, _: following(self, at, end, 0)
    )
    specimen = Specimen(tmp_path / "spool")
    block = specimen.whole[HEADER_BYTES : HEADER_BYTES + 1024]

    with open(specimen.path, "ab") as file:
        file.write(block)

    (left,) = adopt(str(specimen.folder))

    assert len(_drain(left)) > len(specimen.records)
    left.close()


def _with_old_bytes(folder):
    """
    What is read of a file that ends with the bytes of an older one.
    """
    old = Specimen(folder / "old", [b"old %d" % n for n in range(200)])
    new = Specimen(folder / "new")
    offset = len(new.whole)
    stops = [HEADER_BYTES, *(stop for _, stop in old.frames())]
    for cut in (0, offset, min(stop for stop in stops if stop >= offset)):
        yield new.read(new.whole + old.whole[cut:])


def test_spool_followed_by_an_older_file_gives_none_of_its_records(tmp_path):
    """
    Bytes of a deleted file behind the end are not read as records.
    """
    for entries, corrupt, torn in _with_old_bytes(tmp_path):
        assert (_records(), 0) == (entries, corrupt)
        assert torn == 1


def test_spool_without_a_salt_gives_records_of_an_older_file(
    tmp_path, monkeypatch
):
    """
    Control: without the salt the older file's records come back.
    """
    monkeypatch.setattr(segments.secrets, "randbits", lambda bits: 7)

    found = [entries for entries, _, _ in _with_old_bytes(tmp_path)]

    assert any(any(e.startswith(b"old") for e in each) for each in found)


# kill -9

WRITER = """
import os, sys, random, time
from mllog.delivery.spool import Spool, adopt

folder, side, run, control = sys.argv[1:]
write = os.write

def halves(fd, data):
    "A write that the disk takes in two steps."
    if len(data) > 40 and random.random() < 0.5:
        half = random.randrange(1, len(data))
        written = write(fd, data[:half])
        if random.random() < 0.2:
            time.sleep(0.0005)
        return written + write(fd, data[half:])
    return write(fd, data)

spool = Spool(folder, max_bytes=2**30, segment_bytes=65536, fsync="never")
os.write = halves
log = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
number = 0
print("ready", flush=True)
while True:
    names = [f"{run}-{number + n}" for n in range(random.choice([1, 1, 1, 5, 300]))]
    number += len(names)
    if control == "says before":
        write(log, ("\\n".join(names) + "\\n").encode())
    spool.append([name.encode() + b" " + b"x" * 200 for name in names])
    if control != "says before":
        write(log, ("\\n".join(names) + "\\n").encode())
    if random.random() < 0.05:  # deliver: said to be delivered, then acknowledged
        batch = spool.read(50, 10**6)
        sent = b"".join(entry.split()[0] + b"\\n" for entry in batch)
        if control == "acks before":
            spool.ack(len(batch))
            time.sleep(0.001)
        sink = os.open(side + ".sent", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        write(sink, sent)
        os.close(sink)
        if random.random() < 0.2:  # killed here, it is delivered twice
            time.sleep(0.002)
        if control != "acks before":
            spool.ack(len(batch))
"""


def _lines(path):
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    return data[: data.rfind(b"\n") + 1].split()


def _kill(folder, run, control="none"):
    """
    Start a writer, kill it, inherit: what is lost, torn and doubled.
    """
    side = str(folder / f"side-{run}")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            WRITER,
            str(folder / "spool"),
            side,
            str(run),
            control,
        ],
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    time.sleep(random.uniform(0.02, 0.1))
    process.kill()
    process.wait()
    process.stdout.close()
    entries, corrupt, torn = _adopted(folder / "spool")
    assert 0 == corrupt
    read = [entry.split()[0] for entry in entries]
    assert all(entry.endswith(b"x" * 200) for entry in entries)
    assert len(set(read)) == len(read)
    accepted, sent = set(_lines(side)), set(_lines(side + ".sent"))
    lost = accepted - sent - set(read)
    return len(accepted), len(lost), torn, len(sent & set(read))


def test_spool_of_a_killed_process_has_all_it_accepted(tmp_path, fault_scale):
    """
    kill -9 at any moment: nothing accepted is lost, nothing torn is read.

    It goes on until a torn file and a second delivery were seen.
    """
    totals = [0, 0, 0, 0]
    for run in range(200):
        if run >= 100 * fault_scale and totals[2] and totals[3]:
            break
        results = _kill(tmp_path, run)
        totals = [a + b for a, b in zip(totals, results)]

    accepted, lost, torn, twice = totals
    assert 0 == lost
    assert accepted > 100 * run
    assert torn >= 1
    assert 1 <= twice <= 50 * run
    assert [] == os.listdir(tmp_path / "spool")


@pytest.mark.parametrize("control", ["says before", "acks before"])
def test_spool_of_a_killed_process_without_order_loses(tmp_path, control):
    """
    Control: accepted before it is written, or acknowledged before it is sent.
    """
    assert any(_kill(tmp_path, run, control)[1] for run in range(60))


POINTS = """
import os, signal, sys
from mllog.delivery.spool import Spool, adopt

folder, side, point, turn, control = sys.argv[1:]
turn = int(turn)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def at(name, before=None, after=None, only=lambda *a: True):
    "Die before or after the turn-th call of os.<name>."
    real, calls = getattr(os, name), 0
    def call(*args, **kwargs):
        nonlocal calls
        calls += bool(only(*args))
        if calls == turn and before is not None:
            before(real, *args)
        result = real(*args, **kwargs)
        if calls == turn and after is not None:
            after()
        return result
    setattr(os, name, call)

def half(real, fd, data):
    real(fd, data[: len(data) // 2])
    die()

def only_die(real, *args):
    die()

def slot(real, fd, data, offset):
    real(fd, data[: len(data) // 2], offset)
    die()

is_spool = lambda path, *_: str(path).endswith(".spool")
is_frame = lambda fd, data: len(data) > 100
said = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
sink = os.open(side + ".sent", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
tell = os.write
if point == "half a frame": at("write", before=half, only=is_frame)
if point == "a whole frame": at("write", after=die, only=is_frame)
if point == "fsync": at("fdatasync", after=die)
if point == "before fsync": at("fdatasync", before=only_die)
if point == "a new segment": at("open", after=die, only=is_spool)
if point == "own directory": at("mkdir", after=die)
if point == "own name": at("rename", before=only_die)
if point == "own name given": at("rename", after=die)
if point == "half a slot": at("pwrite", before=slot)
if point == "a whole slot": at("pwrite", after=die)
if point == "before the slot": at("pwrite", before=only_die)
if point == "before unlink": at("unlink", before=only_die)
if point == "after unlink": at("unlink", after=die)
if point == "before rmdir": at("rmdir", before=only_die)
if point == "after rmdir": at("rmdir", after=die)

if control == "deletes the lock first":
    from mllog.delivery.spool.folders import Home
    def remove(self):
        for name in ("lock", "acked"):
            os.unlink(os.path.join(self.path, name))
        self.release()
    Home.remove = remove

def deliver(spool):
    while batch := spool.read(3, 10**6):
        if control == "acks before":
            spool.ack(len(batch))
        tell(sink, b"".join(entry.split()[0] + b"\\n" for entry in batch))
        if control != "acks before":
            spool.ack(len(batch))

for left in adopt(folder):
    deliver(left)
    left.close()
spool = Spool(folder, max_bytes=2**20, segment_bytes=4096, fsync="always")
for number in range(30):
    name = f"{os.getpid()}-{number}".encode()
    spool.append([name + b" " + b"x" * 700])
    tell(said, name + b"\\n")
    if number % 10 == 5:
        deliver(spool)
deliver(spool)
spool.close()
"""

NAMES = [
    "half a frame",
    "a whole frame",
    "fsync",
    "before fsync",
    "a new segment",
    "own directory",
    "own name",
    "own name given",
    "half a slot",
    "a whole slot",
    "before the slot",
    "before unlink",
    "after unlink",
    "before rmdir",
    "after rmdir",
]


def _die(folder, point, turn, times, control="none"):
    """
    Die at *point*, *times* in a row, then once not: lost, and killed how often.
    """
    folder.mkdir()
    side, killed = str(folder / "side"), 0
    for kind in [point] * times + ["nowhere"]:
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                POINTS,
                str(folder / "spool"),
                side,
                kind,
                str(turn),
                control,
            ],
            check=False,
        )
        killed += result.returncode == -9
        assert result.returncode in (0, -9)
    lost = set(_lines(side)) - set(_lines(side + ".sent"))
    return lost, killed, os.listdir(folder / "spool")


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("point", NAMES)
def test_spool_of_a_process_killed_at_a_point_loses_nothing(
    tmp_path, fault_scale, point, times
):
    """
    Killed at each named point, once and twice: all delivered, nothing left.
    """
    for turn in range(1, 1 + int(20 * fault_scale)):
        lost, killed, left = _die(tmp_path / str(turn), point, turn, times)

        assert (set(), []) == (lost, left)
        assert killed == times or turn > 1


def test_spool_that_acknowledges_before_delivery_loses_at_a_point(tmp_path):
    """
    Control: killed after a checkpoint that came too early, records are lost.
    """
    # 1 and 2 are the two slots of the new file, 3 is the first ack
    lost, killed, _ = _die(tmp_path / "x", "a whole slot", 3, 1, "acks before")

    assert killed
    assert lost


def test_spool_that_deletes_its_lock_first_leaves_something(tmp_path):
    """
    Control: a directory taken apart in another order stays.
    """
    _, _, left = _die(
        tmp_path / "x", "nowhere", 1, 1, "deletes the lock first"
    )

    assert left


# full and broken disks

FULL = """
import json, os, resource, signal, sys
from mllog.delivery.spool import Spool
from mllog.delivery.spool.tail import Tail

folder, mends = sys.argv[1], sys.argv[2] == "mends"
if not mends:
    Tail._cut = lambda self, segment, records: None  # the control
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def disk(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

spool = Spool(folder, max_bytes=2**30, fsync="never")
accepted, refused = [], 0
for event in range(10):
    disk(10_000 * (event + 1) + 7)
    for number in range(60):
        entry = b"%d-%d " % (event, number) + b"x" * 300
        try:
            spool.append([entry, entry + b"2"] if number % 7 == 3 else [entry])
        except OSError:
            refused += 1
        else:
            accepted.append(entry.split()[0].decode())
disk(resource.RLIM_INFINITY)
spool.append([b"healthy "])
read = []
while batch := spool.read(50, 10**6):
    read += [entry.split()[0].decode() for entry in batch if entry[-1:] != b"2"]
spool.close()
print(json.dumps([accepted + ["healthy"], refused, read, spool.corrupt]))
"""


def _full(folder, mends):
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(folder), mends],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "" == result.stderr
    accepted, refused, read, corrupt = json.loads(result.stdout)
    entries, _, torn = _adopted(folder)
    inherited = [
        e.split()[0].decode() for e in entries if not e.endswith(b"2")
    ]
    return accepted, refused, read, corrupt, inherited, torn


def test_spool_on_a_full_disk_keeps_what_it_accepted(tmp_path):
    """
    Ten times full in the middle of a record: no fragment, nothing lost.

    The disk is a limit on the file's size, which cuts writes short as a full
    disk does and needs no rights.
    """
    result = _full(tmp_path / "spool", "mends")

    accepted, refused, read, corrupt, inherited, torn = result
    assert refused > 10
    assert accepted == read == inherited
    assert (0, 0) == (corrupt, torn)


def test_spool_on_a_full_disk_that_leaves_fragments_loses(tmp_path):
    """
    Control: a writer that goes on behind its own fragment loses records.
    """
    result = _full(tmp_path / "spool", "goes on")

    accepted, _, read, corrupt, inherited, _ = result
    assert accepted != read
    assert corrupt > 0


@pytest.fixture
def small_disk(tmp_path):
    """
    A file system of 256 KiB of its own.
    """
    if getattr(os, "geteuid", lambda: 1)() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_spool_on_a_disk_of_its_own_that_fills_recovers(small_disk):
    """
    On a real full file system nothing accepted is lost; with room it goes on.
    """
    folder = str(small_disk / "spool")
    spool = Spool(folder, max_bytes=MIB, segment_bytes=30_000, fsync="never")
    accepted, read = [], []
    for cycle in range(6):
        refused = 0
        for number in range(600):
            entries = [b"%d-%d-%d " % (cycle, number, n) for n in range(9)]
            entries = [entry + b"x" * 150 for entry in entries]
            try:
                spool.append(entries if number % 2 else entries[:1])
            except OSError as exc:
                assert exc.errno == errno.ENOSPC
                refused += 1
            else:
                accepted += entries if number % 2 else entries[:1]
        assert refused
        assert len(accepted) - len(read) == spool.pending
        if cycle < 5:
            read += _drain(spool)
    spool.close()
    inherited, corrupt, torn = _adopted(folder)

    assert accepted == read + inherited
    assert (0, 0, 0) == (spool.corrupt, corrupt, torn)
    assert [] == os.listdir(folder)


def _on_a_broken_disk(folder, calls, seed):
    """
    Fail calls of *calls* at random; accepted, and what is read in the end.
    """
    chance = random.Random(seed)
    real = {name: getattr(os, name) for name in calls}

    def broken(name):
        def call(*args, **kwargs):
            if chance.random() < 0.2:
                raise OSError(errno.EIO, "broken")
            return real[name](*args, **kwargs)

        return call

    spool = Spool(str(folder), max_bytes=MIB, segment_bytes=4096)
    accepted, read, refused = [], [], 0
    with pytest.MonkeyPatch.context() as patch:
        for name in calls:
            patch.setattr(os, name, broken(name))
        for number in range(400):
            entry = b"%d " % number + b"x" * 100
            try:
                spool.append([entry])
                accepted.append(entry)
            except OSError:
                refused += 1
            with contextlib.suppress(OSError):
                if number % 20 == 0:
                    batch = spool.read(5, MIB)
                    read += batch
                    spool.ack(len(batch))
            with contextlib.suppress(OSError):
                spool.sync()
    read += _drain(spool)
    spool.close()
    return accepted, read, refused


@pytest.mark.parametrize(
    "calls",
    [
        ["write"],
        ["write", "ftruncate"],
        ["open", "mkdir", "rename"],
        ["pread", "fdatasync", "fsync"],
        ["pwrite", "unlink"],
        ["write", "open", "pread", "pwrite", "unlink", "fdatasync", "mkdir"],
    ],
    ids="+".join,
)
def test_spool_on_a_broken_disk_keeps_what_it_accepted(
    tmp_path, fault_scale, calls
):
    """
    Any call may fail with EIO at any time: accepted is read, once, in order.
    """
    for seed in range(int(50 * fault_scale)):
        accepted, read, refused = _on_a_broken_disk(
            tmp_path / str(seed), calls, seed
        )

        assert accepted == read
        assert refused or "write" not in calls


def test_spool_on_dev_full_refuses_and_stays_usable(tmp_path, monkeypatch):
    """
    A device that is always full: an error each time, and nothing else.
    """
    spool = Spool(str(tmp_path / "spool"), max_bytes=MIB, fsync="never")
    write = os.write
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(os, "write", lambda fd, data: write(full, data))
    for _ in range(100):
        with pytest.raises(OSError, match="No space"):
            spool.append([b"x"])
    monkeypatch.undo()
    os.close(full)

    spool.append([b"y"])

    assert [b"y"] == _drain(spool)
    spool.close()


# many at once

HEIRS = """
import os, sys
from mllog.delivery.spool import adopt
folder, side = sys.argv[1:]
print("ready", flush=True)
sys.stdin.read()
sink = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
for left in adopt(folder):
    while batch := left.read(10, 10**6):
        os.write(sink, b"".join(entry + b"\\n" for entry in batch))
        left.ack(len(batch))
    left.close()
"""


def _heirs(folder, program, heirs=4):
    for number in range(30):
        spool = Spool(str(folder / "spool"), max_bytes=MIB, fsync="never")
        spool.append([b"%d-%d" % (number, n) for n in range(50)])
        spool.close()
    arguments = [str(folder / "spool"), str(folder / "side")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if program != HEIRS else None,
        )
        for _ in range(heirs)
    ]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.close()
    codes = [process.wait() for process in processes]
    for process in processes:
        process.stdout.close()
    return codes, _lines(folder / "side")


def test_spool_with_many_heirs_is_delivered_once(tmp_path):
    """
    Four processes that start at once share what is left, none twice.
    """
    codes, seen = _heirs(tmp_path, HEIRS)

    wanted = {b"%d-%d" % (a, b) for a in range(30) for b in range(50)}
    assert [0] * 4 == codes
    assert wanted == set(seen)
    assert len(wanted) == len(seen)
    assert [] == os.listdir(tmp_path / "spool")


def test_spool_with_many_heirs_without_locks_is_delivered_twice(tmp_path):
    """
    Control: heirs who grant themselves every lock deliver twice.
    """
    program = (
        "import mllog.delivery.spool.folders as f\n"
        "f._take = lambda lock: True\n"
        "f._is_same = lambda *_: True\n" + HEIRS
    )

    for attempt in range(10):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        _, seen = _heirs(folder, program)
        if len(seen) > len(set(seen)):
            return
    pytest.fail("nothing was delivered twice")
