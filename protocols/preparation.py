"""Does a motor cortex that is controlled optimally prepare a movement within tens of milliseconds?

Reproduces  Kao, Sadabadi & Hennequin (2021) Neuron 109:1567: an inhibition-stabilised network, feedback that minimises the prospective error of the
            movement (LQR), and naive preparation by a constant input, on a two-joint arm.
Claim       feedback brings the prospective error below 10 % within tens of ms, naive preparation not within 500 ms; 100 ms of either differ by more
            than a hundredfold; at rest and in prepared states nothing is put out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import erf

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "kao_2021"
FEEDBACK, NAIVE = "feedback (LQR)", "naive (constant input)"
DIRECTIONS = np.linspace(-36.0, 216.0, 8)  # deg
DISTANCE, LASTS, SPEEDY = 0.20, 0.6, 0.14  # m, s, and the time in the speed profile (t/0.14)^2 exp(-(t/0.14)^2/2)
HOME = (0.0, 0.1991)  # m from the shoulder
PREPARED = (0.05, 0.1, 0.2, 0.3, 0.5)  # s of preparation
LONG, MOVED = 0.6, 0.6  # s that are simulated before and after the go cue
SPREAD, PREFERRED, RESTED = 0.2, 20, 0.15  # s.d. of prepared states; directions they are drawn from; s.d. of the spontaneous state
PENALTY = 0.1  # lambda
BUMP = {"rise": 0.05, "decay": 0.5, "size": 5.0}  # of the movement input, s
RIDGE = 1e-4  # of the readout's regression, relative to the mean squared rate
NULLS = 100
VERIFIED = "independent implementation with another draw: {}"
MEASURES = ("prospective error after {:g} ms, relative to none", "distance of the hand from the target after {:g} ms of preparation (cm)",
            "alignment of preparation with movement")  # fmt: skip


@dataclass(frozen=True)
class Set:
    """A circuit, what it should prepare, and what reads it out.

    Attributes:
        model: with its spontaneous state and, for feedback, its controller.
        wanted: states to be prepared, (reach, unit).
        readout: torques by rates of the excitatory units, (2, unit).
        Q: cost of a departure, for the controller and for judging.
        costs: least cost of feedback summed over directions, and that without.
    """

    model: cs.Model
    wanted: np.ndarray
    readout: np.ndarray
    Q: np.ndarray
    costs: tuple[float, float]


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Prepare eight reaches by feedback and by a constant input, release them after different times, and move the arm.

    Args:
        model: circuit with a spontaneous state (x_rest of kao_2021), a projection for feedback (K) and an input that lets it act (hold).
        seed: of the spontaneous state and of the prepared states.
        smoke: a small circuit and two times: shows that everything runs, its numbers mean nothing.
    """
    _parts(model)
    seconds: dict[str, float] = {}
    times = PREPARED[1::3] if smoke else PREPARED
    hand = reaches()
    with cs.timed(seconds, "circuit"):
        judged, made = _sets(_small(model) if smoke else model, hand, seed)
    with cs.timed(seconds, "preparation"), cs.track("preparing") as shown:
        errors, moved, rates = {}, {}, {}
        known = {name: _prepared(judged, name)[0] for name in (FEEDBACK, NAIVE)}
        for place, name in enumerate((FEEDBACK, NAIVE)):
            errors[name], rates[name] = _prepared(made, name)
            for number, lasts in enumerate(times):
                moved[name, lasts] = _moved(made, name, lasts)
                shown((place + (number + 1) / len(times)) / 2, f"{name}, {1e3 * lasts:g} ms")
    scores = [score for name in errors for score in _scores(name, errors[name], {t: moved[name, t] for t in times}, rates[name], hand, seed)]
    return cs.Report(
        title=QUESTION, question=f"{made.model.title}; {len(DIRECTIONS)} reaches of {100 * DISTANCE:g} cm by {cs.body.HUMAN.name}.",
        answer=_answer(scores, errors, known, times), claims=_exact(made, model) + ([] if smoke else _claims(judged, known, hand)), scores=scores,
        pictures=_pictures(errors, known, moved, times, hand),
        trials={f"rates, {name}": one for name, one in rates.items()}, models={"circuit": made.model},
        methods=_methods(), facts={"units": str(made.model.units)}, smoke=smoke,
        seed=seed, seconds=seconds,
    )  # fmt: skip


