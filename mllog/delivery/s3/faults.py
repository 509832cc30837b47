"""
What the errors of an S3 client mean: whether to try again, and what to mend.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from typing import Any

from ...errors import MllogError
from ...s3 import FIXES, Answer, answer_of
from ..retry import Fault, Verdict

__all__ = ["StoreError", "fault_of", "store_error"]

_TRANSIENT = frozenset(
    {
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
_POISON = frozenset({"EntityTooLarge", "MaxMessageLength"})
# 4xx that say to come again
_AGAIN = frozenset({408, 409, 425, 429})
_NEVER_SENT = frozenset(
    {"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError"}
)
# Sent, or half of it; the answer did not come or makes no sense.
_UNANSWERED = (
    "ChecksumError",
    "HTTPClientError",
    "IncompleteReadError",
    "ResponseParserError",
)
_NO_TLS = re.compile(
    r"certificate.verify|hostname|handshake.failure|unknown.ca",
    re.IGNORECASE,
)
# How to mend what only storing meets.
_FIXES = {
    **FIXES,
    "AccessDenied": "allow s3:PutObject on it, and the key of KMS if there is one",
    "InvalidStorageClass": "mend storage_class",
    "InvalidTag": "mend tags",
    "NotImplemented": "leave out what this server does not have:"
    " create_only=False, or no tags, encryption, storage class",
}


class StoreError(MllogError):
    """
    An object was not stored, or nobody knows.

    Args:
        text: What went wrong, where, and how to mend it.

        verdict: Whether to try again.

        may_be_stored: Whether the attempt may have stored it all the same.
    """

    def __init__(
        self, text: str, verdict: Verdict, *, may_be_stored: bool = False
    ) -> None:
        super().__init__(text)
        self.verdict = verdict
        self.may_be_stored = may_be_stored


def store_error(error: BaseException, where: str) -> StoreError:
    """
    *error* of a client as ours.

    Args:
        error: What the client raised.

        where: The bucket, and the server if it is not Amazon.
    """
    fault, answer = fault_of(error), answer_of(error)
    said = "".join(
        each if each.isprintable() else " " for each in _said(error, answer)
    )
    return StoreError(
        f"{where}: {said}{_remedy(error, answer)}",
        Verdict(fault, _retry_after(answer)),
        # what says "busy" may be a proxy before a server that has stored it
        may_be_stored=fault is Fault.AMBIGUOUS
        or (fault is Fault.TRANSIENT and bool(answer.status)),
    )


def fault_of(error: BaseException) -> Fault:
    """
    The kind of trouble that *error* of a client is.
    """
    answer = answer_of(error)
    if answer.status or answer.code:
        return _fault_of_answer(answer.code, answer.status)
    if _is_any(error, _NEVER_SENT):
        return Fault.TRANSIENT
    if _is_any(error, ("SSLError",)):
        return Fault.AUTH if _has_no_tls(error) else Fault.AMBIGUOUS
    if _is_any(error, _UNANSWERED) or not _is_any(error, ("BotoCoreError",)):
        return Fault.AMBIGUOUS
    return Fault.AUTH


def _has_no_tls(error: BaseException) -> bool:
    """
    Whether TLS was never agreed on; its other errors may come at any time.
    """
    is_tls = _is_any(error, ("SSLError",))
    return is_tls and bool(_NO_TLS.search(str(error)))


def _fault_of_answer(code: str, status: int) -> Fault:
    if code in _POISON or status == 413:
        return Fault.POISON
    if code in _TRANSIENT or status in _AGAIN:
        return Fault.TRANSIENT
    if status >= 500 and code != "NotImplemented" and status != 501:
        return Fault.AMBIGUOUS
    # 3xx and 4xx: a name, a permission, an option that a person has to mend
    return Fault.AUTH


def _is_any(error: BaseException, names: Any) -> bool:
    """
    Whether it is of one of these classes, of a package that may be missing.
    """
    return any(kind.__name__ in names for kind in type(error).__mro__)


# --- what the server said ---


def _retry_after(answer: Answer) -> float | None:
    value = str(answer.headers.get("retry-after") or "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        at = _date(value)
        return None if at is None else max(0.0, at - time.time())
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _date(value: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, IndexError):
        return None


# --- what people are told ---


def _said(error: BaseException, answer: Answer) -> str:
    if not (answer.status or answer.code):
        return f"{type(error).__name__}: {error}"[:400]
    is_named = answer.code and answer.code != str(answer.status)
    name = answer.code if is_named else "an error"
    said = f"{name} ({answer.status})"
    return f"{said}: {answer.message[:200]}" if answer.message else said


def _remedy(error: BaseException, answer: Answer) -> str:
    names = [answer.code, *(kind.__name__ for kind in type(error).__mro__)]
    remedy = next((_FIXES[name] for name in names if name in _FIXES), "")
    if answer.code == "RequestTimeTooSkewed":
        remedy += _skew(answer)
    elif answer.code.startswith("KMS."):
        remedy = "mend kms_key_id, and allow its use"
    elif _has_no_tls(error):
        remedy = "give the authority that signed the server's certificate in AWS_CA_BUNDLE"
    return f"\n  fix: {remedy}" if remedy else ""


def _skew(answer: Answer) -> str:
    server = _date(str(answer.headers.get("date") or ""))
    if server is None:
        return ""
    return f", which differs from the server's by {time.time() - server:.0f} s"
