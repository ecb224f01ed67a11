"""The explained share of a sum of squares, for many selections and orders of conditions at the cost of one product of all with all."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

Parts = Sequence[Float[ndarray, "_row _time _unit"]]


class Explained:
    r"""The fraction :math:`1 - \sum_i |x_i - y_{o(i)}|^2 / \sum_i |x_i|^2` for any rows i and any order o of the other side.

    :math:`|x - y|^2 = |x|^2 + |y|^2 - 2 x^\top y`, so that the products of all rows with all, computed once, serve every order.

    Args:
        wanted: x, with conditions (or whatever is selected and reordered) first; or several arrays, all of which count.
        found: y, of the same shapes.
    """

    def __init__(self, wanted: Parts, found: Parts) -> None:
        count = len(wanted[0])
        self._products, (self._wanted, self._found, self._missed) = np.zeros((count, count)), np.zeros((3, count))
        for x, y in zip((one.reshape(count, -1) for one in wanted), (one.reshape(count, -1) for one in found), strict=True):
            self._products += x @ y.T
            self._wanted += np.einsum("ij,ij->i", x, x)
            self._found += np.einsum("ij,ij->i", y, y)
            self._missed += ((x - y) ** 2).sum(axis=1)

    @property
    def total(self) -> float:
        """Return the sum of squares that is to be explained."""
        return float(self._wanted.sum())

    def of(self, kept: Int[ndarray, " kept"]) -> float:
        """Return the explained fraction of these rows."""
        return float(1 - self._missed[kept].sum() / self._wanted[kept].sum())

    def missed(self, order: Int[ndarray, " row"]) -> float:
        """Return the sum of squared errors with the rows of the other side in this order."""
        rows = np.arange(len(order))
        if np.array_equal(order, rows):
            return float(self._missed.sum())
        return float(self._wanted.sum() + self._found.sum() - 2 * self._products[rows, order].sum())

    def at(self, order: Int[ndarray, " row"]) -> float:
        """Return the explained fraction of all rows, with those of the other side in this order."""
        return 1 - self.missed(order) / self.total
