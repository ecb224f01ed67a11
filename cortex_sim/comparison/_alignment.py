"""Measures of geometric similarity up to rotation, shift and scale, over samples of all conditions and times."""

import numpy as np

from cortex_sim.comparison._geometry import linear_cka, procrustes_angle
from cortex_sim.comparison._measures import Rates, flat, measure


@measure("Procrustes angle (rad)", better="lower", identical=0.0, unlike=np.pi / 2, about="angle after the best rotation")
def _angle(a: Rates, b: Rates, _: float) -> float:
    return procrustes_angle(flat(a), flat(b))


@measure("linear CKA, debiased", better="higher", identical=1.0, unlike=0.0, about="similarity of the similarities of samples")
def _alignment(a: Rates, b: Rates, _: float) -> float:
    return linear_cka(flat(a), flat(b))
