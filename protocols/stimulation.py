"""Does a push of motor cortex change the movement only as far as it moves the states that the task visits?

Reproduces  the claim of O'Shea, Duncker et al. (2022) bioRxiv 2022.12.16.520768 that stimulation perturbs reaches only to the extent that it alters
            states within the low-dimensional space of the task's dynamics. There in monkeys under light and current; here in stability-optimised
            circuits (Hennequin et al. 2014) whose rates are read out as the torques of an arm, so that all states are known.
Claim       of equally strong pushes, those off the task's components change the movement less than half as much as those within them; of the
            change that excited units cause, the component within them at the end of the push explains at least half, and more than a random one.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
UNITS, CIRCUITS, AXES = 60, 8, 6  # of a circuit; draws of it; leading components of the rates of the reaches
HOME, DISTANCE, SPEEDY, MOVED, HELD = (0.0, 0.1991), 0.20, 0.14, 0.6, 0.5  # m, m, s: reaches of Kao et al. (2021); s after and before the go cue
DIRECTIONS = np.linspace(-36.0, 216.0, 8)  # deg
PUSHED, JUMP, DRAWS, SHARE = (0.1, 0.15), 0.5, 8, 0.2  # s after the go cue; Hz; pushes of a kind in each reach; of excitatory units that are excited
NOISE = 0.3  # of a rate over its standard deviation, against which the readout is fitted
RANDOM = 20  # subspaces
WITHIN, OFF, READ, EXCITED = "within the task's components", "off the task's components", "along the readout", "excited units"
TASK, SEEN, OTHER = "the task's components", "most observable directions", "random directions"
CHANGE, EXPLAINED = "r.m.s. change of the hand's velocity {} the push (cm/s)", "change of the hand's velocity by {}, R² of the component"
DURING, AFTER = CHANGE.format("during"), CHANGE.format("after")
OWN, CLAIMED = "bound of this protocol, set beforehand", "O'Shea et al. (2022), as a bound of this protocol, set beforehand"
Axes = Float[ndarray, "unit axis"]


class Reading(NamedTuple):
    """Of one circuit: what pushes of each kind change during and after them, and R² of what components explain of it, by kind and subspace."""

    during: Mapping[str, float]
    after: Mapping[str, float]
    explained: Mapping[str, Mapping[str, float]]
    course: Mapping[str, Float[ndarray, " bin"]]
    held: float  # share of the variance of rates that the task's components hold
    missed: float  # cm: mean distance of the hand from the target at the end of an unperturbed reach
    trials: cs.Trials


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Push circuits while they reach, in directions of four kinds, and ask how much the movement changes and which component explains it.

    Args:
        model: circuit whose connections the rule ``stability_optimised`` draws.
        seed: of circuits, prepared states and pushes.
        smoke: two circuits; its numbers mean nothing.

    Raises:
        OptionError: its connections have another rule.
    """
    recurrent = [name for name, part in model.projections.items() if part.rule == "stability_optimised"]
    if len(recurrent) != 1:
        raise cs.errors.OptionError(f"{model.name}: should have connections by the rule stability_optimised, such as {MODEL}.")
    seconds: dict[str, float] = {}
    hand, torque = _reaches()
    with cs.timed(seconds, "circuits"):
        seeds = [cs.seed_of(seed, "circuit", "circuits of stimulation", draw) for draw in range(2 if smoke else CIRCUITS)]
        circuits = [model.made_anew(recurrent[0]).with_arrays({}, units=UNITS, seed=own) for own in seeds]
    with cs.timed(seconds, "pushes"), cs.track("pushes") as shown:
        found = []
        for draw, circuit in enumerate(circuits):
            found.append(_read(circuit, circuit.arrays()[recurrent[0]], hand, torque, cs.seed_of(seed, "task", "pushes of stimulation", draw)))
            shown((draw + 1) / len(circuits), f"circuit {draw + 1}")
    after = {kind: np.array([one.after[kind] for one in found]) for kind in found[0].after}
    told = {kind: f"{values.mean():.2f}" for kind, values in after.items()}
    explained = {space: np.array([one.explained[EXCITED][space] for one in found]) for space in found[0].explained[EXCITED]}
    return cs.Report(
        title=QUESTION, question=f"{len(found)} circuits of {UNITS} units that make {len(DIRECTIONS)} reaches; four kinds of push, equally strong.",
        answer=f"After the push the velocity of the hand is changed by {told[WITHIN]} cm/s (r.m.s.) if it was within the task's {AXES} components, by "
        f"{told[OFF]} off them, by {told[READ]} along the readout, and by {told[EXCITED]} if a fifth of the excitatory units was excited. Of the "
        f"last, the component within the task's components explains R² = {explained[TASK].mean():.2f}, that within as many random directions "
        f"{explained[OTHER].mean():.2f}, and that within the directions from which the readout is driven most {explained[SEEN].mean():.2f}.",
        claims=_claims(after, explained, smoke), scores=_scores(found), pictures=_pictures(found), models={"circuit": circuits[0]},
        trials={"circuit": found[0].trials}, methods=_methods(), smoke=smoke, seed=seed, seconds=seconds,
        facts={"variance of the rates within the task's components": f"{np.mean([one.held for one in found]):.3f}",
               "distance of the hand from the target, without a push": f"{np.mean([one.missed for one in found]):.1f} cm"},
    )  # fmt: skip


