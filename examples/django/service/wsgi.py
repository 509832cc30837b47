"""
What gunicorn and runserver serve.
"""

import os

from django.core.wsgi import get_wsgi_application

from mllog.integrations.wsgi import AccessMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "service.settings")

application = AccessMiddleware(get_wsgi_application(), exclude=("/metrics",))
