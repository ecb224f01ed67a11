"""Which network can hold a movement in mind, and what does it cost?

Reproduces  no figure. Delayed recall after Elman (1990) Cognitive Science 14:179 (context units) and Hochreiter & Schmidhuber (1997) Neural
            Comput 9:1735 (gates), as strokes of a hand that are made 0 to 2 s after they were shown.
Claim       a network that sees one or two steps of its input fails as soon as there is a delay, a convolution fails beyond its window, and a gated
            network leaves less than half of the error after 1 s.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import ttest_rel

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "gru"
UNITS = 32  # of the reference; the others get as many as make their learned numbers as many as its
NETWORKS = ("gru", "lstm", "two_tap", "elman_1990", "leaky_readout", "feedforward", "temporal_convolution")  # slow ones first
WINDOWED, WINDOWLESS = "temporal_convolution", ("feedforward", "two_tap")
TAPS, SPACING = 12, 50.0  # ms: a window of 0.55 s
TAUGHT, TESTED = 300, 100  # trials, a fifth of them with each delay
SEEDS = 5  # networks of each architecture
LESSON = cs.Options(epochs=60, batch=60, rate=1e-2, patience=60, start="rest", closed_form=False)
LONG = 1.0  # s
NULLS, REPEATS = 100, 3
BOUND = "bound of this protocol"


def training_data(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> tuple[cs.Model, cs.Trials, cs.Task, cs.Options]:
    """A student, what it shall put out, the task and the options, for searching better options."""
    task = cs.tasks.recall(20 if smoke else TAUGHT, delays=cs.tasks.RECALL_DELAYS[:2] if smoke else cs.tasks.RECALL_DELAYS, seed=seed)
    return model.with_arrays({}, units=UNITS), task.wanted, task, replace(LESSON, epochs=2) if smoke else LESSON


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Teach networks of every architecture the same recall, and measure what each remembers and costs.

    Args:
        model: reference that the others are compared with and take their number of learned numbers from.
        seed: of every random choice.
        smoke: short delays, few trials and epochs: shows that everything runs, its numbers mean nothing.

    Raises:
        OptionError: the reference hears no channels or has no readout of hidden units.
    """
    seconds: dict[str, float] = {}
    if model.readout is None or not any(item.listens for item in model.inputs.values()):
        raise cs.errors.OptionError(f"{model.name}: recall needs a network that hears channels and has a readout, such as gru or elman_1990.")
    _, wanted, task, options = training_data(model, seed=seed, smoke=smoke)
    delays, drawn = cs.tasks.RECALL_DELAYS[:2] if smoke else cs.tasks.RECALL_DELAYS, cs.seed_of(seed, "task", "test trials of architectures")
    battery = cs.tasks.recall(20 if smoke else TESTED, delays=delays, seed=drawn)
    budget = parameters(_heard(model, UNITS))
    students = {name: _sized(model if name == model.name else cs.load(name), budget) for name in dict.fromkeys((model.name, *NETWORKS))}
    networks = range(2 if smoke else SEEDS)
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_many(
            {
                f"{name}, {k}": cs.fitting.Job(one, wanted, task, cs.seed_of(seed, "student", "network of architectures", k), options)
                for name, one in students.items()
                for k in networks
            }
        )
    grouped = {name: [fitted[f"{name}, {k}"] for k in networks] for name in students}
    with cs.timed(seconds, "comparison"):
        made = {name: [cs.simulate(one.model, battery).rate for one in each] for name, each in grouped.items()}
        made["untrained"] = [cs.simulate(one.start, battery).rate for one in grouped[model.name]]
        errors = {name: np.array([list(cs.tasks.recall_error(battery, one).values()) for one in each]) for name, each in made.items()}
        forgets = {name: np.array([_told_by_the_past(one.model, battery, seed) for one in each]) for name, each in grouped.items()}
        costs = {name: _costs(each, battery) for name, each in grouped.items()}
        scores = [_score(name, battery, made[name], errors[name], at, seed) for name in made for at in range(len(cs.tasks.recall_floor(battery)))]
        scores += [_past(name, values, len(battery.condition)) for name, values in forgets.items()]
    first = {name: each[0] for name, each in grouped.items()}
    tests = _tests(model.name, errors, list(cs.tasks.recall_floor(battery)))
    return cs.Report(
        title=QUESTION, question=f"{len(networks)} networks of each of {len(students)} architectures; reference: {model.title}.",
        answer=_answer(model.name, errors, costs, list(cs.tasks.recall_floor(battery)), tests),
        claims=_exact(forgets) + ([] if smoke else _claims(model.name, errors, list(cs.tasks.recall_floor(battery)), tests)), scores=tuple(scores),
        pictures=_pictures(battery, made, errors, costs) | cs.figures.learning_pictures(first),
        trials={"wanted": battery.wanted} | {name: cs.simulate(one.model, battery) for name, one in first.items()},
        models={name: one.model for name, one in first.items()}, methods=_methods(battery, len(networks)),
        facts={name: _fact(students[name], cost) for name, cost in costs.items()}, smoke=smoke,
        seed=seed, seconds=seconds,
    )  # fmt: skip


