"""
The way to Kafka: a producer of librdkafka, and what goes around it.
"""

from .outbox import ProducerOutbox
from .producer import Producer
from .registry import Registry
from .settings import Settings
from .topics import Topic
from .transport import KafkaTransport

__all__ = [
    "KafkaTransport",
    "Producer",
    "ProducerOutbox",
    "Registry",
    "Settings",
    "Topic",
]
