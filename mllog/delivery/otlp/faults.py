"""
What the answers of a collector mean: whether to try again, and what to mend.
"""

from __future__ import annotations

import email.utils
import math
import ssl
import time

from ...errors import MllogError
from ..retry import Fault, Verdict

__all__ = ["OTLPError", "error_of_status", "error_of_way", "seconds_of"]

_FIXES = {
    401: "give headers with a valid Authorization",
    403: "allow these credentials to send logs",
    404: "mend the path of endpoint: logs go to …/v1/logs",
    405: "mend endpoint: something else listens there",
    415: "mend protocol: the collector takes no protobuf over HTTP",
}
# 4xx that say to come again
_AGAIN = frozenset({408, 425, 429})
# 4xx that are about the records themselves
_REFUSED = frozenset({400, 413, 422})


class OTLPError(MllogError):
    """
    A batch did not arrive, or nobody knows.

    Args:
        text: What went wrong, and where.

        fault: The kind of trouble.

        retry_after: Seconds that the collector asked for.

        fix: How to mend it.
    """

    def __init__(
        self,
        text: str,
        fault: Fault,
        retry_after: float | None = None,
        fix: str = "",
    ) -> None:
        super().__init__(f"{text}\n  fix: {fix}" if fix else text)
        self.verdict = Verdict(fault, retry_after)


def error_of_status(
    where: str, status: int, said: str, retry_after: str | None
) -> OTLPError:
    """
    What a status other than 200 means.

    Args:
        where: The endpoint.

        status: The status.

        said: What the collector said about it.

        retry_after: Value of the header of that name.
    """
    text = f"{where}: HTTP {status}"
    clean = "".join(c if c.isprintable() else " " for c in said).strip()
    if clean:
        text = f"{text}: {clean[:300]}"
    return OTLPError(
        text,
        _fault_of(status),
        seconds_of(retry_after),
        _FIXES.get(status, ""),
    )


def _fault_of(status: int) -> Fault:
    if status in _REFUSED:
        return Fault.POISON
    if status in _AGAIN:
        return Fault.TRANSIENT
    if status >= 500 and status != 501:
        # what says so may be a proxy before a collector that took the batch
        return Fault.TRANSIENT if status == 503 else Fault.AMBIGUOUS
    return Fault.AUTH


def seconds_of(value: str | None) -> float | None:
    """
    What ``Retry-After`` asks for, in seconds; None if it makes no sense.
    """
    text = (value or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(text).timestamp()
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
        return max(0.0, at - time.time())
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def error_of_way(where: str, error: Exception, *, is_sent: bool) -> OTLPError:
    """
    What an *error* of the connection means.

    Args:
        where: The endpoint.

        error: What was raised.

        is_sent: Whether the batch may have arrived.
    """
    text = f"{where}: {_named(error)}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return OTLPError(
            text,
            Fault.AUTH,
            fix="give the authority that signed its certificate as certificate",
        )
    is_file = isinstance(error, (FileNotFoundError, PermissionError))
    if is_file or (isinstance(error, ssl.SSLError) and not is_sent):
        return OTLPError(
            text,
            Fault.AUTH,
            fix="mend certificate, client_certificate and client_key",
        )
    fault = Fault.AMBIGUOUS if is_sent else Fault.TRANSIENT
    return OTLPError(text, fault)


def _named(error: Exception) -> str:
    said = str(error)
    name = type(error).__name__
    return f"{name}: {said}"[:400] if said else name
