"""
mllog.RedactingFilter: what is taken out of records, and what is left alone.
"""

import collections
import copy
import dataclasses
import io
import json
import logging
import logging.config
import sys
import types

import hostile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mllog
from mllog.filters.patterns import is_card

TAKES_RECORDS = sys.version_info >= (3, 12)
SECRET = "hunter2-5f3a"
GONE = "[redacted]"
CARD = "4111 1111 1111 1111"


def record_of(message="m", args=(), error=None, **fields):
    return logging.getLogger("x").makeRecord(
        "app",
        logging.INFO,
        "/app/serve.py",
        12,
        message,
        args,
        hostile.failed_with(error) if error else None,
        "f",
        fields,
    )


def redacted(record, **options):
    return mllog.RedactingFilter(**options).apply(record)


def said(message, *args, **options):
    return redacted(record_of(message, args), **options).getMessage()


def document(record):
    return json.loads(mllog.JSONFormatter().format(record))


@dataclasses.dataclass
class Login:
    user: str = "bob"
    password: str = SECRET
    _token: str = SECRET


class Config:
    def __repr__(self):
        return f"Config(host='db', password='{SECRET}')"


# --- names ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "PASSWORD",
        "db_passwd",
        "Client-Secret",
        "api_key",
        "apiKey",
        "X-API-Key",
        "api key",
        "openai.api.key",
        "access_token",
        "Authorization",
        "Set-Cookie",
        "sessionid",
        "private_key",
        "awsSecretAccessKey",
        "credentials",
        "auth",
        "userPin",
        "csrf_token",
        "ＰＡＳＳＷＯＲＤ",
        "api%5Fkey",
    ],
)
def test_redacting_of_a_secret_name_replaces_the_value(name):
    """
    However a name is written: as a field, as a key, and before a value.
    """
    record = record_of(headers={name: SECRET}, **{name: SECRET})

    found = redacted(record)

    assert GONE == found.__dict__[name]
    assert {name: GONE} == found.headers
    assert f"{name}: {GONE}" == said(f"{name}: {SECRET}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_name", "resnet50"),
        ("tokenizer", "bert-base"),
        ("author", "Ada"),
        ("input_tokens", 512),
        ("max_tokens", 512),
        ("token_ids", [101, 2023, 102]),
        ("token_ids", np.array([101, 2023, 102])),
        ("eos_token_id", 2),
        ("time_to_first_token", 0.2),
        ("token_loss", 0.25),
        ("session_seconds", np.float32(3.5)),
        ("pin_memory", True),
        ("password", None),
        ("keys", ["a"]),
        ("monkey", "chimp"),
        ("passengers", 3),
    ],
)
def test_redacting_of_a_harmless_name_leaves_the_record(name, value):
    """
    Counts of tokens, floats, bools and None are no secrets.
    """
    record = record_of(**{name: value}, metrics={"token_loss": 0.25})

    assert redacted(record) is record


def test_redacting_with_further_keys_finds_them_too():
    """
    ``keys`` are found in any spelling, beside the built-in ones or alone.
    """
    record = record_of(**{"Patient-ID": "p7", "password": SECRET})

    both = redacted(record, keys="patient_id")
    alone = redacted(record, keys=["patient_id"], builtin_keys="false")

    assert [GONE, GONE] == [both.__dict__["Patient-ID"], both.password]
    assert [GONE, SECRET] == [alone.__dict__["Patient-ID"], alone.password]


def test_redacting_with_allow_never_touches_those_fields():
    """
    Neither by name nor by pattern, on the record and in a mapping.
    """
    record = record_of(
        session="run 7",
        mail="a@example.com",
        nested={"session": "b@example.com", "token": SECRET},
    )

    found = redacted(record, allow="session, mail")

    assert ("run 7", "a@example.com") == (found.session, found.mail)
    assert {"session": "b@example.com", "token": GONE} == found.nested


