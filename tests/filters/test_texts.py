"""
mllog.filters.texts: secrets in text, however names and values are written.
"""

import json
import logging
import random
import string
import time
import urllib.parse

import pytest

import mllog

GONE = "[redacted]"
#: As a generator of passwords gives them.
SECRET = "".join(("vK7q", "Zr2m", "X9tB", "4nLw"))
BEGIN, END = "-----BEGIN ", "-----END "


def cleaned(message="m", **fields):
    record = logging.makeLogRecord({"msg": message, **fields})
    return mllog.RedactingFilter().apply(record)


def said(text):
    return cleaned(text).getMessage()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # addresses, escaped and quoted
        ("https://ada:{}@db/x", "https://[redacted]@db/x"),
        (r"https:\/\/ada:{}@db\/x", r"https:\/\/[redacted]@db\/x"),
        ("https://ada:a/b{}?c@db/x", "https://[redacted]@db/x"),
        ("'amqp://ada:{}@h1','amqp://b:{}@h2'", "'amqp://[redacted]@h1','amqp://[redacted]@h2'"),
        ("to=https%3A%2F%2Fada%3A{}%40db%2Fx", "to=https%3A%2F%2F[redacted]%40db%2Fx"),
        ("to=https%253A%252F%252Fada%253A{}%2540db", "to=https%253A%252F%252F[redacted]%2540db"),
        ("http://[::1]:8080/a@b", "http://[::1]:8080/a@b"),
        ("redis://:{}@cache:6379/0", "redis://[redacted]@cache:6379/0"),
        ("jdbc:mysql://h/db?user=u&password={}&ssl=1", "jdbc:mysql://h/db?user=u&password=[redacted]&ssl=1"),
        ("next=%2Fcb%3Ftoken%3D{}%26page%3D2", "next=%2Fcb%3Ftoken%3D[redacted]%26page%3D2"),
        ("next=%252Fcb%253Ftoken%253D{}%2526page", "next=%252Fcb%253Ftoken%253D[redacted]%2526page"),
        ("%22password%22%3A%22{}%22", "%22password%22%3A%22[redacted]%22"),
        ('{{"username":"ada","key":"0123456789abcdef0123456789abcdef"}}', '{{"username":"ada","key":"[redacted]"}}'),
        ("a?user%5Bpassword%5D={}&b=1", "a?user%5Bpassword%5D=[redacted]&b=1"),
        ("https://a.blob.core.windows.net/c/x?sv=2024&sig={}&se=1", "https://a.blob.core.windows.net/c/x?sv=2024&sig=[redacted]&se=1"),
        ("https://b.s3.amazonaws.com/k?X-Amz-Signature={}", "https://b.s3.amazonaws.com/k?X-Amz-Signature=[redacted]"),
        ("https://cdn/x?Expires=1&Signature={}", "https://cdn/x?Expires=1&Signature=[redacted]"),
        ("https://hooks.slack.com/services/T012/B345/{}", "https://hooks.slack.com/services/[redacted]"),
        ("https://discord.com/api/webhooks/123/{}", "https://discord.com/api/webhooks/[redacted]"),
        # programs
        ("user[password]={}&x=1", "user[password]=[redacted]&x=1"),
        ('os.environ["DB_PASS"] = "{}"', 'os.environ["DB_PASS"] = "[redacted]"'),
        ('config["db"]["password"]="{}"', 'config["db"]["password"]="[redacted]"'),
        ("if password == '{}':", "if password == '[redacted]':"),
        ("if token != '{}':", "if token != '[redacted]':"),
        ("password ||= '{}'", "password ||= '[redacted]'"),
        (":password => '{}'", ":password => '[redacted]'"),
        ("password <- '{}'", "password <- '[redacted]'"),
        ("password := `{}`", "password := `[redacted]`"),
        ("def f(password: str = '{}', n: int = 3)", "def f(password: str = '[redacted]', n: int = 3)"),
        ("api_key: Optional[str] = '{}'", "api_key: Optional[str] = '[redacted]'"),
        ("export DB_PASS={}; run", "export DB_PASS=[redacted]; run"),
        ("PHPSESSID={}; path=/", "PHPSESSID=[redacted]; path=/"),
        ("DefaultEndpointsProtocol=https;AccountKey={}==;x=1", "DefaultEndpointsProtocol=https;AccountKey=[redacted];x=1"),
        ("Endpoint=sb://h/;SharedAccessKey={}=", "Endpoint=sb://h/;SharedAccessKey=[redacted]"),
        ("Server=db;UID=sa;PWD={};", "Server=db;UID=sa;PWD=[redacted];"),
        # JSON, XML and others in text
        ('{{"Name": "DB_PASSWORD", "Value": "{}"}}', '{{"Name": "DB_PASSWORD", "Value": "[redacted]"}}'),
        ("{{'name': 'api_key', 'type': 'text', 'value': '{}'}}", "{{'name': 'api_key', 'type': 'text', 'value': '[redacted]'}}"),
        ("- name: DB_PASSWORD\n  value: {}\n- name: a\n  value: b", "- name: DB_PASSWORD\n  value: [redacted]\n- name: a\n  value: b"),
        (r'{{\"password\": \"{}\", \"a\": 1}}', r'{{\"password\": \"[redacted]\", \"a\": 1}}'),
        ("&quot;password&quot;: {}", "&quot;password&quot;: [redacted]"),
        (r"?token\u003d{}", r"?token\u003d[redacted]"),
        ("<password>{}</password>", "<password>[redacted]</password>"),
        ("<n:Password type='s'> {} </n:Password>", "<n:Password type='s'> [redacted] </n:Password>"),
        ("<password><![CDATA[{}]]></password>", "<password><![CDATA[[redacted]</password>"),
        ("<key>password</key><string>{}</string>", "<key>password</key><string>[redacted]</string>"),
        ("<string name='api_key'>{}</string>", "<string name='api_key'>[redacted]</string>"),
        ("<setting name='password'>\n<value>{}</value></setting>", "<setting name='password'>\n<value>[redacted]</value></setting>"),
        ('<add key="DB_PASS" value="{}" />', '<add key="DB_PASS" value="[redacted]" />'),
        # command lines
        ("run --password {} --size 3", "run --password [redacted] --size 3"),
        ("run --password={} --size 3", "run --password=[redacted] --size 3"),
        ("java -Dpassword={} -jar x", "java -Dpassword=[redacted] -jar x"),
        ("keytool -storepass {} -list", "keytool -storepass [redacted] -list"),
        ("['run', '--api-key', '{}', '-v']", "['run', '--api-key', '[redacted]', '-v']"),
        ('["run", "--api-key", "{}", "-v"]', '["run", "--api-key", "[redacted]", "-v"]'),
        ("curl -s -u ada:{} http://h/x", "curl -s -u ada:[redacted] http://h/x"),
        ("curl --user 'ada:{}' http://h", "curl --user 'ada:[redacted]' http://h"),
        ("sshpass -p {} ssh h", "sshpass -p [redacted] ssh h"),
        ("mysql -uroot -p{} db", "mysql -uroot -p[redacted] db"),
        ("redis-cli -h h -a {} ping", "redis-cli -h h -a [redacted] ping"),
        ("docker login -u ada -p {}", "docker login -u ada -p [redacted]"),
        ("openssl rsa -passin pass:{}", "openssl rsa -passin pass:[redacted]"),
        ("machine api.wandb.ai login user password {}", "machine api.wandb.ai login user password [redacted]"),
        ("CREATE USER x IDENTIFIED BY '{}'", "CREATE USER x IDENTIFIED BY '[redacted]'"),
        ("alter role x with password '{}'", "alter role x with password '[redacted]'"),
        ("//registry.npmjs.org/:_authToken={}", "//registry.npmjs.org/:_authToken=[redacted]"),
    ],
)  # fmt: skip
def test_redacting_finds_the_value_however_it_is_written(text, expected):
    """
    Only the secret goes, and redacting once more changes nothing.
    """
    given = text.replace("{{", "{").replace("}}", "}").replace("{}", SECRET)
    wanted = expected.replace("{{", "{").replace("}}", "}")
    wanted = wanted.replace("{}", SECRET)

    assert wanted == said(given)
    assert wanted == said(wanted)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["run", "--password", SECRET, "-v"], ["run", "--password", GONE, "-v"]),
        (("run", "-password", SECRET), ("run", "-password", GONE)),
        (["--api-key", SECRET], ["--api-key", GONE]),
        (["run", f"--token={SECRET}", "x"], ["run", f"--token={GONE}", "x"]),
        (["run", "--max-tokens", 512, "x"], ["run", "--max-tokens", 512, "x"]),
        (["run", "--max-tokens", "512", "x"], ["run", "--max-tokens", GONE, "x"]),
        (["run", "--token", "--verbose", "x"], ["run", "--token", "--verbose", "x"]),
        (["curl", "-u", f"ada:{SECRET}", "h"], ["curl", "-u", GONE, "h"]),
        (["/usr/bin/sshpass", "-p", SECRET, "ssh"], ["/usr/bin/sshpass", "-p", GONE, "ssh"]),
        (["curl", "-H", f"X-Api-Key: {SECRET}", "h"], ["curl", "-H", f"X-Api-Key: {GONE}", "h"]),
        ({"Name": "DB_PASSWORD", "Value": SECRET}, {"Name": "DB_PASSWORD", "Value": GONE}),
        ({"key": "password", "val": SECRET}, {"key": "password", "val": GONE}),
        ({"value": SECRET, "name": "api_key"}, {"value": GONE, "name": "api_key"}),
        ({"ParameterKey": "Secret", "ParameterValue": SECRET}, {"ParameterKey": "Secret", "ParameterValue": GONE}),
        ([{"name": "HF_TOKEN", "value": SECRET}], [{"name": "HF_TOKEN", "value": GONE}]),
        ({"key": "x.token", "value": {"stringValue": SECRET}}, {"key": "x.token", "value": GONE}),
        ({"name": "loss", "value": "0.3"}, {"name": "loss", "value": "0.3"}),
        ({"kty": "RSA", "n": "abc", "d": SECRET}, {"kty": "RSA", "n": "abc", "d": GONE}),
        ({"username": "ada", "key": SECRET}, {"username": "ada", "key": GONE}),
        ({"auth": "ok", "session": "expired"}, {"auth": "ok", "session": "expired"}),
        ({"tokens": {"ghp": 1}}, {"tokens": {"ghp": 1}}),
    ],
)  # fmt: skip
def test_redacting_of_commands_and_pairs_goes_by_what_stands_before(
    value, expected
):
    """
    An option and its argument, a name and its value in one mapping.
    """
    assert expected == cleaned(x=value).x
    assert expected == cleaned(x=cleaned(x=value).x).x


