"""Local flow: do two systems move alike from similar states?"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._geometry import principal_part
from cortex_sim.comparison._measures import flat, measure
from cortex_sim.errors import ComparisonError
from cortex_sim.statistics import folds, order_by_content, squared_distances

FOLDS, STATES = 4, 1000  # of conditions; states of each at most, evenly over conditions and time, that are paired with all of the other system
RIDGE = 1e-6  # of the mean variance


def local_flow(
    a: Float[ndarray, "condition time unit"], b: Float[ndarray, "condition time other"], dt: float, *, seed: int = 0, reduce: bool = True
) -> float:
    r"""Return the agreement of one system's velocity v in a state with the other's, w, in the nearest state that it visits; 1 for one flow.

    The other system is mapped into the space of the first by a linear map fitted to some conditions. In the others, each state of the first is paired
    with the nearest state of the other, in any condition and at any time: :math:`2 \sum v^\top w / \sum (|v|^2 + |w|^2)`. Differences in
    direction and in speed both reduce it, and for independent flows it is 0. Of each fold at most 1,000 states are paired.

    Args:
        a: first system.
        b: other, with the same conditions and bins.
        dt: width of a bin, s.
        seed: of the folds.
        reduce: reduce to principal components first; False if these are principal components already.

    Raises:
        ComparisonError: conditions or bins differ, or there are too few.
    """
    if a.shape[:2] != b.shape[:2] or len(a) < FOLDS or a.shape[1] < 3:
        raise ComparisonError(f"local_flow: (condition, time) are {a.shape[:2]} and {b.shape[:2]}; they should match and be at least {FOLDS} and 3.")
    order = order_by_content(a, b)
    a, b = a[order], b[order]
    if reduce:
        a, b = principal_part(a), principal_part(b)
    along, sizes = 0.0, 0.0
    for split in folds(range(len(a)), count=FOLDS, seed=seed):
        X, Y = (x[split.train].reshape(-1, x.shape[2]) for x in (b, a))
        mean = X.mean(axis=0), Y.mean(axis=0)
        X, Y = X - mean[0], Y - mean[1]
        W = np.linalg.solve(X.T @ X + RIDGE * np.trace(X.T @ X) / X.shape[1] * np.eye(X.shape[1]), X.T @ Y)
        image = (b[split.test] - mean[0]) @ W + mean[1]
        there, its_flow = (flat(x, STATES) for x in (a[split.test], np.gradient(a[split.test], dt, axis=1)))
        nearest = squared_distances(there, flat(image)).argmin(axis=1)
        other = flat(np.gradient(image, dt, axis=1))[nearest]
        along += 2 * float((its_flow * other).sum())
        sizes += float((its_flow**2).sum() + (other**2).sum())
    return along / sizes if sizes > 0 else 0.0


@measure("local flow", better="higher", identical=1.0, unlike=0.0, about="velocities at the nearest place that the other system visits")
def _local(a: Float[ndarray, "condition time unit"], b: Float[ndarray, "condition time unit"], dt: float) -> float:
    return local_flow(a, b, dt, reduce=False)
