"""Do a circuit with a readout, a network trained on the arm and a circuit in closed loop move the same arm alike?

Reproduces  no figure. Eight reaches of a two-joint arm with six muscles after Lillicrap & Scott (2013), in closed loop with a delay of 50 ms as
            in Kalidindi et al. (2021); the circuit is that of Hennequin et al. (2014). Minimum-jerk reaches: Flash & Hogan (1985).
Claim       each brings the hand to within 1 cm of all eight targets; Brian2 and torch move the arm alike. What is not fed back corrects no push at
            all; how much the closed loops correct, and whether their rates rotate, is reported as found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
OPEN, NETWORK, CLOSED = "circuit with a readout", "network on the arm", "circuit in closed loop"
REACHES, PREPARATION, MOVEMENT, UNITS = 8, 0.3, 0.9, 100  # s before and after the go cue; UNITS of the network
DURATION = {"preparation": PREPARATION, "movement": MOVEMENT}
STEP, FINE = 5, 1  # ms: of circuits while they learn, and of a circuit that is run again
LESSON = cs.Options(epochs=180, batch=REACHES, rate=1e-2, patience=180, validation=0)
SLOWER = 5e-3  # learning rate of the network, all of whose weights learn
END = 0.5  # s after the go cue, from where on the hand should be on the target
PUSH, PUSHED = 2.0, (0.2, 0.3)  # N to the right at the hand, s after the go cue
MOVING = (0.05, 0.45)  # s after the go cue, where rotations are looked for
NULLS = 100
BOUND, GOAL = "bound of this protocol", "asked of reaches that were trained"
MEASURES = (
    "distance of the hand from the target at the end (cm)", "the same for targets that were not trained (cm)", "peak over mean speed of the reach",
    "share of a push that is corrected at the end", "jPCA R²(M_skew) of the rates while the hand moves",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What is read off one system.

    Attributes:
        fitted: with its model.
        task: of the trained reaches.
        movement: on it.
        unseen: on targets half-way between, where it can be told of them.
        pushed: with a push at the hand.
        replayed: the push on the arm that gets the commands of the movement without one.
        rates: of its units.
    """

    fitted: cs.Fitted
    task: cs.Task
    movement: cs.body.Movement
    unseen: tuple[cs.Task, cs.body.Movement] | None
    pushed: cs.body.Movement
    replayed: cs.body.Movement
    rates: cs.Trials


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Teach three systems the same eight reaches of the same arm, and look at how each makes them.

    Args:
        model: circuit with one drive and no readout.
        seed: of the weights that learn.
        smoke: few steps of learning: shows that everything runs, its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    options = replace(LESSON, epochs=2) if smoke else LESSON
    body = (
        replace(cs.body.REACHING, arm=replace(cs.body.REACHING.arm, limits=((-np.inf, np.inf),) * 2)) if smoke else cs.body.REACHING
    )  # untaught, joints bend too far
    tasks = {name: _task(name, body) for name in (OPEN, NETWORK, CLOSED)}
    circuit = cs.edit.embodied(model).with_arrays({}, dt=_step(STEP))
    students = {OPEN: circuit, NETWORK: cs.load("leaky_readout").with_arrays({}, units=UNITS), CLOSED: circuit}
    rates = {OPEN: options.rate, NETWORK: SLOWER, CLOSED: options.rate}
    jobs = {name: cs.fitting.Job(one, tasks[name].wanted, tasks[name], seed, replace(options, rate=rates[name])) for name, one in students.items()}
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_many(jobs)
    with cs.timed(seconds, "movements"):
        found = {name: _read(fitted[name], tasks[name]) for name in students}
        again = _again(found[CLOSED])
    scores = [score for name, one in found.items() for score in _scores(name, one, seed)]
    return cs.Report(
        title=QUESTION,
        question=f"{REACHES} reaches of {cs.tasks.REACH_DISTANCE:g} cm by {cs.body.REACHING.arm.name} with six muscles; circuit: {model.title}.",
        answer=_answer(found, scores),
        claims=_exact(found, again) + ([] if smoke else _claims(found, again)),
        scores=scores,
        pictures=_pictures(found),
        trials={f"rates of {name}": one.rates for name, one in found.items()},
        models={name: one.fitted.model for name, one in found.items()},
        methods=_methods(),
        facts={name: _fact(one) for name, one in found.items()},
        smoke=smoke,
        seed=seed,
        seconds=seconds,
    )


