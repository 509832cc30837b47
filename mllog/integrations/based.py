"""
Based: a class of ours extends a framework's, which loads when one is made.
"""

from __future__ import annotations

import functools
import types
from typing import Any

__all__ = ["Based"]


class Based:
    """
    Mixed into a class that has to be of a framework's kind.

    ``MetricsLogger()`` is an object of a class that extends both
    ``MetricsLogger`` and what :meth:`base` gives.  So a module is imported
    without its framework, and its objects are what the framework asks for;
    they can be copied and pickled.
    """

    @classmethod
    def base(cls) -> type:
        """
        The framework's class.
        """
        raise NotImplementedError

    def __new__(cls, *_args: Any, **_options: Any) -> Any:
        """
        An object of both classes, before ``__init__``.
        """
        ours: Any = cls
        return super().__new__(_joined(ours, ours.base()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (getattr(type(self), "_ours", type(self)),), vars(self)


@functools.cache
def _joined(ours: type, base: type) -> type:
    if issubclass(ours, base):
        return ours
    return types.new_class(
        ours.__name__,
        (ours, base),
        exec_body=lambda body: body.update(
            __module__=ours.__module__,
            __qualname__=ours.__qualname__,
            __doc__=ours.__doc__,
            _ours=ours,
        ),
    )


def _again(ours: Any) -> Any:
    """
    An object of that class before ``__init__``.
    """
    return ours.__new__(ours)