# --- private keys -----------------------------------------------------------

KINDS = [
    "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY", "ANY PRIVATE KEY",
    "PGP PRIVATE KEY BLOCK",
]  # fmt: skip


def body():
    rng = random.Random(7)
    letters = string.ascii_letters + string.digits + "+/"
    lines = ["".join(rng.choices(letters, k=64)) for _ in range(12)]
    return [*lines, "".join(rng.choices(letters, k=20)) + "=="]


def shown(text, lines):
    """
    The lines of a key of which some letters are left in *text*.
    """
    return [line for line in lines if line[:12] in text or line[-6:] in text]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,0A1B2C3D", ""],
        ["Version: GnuPG v2 - x", "Comment: my-key - work", ""],
    ],
    ids=["bare", "pem", "pgp"],
)
@pytest.mark.parametrize("dashes", ["-----", "---- "])
def test_redacting_of_a_private_key_goes_to_its_end_line(
    kind, headers, dashes
):
    """
    With headers, in any line ends, in JSON, cut off, twice; the rest stays.
    """
    lines = body()
    tail = dashes[::-1]
    key = "\n".join(
        [f"{dashes}BEGIN {kind}{tail}", *headers, *lines, f"{dashes}END {kind}{tail}"]
    )  # fmt: skip
    cut = key[: key.index(lines[8])]

    for text in (
        f"loaded {key}\nfrom disk",
        f"loaded {key}".replace("\n", "\r\n") + "\nfrom disk",
        json.dumps({"pem": key, "note": "from disk"}),
        repr({"pem": key, "note": "from disk"}),
        json.dumps({"inner": json.dumps({"pem": key})}) + "from disk",
        f"{key}\n{key}\nfrom disk",
    ):
        found = said(text)
        assert [] == shown(found, lines), text
        assert "from disk" in found
        assert "DEK-Info" not in found
        assert found == said(found)
    assert [] == shown(said(cut), lines)


