"""
What gunicorn reads where it is started: its logs, and a page of metrics of all workers.
"""

import json
import os
import tempfile

bind = "127.0.0.1:8000"
workers = 4

with open("logging.json") as file:
    logconfig_dict = json.load(file)

# A new folder each time gunicorn starts; a reload keeps it.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(
        prefix="metrics-"
    )