def reaches() -> np.ndarray:
    """Places of the hand at every ms, m from the shoulder, (reach, time, 2); its speed is that of the paper's reaches."""
    s = np.arange(round(MOVED / cs.tasks.DT)) * cs.tasks.DT / SPEEDY

    def gone(s: np.ndarray) -> np.ndarray:
        return np.sqrt(np.pi / 2) * erf(s / np.sqrt(2)) - s * np.exp(-(s**2) / 2)

    along = DISTANCE * gone(s) / gone(np.array(LASTS / SPEEDY))
    angle = np.radians(DIRECTIONS)
    return np.array(HOME) + along[None, :, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None]


def torques(hand: np.ndarray) -> np.ndarray:
    """Torques that move the hand so, (reach, time, 2), N m."""
    q = cs.body.HUMAN.joints(hand)
    speed = np.gradient(q, cs.tasks.DT, axis=1)
    return cs.body.HUMAN.torque(q, speed, np.gradient(speed, cs.tasks.DT, axis=1))


class Parts(NamedTuple):
    """Names that a card gives to what this protocol needs."""

    W: str
    K: str
    W_hold: str
    x_rest: str


def _parts(model: cs.Model) -> Parts:
    """Tell the connections from the feedback, which acts only while the input that has weights does, and find the spontaneous state.

    Raises:
        OptionError: the circuit has no such parts.
    """
    hold, rest = [item.weights for item in model.inputs.values() if item.listens], list(model.parsed.parameters)
    recurrent = cs.simulation.recurrent_projections(model)
    if len(hold) == len(rest) == 1 and len(recurrent) == 2 and len(model.parsed.states) == 1:
        one = model.with_arrays({}, units=1)
        arrays = {name: np.zeros((1, 1)) for name in recurrent} | {name: np.ones(1) for name in rest}
        off = [np.ptp([cs.simulation.flow(one, arrays, np.ones(1), dict.fromkeys(recurrent, 0.0) | {name: size})[0] for size in (0.0, 1.0)]) == 0
               for name in recurrent]  # fmt: skip
        if sum(off) == 1:
            return Parts(recurrent[off.index(False)], recurrent[off.index(True)], str(hold[0]), rest[0])
    found = f"it has {len(rest)} parameters of every unit, {len(recurrent)} projections of the rate and {len(hold)} inputs with weights"
    raise cs.errors.OptionError(f"{model.name}: preparation needs a spontaneous state, connections, and feedback that an input lets act; {found}, "
                                f"where {MODEL} has 1, 2 and 1.")  # fmt: skip


def _small(model: cs.Model) -> cs.Model:
    projections = {name: part.model_dump() for name, part in model.projections.items()}
    projections[_parts(model).W]["arguments"]["abscissa"]["value"] = 0.9
    return model.with_arrays({}, units=60, projections=projections)


