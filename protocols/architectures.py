"""Which network can hold a movement in mind, and what does it cost?

Reproduces  no figure. Delayed recall after Elman (1990) Cognitive Science 14:179 (context units) and Hochreiter & Schmidhuber (1997) Neural
            Comput 9:1735 (gates), as hand strokes that are repeated 0 to 2 s after they were shown.
Claim       a network that sees one or two steps of its input fails at any delay, a convolution fails beyond its window, and a gated
            network leaves less than half of the error after 1 s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "gru"
UNITS = 32  # of the reference; the others get as many as make their learned numbers as many as its
NETWORKS = ("gru", "lstm", "two_tap", "elman_1990", "leaky_readout", "feedforward", "temporal_convolution")  # slow ones first
WINDOWED, WINDOWLESS = "temporal_convolution", ("feedforward", "two_tap")
TAPS, SPACING = 12, 50.0  # ms: a window of 0.55 s
TAUGHT, TESTED = 300, 100  # trials, a fifth of them with each delay
SEEDS = 5  # networks of each architecture
OPTIONS = cs.Options(epochs=60, batch=60, rate=1e-2, patience=60, start="rest", closed_form=False)
LONG = 1.0  # s
REPEATS = 3  # of which the quickest counts
BOUND, SURE = "bound of this protocol", 0.05  # SURE: p after correction
PAST = "change of the output when all heard before the last two steps is replaced (relative)"
LEARNED, STEP, TRAINING, INFERENCE = "learned numbers", "operations a step", "training (s of one core)", "inference (µs a step)"
FEW = "two networks, which give no interval"
Errors = Mapping[tuple[str, float], np.ndarray]  # of an architecture after a delay: one a network
Costs = Mapping[str, Mapping[str, np.ndarray]]  # of an architecture, by what is counted: one a network


def training_data(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> tuple[cs.Model, cs.Trials, cs.Task, cs.Options]:
    """Return a student, its targets, the task and the options, to search for better options."""
    task = cs.tasks.recall(20 if smoke else TAUGHT, delays=_delays(smoke), seed=seed)
    return model.with_arrays({}, units=UNITS), task.wanted, task, replace(OPTIONS, epochs=2) if smoke else OPTIONS


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train networks of every architecture on the same recall task, and measure the memory and the cost of each.

    Args:
        model: reference with which the others are compared; it sets their number of learned numbers.
        seed: of every random choice.
        smoke: short delays, few trials and epochs: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: the reference receives no channels or has no readout of hidden units.
    """
    if model.readout is None or not any(item.listens for item in model.inputs.values()):
        raise cs.errors.OptionError(f"{model.name}: recall needs a network that hears channels and has a readout, such as gru or elman_1990.")
    seconds: dict[str, float] = {}
    _, wanted, task, options = training_data(model, seed=seed, smoke=smoke)
    battery = cs.tasks.recall(20 if smoke else TESTED, delays=_delays(smoke), seed=cs.seed_of(seed, "task", "test trials of architectures"))
    budget = cs.cards.learned_numbers(_hearing(model, UNITS))
    students = {name: _sized(model if name == model.name else cs.load(name), budget) for name in dict.fromkeys((model.name, *NETWORKS))}
    seeds = [cs.seed_of(seed, "student", "network of architectures", k) for k in range(2 if smoke else SEEDS)]
    with cs.timed(seconds, "training"):
        jobs = {name: [cs.fitting.Job(student, wanted, task, own, options) for own in seeds] for name, student in students.items()}
        fitted = cs.fitting.train_groups(jobs)
    with cs.timed(seconds, "comparison"):
        made = {name: [cs.simulate(network.model, battery).rate for network in networks] for name, networks in fitted.items()}
        made["untrained"] = [cs.simulate(network.start, battery).rate for network in fitted[model.name]]
        errors = {(name, delay): np.array([cs.tasks.recall_error(battery, rate)[delay] for rate in rates])
                  for name, rates in made.items() for delay in _delays(smoke)}  # fmt: skip
        past = {name: np.array([cs.analysis.told_by_the_past(network.model, battery, seed) for network in networks])
                for name, networks in fitted.items()}  # fmt: skip
        costs = {name: _costs(networks, battery) for name, networks in fitted.items()}
        scores = []
        for at, delay in enumerate(_delays(smoke)):
            for name, rates in made.items():
                rng = cs.stream(seed, "null", "permuted trials of architectures", at)
                scores.append(cs.measures.recall_score(name, battery, rates, delay, rng=rng, otherwise=FEW))
        scores.sort(key=lambda score: list(made).index(score.student))
        scores += [_forgetting(name, values, battery.trials) for name, values in past.items()]
        compared = [(name, delay) for name, delay in errors if name not in (model.name, "untrained") and delay]
        tests = cs.statistics.paired_t({key: (np.log(errors[key]), np.log(errors[model.name, key[1]])) for key in compared})
    first = {name: networks[0] for name, networks in fitted.items()}
    return cs.Report(
        title=QUESTION, question=f"{len(seeds)} networks of each of {len(students)} architectures; reference: {model.title}.",
        answer=_answer(model.name, errors, costs, tests), claims=_exact(past) + ([] if smoke else _claims(model.name, errors, tests)), scores=scores,
        pictures=_pictures(battery, made, errors, costs) | cs.figures.learning_pictures(first),
        trials={"wanted": battery.wanted} | {name: cs.simulate(network.model, battery) for name, network in first.items()},
        models={name: network.model for name, network in first.items()}, methods=_methods(battery, len(seeds)),
        facts={name: _fact(students[name], cost) for name, cost in costs.items()}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _delays(smoke: bool) -> tuple[float, ...]:
    return cs.tasks.RECALL_DELAYS[:2] if smoke else cs.tasks.RECALL_DELAYS


def _hearing(card: cs.Model, units: int) -> cs.Model:
    return card.with_arrays({}, units=units, observed=2, channels=3)


def _sized(card: cs.Model, budget: int) -> cs.Model:
    """Return the card with the number of units that brings its learned numbers nearest to the budget."""
    if card.name == WINDOWED:
        spacing = cs.cards.Parameter(value=SPACING, unit="ms", meaning="time between taps", source="chosen")
        card = card.with_arrays({}, taps=TAPS, spacing=spacing)
    return cs.cards.nearest_in_size(lambda units: _hearing(card, units), budget)


def _costs(networks: Sequence[cs.Fitted], battery: cs.Task) -> dict[str, np.ndarray]:
    """Return the cost of each network of an architecture; inference is timed on one trial."""
    trial = battery.select([0])
    return {
        LEARNED: np.array([float(cs.cards.learned_numbers(network.model)) for network in networks]),
        STEP: np.array([float(cs.cards.operations_per_step(network.model)) for network in networks]),
        TRAINING: np.array([network.seconds for network in networks]),
        INFERENCE: np.array([1e6 * cs.simulation.seconds_per_bin(network.model, trial, runs=REPEATS) for network in networks]),
    }


def _forgetting(name: str, values: np.ndarray, trials: int) -> cs.Score:
    return cs.Score(
        PAST, name, f"{trials} trials not taught", better="higher", identical=1.0, null=None,
        surrogate="an exact property: 0 if and only if nothing earlier is used", ceiling_reason="no data are compared with",
        **cs.statistics.mean_over("networks", values, otherwise=FEW),
    )  # fmt: skip


def _exact(past: Mapping[str, np.ndarray]) -> list[cs.Claim]:
    text = "largest change of the output when all heard before the last two steps is replaced"
    return [cs.Claim(f"{name}: {text}", float(past[name].max()), 0.0, 1e-12, "by construction; round-off") for name in WINDOWLESS]


def _claims(reference: str, errors: Errors, tests: Mapping[tuple[str, float], float]) -> list[cs.Claim]:
    later = [delay for delay in cs.tasks.RECALL_DELAYS if delay]
    within = [delay for delay in later if delay * 1e3 <= TAPS * SPACING - SPACING]
    of = {name: np.array([errors[name, delay] for delay in later]) for name in WINDOWLESS}
    taught, test = TAUGHT / len(cs.tasks.RECALL_DELAYS), TESTED / len(cs.tasks.RECALL_DELAYS)
    chance = 3 * np.sqrt(2 / (taught * test))  # an output like the mean m of the directions taught adds |m|^2 - 2 m.(mean of those asked)
    source = "least error without memory: 1, by symmetry; 3 standard errors of finite numbers of directions, derived"
    claims = [cs.Claim(f"{name}: error {worst} over all delays", float(find(of[name])), 1 - chance, 1 + chance + 1 / taught, source)
              for name in WINDOWLESS for worst, find in (("least", np.min), ("largest", np.max))]  # fmt: skip
    seen, unseen = (float(find([errors[WINDOWED, delay] for delay in later if (delay in within) is inside]))
                    for find, inside in ((np.max, True), (np.min, False)))  # fmt: skip
    left = {name: float(errors[name, LONG].mean()) for name in (reference, *WINDOWLESS)}
    beaten = [tests[name, LONG] < SURE and left[name] > left[reference] for name in WINDOWLESS]
    text = f"share of networks without memory that {reference} beats after {LONG:g} s (Holm, p < {SURE:g})"
    return [
        *claims,
        cs.Claim(f"{WINDOWED}: largest error at delays within its window", seen, 0.0, 0.3, BOUND),
        cs.Claim(f"{WINDOWED}: least error at delays beyond its window", unseen, 0.9, 1.1, BOUND),
        cs.Claim(f"{reference}: mean error after {LONG:g} s", left[reference], 0.0, 0.5, BOUND),
        cs.Claim(text, float(np.mean(beaten)), 1.0, 1.0, BOUND),
    ]


def _answer(reference: str, errors: Errors, costs: Costs, tests: Mapping[tuple[str, float], float]) -> str:
    delays = [delay for name, delay in errors if name == reference]
    delay, spent = LONG if LONG in delays else delays[-1], costs[reference]
    left = {name: float(errors[name, delay].mean()) for name in sorted(costs, key=lambda name: float(errors[name, delay].mean()))}
    apart = [name for name in left if name != reference and tests[name, delay] < SURE]
    return (
        f"{delay:g} s after strokes were shown, these errors are left (1: none is remembered): "
        f"{', '.join(f'{name} {error:.2f}' for name, error in left.items())}; {len(apart)} of {len(left) - 1} differ from {reference} over networks "
        f"(paired t, Holm, p < {SURE:g}). {reference} pays {spent[STEP][0] / 1e3:.1f} thousand operations and {spent[INFERENCE].mean():.0f} µs a "
        f"step, {np.median(spent[TRAINING]):.0f} s of training."
    )


def _pictures(battery: cs.Task, made: Mapping[str, Sequence[np.ndarray]], errors: Errors, costs: Costs) -> dict[str, cs.Picture]:
    delays, label = list(cs.tasks.recall_floor(battery)), "squared error / squared velocity wanted"
    table = {name: np.array([errors[name, delay] for delay in delays]).T for name in costs}
    lines = {label: {name: (delays, values) for name, values in table.items()}}
    by_cost = {what: {name: cost[what] for name, cost in costs.items()} for what in (LEARNED, STEP, TRAINING, INFERENCE)}
    shown = {battery.notes["delay_s"].index(delay): f"delay {delay:g} s" for delay in delays}
    return {
        "delays": cs.Picture(
            cs.figures.over_settings(lines, xlabel="delay (s)", even=True, reference={label: 1.0}), "What is left of the error after each delay",
            "Lines: mean over networks; dots: networks; dashed: keeping still, the best without memory.",
        ),
        "strokes": cs.Picture(
            cs.figures.strokes(battery, {name: made[name][0] for name in costs}, shown), "Strokes made by the first network of each architecture",
            "One held-out trial per delay.",
        ),
        "cost": cs.Picture(
            cs.figures.error_over_cost({name: values.mean(axis=1) for name, values in table.items()}, by_cost), "Error over cost",
            "Error averaged over delays. Dots: networks; rings: medians. Operations: 2 for each entry of each matrix that multiplies.",
        ),
    }  # fmt: skip


def _fact(student: cs.Model, cost: Mapping[str, np.ndarray]) -> str:
    return (
        f"{student.units} units, {cost[LEARNED][0]:.0f} learned numbers, {cost[STEP][0]:.0f} operations a step, "
        f"{np.median(cost[TRAINING]):.1f} s of training, {np.median(cost[INFERENCE]):.0f} µs a step"
    )


def _methods(battery: cs.Task, networks: int) -> str:
    return f"""
    A stroke of {battery.notes["stroke_s"]:g} s in a random direction is shown as the velocity of a hand, and must be repeated when the go signal
    comes, 0 to 2 s later. Each network is trained on all delays in alternation, so that it cannot know how long it will have to wait. A delay line
    does this without error. A network without memory can at best keep still at any delay, since directions are independent and uniform: error 1.

    {networks} networks of each architecture, with the same trials, at most {OPTIONS.epochs} epochs, Adam at {OPTIONS.rate:g}, back-propagation
    through the whole trial, and the number of units that brings the learned numbers nearest to those of the reference with {UNITS} units. The
    convolution sees {TAPS} samples {SPACING:g} ms apart. Recurrent networks with their state as output answer one bin late, at a cost below 0.01.

    Architectures are compared with the reference at each delay by paired t tests of the logarithm of the error over networks, corrected by Holm's
    method for all comparisons. Operations: 2 for each entry of each matrix that multiplies in a step. Times were measured on the machine of this run.
    """
