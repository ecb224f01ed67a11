"""Networks fitted to a circuit, so that fit and mechanism vary apart: rates taught, the output alone taught, constrained or not, stopped early."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import Side, delayed_reaches
from cortex_sim.cards import Model, load
from cortex_sim.cards.edit import held_to_rank, unconnected
from cortex_sim.comparison import leading_axes, ridge_from_first_bin
from cortex_sim.errors import CortexSimError, Diverged
from cortex_sim.fitting import Options, not_own_class, own_class, train, unit_scale, with_time_constant_of
from cortex_sim.runtime import load_arrays, save_arrays, seed_of, stream
from cortex_sim.simulation import recurrent_projections
from cortex_sim.studies.benchmark._circuits import Drawn
from cortex_sim.studies.benchmark._pushed import KINDS_OF_PUSH, LEADING, ONE, Battery, pushed_too, run
from cortex_sim.studies.benchmark._sizes import Sizes
from cortex_sim.tasks import BIN
from cortex_sim.trials import Trials

ALONE, RIDGE = "without connections", "ridge from the first bin"
CONTROLS = (ALONE, RIDGE)
TAUGHT_PUSHES = {"tanh, taught pushes along the components": LEADING, "tanh, taught pushes of units": ONE}  # network: kind of push
HIDDEN, OUTPUT, AXES, RATE, SPIKING_RATE = 100, 2, 6, 5e-3, 1e-2  # units; components that are taught alone; rank; of learning
UNSEEN, KEPT = 0.05, 0.9  # of the sum of squares of the rates: off the manifold; R² that rates of networks with stray weights keep
SIZES = 4.0 * 2.0 ** -np.arange(8)  # gains of stray weights that are tried, largest first
SEEN = 2  # a measure sees every second bin


@dataclass(frozen=True)
class Pupils:
    """What was fitted to one circuit.

    Attributes:
        names: of the networks and of the two controls, which come last.
        circuit: the circuit's rates in test conditions, in the bins that measures see.
        rates: theirs, (student, condition, time, unit).
        r2: fraction of the circuit's variance in test conditions that each explains.
        explained: fraction of the responses to pushes that each explains, (kind, draw, student); NaN where there is none.
    """

    names: tuple[str, ...]
    circuit: Float[ndarray, "condition time unit"]
    rates: Float[ndarray, "student condition time unit"]
    r2: Float[ndarray, " student"]
    explained: Float[ndarray, "kind draw student"]

    def save(self, path: Path) -> None:
        """Write them into a file, completely or not at all."""
        arrays = {name: getattr(self, name) for name in ("circuit", "rates", "r2", "explained")}
        save_arrays(path, arrays | {"names": np.frombuffer(json.dumps(self.names).encode(), np.uint8)})

    @classmethod
    def load(cls, path: Path) -> "Pupils":
        """Return those that :meth:`save` wrote.

        Raises:
            FileProblem: the file is damaged.
        """
        arrays = load_arrays(path)
        names = tuple(json.loads(arrays.pop("names").tobytes()))
        return cls(names, **arrays)

    @property
    def truths(self) -> dict[str, Float[ndarray, " student"]]:
        """Return the mean explained fraction of the responses by kind; NaN where there is none."""
        return {kind: each.mean(axis=0) for kind, each in zip(KINDS_OF_PUSH, self.explained, strict=True)}

    def reliability(self, kind: str) -> float:
        """Return the reliability of the truth of a kind (:func:`reliability_of`); NaN if it is unknown."""
        draws = self.explained[KINDS_OF_PUSH.index(kind)]
        return reliability_of(draws[:, np.isfinite(draws).all(axis=0)])


def reliability_of(draws: Float[ndarray, "draw student"]) -> float:
    """Return how far the mean over one half of the draws predicts that over the other, raised to all draws (Spearman and Brown); NaN if unknown."""
    one, other = draws[::2].mean(axis=0), draws[1::2].mean(axis=0)
    if len(one) < 3 or not (one.std() > 0 and other.std() > 0):
        return float("nan")
    r = float(np.corrcoef(one, other)[0, 1])
    return 2 * r / (1 + r) if r > -1 else float("nan")


def sides_of(drawn: Drawn, sizes: Sizes) -> tuple[Side, Side]:
    """Return training and test reaches of a circuit."""
    seed = seed_of(drawn.place.seed, "task", "reaches taught in the benchmark")
    training, test = delayed_reaches(drawn.model, (sizes.training, sizes.tested), seed=seed)
    return training, test


def pupils_of(drawn: Drawn, sizes: Sizes) -> Pupils:
    """Return networks fitted to a circuit, with their responses to pushes that none was taught.

    Args:
        drawn: the circuit.
        sizes: how many reaches, draws and epochs.
    """
    training, test = sides_of(drawn, sizes)
    battery = Battery.of(drawn, training.trials.rate, test, sizes.pushed)
    return examined(fitted_to(drawn, training, sizes), battery, training.trials)


def examined(models: Mapping[str, Model], battery: Battery, training: Trials) -> Pupils:
    """Return networks that were fitted to a circuit, and the two controls, with their responses to pushes.

    Args:
        models: networks by name.
        battery: pushes of the circuit.
        training: trials that ridge regression is fitted to.
    """
    test, circuit = battery.test, battery.drawn.model
    rates = {name: run(model, test.task).rate for name, model in models.items()}
    explained = {name: battery.explained(lambda task, model=model: run(model, task).rate, battery.with_gains(model))
                 for name, model in models.items()}  # fmt: skip
    alone = unconnected(circuit)
    rates[ALONE] = run(alone, test.task).rate
    explained[ALONE] = {kind: battery.scores(kind, each) for kind, each in battery.of_units(alone).items()}
    rates[RIDGE] = ridge_from_first_bin(training, test.trials).rate
    explained[RIDGE] = {kind: battery.scores(kind, [np.zeros_like(one) for one in true]) for kind, true in battery.true.items()}
    draws = max(len(each) for each in battery.true.values())
    table = np.full((len(KINDS_OF_PUSH), draws, len(rates)), np.nan)
    for student, name in enumerate(rates):
        for kind, scores in explained[name].items():
            table[KINDS_OF_PUSH.index(kind), :, student] = scores
    true, every = test.trials.rate, slice(None, None, SEEN)
    r2 = [explained_variance(true, own) for own in rates.values()]
    return Pupils(tuple(rates), true[:, every], np.stack(list(rates.values()))[:, :, every], np.array(r2), table)


def fitted_to(drawn: Drawn, side: Side, sizes: Sizes) -> dict[str, Model]:
    """Return the networks that are fitted to a circuit, by name; those that diverge are left out.

    Args:
        drawn: the circuit.
        side: training conditions.
        sizes: epochs of training at most.
    """
    circuit, seed, long, short = drawn.model, drawn.place.seed, sizes.epochs, max(1, sizes.epochs // 5)
    tanh, dale, hidden = (with_time_constant_of(rnn(name), circuit) for name in ("leaky_tanh", "leaky_dale", "leaky_readout"))
    sparse, gru, lstm = (with_time_constant_of(rnn(name), circuit) for name in ("leaky_sparse", "gru", "lstm"))
    hidden, sparse, gru, lstm = (one.with_arrays({}, units=HIDDEN) for one in (hidden, sparse, gru, lstm))
    spiking, output = rnn("lif_student").with_arrays({}, units=HIDDEN), replace(side, trials=output_alone(side.trials))
    asked: dict[str, tuple[Model, Side, Options]] = {
        "tanh, regression": (tanh, side, options_for(0)), "tanh": (tanh, side, options_for(long)),
        "tanh, random start": (tanh, side, options_for(long, closed_form=False)),
        "tanh, stopped early": (tanh, side, options_for(short, closed_form=False)), "Dale": (dale, side, options_for(long)),
        "rank 6": (held_to_rank(tanh, min(AXES, circuit.units)), side, options_for(long)), "hidden units": (hidden, side, options_for(long)),
        "hidden units, stopped early": (hidden, side, options_for(short)), "sparse hidden units": (sparse, side, options_for(long)),
        "GRU": (gru, side, options_for(short)), "LSTM": (lstm, side, options_for(short)), "tanh, output alone": (tanh, output, options_for(long)),
        "spiking units": (spiking, side, replace(options_for(max(1, long // 2)), rate=SPIKING_RATE)),
    }  # fmt: skip
    asked |= {name: (tanh, pushed_too(drawn, side, kind), options_for(long)) for name, kind in TAUGHT_PUSHES.items()}
    if len(recurrent_projections(circuit)) == 1 and not not_own_class(circuit, BIN):
        asked = {"own equations": (own_class(circuit, BIN), side, options_for(0))} | asked
    found: dict[str, Model] = {}
    for place, (name, (model, taught, options)) in enumerate(asked.items()):
        try:
            own = seed_of(seed, "student", "networks of the benchmark", place)
            found[name] = train(model, taught.trials, taught.task, seed=own, options=options).model
        except CortexSimError:  # what diverges is no student
            continue
    if "own equations" in found:
        found |= _strayed(found["own equations"], side, seed)
    return found


def options_for(epochs: int, *, closed_form: bool = True) -> Options:
    """Return how networks are trained for so many epochs at most."""
    return Options(epochs=epochs, patience=max(1, epochs), rate=RATE, batch=32, closed_form=closed_form)


def rnn(name: str) -> Model:
    """Return a shipped card of a network."""
    card = load(name)
    assert isinstance(card, Model)
    return card


def output_alone(trials: Trials) -> Trials:
    """Return the part of the rates in two components, as of an output that drives a limb: what a network trained on the task must make."""
    rates = trials.rate
    axes, mean = leading_axes(rates)[:, :OUTPUT], rates.mean(axis=(0, 1))
    return Trials.from_arrays((rates - mean) @ axes @ axes.T + mean, trials.time, condition=trials.condition)


def _strayed(model: Model, side: Side, seed: int) -> dict[str, Model]:
    """Return a fitted model with random weights added, as large as its rates hardly change: equal R² by choice, and other mechanisms.

    Off the manifold, the weights are felt by directions alone that hold little of the variance of the rates; anywhere, by all directions.
    """
    (name,) = recurrent_projections(model)
    W, scale = model.arrays()[name], unit_scale(side.trials.rate)
    flat = (side.trials.rate / scale).reshape(-1, model.units)
    values, axes = np.linalg.eigh(flat.T @ flat)
    away = axes[:, np.cumsum(values) < UNSEEN * values.sum()] / scale[:, None]
    free = stream(seed, "student", "weights that stray").standard_normal(W.shape) / np.sqrt(model.units)
    found = {}
    for kind, added in {"strayed off the manifold": free @ away @ np.linalg.pinv(away), "strayed anywhere": free}.items():
        tried = (model.with_arrays({name: W + size * added}) for size in SIZES)
        close = (one for one in tried if _explains(one, side) > KEPT)
        if (one := next(close, None)) is not None:
            found[f"own equations, {kind}"] = one
    return found


def _explains(model: Model, side: Side) -> float:
    try:
        return explained_variance(side.trials.rate, run(model, side.task).rate)
    except Diverged:
        return -np.inf


def explained_variance(true: Float[ndarray, "condition time unit"], own: Float[ndarray, "condition time unit"]) -> float:
    """Return the explained fraction of the variance of all units together; 0 is each unit's mean."""
    return float(1 - ((own - true) ** 2).sum() / ((true - true.mean(axis=(0, 1))) ** 2).sum())
