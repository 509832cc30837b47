"""
What TensorBoard reads: event files, runs, and what an event holds.
"""
