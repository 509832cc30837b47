"""
Secrets that are known by how they look: addresses, keys, numbers of cards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from .. import options
from ..errors import ConfigError, nearest, shown
from .issued import BEGINNINGS, is_issued

__all__ = ["BUILTIN", "Pattern", "is_address", "is_card", "patterns_from"]

_DIGITS = re.compile(r"[^0-9]+")
# which numbers begin those of cards, and how many digits they have
_CARDS: Final = (
    ("34 37", (15,)),
    ("30 36 38 39", (14, 16)),
    ("4", (13, 16, 19)),
    ("51 52 53 54 55 22 23 24 25 26 27", (16,)),
    ("60 62 64 65 35", (16, 17, 18, 19)),
    ("50 56 57 58 63 67", (16, 18, 19)),
)
_NO_LETTERS = re.compile(r"[\W\d_]+")
# "recall@10.val" is a measure at ten
_MEASURED_AT: Final = """
    acc accuracy ap ar auc best bleu cer cons dcg dice err error f fpr hit hits
    hitrate hr iou k maj majority map miou mr mrr ndcg p pass prec precision r
    rank rec recall rouge score sr success top tpr wer
"""
# "icon@2x.png", "resnet50@v2.onnx"
_VERSION_AT = re.compile(r"\dx\.\w{2,5}|v\d+\..*", re.IGNORECASE)
# "x @ w.mT" without its spaces
_TRANSPOSED: Final = (".mT", ".mH")


class Pattern(NamedTuple):
    """
    How a secret is found in text.

    Args:
        name: What switches it on or off.

        expression: What finds it; of a group named ``secret`` only that group
            is replaced.

        marks: One of these is in any text that has it, so that most texts
            need no search; none is every text.

        accepts: Whether what was found is one.

        quick: What finds less exactly and sooner whether there may be one.

        before: What of the text before belongs to it, matched from the last
            letter backwards; there must be some.  A search that begins with
            what is rare is a quick one.

        is_long: Whether it is one word, of :data:`~.issued.LEAST` letters.

        needs: Is looked for before the marks, where they are many.
    """

    name: str
    expression: re.Pattern[str]
    marks: tuple[str, ...] = ()
    accepts: Callable[[str], bool] | None = None
    quick: re.Pattern[str] | None = None
    before: re.Pattern[str] | None = None
    is_long: bool = False
    needs: str = ""

    @property
    def hint(self) -> re.Pattern[str]:
        """
        What to search for before anything is replaced.
        """
        return self.quick or self.expression

    def replaced(self, text: str, replacement: str) -> str:
        """
        *text* with *replacement* for each secret of this kind.
        """
        kept: list[str] = []
        done = 0
        has_group = "secret" in self.expression.groupindex
        for match in self.expression.finditer(text):
            start, end = match.span()
            if self.before is not None:
                head = text[max(done, start - _LONGEST_BEFORE) : start]
                found = self.before.match(head[::-1])
                if found is None:
                    continue
                start -= found.end()
            if self.accepts is not None and not self.accepts(text[start:end]):
                continue
            if has_group:
                start, end = match.span("secret")
                if start == end:  # none, or nothing: it took no part
                    continue
            if start < done:
                continue
            kept += (text[done:start], replacement)
            done = end
        return "".join((*kept, text[done:])) if kept else text


_LONGEST_BEFORE: Final = 64


def is_card(text: str) -> bool:
    """
    Whether *text* is the number of a card: its issuer, length and check digit.
    """
    digits = _DIGITS.sub("", text)
    known = any(
        digits.startswith(tuple(prefixes.split())) and len(digits) in lengths
        for prefixes, lengths in _CARDS
    )
    return known and _luhn(digits) and len(set(digits)) > 1


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def is_address(text: str) -> bool:
    """
    Whether *text* is somebody's address, and not ``mAP@0.5`` or ``x@w.mT``.
    """
    person, _, domain = text.partition("@")
    if domain.endswith(_TRANSPOSED) or _VERSION_AT.fullmatch(domain):
        return False
    if not domain[0].isdigit() and domain[:2] not in ("k.", "n."):
        return True
    measure = _NO_LETTERS.split(person.strip("0123456789._-"))[-1]
    return measure.lower() not in _MEASURED_AT.split()


_KEY_LINES = (
    # to its END; else as far as lines look like those of a key
    r"(?:[^-]*(?:-(?!-{3,4} ?(?:BEGIN|END))[^-]*)*"
    r"-{4,5} ?END [A-Z0-9 ]{0,40}KEY(?: BLOCK)? ?-{4,5}"
    r"|(?:(?:[\s\"'+,()>|]|\\+[nrt]|[A-Za-z-]{1,40}: [^\r\n\\]{0,200}"
    r"(?=[\r\n\\])){0,60}(?:[A-Za-z0-9+/=_-]{8,}|[A-Za-z0-9+/]+=))*)"
)
_NO_SLASH: Final = r"[^\s/?#\"'<>]{1,1024}"
# a password with a slash in it, where no port can be
_WITH_SLASH: Final = (
    r"[^\s/?#\"'<>@:[]{0,256}:(?!\d{1,5}(?:[/?#]|$))[^\s\"'<>@]{1,1024}"
)

#: The patterns that are there.  Each is linear in the text.
BUILTIN: Final = (
    Pattern(
        "private_key",
        re.compile(
            r"-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}"
            rf"(?P<secret>{_KEY_LINES})"
        ),
        ("PRIVATE KEY",),
    ),
    Pattern(  # PuTTY's files
        "private_key",
        re.compile(
            r"Private-Lines:\s{0,3}\d{1,4}"
            r"(?P<secret>(?:\s|\\+[nr]|[A-Za-z0-9+/=])+)"
        ),
        ("Private-Lines",),
    ),
    Pattern(  # JSON Web Keys
        "private_key",
        re.compile(
            r"\"(?:d|p|q|dp|dq|qi|k)\\*\"\s{0,4}:\s{0,4}\\*\""
            r"(?P<secret>[\w-]{16,})"
        ),
        ('"kty',),
    ),
    Pattern(  # keys of .NET
        "private_key",
        re.compile(
            r"<(?:D|P|Q|DP|DQ|InverseQ)>(?P<secret>[A-Za-z0-9+/=\s]{16,})"
        ),
        ("<RSAKeyValue>", "<InverseQ>"),
        needs="</",
    ),
    Pattern(  # signify, minisign
        "private_key",
        re.compile(
            r"secret key(?:\s|\\+[nr]){1,8}(?P<secret>[A-Za-z0-9+/=]{40,})"
        ),
        ("secret key",),
    ),
    Pattern(
        "url_userinfo",
        re.compile(
            rf":(?:\\{{0,8}}/){{2}}(?P<secret>{_NO_SLASH}(?=@)"
            rf"|{_WITH_SLASH}(?=@))"
        ),
        ("@",),
    ),
    Pattern(  # in a parameter of another address
        "url_userinfo",
        re.compile(
            r"%(?:25){0,3}3[aA](?:%(?:25){0,3}2[fF]){2}"
            r"(?P<secret>(?:[^\s/?#\"'<>&%]|%(?!(?:25){0,3}(?:40|2[fF]))){1,1024})"
            r"%(?:25){0,3}40"
        ),
        ("%40", "%2540"),
        needs="%",
    ),
    Pattern(
        "bearer",
        re.compile(
            r"(?:earer|EARER|asic|ASIC)\s+"
            r"(?P<secret>(?=[^\s\"',;]{0,512}[0-9._~+/=-])"
            r"[\w.~+/=-]{6,})"
        ),
        ("earer ", "EARER ", "asic ", "ASIC "),
        before=re.compile(r"[bB](?!\w)"),
    ),
    Pattern(
        "jwt",
        re.compile(r"eyJ(?<!\w...)[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)*"),
        ("eyJ",),
        is_long=True,
    ),
    Pattern(
        "aws_key",
        re.compile(
            r"A(?<!\w.)(?:KIA|SIA|BIA|CCA|ROA|IDA|GPA|IPA|NPA|NVA|3T[A-Z0-9])"
            r"[A-Z0-9]{16}\b"
        ),
        is_long=True,
    ),
    Pattern("service_key", BEGINNINGS, accepts=is_issued, is_long=True),
    Pattern(  # Azure's applications
        "service_key",
        re.compile(r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,}"),
        ("Q~",),
        is_long=True,
    ),
    Pattern(  # Terraform's
        "service_key",
        re.compile(r"\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}"),
        (".atlasv1.",),
        is_long=True,
    ),
    Pattern(  # kaggle.json
        "service_key",
        re.compile(r"key\\*\"\s?:\s?\\*\"(?P<secret>[0-9a-f]{32})"),
        ("username",),
    ),
    Pattern(  # Airtable's
        "service_key",
        re.compile(r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
        ("pat",),
        is_long=True,
    ),
    Pattern(  # Mailchimp's
        "service_key",
        re.compile(r"(?<!\w)[0-9a-f]{32}-us\d{1,2}\b"),
        ("-us",),
        is_long=True,
    ),
    Pattern(  # Telegram's bots
        "service_key",
        re.compile(r"(?<!\d)\d{8,10}:AA[\w-]{32,}"),
        (":AA",),
        is_long=True,
    ),
    Pattern(
        "webhook",
        re.compile(
            r"(?:hooks\.slack\.com/(?:services|workflows|triggers)"
            r"|discord(?:app)?\.com/api/(?:v\d+/)?webhooks"
            r"|office(?:365)?\.com/webhook(?:b2)?)"
            r"/(?P<secret>[\w/+@-]{16,})"
        ),
        ("hook",),
        is_long=True,
    ),
    Pattern(  # the option of curl and others for a name and a password
        "login",
        re.compile(
            r"\bcurl\b[^\r\n]{0,300}?[\s\"'](?:-u|--(?:proxy-)?user)"
            r"(?:[\"'],)?[ =]?[\"']?[^\s:\"']{1,128}:(?P<secret>[^\s\"']{1,256})"
        ),
        ("curl",),
        needs="-",
    ),
    Pattern(
        "login",
        re.compile(
            r"(?:\bsshpass\b[\"',]{0,2}\s[\"']?-p"
            r"|\bmysql\w{0,8}\b[^\r\n|;]{0,200}?\s[\"']?-p"
            r"|\bredis-cli\b[^\r\n|;]{0,200}?\s[\"']?-a"
            r"|\bdocker\b[\"',]{0,2}\s[\"']?login\b[^\r\n|;]{0,200}?\s[\"']?-p)"
            r"(?:[\"'],)?\s?[\"']?(?P<secret>[^\s\"'|;]{3,256})"
        ),
        ("sshpass", "mysql", "redis-cli", "docker"),
        needs="-",
    ),
    Pattern(  # .netrc
        "login",
        re.compile(
            r"\blogin\s+\S{1,256}\s+(?:account\s+\S{1,256}\s+)?password\s+"
            r"(?P<secret>\S{1,1024})"
        ),
        ("login ",),
    ),
    Pattern(  # SQL
        "login",
        re.compile(
            r"'(?P<secret>[^'\r\n]{1,1024})",
        ),
        (" '",),
        before=re.compile(
            r"\s{1,8}(?:drowssap|yb\s+(?:\w+\s+htiw\s+)?deifitnedi)\b",
            re.IGNORECASE,
        ),
    ),
    Pattern(
        "email",
        re.compile(
            r"@(?:[\w-]{1,63}\.){1,8}"
            # a call, as in q@k.transpose(…), is no address
            r"(?:(?:com|org|net|edu|gov|io|ai|co|de|uk|fr|jp|cn|in|eu)(?!\w)"
            r"|(?:xn--[\w-]{1,59}|[^\W\d_]{2,63})(?![\w(]))"
        ),
        ("@",),
        is_address,
        before=re.compile(r"[\w.+%-]{1,64}"),
    ),
    Pattern(
        "credit_card",
        re.compile(r"[2-6](?<![\d.].)(?:[ -]?\d){12,18}(?!\d)"),
        (),
        is_card,
        re.compile(r"[0-9][0-9 -]{12}"),
    ),
)
#: Their names.
NAMES: Final = tuple(dict.fromkeys(each.name for each in BUILTIN))


def patterns_from(builtin: Any, own: Any) -> tuple[Pattern, ...]:
    """
    The patterns that a configuration asks for.

    Args:
        builtin: Names of those in :data:`BUILTIN`; None is all of them.

        own: Regular expressions: a list, or a mapping by name.

    Raises:
        ConfigError: A name or an expression is none.
    """
    names = NAMES
    if builtin is not None:
        names = options.names("builtin_patterns", builtin)
    for name in names:
        if name not in NAMES:
            near = nearest(name, NAMES)
            raise ConfigError(
                shown("builtin_patterns", name),
                expected="some of " + ", ".join(NAMES),
                fix=f"write {near}" if near else "",
            )
    chosen = [each for each in BUILTIN if each.name in names]
    return (*chosen, *_own_patterns(own))


def _own_patterns(own: Any) -> Iterable[Pattern]:
    if own is None or own == "":
        return
    given = (
        options.mapping("patterns", own)
        if isinstance(own, Mapping)
        else {
            str(number): each
            for number, each in enumerate(
                [own] if isinstance(own, str) else list(own)
            )
        }
    )
    yield from (_pattern(name, each) for name, each in given.items())


def _pattern(name: str, expression: Any) -> Pattern:
    try:
        return Pattern(name, re.compile(expression))
    except (re.error, TypeError) as exc:
        raise ConfigError(
            f"{shown('patterns', expression)}: {exc}",
            expected="a regular expression",
        ) from None