def test_redacting_of_other_private_keys_finds_their_numbers():
    """
    PuTTY's files, JSON Web Keys, .NET's XML and signify's lines.
    """
    lines = [line.translate({43: "-", 47: "_"}) for line in body()]
    whole = "".join(body()[:4])
    texts = [
        "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nPublic-Lines: 1\n"
        "AAAA\nPrivate-Lines: 12\n"
        + "\n".join(body())
        + "\nPrivate-MAC: 00ff",
        json.dumps({"kty": "RSA", "n": "AQAB", "d": lines[0], "p": lines[1]}),
        json.dumps(json.dumps({"kty": "oct", "k": lines[0]})),
        f"<RSAKeyValue><P>{whole}</P><D>{whole}</D></RSAKeyValue>",
        f"untrusted comment: signify secret key\n{whole}",
        "PrivateKey = " + lines[0],
    ]
    for text in texts:
        assert [] == shown(said(text), [*lines, *body()]), text


def test_redacting_leaves_public_keys_and_mentions_of_private_ones():
    """
    A certificate is none, nor is the line that a key would begin with.
    """
    certificate = "\n".join(
        [f"{BEGIN}CERTIFICATE-----", *body(), f"{END}CERTIFICATE-----"]
    )
    mention = f'if "{BEGIN}PRIVATE KEY-----" in text: pass over it'

    assert certificate == said(certificate)
    assert mention == said(mention)


