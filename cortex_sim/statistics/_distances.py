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
