"""
mllog.payloads.media: media types and extensions.
"""

import mimetypes
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllog.payloads.media import extension_of, sniffed, usable


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("image/jpeg", ".jpg"),
        ("Image/JPEG; q=1", ".jpg"),
        ("image/png", ".png"),
        ("application/x-npy", ".npy"),
        ("application/json", ".json"),
        ("application/geo+json", ".json"),
        ("text/plain; charset=utf-8", ".txt"),
        ("application/octet-stream", ".bin"),
        ("text/css", ".css"),  # Python's own table
        ("application/x-unheard-of", ".bin"),
        ("../../etc/passwd", ".bin"),
    ],
)
def test_extension_follows_the_media_type(content_type, expected):
    """
    Ours, then Python's, then .bin.
    """
    assert expected == extension_of(content_type)


@pytest.fixture
def added_type():
    mimetypes.add_type("application/x-added", ".odd")
    yield "application/x-added"
    mimetypes.init()


def test_extension_does_not_depend_on_the_machine(added_type):
    """
    What a mime.types or the application added does not name objects.
    """
    assert ".odd" == mimetypes.guess_extension(added_type)
    assert ".bin" == extension_of(added_type)


@given(st.text() | st.from_regex(r"[\w.+-]+/[\w.+/-]+"))
def test_extension_of_any_text_is_safe(content_type):
    """
    A dot, and at most eight of a-z and 0-9, whatever a record says.
    """
    assert re.fullmatch(r"\.[a-z0-9]{1,8}", extension_of(content_type))


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        5,
        "",
        "jpeg",
        "image/",
        "image/png\r\nx-amz-acl: public-read",
        "image/png\n",
        "image/pñg",
        "a/" + "b" * 200,
        'text/plain; a="\r\n"',
    ],
)
def test_content_type_that_is_none_is_not_used(content_type):
    """
    Nothing that a header cannot carry gets further.
    """
    assert usable(content_type) is None


@pytest.mark.parametrize(
    "content_type",
    ["image/png", "text/plain; charset=utf-8", 'a/b;c="d e"; f=g'],
)
def test_content_type_that_is_one_is_used(content_type):
    """
    With its parameters.
    """
    assert content_type == usable(content_type)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFX\x00\x00\x00\x00WAVEfmt ", "application/octet-stream"),
        (b"II*\x00", "image/tiff"),
        (b"%PDF-1.7", "application/pdf"),
        (b"\x1f\x8b\x08\x00", "application/gzip"),
        (b"\x93NUMPY\x01\x00", "application/x-npy"),
        (b"\xff\xd8", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_bytes_tell_their_type(data, expected):
    """
    By what stands at their beginning.
    """
    assert expected == sniffed(data)
