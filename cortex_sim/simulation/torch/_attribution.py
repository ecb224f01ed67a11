"""Which initial rates an output depends on: integrated gradients through a model's own dynamics."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from cortex_sim.cards import Model
from cortex_sim.errors import OptionError, TaskError
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.torch._inputs import Inputs
from cortex_sim.simulation.torch._twin import Twin

REACHED = 1e-6  # relative difference from a rate that the gain was inverted at
STEPS, MOST, AT_ONCE = 20, 640, 1000  # points of the Gauss-Legendre rule, at first and at most; trials unrolled together
COMPLETE = 1e-3  # of the spread of the sums: an error that more points should not leave


def integrated_gradients(
    model: Model,
    arrays: Mapping[str, Float[ndarray, "..."]],
    problem: Problem,
    output: Float[ndarray, " observed"],
    baseline: Float[ndarray, " observed"],
) -> tuple[Float[ndarray, "trial observed"], Float[ndarray, " trial"]]:
    r"""Attribute an output at the last bin to the initial rate of each observed unit.

    The output is :math:`f = w \cdot \hat y(T)`, where :math:`\hat y` is the model's activity from the initial rates y. Where each unit has a state of
    its own, x, that its rate determines, the attribution of unit i is :math:`(x_i - x'_i)\int_0^1 \partial_i f(x' + a (x - x'))\,da`, and y
    takes the place of x where rates are encoded otherwise. Attributions add up to :math:`f(y) - f(y')`. A path through states never comes
    to the end of a gain's range, where the state grows without bound.

    Args:
        model: one that starts from observed rates.
        arrays: its weights, by name.
        problem: has initial rates; T is its last bin.
        output: the weights w.
        baseline: the reference rates y'.

    Points of the integral are doubled while the sum misses by more than a thousandth of its spread: along the way from y' to y the dynamics may
    change abruptly, as where a network has several attractors.

    Returns:
        The attributions, and the error of their sum against f(y) - f(y'), both in the unit of the output.

    Raises:
        OptionError: captum is not installed.
        TaskError: attributions are not finite.

    Source:
        Sundararajan, Taly & Yan (2017) ICML, as captum computes it.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError:
        raise OptionError("integrated gradients need captum, which is not installed; pip install 'cortex-sim[explain]'.") from None
    twin = Twin(model, arrays)
    weights = torch.as_tensor(output, dtype=twin.dtype)
    alone = model.initial is None and (model.readout is None or model.projections[model.readout.weights].rule == "diagonal")

    def final(given: Float[Tensor, "trial place"], trial: Tensor) -> Float[Tensor, " trial"]:
        state = given if alone else _started(twin, problem, given, arrays)
        return twin.observe(twin.unroll(state, Inputs(twin, problem, trial.numpy()), problem).rates[:, -1:])[:, 0] @ weights

    wanted, origin = (torch.tensor(array, dtype=twin.dtype) for array in (problem.task.initial, baseline))
    origin = origin.expand_as(wanted)
    if alone:
        wanted, origin = (_started(twin, problem, rates, arrays).detach() for rates in (wanted, origin))
    points = STEPS
    while True:
        found, missed = IntegratedGradients(final).attribute(
            wanted, origin, additional_forward_args=torch.arange(len(wanted)), n_steps=points, internal_batch_size=AT_ONCE,
            return_convergence_delta=True,
        )  # fmt: skip
        if not torch.isfinite(found).all():
            raise TaskError(f"{model.name}: its attributions are not finite, since its activity or their gradient is not.")
        spread = float(found.detach().sum(dim=1).std(correction=0))
        if points >= MOST or float(missed.detach().abs().max()) <= COMPLETE * spread:
            return found.detach().numpy(), missed.detach().numpy()
        points *= 2


def _started(twin: Twin, problem: Problem, observed: Float[Tensor, "trial observed"], arrays: Mapping[str, ndarray]) -> Float[Tensor, "trial state"]:
    """Return the differentiable state for observed rates; where the gain is inverted, its derivative is one over the gain's slope.

    A rate beyond the range of the gain starts at the end of that range, whatever its value, so its derivative is 0.
    """
    if twin.model.initial is not None:
        return twin.encode(observed)
    given = observed.detach().numpy()
    readout = twin.model.readout
    if readout is not None and problem.carrier is not None:
        carrier = torch.as_tensor(problem.carrier, dtype=twin.dtype)
        observed = (observed - twin.array(readout.offset)) @ carrier.T
        given = observed.detach().numpy()
    from cortex_sim.simulation._dynamics import state_of

    state = torch.as_tensor(state_of(twin.model, given, arrays), dtype=twin.dtype)
    with torch.no_grad():
        rate, slope = torch.func.jvp(twin.rate, (state,), (torch.ones_like(state),))
    missed = observed - rate
    reached = (missed.detach().abs() <= REACHED * (1 + rate.abs())) & (slope != 0)
    return state + torch.where(reached, missed / torch.where(reached, slope, 1.0), 0.0)
