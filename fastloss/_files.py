# SPDX-License-Identifier: BSD-3-Clause
"""Files that hold arrays by name and what JSON can say: written whole, read without trust. NumPy's npz, no pickle.

What is in them, optimizers and checkpoints know.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
import zlib

import numpy as np

# What reading a damaged file may raise, from the file system to the JSON in it.
DAMAGED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError)
DAMAGED += (EOFError, OSError, zipfile.BadZipFile, zlib.error)

HEADER = 512  # bytes of a member besides its numbers; what NumPy writes has about 400
ABOUT, ABOUT_MORE = 2**16, 2**11  # bytes of the dict, and for each array that may be there


def write_file(path, about, arrays):
    """Write a dict for JSON, and arrays by name, such that at any moment the old or the new file is there."""
    content = io.BytesIO()
    np.savez(content, about=np.array(json.dumps({**about, "entries": sorted(arrays)})), **arrays)
    replace_file(path, content.getbuffer())


def read_about(opened, about_bytes=ABOUT):
    """The dict alone of what :func:`write_file` wrote, with the names of the arrays in its ``entries``."""
    with zipfile.ZipFile(opened) as file:
        return _about(file, about_bytes)


def read_file(opened, shapes, about_bytes=ABOUT):
    """(dict, arrays) that :func:`write_file` wrote; raises one of DAMAGED if the file is no longer that.

    ``shapes`` maps the names of arrays that may be there to their shapes. Every size that the file declares is checked
    against them before anything of that size is allocated or read.
    """
    about_bytes += ABOUT_MORE * len(shapes)
    most = about_bytes + sum(8 * math.prod(shape) + HEADER for shape in shapes.values())
    size = os.fstat(opened.fileno()).st_size
    if size > most:
        raise ValueError(f"it has {size} bytes, but these parameters need at most {most}")
    with zipfile.ZipFile(opened) as file:
        about = _about(file, about_bytes)
        names = about["entries"]
        if sorted(file.namelist()) != sorted(f"{name}.npy" for name in ["about", *names]) or len({*names}) < len(names):
            raise ValueError("entries are missing or too many")
        return about, {name: _member(file, name, shapes[name], "fiu", 8 * math.prod(shapes[name])) for name in names}


def _about(file, most):
    return json.loads(str(_member(file, "about", (), "U", most)))


def _member(file, name, shape, kinds, most):
    """An array in a zip file, stored as it is (so nothing unpacks to more than it was), of known shape."""
    info = file.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > most + HEADER:
        raise ValueError(f"{name} has {info.file_size} bytes, but must be stored in at most {most + HEADER}")
    with file.open(info) as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError(f"{name} has another version")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(member)
        wanted = dtype.itemsize * math.prod(shape)
        if found != shape or dtype.kind not in kinds or info.file_size - member.tell() != wanted:
            raise ValueError(f"{name} is an array of {dtype} and shape {found}, but the parameter has shape {shape}")
        return np.ndarray(shape, dtype, member.read(), order="F" if fortran else "C")


def replace_file(path, content):
    """Write a file such that at any moment the old or the new one is there."""
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the new name itself must reach the disk too
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