def parameters(model: cs.Model) -> int:
    """How many numbers are learned, those of an encoder left out: every trial starts from rest."""
    unused = {model.initial.weights, model.initial.offset} if model.initial else set()
    matrices = [model.size(p.rows) * model.size(p.columns) for name, p in model.projections.items() if p.learn and name not in unused]
    return sum(matrices) + sum(model.size(p.over) for name, p in model.parameters.items() if p.learn and p.over and name not in unused)


def operations(model: cs.Model) -> int:
    """Floating-point operations of one step of one trial: 2 for each entry of each matrix that multiplies, element-wise functions not counted.

    The matrices are the projections that the equations call, those that carry channels to each input, and the readout.
    """
    used = [*(model.parsed.called() & model.projections.keys()), *(str(item.weights) for item in model.inputs.values() if item.listens)]
    used += [model.readout.weights] if model.readout else []
    return 2 * sum(model.size(model.projections[name].rows) * model.size(model.projections[name].columns) for name in used)


def _heard(card: cs.Model, units: int) -> cs.Model:
    return card.with_arrays({}, units=units, observed=2, channels=3)


def _sized(card: cs.Model, budget: int) -> cs.Model:
    """The card with as many units as bring its learned numbers nearest to the budget."""
    if card.name == WINDOWED:
        spacing = cs.cards.Parameter(value=SPACING, unit="ms", meaning="time between taps", source="chosen")
        card = card.with_arrays({}, taps=TAPS, spacing=spacing)
    low, high = 1, budget
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameters(_heard(card, middle)) <= budget else (low, middle)
    return _heard(card, min((low, high), key=lambda units: abs(parameters(_heard(card, units)) - budget)))


def _told_by_the_past(model: cs.Model, task: cs.Task, seed: int) -> float:
    """How much an output changes when everything heard earlier than one step before is replaced; root mean square, relative to that wanted."""
    assert task.channels is not None
    assert task.targets is not None
    values = task.channels.values.copy()
    half = task.bins // 2
    values[:, : 10 * (half - 1)] = cs.stream(seed, "analysis", "replaced past").normal(size=values[:, : 10 * (half - 1)].shape)
    other = replace(task, channels=task.channels.copy(data=values))
    apart = cs.simulate(model, task).rate[:, half] - cs.simulate(model, other).rate[:, half]
    return float(np.sqrt((apart**2).mean() / (task.targets.values**2).max()))


def _costs(each: Sequence[cs.Fitted], battery: cs.Task) -> dict[str, np.ndarray]:
    """What each network of an architecture costs; a step of inference is timed on one trial, the quickest of a few runs."""
    one, took = battery.select([0]), []
    for network in each:
        runs = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            cs.simulate(network.model, one)
            runs.append(time.perf_counter() - began)
        took.append(min(runs) / one.bins)
    return {
        "learned numbers": np.array([float(parameters(network.model)) for network in each]),
        "operations a step": np.array([float(operations(network.model)) for network in each]),
        "training (s of one core)": np.array([network.seconds for network in each]),
        "inference (µs a step)": 1e6 * np.array(took),
    }


