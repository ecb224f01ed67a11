"""Do a circuit with a readout, a network trained on the arm and a circuit in closed loop move the same arm in the same way?

Reproduces  no figure. Eight reaches of a two-joint arm with six muscles after Lillicrap & Scott (2013), in closed loop with a delay of 50 ms as
            in Kalidindi et al. (2021); the circuit is that of Hennequin et al. (2014). Minimum-jerk reaches: Flash & Hogan (1985).
Claim       each brings the hand to within 1 cm of all eight targets; in Brian2 and in torch the arm moves alike. Without feedback no push is
            corrected; how much the closed loops correct, and whether their rates rotate, is reported as found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
OPEN, NETWORK, CLOSED = "circuit with a readout", "network on the arm", "circuit in closed loop"
REACHES, UNITS, DURATION = 8, 100, {"preparation": 0.3, "movement": 0.9}  # UNITS of the network; s before and after the go cue
STEP, FINE = 5, 1  # ms: of circuits while they learn, and of a circuit that is run again
OPTIONS, SLOWER = cs.Options(epochs=180, batch=REACHES, rate=1e-2, patience=180, validation=0), 5e-3  # SLOWER: rate of the network, which learns all
END = 0.5  # s after the go cue, from where on the hand should be on the target
PUSH, PUSHED = 2.0, (0.2, 0.3)  # N to the right at the hand, s after the go cue
MOVING = (0.05, 0.45)  # s after the go cue, where rotations are looked for
NULLS = 100
BOUND, GOAL = "bound of this protocol", "asked of reaches that were trained"
MEASURES = (
    "distance of the hand from the target at the end (cm)", "the same for targets that were not trained (cm)", "peak over mean speed of the reach",
    "share of a push that is corrected at the end", "jPCA R²(M_skew) of the rates while the hand moves",
)  # fmt: skip


class Reading(NamedTuple):
    """Results for one system."""

    fitted: cs.Fitted
    task: cs.Task  # of the trained reaches
    movement: cs.body.Movement
    unseen: tuple[cs.Task, cs.body.Movement] | None  # targets half-way between, where it can be told of them
    pushed: cs.body.Movement  # with a push at the hand
    replayed: cs.body.Movement  # the push on the arm that gets the commands of the movement without one
    rates: cs.Trials  # of its units


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train three systems on the same eight reaches of the same arm, and analyse how each makes them.

    Args:
        model: circuit with one drive and no readout.
        seed: of the weights that learn.
        smoke: few steps of learning: shows that everything runs; its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    options = replace(OPTIONS, epochs=2) if smoke else OPTIONS
    free = replace(cs.body.REACHING, arm=replace(cs.body.REACHING.arm, limits=((-np.inf, np.inf),) * 2))  # untaught, joints bend too far
    tasks = {name: _task(name, free if smoke else cs.body.REACHING) for name in (OPEN, NETWORK, CLOSED)}
    circuit = cs.edit.with_step(cs.edit.embodied(model), STEP)
    students = {OPEN: circuit, NETWORK: cs.load("leaky_readout").with_arrays({}, units=UNITS), CLOSED: circuit}
    training = {OPEN: options, NETWORK: replace(options, rate=SLOWER), CLOSED: options}
    jobs = {name: cs.fitting.Job(student, tasks[name].wanted, tasks[name], seed, training[name]) for name, student in students.items()}
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_many(jobs)
    with cs.timed(seconds, "movements"):
        found = {name: _read(fitted[name], tasks[name]) for name in students}
        again = {backend: cs.move(fitted[CLOSED].model, tasks[CLOSED], backend=backend)[1] for backend in ("brian", "torch")}
        again["fine"] = cs.move(cs.edit.with_step(fitted[CLOSED].model, FINE), tasks[CLOSED])[1]
    scores = [score for name, reading in found.items() for score in _scores(name, reading, seed)]
    return cs.Report(
        title=QUESTION,
        question=f"{REACHES} reaches of {cs.tasks.REACH_DISTANCE:g} cm by {cs.body.REACHING.arm.name} with six muscles; circuit: {model.title}.",
        answer=_answer(found, scores), claims=_exact(found, again) + ([] if smoke else _claims(found, again)), scores=scores,
        pictures=_pictures(found), trials={f"rates of {name}": reading.rates for name, reading in found.items()},
        models={name: student.model for name, student in fitted.items()}, methods=_methods(),
        facts={name: f"{student.model.units} units, feels {tasks[name].body.sensors} things, {len(student.train)} epochs, "
                     f"{student.seconds:.0f} s of training" for name, student in fitted.items()}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _task(name: str, body: cs.body.Body, directions: np.ndarray | int = REACHES) -> cs.Task:
    """Return the task for a system: a circuit with a readout is prepared by a separate cue for each target and then left alone."""
    if name == OPEN:
        return cs.tasks.centre_out(directions, **DURATION, body=replace(body, delay=None), stay=False, each=True)
    return cs.tasks.centre_out(directions, **DURATION, body=body)


def _read(fitted: cs.Fitted, task: cs.Task) -> Reading:
    model = fitted.model
    course = ((task.fine_time >= PUSHED[0]) & (task.fine_time < PUSHED[1])).astype(float)
    push = replace(task, loads=(cs.body.Load(course, force=np.tile([PUSH, 0.0], (task.trials, 1)), name="push"),))
    movement, unseen = cs.move(model, task)[1], None
    if task.body.sensors:
        between = _task(NETWORK, task.body, 360 / REACHES * (np.arange(REACHES) + 0.5))
        unseen = between, cs.move(model, between)[1]
    replayed = cs.simulation.replay(model, push, movement)
    return Reading(fitted, task, movement, unseen, cs.move(model, push)[1], replayed, cs.hidden(model, task))


def _apart(task: cs.Task, hand: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean distance between two hand trajectories from END on, cm, (reach,)."""
    late = task.time >= END - 1e-9
    return np.linalg.norm(hand[:, late] - other[:, late], axis=2).mean(axis=1)


