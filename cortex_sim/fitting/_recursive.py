r"""Recursive least squares: linear regression that is exact after every sample, shared by all outputs of the same regressors.

After samples :math:`r_1 \dots r_n` with errors :math:`e_k = W_{k-1} r_k - f_k` the weights are those that minimise
:math:`\sum_k |W r_k - f_k|^2 + \alpha |W - W_0|^2`: ridge regression towards their initial values.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg.blas import dger, dsymv, dsyr


class Recursive:
    r"""The running inverse :math:`P = (\alpha I + \sum_k r_k r_k^\top)^{-1}`, of which only one triangle is updated.

    One triangle halves the memory traffic, and rounding cannot make P asymmetric.
    """

    def __init__(self, regressors: int, alpha: float) -> None:
        """Start with P = I / alpha.

        Args:
            regressors: their number, that of the columns of the weights.
            alpha: ridge penalty, in the unit of a squared regressor; the larger, the slower the weights change at first.
        """
        self._inverse = np.asfortranarray(np.eye(regressors) / alpha)

    @property
    def inverse(self) -> Float[ndarray, "regressor regressor"]:
        """Return P."""
        upper = np.triu(self._inverse)
        return upper + np.triu(upper, 1).T

    def gain(self, r: Float[ndarray, " regressor"]) -> Float[ndarray, " regressor"]:
        r"""Add a sample and return the change of each weight for an error of 1: :math:`P r` with P after the sample.

        Sherman and Morrison: with :math:`k = P r` before the sample, :math:`P \leftarrow P - k k^\top / (1 + r^\top k)`, and the gain is
        :math:`k / (1 + r^\top k)`.
        """
        k = dsymv(1.0, self._inverse, r)
        share = 1.0 / (1.0 + float(r @ k))
        self._inverse = dsyr(-share, k, a=self._inverse, overwrite_a=1)
        return k * share

    def learn(self, W: Float[ndarray, "output regressor"], r: Float[ndarray, " regressor"], error: Float[ndarray, " output"]) -> None:
        """Add a sample and correct the weights in place.

        Args:
            W: weights, float64 in C order.
            r: the regressors of the sample.
            error: W r minus its target.
        """
        dger(-1.0, self.gain(r), error, a=W.T, overwrite_a=1)
