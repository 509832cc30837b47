"""
What an error of TLS means, in words that say what to do about it.
"""

from __future__ import annotations

import ssl

from ..retry import Fault
from .errors import PeerClosedError, SocketError, StalledError, TLSError

__all__ = ["explained"]

_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_OUR_CERTIFICATE = (
    "ALERT_UNKNOWN_CA",
    "ALERT_CERTIFICATE",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_HANDSHAKE_FAILURE",
    "ALERT_ACCESS_DENIED",
    "ALERT_DECRYPT_ERROR",
)
_NO_AGREEMENT = (
    "PROTOCOL_VERSION",
    "UNSUPPORTED_PROTOCOL",
    "INSUFFICIENT_SECURITY",
    "NO_SHARED_CIPHER",
    "UNRECOGNIZED_NAME",
)
_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH, _EXPIRED = 62, 64, 10
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})


def explained(error: OSError, name: str) -> SocketError:
    """
    What *error* of a TLS connection means, and what to do about it.

    Args:
        error: What a call on the socket raised.

        name: What the connection is called.
    """
    if isinstance(error, TimeoutError):
        return StalledError(f"{name}: {error}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrust(error, name)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return PeerClosedError(f"{name} ended the connection")
    if not isinstance(error, ssl.SSLError):
        problem = error.strerror or str(error) or type(error).__name__
        return PeerClosedError(f"{name}: {problem}")
    reason = f"{error.reason or ''} {error}".upper().replace(" ", "_")
    said = (error.reason or str(error)).replace("_", " ").lower()
    return _alert(reason, said, name)


def _alert(reason: str, said: str, name: str) -> TLSError:
    """
    What OpenSSL's *reason* means, *said* in lower case.
    """
    if any(word in reason for word in _OUR_CERTIFICATE):
        return TLSError(
            f"{name} refuses our certificate, or the lack of one ({said})",
            expected="a certificate that the server trusts",
            fix="give cert_file=… and key_file=…, signed by an authority "
            "that the server knows",
            fault=Fault.AUTH,
        )
    if any(word in reason for word in _NO_TLS):
        return TLSError(
            f"{name} does not speak TLS ({said})",
            expected="a port for syslog over TLS, usually 6514",
            fix="correct the port, or write tcp:// for an open connection",
            fault=Fault.AUTH,
        )
    if any(word in reason for word in _NO_AGREEMENT):
        return TLSError(
            f"{name} and we have no TLS in common ({said})",
            expected="TLS 1.2 or later",
            fix="update the server, or correct server_hostname=…",
            fault=Fault.AUTH,
        )
    return TLSError(f"{name}: {said}")


def _distrust(error: ssl.SSLCertVerificationError, name: str) -> TLSError:
    """
    The server's certificate is not good enough for us.
    """
    code, said = error.verify_code, error.verify_message
    expected = "a certificate signed by an authority that we know"
    fix = "have the server's certificate renewed"
    if code in _UNKNOWN_ISSUER:
        fix = "give ca_file=…, the PEM file of the authority that signed it"
    elif code in {_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH}:
        expected = "a certificate for that host"
        fix = "correct the host, or give server_hostname=… as it stands there"
    elif code == _EXPIRED:
        expected = "a certificate that has not expired"
    return TLSError(
        f"{name} shows a certificate that we do not trust: {said}",
        expected=expected,
        fix=fix,
        fault=Fault.AUTH,
    )
