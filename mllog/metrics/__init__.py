"""
From the fields of records to numbers about them.
"""