def _step(ms: float) -> dict[str, object]:
    return {"value": ms, "unit": "ms", "meaning": "integration step", "source": "chosen"}


def _task(name: str, body: cs.body.Body, directions: np.ndarray | int = REACHES) -> cs.Task:
    """The reaches as a system is told of them: a circuit with a readout is prepared by a cue of its own for each target and then left alone."""
    if name == OPEN:
        return cs.tasks.centre_out(directions, **DURATION, body=replace(body, delay=None), stay=False, each=True)
    return cs.tasks.centre_out(directions, **DURATION, body=body)


def _read(fitted: cs.Fitted, task: cs.Task) -> Reading:
    model, push = fitted.model, _push(task)
    body, schedule = task.body, cs.simulation.Problem(model, model.arrays(), push)
    assert body is not None
    movement = cs.move(model, task)[1]
    postures = cs.body.Moving.replay(body, movement.commands, schedule.dt, schedule.loads)[:, :: schedule.every]
    replayed = cs.body.Movement.of(body, postures, movement.commands, task.time)
    between = None
    if body.sensors:
        test = _task(NETWORK, body, 360 / REACHES * (np.arange(REACHES) + 0.5))
        between = (test, cs.move(model, test)[1])
    states = cs.simulation.trajectory(cs.simulation.Problem(model, model.arrays(), task))
    rates = cs.Trials.from_arrays(cs.simulation.rate_of(model, states), task.time, condition=task.condition, units="1")
    return Reading(fitted, task, movement, between, cs.move(model, push)[1], replayed, rates)


def _push(task: cs.Task) -> cs.Task:
    course = ((task.fine_time >= PUSHED[0]) & (task.fine_time < PUSHED[1])).astype(float)
    return replace(task, loads=(cs.body.Load(course, force=np.tile([PUSH, 0.0], (task.trials, 1)), name="push"),))


def _again(one: Reading) -> dict[str, cs.body.Movement]:
    """The circuit in closed loop by both backends, and with a step that is ten times as fine."""
    both: dict[str, cs.body.Movement] = {backend: cs.move(one.fitted.model, one.task, backend=backend)[1] for backend in ("brian", "torch")}  # type: ignore[arg-type]
    return both | {"fine": cs.move(one.fitted.model.with_arrays({}, dt=_step(FINE)), one.task)[1]}


def _missed(task: cs.Task, movement: cs.body.Movement) -> np.ndarray:
    """Mean distance from the target from END on, cm, (reach,)."""
    assert task.targets is not None
    late = task.time >= END - 1e-9
    return np.linalg.norm(movement.made[:, late] - task.targets.values[:, late], axis=2).mean(axis=1)


def _off(one: Reading, other: cs.body.Movement) -> np.ndarray:
    """Mean distance of the hand from where it is without the push, from END on, cm, (reach,)."""
    late = one.task.time >= END - 1e-9
    return np.linalg.norm(other.made[:, late] - one.movement.made[:, late], axis=2).mean(axis=1)


