"""A chain of modules: dense within a module, sparse between neighbours, none between others.

Source:
    Michaels et al. (2020) PNAS 117:32124.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import OptionError


def build(
    shape: tuple[int, int], rng: np.random.Generator, *, modules: float, within: float, between: float, density: float
) -> Float[ndarray, "row column"]:
    """Return weights from N(0, within^2 / n) in modules of n units, and N(0, between^2 / n) for some pairs in neighbouring modules, both ways.

    Args:
        shape: (rows, columns), equal; the first units are the first module, and modules are as equal in size as possible.
        rng: draws the weights, and which pairs in neighbouring modules are connected.
        modules: number of modules.
        within: gain g of each isolated module.
        between: gain between neighbouring modules if all their pairs were connected.
        density: probability that a pair in neighbouring modules is connected.

    Raises:
        OptionError: the shape is not square, there are more modules than units, or density is not a probability.
    """
    if shape[0] != shape[1] or not 1 <= modules <= shape[0] or modules != round(modules):
        raise OptionError(f"modules: {modules:g} modules of shape {shape}; it should be square, with at least one unit a module.")
    if not 0 <= density <= 1:
        raise OptionError(f"modules: density {density:g} should lie between 0 and 1.")
    member = np.repeat(np.arange(round(modules)), [len(part) for part in np.array_split(np.arange(shape[0]), round(modules))])
    apart = np.abs(member[:, None] - member)
    sources = np.bincount(member)[member]
    weights = rng.standard_normal(shape) / np.sqrt(sources)
    kept = rng.random(shape) < density
    return weights * np.select([apart == 0, (apart == 1) & kept], [within, between], 0.0)
