"""
Arrays and tensors of any library, as numpy arrays and ``.npy`` files.
"""

from __future__ import annotations

import functools
import io
import math
from typing import TYPE_CHECKING, Any

from ..values import is_frame, shape_of

if TYPE_CHECKING:
    from numpy import dtype, ndarray

    Array = ndarray[Any, dtype[Any]]

__all__ = ["array_of", "dtype_of", "is_array", "is_plain", "npy_of"]

# an array that is mostly zeros may be larger than any memory
_MAX_DENSE_ITEMS = 2**28


def is_array(value: Any) -> bool:
    """
    Whether *value* has a shape: an array, a tensor or a scalar of theirs.
    """
    return shape_of(value) is not None and not is_frame(value)


def array_of(value: Any) -> Array:
    """
    The numpy array of an array or tensor, on the host; not always a copy.

    Raises:
        TypeError: It cannot become one.

        ValueError: It is sparse, and too large when it is not.
    """
    import numpy as np

    if isinstance(value, np.ndarray):
        found = value
    elif hasattr(value, "detach"):
        found = _of_torch(value)
    elif hasattr(value, "toarray"):  # scipy's sparse arrays
        found = _dense(value).toarray()
    elif hasattr(value, "__cuda_array_interface__") and hasattr(value, "get"):
        found = value.get()  # CuPy copies to the host only when told so
    elif hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        found = np.asarray(value)
    elif hasattr(value, "numpy"):
        found = value.numpy()
    elif hasattr(value, "__dlpack__"):
        found = np.from_dlpack(value)
    else:
        found = None
    if isinstance(found, np.generic):
        found = np.asarray(found)
    if not isinstance(found, np.ndarray):
        raise TypeError(
            f"a {type(value).__name__} has a shape but gives no numpy array\n"
            "  fix: log its numpy array"
        )
    return _known(found)


def _of_torch(tensor: Any) -> Any:
    """
    A tensor's values; types that numpy has not become float32.
    """
    tensor = tensor.detach()
    if getattr(tensor, "is_quantized", False):
        tensor = tensor.dequantize()
    if "strided" not in str(getattr(tensor, "layout", "strided")):
        tensor = _dense(tensor).to_dense()
    tensor = tensor.cpu()
    if "float8" in (name := str(tensor.dtype)) or "bfloat16" in name:
        tensor = tensor.float()
    for pending in ("resolve_conj", "resolve_neg"):
        tensor = getattr(tensor, pending, lambda same=tensor: same)()
    return tensor.numpy()


def _dense(value: Any) -> Any:
    """
    A sparse *value* if memory will hold all of it.
    """
    if math.prod(value.shape) > _MAX_DENSE_ITEMS:
        raise ValueError(
            f"a sparse array of shape {tuple(value.shape)} is too large\n"
            f"  expected: at most {_MAX_DENSE_ITEMS} items, zeros included\n"
            "  fix: log its values and indices"
        )
    return value


def _known(array: Array) -> Array:
    """
    *array* with a type that every reader has: bfloat16 becomes float32.
    """
    if array.dtype.isbuiltin == 2:  # another package's, as ml_dtypes's
        return array.astype("float32")
    return array


def is_plain(array: Array) -> bool:
    """
    Whether its bytes say all: no Python objects, and nothing masked.
    """
    if array.dtype.hasobject:
        return False
    from numpy import ma

    if not isinstance(array, ma.MaskedArray):
        return True
    # bytes: the mask of a structured array has no any()
    return not ma.getmaskarray(array).tobytes().strip(b"\0")


def dtype_of(array: Array) -> str:
    """
    The name of its type, as numpy writes it.
    """
    kind = array.dtype
    # of others, some are equal and yet called differently
    return _builtin_name(kind) if kind.isbuiltin == 1 else str(kind)


@functools.cache
def _builtin_name(kind: dtype[Any]) -> str:
    return str(kind)


def npy_of(array: Array) -> tuple[bytes, int]:
    """
    A ``.npy`` file in C order, and where the array's bytes begin in it.

    Raises:
        TypeError: Its type cannot be written without pickle.
    """
    import numpy as np

    array = np.asarray(array)  # of a subclass, its plain array
    head = _npy_head(array.dtype, array.shape)
    if not head:
        from numpy.lib import format as npy

        file = io.BytesIO()
        array = np.ascontiguousarray(array).reshape(array.shape)
        npy.write_array(file, array, version=(3, 0), allow_pickle=False)
        return file.getvalue(), file.tell() - array.nbytes
    if not array.flags.c_contiguous or not array.nbytes or not array.ndim:
        return head + array.tobytes("C"), len(head)
    # joined from its memory, which saves a copy
    return b"".join((head, array.reshape(-1).view("u1").data)), len(head)


@functools.lru_cache(maxsize=256)
def _npy_head(kind: dtype[Any], shape: tuple[int, ...]) -> bytes:
    """
    How the file of such arrays begins; empty if only version 3 can say it.
    """
    from numpy.lib import format as npy

    kind = npy.drop_metadata(kind)
    descr = npy.dtype_to_descr(kind)
    if kind.isbuiltin != 1 and npy.descr_to_dtype(descr) != kind:
        raise TypeError(f"an array of {kind} cannot be written as .npy")
    file = io.BytesIO()
    head = {"descr": descr, "fortran_order": False, "shape": shape}
    try:
        npy.write_array_header_1_0(file, head)
    except ValueError:  # names that version 1 has no room or no letters for
        return b""
    return file.getvalue()
