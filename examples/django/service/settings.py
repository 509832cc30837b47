"""
The smallest settings that serve: no database, no templates.
"""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

LOGGING_CONFIG = "mllog.configure"
LOGGING = BASE_DIR / "logging.json"

DEBUG = os.environ.get("DEBUG", "1") == "1"
SECRET_KEY = os.environ.get("SECRET_KEY", "for this example only")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "service.urls"
WSGI_APPLICATION = "service.wsgi.application"
