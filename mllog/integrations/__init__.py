"""
What frameworks need to log with mllog: one module for each of them.
"""
