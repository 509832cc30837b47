"""
Functions, methods and packages of which something is known.
"""

from __future__ import annotations

from typing import Final, Literal

__all__ = [
    "NUMERIC",
    "READERS",
    "READING",
    "RESULTS",
    "TENSORS",
    "TUPLES",
    "Type",
]

Type = Literal["", "text", "whole", "number", "tuple", "other"]

RESULTS: Final[dict[str, Type]] = {
    "builtins.len": "whole",
    "builtins.int": "whole",
    "builtins.ord": "whole",
    "builtins.id": "whole",
    "builtins.float": "number",
    "builtins.str": "text",
    "builtins.repr": "text",
    "builtins.ascii": "text",
    "builtins.chr": "text",
    "builtins.hex": "text",
    "builtins.format": "text",
    "builtins.tuple": "tuple",
    "builtins.list": "other",
    "builtins.sorted": "other",
    "time.time": "number",
    "time.perf_counter": "number",
    "time.monotonic": "number",
    "os.getpid": "whole",
    "os.getcwd": "text",
    "os.path.join": "text",
    "os.path.basename": "text",
}
# They read, and change nothing that is printed beside them.
READERS: Final = frozenset(
    f"builtins.{name}"
    for name in [
        "abs",
        "all",
        "any",
        "ascii",
        "bin",
        "bool",
        "chr",
        "dict",
        "divmod",
        "enumerate",
        "float",
        "format",
        "frozenset",
        "getattr",
        "hasattr",
        "hash",
        "hex",
        "id",
        "int",
        "isinstance",
        "issubclass",
        "len",
        "list",
        "max",
        "min",
        "oct",
        "ord",
        "pow",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "type",
        "vars",
        "zip",
    ]
) | {"time.time", "time.perf_counter", "time.monotonic"}
READING: Final = frozenset(
    [
        "all",
        "any",
        "argmax",
        "argmin",
        "center",
        "copy",
        "count",
        "cpu",
        "decode",
        "detach",
        "dim",
        "encode",
        "endswith",
        "find",
        "format",
        "get",
        "hex",
        "index",
        "isoformat",
        "item",
        "items",
        "join",
        "keys",
        "ljust",
        "lower",
        "lstrip",
        "max",
        "mean",
        "min",
        "most_common",
        "nelement",
        "norm",
        "numel",
        "numpy",
        "rjust",
        "round",
        "rstrip",
        "size",
        "split",
        "splitlines",
        "squeeze",
        "std",
        "startswith",
        "strftime",
        "strip",
        "sum",
        "timestamp",
        "title",
        "tolist",
        "total_seconds",
        "upper",
        "values",
        "zfill",
    ]
)
NUMERIC: Final = frozenset(
    {"abs", "float", "int", "len", "max", "min", "round"}
)
TUPLES: Final = frozenset({"args", "shape", "size"})
# Their scalars are written differently by str() and by format().
TENSORS: Final = frozenset(
    [
        "accelerate",
        "fastai",
        "keras",
        "lightning",
        "pytorch_lightning",
        "tensorflow",
        "torch",
        "torchmetrics",
        "torchvision",
        "transformers",
    ]
)
