"""
The way to Kafka: a producer of librdkafka, and what goes around it.
"""

from .outbox import ProducerOutbox
from .producer import Producer
from .registry import Registry
from .settings import PRODUCER_CONFIG, SERVERS, KafkaSecurity, Settings
from .topics import TOPIC, Topic
from .transport import KafkaTransport

__all__ = [
    "PRODUCER_CONFIG",
    "SERVERS",
    "TOPIC",
    "KafkaSecurity",
    "KafkaTransport",
    "Producer",
    "ProducerOutbox",
    "Registry",
    "Settings",
    "Topic",
]
