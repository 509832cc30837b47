"""
What the errors of librdkafka mean: whether to try again, and what to mend.
"""

from __future__ import annotations

from typing import Any

from ...errors import MllogError
from ..retry import Fault, Verdict

__all__ = ["KafkaError", "fault_of"]

# Names, because the numbers of librdkafka's own errors are negative and bare.
_POISON = frozenset(
    {
        "INVALID_MSG",
        "INVALID_MSG_SIZE",
        "INVALID_RECORD",
        "INVALID_TIMESTAMP",
        "MSG_SIZE_TOO_LARGE",
        "RECORD_LIST_TOO_LARGE",
        "_BAD_MSG",
    }
)
# Somebody has to mend a name, a permission, a certificate, an option.
_AUTH = frozenset(
    {
        "CLUSTER_AUTHORIZATION_FAILED",
        "INVALID_CONFIG",
        "INVALID_PARTITIONS",
        "INVALID_REPLICATION_FACTOR",
        "INVALID_REQUIRED_ACKS",
        "POLICY_VIOLATION",
        "SASL_AUTHENTICATION_FAILED",
        "SECURITY_DISABLED",
        "TOPIC_AUTHORIZATION_FAILED",
        "TOPIC_EXCEPTION",
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "UNKNOWN_TOPIC_OR_PART",
        "UNSUPPORTED_SASL_MECHANISM",
        "UNSUPPORTED_VERSION",
        "_AUTHENTICATION",
        "_SSL",
        "_UNKNOWN_PARTITION",
        "_UNKNOWN_TOPIC",
        "_UNSUPPORTED_FEATURE",
    }
)
# Sent, and not answered.
_AMBIGUOUS = frozenset({"REQUEST_TIMED_OUT", "_PURGE_INFLIGHT", "_TRANSPORT"})

_MEND_CREDENTIALS = "mend sasl_username, sasl_password or sasl_mechanism"
_MEND_TOPIC = (
    "make the topic, mend its name, or give"
    ' create_topic={"num_partitions": 1, "num_replicas": 1}'
)
_FIXES = {
    "INVALID_REPLICATION_FACTOR": "lower num_replicas of create_topic to the"
    " number of brokers",
    "MSG_SIZE_TOO_LARGE": "raise max.message.bytes of the topic, or lower"
    " max_record_bytes",
    "SASL_AUTHENTICATION_FAILED": _MEND_CREDENTIALS,
    "TOPIC_AUTHORIZATION_FAILED": "allow Write and Describe on the topic,"
    " and Create with create_topic",
    "TOPIC_EXCEPTION": "mend the topic's name: A-Z a-z 0-9 . _ -",
    "UNKNOWN_TOPIC_OR_PART": _MEND_TOPIC,
    "UNSUPPORTED_SASL_MECHANISM": "mend sasl_mechanism",
    "_AUTHENTICATION": _MEND_CREDENTIALS,
    "_SSL": "mend security_protocol, or give in ca_file the authority that"
    " signed the broker's certificate",
    "_UNKNOWN_TOPIC": _MEND_TOPIC,
}


class KafkaError(MllogError):
    """
    Something was not delivered, or nobody knows.

    Args:
        text: What went wrong, where, and how to mend it.

        verdict: Whether to try again.

        is_fatal: Whether its producer can do nothing any more.
    """

    def __init__(
        self, text: str, verdict: Verdict, *, is_fatal: bool = False
    ) -> None:
        super().__init__(text)
        self.verdict = verdict
        self.is_fatal = is_fatal

    @classmethod
    def of(cls, error: Any, where: str, why: str = "") -> KafkaError:
        """
        An error of librdkafka as ours.

        Args:
            error: A ``KafkaError``, or any exception.

            where: The topic.

            why: What is known beside it, such as why no broker answers.
        """
        if isinstance(error, cls):
            return error
        if isinstance(error, Exception) and error.args:
            error = error.args[0]  # of a KafkaException
        if not hasattr(error, "name"):
            return cls(
                f"{where}: {type(error).__name__}: {error}",
                Verdict(Fault.TRANSIENT),
            )
        said = f"{error.str()}: {why}" if why else error.str()
        found = cls.named(error.name(), said, where)
        found.is_fatal = error.fatal() or error.name() == "_FATAL"
        return found

    @classmethod
    def named(cls, name: str, said: str, where: str) -> KafkaError:
        """
        An error of which only the *name* and a text are known.
        """
        fix = f"\n  fix: {_FIXES[name]}" if name in _FIXES else ""
        return cls(f"{where}: {said} ({name}){fix}", Verdict(fault_of(name)))


def fault_of(name: str) -> Fault:
    """
    The kind of trouble that an error of that *name* is.
    """
    if name in _POISON:
        return Fault.POISON
    if name in _AUTH:
        return Fault.AUTH
    if name in _AMBIGUOUS:
        return Fault.AMBIGUOUS
    return Fault.TRANSIENT
