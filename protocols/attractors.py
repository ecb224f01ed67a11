"""Can measures distinguish a switch from an integrator and from a return to rest if all averages agree?

Reproduces  Ostrow et al. (2023) NeurIPS 36, Fig. 3: bistable, line and point attractors with the parameters of the authors' notebook, driven so that
            averages of every condition are the same. Noise is white and there is one line attractor (theirs is rotated; see the card).
Claim       noise-free runs agree to round-off; DSA of single trials groups systems by kind, Procrustes and similar measures do not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "ostrow_2023"
KINDS = {  # ranges of the linear and the cubic flow of either variable, 1/s
    "bistable": (((4, 5), (-4, -3)), ((-5, -4), (0, 0))),
    "line": (((0, 0), (-3, -2)), ((0, 0), (0, 0))),
    "point": (((-5, -4), (-9, -8)), ((0, 0), (0, 0))),
}
SYSTEMS, TRIALS, LASTS = 4, 100, 5.0  # of each kind; of each condition; s
INPUT, FIRST = np.array([0.1, -0.1]), np.array([[0.1, 0.1], [-0.1, -0.1]])  # 1/s into the first variable, by condition; where conditions begin
EVERY, DELAYS, RANK = 10, 20, 15  # bins kept, one in so many; of the delay embedding, as published
FEW, PLAIN = 1, 2  # delays and rank that two variables need
NULLS = 500
DRAWN_FROM = "drawn from the range of the authors' notebook for this kind"
MEASURE = "silhouette of the kinds of attractors"
PUBLISHED, EIGENVALUES, DEPARTING = "DSA, as published", "DSA, eigenvalues", "DSA of departures from averages"
AVERAGES, ANGLE, KERNEL, RATES = "Procrustes angle of averages", "Procrustes angle of trials", "1 − CKA of averages", "difference of averages"
UNMATCHED = (AVERAGES, ANGLE, KERNEL, RATES)


class Flow(NamedTuple):
    """Names of the parameters that multiply a system's state, its cube, and its noise."""

    linear: str
    cubic: str
    noise: str


@threadpool_limits.wrap(limits=1)
def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Drive attractors of three kinds along the same averages, and test which distances group systems by kind.

    Args:
        model: two variables with a linear and a cubic flow and white noise, each multiplied by a parameter, as in ostrow_2023.
        seed: of parameters and noise.
        smoke: few systems and trials: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: the model has no such flows, or not two units.
    """
    flow = flow_of(model)
    seconds: dict[str, float] = {}
    count, trials = (2, 10) if smoke else (SYSTEMS, TRIALS)
    with cs.timed(seconds, "systems"), cs.track("systems") as shown:
        path = cs.simulate(quiet(model, flow), _task({"input": INPUT[:, None] * [1, 0]}, FIRST)).rate
        systems = {f"{kind} {number + 1}": _system(model, flow, kind, seed, number) for kind in KINDS for number in range(count)}
        noiseless, found = {}, {}
        for place, (name, system) in enumerate(systems.items()):
            task = replace(_task({}, path[:, 0]), drives=cs.analysis.drives_along(system, path))
            noiseless[name] = cs.simulate(quiet(system, flow), task).rate
            noise = cs.seed_of(seed, "circuit", "noise of attractors", place)
            found[name] = cs.simulate(system, task.select(np.repeat([0, 1], trials)), seed=noise).rate
            shown((place + 1) / len(systems), name)
    with cs.timed(seconds, "distances"), cs.track("distances") as shown:
        far = _distances({name: rate.reshape(2, trials, *rate.shape[1:]) for name, rate in found.items()}, shown)
    kinds = np.array([name.rsplit(" ", 1)[0] for name in systems])
    scores = [_score(name, distances, kinds, trials, seed) for name, distances in far.items()]
    off = max(float(np.abs(rate - path).max()) for rate in noiseless.values())
    return cs.Report(
        title=QUESTION, question=f"{count} systems of each kind, {trials} noisy trials of two conditions.", answer=_answer(scores),
        claims=_claims(scores, off, smoke), scores=scores, pictures=_pictures(far, kinds, path, found), methods=_methods(),
        trials={f"{kind}": cs.Trials.from_arrays(found[f"{kind} 1"], _time(), units="1") for kind in KINDS}, models=systems,
        facts={"systems": str(len(systems))}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def flow_of(model: cs.Model) -> Flow:
    """Return the names of the parameters of a model's flow."""
    by_power = cs.simulation.parameters_by_power(model) if model.units == model.dimension == 2 else {}
    if len(by_power) != 3:
        raise cs.errors.OptionError(f"{model.name}: attractors needs two units, a linear and a cubic flow, and white noise, as in {MODEL}.")
    return Flow(by_power[1], by_power[3], by_power[0])


