"""
Which names say that their value is a secret.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final
from urllib.parse import unquote

from ..fields import VOCABULARY
from ..values import key_of

__all__ = ["HARMLESS_PASSES", "PARTS", "WORDS", "Keys", "Verdict"]


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: A name is secret that has one of these in it, however it is written:
#: ``api_key`` finds ``X-API-Key``, ``apiKey`` and ``api.key`` too.
PARTS: Final = (
    "access_key",
    "access_signature",
    "account_key",
    "admin_key",
    "admin_pass",
    "amz_credential",
    "amz_signature",
    "api_key",
    "app_key",
    "application_key",
    "auth_key",
    "authorization",
    "backup_code",
    "bearer",
    "client_key",
    "connection_string",
    "consumer_key",
    "contrasena",
    "contraseña",
    "cookie",
    "credential",
    "csrf",
    "database_key",
    "database_pass",
    "database_pw",
    "db_key",
    "db_pass",
    "decryption_key",
    "deploy_key",
    "encryption_key",
    "fernet_key",
    "goog_credential",
    "goog_signature",
    "gpg_key",
    "hmac_key",
    "ingestion_key",
    "instrumentation_key",
    "integration_key",
    "jwt",
    "kennwort",
    "key_pass",
    "license_key",
    "master_key",
    "mot_de_passe",
    "mysql_pass",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "passwort",
    "pgp_key",
    "pg_pass",
    "priv_key",
    "private_key",
    "pwd",
    "recovery_code",
    "root_key",
    "root_pass",
    "rsa_key",
    "secret",
    "security_code",
    "service_key",
    "service_role_key",
    "session",
    "sessid",
    "shared_key",
    "signing_key",
    "ssh_key",
    "ssh_pass",
    "ssl_key",
    "store_pass",
    "subscription_key",
    "tls_key",
    "token",
    "user_pass",
    "verification_code",
    "xsrf",
)
#: Too short for that: these are secret where they are a word of the name.
WORDS: Final = frozenset(
    (
        "auth", "cred", "creds", "cvc", "cvv", "dsn", "otp", "pat", "pin",
        "psk", "pw", "senha", "sid", "sig", "ssn", "totp",
    )
)  # fmt: skip
#: Before ``pass`` they make a pass over data: ``forward_pass``.
HARMLESS_PASSES: Final = _listed(
    """
    all at backward band by bwd can check checks ci com compiler could data dry
    dump encoder decoder eval final first forward full fusion fwd gate graph
    hard high inference is k last lora low main max min mlir model multi must n
    next non num one onnx optimizer over partial post pre prefill prev previous
    proxy qa quality render sanity second shader should single smoke soft sur
    test tests third train training tuning two under val validation warmup will
    """
)

_LONGEST: Final = 256
_MOST_KNOWN: Final = 2000
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BREAKS = re.compile(r"[\W_]+")
# words of other meanings that have a part in them
_OTHERS = re.compile(
    r"tokeni[sz]|possession|obsession|secretar|secretion|passwordless"
    r"|wordpiecetoken"
)
# models count tokens, and cut text into them
_COUNTED = re.compile(
    r"(?:^|_)tokens?(?:_(?:budget|count|ids?|index|len|length|limit|num|number"
    r"|position|rate|type|usage))"
    r"|(?:avg|completion|eos|bos|first|input|max|mean|min|n|next|num|output|pad"
    r"|per|prompt|total|unk)_(?:\w+_)?token"
)
_SPECIAL = re.compile(
    r"(?:^|_)(?:added|blank|bos|cls|ctc|end|eod|eoi|eom|eos|eot|filler|fim"
    r"|image|img|mask|middle|newline|pad|padding|prefix|sentinel|sep|sot"
    r"|special|start|stop|suffix|think|unk|video|vision|audio|speech)"
    r"_tokens?$"
)
_PINNED = re.compile(r"pin_(?:mem|cpu|thread)")
# beside a part they say that the value measures or counts what the part names
_MEASURES: Final = _listed(
    """
    accepted accuracy active age attempts average avg bytes closed concurrent
    count counter counts created days dead deleted depth detected dims dropped
    duration durations elapsed errors evicted expired expires expiry failed
    failure failures fails fraction freq frequency gb hits histogram hours hz
    idle interval kb latencies latency len length level lifetime limit live
    loss max mb mean median micros millis milliseconds min minutes misses ms
    msec nanos ns open opened per percent percentage pct qps quantile quota
    rate rates ratio rejected requests retries rotated rps scanned score sec
    seconds secs seen share size sizes speed std stddev sum throughput time
    times timeout timeouts total totals tps ttl usage us usec utilization var
    variance width
    """
)
_QUANTILE = re.compile(r"p\d{1,4}")
_COUNTS_FIRST: Final = frozenset(("n", "no", "nr", "num", "number", "count"))
# the last word of a name whose value tells about a secret without being it
_DESCRIBES: Final = _listed(
    """
    algorithm backend class device dir directory dtype enabled endpoint error
    file filename folder format host kind manager method mode name namespace
    path policy present provider reason region required scheme scope scopes
    shape source status strategy supported type types uri url version
    """
)
_WHEN = re.compile(
    r"_(?:changed|created|expir\w+|issued|rotated|updated|used|refreshed|seen)"
    r"(?:_(?:at|in|on))?$"
)
# with nothing but these beside it, a token or a session is one to get in by,
# also where it is a number
_OPENS: Final = _listed(
    """
    a access api app auth authentication bearer bot client code cookie csrf
    data db device fcm guid hash her his http https id jwt key login my oauth
    oauth2 our php push refresh reset secret session sms temp the this
    token user uuid value verification verify web with x xsrf your
    """
)
_ENTRY_PARTS: Final = frozenset(("token", "session"))
_PLURALS: Final = (
    "tokens", "sessions", "cookies", "secrets", "credentials", "passwords",
    "keys", "passcodes", "jwts", "pins",
)  # fmt: skip
_WITHOUT_PART = re.compile(r"_|tokens?|sessions?")
#: Whose keys are known by their names alone: ``OPENAI_KEY``.
_ISSUERS: Final = _listed(
    """
    anthropic aws azure claude cohere comet databricks deepgram deepseek
    elevenlabs firebase fireworks gcp gemini github gitlab google groq hf
    huggingface jina kaggle langfuse langsmith mailgun mistral neptune newrelic
    ngc nvidia okta openai openrouter paypal perplexity pinecone qdrant
    replicate roboflow sendgrid sentry serpapi slack snowflake splunk stripe
    supabase tavily telegram twilio voyage wandb weaviate xai
    """
)


class Verdict(Enum):
    """
    What a name says of its value.
    """

    PLAIN = 0
    SECRET = 1
    #: A secret unless it is a number: ``max_tokens`` counts.
    UNLESS_NUMBER = 2


class Keys:
    """
    Judges names, each spelling once.

    Args:
        more: Further parts of names; they are found as :data:`PARTS` are.

        builtin: Whether :data:`PARTS` and :data:`WORDS` count.

        allowed: Names that are not secret, as they are written.
    """

    def __init__(
        self,
        more: Sequence[str] = (),
        *,
        builtin: bool = True,
        allowed: Sequence[str] = (),
    ) -> None:
        self._own = tuple(_joined(part) for part in more)
        self._builtin = builtin
        self._fixed = dict.fromkeys((*VOCABULARY, *allowed), Verdict.PLAIN)
        #: The verdicts so far, by the names as they are written.
        self.known: dict[str, Verdict] = {}
        self.allowed = frozenset(allowed)

    def of(self, key: Any) -> Verdict:
        """
        What *key*, the name of a field or the key of a mapping, says.
        """
        if type(key) is not str:
            key = _text_of(key)
        found = self.known.get(key)
        if found is None:
            found = self._fixed.get(key) or self._judged(key)
            if len(self.known) >= _MOST_KNOWN:  # names made of data
                self.known.clear()
            if len(key) <= _LONGEST:
                self.known[key] = found
        return found

    def _judged(self, key: str) -> Verdict:
        words = _words(key[-_LONGEST:]).strip("_")
        joined = words.replace("_", "")
        if any(part in joined for part in self._own):
            return Verdict.SECRET
        if not self._builtin:
            return Verdict.PLAIN
        without = _OTHERS.sub("", joined)
        found = set(_ANY_PART.findall(without))
        return _by_words(words, found)


def _by_words(words: str, found: set[str]) -> Verdict:
    """
    What the built-in lists say of a name that has the parts *found* in it.
    """
    listed = words.split("_")
    short = WORDS.intersection(listed)
    last = listed[-1]
    if not found and not short:
        if last == "pass" or last.endswith("pass"):
            return _of_pass(listed)
        is_key = last == "key" and not _ISSUERS.isdisjoint(listed)
        return Verdict.SECRET if is_key else Verdict.PLAIN
    if _describes(words, last, found):
        return Verdict.PLAIN
    if _is_counted(words, listed, found, short):
        return Verdict.UNLESS_NUMBER
    return Verdict.SECRET


def _of_pass(listed: list[str]) -> Verdict:
    """
    ``DB_PASS`` is a password; ``forward_pass`` and ``pass=3`` are none.
    """
    if listed == ["pass"]:
        return Verdict.UNLESS_NUMBER
    if listed[-1] != "pass" or listed[-2] in HARMLESS_PASSES:
        return Verdict.PLAIN
    return Verdict.SECRET


def _describes(words: str, last: str, found: set[str]) -> bool:
    """
    Whether the value tells about a secret, or is a word that models know.
    """
    if last in _DESCRIBES or _WHEN.search(words):
        return True
    if found == {"token"} and _SPECIAL.search(words):
        return True
    return not found and _PINNED.match(words) is not None


def _is_counted(
    words: str, listed: list[str], found: set[str], short: frozenset[str]
) -> bool:
    """
    Whether a number under that name is none to get in by.
    """
    if any(each.endswith(_PLURALS) for each in listed):
        return True
    if listed[0] in _COUNTS_FIRST and len(listed) > 1:
        return True
    if "one_time" in words:  # a password for once
        return False
    if not _MEASURES.isdisjoint(listed):
        return True
    if any(_QUANTILE.fullmatch(each) for each in listed):
        return True
    if not found:
        return short <= {"sid", "sig", "pat"}
    if found == {"token"} and _COUNTED.search(words):
        return True
    if found <= _ENTRY_PARTS:
        others = _WITHOUT_PART.sub(" ", words).split()
        return any(
            each not in _OPENS
            for each in others
            if len(each) > 1 and not each.isdigit()
        )
    return False


def _text_of(key: Any) -> str:
    if isinstance(key, (bytes, bytearray)):  # the headers of ASGI
        return bytes(key).decode("utf-8", "replace")
    return key_of(key)


def _words(name: str) -> str:
    """
    *name* in small letters, its words apart by ``_``.
    """
    if "%" in name:
        name = unquote(name)
    if not name.isascii():  # full-width letters, accents apart
        name = unicodedata.normalize("NFKC", name)
    return _BREAKS.sub("_", _CAMEL.sub("_", name).casefold())


def _joined(part: str) -> str:
    return _words(part).replace("_", "")


_ANY_PART = re.compile("|".join(sorted(map(_joined, PARTS), reverse=True)))
