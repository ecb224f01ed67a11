"""The closed-form start of training: regression of a student's own equation under teacher forcing, kept if the student then runs well."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import Diverged, TaskError
from cortex_sim.fitting._encoder import with_encoder
from cortex_sim.fitting._free_running import squared_error
from cortex_sim.fitting._options import TrainingData
from cortex_sim.fitting._signed import signed_least_squares
from cortex_sim.fitting._start import one_unit_each, own_class
from cortex_sim.runtime import stream, warn
from cortex_sim.simulation import Problem, driven_inputs, flow, rate_of, recurrent_projections, simulate, state_of
from cortex_sim.tasks import BIN

PROBES = 5  # states at which a parameter is taken for a bias
PART = 64  # trials regressed at a time, to keep memory small
RIDGES: tuple[float, ...] = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)  # penalties that are tried, of the mean squared rate
# Standard deviations of the states of hidden units that are tried, and penalties. Smaller ones begin nearer to the rates, and answer pushes far
# worse (docs/hidden-units.md).
SPREADS = 0.3, 0.6
HIDDEN_RIDGES: tuple[float, ...] = (1e-3, 1e-2, 1e-1)
OPEN = 1e-6  # of the largest weight: what stands for 0 where zeros are kept but this one may grow
LINEAR = 1e-9  # relative departure from linearity in the recurrent input that is round-off
Sums = tuple[Float[ndarray, "regressor regressor"], Float[ndarray, "regressor unit"]]


@dataclass(frozen=True)
class Beginning:
    """The start of training: the student, and the origin of its weights in words."""

    model: Model
    said: str


def begin(model: Model, data: TrainingData, check: TrainingData) -> Beginning:
    """Return the student with the weights of lowest validation error: regressed with one of several penalties, or untrained.

    Teacher forcing fits each step from the recorded state, and does not reveal whether the small errors of single steps grow when the student runs
    freely. Each candidate therefore runs freely, and that error decides. If the untrained weights are best, a line on standard error says so.

    Hidden units, which stand for no neuron, are given states by a random encoder of the rates; several sizes of these states are tried too.

    Args:
        model: sized to the data.
        data: for the regression.
        check: data that decide between the candidates.
    """
    if reason := unregressed(model, data):
        return Beginning(model, f"untrained weights ({reason})")
    if encodes(model):
        given, ridges = {f", states of {spread:g}": with_encoder(model, data, spread) for spread in SPREADS}, HIDDEN_RIDGES
    else:
        given, ridges = {"": model}, RIDGES
    made = {f"penalty {ridge:g}{how}": regressed for how, one in given.items() for ridge, regressed in regressions(one, data, ridges)}
    errors = {how: free_error(regressed, check) for how, regressed in made.items()}
    best, untrained = min(errors, key=lambda how: errors[how]), free_error(model, check)
    if errors[best] <= untrained:
        return Beginning(made[best], f"closed-form regression with {best}")
    said = f"untrained weights (error {untrained:.3g} on validation conditions; {errors[best]:.3g} after the closed-form regression)"
    warn(f"{model.name}: training starts from {said}")
    return Beginning(model, said)


def unregressed(model: Model, data: TrainingData) -> str | None:
    """Return why the recurrent weights of a student have no closed-form solution; None if they have."""
    return unsolved(model, data.task.bin) or _unsuited(model, recurrent_of(model), data)


def unsolved(model: Model, bin: float) -> str | None:
    """Return which property of a card prevents a closed-form solution of its weights from rates at such bins (s); None if none does."""
    learned = [name for name in recurrent_projections(model) if model.projections[name].learn]
    states, lines = model.parsed.states, [line for line in model.parsed.equations.values() if learned[:1] and learned[0] in line.names]
    step = f"the card has {model.integrator!r} and {model.dt.si * 1e3:g} ms"
    late = [name for name, part in model.projections.items() if part.delay and part.delay.si]
    reasons = (
        (bool(late), lambda: f"{late[0]!r} has a delay, and the regression takes each step from the state before it"),
        (len(states) != 1, lambda: f"each unit has {len(states)} state variables ({', '.join(states)}), which rates do not tell"),
        (len(states) == 1 and not one_unit_each(model) and not encodes(model), lambda: "its units are not the observed ones"),
        (len(learned) != 1, lambda: f"{len(learned)} recurrent projections are learned; it solves for one"),
        (any(model.projections[name].rank for name in learned), lambda: f"{learned[0]!r} is held to a rank"),
        (model.integrator != "euler" or abs(model.dt.si - bin) > 1e-9, lambda: f"it takes Euler steps of one bin of {bin * 1e3:g} ms; {step}"),
        (
            len(lines) != 1 or f"{learned[0]}({model.rate})" not in lines[0].expression.replace(" ", ""),
            lambda: f"{learned[0]!r} carries something other than the rate {model.rate!r}",
        ),
    )
    return next((reason() for holds, reason in reasons if holds), None)


def not_own_class(circuit: Model, bin: float = BIN) -> str | None:
    """Return why a student with a circuit's own equations has no closed-form solution from its rates at such bins (s); None if it has."""
    if circuit.is_map and abs(circuit.dt.si - bin) > 1e-9:
        return f"it is a map in steps of {circuit.dt.si * 1e3:g} ms, of which bins of {bin * 1e3:g} ms make another"
    return unsolved(own_class(circuit, bin), bin)