# --- text -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"password={SECRET} user=bob", f"password={GONE} user=bob"),
        (f"password: '{SECRET}', a: 1", f"password: '{GONE}', a: 1"),
        (f'{{"token": "{SECRET}", "a": 1}}', f'{{"token": "{GONE}", "a": 1}}'),
        (r'"{\"token\": \"x y\", \"a\": 1}"', rf'"{{\"token\": \"{GONE}\", \"a\": 1}}"'),
        (r'{"token": "a\"b", "c": 1}', f'{{"token": "{GONE}", "c": 1}}'),
        (f"{{'secret': {{'a': ['{SECRET}']}}}}", f"{{'secret': {GONE}}}"),
        (f"secret=b'{SECRET}'", f"secret=b'{GONE}'"),
        ("password=a,b&c)d; next", f"password={GONE}; next"),
        (f"Login(user='bob', password='{SECRET}')", f"Login(user='bob', password='{GONE}')"),
        (f"Authorization: Digest a, b={SECRET}\nHost: x", f"Authorization: {GONE}\nHost: x"),
        (f"curl -H 'Cookie: a={SECRET}; b=2' http://h", f"curl -H 'Cookie: {GONE}' http://h"),
        (f"run --api-key {SECRET} --size 3", f"run --api-key {GONE} --size 3"),
        (f"the api key: {SECRET}", f"the api key: {GONE}"),
        (f"https://h/a?access_token={SECRET}&b=1", f"https://h/a?access_token={GONE}&b=1"),
        (f"postgres://bob:{SECRET}@db:5432/x", f"postgres://{GONE}@db:5432/x"),
        (f"s3://key:a@{SECRET}@host/b", f"s3://{GONE}@host/b"),
        (f"got Bearer {SECRET}.", f"got Bearer {GONE}"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2ln end", f"{GONE} end"),
        ("key AKIAIOSFODNN7EXAMPLE.", f"key {GONE}."),
        ("from ada.l+x@mail.example.com!", f"from {GONE}!"),
        (f"card {CARD}, thanks", f"card {GONE}, thanks"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", f"-----BEGIN RSA PRIVATE KEY-----{GONE}"),
        ("secret='' and token:", "secret='' and token:"),
    ],
)  # fmt: skip
def test_redacting_of_text_replaces_the_secret_alone(text, expected):
    """
    The rest of the text stays, and redacting once more changes nothing.
    """
    assert expected == said(text)
    assert expected == said(expected)
    assert {"a": [expected]} == redacted(record_of(x={"a": [text]})).x


@pytest.mark.parametrize(
    "text",
    [
        "Epoch 3: loss=0.31 lr: 1e-3 at 12:30:45",
        "max_tokens=512, tokens: 12 in 0.3 s",
        "GET http://h/a/b?page=2 -> 200",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "id 1795243512000317 and 4111111111111112",
        "took 0.4111111111111111 s",
        "C:\\data\\x: {'a': [1, 2]}",
        "use_auth=True password=None",
        "basic authentication of the bearer",
        "user@localhost",
        "f(x) -> y -- z",
        "",
    ],
)
def test_redacting_of_harmless_text_leaves_the_record(text):
    """
    Times, numbers, paths and ids are no secrets.
    """
    record = record_of(text, note=text, list=[text])

    assert redacted(record) is record


def test_redacting_without_a_pattern_leaves_what_it_finds():
    """
    Each built-in pattern can be left out, and all of them.
    """
    text = f"a@example.com {CARD}"

    assert f"{GONE} {CARD}" == said(text, builtin_patterns="email")
    assert f"a@example.com {GONE}" == said(
        text, builtin_patterns=["credit_card"]
    )
    assert text == said(text, builtin_patterns=[])


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (r"MRN-\d+", "patient *** of ward w7"),
        ([r"MRN-\d+", r"ward (?P<secret>\w+)"], "patient *** of ward ***"),
        ({"ward": r"ward (?P<secret>x)?\w+"}, "patient MRN-77 of ward w7"),
    ],
)
def test_redacting_with_own_patterns_replaces_what_they_find(
    patterns, expected
):
    """
    The whole match, or only the group named secret where it took part.
    """
    assert expected == said(
        "patient MRN-77 of ward w7", patterns=patterns, replacement="***"
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("4111 1111 1111 1111", True),
        ("5555-5555-5555-4444", True),
        ("378282246310005", True),
        ("4111 1111 1111 1112", False),
        ("1111111111111117", False),
        ("4222222222222", True),
        ("2223003122003222", True),
    ],
)
def test_card_is_known_by_issuer_length_and_check_digit(number, expected):
    """
    Published test numbers are cards, and neighbours of them are not.
    """
    assert expected == is_card(number)