def quiet(model: cs.Model, flow: Flow) -> cs.Model:
    """Return the model without its noise."""
    strength = np.zeros(model.units if model.parameters[flow.noise].over else ())
    return cs.edit.with_values(model, {flow.noise: strength})


def _time() -> np.ndarray:
    return cs.tasks.BIN * np.arange(round(LASTS / cs.tasks.BIN))


def _task(drives: Mapping[str, np.ndarray], first: np.ndarray) -> cs.Task:
    lasting = np.ones(round(LASTS / cs.tasks.DT))
    return cs.Task(
        "attractors", 0.0, LASTS, np.arange(len(first)), drives=tuple(cs.tasks.Drive(at, lasting, name) for name, at in drives.items()), initial=first
    )


def _system(model: cs.Model, flow: Flow, kind: str, seed: int, number: int) -> cs.Model:
    """Return one system of a kind, its flow drawn from the ranges."""
    rng = cs.stream(seed, "circuit", "flow of attractors", kind, number)
    drawn = {name: [float(rng.uniform(*ends)) for ends in ranges] for name, ranges in zip((flow.linear, flow.cubic), KINDS[kind], strict=True)}
    return cs.edit.with_values(model, drawn, source=DRAWN_FROM).with_arrays({}, name=kind)


def _distances(found: Mapping[str, np.ndarray], shown: Callable[[float, str], None]) -> dict[str, np.ndarray]:
    """Return, by measure, the distances between all systems, from (condition, trial, time, variable)."""
    averages = [rate.mean(axis=1) for rate in found.values()]
    sparse = [rate[:, :, ::EVERY] for rate in found.values()]
    single = [rate.reshape(-1, *rate.shape[2:]) for rate in sparse]
    apart = [(rate - rate.mean(axis=1, keepdims=True)).reshape(-1, *rate.shape[2:]) for rate in sparse]
    published, plain = ([cs.measures.delay_operator(rate, delays=delays, rank=rank) for rate in rates]
                        for rates, delays, rank in ((single, DELAYS, RANK), (apart, FEW, PLAIN)))  # fmt: skip
    flat, flat_averages = ([rate.reshape(-1, rate.shape[-1]) for rate in rates] for rates in (single, averages))
    measures = {
        PUBLISHED: (published, cs.measures.procrustes_distance), EIGENVALUES: (published, cs.measures.eigenvalue_distance),
        DEPARTING: (plain, cs.measures.eigenvalue_distance), ANGLE: (flat, cs.measures.procrustes_angle),
        AVERAGES: (flat_averages, cs.measures.procrustes_angle), KERNEL: (flat_averages, lambda a, b: 1 - cs.measures.linear_cka(a, b)),
        RATES: (averages, lambda a, b: float(np.sqrt(((a - b) ** 2).mean()))),
    }  # fmt: skip
    far = {}
    for place, (name, (samples, measure)) in enumerate(measures.items()):
        far[name] = cs.statistics.pairwise_distances([samples], measure)[0, :, 0]
        shown((place + 1) / len(measures), name)
    return far


def _score(name: str, far: np.ndarray, kinds: np.ndarray, trials: int, seed: int) -> cs.Score:
    rng = cs.stream(seed, "null", "permuted kinds of attractors")
    return cs.Score(
        MEASURE, name, f"{trials} trials of 2 conditions", better="higher", identical=1.0, ceiling=1.0, surrogate="kinds permuted over systems",
        null=np.array([cs.statistics.silhouette(far, rng.permutation(kinds)) for _ in range(NULLS)]),
        **cs.statistics.estimated_over("systems", len(kinds), lambda kept: cs.statistics.silhouette(far[np.ix_(kept, kept)], kinds[kept])),
    )  # fmt: skip


