"""
A file that rotates: names, schedule, retention, and many processes at once.
"""

from .file import RotatingFile
from .live import ShortWriteError
from .plan import Plan, log_path

__all__ = ["Plan", "RotatingFile", "ShortWriteError", "log_path"]
