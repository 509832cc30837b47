"""
Prints that become records, in the source of a program.
"""

from .conversion import Conversion, Options, convert
from .prints import Left

__all__ = ["Conversion", "Left", "Options", "convert"]