def _score(name: str, battery: cs.Task, made: Sequence[np.ndarray], errors: np.ndarray, at: int, seed: int) -> cs.Score:
    """Error at one delay, with outputs of trials of that delay exchanged as the null."""
    delay = list(cs.tasks.recall_floor(battery))[at]
    chosen = np.flatnonzero(np.array(battery.notes["delay_s"]) == delay)
    part = replace(battery.select(chosen), notes=battery.notes | {"delay_s": [delay] * len(chosen)})
    rng = cs.stream(seed, "null", "permuted trials of architectures", at)
    orders = [cs.trials.derangement(len(chosen), rng) for _ in range(NULLS)]
    null = np.array([cs.tasks.recall_error(part, made[k % len(made)][chosen][order])[delay] for k, order in enumerate(orders)])
    interval = cs.statistics.jackknifed(lambda kept: float(errors[kept, at].mean()), len(errors)) if len(errors) > 2 else None
    return cs.Score(
        f"error of recall after {delay:g} s (squared, relative)", name, f"{len(chosen)} trials not taught", float(errors[:, at].mean()), "lower", 0.0,
        null, "outputs of other trials of this delay", interval, "networks" if interval else "two networks, which give no interval", ceiling=0.0,
        settings={"ceiling": "a delay line", "floor_without_memory": cs.tasks.recall_floor(battery)[delay], "networks": errors[:, at].tolist()},
    )  # fmt: skip


def _past(name: str, values: np.ndarray, trials: int) -> cs.Score:
    interval = cs.statistics.jackknifed(lambda kept: float(values[kept].mean()), len(values)) if len(values) > 2 else None
    return cs.Score(
        "change of the output when all heard before the last two steps is replaced (relative)", name, f"{trials} trials not taught",
        float(values.mean()), "higher", 1.0, None, "an exact property: 0 if and only if nothing earlier is used", interval,
        "networks" if interval else "two networks, which give no interval", ceiling_reason="no data are compared with",
    )  # fmt: skip


def _tests(reference: str, errors: Mapping[str, np.ndarray], delays: Sequence[float]) -> dict[tuple[str, float], float]:
    """Paired t tests of log error against the reference over networks of one seed, at each delay, corrected for their number by Holm's method."""
    places = [(name, at) for name in errors if name not in (reference, "untrained") for at, delay in enumerate(delays) if delay]
    p = [float(ttest_rel(np.log(errors[name][:, at]), np.log(errors[reference][:, at])).pvalue) for name, at in places]
    return {(name, delays[at]): float(one) for (name, at), one in zip(places, cs.statistics.holm(np.array(p)), strict=True)}


def _exact(forgets: Mapping[str, np.ndarray]) -> list[cs.Claim]:
    text, source = "largest change of the output when all heard before the last two steps is replaced", "by construction; round-off"
    return [cs.Claim(f"{name}: {text}", float(forgets[name].max()), 0.0, 1e-12, source) for name in WINDOWLESS]


def _claims(reference: str, errors: Mapping[str, np.ndarray], delays: Sequence[float], tests: Mapping[tuple[str, float], float]) -> list[cs.Claim]:
    later = [at for at, delay in enumerate(delays) if delay]
    within = [at for at in later if delays[at] * 1e3 <= TAPS * SPACING - SPACING]
    beyond = [at for at in later if at not in within]
    long = delays.index(LONG)
    taught, test = TAUGHT / len(cs.tasks.RECALL_DELAYS), TESTED / len(cs.tasks.RECALL_DELAYS)
    chance = 3 * np.sqrt(2 / (taught * test))  # an output like the mean m of the directions taught adds |m|^2 - 2 m.(mean of those asked)
    source = "least error without memory: 1, by symmetry; 3 standard errors of finite numbers of directions, derived"
    claims = [cs.Claim(f"{name}: error {worst} over all delays", float(find(errors[name][:, later])), 1 - chance, 1 + chance + 1 / taught, source)
              for name in WINDOWLESS for worst, find in (("least", np.min), ("largest", np.max))]  # fmt: skip
    beaten = [tests[name, LONG] < 0.05 and errors[name][:, long].mean() > errors[reference][:, long].mean() for name in WINDOWLESS]
    claims += [
        cs.Claim(f"{WINDOWED}: largest error at delays within its window", float(errors[WINDOWED][:, within].max()), 0.0, 0.3, BOUND),
        cs.Claim(f"{WINDOWED}: least error at delays beyond its window", float(errors[WINDOWED][:, beyond].min()), 0.9, 1.1, BOUND),
        cs.Claim(f"{reference}: mean error after {LONG:g} s", float(errors[reference][:, long].mean()), 0.0, 0.5, BOUND),
        cs.Claim(
            f"share of networks without memory that {reference} beats after {LONG:g} s (Holm, p < 0.05)", float(np.mean(beaten)), 1.0, 1.0, BOUND
        ),
    ]
    return claims