# --- text of everyday -------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "time to first token: 0.35 s",
        "latency per token: 12 ms, tokens: 512/4096",
        "first token: 35 ms after 3 retries",
        "forward pass: done, backward pass: done",
        "pass: 12, fail: 3",
        "#new-token: 512, #cached-token: 0, token usage: 0.02",
        "auth: ok, session: expired",
        "Avg prompt throughput: 12.3 tokens/s, generation: 45.1 tokens/s",
        "num_input_tokens_seen: 1.2M, tokens: 5.2B, n_tokens=1_000_000",
        "token_ids: [101, 2023, 102], tensor([101, 2023])",
        "token_ids: tensor([101, 2023])",
        "prompt tokens=45.1k/s",
        "eval mAP@0.5=0.71 mAP@0.5:0.95=0.52",
        "AuthToken::parse at src/lib.rs",
        "token://vault is no scheme",
        "the basic block of a decoder; a bearer of news",
        "2026-11-30 12:30:45 loss: 0.3",
        "rate -5 % and --dry-run - nothing",
        "x->next, a <- b, f(x) := y",
        "model=gpt-4o mode=train eos_token='</s>'",
    ],
)
def test_redacting_leaves_everyday_text(text):
    """
    Measures, code and prose have the words of secrets in them.
    """
    assert text == said(text)


# --- time -------------------------------------------------------------------

