"""
What rotated files are called, and which of them are kept.
"""

import os
import re
import tempfile
import time
from pathlib import Path

import pytest
from clocks import Clock
from hypothesis import given
from hypothesis import strategies as st

from mllog.rotation import Plan, locks, names
from mllog.rotation.names import Names, Retention


def _make(folder, *names, content=b"x"):
    for name in names:
        (folder / name).write_bytes(content)


def _left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_names_new_is_the_utc_time_and_a_number(tmp_path):
    """
    A name is <file>.<UTC time>Z-<number>.
    """
    before = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())

    name = Names(str(tmp_path / "app.log")).new()

    match = re.fullmatch(r".*/app\.log\.(\d{8}T\d{6}Z)-0001", name)
    assert match
    assert match[1] >= before


def test_names_in_one_second_are_never_used_twice(tmp_path):
    """
    A name whose file was deleted or compressed does not come again.
    """
    names = Names(str(tmp_path / "app.log"))
    seen = []
    for number in range(20):
        name = names.new()
        seen.append(name)
        if number % 3:
            ending = ".gz" if number % 2 else ""
            (tmp_path / f"{name}{ending}").write_bytes(b"")

    assert len(set(seen)) == len(seen)
    assert sorted(seen) == seen


def test_names_found_are_ours_only_oldest_first(tmp_path):
    """
    Files of others, however alike, are not among the rotated ones.
    """
    _make(
        tmp_path,
        "app.log",
        "app.log.20260102T000000Z-0001",
        "app.log.20260101T000000Z-0002.gz",
        "app.log.20260101T000000Z-0001",
        "app.log.1",
        "app.log.20260101T000000Z-0001.bak",
        "app.log.20260101T000000Z",
        "other.log.20260101T000000Z-0001",
        "my-app.log.20260101T000000Z-0001",
        "app.log.20260101T000000Z-0003.gz.tmp",
    )

    found = Names(str(tmp_path / "app.log")).found()

    assert [
        "app.log.20260101T000000Z-0001",
        "app.log.20260101T000000Z-0002.gz",
        "app.log.20260102T000000Z-0001",
    ] == [each.path.rsplit("/", 1)[1] for each in found]


def test_names_with_a_namer_find_what_it_named(tmp_path):
    """
    A namer's names are recognised, and the plain ones no longer.
    """
    names = Names(str(tmp_path / "app.log"), lambda name: f"{name}.old")
    _make(
        tmp_path,
        "app.log.20260101T000000Z-0001",
        "app.log.20260101T000000Z-0001.old",
    )

    (found,) = names.found()

    assert found.path.endswith("-0001.old")


