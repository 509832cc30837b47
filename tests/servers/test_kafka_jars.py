"""
How Apache Kafka comes to the tests, and how it does not.
"""

import os
import subprocess
import sys

import pytest

from servers import kafka_jars
from servers.kafka_jars import VERSION, Missing, folder, jars

JAVA_17 = """echo 'openjdk version "17.0.1" 2021' >&2"""
# as Maven, it takes its time: two of them are at work at once
MAVEN = """\
for word; do case $word in -DoutputDirectory=*) to=${word#*=};; esac; done
sleep 0.5
touch $to/kafka_2.13.jar
echo $$ > $to/clients.jar
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """
    A PATH and a cache of its own; call it to put programs there.
    """
    programs = tmp_path / "bin"
    programs.mkdir()

    def put(**scripts):
        for name, script in scripts.items():
            path = programs / name
            path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
            path.chmod(0o755)

    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kafka_jars._require_java.cache_clear()
    yield put
    kafka_jars._require_java.cache_clear()


def test_jars_are_fetched_once(machine):
    """
    The folder has the version in its name, and Maven is not asked again.
    """
    machine(java=JAVA_17, mvn=MAVEN)
    first = jars()

    assert first == folder()
    assert first.name == f"kafka-{VERSION}"
    assert VERSION.startswith("4.")
    machine(mvn="exit 1")
    assert jars() == first


def test_jars_fetched_by_two_at_once_are_whole(machine):
    """
    Each gets the same whole folder, and nothing is left beside it.
    """
    machine(java=JAVA_17, mvn=MAVEN)
    command = [sys.executable, kafka_jars.__file__]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = {one.communicate(timeout=30)[0] for one in both}

    assert said == {f"Apache Kafka {VERSION}: {folder()}\n"}
    assert os.listdir(folder().parent) == [folder().name]
    assert sorted(os.listdir(folder())) == ["clients.jar", "kafka_2.13.jar"]


@pytest.mark.parametrize(
    ("programs", "name", "why"),
    [
        ({}, "java", "install Java 17"),
        (
            {"java": """echo 'java version "1.8.0_9"' >&2"""},
            *("java", 'here is: java version "1.8.0_9"'),
        ),
        ({"java": JAVA_17}, "maven", "install Maven"),
        (
            {"java": JAVA_17, "mvn": "echo no route to Central; exit 1"},
            *(f"Apache Kafka {VERSION}", "no route to Central"),
        ),
        (
            {"java": JAVA_17, "mvn": "true"},
            *(f"Apache Kafka {VERSION}", "Maven Central"),
        ),
    ],
    ids=["no java", "old java", "no maven", "maven fails", "nothing came"],
)
def test_jars_that_cannot_be_had_say_why(machine, programs, name, why):
    """
    What is missing has a name and a way to get it, and leaves no folder.
    """
    machine(**programs)

    with pytest.raises(Missing) as caught:
        jars()
    assert caught.value.name == name
    assert why in caught.value.why
    assert not folder().parent.exists() or not os.listdir(folder().parent)


def test_jars_that_take_too_long_are_missing(machine):
    """
    A Maven that does not end is ended.
    """
    machine(java=JAVA_17, mvn="exec sleep 60")

    with pytest.raises(Missing, match="not within 0.2 s"):
        jars(timeout=0.2)
