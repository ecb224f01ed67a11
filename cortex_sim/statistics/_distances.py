"""Distances between samples."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def squared_distances(a: Float[ndarray, "sample axis"], b: Float[ndarray, "other axis"]) -> Float[ndarray, "sample other"]:
    """Return squared distances between all samples of two sets, by one matrix product: exact to round-off of the squared norms."""
    products = a @ b.T
    products *= -2
    products += (a**2).sum(axis=1)[:, None]
    products += (b**2).sum(axis=1)
    return np.maximum(products, 0.0, out=products)


def factored_distances(a: Float[ndarray, "sample axis"]) -> tuple[Float[ndarray, "sample factor"], Float[ndarray, "sample factor"]]:
    """Return two matrices, the product of whose rows is the squared distance of these samples: any block of distances is one matrix product.

    Distances near 0 may be negative by round-off of the squared norms. The last column of the second may be shifted to add a constant to all.
    """
    squares, ones = (a**2).sum(axis=1), np.ones(len(a))
    return np.column_stack([a, squares, ones]), np.column_stack([-2 * a, ones, squares])
