"""
The schema registry of the tests: what it registers, finds and refuses.
"""

import json
import ssl
import urllib.error
import urllib.request

import pytest

from servers.certificates import Authority
from servers.receiver import openssl
from servers.registry import Registry

SCHEMA = '{"type": "record", "name": "r", "fields": []}'
OTHER = '{"type": "string"}'


@pytest.fixture
def registry():
    """
    A registry that everybody may ask.
    """
    with Registry() as registry:
        yield registry


def _ask(registry, path, body=None, **options):
    """
    Status and what is said.
    """
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(registry.url + path, data=data)
    try:
        with urllib.request.urlopen(asked, timeout=10, **options) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error_code"]


def test_registry_gives_one_id_to_one_schema(registry):
    """
    The same schema has the same id in each subject, another one another id.
    """
    versions = "/subjects/{}/versions".format
    spaced = SCHEMA.replace(" ", "")

    assert _ask(registry, versions("a"), {"schema": SCHEMA})[1] == {"id": 1}
    assert _ask(registry, versions("a"), {"schema": OTHER})[1] == {"id": 2}
    assert _ask(registry, versions("b"), {"schema": spaced})[1] == {"id": 1}
    assert _ask(registry, versions("a"), {"schema": SCHEMA})[1] == {"id": 1}
    assert _ask(registry, "/subjects") == (200, ["a", "b"])
    assert _ask(registry, versions("a")) == (200, [1, 2])
    assert registry.subjects == {"a": [1, 2], "b": [1]}
    assert registry.asked[0] == (
        *("POST", "/subjects/a/versions", {"schema": SCHEMA}),
    )


def test_registry_finds_what_was_registered(registry):
    """
    A schema is found by its id, its subject, and itself.
    """
    _ask(registry, "/subjects/a%2Fb-value/versions", {"schema": OTHER})
    _ask(registry, "/subjects/a%2Fb-value/versions", {"schema": SCHEMA})
    second = {
        "subject": "a/b-value",
        "id": 2,
        "version": 2,
        "schema": SCHEMA,
    }

    assert _ask(registry, "/schemas/ids/2") == (200, {"schema": SCHEMA})
    for path, body in (
        ("/subjects/a%2Fb-value/versions/latest", None),
        ("/subjects/a%2Fb-value/versions/2", None),
        ("/subjects/a%2Fb-value?normalize=false", {"schema": SCHEMA}),
    ):
        assert _ask(registry, path, body) == (200, second)


def test_registry_refuses_what_it_does_not_know(registry):
    """
    What is not there has a code of its own, and so has what is no schema.
    """
    _ask(registry, "/subjects/a/versions", {"schema": SCHEMA})

    assert _ask(registry, "/subjects/b/versions/latest") == (404, 40401)
    assert _ask(registry, "/subjects/b", {"schema": SCHEMA}) == (404, 40401)
    assert _ask(registry, "/subjects/a/versions/2") == (404, 40402)
    assert _ask(registry, "/subjects/a", {"schema": OTHER}) == (404, 40403)
    assert _ask(registry, "/schemas/ids/2") == (404, 40403)
    assert _ask(registry, "/subjects/a/versions", {"schema": "{"}) == (
        422,
        42201,
    )
    assert _ask(registry, "/nothing") == (404, 404)


@pytest.mark.parametrize("code", [401, 404, 409, 500, 40401])
def test_registry_fails_as_often_as_it_is_told(registry, code):
    """
    The next requests get the error, and then it answers again.
    """
    registry.fail(code, 2)
    said = [_ask(registry, "/subjects") for _ in range(3)]

    assert said == [(int(str(code)[:3]), code)] * 2 + [(200, [])]
    registry.fail(code)
    assert _ask(registry, "/subjects")[1] == code
    registry.recover()
    assert _ask(registry, "/subjects") == (200, [])


def test_registry_silent_answers_when_it_speaks_again(registry):
    """
    A request into the silence has no answer, and a later one has.
    """
    registry.silence()
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(f"{registry.url}/subjects", timeout=0.2)
    registry.speak()

    assert _ask(registry, "/subjects") == (200, [])


def test_registry_with_a_password_asks_for_it():
    """
    Who has none or a wrong one is 401, who has it is served.
    """
    manager = urllib.request.HTTPPasswordMgrWithPriorAuth()
    opener = urllib.request.build_opener(
        urllib.request.HTTPBasicAuthHandler(manager)
    )
    with Registry("user", "secret") as registry:
        path = f"{registry.url}/subjects"
        manager.add_password(
            None, path, "user", "secret", is_authenticated=True
        )

        assert _ask(registry, "/subjects") == (401, 401)
        with opener.open(path, timeout=10) as answer:
            assert json.load(answer) == []
        manager.add_password(
            None, path, "user", "wrong", is_authenticated=True
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            opener.open(path, timeout=10)
        caught.value.close()
        assert caught.value.code == 401


def test_registry_speaks_tls_to_who_knows_its_authority(tmp_path, missing):
    """
    With its authority it answers, without it the client ends.
    """
    openssl(missing)
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=authority.cert)
    with Registry(identity=authority.identity("server")) as registry:
        assert _ask(registry, "/subjects", context=context) == (200, [])
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE"):
            _ask(registry, "/subjects")
        assert _ask(registry, "/subjects", context=context) == (200, [])


@pytest.mark.kafka
def test_registry_serves_the_client_of_confluent(registry, missing):
    """
    Confluent's own client registers, looks up and finds a schema.
    """
    try:
        import confluent_kafka.schema_registry
    except ImportError:
        missing("schema registry", "install mllog-handlers[test-kafka]")
    from confluent_kafka.schema_registry import (
        Schema,
        SchemaRegistryClient,
        SchemaRegistryError,
    )

    schema = Schema(SCHEMA, "AVRO")
    with SchemaRegistryClient({"url": registry.url}) as client:
        assert client.register_schema("t-value", schema) == 1
        assert client.lookup_schema("t-value", schema).version == 1
        assert client.get_latest_version("t-value").schema_id == 1
        assert client.get_schema(1).schema_str == SCHEMA
        with pytest.raises(SchemaRegistryError) as caught:
            client.get_latest_version("unknown")
    assert caught.value.error_code == 40401
