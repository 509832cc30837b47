"""
Delivery: queues, spools and retries, between a record and its sink.
"""
