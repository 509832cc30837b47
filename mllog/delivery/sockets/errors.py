"""
What goes wrong on the way to a sink, said as a person would say it.
"""

from __future__ import annotations

import ssl

from ..retry import Fault, Verdict

__all__ = [
    "PeerClosedError",
    "SocketError",
    "StalledError",
    "TLSError",
    "verdict_of",
]


class SocketError(OSError):
    """
    A socket failed.

    Args:
        problem: What failed, with the address.

        expected: What would have been right.

        fix: What to do about it.

        fault: The kind of trouble.
    """

    def __init__(
        self,
        problem: str,
        *,
        expected: str = "",
        fix: str = "",
        fault: Fault = Fault.TRANSIENT,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected
        self.fix = fix
        self.fault = fault

    def __str__(self) -> str:
        lines = [self.problem]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class PeerClosedError(SocketError, ConnectionError):
    """
    The peer ended the connection, or never took it.
    """


class StalledError(SocketError, TimeoutError):
    """
    The peer neither took what was sent nor ended the connection.
    """


class TLSError(SocketError):
    """
    The two sides do not agree about TLS.
    """


def verdict_of(error: BaseException, *, unix: bool = False) -> Verdict:
    """
    What *error* means for a socket.

    A permission is a matter for a person only where it is one of a file: on
    the network EACCES comes from firewalls, which change by themselves.

    Args:
        error: What ``open`` or ``send`` raised.

        unix: Whether it is of a unix socket.
    """
    if isinstance(error, SocketError):
        return Verdict(error.fault)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Verdict(Fault.AUTH)
    if unix and isinstance(error, PermissionError):
        return Verdict(Fault.AUTH)
    return Verdict(Fault.TRANSIENT)
