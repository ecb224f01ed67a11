"""Low-rank connectivity: a sum of outer products of Gaussian vectors.

Source:
    Mastrogiuseppe & Ostojic (2018) Neuron 99:609.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import OptionError


def build(
    shape: tuple[int, int], rng: np.random.Generator, *, rank: float, mean_m: float, sd_m: float, mean_n: float, sd_n: float
) -> Float[ndarray, "row column"]:
    r"""Return :math:`\sum_k m_k n_k^\top / N` with N sources, the entries of every m and n independent and Gaussian.

    At rank one the nonzero eigenvalue is n·m/N, which is ``mean_m * mean_n`` up to 1/sqrt(N).

    Args:
        shape: (rows, columns); a row is a target, a column a source.
        rng: draws the vectors.
        rank: number of outer products, at most the length of the shorter axis.
        mean_m: mean entry of the output directions m; M_m of the paper.
        sd_m: their standard deviation; Sigma_m.
        mean_n: mean entry of the input-selection directions n; M_n.
        sd_n: their standard deviation; Sigma_n.

    Raises:
        OptionError: the rank is not a whole number of at least 1.
    """
    if rank < 1 or rank != round(rank):
        raise OptionError(f"low_rank: rank {rank:g} should be a whole number, 1 or more.")
    m = rng.normal(mean_m, sd_m, (shape[0], round(rank)))
    n = rng.normal(mean_n, sd_n, (shape[1], round(rank)))
    return m @ n.T / max(1, shape[1])
