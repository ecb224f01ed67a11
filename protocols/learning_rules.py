"""Does it matter for the mechanism how a network learned its reach?

Reproduces  six ways of learning on one task of our own: back-propagation through time, Werbos (1990) Proc IEEE 78:1550; FORCE, Sussillo & Abbott
            (2009) Neuron 63:544; full-FORCE, DePasquale et al. (2018) PLoS ONE 13:e0191527, and its closed form; e-prop, Bellec et al. (2020) Nat
            Commun 11:3625; gain modulation, Stroud et al. (2018) Nat Neurosci 21:1774. The circuit is that of Hennequin et al. (2014) Neuron 82:1394.
Claim       every rule teaches the reach better than no learning does, back-propagation to within 2 % of the variance; five rules that change
            weights do better than the one that changes gains alone. What it does to the mechanism is reported as found.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "leaky_gain"
CIRCUIT = "hennequin_2014"
NETWORKS = 10  # untrained networks, each taught by every rule
TAUGHT, TESTED = 24, 8  # directions, and those between them that nobody is taught
PREPARATION, MOVEMENT = 0.2, 0.6  # s before and after the go cue
TURNING = (0.0, 0.2)  # s after the go cue, where rotations are looked for
NULLS = 50
REST = {"start": "rest", "closed_form": False, "validation": 0.125}
LESSONS: dict[str, tuple[cs.Options, dict[str, float]]] = {
    "bptt": (cs.Options(epochs=100, rate=5e-3, patience=100, **REST), {}),
    "eprop": (cs.Options(epochs=150, rate=5e-3, patience=150, **REST), {}),
    "force": (cs.Options(epochs=20, patience=20, **REST), {}),
    "full_force": (cs.Options(epochs=20, patience=20, **REST), {}),
    "target_regression": (cs.Options(**REST), {}),
    "node_perturbation": (cs.Options(epochs=1500, patience=1500, **REST), {"sd": 0.01}),
}
CUT = {"bptt": 12, "eprop": 10, "node_perturbation": 20}  # epochs of a smoke run; 2 of the others
GAINS, NONE = "node_perturbation", "untrained"
ERROR, ANGLE, CKA = "error of held-out reaches", "Procrustes angle (rad)", "linear CKA, debiased"
SKEW, FREQUENCY, APART = "jPCA R²(M_skew)", "jPCA frequency (Hz)", "angle to networks of other rules minus own (rad)"
IDENTICAL = {ERROR: 0.0, ANGLE: 0.0, CKA: 1.0}
SURE = 0.05  # p after correction
BOUND = "bound of this protocol"
Readings = dict[str, dict[str, np.ndarray]]  # of a measure, of a rule: a value for each network
Tests = dict[str, dict[tuple[str, str], cs.statistics.Difference]]
NOISELESS = "networks and circuit are noiseless, so a perfect copy reaches the value of identical systems"


@dataclass(frozen=True)
class Activity:
    """Rates of a system while it reaches in directions it was taught, and in held-out ones."""

    taught: cs.Trials
    asked: cs.Trials

    @property
    def scaled(self) -> np.ndarray:
        """Rates of the held-out reaches on principal axes, each unit in standard deviations about its mean over the taught ones."""
        mean, scale = cs.measures.training_reference(self.taught)
        return cs.measures.principal_part((self.asked.rate - mean) / scale)

    def turning(self, hertz: float) -> np.ndarray:
        """States in the window of rotations, as jPCA normalises them; ``hertz`` brings the mean range of the units to the circuit's."""
        spread = hertz * np.ptp(self.taught.rate, axis=(0, 1))
        return cs.analysis.soft_normalised(hertz * self.asked.window(*TURNING).rate, spread)


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Teach the same networks the same reach by every rule, and compare what they do and how with a circuit that reaches.

    Args:
        model: network to be taught: leaky, with a gain for each unit and a readout.
        seed: of every random choice.
        smoke: few units, networks and passes: shows that everything runs, its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    tasks = _tasks(8 if smoke else TAUGHT, 4 if smoke else TESTED)
    seeds = [cs.seed_of(seed, "student", "network of learning_rules", number) for number in range(2 if smoke else NETWORKS)]
    with cs.timed(seconds, "circuit"):
        circuit = cs.load(CIRCUIT) if not smoke else cs.load(CIRCUIT).with_arrays({}, units=50)
        reaching = _circuit(circuit, tasks, seed)
    with cs.timed(seconds, "training"):
        fitted = _taught(model.with_arrays({}, units=20) if smoke else model, tasks[0], seeds, smoke)
    with cs.timed(seconds, "comparison"):
        hands = {name: [cs.simulate(one.model, tasks[1]) for one in each] for name, each in fitted.items()}
        hidden = {name: [_activity(one.model, tasks) for one in each] for name, each in fitted.items()}
        readings, nulls = _readings(tasks[1].wanted, hands, reaching, hidden, seed, 10 if smoke else NULLS)
        split = f"{tasks[1].trials} held-out directions, {len(seeds)} networks"
        identical = IDENTICAL | dict(zip((SKEW, FREQUENCY), _rotation(reaching.turning(1.0)), strict=True))
        scores = [_score(measure, name, split, values[name], nulls[measure][name], identical[measure]) for measure, values in readings.items()
                  for name in values]  # fmt: skip
        distance = cs.statistics.pairwise_distances([[one.scaled for one in hidden[name]] for name in LESSONS], _flat(cs.measures.procrustes_angle))
        scores += [_separation(distance, place, name, split, seed, 20 if smoke else 200) for place, name in enumerate(LESSONS)]
        compared = {ERROR: {name: np.log10(each) for name, each in readings[ERROR].items()}, ANGLE: readings[ANGLE], CKA: readings[CKA]}
        tests = {measure: cs.statistics.differences(values) for measure, values in compared.items()}
    return cs.Report(
        title=QUESTION, question=f"{len(seeds)} networks, each taught by {len(LESSONS)} rules to reach; beside {circuit.title} ({circuit.paper}).",
        answer=_answer(readings, tests, scores), claims=_claims(readings, tests, smoke), scores=scores,
        pictures=_pictures(tasks[1].wanted, fitted, hands, readings, scores, tests, distance),
        trials={"circuit": reaching.asked} | {f"hand, {name}": each[0] for name, each in hands.items()}
        | {f"hidden, {name}": each[0].asked for name, each in hidden.items()},
        models={"circuit": circuit} | {name: each[0].model for name, each in fitted.items()}, methods=_methods(),
        facts={"network": f"{model.name}, {fitted[NONE][0].model.units} units"}
        | {name: f"{len(fitted[name][0].train)} passes, {np.median([one.seconds for one in fitted[name]]):.1f} s" for name in LESSONS}, smoke=smoke,
        seed=seed, seconds=seconds,
    )  # fmt: skip


