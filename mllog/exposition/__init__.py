"""
Metrics as Prometheus reads them: names, series, pages, and ways to get there.
"""
