"""
Logs as a table of an engine: DuckDB, or Spark.
"""
