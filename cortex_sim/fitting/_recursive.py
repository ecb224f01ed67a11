r"""Recursive least squares: linear regression that is exact after every sample, shared by all outputs of the same regressors.

After samples :math:`r_1 \dots r_n` with errors :math:`e_k = W_{k-1} r_k - f_k` the weights are those that minimise
:math:`\sum_k |W r_k - f_k|^2 + \alpha |W - W_0|^2`: ridge regression towards where they began.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg.blas import dger, dsymv, dsyr


class Recursive:
    r"""The running inverse :math:`P = (\alpha I + \sum_k r_k r_k^\top)^{-1}`, of which only one triangle is kept up to date.

    One triangle halves what has to be moved through memory, and rounding cannot make P asymmetric.
    """

    def __init__(self, regressors: int, alpha: float) -> None:
        """Begin with P = I / alpha.

        Args:
            regressors: number of them, the columns of the weights.
            alpha: of the ridge, in the unit of a squared regressor; the larger, the slower the weights change at first.
        """
        self._inverse = np.asfortranarray(np.eye(regressors) / alpha)

    @property
    def inverse(self) -> Float[ndarray, "regressor regressor"]:
        """P."""
        upper = np.triu(self._inverse)
        return upper + np.triu(upper, 1).T

    def gain(self, r: Float[ndarray, " regressor"]) -> Float[ndarray, " regressor"]:
        r"""Take in a sample and say how far each weight moves for an error of 1: :math:`P r` with P after the sample.

        Sherman and Morrison: with :math:`k = P r` before it, :math:`P \leftarrow P - k k^\top / (1 + r^\top k)`, and the gain is
        :math:`k / (1 + r^\top k)`.
        """
        k = dsymv(1.0, self._inverse, r)
        share = 1.0 / (1.0 + float(r @ k))
        self._inverse = dsyr(-share, k, a=self._inverse, overwrite_a=1)
        return k * share

    def learn(self, W: Float[ndarray, "output regressor"], r: Float[ndarray, " regressor"], error: Float[ndarray, " output"]) -> None:
        """Take in a sample and correct the weights in place.

        Args:
            W: of doubles in C order.
            r: the regressors that gave the error.
            error: W r minus what was wanted.
        """
        dger(-1.0, self.gain(r), error, a=W.T, overwrite_a=1)
