"""Fixed points of a model: many searches at once, with the derivative of the model's own equation text."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from cortex_sim.cards import Model, refuse_delays
from cortex_sim.simulation.torch._twin import Twin

STEPS = 200  # at most
STALLED = 1e-6  # share of |F|^2: a step that takes away less ends a search at a slow point; near a fixed point steps take away nearly all
FIRST, SMALLEST, LARGEST = 1e-3, 1e-12, 1e12  # damping, relative to the mean squared singular value of the derivative


Velocity = Callable[[Float[Tensor, " state"]], Float[Tensor, " state"]]


def search(
    velocity: Velocity, starts: Float[ndarray, "search state"], *, tolerance: float
) -> tuple[Float[ndarray, "search state"], Float[ndarray, "search state"], Float[ndarray, "search state state"]]:
    r"""Minimise :math:`|F(x)|^2`, F the time derivative of the state, from many states by Levenberg-Marquardt steps.

    Each search has its own damping, lowered after a step that helps and raised after one that does not. Near a fixed point the steps thus
    become Newton steps, and the residual falls to round-off.

    Args:
        velocity: F of one state, in float64.
        starts: initial states, in SI units.
        tolerance: a search ends once its largest \|F\| is below this, in SI units per second.

    Returns:
        The final states, F there, and the derivative of F with respect to the state there (1/s).
    """
    with torch.no_grad():
        x = torch.as_tensor(starts, dtype=torch.float64).clone()
        value, slope = _evaluated(velocity, x)
        damping = torch.full((len(x), 1, 1), FIRST, dtype=torch.float64)
        active = torch.arange(len(x))
        for _ in range(STEPS):
            active = active[(value[active].abs().amax(dim=1) > tolerance) & (damping[active, 0, 0] < LARGEST)]
            if not len(active):
                break
            moved = x[active] + _step(value[active], slope[active], damping[active])
            there, derivative = _evaluated(velocity, moved)
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


def _evaluated(velocity: Velocity, states: Float[Tensor, "search state"]) -> tuple[Tensor, Tensor]:
    """Return F and its derivative at every state."""

    def both(x: Float[Tensor, " state"]) -> tuple[Tensor, Tensor]:
        found = velocity(x)
        return found, found

    slope, value = torch.func.vmap(torch.func.jacfwd(both, has_aux=True))(states)
    return value, slope


def velocity_of(model: Model, arrays: Mapping[str, Float[ndarray, "..."]], inputs: Mapping[str, Float[ndarray, " unit"]]) -> Velocity:
    """Return the time derivative of a model's state as a function of the state, in float64.

    Args:
        model: its equation text is evaluated as it stands.
        arrays: weights and per-unit parameters.
        inputs: constant input to each unit, by name, in SI units; 0 for inputs not named.

    Raises:
        TaskError: a projection has a delay.
    """
    refuse_delays(model, "the stability of a fixed point")
    twin = Twin(model, arrays, dtype=torch.float64)
    held = {name: torch.as_tensor(inputs.get(name, 0.0), dtype=torch.float64) for name in model.inputs}
    fixed = twin._fixed() | {name: lambda t, i, now=value: now for name, value in held.items()} | {"t": 0.0, "i": None}
    fixed = {name: value.detach() if isinstance(value, Tensor) else value for name, value in fixed.items()}

    def velocity(x: Float[Tensor, " state"]) -> Float[Tensor, " state"]:
        variables = dict(zip(twin.equations.states, x[None].split(twin.model.units, dim=-1), strict=True))
        known = twin.equations.subexpressions({**fixed, **variables})
        return torch.cat([twin.equations.derivative(known, name) for name in twin.equations.states], dim=-1)[0]

    return velocity
