"""
What others print, and warn of, becomes records.
"""

from .capture import capture_prints

__all__ = ["capture_prints"]
