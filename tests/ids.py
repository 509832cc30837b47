"""
Names of parametrized values that are the same in each process.
"""

from __future__ import annotations

import re

#: Where an object lies in memory, as its repr shows it.
ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


def as_id(value: object) -> str:
    """
    The value as text without memory addresses: pytest-xdist compares the ids
    that its workers collect, and an address differs in each of them.
    """
    text = value if isinstance(value, str) else repr(value)
    return re.sub(rf"( at )?{ADDRESS.pattern}", "", text)
