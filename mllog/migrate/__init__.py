"""
Convert the print calls of a program to records of logging.
"""

from .find import Left
from .rewrite import Conversion, MigrationOptions, convert

__all__ = ["Conversion", "Left", "MigrationOptions", "convert"]
