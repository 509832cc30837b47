"""
A file that rotates: names, schedule, retention, and many processes at once.
"""

from .charset import Charset
from .file import RotatingFile
from .live import ShortWriteError
from .plan import Plan, log_path

__all__ = ["Charset", "Plan", "RotatingFile", "ShortWriteError", "log_path"]
