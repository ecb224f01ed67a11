r"""Target-based learning in closed form: a driven network provides each unit's target input, and ridge regression fits it.

The driven network has the student's untrained weights :math:`W_0` and also receives the target outputs, through random feedback F:
:math:`\hat x_{t+1} = \alpha \hat x_t + k\,(W_0 \hat r_t + F z_t) + \dots`. The student is to generate the current :math:`h_t = W_0 \hat r_t + F z_t`
itself, so W minimises :math:`\sum_t |W r_t - h_t|^2 + \lambda |W|^2` and the readout :math:`\sum_t |C r_t + d - y_t|^2 + \lambda |C|^2`: first over
the rates :math:`\hat r` of the driven network, then, in further rounds, also over those that the student visited, which teaches it to
return to the target rates. Full-FORCE does the same online. If each observed rate is one unit's, the rates themselves are the hidden targets, and
:func:`cortex_sim.fitting._regression.begin` does everything.

Source:
    DePasquale, Cueva, Rajan, Escola & Abbott (2018) PLoS ONE 13:e0191527 (the driven network); adding the states that the student visits:
    Ross, Gordon & Bagnell (2011) AISTATS 15:627.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import OptionError, TaskError
from cortex_sim.fitting import _free_running as free_running
from cortex_sim.fitting._options import Options, TrainingData, TrainingHistory
from cortex_sim.fitting._regression import begin
from cortex_sim.fitting._start import one_unit_each
from cortex_sim.runtime import stream
from cortex_sim.simulation import Problem
from cortex_sim.simulation.forms import Leaky

Samples = Float[ndarray, "sample unit"]
ACCEPTS = ()
"""Options that are used, besides those of every rule."""
DELAYS = False
"""The rule assumes that the next state follows from the present one, which is not so with delayed projections."""


def learn(
    model: Model,
    data: TrainingData,
    check: TrainingData,
    *,
    options: Options,
    seed: int,
    report: Callable[[float, str], None],
    ridge: float = 1e-4,
    feedback: float = 1.0,
    rounds: float = 15,
) -> TrainingHistory:
    """Regress, run the student, and regress again including the visited rates; return the history with the round of lowest validation error.

    Args:
        model: a leaky network with a readout.
        data: for the regression.
        check: decides which round is kept.
        options: the optimiser and its epochs are not used.
        seed: of the feedback.
        report: called with the completed fraction and a line of text.
        ridge: lambda, relative to the mean squared rate and the number of samples.
        feedback: standard deviation of F for an output with standard deviation 1.
        rounds: number of regressions.

    Raises:
        TaskError: the model is not a leaky network, has no readout to learn, or its recurrent weights are constrained.
        OptionError: a number is out of range.
    """
    free_running.check_options("target_regression", options)
    if rounds < 1 or not ridge > 0:
        raise OptionError(f"rule 'target_regression': rounds {rounds!r} should be 1 or more, and ridge {ridge!r} above 0.")
    leaky = Leaky.of(model, asked_by="rule 'target_regression'")
    if one_unit_each(model):
        arrays = begin(model, data, check).model.arrays()
        history = TrainingHistory(arrays)
        history.keep(free_running.check(leaky, arrays, data), free_running.check(leaky, arrays, check), arrays, named=model.name)
        return history
    _check_free(model, leaky)
    arrays = model.arrays()
    history, problem = TrainingHistory(arrays, best=free_running.check(leaky, arrays, check)), Problem(model, arrays, data.task, seed)
    rates, currents = driven(leaky, arrays, data, problem, feedback=feedback, seed=seed)
    visited = [rates]
    try:
        for number in range(int(rounds)):
            arrays = arrays | regressed(leaky, visited, currents, data, problem.every, ridge)
            visited.append(free_running.run(leaky, arrays, problem))
            loss = free_running.squared_error(free_running.outputs(leaky, arrays, problem, visited[-1]), data)
            history.keep(loss, free_running.check(leaky, arrays, check), arrays, named=model.name)
            report((number + 1) / rounds, f"round {number + 1}, loss {history.train[-1]:.4f}, validation {history.validation[-1]:.4f}")
    except KeyboardInterrupt:
        history.interrupted = True
    return history


def driven(
    leaky: Leaky, arrays: dict[str, ndarray], data: TrainingData, problem: Problem, *, feedback: float, seed: int
) -> tuple[Float[ndarray, "step trial unit"], Float[ndarray, "step trial unit"]]:
    """Return the rates of the driven network, and the recurrent currents that the student is to generate."""
    units, count = leaky.model.units, data.rates.shape[2]
    F = stream(seed, "student", "feedback of target regression").standard_normal((units, count)) * feedback / np.sqrt(count)
    counts = data.weights > 0
    mean = (data.rates * data.weights).mean(axis=(0, 1))
    wanted = np.where(counts, (data.rates - mean) / data.scale, 0.0)
    fed = np.repeat(np.moveaxis(wanted, 1, 0), problem.every, axis=0)[: problem.steps] @ F.T
    rates = free_running.run(leaky, arrays, problem, fed)
    return rates, rates @ arrays[leaky.recurrent].T + fed


def regressed(
    leaky: Leaky,
    visited: Sequence[Float[ndarray, "step trial unit"]],
    currents: Float[ndarray, "step trial unit"],
    data: TrainingData,
    every: int,
    ridge: float,
) -> dict[str, ndarray]:
    """Return recurrent weights and readout that fit the currents and the target outputs at all visited rates."""
    readout = leaky.model.readout
    assert readout is not None
    flat = np.concatenate([rates.reshape(-1, rates.shape[2]) for rates in visited])
    W = _ridge(flat, np.tile(currents.reshape(-1, currents.shape[2]), (len(visited), 1)), ridge)
    weights, wanted = (np.moveaxis(array, 1, 0) for array in (np.sqrt(data.weights), data.rates))
    bins = np.concatenate([np.insert(rates[::every], rates.shape[2], 1.0, axis=2) * weights for rates in visited])
    C = _ridge(bins.reshape(-1, bins.shape[2]), np.tile((wanted * weights).reshape(-1, wanted.shape[2]), (len(visited), 1)), ridge, free=1)
    return {leaky.recurrent: W, readout.weights: C[:, :-1], readout.offset: C[:, -1]}


def _ridge(r: Samples, h: Float[ndarray, "sample output"], ridge: float, free: int = 0) -> Float[ndarray, "output regressor"]:
    """Return the weights w that minimise |r w' - h|^2 + ridge n <r^2> |w|^2; the last ``free`` regressors are not penalised."""
    gram = r.T @ r
    held = np.arange(len(gram)) < len(gram) - free
    gram += ridge * np.trace(gram[np.ix_(held, held)]) / held.sum() * np.diag(held.astype(float))
    return np.linalg.solve(gram, r.T @ h).T


def _check_free(model: Model, leaky: Leaky) -> None:
    readout, part = model.readout, model.projections[leaky.recurrent]
    if readout is None or not model.projections[readout.weights].learn or not part.learn:
        raise TaskError(f"{model.name}: rule 'target_regression' needs a recurrent projection and a [readout], both with learn = true.")
    if part.rank or part.keep_zeros or part.excitatory is not None or not part.self_connections:
        raise TaskError(f"{model.name}: rule 'target_regression' solves for free weights; {leaky.recurrent!r} is constrained. Use rule 'bptt'.")
