"""How nearby states diverge along a trajectory, from the derivative of the model's own steps."""

from collections.abc import Callable, Iterator, Mapping

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from cortex_sim.cards import Model, refuse_delays
from cortex_sim.simulation.torch._twin import Twin

Step = Callable[[Float[Tensor, "direction state"]], Float[Tensor, "direction state"]]


def growths(
    step: Step,
    state: Float[ndarray, " state"],
    directions: Float[ndarray, "state direction"],
    *,
    blocks: int,
    steps: int,
) -> Iterator[Float[ndarray, " direction"]]:
    """Carry directions along a trajectory, orthonormalised again after every block.

    Args:
        step: takes states one step on, in float64.
        state: initial state, in SI units.
        directions: orthonormal, in columns.
        blocks: number of blocks.
        steps: number of steps in a block.

    Yields:
        Log of the factor by which each direction has grown in a block, fastest first; not finite once the state is not.
    """
    with torch.no_grad():
        x = torch.as_tensor(state, dtype=torch.float64).repeat(directions.shape[1], 1)
        Q = torch.as_tensor(directions, dtype=torch.float64).T
        for _ in range(blocks):
            for _ in range(steps):
                x, Q = torch.func.jvp(step, (x,), (Q,))
            columns, R = torch.linalg.qr(Q.T)
            Q = columns.T.contiguous()
            yield R.diagonal().abs().log().numpy()


def step_of(model: Model, arrays: Mapping[str, Float[ndarray, "..."]]) -> Step:
    """Return one undriven step of a model's own integrator, in float64.

    Raises:
        TaskError: a projection has a delay.
    """
    refuse_delays(model, "a Lyapunov exponent")
    twin = Twin(model, arrays, dtype=torch.float64)
    fixed = twin._fixed() | {name: lambda t, i: 0.0 for name in model.inputs} | {"t": 0.0, "i": None}
    fixed = {name: value.detach() if isinstance(value, Tensor) else value for name, value in fixed.items()}
    return lambda x: twin._step(x, fixed, lambda rate: rate)[0]