def _reaches() -> tuple[Float[ndarray, "reach 2"], Float[ndarray, "reach bin 2"]]:
    """Return the targets, cm from home, and the torques of the reaches in every bin, N m."""
    time = np.arange(round(MOVED / cs.tasks.DT)) * cs.tasks.DT
    along, angle = cs.tasks.bell_shaped_path(time, distance=DISTANCE, lasts=MOVED, width=SPEEDY), np.radians(DIRECTIONS)
    hand = np.array(HOME) + along[None, :, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None]
    torque = cs.body.HUMAN.torque_along(hand, cs.tasks.DT)[:, :: round(cs.tasks.BIN / cs.tasks.DT)]
    return 100 * (hand[:, -1] - np.array(HOME)), torque


def _read(circuit: cs.Model, W: Axes, targets: Float[ndarray, "reach 2"], torque: Float[ndarray, "reach bin 2"], seed: int) -> Reading:
    whole = cs.analysis.turned_reaches(circuit, DIRECTIONS, preparation=HELD, movement=MOVED, seed=seed)
    still = cs.simulate(circuit, whole).window(0.0, MOVED)
    task = whole.window(0.0, MOVED, initial=still.rate[:, 0])
    C = cs.analysis.blind_readout(still.rate, torque, np.eye(UNITS), ridge=NOISE**2)
    variance, axes = np.linalg.eigh(np.cov(still.rate.reshape(-1, UNITS), rowvar=False))
    spaces = {TASK: axes[:, -AXES:], SEEN: np.linalg.eigh(cs.analysis.observability(W - np.eye(UNITS), C))[1][:, -AXES:]}
    rng = cs.stream(seed, "task", "directions of stimulation")
    count = len(DIRECTIONS) * DRAWS
    free, two = rng.standard_normal((2, count, UNITS)), rng.standard_normal((count, len(C)))
    excited = np.argsort(rng.random((count, UNITS // 2)), axis=1) < SHARE * UNITS // 2
    inside = free[0] @ spaces[TASK] @ spaces[TASK].T
    directions = {
        WITHIN: inside,
        OFF: free[1] - free[1] @ spaces[TASK] @ spaces[TASK].T,
        READ: two @ C,
        EXCITED: np.pad(excited, ((0, 0), (0, UNITS // 2))),
    }
    many = np.repeat(np.arange(len(DIRECTIONS)), DRAWS)
    rest, home = still.rate[many], _moved(still.rate @ C.T).velocity[many]
    size = float(np.median(cs.simulation.push_amplitude(circuit, JUMP, PUSHED[1] - PUSHED[0])))
    lasts = {"start": PUSHED[0], "duration": PUSHED[1] - PUSHED[0]}
    changed, explained = {}, {}
    for kind, along in directions.items():
        rate = cs.simulate(circuit, cs.perturb.push_along(task.select(many), along.astype(float), amplitude=size, **lasts)).rate
        changed[kind] = _moved(rate @ C.T).velocity - home
        explained[kind] = {
            name: _explained(circuit, task.select(many), (rest, rate, C, home), basis, changed[kind]) for name, basis in spaces.items()
        }
        if kind == EXCITED:
            bases = [np.linalg.qr(rng.standard_normal((UNITS, AXES)))[0] for _ in range(RANDOM)]
            chance = [_explained(circuit, task.select(many), (rest, rate, C, home), basis, changed[kind]) for basis in bases]
            explained[kind][OTHER] = float(np.mean(chance))
    begins, ends = (round(edge / cs.tasks.BIN) for edge in PUSHED)
    made = _moved(still.rate @ C.T).made[:, -1]
    return Reading(
        {kind: float(np.sqrt((each[:, begins:ends] ** 2).mean())) for kind, each in changed.items()},
        {kind: float(np.sqrt((each[:, ends:] ** 2).mean())) for kind, each in changed.items()},
        explained, {kind: np.sqrt((each**2).mean(axis=(0, 2))) for kind, each in changed.items()},
        float(variance[-AXES:].sum() / variance.sum()), float(np.linalg.norm(made - targets, axis=1).mean()), still,
    )  # fmt: skip


def _moved(torque: Float[ndarray, "trial bin 2"]) -> cs.body.Movement:
    time = np.arange(torque.shape[1]) * cs.tasks.BIN
    return cs.body.moved_by_torques(cs.body.HUMAN, torque, home=HOME, time=time, bin=cs.tasks.BIN)


def _explained(
    circuit: cs.Model, task: cs.Task, known: tuple[ndarray, ndarray, ndarray, ndarray], basis: Axes, changed: Float[ndarray, "trial bin 2"]
) -> float:
    """Return R² of the change of velocity if the push had moved states within a subspace alone.

    Until its end the deviation of the pushed rates is projected onto the subspace; from there on the circuit runs from the projected state.
    """
    rest, rate, C, home = known
    ends = round(PUSHED[1] / cs.tasks.BIN)
    kept = rest + (rate - rest) @ basis @ basis.T
    later = cs.simulate(circuit, task.window(PUSHED[1], MOVED, initial=kept[:, ends])).rate
    predicted = _moved(np.concatenate([kept[:, :ends], later], axis=1) @ C.T).velocity - home
    return float(1 - ((changed - predicted) ** 2).sum() / (changed**2).sum())


def _scores(found: list[Reading]) -> list[cs.Score]:
    split, noiseless = f"{len(found)} circuits, {DRAWS} pushes in each of {len(DIRECTIONS)} reaches", "circuits are without noise"
    nothing, scores = "no push changes nothing, exactly", []
    for name, what in ((DURING, "during"), (AFTER, "after")):
        scores += [
            cs.Score(name, kind, split, better="lower", identical=0.0, null=None, surrogate=nothing, ceiling_reason=noiseless,
                     **cs.statistics.mean_over("circuits", np.array([getattr(one, what)[kind] for one in found])))
            for kind in (WITHIN, OFF, READ, EXCITED)
        ]  # fmt: skip
    chance = np.mean([one.explained[EXCITED][OTHER] for one in found])
    for kind in (WITHIN, OFF, READ, EXCITED):
        for space in (TASK, SEEN):
            values = np.array([one.explained[kind][space] for one in found])
            null = {"null": np.full(1, chance), "surrogate": f"the component within {AXES} random directions"} if kind == EXCITED else {
                "null": None, "surrogate": "for excited units alone, whose directions nobody chose"}  # fmt: skip
            scores.append(cs.Score(EXPLAINED.format(kind), space, split, better="higher", identical=1.0, ceiling=1.0, **null,
                                   **cs.statistics.mean_over("circuits", values)))  # fmt: skip
    return scores


def _claims(after: Mapping[str, Float[ndarray, " circuit"]], explained: Mapping[str, Float[ndarray, " circuit"]], smoke: bool) -> list[cs.Claim]:
    equal = cs.Claim(
        "largest R² of what a component explains", float(max(values.max() for values in explained.values())), -np.inf, 1.0, "closed form"
    )
    if smoke:
        return [equal]
    ratio = {kind: float((values / after[WITHIN]).mean()) for kind, values in after.items()}
    interval = cs.statistics.mean_interval(explained[TASK] - explained[OTHER])
    assert interval is not None
    return [
        equal,
        cs.Claim(f"{OFF}: change of the movement after the push over that {WITHIN}", ratio[OFF], 0.0, 0.5, CLAIMED),
        cs.Claim(f"{EXCITED}: R² that the task's components explain, mean over circuits", float(explained[TASK].mean()), 0.5, 1.0, CLAIMED),
        cs.Claim(f"{EXCITED}: R² of the task's components minus random ones, lower end of the interval", interval[0], 0.0, np.inf, CLAIMED),
        cs.Claim(f"{READ}: change of the movement after the push over that {WITHIN}", ratio[READ], 0.0, 1.0, OWN),
    ]


def _pictures(found: list[Reading]) -> dict[str, cs.Picture]:
    time = 1e3 * np.arange(len(found[0].course[WITHIN])) * cs.tasks.BIN
    mean = {kind: np.mean([one.course[kind] for one in found], axis=0) for kind in found[0].course}
    drawn = cs.figures.curves(time, mean, xlabel="time from the go cue (ms)", ylabel="r.m.s. change of velocity (cm/s)")
    told = f"Pushes of equal strength from {1e3 * PUSHED[0]:g} to {1e3 * PUSHED[1]:g} ms; mean over circuits."
    return {"change": cs.Picture(drawn, "Change of the movement by kind of push", told)}


def _methods() -> str:
    return f"""
    {CIRCUITS} circuits of {UNITS} units are drawn by the rule of {MODEL}. Their prepared state turns with the direction of {len(DIRECTIONS)} reaches
    of {100 * DISTANCE:g} cm; after the go cue they run freely, and torques of shoulder and elbow are a linear readout of all rates, fitted by ridge
    regression to the torques of these reaches, with a penalty that stands for noise of {NOISE:g} of a rate's standard deviation. Pushes last
    from {1e3 * PUSHED[0]:g} to {1e3 * PUSHED[1]:g} ms and would move states by {JUMP:g} Hz (r.m.s. over units) without leak: {DRAWS} of a kind in each
    reach. The task's components are the {AXES} leading principal components of the rates of unperturbed reaches after the go cue. Directions are
    drawn within them, in the rest of state space, as sums of the weights of both outputs, and as random fifths of the excitatory units.

    What a component explains: until the end of the push the deviation of the rates is projected onto a subspace, and from there on the circuit runs
    from the projected state; R² is 1 minus the squared error over the squared change of the hand's velocity, over all pushes of a kind and times.
    Random: mean over {RANDOM} subspaces of as many dimensions. Most observable: leading eigenvectors of the observability Gramian of connections and
    readout at rest. Intervals are over circuits.
    """
