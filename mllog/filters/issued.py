"""
Keys and tokens that services issue, known by what they begin with.

Each line of :data:`FORMS` is the letters that follow, how many of them at
least, and the prefixes.  The services document these forms; scanners of
repositories look for the same.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["BEGINNINGS", "FORMS", "LEAST", "is_issued"]

# names of programs may begin with these
_WORDS: Final = (
    "sk-", "csk-", "sess-", "fw_", "pa-", "ak-", "as-", "ico-", "secret_",
    "aio_", "ls__",
)  # fmt: skip
#: No key or token of a known form is shorter.
LEAST: Final = 20

_LETTERS: Final = {
    "hex": "[0-9a-f]",
    "upper": "[A-Z0-9]",
    "alnum": "[A-Za-z0-9]",
    "base64": "[A-Za-z0-9+/=_-]",
    "word": "[A-Za-z0-9_-]",
    "dotted": "[A-Za-z0-9_.=-]",
    "path": r"[A-Za-z0-9_.~:$/+=-]",
}

FORMS: Final = (
    # models, hubs and trackers
    ("alnum", 30, "hf_ api_org_"),
    (
        "word",
        20,
        (
            "sk-proj- sk-svcacct- sk-service- sk-admin- sk-None- sk-ant- sk-or-"
            " sk-lf- pk-lf- sk-helicone- sk-litellm-"
        ),
    ),
    ("alnum", 20, "sk- csk-"),
    ("alnum", 40, "sess-"),
    ("alnum", 30, "r8_ gsk_ pplx- xai- KGAT_ jina_"),
    (
        "word",
        20,
        "wandb_v1_ nvapi- pcsk_ tvly- tgp_v1_ lsv2_pt_ lsv2_sk_ ls__",
    ),
    ("alnum", 20, "esecret_ aph0_ fw_ rpa_ opk_ pnu_ pnb_"),
    ("alnum", 22, "ak- as-"),
    ("word", 40, "pa-"),
    ("hex", 32, "dapi dose dkea dsapi fc-"),
    ("base64", 24, "eyJhcGlfYWRkcmVzcyI6 eyJhdXRocyI6"),
    # clouds
    ("word", 24, "AIza GOCSPX- 1//0"),
    ("word", 20, "ya29."),
    ("alnum", 16, "LTAI AKID"),
    ("base64", 40, "ABSK bedrock-api-key-"),
    (
        "word",
        20,
        "amzn.mws. dop_v1_ doo_v1_ dor_v1_ HRKU- nfp_ sbp_ sb_secret_",
    ),
    (
        "dotted",
        20,
        "hvs. hvb. hvr. dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.",
    ),
    ("base64", 20, "fo1_ fm1r_ fm1a_ fm2_ cfat_ cfut_"),
    ("dotted", 20, "pscale_tkn_ pscale_pw_ pscale_oauth_"),
    ("hex", 40, "pul- v1.0-"),
    ("alnum", 20, "ico- dnkey-"),
    ("base64", 40, "ops_eyJ"),
    # code and packages
    ("alnum", 36, "ghp_ gho_ ghu_ ghs_ ghr_ npm_"),
    ("word", 22, "github_pat_"),
    (
        "dotted",
        20,
        (
            "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glsoat- glagent- gloas-"
            " glimt- glffct- glwt- _gitlab_session="
        ),
    ),
    ("word", 20, "GR1348941 dckr_pat_ dckr_oat_ pypi-AgE ATBB"),
    ("base64", 40, "ATATT3 ATCTT3 AKCp cmVmdGtu"),
    ("alnum", 40, "pypi-"),
    ("alnum", 30, "rubygems_ oy2 cio CLOJARS_ PMAK- sgp_ sqp_ squ_ sqa_"),
    ("alnum", 20, "lin_api_ lin_oauth_ ntn_ figd_ rdme_ tfp_"),
    # messages, payments, monitoring
    (
        "word",
        15,
        (
            "xoxa- xoxb- xoxc- xoxd- xoxe- xoxe.xoxp- xoxe.xoxb- xoxo- xoxp-"
            " xoxr- xoxs- xapp-"
        ),
    ),
    ("dotted", 40, "SG. xkeysib- xsmtpsib-"),
    ("dotted", 100, "sl."),
    ("alnum", 40, "secret_"),
    ("hex", 40, "sk_"),
    ("hex", 32, "SK AC key- pubkey-"),
    (
        "alnum",
        16,
        (
            "sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_ pk_live_"
            " whsec_"
        ),
    ),
    ("word", 22, "sq0atp- sq0csp- sq0idp- EAAA"),
    ("alnum", 80, "EAA"),
    ("hex", 32, "shpat_ shpca_ shppa_ shpss_"),
    ("path", 20, "access_token$production$ access_token$sandbox$"),
    ("word", 20, "FLWSECK- FLWSECK_TEST- EZAK EZTK duffel_live_ duffel_test_"),
    ("word", 20, "shippo_live_ shippo_test_ fio-u- sm_aat_"),
    ("upper", 27, "NRAK- NRII- NRJS- NRRA-"),
    ("base64", 20, "glsa_ glc_eyJ eyJrIjoi sntrys_ sntryu_ hcaik_ hcbik_"),
    ("dotted", 40, "dt0c01. dt0s16."),
    ("alnum", 20, "aio_ ddp_ ddapp_"),
    (
        "word",
        20,
        "pat-na1- pat-eu1- CFPAT- access-sandbox- access-production-",
    ),
    # others
    ("upper", 50, "AGE-SECRET-KEY-1"),
    ("word", 30, "sha256~ ZXlK"),
    ("upper", 26, "API-"),
)


def _expression() -> re.Pattern[str]:
    """
    One expression for all, by their first letters, so that most are skipped.
    """
    by_first: dict[str, list[str]] = {}
    for letters, least, prefixes in FORMS:
        for prefix in prefixes.split():
            rest = f"{re.escape(prefix[1:])}{_LETTERS[letters]}{{{least},}}"
            by_first.setdefault(prefix[0], []).append(rest)
    # Discord's bots: three parts, the first begins with their number
    for first in "MNO":
        by_first.setdefault(first, []).append(
            r"[\w-]{23,25}\.[\w-]{6}\.[\w-]{27,}"
        )
    return re.compile(
        "|".join(
            rf"{re.escape(first)}(?<![A-Za-z0-9].)(?:{'|'.join(rest)})"
            for first, rest in sorted(by_first.items())
        )
    )


#: Where one begins, and how far it goes.
BEGINNINGS: Final = _expression()


def is_issued(text: str) -> bool:
    """
    Whether *text* is no name in a program: random letters have digits.
    """
    if any(letter.isdigit() for letter in text):
        return True
    return not text.startswith(_WORDS) and text not in (
        text.lower(),
        text.upper(),
    )
