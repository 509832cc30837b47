"""
Calls of a predict function, from their inputs to one record.
"""