def test_redacting_of_a_card_as_a_number_replaces_it():
    """
    A whole number may be that of a card, alone and in a short list.
    """
    number = int(CARD.replace(" ", ""))
    found = redacted(record_of(a=number, b=[number, 1], c=np.int64(number)))

    assert (GONE, [GONE, 1], GONE) == (found.a, found.b, found.c)


# --- messages ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "args", "expected"),
    [
        ("login %s", ({"password": SECRET},), f"login {{'password': '{GONE}'}}"),
        ("%(user)s %(password)s", ({"user": "bob", "password": SECRET},), f"bob {GONE}"),
        ("using token %s on %d", (SECRET, 3), f"using token {GONE} on 3"),
        ("password=%r", (SECRET,), f"password='{GONE}'"),
        ("the secret is %s", (SECRET,), f"the secret is {GONE}"),
        ("token %d of %d", (3, 7), "token 3 of 7"),
        ("password=%d", (123456,), f"password={GONE}"),
        ("card %d", (4111111111111111,), f"card {GONE}"),
        ("%s", (Login(),), f"{{'user': 'bob', 'password': '{GONE}', '_token': '{GONE}'}}"),
        ("%s", (Config(),), f"Config(host='db', password='{GONE}')"),
        ("%*d %s", (3, 1, "a@example.com"), f"  1 {GONE}"),
        ("%s%%", (f"mail a@example.com",), f"mail {GONE}%"),
        ("100 % sure", (), "100 % sure"),
        (ValueError(f"token={SECRET}"), (), f"token={GONE}"),
    ],
)  # fmt: skip
def test_redacting_of_a_message_keeps_what_is_no_secret(
    message, args, expected
):
    """
    Arguments are judged by their keys, by the word before them and as text.
    """
    record = record_of(message, args)

    assert expected == redacted(record).getMessage()


def test_redacting_of_a_message_that_cannot_be_formatted_hides_it_too():
    """
    Where arguments do not fit, both are written, without the secret.
    """
    found = redacted(record_of("%d rows, token=%d", ("many", SECRET)))

    assert SECRET not in mllog.TextFormatter().format(found)


def test_redacting_of_a_dict_as_message_goes_by_its_keys():
    """
    python-json-logger's way to log fields is looked into.
    """
    found = redacted(record_of({"event": "login", "password": SECRET}))

    assert {"event": "login", "password": GONE} == found.msg


# --- values -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [({"token": SECRET},)]}, {"a": [({"token": GONE},)]}),
        ([("Authorization", SECRET), ("A", "b")], [("Authorization", GONE), ("A", "b")]),
        ([(b"cookie", b"a=b")], [(b"cookie", GONE)]),
        ({"name": "X-Token", "value": SECRET}, {"name": "X-Token", "value": GONE}),
        ({"a@example.com": 1}, {GONE: 1}),
        ({b"password": SECRET, 3: "x"}, {b"password": GONE, 3: "x"}),
        (types.MappingProxyType({"pwd": SECRET}), {"pwd": GONE}),
        (collections.OrderedDict(secret=SECRET), {"secret": GONE}),
        (hostile.Pair("password", SECRET), {"left": "password", "right": SECRET}),
        (Login(), {"user": "bob", "password": GONE, "_token": GONE}),
        (Config(), f"Config(host='db', password='{GONE}')"),
        (ValueError(f"token={SECRET}"), f"ValueError: token={GONE}"),
        (f"token={SECRET}".encode(), f"token={GONE}"),
        (np.array([f"token={SECRET}"]), [f"token={GONE}"]),
        ({f"token={SECRET}"}, [f"token={GONE}"]),
        (np.str_(f"token={SECRET}"), f"token={GONE}"),
    ],
)  # fmt: skip
def test_redacting_of_a_value_finds_it_wherever_it_is(value, expected):
    """
    Mappings, pairs, dataclasses, objects, bytes and arrays of text.
    """
    found = redacted(record_of(value=value)).value
    if isinstance(value, hostile.Pair):  # its names say nothing
        assert found is value
        return

    assert expected == found