def _tasks(taught: int, asked: int) -> tuple[cs.Task, cs.Task]:
    """Reaches to be taught, and reaches half-way between some of them."""
    step = 360.0 / taught
    between = step * np.arange(0, taught, taught // asked) + step / 2
    return tuple(cs.tasks.centre_out(d, preparation=PREPARATION, movement=MOVEMENT) for d in (step * np.arange(taught), between))  # type: ignore[return-value]


def _circuit(circuit: cs.Model, tasks: tuple[cs.Task, cs.Task], seed: int) -> Activity:
    """The circuit released from preparatory states that turn with the direction, in the plane of two mixtures of its preferred states."""
    x, y = cs.analysis.mixtures(
        cs.analysis.preferred_states(circuit), 2, k=min(cs.analysis.MIXED_STATES, circuit.units), seed=seed, sd=cs.analysis.STATE_SD
    )
    y = y - x * (x @ y) / (x @ x)
    plane, found = np.stack([x, y * cs.analysis.STATE_SD / y.std()]), []
    for task in tasks:
        angle = np.radians(task.condition)[:, None]
        holding = cs.analysis.holding_currents(circuit, np.hstack([np.cos(angle), np.sin(angle)]) @ plane)
        found.append(cs.simulate(circuit, cs.tasks.centre_out(task.condition, holding=holding), seed=seed).window(0.0, MOVEMENT))
    return Activity(*found)


def _taught(model: cs.Model, task: cs.Task, seeds: Sequence[int], smoke: bool) -> dict[str, list[cs.Fitted]]:
    datasets = LESSONS | {NONE: (cs.Options(epochs=0, **REST), {})}
    jobs = {}
    for name, (options, how) in datasets.items():
        short = replace(options, epochs=min(options.epochs, CUT.get(name, 2))) if smoke and name != "target_regression" else options
        jobs |= {f"{name} {n}": cs.fitting.Job(model, task.wanted, task, n, short, "bptt" if name == NONE else name, how) for n in seeds}
    fitted = cs.fitting.train_many(jobs)
    return {name: [fitted[f"{name} {number}"] for number in seeds] for name in datasets}


def _activity(model: cs.Model, tasks: tuple[cs.Task, cs.Task]) -> Activity:
    return Activity(*(cs.fitting.unit_rates(model, task).window(0.0, MOVEMENT) for task in tasks))


def _error(wanted: np.ndarray, found: np.ndarray) -> float:
    return 1 - cs.measures.variance_explained(wanted, found, mean=wanted.mean(axis=(0, 1)), scale=np.ones(1))


def _rotation(states: np.ndarray) -> tuple[float, float]:
    found = cs.analysis.jpca(
        cs.analysis.principal_components(states, max(2, min(cs.analysis.JPCA_AXES, cs.analysis.spanned_axes(states)) // 2 * 2)), 0.01
    )
    return found.r2_skew, found.fastest


def _flat(measure: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[np.ndarray, np.ndarray], float]:
    return lambda a, b: measure(a.reshape(-1, a.shape[2]), b.reshape(-1, b.shape[2]))


def _readings(
    wanted: cs.Trials, hands: Mapping[str, list[cs.Trials]], circuit: Activity, hidden: Mapping[str, list[Activity]], seed: int, count: int
) -> tuple[Readings, Readings]:
    """Values, and their medians over networks under surrogates."""
    teacher, rng = circuit.scaled, cs.stream(seed, "task", "readings of learning_rules")
    hertz = np.ptp(circuit.taught.rate, axis=(0, 1)).mean()
    measures = {ANGLE: _flat(cs.measures.procrustes_angle), CKA: _flat(cs.measures.linear_cka)}
    values: Readings = {measure: {} for measure in (ERROR, *measures, SKEW, FREQUENCY)}
    nulls: Readings = {measure: {} for measure in values}
    for name, each in hidden.items():
        drawn: dict[str, list[np.ndarray]] = {measure: [] for measure in values}
        found: dict[str, list[float]] = {measure: [] for measure in values}
        for hand, activity in zip(hands[name], each, strict=True):
            sides = {ERROR: (_error, wanted.rate, hand.rate)} | {measure: (f, teacher, activity.scaled) for measure, f in measures.items()}
            for measure, (f, a, b) in sides.items():
                found[measure].append(f(a, b))
                drawn[measure].append(cs.statistics.permuted(f, a, b, seed=seed, count=count))
            states = activity.turning(hertz / np.ptp(activity.taught.rate, axis=(0, 1)).mean())
            surrogates = np.array([_rotation(cs.statistics.permuted_conditions(states, rng)) for _ in range(count)])
            for place, (measure, value) in enumerate(zip((SKEW, FREQUENCY), _rotation(states), strict=True)):
                found[measure].append(value)
                drawn[measure].append(surrogates[:, place])
        for measure, numbers in found.items():
            values[measure][name], nulls[measure][name] = np.array(numbers), np.median(drawn[measure], axis=0)
    return values, nulls


def _score(measure: str, name: str, split: str, values: np.ndarray, null: np.ndarray, identical: float) -> cs.Score:
    better = {ERROR: "lower", ANGLE: "lower", CKA: "higher"}.get(measure, "closer")
    surrogate = "conditions of each unit permuted" if measure in (SKEW, FREQUENCY) else cs.statistics.PERMUTATION
    interval = cs.statistics.median_interval(values)
    over = "networks (median and its order statistics)" if interval else f"{len(values)} networks; at least 6 are needed"
    return cs.Score(
        measure, name, split, float(np.median(values)), better, identical, null, surrogate + "; median over networks", interval, over,
        ceiling_reason=NOISELESS, settings={"networks": values.tolist()},
    )  # fmt: skip


def _separation(distance: np.ndarray, place: int, name: str, split: str, seed: int, count: int) -> cs.Score:
    networks = distance.shape[1]
    interval = (
        cs.statistics.jackknifed(lambda kept: cs.statistics.separation(distance[:, kept][..., kept], place), networks) if networks > 3 else None
    )
    return cs.Score(
        APART,
        name,
        split,
        cs.statistics.separation(distance, place),
        "closer",
        0.0,
        cs.statistics.relabelled_separations(distance, place, seed=seed, count=count),
        "rules of each network in random order",
        interval,
        "networks" if interval else f"{networks} networks; at least 4 are needed",
        ceiling_reason=NOISELESS,
    )


def _answer(readings: Readings, tests: Tests, scores: Sequence[cs.Score]) -> str:
    error, cka = ({name: float(np.median(each)) for name, each in readings[measure].items()} for measure in (ERROR, CKA))
    listed = ", ".join(f"{name} {error[name]:.3f}" for name in sorted(LESSONS, key=lambda name: error[name]))
    sure = {measure: sum(test.p < SURE for pair, test in each.items() if NONE not in pair) for measure, each in tests.items()}
    told = {}
    for measure, nearer in ((CKA, 1), (ANGLE, -1)):
        moved = {name: nearer * tests[measure][name, NONE].median for name in LESSONS if tests[measure][name, NONE].p < SURE}
        ways = ("nearer", [n for n in moved if moved[n] > 0]), ("farther", [n for n in moved if moved[n] < 0])
        told[measure] = " and ".join(f"{way} after {', '.join(names) or 'no rule'}" for way, names in ways)
    farther = sum(score.estimate > np.percentile(score.null, 97.5) for score in scores if score.measure == APART and score.null is not None)
    return (
        f"Median errors of held-out reaches are {listed} of the variance (untrained {error[NONE]:.2f}); {sure[ERROR]} of 15 pairs of rules differ "
        f"beyond chance, {sure[CKA]} in the CKA of their activity with the circuit's ({min(cka[n] for n in LESSONS):.2f} to "
        f"{max(cka[n] for n in LESSONS):.2f}; untrained {cka[NONE]:.2f}). Against the untrained network, activity is {told[CKA]} by CKA, "
        f"{told[ANGLE]} by Procrustes angle. Networks of {farther} of {len(LESSONS)} rules are farther from those of other rules than from each "
        "other, by more than rules in random order give."
    )


def _claims(readings: Readings, tests: Tests, smoke: bool) -> list[cs.Claim]:
    error, rules, others = readings[ERROR], ["bptt"] if smoke else list(LESSONS), [name for name in LESSONS if name != GAINS]
    beaten = np.mean([np.median(error[name]) < np.median(error[NONE]) for name in rules])
    everywhere = cs.Claim("share of rules whose median error is below that of the untrained networks", float(beaten), 1.0, 1.0, BOUND)
    if smoke:
        return [everywhere]
    p = {frozenset(pair): test.p for pair, test in tests[ERROR].items()}
    better = [np.median(error[name]) < np.median(error[GAINS]) and p[frozenset((name, GAINS))] < SURE for name in others]
    return [
        everywhere,
        cs.Claim("back-propagation: median error of held-out reaches", float(np.median(error["bptt"])), 0.0, 0.02, BOUND),
        cs.Claim("share of weight-changing rules that beat gains alone (Wilcoxon, Holm, p < 0.05)", float(np.mean(better)), 1.0, 1.0, BOUND),
    ]


def _pictures(
    wanted: cs.Trials,
    fitted: Mapping[str, list[cs.Fitted]],
    hands: Mapping[str, list[cs.Trials]],
    readings: Readings,
    scores: Sequence[cs.Score],
    tests: Tests,
    distance: np.ndarray,
) -> dict[str, cs.Picture]:
    taught = {name: each for name, each in fitted.items() if name != NONE}
    costs = {
        "time of one core (s)": {name: np.array([one.seconds for one in each]) for name, each in taught.items()},
        "passes over the trials": {name: np.array([len(one.train) for one in each], dtype=float) for name, each in taught.items()},
    }
    middle = {name: int(np.argsort(values)[len(values) // 2]) for name, values in readings[ERROR].items()}
    labels = {ERROR: "log₁₀ error", ANGLE: "angle to the circuit (rad)", CKA: "CKA with the circuit"}
    pairs = {f"{labels[measure]}, row minus column": each for measure, each in tests.items()}
    return {
        "cost": cs.Picture(
            cs.figures.error_over_cost(readings[ERROR], costs), "What each rule reaches, and what it costs",
            "Squared error of held-out reaches over their variance. Dots: networks; rings: medians; grey: untrained. A pass of bptt runs forward and "
            "back, one of the others forward only; those of force and full_force correct the weights every second bin.",
        ),
        "hands": cs.Picture(
            cs.figures.hand_paths_by_rule({name: hands[name][at].rate for name, at in middle.items()}, wanted.rate), "Held-out reaches",
            "Of the network with the median error under each rule; dashed: what was asked for.",
        ),
        "learning": cs.Picture(
            cs.figures.learning_by_rule({name: [one.validation for one in each] for name, each in taught.items()}), "Learning curves",
            "Error on the validation directions. Thin: networks; thick: the median.",
        ),
        "scores": cs.Picture(
            cs.figures.score_panels(scores, (ANGLE, CKA, SKEW, FREQUENCY), floor=-0.2), "How alike the activity of each network and the circuit is",
            "Dots: median over networks; lines: interval from order statistics; grey: 95 % of the surrogates; dashed: the circuit itself.",
        ),
        "pairs": cs.Picture(
            cs.figures.pair_tables(pairs, list(fitted), {"angle between networks (rad)": distance}, SURE), "Rules in pairs",
            f"Medians of the differences within networks; *: p < {SURE:g} by Wilcoxon's signed-rank test, corrected by Holm's method for all "
            "pairs of a panel. Last: mean Procrustes angle between networks that began differently; on the diagonal, under the same rule.",
        ),
    }  # fmt: skip


def _methods() -> str:
    options = "; ".join(f"{name}: {o.epochs} epochs at most, rate {o.rate:g}{', ' + str(h) if h else ''}" for name, (o, h) in LESSONS.items())
    return f"""
    Each untrained network is taught by every rule, with the same directions kept for validation, so rules are compared within networks. The network
    hears the target's x and y and a hold signal that ends at the go cue, starts from rest {PREPARATION * 1e3:g} ms before it and shall put out the
    hand's minimum-jerk position. Back-propagation and e-prop change all weights, biases and gains; force, full_force and target_regression recurrent
    weights and readout; node_perturbation gains alone. So rules differ in what they change as well as in how.

    Numbers of the rules, chosen by trying a few on two networks: {options}. What they cost depends on these numbers.

    The circuit is released from preparatory states that turn with the direction, in the plane of two mixtures of its {cs.analysis.MIXED_STATES} most
    amplified states. Hidden rates of the networks and rates of the circuit, go cue to {MOVEMENT * 1e3:g} ms, are divided by each unit's standard
    deviation over the taught directions; units differ in number, so they are compared by geometry. For jPCA ({TURNING[0] * 1e3:g} to
    {TURNING[1] * 1e3:g} ms) the networks' rates are scaled to the circuit's mean range, and only then normalised with the customary 5 Hz.
    """
