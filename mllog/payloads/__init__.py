"""
Raw inputs and outputs of models: what is stored of them, and under what name.
"""

from .content import Content, content_of
from .finding import find_payloads
from .payload import Payload

__all__ = ["Content", "Payload", "content_of", "find_payloads"]