def test_redacting_leaves_what_it_was_given_as_it_was():
    """
    Neither the record nor an object of the caller changes.
    """
    given_config = {"db": {"password": SECRET, "port": 1}, "hosts": ["a"]}
    record = record_of("login %s", (given_config,), config=given_config)
    before, as_it_was = dict(record.__dict__), copy.deepcopy(given_config)

    found = redacted(record)

    assert before == record.__dict__
    assert as_it_was == given_config
    assert found is not record
    assert found.config["hosts"] is given_config["hosts"]


def test_redacting_of_payloads_and_arrays_looks_into_none():
    """
    They are the same objects, and nothing of them was computed.
    """

    class Device:
        dtype, shape = "float32", (2, 2)

        def __repr__(self):
            raise AssertionError("copied from the device")

    payload, array = mllog.Payload(b"token=x"), np.zeros((100, 100))
    record = record_of(image=payload, array=array, tensor=Device())

    assert redacted(record) is record
    assert "_summary" not in payload.__dict__


@pytest.mark.parametrize("levels", range(1, 15))
def test_redacting_beyond_its_depth_replaces_what_is_there(levels):
    """
    A secret is found at every depth, or what holds it is replaced.
    """
    value = {"text": SECRET, "password": SECRET}
    for _ in range(levels - 1):
        value = {"inner": value}

    found = repr(redacted(record_of(value=value), max_depth=6).value)

    assert (levels <= 6) == (SECRET in found)
    assert "password" not in found or GONE in found
    assert levels <= 6 or GONE in found


def test_redacting_beyond_its_items_replaces_the_rest():
    """
    What there was no time to look at is not passed on.
    """
    texts = [f"text {n}" for n in range(5000)]
    found = redacted(
        record_of(list=texts, dict=dict.fromkeys(texts, "t")), max_items=100
    )

    assert 102 >= len(found.list)
    assert GONE == found.list[-1]
    assert len(str(found.dict)) < 2000


def test_redacting_of_long_text_cuts_what_is_beyond_its_bound():
    """
    64 Ki characters are looked at, and the rest is replaced.
    """
    found = redacted(record_of(text="word " * 100_000)).text

    assert len(found) < 66_000
    assert found.endswith(GONE)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 60_000,
        "a." * 30_000,
        "a@" * 30_000,
        "=" * 60_000,
        "password=" * 7_000,
        "password='" * 6_000,
        "password={" * 6_000,
        '\\"' * 30_000,
        "4 " * 30_000,
        "://" * 20_000,
        "-----BEGIN PRIVATE KEY-----" * 2_000,
        "Bearer " * 8_000,
        "eyJ" * 20_000,
        "--a " * 15_000,
        "password: " + "\\" * 50_000 + '"',
    ],
)
@pytest.mark.timeout(30)
def test_redacting_of_nasty_text_takes_time_in_proportion(text):
    """
    No text of 60 000 characters keeps the search busy for long.
    """
    said(text)


@given(record=hostile.records())
def test_redacting_of_hostile_records_never_raises(record):
    """
    Whatever a record holds: a record comes out, and the old one is unchanged.
    """
    before = hostile.state_of(record)

    found = mllog.RedactingFilter().apply(record)

    assert isinstance(found, logging.LogRecord)
    assert before == hostile.state_of(record)
    hostile.strict(mllog.JSONFormatter().format_bytes(found))


