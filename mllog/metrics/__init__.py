"""
From the fields of records to numbers about them.
"""

from .metric import Metric as Metric

__all__ = ["Metric"]
