"""
Middlewares for FastAPI, Starlette and other ASGI apps.
"""

from __future__ import annotations

from .access import AccessMiddleware
from .inference import InferenceMiddleware

__all__ = ["AccessMiddleware", "InferenceMiddleware"]
