"""Do networks of different architectures solve a task by the same mechanism, however unlike their activity looks?

Reproduces  the claim of Maheswaranathan, Williams et al. (2019) NeurIPS 32:15629 for their task of 3-bit memory: the geometry of activity, by SVCCA,
            differs between architectures, while the topology of fixed points and of the transitions between them is the same. There with thousands
            of networks; here with a few of three architectures, trained on the flip-flop of Sussillo & Barak (2013).
Claim       every network has eight stable fixed points and the transitions between them that the task defines; by SVCCA networks are farther from
            those of other architectures than from those of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "gru"
NETWORKS = ("gru", "lstm", "leaky_readout")
UNITS, SEEDS, BITS = 32, 4, 3  # of a network; networks of each architecture; channels, and outputs
TAUGHT, ASKED, LASTS, LONG = 128, 64, 1.5, 4.0  # trials, and their s
OPTIONS = cs.Options(epochs=40, batch=32, rate=1e-2, patience=40, start="rest", closed_form=False)
PULSE, HOLD, SEARCHES = 0.05, 1.0, 128  # s of a pulse, and after it before the state is assigned to a stable point; searches for fixed points
ERROR, COUNTED, RIGHT = (
    "squared error of the bits, held-out trials",
    "stable fixed points",
    "share of transitions between stable points as in the task",
)
APART = "SVCCA distance from other architectures minus within"
CLAIMED, OWN = "Maheswaranathan et al. (2019)", "bound of this protocol, set beforehand"


class Reading(NamedTuple):
    """Of one network: error, number of stable points, share of transitions that are those of the task, and activity in held-out trials."""

    error: float
    points: int
    right: float
    activity: Float[ndarray, "trial bin axis"]

    @property
    def agrees(self) -> bool:
        """Return whether its stable points and their transitions are those of the task, and no others."""
        return self.points == 2**BITS and self.right == 1.0


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train networks of three architectures to hold three bits, and compare their stable points, the transitions between them and their activity.

    Args:
        model: one architecture; the other two are shipped.
        seed: of networks and trials.
        smoke: two networks of each and little training: its numbers mean nothing.

    Raises:
        OptionError: the model receives no channels or has no readout of hidden units.
    """
    if model.readout is None or not any(item.listens for item in model.inputs.values()):
        raise cs.errors.OptionError(f"{model.name}: the flip-flop needs a network that hears channels and has a readout, such as gru or lstm.")
    seconds: dict[str, float] = {}
    options = replace(OPTIONS, epochs=2) if smoke else OPTIONS
    task = cs.tasks.flip_flop(TAUGHT, bits=BITS, lasts=LASTS, seed=cs.seed_of(seed, "task", "taught trials of universality"))
    battery = cs.tasks.flip_flop(ASKED, bits=BITS, lasts=LONG, seed=cs.seed_of(seed, "task", "held-out trials of universality"))
    sized = {"units": UNITS, "observed": BITS, "channels": BITS}
    students = {name: (model if name == model.name else cs.load(name)).with_arrays({}, **sized) for name in dict.fromkeys((model.name, *NETWORKS))}
    seeds = [cs.seed_of(seed, "student", "networks of universality", number) for number in range(2 if smoke else SEEDS)]
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_groups({name: [cs.fitting.Job(student, task.wanted, task, own, options) for own in seeds]
                                          for name, student in students.items()})  # fmt: skip
    with cs.timed(seconds, "fixed points"), cs.track("fixed points") as shown:
        found: dict[str, list[Reading]] = {name: [] for name in fitted}
        for place, (name, network) in enumerate((name, network) for name, each in fitted.items() for network in each):
            found[name].append(_read(network.model, battery, seed))
            shown((place + 1) / (len(fitted) * len(seeds)), name)
        start = [[_activity(network.start, battery) for network in each] for each in fitted.values()]
    with cs.timed(seconds, "distances"):
        apart = _distances([[one.activity for one in each] for each in found.values()])
        untrained = _separation(_distances(start), np.arange(len(apart)), len(seeds))
    agree = {name: sum(one.agrees for one in each) for name, each in found.items()}
    score = _separation_score(apart, len(seeds), untrained)
    means = _means(apart, len(seeds))
    return cs.Report(
        title=QUESTION, question=f"{len(seeds)} networks of {UNITS} units of each of {len(found)} architectures, trained to hold {BITS} bits.",
        answer=f"The stable fixed points and their transitions are those of the task in "
        f"{', '.join(f'{count} of {len(seeds)} {name}' for name, count in agree.items())}. By SVCCA networks are {np.trace(means) / len(means):.2f} "
        f"from others of their architecture and {means[~np.eye(len(means), dtype=bool)].mean():.2f} from those of other architectures; the "
        f"difference was {untrained:.2f} before training.",
        claims=_claims(found, score, smoke), scores=[*_scores(found), score], pictures=_pictures(list(found), means, found),
        models={name: each[0].model for name, each in fitted.items()},
        trials={"wanted": battery.wanted} | {name: cs.simulate(each[0].model, battery) for name, each in fitted.items()},
        methods=_methods(), smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _activity(network: cs.Model, battery: cs.Task) -> Float[ndarray, "trial bin axis"]:
    """Return the principal components of the hidden units."""
    return cs.measures.principal_part(cs.hidden(network, battery).rate)


def _transitions() -> tuple[cs.Task, ndarray, ndarray]:
    """Return trials that set all bits, hold them, send one pulse and hold again; the pattern that is held first in each, and the one after."""
    pulse, hold = (round(time / cs.tasks.BIN) for time in (PULSE, HOLD))
    patterns = list(product((-1.0, 1.0), repeat=BITS))
    asked = [(pattern, bit, sign) for pattern in patterns for bit in range(BITS) for sign in (-1.0, 1.0)]
    shown, before, after = np.zeros((len(asked), 2 * (pulse + hold), BITS)), [], []
    for trial, (pattern, bit, sign) in enumerate(asked):
        shown[trial, :pulse] = pattern
        shown[trial, pulse + hold : 2 * pulse + hold, bit] = sign
        before.append(patterns.index(pattern))
        after.append(patterns.index((*pattern[:bit], sign, *pattern[bit + 1 :])))
    return cs.tasks.from_inputs(shown), np.array(before), np.array(after)


def _read(network: cs.Model, battery: cs.Task, seed: int) -> Reading:
    error = ((cs.simulate(network, battery).rate - battery.wanted.rate) ** 2)[np.asarray(battery.mask) > 0].mean()
    task, before, after = _transitions()
    states = cs.simulation.trajectory(cs.simulation.Problem(network, network.arrays(), task))
    portrait = cs.analysis.fixed_points(network, states.reshape(-1, states.shape[2]), searches=SEARCHES, seed=seed)
    stable = np.array([point.state for point in portrait.fixed if not point.unstable])
    return Reading(float(error), len(stable), _right(stable, states, before, after), _activity(network, battery))


def _right(stable: Float[ndarray, "point state"], states: Float[ndarray, "trial bin state"], before: ndarray, after: ndarray) -> float:
    """Return the share of trials that end at the stable point at which trials with their last pattern were before the pulse.

    A state belongs to the nearest stable point. A pattern has one if all of its trials agree and no other pattern shares it.
    """
    if len(stable) < 2:
        return 0.0
    held = round((PULSE + HOLD) / cs.tasks.BIN) - 1
    nearest = [np.linalg.norm(states[:, place, None] - stable, axis=2).argmin(axis=1) for place in (held, -1)]
    points = [set(nearest[0][before == pattern].tolist()) for pattern in range(2**BITS)]
    own = [len(each) == 1 and sum(each == other for other in points) == 1 for each in points]
    return float(np.mean([own[a] and own[b] and {int(end)} == points[b] for a, b, end in zip(before, after, nearest[1], strict=True)]))


def _distances(activity: Sequence[Sequence[Float[ndarray, "trial bin axis"]]]) -> Float[ndarray, "network network"]:
    svcca = cs.measures.MEASURES["SVCCA, held out"].function
    far = cs.statistics.pairwise_distances(activity, lambda a, b: 1 - svcca(a, b, cs.tasks.BIN))
    return far.reshape(len(activity) * len(activity[0]), -1)


def _separation(apart: Float[ndarray, "network network"], kept: ndarray, count: int) -> float:
    """Return the mean distance of networks of different architectures minus that within architectures, of which there are so many networks."""
    kind, distance = kept // count, apart[np.ix_(kept, kept)]
    same, other = kind[:, None] == kind, ~np.eye(len(kept), dtype=bool)
    return float(distance[~same].mean() - distance[same & other].mean())


def _means(apart: Float[ndarray, "network network"], count: int) -> Float[ndarray, "kind other"]:
    kinds, different = len(apart) // count, ~np.eye(count, dtype=bool)
    blocks = apart.reshape(kinds, count, kinds, count).transpose(0, 2, 1, 3)
    return np.array([[blocks[a, b][different].mean() if a == b else blocks[a, b].mean() for b in range(kinds)] for a in range(kinds)])


def _separation_score(apart: Float[ndarray, "network network"], count: int, untrained: float) -> cs.Score:
    return cs.Score(
        APART, "all architectures", f"{ASKED} held-out trials", better="closer", identical=0.0, null=np.full(1, untrained),
        surrogate="networks before training", ceiling_reason="no distance is best",
        **cs.statistics.estimated_over("networks", len(apart), lambda kept: _separation(apart, kept, count)),
    )  # fmt: skip


def _scores(found: Mapping[str, list[Reading]]) -> list[cs.Score]:
    what: dict[str, tuple[str, Literal["lower", "closer", "higher"], float]] = {
        ERROR: ("error", "lower", 0.0), COUNTED: ("points", "closer", 2.0**BITS), RIGHT: ("right", "higher", 1.0)}  # fmt: skip
    return [
        cs.Score(measure, name, f"{ASKED} held-out trials", better=better, identical=exact, ceiling=exact, null=None,
                 surrogate="known exactly: of a network that holds all bits",
                 **cs.statistics.mean_over("networks", np.array([float(getattr(one, key)) for one in each]), otherwise="two networks"))
        for measure, (key, better, exact) in what.items() for name, each in found.items()
    ]  # fmt: skip


def _claims(found: Mapping[str, list[Reading]], score: cs.Score, smoke: bool) -> list[cs.Claim]:
    every = [one for each in found.values() for one in each]
    agree = float(np.mean([one.agrees for one in every]))
    _, before, after = _transitions()
    known = np.array(list(product((-1.0, 1.0), repeat=BITS)))
    states = np.repeat(known[before][:, None], 2 * round((PULSE + HOLD) / cs.tasks.BIN), axis=1)
    states[:, -1] = known[after]
    exact = cs.Claim("planted stable points: share of transitions", _right(known, states, before, after), 1.0, 1.0, "by construction")
    if smoke:
        return [exact]
    assert score.interval is not None
    return [
        exact,
        cs.Claim(f"largest {ERROR}", max(one.error for one in every), 0.0, 0.1, OWN),
        cs.Claim("share of networks with the stable points and transitions of the task", agree, 1.0, 1.0, CLAIMED),
        cs.Claim(f"{APART}, lower end of the interval", score.interval[0], 0.0, np.inf, CLAIMED),
    ]  # fmt: skip


def _pictures(names: list[str], means: Float[ndarray, "kind other"], found: Mapping[str, list[Reading]]) -> dict[str, cs.Picture]:
    rows = [f"{name} {number + 1}" for name, each in found.items() for number in range(len(each))]
    table = np.array([[one.points, one.right] for each in found.values() for one in each], dtype=float)
    return {
        "distances": cs.Picture(cs.figures.annotated(means, names, names, label="SVCCA distance", low=0.0, high=float(means.max())),
                                "Geometry: distances of activity", "Mean over pairs of different networks."),
        "graphs": cs.Picture(cs.figures.annotated(table / [2**BITS, 1], rows, [f"{COUNTED}, of {2**BITS}", "transitions as in the task"],
                                                  label="share", low=0.0), "Topology: stable points and transitions", "One row a network."),
    }  # fmt: skip


def _methods() -> str:
    return f"""
    {SEEDS} networks of {UNITS} units of each architecture ({", ".join(NETWORKS)}) learn to hold {BITS} bits, set by pulses of {1e3 * PULSE:g} ms on a
    channel each, in {TAUGHT} trials of {LASTS:g} s: Adam at {OPTIONS.rate:g}, at most {OPTIONS.epochs} epochs. Fixed points without input are found
    by {SEARCHES} searches from noisy visited states; stable are those without an unstable direction. Each pattern of bits is set, held for {HOLD:g}
    s, followed by one pulse of either sign on one channel, and held again; states at both ends are assigned to the nearest stable point. The
    transitions of a network are those of the task if patterns have stable points of their own and each trial ends at that of its last pattern.

    Distance: 1 minus the mean canonical correlation of leading components of hidden activity, fitted to other trials (held-out SVCCA), in {ASKED}
    held-out trials of {LONG:g} s. Its interval omits one network at a time. Epochs were chosen by the error alone, for time.
    """
