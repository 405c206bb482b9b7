# SPDX-License-Identifier: BSD-3-Clause
"""Sums over blocks of rows whose bits do not depend on who computes which block, nor when.

What is summed, the objective knows.
"""

from __future__ import annotations


class Sums:
    """Vectors, one for each block, added in one fixed order: neighbours in pairs, then those sums in pairs, and so on.

    ::

        blocks   0   1   2   3   4        node (level, index): the sum of the 2**level blocks from index * 2**level on
        level 1  '-+-'   '-+-'
        level 2    '---+---'

    Of neighbouring nodes only the sum is kept, so that b blocks in a row take at most 2 log2(b) vectors.
    """

    def __init__(self):
        self.nodes = {}

    def add(self, block, vector):
        """Take over the vector of a block; it will be changed."""
        self._add(0, block, vector)

    def _add(self, level, index, vector):
        while (level, index ^ 1) in self.nodes:
            other = self.nodes.pop((level, index ^ 1))
            left, right = (other, vector) if index & 1 else (vector, other)
            left += right
            level, index, vector = level + 1, index >> 1, left
        self.nodes[level, index] = vector

    def merged(self, other):
        """The sums of both, which stay as they are."""
        both = Sums()
        for nodes in (self.nodes, other.nodes):
            for (level, index), vector in nodes.items():
                both._add(level, index, vector.copy())
        return both

    def total(self):
        """The sum of all blocks: nodes that have no neighbour are added from the right."""
        last = None
        for level, index in sorted(self.nodes, key=lambda node: node[1] << node[0], reverse=True):
            last = self.nodes[level, index].copy() if last is None else self.nodes[level, index] + last
        return last


class Partial:
    """Sums over some of an objective's rows, made by :meth:`Objective.partial`; add them with ``+``.

    It can be pickled and sent elsewhere.

    Attributes
    ----------
    rows : list of tuple
        The rows that are in it, as (start, stop), sorted.
    """

    def __init__(self, problem, rows, sums):
        self.rows, self._problem, self._sums = rows, problem, sums

    @property
    def loss(self):
        """The weighted sum of the losses of these rows."""
        return float(self._sums.total()[0]) if self._sums.nodes else 0.0

    @property
    def weight(self):
        """The sum of the weights of these rows, as the mean counts them."""
        return float(self._sums.total()[1]) if self._sums.nodes else 0.0

    def __add__(self, other):
        if not isinstance(other, Partial):
            return NotImplemented
        if other._problem != self._problem:
            raise ValueError("Partial: the parts are of different objectives, or at different parameters")
        rows = []
        for start, stop in sorted(self.rows + other.rows):
            if rows and start < rows[-1][1]:
                raise ValueError(f"Partial: row {start} is in both parts, but must be in one")
            if rows and start == rows[-1][1]:
                start = rows.pop()[0]
            rows.append((start, stop))
        return Partial(self._problem, rows, self._sums.merged(other._sums))

    def __radd__(self, zero):
        return self if zero == 0 else NotImplemented  # what sum() begins with

    def __repr__(self):
        return f"<Partial of rows {', '.join(f'{start}:{stop}' for start, stop in self.rows) or 'none'}>"
