# SPDX-License-Identifier: BSD-3-Clause
"""The data matrix of a linear model, dense or sparse: how its rows are picked and multiplied.

What a matrix must be is in ``_check.py``; which rows go through together, the objective knows.
"""

from __future__ import annotations

import numpy as np

from .. import _check


def read(who, X):
    """The matrix as ``Dense`` or ``Sparse``, its entries finite."""
    return Sparse(who, X) if hasattr(X, "tocsr") else Dense(who, X)


class Dense:
    """A float matrix that BLAS takes as it is: contiguous along its rows or along its columns."""

    sparse = False

    def __init__(self, who, X):
        array = _check.as_floats(who, "X", X)
        if array.ndim != 2:
            raise ValueError(f"{who}: X has shape {array.shape}, but must be (n, d)")
        ordered = all(s > 0 for s in array.strides) and (
            _check.as_rows(array) is not None or _check.as_rows(array.T) is not None
        )
        self.X = array if ordered else np.ascontiguousarray(array)
        self.row_bytes = array.shape[1] * array.itemsize
        self._check(who)

    def _check(self, who, rows_at_once=1024):
        for start in range(0, len(self.X), rows_at_once):
            block = self.X[start : start + rows_at_once]
            finite = np.isfinite(block)
            if not finite.all():
                row, column = (int(i) for i in np.argwhere(~finite)[0])
                raise _check.not_finite(who, "X", (start + row, column), block[row, column])

    def rows(self, rows):
        """The rows of a slice (a view) or of an array of numbers."""
        return self.X[rows]

    def arrays(self):
        """What the matrix is stored as."""
        return (self.X,)

    def for_descent(self):
        """Rows with a contiguous last axis; Fortran order is copied."""
        rows = _check.as_rows(self.X)
        return np.ascontiguousarray(self.X) if rows is None else rows

    @staticmethod
    def multiply(x, coef, out):
        """``x @ coef.T`` into ``out``."""
        np.matmul(x, coef.T, out=out)

    @staticmethod
    def gradient(scores, x, out):
        """``scores.T @ x``; ``out`` may be used for it."""
        return np.matmul(scores.T, x, out=out)


class Sparse:
    """A SciPy matrix in CSR format; SciPy itself is reached through its methods only."""

    sparse = True

    def __init__(self, who, X):
        self.X = _check.sparse_rows(who, "X", X)
        n, entries = self.X.shape[0], self.X.data
        self.row_bytes = (entries.nbytes + self.X.indices.nbytes) // max(n, 1)
        bad = np.flatnonzero(~np.isfinite(entries))
        if bad.size:
            row = int(np.searchsorted(self.X.indptr, bad[0], side="right")) - 1
            raise _check.not_finite(who, "X", (row, int(self.X.indices[bad[0]])), entries[bad[0]])

    def rows(self, rows):
        """The rows of a slice or of an array of numbers, copied."""
        return self.X[rows]

    def arrays(self):
        """What the matrix is stored as."""
        return self.X.indptr, self.X.indices, self.X.data

    def for_descent(self):
        """(indptr, indices, entries), contiguous, the first two of one type."""
        kinds = {self.X.indptr.dtype, self.X.indices.dtype}
        index = np.dtype(np.int32) if kinds == {np.dtype(np.int32)} else np.dtype(np.int64)
        return (
            np.ascontiguousarray(self.X.indptr, index),
            np.ascontiguousarray(self.X.indices, index),
            np.ascontiguousarray(self.X.data),
        )

    @staticmethod
    def multiply(x, coef, out):
        """``x @ coef.T`` into ``out``."""
        out[...] = x @ coef.T

    @staticmethod
    def gradient(scores, x, out):
        """``scores.T @ x``."""
        return (x.T @ scores).T
