"""Measures of geometric similarity up to rotation, shift and scale, over samples of all conditions and times."""

import numpy as np

from cortex_sim.comparison._geometry import Crossed, Overlap
from cortex_sim.comparison._measures import measure


@measure("Procrustes angle (rad)", better="lower", identical=0.0, unlike=np.pi / 2, joint=Overlap, about="angle after the best rotation")
def _angle(found: Crossed) -> float:
    return found.angle


@measure("linear CKA, debiased", better="higher", identical=1.0, unlike=0.0, joint=Overlap, about="similarity of the similarities of samples")
def _alignment(found: Crossed) -> float:
    return found.alignment
