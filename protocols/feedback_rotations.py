"""Do rotations need recurrent connections?

Reproduces  the claims of Kalidindi, Cross, Lillicrap et al. (2021) eLife 10:e67256 for reaches: in networks that control an arm with delayed sensory
            feedback, units rotate and so do the sensory signals, and both still do in a network without recurrent connections. There with two
            layers of 500 units; here with one of 50, an arm after theirs, and the cut of the feedback in addition, which says what rotates by itself.
Claim       with and without recurrent connections the arm reaches, units and sensory signals rotate more than if each reach went as well
            backwards in time, and units more than muscles; without connections rotations end when the feedback is cut.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "leaky_readout"
UNITS, REACHES, DURATION = 50, 8, {"preparation": 0.1, "movement": 0.7}  # s before and after the go cue
OPTIONS = cs.Options(epochs=80, batch=REACHES, rate=5e-3, patience=80, validation=0)
MOVING, END = (0.05, 0.45), 0.5  # s after the go cue: where rotations are looked for, and from when on the hand should be on the target
RECURRENT, WITHOUT = "recurrent", "no recurrent connections"
ROWS = UNIT, SENSES, MUSCLES, CUT, RAW = "units", "sensory signals", "muscles", "units, feedback cut", "units, untrained"
MEASURE, NULLS = "jPCA R²(M_skew)", 200
OWN, PUBLISHED, GOAL = "bound of this protocol, set beforehand", "Kalidindi et al. (2021)", "asked of reaches that were trained"


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train a network on the arm with recurrent connections and one without, and look for rotations in each and in what each feels.

    Args:
        model: network with a readout and one recurrent projection whose rule has a gain.
        seed: of the weights before training and of the null.
        smoke: few steps of learning: its numbers mean nothing.

    Raises:
        OptionError: the network has no such projection.
    """
    recurrent = [] if model.is_map or not model.readout else cs.simulation.recurrent_projections(model)
    if len(recurrent) != 1:
        raise cs.errors.OptionError(f"{model.name}: should be a network with a readout and one recurrent projection, such as {MODEL}.")
    seconds: dict[str, float] = {}
    free = replace(cs.body.REACHING, arm=replace(cs.body.REACHING.arm, limits=((-np.inf, np.inf),) * 2))  # joints bend too far without feedback
    task = cs.tasks.centre_out(REACHES, **DURATION, body=free if smoke else cs.body.REACHING)
    network = model.with_arrays({}, units=UNITS)
    networks = {RECURRENT: network, WITHOUT: _unconnected(network, recurrent[0])}
    options = replace(OPTIONS, epochs=2) if smoke else OPTIONS
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_many({name: cs.fitting.Job(each, task.wanted, task, seed, options) for name, each in networks.items()})
    with cs.timed(seconds, "movements"):
        moved = {name: cs.move(fit.model, task)[1] for name, fit in fitted.items()}
        signals = {name: _signals(fit, task, replace(task, body=free), moved[name]) for name, fit in fitted.items()}
    with cs.timed(seconds, "rotations"):
        turns = {(name, row): _turning(trials) for name, each in signals.items() for row, trials in each.items()}
        scores = [_score(name, row, signals[name][row], turns[name, row], seed) for name, row in turns]
    value = {key: turn.r2_skew for key, turn in turns.items()}
    missed = {name: float(_missed(task, movement).max()) for name, movement in moved.items()}
    weights = float(np.abs(fitted[WITHOUT].model.arrays()[recurrent[0]]).max())
    said = {row: f"{value[RECURRENT, row]:.2f} and {value[WITHOUT, row]:.2f}" for row in ROWS}
    return cs.Report(
        title=QUESTION, question=f"{REACHES} reaches by {cs.body.REACHING.arm.name}; senses are {1e3 * (cs.body.REACHING.delay or 0):g} ms late.",
        answer=f"R²(M_skew) with and without recurrent connections: units {said[UNIT]}, sensory signals {said[SENSES]}, muscles {said[MUSCLES]}. "
        f"With the feedback cut, units of the same networks are left with {said[CUT]}; before training they had {said[RAW]}.",
        claims=[cs.Claim("no recurrent connections: largest weight after training", weights, 0.0, 0.0, "by construction"),
                *([] if smoke else _claims(value, scores, missed))],
        scores=scores, pictures=_pictures(turns, moved, task), models={name: fit.model for name, fit in fitted.items()},
        trials={f"{row}, {name}": trials for name, each in signals.items() for row, trials in each.items()}, methods=_methods(),
        facts={name: f"hand off by at most {far:.2f} cm at the end" for name, far in missed.items()}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _unconnected(network: cs.Model, projection: str) -> cs.Model:
    """Return the network with recurrent weights that are 0 and do not learn."""
    bare = cs.edit.with_argument(network, projection, gain=0.0)
    parts = {name: part.model_dump() for name, part in bare.projections.items()}
    parts[projection]["learn"] = False
    return bare.with_arrays({}, projections=parts)


def _signals(fit: cs.Fitted, task: cs.Task, free: cs.Task, movement: cs.body.Movement) -> dict[str, cs.Trials]:
    """Return what rotates or does not: units, lengths and velocities of muscles, activations, units that feel nothing, untrained units."""

    def trials(values: Float[ndarray, "reach time signal"]) -> cs.Trials:
        return cs.Trials.from_arrays(values, task.time, condition=task.condition, units="1")

    muscles = cs.body.REACHING.muscles
    assert muscles is not None
    felt = np.concatenate(muscles.lengths(movement.angle, np.gradient(movement.angle, cs.tasks.BIN, axis=1)), axis=2)
    cut = cs.perturb.cut_feeling(free, span=(float(free.time[0]), float(free.time[-1])))
    units = {UNIT: (fit.model, task), CUT: (fit.model, cut), RAW: (fit.start, free)}
    return {SENSES: trials(felt), MUSCLES: trials(movement.activation)} | {row: cs.hidden(*each) for row, each in units.items()}


def _states(trials: cs.Trials) -> Float[ndarray, "reach time signal"]:
    """Return soft-normalised signals while the hand moves, about their mean over reaches."""
    return cs.analysis.soft_normalised(trials.window(*MOVING).rate, np.ptp(trials.rate, axis=(0, 1)))


def _turning(trials: cs.Trials) -> cs.analysis.Rotations:
    return cs.analysis.jpca_spanned(_states(trials), cs.tasks.BIN)


def _score(name: str, row: str, trials: cs.Trials, turn: cs.analysis.Rotations, seed: int) -> cs.Score:
    rng = cs.stream(seed, "null", "reversed reaches of feedback_rotations", name, row)
    _, null = cs.analysis.rotations_and_null(_states(trials), cs.tasks.BIN, rng=rng, draws=NULLS)
    interval = cs.analysis.rotation_intervals(_states(trials), cs.tasks.BIN, {MEASURE: lambda found: found.r2_skew})[MEASURE]
    return cs.Score(f"{MEASURE}, {row}", name, f"{REACHES} reaches, all taught", turn.r2_skew, "higher", 1.0, null,
                    "contrasts of the reaches reversed in time at random", interval, "subsets of the reaches", ceiling_reason="no noise")  # fmt: skip


def _missed(task: cs.Task, movement: cs.body.Movement) -> Float[ndarray, " reach"]:
    late = task.time >= END - 1e-9
    return np.linalg.norm(movement.made[:, late] - task.targets.values[:, late], axis=2).mean(axis=1)


def _claims(value: Mapping[tuple[str, str], float], scores: list[cs.Score], missed: Mapping[str, float]) -> list[cs.Claim]:
    p = {(score.student, score.measure): score.p for score in scores}
    largest = {row: max(p[name, f"{MEASURE}, {row}"] for name in missed) for row in (UNIT, SENSES)}
    return [
        *(cs.Claim(f"{name}: largest distance from the target (cm)", far, 0.0, 1.0, GOAL) for name, far in missed.items()),
        *(cs.Claim(f"{row}: largest p-value of R²(M_skew), reversed in time", each, 0.0, 0.05, f"{PUBLISHED}: they rotate; p is low, docs/nulls.md")
          for row, each in largest.items()),
        cs.Claim("units: R²(M_skew) without recurrent connections over that with", value[WITHOUT, UNIT] / value[RECURRENT, UNIT], 0.5, np.inf, OWN),
        *(cs.Claim(f"{name}: R²(M_skew) of units minus that of muscles", value[name, UNIT] - value[name, MUSCLES], 0.0, 1.0,
                   f"{PUBLISHED}: muscles do not rotate") for name in missed),
        cs.Claim("no recurrent connections: R²(M_skew) of units with the feedback cut", value[WITHOUT, CUT], 0.0, 0.1, OWN),
    ]  # fmt: skip


def _pictures(turns: Mapping[tuple[str, str], cs.analysis.Rotations], moved: Mapping[str, cs.body.Movement], task: cs.Task) -> dict[str, cs.Picture]:
    drawn = {row: cs.figures.rotation_planes({name: turns[name, row] for name in moved}) for row in ROWS}
    after = task.time >= -1e-9
    paths = {f"hand, {name}": cs.figures.hand_paths(movement.made[:, after], task.targets.values[:, after], task.condition)
             for name, movement in moved.items()}  # fmt: skip
    turning = {row: cs.Picture(each, f"The plane with most rotation: {row}", "One line per reach.") for row, each in drawn.items()}
    return turning | {name: cs.Picture(each, f"The {name}", "One colour per reach; dashed: minimum jerk.") for name, each in paths.items()}


def _methods() -> str:
    return f"""
    Both networks have {UNITS} units and learn the same reaches for {OPTIONS.epochs} epochs by back-propagation through the arm, its muscles and its
    senses, with all of their weights; one has recurrent weights of 0 that do not learn. Units keep their own time constant. Senses are lengths and
    velocities of six muscles. jPCA: signals are divided by their range, softly, and their mean over reaches is taken off; at most six leading
    components between {MOVING[0]:g} and {MOVING[1]:g} s after the go cue (senses of two joints span four). Feedback is cut for the whole trial, of
    trained networks.
    """