@given(
    value=hostile.VALUES,
    wrap=st.sampled_from(["list", "dict", "pair", "key"]),
)
def test_redacting_beside_hostile_values_still_finds_the_secret(value, wrap):
    """
    An odd neighbour hides no secret.
    """
    held = {
        "list": [value, {"password": SECRET}],
        "dict": {"x": value, "password": SECRET},
        "pair": (value, ("password", SECRET)),
        "key": {"password": [value, SECRET]},
    }[wrap]
    record = record_of(value=held, odd=value, token=SECRET)

    line = mllog.JSONFormatter(max_record_bytes="1MB").format(redacted(record))

    assert SECRET not in line


# --- exceptions -------------------------------------------------------------


def chained():
    try:
        try:
            raise KeyError(f"token={SECRET}")
        except KeyError as inner:
            raise RuntimeError(f"cannot log in, password: {SECRET}") from inner
    except RuntimeError as error:
        return error


def test_redacting_of_an_exception_keeps_its_type_and_traceback():
    """
    Type, cause, file and line are there; texts and lines of source are clean.
    """
    error = chained()

    found = redacted(record_of(error=error))

    said_of = document(found)["exception"]
    assert "RuntimeError" == said_of["type"]
    assert f"cannot log in, password: {GONE}" == said_of["message"]
    assert "KeyError" == said_of["cause"]["type"]
    assert "test_redacting.py" in said_of["traceback"]
    assert SECRET not in json.dumps(said_of)
    assert f"cannot log in, password: {SECRET}" == str(error)


@pytest.mark.parametrize(
    "formatter",
    [
        mllog.JSONFormatter(),
        mllog.JSONFormatter(schema="ecs"),
        mllog.JSONFormatter("%(message)s"),
        mllog.TextFormatter(),
        mllog.RichFormatter(color=True),
        logging.Formatter(),
    ],
)
def test_redacting_of_an_exception_reaches_every_formatter(formatter):
    """
    Ours and the stdlib's write the clean traceback, with what caused it.
    """
    record = record_of(error=chained())
    found = redacted(record)

    text = formatter.format(found)

    assert SECRET in formatter.format(record)
    assert SECRET not in text
    assert "RuntimeError" in text
    assert "KeyError" in text


@pytest.mark.parametrize("rich_tracebacks", [False, True])
def test_redacting_of_an_exception_reaches_the_rich_handler(
    logger, rich_tracebacks
):
    """
    rich draws no traceback that has a secret in a line of source.
    """
    from rich.console import Console

    console = Console(file=io.StringIO(), width=200)
    logger.addHandler(
        mllog.RichHandler(
            console=console,
            rich_tracebacks=rich_tracebacks,
            filters=[{"class": "mllog.RedactingFilter"}],
        )
    )

    try:
        raise ValueError("token=hunter2-5f3a")
    except ValueError:
        logger.exception("failed")

    assert SECRET not in console.file.getvalue()
    assert "ValueError" in console.file.getvalue()


def test_redacting_of_a_clean_exception_leaves_it():
    """
    The record is the same, with the exception that was raised.
    """
    record = record_of(error=ValueError("no such file"))

    assert redacted(record) is record


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no groups, no notes")
def test_redacting_of_a_group_finds_notes_and_members():
    """
    Every exception of a group, and every note, is clean.
    """
    inner = ValueError(f"token={SECRET}")
    inner.add_note(f"password: {SECRET}")
    group = ExceptionGroup("two", [inner, ValueError("b")])  # noqa: F821

    text = json.dumps(document(redacted(record_of(error=group))))

    assert SECRET not in text
    assert 2 == text.count('"type": "ValueError"')


