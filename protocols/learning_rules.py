"""Does it matter for the mechanism how a network learned its reach?

Reproduces  six ways of learning on one task of our own: back-propagation through time, Werbos (1990) Proc IEEE 78:1550; FORCE, Sussillo & Abbott
            (2009) Neuron 63:544; full-FORCE, DePasquale et al. (2018) PLoS ONE 13:e0191527, and its closed form; e-prop, Bellec et al. (2020) Nat
            Commun 11:3625; gain modulation, Stroud et al. (2018) Nat Neurosci 21:1774. The circuit is that of Hennequin et al. (2014) Neuron 82:1394.
Claim       every rule makes better reaches than no learning, back-propagation to within 2 % of the variance; five rules that change
            weights do better than the one that changes gains alone. The effect on the mechanism is reported as found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

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
RULES: dict[str, tuple[cs.Options, dict[str, float]]] = {
    "bptt": (cs.Options(epochs=100, rate=5e-3, patience=100, **REST), {}),
    "eprop": (cs.Options(epochs=150, rate=5e-3, patience=150, **REST), {}),
    "force": (cs.Options(epochs=20, patience=20, **REST), {}),
    "full_force": (cs.Options(epochs=20, patience=20, **REST), {}),
    "target_regression": (cs.Options(**REST), {}),
    "node_perturbation": (cs.Options(epochs=1500, patience=1500, **REST), {"sd": 0.01}),
}
CUT = {"bptt": 12, "eprop": 10, "node_perturbation": 20}  # epochs of a smoke run; 2 of the others
GAINS, NONE = "node_perturbation", "untrained"
ERROR, ANGLE, CKA, SKEW, FREQUENCY = cs.measures.ERROR, cs.measures.ANGLE, cs.measures.CKA, cs.measures.SKEW, cs.measures.FREQUENCY
SURE = 0.05  # p after correction
BOUND = "bound of this protocol"
Readings = Mapping[str, Mapping[str, np.ndarray]]  # of a measure, of a rule: a value for each network
Tests = Mapping[str, Mapping[tuple[str, str], cs.statistics.Difference]]


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train the same networks on the same reach by every rule, and compare their outputs and activity with those of a circuit that reaches.

    Args:
        model: network to train: leaky, with a gain for each unit and a readout.
        seed: of every random choice.
        smoke: few units, networks and passes: shows that everything runs; its numbers mean nothing.
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
        hands = {name: [cs.simulate(network.model, tasks[1]) for network in networks] for name, networks in fitted.items()}
        hidden = {name: [_activity(network.model, tasks) for network in networks] for name, networks in fitted.items()}
        readings, nulls = cs.measures.read_rules(tasks[1].wanted, hands, reaching, hidden, seed=seed, count=10 if smoke else NULLS)
        distance = cs.measures.distances_between({name: hidden[name] for name in RULES})
        split = f"{tasks[1].trials} held-out directions, {len(seeds)} networks"
        scores = cs.measures.rule_scores(readings, nulls, reaching, split)
        scores += cs.measures.separation_scores(distance, list(RULES), split, seed=seed, count=20 if smoke else 200)
        compared = {ERROR: {name: np.log10(values) for name, values in readings[ERROR].items()}, ANGLE: readings[ANGLE], CKA: readings[CKA]}
        tests = {measure: cs.statistics.differences(values) for measure, values in compared.items()}
    costs = {name: f"{len(fitted[name][0].train)} passes, {np.median([network.seconds for network in fitted[name]]):.1f} s" for name in RULES}
    return cs.Report(
        title=QUESTION, question=f"{len(seeds)} networks, each taught by {len(RULES)} rules to reach; beside {circuit.title} ({circuit.paper}).",
        answer=_answer(readings, tests, scores), claims=_claims(readings, tests, smoke), scores=scores,
        pictures=_of_learning(tasks[1].wanted, fitted, hands, readings[ERROR]) | _of_activity(scores, tests, distance),
        trials={"circuit": reaching.test} | {f"hand, {name}": trials[0] for name, trials in hands.items()}
        | {f"hidden, {name}": activity[0].test for name, activity in hidden.items()},
        models={"circuit": circuit} | {name: networks[0].model for name, networks in fitted.items()}, methods=_methods(),
        facts={"network": f"{model.name}, {fitted[NONE][0].model.units} units"} | costs, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _tasks(taught: int, asked: int) -> tuple[cs.Task, cs.Task]:
    """Return training reaches, and reaches half-way between some of them."""
    step = 360.0 / taught
    between = step * np.arange(0, taught, taught // asked) + step / 2
    reach = partial(cs.tasks.centre_out, preparation=PREPARATION, movement=MOVEMENT)
    return reach(step * np.arange(taught)), reach(between)


def _circuit(circuit: cs.Model, tasks: tuple[cs.Task, cs.Task], seed: int) -> cs.measures.Activity:
    """Return the circuit released from preparatory states that rotate with the direction, in the plane of two mixtures of its preferred states."""
    preferred, mixed = cs.analysis.preferred_states(circuit), min(cs.analysis.MIXED_STATES, circuit.units)
    x, y = cs.analysis.mixtures(preferred, 2, k=mixed, seed=seed, sd=cs.analysis.STATE_SD)
    y = y - x * (x @ y) / (x @ x)
    plane, found = np.stack([x, y * cs.analysis.STATE_SD / y.std()]), []
    for task in tasks:
        angle = np.radians(task.condition)[:, None]
        holding = cs.analysis.holding_currents(circuit, np.hstack([np.cos(angle), np.sin(angle)]) @ plane)
        found.append(cs.simulate(circuit, cs.tasks.centre_out(task.condition, holding=holding), seed=seed).window(0.0, MOVEMENT))
    return cs.measures.Activity(*found, TURNING)


def _taught(model: cs.Model, task: cs.Task, seeds: Sequence[int], smoke: bool) -> dict[str, list[cs.Fitted]]:
    jobs = {}
    for name, (options, how) in (RULES | {NONE: (cs.Options(epochs=0, **REST), {})}).items():
        short = replace(options, epochs=min(options.epochs, CUT.get(name, 2))) if smoke and name != "target_regression" else options
        jobs[name] = [cs.fitting.Job(model, task.wanted, task, own, short, "bptt" if name == NONE else name, how) for own in seeds]
    return cs.fitting.train_groups(jobs)


def _activity(model: cs.Model, tasks: tuple[cs.Task, cs.Task]) -> cs.measures.Activity:
    return cs.measures.Activity(*(cs.fitting.unit_rates(model, task).window(0.0, MOVEMENT) for task in tasks), TURNING)


def _answer(readings: Readings, tests: Tests, scores: Sequence[cs.Score]) -> str:
    error, cka = ({name: float(np.median(values)) for name, values in readings[measure].items()} for measure in (ERROR, CKA))
    listed = ", ".join(f"{name} {error[name]:.3f}" for name in sorted(RULES, key=lambda name: error[name]))
    sure = {measure: sum(test.p < SURE for pair, test in pairs.items() if NONE not in pair) for measure, pairs in tests.items()}
    told = {}
    for measure, nearer in ((CKA, 1), (ANGLE, -1)):
        moved = {name: nearer * tests[measure][name, NONE].median for name in RULES if tests[measure][name, NONE].p < SURE}
        ways = ("nearer", [n for n in moved if moved[n] > 0]), ("farther", [n for n in moved if moved[n] < 0])
        told[measure] = " and ".join(f"{way} after {', '.join(names) or 'no rule'}" for way, names in ways)
    apart = [score for score in scores if score.measure == cs.measures.APART and score.null is not None]
    farther = sum(cs.statistics.p_value(score.estimate, score.null) <= SURE / 2 for score in apart)
    return (
        f"Median errors of held-out reaches are {listed} of the variance (untrained {error[NONE]:.2f}); {sure[ERROR]} of 15 pairs of rules differ "
        f"beyond chance, {sure[CKA]} in the CKA of their activity with the circuit's ({min(cka[n] for n in RULES):.2f} to "
        f"{max(cka[n] for n in RULES):.2f}; untrained {cka[NONE]:.2f}). Against the untrained network, activity is {told[CKA]} by CKA, "
        f"{told[ANGLE]} by Procrustes angle. Networks of {farther} of {len(RULES)} rules are farther from those of other rules than from each "
        "other, by more than rules in random order give."
    )


def _claims(readings: Readings, tests: Tests, smoke: bool) -> list[cs.Claim]:
    error, rules, others = readings[ERROR], ["bptt"] if smoke else list(RULES), [name for name in RULES if name != GAINS]
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


def _of_learning(
    wanted: cs.Trials, fitted: Mapping[str, list[cs.Fitted]], hands: Mapping[str, list[cs.Trials]], error: Mapping[str, np.ndarray]
) -> dict[str, cs.Picture]:
    taught = {name: networks for name, networks in fitted.items() if name != NONE}
    costs = {
        "time of one core (s)": {name: np.array([network.seconds for network in networks]) for name, networks in taught.items()},
        "passes over the trials": {name: np.array([len(network.train) for network in networks], dtype=float) for name, networks in taught.items()},
    }
    middle = {name: int(np.argsort(values)[len(values) // 2]) for name, values in error.items()}
    return {
        "cost": cs.Picture(
            cs.figures.error_over_cost(error, costs), "What each rule reaches, and what it costs",
            "Squared error of held-out reaches over their variance. Dots: networks; rings: medians; grey: untrained. A pass of bptt runs forward and "
            "back, one of the others forward only; those of force and full_force correct the weights every second bin.",
        ),
        "hands": cs.Picture(
            cs.figures.hand_paths_by_rule({name: hands[name][at].rate for name, at in middle.items()}, wanted.rate), "Held-out reaches",
            "For the network with the median error under each rule; dashed: target.",
        ),
        "learning": cs.Picture(
            cs.figures.learning_by_rule({name: [network.validation for network in networks] for name, networks in taught.items()}), "Learning curves",
            "Error on the validation directions. Thin: networks; thick: the median.",
        ),
    }  # fmt: skip


def _of_activity(scores: Sequence[cs.Score], tests: Tests, distance: np.ndarray) -> dict[str, cs.Picture]:
    labels = {ERROR: "log₁₀ error", ANGLE: "angle to the circuit (rad)", CKA: "CKA with the circuit"}
    pairs = {f"{labels[measure]}, row minus column": differences for measure, differences in tests.items()}
    between = {"angle between networks (rad)": distance}
    return {
        "scores": cs.Picture(
            cs.figures.score_panels(scores, (ANGLE, CKA, SKEW, FREQUENCY), floor=-0.2), "Similarity of the activity of each network and the circuit",
            "Dots: median over networks; lines: interval from order statistics; grey: 95 % of the surrogates; dashed: the circuit itself.",
        ),
        "pairs": cs.Picture(
            cs.figures.pair_tables(pairs, [*RULES, NONE], between, SURE), "Rules in pairs",
            f"Medians of the differences within networks; *: p < {SURE:g} by Wilcoxon's signed-rank test, corrected by Holm's method for all "
            "pairs of a panel. Last: mean Procrustes angle between networks that began differently; on the diagonal, under the same rule.",
        ),
    }  # fmt: skip


def _methods() -> str:
    options = "; ".join(f"{name}: {o.epochs} epochs at most, rate {o.rate:g}{', ' + str(h) if h else ''}" for name, (o, h) in RULES.items())
    return f"""
    Every rule trains the same initial networks, with the same directions held out for validation, so that rules are compared within networks. The
    network receives the target's x and y and a hold signal until the go cue. It starts from rest {PREPARATION * 1e3:g} ms before the go cue, and
    its target output is the hand's minimum-jerk position. Back-propagation and e-prop change all weights, biases and gains; force, full_force and
    target_regression recurrent weights and readout; node_perturbation gains alone. Rules thus differ in what they change as well as in how.

    Parameters of the rules, chosen by trying a few on two networks: {options}. The cost of a rule depends on these parameters.

    The circuit is released from preparatory states that rotate with direction, in the plane of two mixtures of its {cs.analysis.MIXED_STATES} most
    amplified states. Hidden rates of the networks and rates of the circuit, go cue to {MOVEMENT * 1e3:g} ms, are divided by each unit's standard
    deviation over the training directions; units differ in number, so they are compared by geometry. For jPCA ({TURNING[0] * 1e3:g} to
    {TURNING[1] * 1e3:g} ms) rates are divided by the unit's range plus {cs.analysis.SOFT_SHARE:g} of the median range.
    """
