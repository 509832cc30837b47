"""
Whether the sinks of a configuration answer, found out by one marked record each.

Unlike all else in ``checks`` this makes the handlers, with the classes that the
configuration names: it is for a configuration that one trusts.
"""

from .trials import Answer, connect

__all__ = ["Answer", "connect"]