def test_redacting_of_what_an_earlier_formatter_left_cleans_it():
    """
    ``exc_text``, ``message`` and a stack are text on the record.
    """
    record = record_of("login %s", (f"token={SECRET}",), error=chained())
    logging.Formatter("%(message)s").format(record)
    record.stack_info = f"Stack:\n  f(token='{SECRET}')"

    found = redacted(record)

    assert SECRET not in repr(
        {**found.__dict__, "exc_info": str(found.exc_info[1])}
    )


# --- handlers ---------------------------------------------------------------


def test_redacting_on_a_handler_of_mllog_hides_what_is_bound(logger):
    """
    Bound fields are redacted too, and the other handlers see the record whole.
    """
    stream, kept = io.StringIO(), []
    logger.addHandler(
        mllog.ConsoleHandler(
            stream=stream,
            piped="json",
            filters=[{"class": "mllog.RedactingFilter"}],
        )
    )
    last = logging.Handler()
    last.emit = kept.append
    logger.addHandler(last)

    with mllog.bind(api_key=SECRET):
        logger.info("hello", extra={"password": SECRET})

    assert SECRET not in stream.getvalue()
    assert SECRET == kept[0].password


def test_redacting_on_a_foreign_handler_says_where_it_changes_the_record(
    logger, capsys
):
    """
    Its output is clean; before Python 3.12 the record changes, said once.
    """
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(password)s"))
    handler.addFilter(mllog.RedactingFilter())
    logger.addHandler(handler)
    kept = []
    last = logging.Handler()
    last.emit = kept.append
    logger.addHandler(last)

    logger.info("clean", extra={"password": None})
    assert "clean None\n" == stream.getvalue()
    assert not capsys.readouterr().err
    stream.truncate(stream.seek(0))
    kept.clear()
    for _ in range(3):
        logger.info("hello", extra={"password": SECRET})

    assert f"hello {GONE}\n" * 3 == stream.getvalue()
    lines = capsys.readouterr().err.splitlines()
    if TAKES_RECORDS:
        assert [SECRET] * 3 == [each.password for each in kept]
        assert not lines
    else:
        assert [GONE] * 3 == [each.password for each in kept]
        assert 1 == len(lines)
        assert "RedactingFilter" in lines[0]


def test_redacting_by_configuration_takes_strings(tmp_path):
    """
    In INI a handler's kwargs name it, and its options may be text.
    """
    path = tmp_path / "app.log"
    (tmp_path / "log.ini").write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=file\n[formatters]\nkeys=all\n"
        "[formatter_all]\nclass=mllog.TextFormatter\n"
        "[logger_root]\nlevel=INFO\nhandlers=file\n[handler_file]\n"
        "class=mllog.TimestampedRotatingFileHandler\nformatter=all\n"
        f"args=({str(path)!r},)\n"
        "kwargs={'filters': [{'class': 'mllog.RedactingFilter',"
        " 'keys': 'patient_id, ward', 'allow': 'session',"
        " 'builtin_patterns': 'email', 'max_depth': '4'}]}\n"
    )
    logging.config.fileConfig(
        tmp_path / "log.ini", disable_existing_loggers=False
    )

    logging.getLogger("app").info(
        "m a@example.com", extra={"ward": "w7", "session": "s1"}
    )

    line = path.read_text()
    assert "m [redacted] ward=[redacted] session=s1" in line


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"keys": 3}, "keys=3"),
        ({"patterns": "("}, "patterns="),
        ({"patterns": [3]}, "patterns=3"),
        ({"builtin_patterns": "emall"}, "write email"),
        ({"replacement": ""}, "replacement=''"),
        ({"max_depth": 0}, "max_depth=0"),
        ({"max_items": "many"}, "max_items='many'"),
        ({"alow": "x"}, "write allow"),
    ],
)
def test_redacting_with_a_wrong_option_raises_config_error(options, expected):
    """
    The option is named, and the nearest right one.
    """
    with pytest.raises(mllog.ConfigError, match="RedactingFilter") as caught:
        mllog.RedactingFilter(**options)

    assert expected in str(caught.value)