PROSE = (
    "The model answers in about 0.3 seconds: it reads the prompt, and writes"
    " one token after another - see https://example.com/a?x=1 for the rest.  "
)
CODE = "def step(self, batch: dict) -> float:\n    x = self.f(batch['a'])\n"
#: What makes one of the searches begin often, and find nothing.
GROWING = {
    "one word": "a",
    "prose": PROSE,
    "code": CODE,
    "json": '{"id": 3, "user": {"name": "bob"}, "latency": 0.125, "n": null}, ',
    "names": "token=",
    "quotes": "password='",
    "brackets": "password={",
    "ends": "token: x, y; ",
    "slashes": '\\"',
    "addresses": "://",
    "users": "a@",
    "mails": "a.b@c.",
    "users of addresses": "http://a:b",
    "percent": "%3A%2F%2F",
    "encoded": "%3D",
    "numbers": "4 ",
    "digits": "4111111111111111 ",
    "keys": f"{BEGIN}PRIVATE KEY-----",
    "dashes": f"{BEGIN}PRIVATE KEY----- a-",
    "lines": f"{BEGIN}PRIVATE KEY-----\nabcdefghij\n",
    "headers": f"{BEGIN}PRIVATE KEY-----\na-b: c\n",
    "bearers": "Bearer ",
    "jwt": "eyJ",
    "jwt parts": "eyJabcdef.abcd",
    "issued": "sk-",
    "issued words": "ghp_abcdef0123456789 ",
    "discord": "Mabcdefghijklmnopqrstuvwx.",
    "flags": "--a ",
    "secret flags": "--token --token ",
    "elements": "<a b=c>",
    "open elements": "<password>",
    "ends of elements": "</a>",
    "pairs": '"name": "token", ',
    "commands": "curl -s ",
    "mysql": "mysql -",
    "logins": "login a ",
    "sql": "password ' ",
    "capitals": "aA",
    "underscores": "a_",
    "kty": '"kty" "d": "',
    "putty": "Private-Lines: 3 a",
    "annotations": "token: a.b",
    "spaces": "token:    ",
    "backslashes": "password: \\\\",
}


def seconds_of(text, rounds=3):
    filter_ = mllog.RedactingFilter()
    best = []
    for _ in range(rounds):
        start = time.process_time()
        filter_._texts._redacted(text)
        best.append(time.process_time() - start)
    return min(best)


@pytest.mark.parametrize("name", GROWING)
def test_redacting_of_any_text_takes_time_in_proportion(name):
    """
    Twice the text takes twice the time, up to the bound and beyond it.
    """
    unit = GROWING[name]
    text = unit * (30_000 // len(unit))
    ratios = []
    for _ in range(3):
        ratios.append(seconds_of(text + text) / max(seconds_of(text), 2e-4))
        if ratios[-1] <= 2.5:
            break

    assert min(ratios) <= 2.5


def test_growth_of_a_search_that_is_quadratic_is_found():
    """
    Control: the measure finds a pattern that begins again at every letter.
    """
    filter_ = mllog.RedactingFilter(patterns=[r"\w+x!"])
    short, long = "a" * 1500, "a" * 3000
    seconds = []
    for text in (short, long):
        start = time.process_time()
        filter_._texts._redacted(text)
        seconds.append(time.process_time() - start)

    assert seconds[1] / seconds[0] > 2.5


def test_redacting_of_many_prompts_is_as_quick_as_a_few_searches():
    """
    A hundred prompts of 64 kB take less than a plain search of their words.
    """
    prompts = [
        (f"{n} {PROSE}" + PROSE * (65_000 // len(PROSE)))[:65_000]
        for n in range(12)
    ]
    whole = "".join(prompts)
    record = logging.makeLogRecord({"msg": "m", "prompts": prompts})

    def seconds(act):
        start = time.process_time()
        act()
        return time.process_time() - start

    ours = min(
        seconds(lambda: mllog.RedactingFilter().apply(record))
        for _ in range(3)
    )
    words = min(
        seconds(lambda: [w for w in whole.split() if urllib.parse.unquote(w)])
        for _ in range(3)
    )

    assert record is mllog.RedactingFilter().apply(record)
    assert ours < 4 * words