def _claims(scores: Sequence[cs.Score], off: float, smoke: bool) -> list[cs.Claim]:
    value = {score.student: score.estimate for score in scores}
    exact = cs.Claim("largest departure of a noise-free run from the shared averages (1e-9)", 1e9 * off, 0.0, 1.0, "by construction, to round-off")
    if smoke:
        return [exact]
    blind = max(value[name] for name in UNMATCHED)
    return [
        exact,
        cs.Claim(f"silhouette by {PUBLISHED}", value[PUBLISHED], 0.3, 1.0, "block structure as published; the threshold is ours"),
        cs.Claim(f"silhouette by {PUBLISHED}, minus the largest by what is not dynamics", value[PUBLISHED] - blind, 0.0, 2.0,
              "DSA tells kinds apart that Procrustes does not, as published"),
    ]  # fmt: skip


def _answer(scores: Sequence[cs.Score]) -> str:
    def told(name: str) -> str:
        score = next(score for score in scores if score.student == name)
        assert score.interval is not None
        return f"{name} {score.estimate:.2f} ({score.interval[0]:.2f} to {score.interval[1]:.2f})"

    names = [score.student for score in scores]
    return (
        f"Silhouette of the three kinds, 1 where systems of one kind are the same and 0 where they are as far from each other as from others: "
        f"{'; '.join(told(name) for name in names if name not in UNMATCHED)}; {'; '.join(told(name) for name in UNMATCHED)}. The shape of averages "
        "says nothing about their mechanism; how single trials depart from them and return does."
    )


def _pictures(far: Mapping[str, np.ndarray], kinds: np.ndarray, path: np.ndarray, found: Mapping[str, np.ndarray]) -> dict[str, cs.Picture]:
    names = list(found)
    pairs = list(combinations_with_replacement(KINDS, 2))
    means = np.array([[_mean_between(distances, kinds, *pair) / distances.max() for pair in pairs] for distances in far.values()])
    time = _time()
    some = {f"trial {number + 1}": np.array([found[f"{kind} 1"][number, :, 0] for kind in KINDS]) for number in range(3)}
    return {
        "trials": cs.Picture(
            cs.figures.over_time(np.array([path[0, :, 0]] * len(KINDS)), some, time, list(KINDS), ylabel="first variable", xlabel="time (s)"),
            "The same averages, three mechanisms", "Thick: a noise-free run, the same in all systems. Thin: single trials of one system of "
            "each kind, which return to it or not.",
        ),
        "dsa": cs.Picture(
            cs.figures.annotated(far[PUBLISHED], names, names, label="distance", low=0.0, high=float(far[PUBLISHED].max())), PUBLISHED,
            f"Distances of all systems from each other, {DELAYS} delays, rank {RANK}.",
        ),
        "pairs": cs.Picture(
            cs.figures.annotated(means, list(far), [f"{a}, {b}" for a, b in pairs], label="mean distance, of the largest", low=0.0),
            "Within kinds and between", "Mean distance between systems of two kinds over the largest of the measure. A measure that tells kinds "
            "apart is small within kinds, and large between them.",
        ),
    }  # fmt: skip


def _mean_between(far: np.ndarray, kinds: np.ndarray, a: str, b: str) -> float:
    block = far[np.ix_(kinds == a, kinds == b)]
    return float(block[~np.eye(len(block), dtype=bool)].mean() if a == b else block.mean())


def _methods() -> str:
    ranges = "; ".join(f"{kind} {' and '.join(map(_range, linear))}, cubic {_range(cubic[0])}" for kind, (linear, cubic) in KINDS.items())
    return f"""
    Two variables, each with a linear and a cubic flow drawn from ranges in 1/s ({ranges}), and white noise of 0.05 per root s. The shared averages
    are those of the card from {FIRST[0, 0]:g} and {FIRST[1, 0]:g}, with a constant input of {INPUT[0]:g} or {INPUT[1]:g} per s. Every system is
    driven by the difference between the velocity of these averages and its own flow, so that without noise it follows them exactly.

    DSA as published: one bin in {EVERY} of single trials, {DELAYS} delays, rank {RANK}, operators of norm 1 compared by the best of 32 rotations;
    eigenvalues by the best pairing, not normalised. Departures: single trials minus the average of their condition, without delays. Silhouette: for
    each system, distance to the nearest other kind minus that to its own, over the larger of the two, mean over systems. Null: kinds permuted {NULLS}
    times. Intervals omit one system at a time.
    """


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:g}" if ends[0] == ends[1] else f"{ends[0]:g} to {ends[1]:g}"
