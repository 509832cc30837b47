"""
Questions that a report answers, one family per module.
"""