@given(
    st.lists(
        st.tuples(
            st.floats(-1e9, 1e9),
            st.sampled_from(["keep", "compress", "delete", "restart"]),
        ),
        max_size=30,
    )
)
def test_name_never_sorts_before_one_that_is_there(tmp_path_factory, steps):
    """
    Whatever the clock does, rotated files are in the order of rotation.
    """
    folder = tmp_path_factory.mktemp("logs")
    clock = Clock()
    known = Names(str(folder / "app.log"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names, "time", clock)
        for moved, then in steps:
            clock.now = max(0.0, clock.now + moved)
            before = [each.path for each in known.found()]
            name = known.new()
            assert all(path < name for path in before)
            if then != "delete":
                ending = ".gz" if then == "compress" else ""
                (folder / f"{name}{ending}").write_bytes(b"")
            if then == "restart":
                known = Names(str(folder / "app.log"))


def test_names_of_more_than_fit_into_a_second_sort_all_the_same(tmp_path):
    """
    After 9999 of one second comes the next second, as text as well.
    """
    stamp = "29990101T235959Z"
    _make(tmp_path, f"app.log.{stamp}-9999")

    name = Names(str(tmp_path / "app.log")).new()

    assert name.endswith("app.log.29990102T000000Z-0001")


def test_names_of_digits_that_are_no_time_are_not_ours(tmp_path):
    """
    Nobody rotates on the 99th.
    """
    _make(tmp_path, "app.log.20269999T000000Z-0001")
    known = Names(str(tmp_path / "app.log"))

    assert [] == known.found()
    assert known.new().split(".")[-1] < "2026999"


def test_names_of_links_and_folders_are_not_ours(tmp_path):
    """
    Neither is compressed, handed on or deleted.
    """
    (tmp_path / "secret").write_text("x")
    link, folder = (
        tmp_path / f"app.log.20260101T000000Z-000{number}" for number in (1, 2)
    )
    link.symlink_to("secret")
    folder.mkdir()
    known = Names(str(tmp_path / "app.log"))

    Retention(max_total_bytes=1).enforce(known)

    assert [] == known.found()
    assert link.is_symlink()
    assert folder.is_dir()


@pytest.mark.parametrize(
    ("retention", "kept"),
    [
        (Retention(), [1, 2, 3, 4]),
        (Retention(backup_count=2), [3, 4]),
        (Retention(max_total_bytes=25), [3, 4]),
        (Retention(max_total_bytes=5), []),
        (Retention(max_age_days=1), []),
        (Retention(max_age_days=10**6), [1, 2, 3, 4]),
        (Retention(backup_count=3, max_total_bytes=10), [4]),
    ],
)
def test_retention_deletes_the_oldest_and_only_ours(tmp_path, retention, kept):
    """
    Count, size and age each delete from the oldest on, nobody else's files.
    """
    ours = [f"app.log.2026010{day}T000000Z-0001" for day in (1, 2, 3, 4)]
    _make(tmp_path, *ours, content=b"0123456789")
    _make(tmp_path, "app.log", "app.log.1", "app.log.2026-01-01")

    retention.enforce(Names(str(tmp_path / "app.log")))

    expected = [ours[number - 1] for number in kept]
    assert (
        sorted([*expected, "app.log", "app.log.1", "app.log.2026-01-01"])
    ) == _left(tmp_path)


def test_retention_of_a_file_in_use_waits(tmp_path):
    """
    A file that a writer still has open is not deleted.
    """
    import fcntl

    names = [f"app.log.2026010{day}T000000Z-0001" for day in (1, 2)]
    _make(tmp_path, *names)
    with open(tmp_path / names[0], "rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_SH)
        Retention(backup_count=1).enforce(Names(str(tmp_path / "app.log")))

        assert names == _left(tmp_path)

    Retention(backup_count=1).enforce(Names(str(tmp_path / "app.log")))

    assert names[1:] == _left(tmp_path)


def _aged(folder, *days):
    """
    Files named for a clock that was years ahead, and last written days ago.
    """
    made = []
    for number, ago in enumerate(days, 1):
        path = folder / f"app.log.29990101T000000Z-{number:04d}"
        path.write_bytes(b"x")
        moment = time.time() - ago * 86400
        os.utime(path, (moment, moment))
        made.append(path.name)
    return made


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        ([9, 8, 2], 1),
        ([-9, -8, 2], 3),  # nobody knows how old the first two are
        ([-9, 8, 2], 1),  # older than one that is too old
        ([9, 8, 7], 0),
    ],
    ids=str,
)
def test_retention_by_age_of_names_in_the_future_goes_by_the_last_change(
    tmp_path, days, kept
):
    """
    A clock that was ahead for a moment does not keep files for years.
    """
    made = _aged(tmp_path, *days)

    Retention(max_age_days=5).enforce(Names(str(tmp_path / "app.log")))

    assert made[len(made) - kept :] == _left(tmp_path)


def test_retention_reports_what_it_cannot_delete_and_deletes_the_rest(
    tmp_path, monkeypatch
):
    """
    A limit that is not kept is no secret.
    """
    made = [f"app.log.2026010{day}T000000Z-0001" for day in (1, 2, 3)]
    _make(tmp_path, *made)
    unlink = os.unlink

    def refusing(path):
        if path.endswith(made[0]):
            raise PermissionError(path)
        unlink(path)

    monkeypatch.setattr(locks.os, "unlink", refusing)

    with pytest.raises(PermissionError):
        Retention(backup_count=1).enforce(Names(str(tmp_path / "app.log")))

    assert [made[0], made[2]] == _left(tmp_path)


def _as_nobody(work):
    """
    Do *work* in a child without the rights of root; whether all went well.
    """
    child = os.fork()
    if not child:
        code = 1
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture(name="open_folder")
def _open_folder():
    """
    A folder that everybody reaches.
    """
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


def test_retention_deletes_what_it_may_not_read(open_folder):
    """
    To delete takes the right to write the folder, not to read the file.
    """
    made = [f"app.log.2026010{day}T000000Z-0001" for day in (1, 2, 3)]
    _make(open_folder, *made)
    for name in made:
        (open_folder / name).chmod(0)

    def work():
        Retention(backup_count=1).enforce(Names(str(open_folder / "app.log")))
        return True

    assert _as_nobody(work)
    assert made[2:] == _left(open_folder)


def test_folder_that_may_not_be_read_rotates_and_says_what_it_cannot_keep(
    open_folder,
):
    """
    There nobody else can be locked out, and nothing old be found.
    """
    faults = []
    file = Plan(maxBytes=30, backupCount=1).file(
        str(open_folder / "app.log"), on_fault=faults.append
    )
    open_folder.chmod(0o333)

    def work():
        for number in range(20):
            file.write(b"line %02d\n" % number)
        return file.rotations > 3 and all(
            isinstance(each, PermissionError) for each in faults
        )

    assert _as_nobody(work)
    open_folder.chmod(0o777)
    lines = "".join(
        (open_folder / name).read_text() for name in _left(open_folder)
    )
    assert 20 == len(lines.splitlines())