def _scores(name: str, one: Reading, seed: int) -> list[cs.Score]:
    split, over = f"{REACHES} reaches, all taught", "reaches"
    scores = [_distance(MEASURES[0], name, split, one.task, one.movement, seed)]
    if one.unseen:
        scores.append(_distance(MEASURES[1], name, f"{REACHES} reaches between those taught", *one.unseen, seed))
    speed = np.linalg.norm(one.movement.velocity, axis=2)
    reaching = (one.task.time >= cs.tasks.REACH_WINDOW[0]) & (one.task.time < cs.tasks.REACH_WINDOW[1])
    ratio = speed[:, reaching].max(axis=1) / speed[:, reaching].mean(axis=1)
    scores.append(cs.Score(
        MEASURES[2], name, split, float(ratio.mean()), "closer", 15 / 8, None, "a closed form is compared with",
        cs.statistics.jackknifed(lambda kept: float(ratio[kept].mean()), REACHES), over, ceiling_reason="minimum jerk is a closed form",
    ))  # fmt: skip
    left, without = _off(one, one.pushed), _off(one, one.replayed)
    scores.append(
        cs.Score(
            MEASURES[3],
            name,
            split,
            1 - float(left.sum() / without.sum()),
            "higher",
            1.0,
            None,
            "0 without feedback, exactly: replayed commands",
            cs.statistics.jackknifed(lambda kept: 1 - float(left[kept].sum() / without[kept].sum()), REACHES),
            over,
            ceiling_reason="nothing says how much can be",
            settings={"left_cm": left.tolist(), "replayed_cm": without.tolist()},
        )
    )
    return [*scores, _turning(name, one, split, seed)]


def _distance(measure: str, name: str, split: str, task: cs.Task, movement: cs.body.Movement, seed: int) -> cs.Score:
    rng = cs.stream(seed, "null", "permuted reaches")
    missed = _missed(task, movement)
    null = np.array([_missed(task.select(cs.trials.derangement(task.trials, rng)), movement).mean() for _ in range(NULLS)])
    return cs.Score(
        measure, name, split, float(missed.mean()), "lower", 0.0, null, "targets of other reaches",
        cs.statistics.jackknifed(lambda kept: float(missed[kept].mean()), task.trials), "reaches", ceiling=0.0,
        settings={"ceiling": "the path that is asked for", "cm": missed.tolist()},
    )  # fmt: skip


def _turning(name: str, one: Reading, split: str, seed: int) -> cs.Score:
    rates = one.rates.window(*MOVING).rate
    states = cs.analysis.principal_components(rates - rates.mean(axis=0), cs.analysis.JPCA_AXES)
    rng = cs.stream(seed, "null", "turned axes of reach")
    null = np.array([cs.analysis.jpca(cs.statistics.permuted_conditions(states, rng), cs.tasks.BIN).r2_skew for _ in range(NULLS)])
    interval = cs.statistics.jackknifed(
        lambda kept: (
            cs.analysis.jpca(cs.analysis.principal_components((rates - rates.mean(axis=0))[kept], cs.analysis.JPCA_AXES), cs.tasks.BIN).r2_skew
        ),
        len(rates),
    )
    return cs.Score(
        MEASURES[4],
        name,
        split,
        cs.analysis.jpca(states, cs.tasks.BIN).r2_skew,
        "higher",
        1.0,
        null,
        "reaches of each axis permuted",
        interval,
        "reaches",
        ceiling_reason="rates are without noise",
    )


def _exact(found: Mapping[str, Reading], again: Mapping[str, cs.body.Movement]) -> list[cs.Claim]:
    apart = np.abs(again["brian"].made - again["torch"].made).max()
    alone = np.abs(_off(found[OPEN], found[OPEN].pushed) - _off(found[OPEN], found[OPEN].replayed)).max()
    return [
        cs.Claim(
            f"{CLOSED}: largest distance between the hand that Brian2 moves and the one that torch moves (cm)", float(apart), 0, 1e-8, "round-off"
        ),
        cs.Claim(
            f"{OPEN}: largest difference that its being pushed makes to its commands (cm at the hand)", float(alone), 0, 1e-8, "nothing is felt"
        ),
    ]


def _claims(found: Mapping[str, Reading], again: Mapping[str, cs.body.Movement]) -> list[cs.Claim]:
    claims = [cs.Claim(f"{name}: largest distance from the target (cm)", float(_missed(one.task, one.movement).max()), 0, 1, GOAL)
              for name, one in found.items()]  # fmt: skip
    fine = float(_missed(found[CLOSED].task, again["fine"]).max())
    return [*claims, cs.Claim(f"{CLOSED}: the same with a step of {FINE} ms instead of {STEP} ms (cm)", fine, 0, 1, BOUND)]


