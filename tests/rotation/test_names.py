"""
What rotated files are called, and which of them are kept.
"""

import re
import time

import pytest

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