def encodes(model: Model) -> bool:
    """Return whether hidden units start from the observed rates through an encoder, which says what their states are at any other rates."""
    return model.initial is not None and model.readout is not None and model.rate != model.parsed.state and len(model.parsed.states) == 1


def recurrent_of(model: Model) -> str:
    """Return the name of the one recurrent projection that is learned."""
    return next(name for name in recurrent_projections(model) if model.projections[name].learn)


def _unsuited(model: Model, recurrent: str, data: TrainingData) -> str | None:
    """Return what in the data, or in the equations at its states, prevents the regression; None if nothing does."""
    if not _counting(model, data).any():
        return "no two bins that follow each other count"
    try:
        _, state = _courses(model, data.rates[:PROBES], model.arrays())
    except TaskError as problem:
        return str(problem).removeprefix(f"{model.name}: ").rstrip(".")
    still, once, twice = (flow(model, model.arrays(), state, {recurrent: size}) for size in (0.0, 1.0, 2.0))
    gain = once - still
    if not np.isfinite(gain).all() or not gain.all():
        return f"at some states {recurrent!r} moves nothing"
    if not np.allclose(twice - once, gain, rtol=LINEAR, atol=LINEAR * np.abs(still).max()):
        return f"the equations are not linear in {recurrent!r}"
    return None


def free_error(model: Model, data: TrainingData) -> float:
    """Return the squared error of a free-running student, as training measures it; infinite if it diverges."""
    try:
        found = simulate(model, data.task, seed=data.seed, backend="torch").rate
    except Diverged:
        return float("inf")
    error = squared_error(found, data)
    return error if np.isfinite(error) else float("inf")


def regressions(model: Model, data: TrainingData, ridges: tuple[float, ...] = RIDGES) -> Iterator[tuple[float, Model]]:
    r"""Yield closed-form solutions for the recurrent weights under teacher forcing, one for each of several penalties.

    With the state x computed from the rates, one Euler step gives :math:`(x_{t+1} - x_t)/\Delta t = f(x_t, 0) + a\,W r_t`, which is linear in W;
    f and a are evaluated from the model's own equation text. Biases that enter like W r are fitted with it, without a penalty. Steps count
    if both their bins do and no unit is clamped. Entries that the card keeps at 0 have no regressor. Under Dale's law the same
    squared error is minimised over weights of the required signs, which is convex.

    Args:
        model: one for which :func:`unregressed` gives no reason.
        data: rates to reproduce; the task's drives and channels are the inputs.
        ridges: penalties, relative to the mean squared rate.

    Yields:
        Each penalty, and the model with its solution.
    """
    recurrent = recurrent_of(model)
    bias = bias_of(model, recurrent)
    gram, moments = normal_equations(model, recurrent, data, bias)
    units = moments.shape[1]
    allowed = _allowed(model, recurrent)
    signs = None if model.projections[recurrent].excitatory is None else model.signs(recurrent)
    chosen = None
    for ridge in ridges:
        penalised = gram + ridge * np.trace(gram[:units, :units]) / units * np.diag((np.arange(len(gram)) < units).astype(float))
        if signs is None:
            solution = _solved(penalised, moments, allowed)
        else:
            solution, chosen = signed_least_squares(penalised, moments, signs, allowed, chosen)
        if signs is not None and model.projections[recurrent].keep_zeros:
            W = solution[:, :units]
            W[allowed & (W == 0)] = (OPEN * np.abs(W).max() * np.broadcast_to(signs, W.shape))[allowed & (W == 0)]
        yield ridge, model.with_arrays({recurrent: solution[:, :units]} | ({bias: solution[:, -1]} if bias else {}))


def _allowed(model: Model, recurrent: str) -> Bool[ndarray, "target source"]:
    """Return which entries the card does not keep at 0."""
    part, weights = model.projections[recurrent], model.arrays()[recurrent]
    allowed = weights != 0 if part.keep_zeros else np.ones(weights.shape, dtype=bool)
    return allowed if part.self_connections else allowed & ~np.eye(len(weights), dtype=bool)


def bias_of(model: Model, recurrent: str) -> str | None:
    """Return the name of the learned parameter that affects every unit as recurrent input does; None if there is none."""
    return next((name for name in model.parsed.parameters if model.parameters[name].learn and _adds_to(model, recurrent, name)), None)


