"""
Objects in S3: their keys, how they are put there, and what can go wrong.
"""

from .batches import BatchTransport
from .faults import StoreError
from .keys import KEY_TEMPLATE, Keys, safe
from .objects import ObjectStore, PutOptions

__all__ = [
    "KEY_TEMPLATE",
    "BatchTransport",
    "Keys",
    "ObjectStore",
    "PutOptions",
    "StoreError",
    "safe",
]