def _sets(model: cs.Model, hand: np.ndarray, seed: int) -> tuple[Set, Set]:
    """Draw the spontaneous state and the states to be prepared, and find the controllers for a random readout and for one fitted to the torques."""
    parts = _parts(model)
    units, W = model.units, model.arrays()[parts.W]
    rest = 1 + RESTED * cs.stream(seed, "circuit", "spontaneous state").standard_normal(units)
    model = model.with_arrays({parts.x_rest: rest, parts.W_hold: np.ones((units, 1))})
    A, E = W - np.eye(units), round(0.8 * units)
    rng = cs.stream(seed, "task", "prepared states")
    drawn = np.zeros((2, units))
    drawn[:, :E] = rng.standard_normal((2, E))
    preferred = np.linalg.eigh(cs.analysis.observability(A, drawn))[1][:, ::-1][:, : min(PREFERRED, units)]
    away = rng.standard_normal((len(hand), preferred.shape[1])) @ preferred.T
    wanted = rest + SPREAD * away / away.std(axis=1, keepdims=True)
    silent = np.maximum(np.vstack([rest, wanted]), 0.0)[:, :E]
    free = np.eye(E) - np.linalg.pinv(silent) @ silent
    drawn[:, :E] = drawn[:, :E] @ free
    return _controlled(model, wanted, drawn), _controlled(model, wanted, _readout(model, wanted, torques(hand), free))


def _controlled(model: cs.Model, wanted: np.ndarray, readout: np.ndarray) -> Set:
    A = model.arrays()[_parts(model).W] - np.eye(model.units)
    Q = cs.analysis.observability(A, readout)
    Q *= model.units / np.trace(Q)
    control = cs.analysis.lqr(A, Q, PENALTY)
    return Set(
        model.with_arrays({_parts(model).K: control.K}),
        wanted,
        readout,
        Q,
        (float(np.trace(control.S)), float(np.trace(cs.analysis.cost_without_feedback(A, Q)))),
    )


