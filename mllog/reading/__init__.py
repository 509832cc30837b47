"""
Records read back from files, folders and S3.
"""

from .records import Records, read

__all__ = ["Records", "read"]
