"""descended(cost, start): the one search by L-BFGS, with progress and an end that its caller may set."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import Bounds, OptimizeResult, minimize

from cortex_sim.runtime import track

MEMORY = 20  # steps that the Hessian is estimated from
Cost = Callable[[ndarray], tuple[float, ndarray]]


def descended(
    cost: Cost, start: ndarray, *, steps: int, label: str, enough: Callable[[float, float], bool] | None = None, **options: Any
) -> Float[ndarray, " entry"]:
    """Return the entries that a search from a start ends with.

    Args:
        cost: returns the cost of entries and its derivative by each.
        start: entries of any shape; those that come back are flat.
        steps: at most.
        label: of the progress.
        enough: whether to end, of the cost before a step and after it; when the search itself ends, if omitted.
        options: ``bounds`` of the entries, or ``ftol`` of scipy.
    """
    bounds: Bounds | None = options.pop("bounds", None)
    values = [np.inf]
    with track(label) as report:

        def settled(intermediate_result: OptimizeResult) -> None:
            values.append(float(intermediate_result.fun))
            report(min(1.0, (len(values) - 1) / steps), f"cost {values[-1]:.2e}")
            if enough and enough(values[-2], values[-1]):
                raise StopIteration

        found = minimize(cost, start.ravel(), jac=True, method="L-BFGS-B", callback=settled, bounds=bounds,
                         options={"maxiter": steps, "maxfun": 2 * steps, "maxcor": MEMORY} | options)  # fmt: skip
    return np.asarray(found.x)