def _answer(
    reference: str,
    errors: Mapping[str, np.ndarray],
    costs: Mapping[str, Mapping[str, np.ndarray]],
    delays: Sequence[float],
    tests: Mapping[tuple[str, float], float],
) -> str:
    at = delays.index(LONG) if LONG in delays else len(delays) - 1
    order = sorted(costs, key=lambda name: float(errors[name][:, at].mean()))
    listed = ", ".join(f"{name} {errors[name][:, at].mean():.2f}" for name in order)
    apart = [name for name in order if name != reference and tests[name, delays[at]] < 0.05]
    spent = costs[reference]
    return (
        f"{delays[at]:g} s after strokes were shown, these errors are left (1: none is remembered): {listed}; "
        f"{len(apart)} of {len(order) - 1} differ from {reference} over networks (paired t, Holm, p < 0.05). "
        f"{reference} pays {spent['operations a step'][0] / 1e3:.1f} thousand operations and {spent['inference (µs a step)'].mean():.0f} µs a step, "
        f"{np.median(spent['training (s of one core)']):.0f} s of training."
    )


def _pictures(
    battery: cs.Task, made: Mapping[str, Sequence[np.ndarray]], errors: Mapping[str, np.ndarray], costs: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, cs.Picture]:
    assert battery.targets is not None
    delays, delay = list(cs.tasks.recall_floor(battery)), np.array(battery.notes["delay_s"])
    shown = [int(np.flatnonzero(delay == one)[0]) for one in delays]
    label = "squared error / squared velocity wanted"
    left = {name: errors[name].mean(axis=1) for name in costs}
    by_cost = {what: {name: cost[what] for name, cost in costs.items()} for what in next(iter(costs.values()))}
    lines = {name: (delays, each) for name, each in errors.items() if name != "untrained"}
    rows = {name: made[name][0][shown, :, 0] for name in costs}
    return {
        "delays": cs.Picture(
            cs.figures.over_settings({label: lines}, xlabel="delay (s)", even=True, reference={label: 1.0}),
            "What is left of the error after each delay",
            "Lines: mean over networks; dots: networks; dashed: keeping still, the best without memory.",
        ),
        "strokes": cs.Picture(
            cs.figures.over_time(
                battery.targets.values[shown, :, 0],
                rows,
                battery.time,
                [f"delay {one:g} s" for one in delays],
                ylabel="velocity x (cm/s)",
                xlabel="time from the first stroke (s)",
            ),
            "Strokes made by the first network of each architecture",
            "One trial of each delay, not taught.",
        ),
        "cost": cs.Picture(
            cs.figures.error_over_cost(left, by_cost),
            "Error over cost",
            "Error averaged over delays. Dots: networks; rings: medians. Operations: 2 for each entry of each matrix that multiplies.",
        ),
    }


def _fact(student: cs.Model, cost: Mapping[str, np.ndarray]) -> str:
    return (
        f"{student.units} units, {cost['learned numbers'][0]:.0f} learned numbers, {cost['operations a step'][0]:.0f} operations a step, "
        f"{np.median(cost['training (s of one core)']):.1f} s of training, {np.median(cost['inference (µs a step)']):.0f} µs a step"
    )


def _methods(battery: cs.Task, networks: int) -> str:
    return f"""
    A stroke of {battery.notes["stroke_s"]:g} s in a random direction is shown as the velocity of a hand, and shall be made again when the go signal
    comes, 0 to 2 s later. Each network is taught all delays at once, in turn, so that it cannot know how long it will have to wait. A delay line does
    this without error. A network without memory can at best keep still once there is a delay, since directions are independent and uniform: error 1.

    {networks} networks of each architecture, with the same trials, {LESSON.epochs} epochs at most, Adam at {LESSON.rate:g}, back-propagation through
    all of time, and as many units as bring the learned numbers nearest to those of the reference with {UNITS} units. The convolution sees {TAPS}
    moments {SPACING:g} ms apart. Recurrent networks whose output is their state answer one bin late, which costs less than 0.01 of the error.

    Architectures are compared with the reference at each delay by paired t tests of the logarithm of the error over networks, corrected by Holm's
    method for all of them. Operations: 2 for each entry of each matrix that multiplies in a step. Times were measured on the machine of this run.
    """