def _scores(name: str, reading: Reading, seed: int) -> list[cs.Score]:
    task, mean, over = reading.task, partial(cs.statistics.mean_over, "reaches"), partial(cs.statistics.estimated_over, "reaches", REACHES)
    score = partial(cs.Score, student=name, split=f"{REACHES} reaches, all taught")
    scores = [_distance(score, MEASURES[0], task, reading.movement, seed)]
    if reading.unseen:
        scores.append(_distance(partial(score, split=f"{REACHES} reaches between those taught"), MEASURES[1], *reading.unseen, seed))
    reaching = (task.time >= cs.tasks.REACH_WINDOW[0]) & (task.time < cs.tasks.REACH_WINDOW[1])
    speed = np.linalg.norm(reading.movement.velocity, axis=2)[:, reaching]
    left, without = (_apart(task, movement.made, reading.movement.made) for movement in (reading.pushed, reading.replayed))
    rates, rng = reading.rates.window(*MOVING).rate, cs.stream(seed, "null", "reversed reaches of reach")
    turning, null = cs.analysis.rotations_and_null(rates, cs.tasks.BIN, rng=rng, draws=NULLS)
    turned = cs.analysis.rotation_intervals(rates, cs.tasks.BIN, {MEASURES[4]: lambda found: found.r2_skew})
    return [
        *scores,
        score(MEASURES[2], better="closer", identical=15 / 8, null=None, surrogate="a closed form is compared with",
              ceiling_reason="minimum jerk is a closed form", **mean(speed.max(axis=1) / speed.mean(axis=1))),
        score(MEASURES[3], better="higher", identical=1.0, null=None, surrogate="0 without feedback, exactly: replayed commands",
              ceiling_reason="nothing says how much can be", settings={"left_cm": left.tolist(), "replayed_cm": without.tolist()},
              **over(lambda kept: 1 - float(left[kept].sum() / without[kept].sum()))),
        score(MEASURES[4], better="higher", identical=1.0, null=null, surrogate="contrasts of the reaches reversed in time at random",
              ceiling_reason="rates are without noise", estimate=turning.r2_skew, interval=turned[MEASURES[4]],
              interval_over="subsets of the reaches"),
    ]  # fmt: skip


def _distance(score: partial, measure: str, task: cs.Task, movement: cs.body.Movement, seed: int) -> cs.Score:
    hand, target, rng = movement.made, task.targets.values, cs.stream(seed, "null", "permuted reaches")
    missed = _apart(task, hand, target)
    null = cs.statistics.reordered(lambda order: _apart(task, hand, target[order]).mean(), task.trials, rng=rng, draws=NULLS)
    return score(measure, better="lower", identical=0.0, null=null, surrogate="targets of other reaches", ceiling=0.0,
                 settings={"ceiling": "the path that is asked for", "cm": missed.tolist()}, **cs.statistics.mean_over("reaches", missed))  # fmt: skip


def _exact(found: Mapping[str, Reading], again: Mapping[str, cs.body.Movement]) -> list[cs.Claim]:
    apart = float(np.abs(again["brian"].made - again["torch"].made).max())
    task, unpushed = found[OPEN].task, found[OPEN].movement.made
    pushed, replayed = (_apart(task, movement.made, unpushed) for movement in (found[OPEN].pushed, found[OPEN].replayed))
    moved, felt = "largest distance between the hand that Brian2 moves and the one that torch moves (cm)", "its being pushed makes to its commands"
    return [
        cs.Claim(f"{CLOSED}: {moved}", apart, 0, 1e-8, "round-off"),
        cs.Claim(f"{OPEN}: largest difference that {felt} (cm at the hand)", float(np.abs(pushed - replayed).max()), 0, 1e-8, "nothing is felt"),
    ]


