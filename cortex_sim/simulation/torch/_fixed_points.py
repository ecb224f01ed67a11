"""Fixed points of a model: many searches at once, with the derivative of the model's own equation text."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from cortex_sim.cards import Model, refuse_delays
from cortex_sim.simulation.torch._twin import Twin

STEPS = 200  # at most
STALLED = 1e-6  # share of |F|^2: a step that takes away less ends a search at a slow point; near a fixed point steps take away nearly all
FIRST, SMALLEST, LARGEST = 1e-3, 1e-12, 1e12  # damping, relative to the mean squared singular value of the derivative


def search(
    model: Model,
    arrays: Mapping[str, ndarray],
    starts: Float[ndarray, "search state"],
    inputs: Mapping[str, Float[ndarray, " unit"]],
    *,
    tolerance: float,
) -> tuple[Float[ndarray, "search state"], Float[ndarray, "search state"], Float[ndarray, "search state state"]]:
    r"""Minimise :math:`|F(x)|^2`, F the time derivative of the state, from many states by Levenberg-Marquardt steps.

    Each search has its own damping, lowered after a step that helps and raised after one that does not. Near a fixed point the steps thus
    become Newton steps, and the residual falls to round-off.

    Args:
        model: its equation text is evaluated as it stands, in float64.
        arrays: weights and per-unit parameters.
        starts: initial states, in SI units.
        inputs: constant input to each unit, by name, in SI units; 0 for inputs not named.
        tolerance: a search ends once its largest \|F\| is below this, in SI units per second.

    Returns:
        The final states, F there, and the derivative of F with respect to the state there (1/s).

    Raises:
        TaskError: a projection has a delay.
    """
    refuse_delays(model, "the stability of a fixed point")
    twin = Twin(model, arrays, dtype=torch.float64)
    held = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in inputs.items()}
    with torch.no_grad():
        x = torch.as_tensor(starts, dtype=torch.float64).clone()
        value, slope = _evaluated(twin, x, held)
        damping = torch.full((len(x), 1, 1), FIRST, dtype=torch.float64)
        active = torch.arange(len(x))
        for _ in range(STEPS):
            active = active[(value[active].abs().amax(dim=1) > tolerance) & (damping[active, 0, 0] < LARGEST)]
            if not len(active):
                break
            moved = x[active] + _step(value[active], slope[active], damping[active])
            there, derivative = _evaluated(twin, moved, held)
            before, after = value[active].square().sum(dim=1), there.square().sum(dim=1)
            better = after < before
            taken = active[better]
            x[taken], value[taken], slope[taken] = moved[better], there[better], derivative[better]
            damping[active] = torch.where(better[:, None, None], damping[active] / 10, damping[active] * 10).clamp(min=SMALLEST)
            active = active[~better | (after < (1 - STALLED) * before)]
        return x.numpy(), value.numpy(), slope.numpy()


def _step(value: Float[Tensor, "search state"], slope: Float[Tensor, "search state state"], damping: Tensor) -> Float[Tensor, "search state"]:
    gram = slope.mT @ slope
    typical = gram.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    damped = gram + damping * typical * torch.eye(gram.shape[1], dtype=gram.dtype)
    return -torch.linalg.solve_ex(damped, slope.mT @ value[:, :, None])[0][:, :, 0]


def _evaluated(twin: Twin, states: Float[Tensor, "search state"], inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return F and its derivative at every state."""
    constant = {name: inputs.get(name, torch.zeros((), dtype=twin.dtype)) for name in twin.model.inputs}
    fixed = twin._fixed() | {name: lambda t, i, now=value: now for name, value in constant.items()} | {"t": 0.0, "i": None}

    def velocity(x: Float[Tensor, " state"]) -> tuple[Tensor, Tensor]:
        variables = dict(zip(twin.equations.states, x[None].split(twin.model.units, dim=-1), strict=True))
        known = twin.equations.subexpressions({**fixed, **variables})
        found = torch.cat([twin.equations.derivative(known, name) for name in twin.equations.states], dim=-1)[0]
        return found, found

    slope, value = torch.func.vmap(torch.func.jacfwd(velocity, has_aux=True))(states)
    return value, slope