def _answer(found: Mapping[str, Reading], scores: list[cs.Score]) -> str:
    by = {(score.measure, score.student): score.estimate for score in scores}
    missed = ", ".join(f"{name} {by[MEASURES[0], name]:.2f} cm" for name in found)
    corrected = ", ".join(f"{name} {by[MEASURES[3], name]:.0%}" for name in found)
    turning = ", ".join(f"{name} {by[MEASURES[4], name]:.2f}" for name in found)
    return (
        f"Mean distance from the target at the end: {missed}; of a push of {PUSH:g} N none was trained with, these shares are corrected by the end: "
        f"{corrected}. The same movements come from rates that rotate differently, R²(M_skew): {turning}."
    )


def _pictures(found: Mapping[str, Reading]) -> dict[str, cs.Picture | cs.Animation]:
    task = found[OPEN].task
    assert task.targets is not None
    wanted, moved = task.targets.values, {name: one.movement for name, one in found.items()}
    rows = {
        "pushed": {name: one.pushed for name, one in found.items()},
        "pushed, commands of the unpushed reach": {name: one.replayed for name, one in found.items()},
    }
    names = [f"{angle:g} deg" for angle in task.condition]
    courses = {name: (one.fitted.train, one.fitted.validation) for name, one in found.items()}
    return {
        "side_by_side": cs.Picture(
            cs.figures.side_by_side(moved, wanted, task.time, cs.body.MUSCLE_NAMES),
            "The same reaches by three systems",
            "A colour a reach; dashed: minimum jerk. Torques are those of the muscles; activation 1 is a muscle's strength.",
        ),
        "in_motion": cs.Animation(
            cs.figures.in_motion(moved, cs.body.REACHING.arm, task.time, names),
            "The arms in motion",
            "All reaches at once, at the speed at which they were made.",
        ),
        "pushed": cs.Picture(
            cs.figures.pushed(rows, wanted),
            f"A push of {PUSH:g} N to the right, {PUSHED[0]:g} to {PUSHED[1]:g} s after the go cue",
            "Above: what each system does; below: what the same arm does with the commands of the reach that was not pushed.",
        ),
        "learning": cs.Picture(
            cs.figures.learning_curves(courses, ylabel="squared distance (cm²)"),
            "Learning curves",
            "Squared distance from the path, mean over axes and times. Solid: after each epoch; dashed: while it learned. No reach is held out.",
        ),
    }


def _fact(one: Reading) -> str:
    model, felt = one.fitted.model, one.task.body.sensors if one.task.body else 0
    return f"{model.units} units, feels {felt} things, {len(one.fitted.train)} epochs, {one.fitted.seconds:.0f} s of training"


def _methods() -> str:
    return f"""
    The arm has two joints and six muscles; outputs of each system are the logits of the excitations of the muscles, which follow with 50 ms. Targets
    are shown {PREPARATION:g} s before the go cue; the hand should stay until {cs.tasks.REACH_WINDOW[0]:g} s after it and then reach
    {cs.tasks.REACH_DISTANCE:g} cm by minimum jerk within {cs.tasks.REACH_WINDOW[1] - cs.tasks.REACH_WINDOW[0]:g} s, and stay there for
    {MOVEMENT - cs.tasks.REACH_WINDOW[1]:g} s. The error that is descended is the squared distance of the hand from that path at all times,
    back-propagated through the arm and, where there is feedback, through what was felt {1e3 * (cs.body.REACHING.delay or 0):g} ms earlier: length and
    velocity of every muscle.

    {OPEN}: each target has a cue of its own, which prepares the circuit and goes off at the go cue; from then on the circuit is left alone and feels
    nothing. {NETWORK}: a leaky network, all of whose weights learn. {CLOSED}: the same circuit told where the target is, until the end. Of the
    circuits only what brings cues and senses to them and the readout learn; their own weights stay as the card makes them, and they are taught with a
    step of {STEP} ms.

    Correction of a push: 1 minus the distance of the hand from its unpushed self, from {END:g} s after the go cue on, relative to that of the same
    arm, pushed alike, that gets the commands of the unpushed reach. What is left to be corrected is therefore not what muscles resist by themselves.
    No system was pushed while it learned.
    """