def _readout(model: cs.Model, wanted: np.ndarray, torque: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Regress torques on excitatory rates of the movements, in the directions that leave rest and prepared states silent."""
    E = len(free)
    task = replace(_movement(model.units, len(wanted)), start=0.0)
    rates = np.maximum(_states(model, task, wanted), 0.0)[:, :, :E]
    X = (rates @ free).reshape(-1, E)
    Y = torque[:, :: round(cs.tasks.BIN / cs.tasks.DT)].reshape(-1, 2)
    gram = X.T @ X + RIDGE * np.trace(X.T @ X) / E * np.eye(E)
    readout = np.zeros((2, model.units))
    readout[:, :E] = np.linalg.solve(gram, X.T @ Y).T @ free
    return readout


def _movement(units: int, trials: int) -> cs.Task:
    """What follows the go cue: the input of the movement, the same for every unit and reach."""
    bare = cs.Task("movement", 0.0, MOVED, np.arange(trials))
    return replace(bare, drives=(cs.tasks.Drive(np.ones((trials, units)), _bump(bare.fine_time), "movement input"),))


def _bump(time: np.ndarray) -> np.ndarray:
    rise, decay, size = BUMP["rise"], BUMP["decay"], BUMP["size"]
    course = np.where(time >= 0, np.exp(-np.maximum(time, 0) / decay) - np.exp(-np.maximum(time, 0) / rise), 0.0)
    peak = np.log(decay / rise) * rise * decay / (decay - rise)
    return size * course / (np.exp(-peak / decay) - np.exp(-peak / rise))


def _states(model: cs.Model, task: cs.Task, start: np.ndarray) -> np.ndarray:
    """States at every bin, (reach, time, unit), from given ones."""
    found = []
    for trial, state in enumerate(start):
        begun = {model.parsed.state: {"value": state.tolist(), "unit": "1", "meaning": "where it begins"}}
        one = model.with_arrays({}, initial_values=begun, channels=0 if task.channels is None else 1)
        found.append(cs.simulation.trajectory(cs.simulation.Problem(one, one.arrays(), task.select([trial])))[0])
    return np.stack(found)


def _task(made: Set, name: str, lasts: float) -> cs.Task:
    """Preparation for a while, by either strategy, and the movement that follows."""
    model, arrays = made.model, made.model.arrays()
    parts = _parts(model)
    rest, W, K = arrays[parts.x_rest], arrays[parts.W], arrays[parts.K]
    start = -round(lasts / cs.tasks.BIN) * cs.tasks.BIN
    bare = replace(_movement(model.units, len(made.wanted)), start=start, drives=())
    before = (bare.fine_time < -cs.tasks.DT / 2).astype(float)
    steady = made.wanted - rest - (np.maximum(made.wanted, 0) - np.maximum(rest, 0)) @ W.T
    if name == FEEDBACK:
        steady = steady - np.maximum(made.wanted, 0) @ K.T
    hold = xr.DataArray(np.tile(before[None, :, None], (bare.trials, 1, 1)), dims=("trial", "step", "channel"), attrs={"units": "1"})
    drives = (cs.tasks.Drive(steady, before, "preparatory input"), cs.tasks.Drive(np.ones_like(steady), _bump(bare.fine_time), "movement input"))
    return replace(bare, drives=drives, channels=hold if name == FEEDBACK else None)


def _run(made: Set, name: str, lasts: float) -> tuple[cs.Task, np.ndarray]:
    task = _task(made, name, lasts)
    return task, _states(made.model, task, np.tile(made.model.arrays()[_parts(made.model).x_rest], (task.trials, 1)))


def _prepared(made: Set, name: str) -> tuple[np.ndarray, cs.Trials]:
    """Prospective error of every reach at every bin of a long preparation, relative to that at its start, and rates from there to the end."""
    task, states = _run(made, name, LONG)
    off = states - made.wanted[:, None]
    error = np.einsum("rtu,uv,rtv->rt", off, made.Q, off)
    before = task.time < -1e-9
    return error[:, before] / error[:, :1], cs.Trials.from_arrays(np.maximum(states, 0.0), task.time, condition=np.round(DIRECTIONS, 1), units="1")


def _moved(made: Set, name: str, lasts: float) -> cs.body.Movement:
    """The arm, moved by the torques that are read out after the go cue."""
    task, states = _run(made, name, lasts)
    torque = (np.maximum(states, 0.0) @ made.readout.T)[:, task.time >= -1e-9]
    body = cs.body.Body(cs.body.HUMAN, None, HOME, delay=None)
    body = replace(body, arm=replace(cs.body.HUMAN, limits=((-np.inf, np.inf),) * 2))
    return cs.body.Movement.of(body, cs.body.Moving.replay(body, torque, cs.tasks.BIN), torque, task.time[task.time >= -1e-9])


def _missed(movement: cs.body.Movement, hand: np.ndarray) -> np.ndarray:
    """Distance from the target at the end, cm."""
    return np.linalg.norm(movement.made[:, -1] - 100 * (hand[:, -1] - np.array(HOME)), axis=1)


def _scores(name: str, error: np.ndarray, moved: Mapping[float, cs.body.Movement], rates: cs.Trials, hand: np.ndarray, seed: int) -> list[cs.Score]:
    rng = cs.stream(seed, "null", "permuted movements of preparation")
    count, scores = len(error), []
    for lasts, movement in moved.items():
        left = error[:, round(lasts / cs.tasks.BIN)]
        scores.append(cs.Score(
            MEASURES[0].format(1e3 * lasts), name, f"{count} reaches", float(left.mean()), "lower", 0.0, np.ones(1), "no preparation",
            cs.statistics.jackknifed(lambda kept, left=left: float(left[kept].mean()), count), "reaches", ceiling=0.0,
            settings={"ceiling": "the state that is wanted", "reaches": left.tolist()},
        ))  # fmt: skip
        missed = _missed(movement, hand)
        null = np.array([_missed(movement, hand[cs.trials.derangement(count, rng)]).mean() for _ in range(NULLS)])
        scores.append(cs.Score(
            MEASURES[1].format(1e3 * lasts), name, f"{count} reaches", float(missed.mean()), "lower", 0.0, null, "targets of other reaches",
            cs.statistics.jackknifed(lambda kept, missed=missed: float(missed[kept].mean()), count), "reaches", ceiling=0.0,
            settings={"ceiling": "the target", "cm": missed.tolist()},
        ))  # fmt: skip
    parts = [rates.window(*span).rate for span in ((-0.3, 0.0), (0.05, 0.35))]
    parts = [part - part.mean(axis=0) for part in parts]
    aligned = cs.measures.alignment_index(parts[1], parts[0], axes=6)
    mixed = [cs.measures.alignment_index(parts[1] @ _turn(rng, parts[1].shape[2]), parts[0], axes=6) for _ in range(NULLS // 5)]
    scores.append(
        cs.Score(
            MEASURES[2],
            name,
            f"{count} reaches",
            aligned,
            "lower",
            0.0,
            np.array(mixed),
            "movement turned at random",
            cs.statistics.jackknifed(lambda kept: cs.measures.alignment_index(parts[1][kept], parts[0][kept], axes=6), count),
            "reaches",
            ceiling_reason="rates are without noise",
        )
    )
    return scores


def _turn(rng: np.random.Generator, units: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((units, units)))[0]


def _exact(made: Set, model: cs.Model) -> list[cs.Claim]:
    arrays, parts = made.model.arrays(), _parts(model)
    W, E = arrays[parts.W], round(0.8 * made.model.units)
    silent = np.abs(made.readout @ np.maximum(np.vstack([arrays[parts.x_rest], made.wanted]), 0.0).T).max()
    row_sum = float(model.projections[parts.W].arguments["row_sum"].si)
    return [
        cs.Claim("largest torque put out at rest or in a prepared state (N m)", float(silent), 0, 1e-10, "by construction; round-off"),
        cs.Claim("eigenvalue of the uniform mode, apart from the sum of a row", float(np.abs(np.linalg.eigvals(W) - row_sum).min()), 0, 1e-9,
              "by construction; round-off"),
        cs.Claim("spectral abscissa of the circuit", cs.cards.spectral_abscissa(W), -np.inf, 1.0, "it is stable"),
        cs.Claim("spectral abscissa of excitation alone", cs.cards.spectral_abscissa(W[:E, :E]), 1.0, np.inf, "inhibition-stabilised"),
    ]  # fmt: skip


def _claims(made: Set, errors: Mapping[str, np.ndarray], hand: np.ndarray) -> list[cs.Claim]:
    mean = {name: error.mean(axis=0) for name, error in errors.items()}
    at = {name: {lasts: float(one[round(lasts / cs.tasks.BIN)]) for lasts in PREPARED} for name, one in mean.items()}
    torque = np.abs(torques(hand))
    speed = np.linalg.norm(np.diff(hand, axis=1), axis=2).max() / cs.tasks.DT
    naive = {0.05: 0.997, 0.1: 0.973, 0.2: 0.842, 0.3: 0.695, 0.5: 0.415}
    return [
        cs.Claim("peak speed of the hand that is wanted (m/s)", float(speed), 0.835, 0.845, VERIFIED.format("0.84")),
        cs.Claim("largest shoulder torque (N m)", float(torque[..., 0].max()), 3.44 * 0.98, 3.44 * 1.02, VERIFIED.format("3.44, within 2 %")),
        cs.Claim("largest elbow torque (N m)", float(torque[..., 1].max()), 1.01 * 0.98, 1.01 * 1.02, VERIFIED.format("1.01, within 2 %")),
        cs.Claim("feedback: error after 50 ms", at[FEEDBACK][0.05], 0, 3 * 0.0075, VERIFIED.format("0.0075, up to three times")),
        cs.Claim("feedback: error after 100 ms", at[FEEDBACK][0.1], 0, 0.01, VERIFIED.format("0.0012, with a floor of 0.003 to 0.005")),
        *(
            cs.Claim(f"naive: error after {1e3 * lasts:g} ms", at[NAIVE][lasts], value - 0.25, value + 0.25, VERIFIED.format(f"{value}, within 0.25"))
            for lasts, value in naive.items()
        ),
        cs.Claim("naive over feedback after 100 ms", at[NAIVE][0.1] / at[FEEDBACK][0.1], 100, np.inf, "threshold of the independent implementation"),
        cs.Claim(
            "least cost of feedback, summed over directions", made.costs[0], 18.3 / 2, 18.3 * 2, VERIFIED.format("18.3, within a factor of two")
        ),
        cs.Claim("the same without control", made.costs[1], 596 / 2, 596 * 2, VERIFIED.format("596, within a factor of two")),
    ]


def _within(error: np.ndarray) -> str:
    below = np.flatnonzero(error.mean(axis=0) < 0.1)
    return f"within {1e3 * cs.tasks.BIN * below[0]:.0f} ms" if len(below) else f"not within {1e3 * LONG:.0f} ms"


def _answer(scores: Sequence[cs.Score], errors: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray], times: Sequence[float]) -> str:
    by = {(score.measure, score.student): score.estimate for score in scores}
    parts = []
    for name, error in errors.items():
        missed = by[MEASURES[1].format(1e3 * times[0]), name], by[MEASURES[1].format(1e3 * times[-1]), name]
        parts.append(
            f"{name}: the prospective error falls below 10 % {_within(known[name])} for a random readout and "
            f"{_within(error)} for one fitted to torques; "
            f"after {1e3 * times[0]:g} ms of it the hand misses by {missed[0]:.1f} cm, after {1e3 * times[-1]:g} ms by {missed[1]:.1f} cm"
        )
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def _pictures(
    errors: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    moved: Mapping[tuple[str, float], cs.body.Movement],
    times: Sequence[float],
    hand: np.ndarray,
) -> dict[str, cs.Picture]:
    wanted = 100 * (hand - np.array(HOME))[:, :: round(cs.tasks.BIN / cs.tasks.DT)]
    lines = {"none": np.ones(errors[FEEDBACK].shape[1])} | {f"{name}, {kind} readout": error.mean(axis=0)
             for kind, each in (("random", known), ("fitted", errors)) for name, error in each.items()}  # fmt: skip
    figure = cs.figures.curves(
        1e3 * cs.tasks.BIN * np.arange(errors[FEEDBACK].shape[1]), lines, xlabel="time of preparation (ms)", ylabel="prospective error"
    )
    figure.axes[0].set_yscale("log")
    rows = {name: {f"{1e3 * lasts:g} ms": moved[name, lasts] for lasts in times} for name in errors}
    return {
        "error": cs.Picture(figure, "Prospective error of the movement", "Relative to no preparation; mean over reaches."),
        "paths": cs.Picture(
            cs.figures.pushed(rows, wanted), "Where the hand goes after so much preparation",
            "A colour a reach; dashed: what is wanted. Torques are read out linearly of excitatory rates.",
        ),
    }  # fmt: skip


def _methods() -> str:
    return f"""
    Prepared states lie {SPREAD:g} (s.d. over units) from the spontaneous state, in random directions among the {PREFERRED} that a random readout of
    the excitatory units sees best. Two readouts are used, both blind to rest and to every prepared state: that random one, by which the numbers of
    the independent implementation are judged, and the ridge regression of the torques of eight reaches on the excitatory rates that follow each
    state, which moves the arm. States and readouts are not trained further, which the paper does. The prospective error of a state x is (x - x*)' Q
    (x - x*), Q the observability Gramian of the circuit and its readout, scaled to a trace of N: what the circuit, if it were linear and left alone,
    would put out wrongly.

    Naive preparation: the constant input that makes x* the place of rest. Feedback: K r and the constant that goes with it, K of the linear quadratic
    regulator with lambda = {PENALTY:g}; it acts on rates, which are rectified, and is switched off at the go cue, when an input common to all units
    starts the movement. The whole of it is one card, simulated as it is written; the arm gets the torques in steps of {1e3 * cs.tasks.BIN:g} ms.
    """