def _adds_to(model: Model, recurrent: str, parameter: str) -> bool:
    """Return whether a parameter affects every unit as recurrent input of the same size does."""
    rng = stream(0, "analysis", "states to measure a flow at")
    state, size = rng.standard_normal((2, PROBES, model.units))
    arrays = {name: np.zeros_like(value) if name == parameter else value for name, value in model.own_parameters().items()}
    held = dict.fromkeys(recurrent_projections(model), 0.0)
    as_parameter, as_input, still = (
        np.stack([flow(model, arrays | {parameter: row}, x, held) for x, row in zip(state, given, strict=True)])
        if given is not None else flow(model, arrays, state, held | {recurrent: size})
        for given in (size, None, 0 * size)
    )  # fmt: skip
    return bool(np.abs(as_input - still).max() > 0) and np.allclose(as_parameter, as_input, rtol=1e-9, atol=1e-9 * np.abs(as_input).max())


def _courses(
    model: Model, observed: Float[ndarray, "trial time observed"], arrays: dict[str, ndarray]
) -> tuple[Float[ndarray, "trial time unit"], Float[ndarray, "trial time unit"]]:
    """Return the rates and states of the units that correspond to observed rates."""
    if model.initial is not None:
        state = observed @ arrays[model.initial.weights].T + arrays[model.initial.offset]
        return rate_of(model, state, arrays), state
    readout = model.readout
    rates = (observed - arrays[readout.offset]) / np.diag(arrays[readout.weights]) if readout else observed
    return rates, state_of(model, rates, arrays)


def _counting(model: Model, data: TrainingData) -> Float[ndarray, "trial step"]:
    """Return the weight of each step between bins: the geometric mean of its two bins' weights, 0 while units are clamped."""
    weights = data.weights[:, :, 0].copy()
    for *_, course in Problem(model, model.arrays(), data.task).clamps:
        weights[:, course] = 0.0
    return np.sqrt(weights[:, :-1] * weights[:, 1:])


def normal_equations(model: Model, recurrent: str, data: TrainingData, bias: str | None) -> Sums:
    """Return sums of products of the regressors (rates, and 1 for a bias) with themselves and with the target of W r."""
    parts = np.array_split(np.arange(data.task.trials), -(-data.task.trials // PART))
    sums = [_sums(model, recurrent, replace(data, task=data.task.select(part), rates=data.rates[part]), bias) for part in parts]
    gram, moments = (np.sum(each, axis=0) for each in zip(*sums, strict=True))
    return gram, moments


def _sums(model: Model, recurrent: str, data: TrainingData, bias: str | None) -> Sums:
    """Return them for a part of the trials."""
    arrays, counting = model.arrays(), _counting(model, data)
    rates, state = _courses(model, data.rates, arrays)
    unbiased = arrays | ({bias: 0.0 * arrays[bias]} if bias else {})
    still, gain = (flow(model, unbiased, state, {recurrent: coupling}) for coupling in (0.0, 1.0))
    gain = gain - still
    problem = Problem(model, arrays, data.task)
    for names, given in _inputs(problem, state.shape):
        moved = flow(model, unbiased, state, {recurrent: 0.0} | dict.fromkeys(names, 1.0)) - flow(model, unbiased, state, {recurrent: 0.0})
        still = still + moved * given
    wanted = (np.diff(state, axis=1) / model.dt.si - still[:, :-1]) / gain[:, :-1]
    regressors = np.insert(rates[:, :-1], [rates.shape[2]] * (bias is not None), 1.0, axis=2)
    counts = counting > 0
    design, weights = regressors[counts], counting[counts][:, None]
    return design.T @ (weights * design), design.T @ (weights * wanted[counts])


def _inputs(problem: Problem, shape: tuple[int, ...]) -> Iterator[tuple[list[str], Float[ndarray, "trial time unit"]]]:
    """Yield names of inputs with the same content, and this content for each unit and bin: the drives, and channels through their weights."""
    total = np.zeros(shape)
    for pattern, course in problem.patterns:
        total += pattern[:, None, :] * course[None, :, None]
    yield driven_inputs(problem.model), total
    for name, heard in problem.stimuli.items():
        yield [name], heard @ problem.arrays[str(problem.model.inputs[name].weights)].T


def _solved(
    gram: Float[ndarray, "regressor regressor"],
    moments: Float[ndarray, "regressor unit"],
    allowed: Bool[ndarray, "unit source"],
) -> Float[ndarray, "unit regressor"]:
    """Return the least-squares solution of each unit over its allowed sources; regressors beyond the sources are allowed for all."""
    if allowed.all():
        return np.linalg.solve(gram, moments).T
    found = np.zeros(moments.T.shape)
    for row, free, wanted in zip(found, np.pad(allowed, ((0, 0), (0, len(gram) - allowed.shape[1])), constant_values=True), moments.T, strict=True):
        row[free] = np.linalg.solve(gram[np.ix_(free, free)], wanted[free])
    return found