def _claims(found: Mapping[str, Reading], again: Mapping[str, cs.body.Movement]) -> list[cs.Claim]:
    farthest = {name: float(_apart(reading.task, reading.movement.made, reading.task.targets.values).max()) for name, reading in found.items()}
    fine = float(_apart(found[CLOSED].task, again["fine"].made, found[CLOSED].task.targets.values).max())
    return [
        *(cs.Claim(f"{name}: largest distance from the target (cm)", distance, 0, 1, GOAL) for name, distance in farthest.items()),
        cs.Claim(f"{CLOSED}: the same with a step of {FINE} ms instead of {STEP} ms (cm)", fine, 0, 1, BOUND),
    ]


def _answer(found: Mapping[str, Reading], scores: Sequence[cs.Score]) -> str:
    value = cs.statistics.estimates(scores)
    missed = ", ".join(f"{name} {value[MEASURES[0], name]:.2f} cm" for name in found)
    corrected = ", ".join(f"{name} {value[MEASURES[3], name]:.0%}" for name in found)
    turning = ", ".join(f"{name} {value[MEASURES[4], name]:.2f}" for name in found)
    return (
        f"Mean distance from the target at the end: {missed}; of a push of {PUSH:g} N none was trained with, these shares are corrected by the end: "
        f"{corrected}. The same movements come from rates that rotate differently, R²(M_skew): {turning}."
    )


def _pictures(found: Mapping[str, Reading]) -> dict[str, cs.Picture | cs.Animation]:
    task, moved = found[OPEN].task, {name: reading.movement for name, reading in found.items()}
    wanted, names = task.targets.values, [f"{angle:g} deg" for angle in task.condition]
    rows = {
        "pushed": {name: reading.pushed for name, reading in found.items()},
        "pushed, commands of the unpushed reach": {name: reading.replayed for name, reading in found.items()},
    }
    courses = {name: (reading.fitted.train, reading.fitted.validation) for name, reading in found.items()}
    return {
        "side_by_side": cs.Picture(
            cs.figures.side_by_side(moved, wanted, task.time, cs.body.MUSCLE_NAMES), "The same reaches by three systems",
            "One colour per reach; dashed: minimum jerk. Torques are those of the muscles; activation 1 is a muscle's strength.",
        ),
        "in_motion": cs.Animation(
            cs.figures.in_motion(moved, cs.body.REACHING.arm, task.time, names), "The arms in motion",
            "All reaches at once, in real time.",
        ),
        "pushed": cs.Picture(
            cs.figures.pushed(rows, wanted), f"A push of {PUSH:g} N to the right, {PUSHED[0]:g} to {PUSHED[1]:g} s after the go cue",
            "Above: each system; below: the same arm with the commands of the unpushed reach.",
        ),
        "learning": cs.Picture(
            cs.figures.learning_curves(courses, ylabel="squared distance (cm²)"), "Learning curves",
            "Squared distance from the path, mean over axes and times. Solid: after each epoch; dashed: during training. No reach is held out.",
        ),
    }  # fmt: skip


def _methods() -> str:
    start, stop = cs.tasks.REACH_WINDOW
    return f"""
    The arm has two joints and six muscles; outputs of each system are logits of the muscles' excitations; activation follows with 50 ms. Targets
    are shown {DURATION["preparation"]:g} s before the go cue; the hand must stay until {start:g} s after it, reach {cs.tasks.REACH_DISTANCE:g} cm
    by minimum jerk within {stop - start:g} s, and stay there for {DURATION["movement"] - stop:g} s. The training error is the squared
    distance of the hand from that path at all times, back-propagated through the arm and, with feedback, through the senses of
    {1e3 * (cs.body.REACHING.delay or 0):g} ms earlier: length and velocity of every muscle.

    {OPEN}: each target has its own cue, which prepares the circuit and ends at the go cue; from then on the circuit is autonomous and without
    feedback. {NETWORK}: a leaky network, all of whose weights learn. {CLOSED}: the same circuit with the target as input until the end. In the
    circuits only the input weights of cues and senses and the readout learn, with a step of {STEP} ms; their own weights are those of the card.

    Correction of a push: 1 minus the distance of the hand from its unpushed path, from {END:g} s after the go cue on, relative to that of the same
    arm, pushed likewise, with the commands of the unpushed reach. The passive resistance of the muscles therefore does not count as correction.
    No system was pushed during training.
    """
