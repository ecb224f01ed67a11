"""What do long sequences cost a network that learns them, and what does truncation lose?

Reproduces  no figure. Truncated back-propagation with carried state, Williams & Peng (1990) Neural Comput 2:490, and gradients by checkpoints,
            Chen et al. (2016) arXiv:1604.06174, on sequences of 10^3 to 10^5 steps and on recall after known delays.
Claim       bytes of a gradient grow as the length through all of time, as its square root with checkpoints, which give the same gradient, and
            not at all with truncation, nor do those of a run; truncation learns what its segments reach back to, and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, sqrt

import numpy as np
from scipy.stats import ttest_rel

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "lstm"
UNITS = 32
LENGTHS = (1_000, 10_000, 100_000)  # bins of 10 ms; a step of the customary network is a bin
CUT = 100  # bins of a segment where truncation is costed
EXACT = 10_000  # bins up to which gradients by checkpoints and through all of time are compared in float64
ALL, CHECKPOINTS, TRUNCATED, RUN = "all of time", "checkpoints", "truncated", "inference"
RULE = cs.Options(start="rest", closed_form=False)
WAYS = {ALL: RULE, CHECKPOINTS: replace(RULE, through="checkpoints"), TRUNCATED: replace(RULE, through="segment", segment=CUT)}
DELAYS = (0.1, 0.2)  # s to be bridged
BINS, SEGMENTS = 500, (5, 10, 20, 50, 100, 500)  # of a taught sequence, and of its segments; the last is all of it
TAUGHT, TESTED = 110, 20  # sequences; a tenth of those taught beside them decides when the network was best
SEEDS = 6  # networks
LESSON = replace(RULE, epochs=5, rate=1e-2, patience=5, validation=1 / 11, through="segment")
LONG, RECORDINGS, PASSES = 50, 3, {TRUNCATED: 2, CHECKPOINTS: 10}  # bins of a segment, networks, and passes over one long recording
NULLS = 100
SURE = 0.05  # p after correction
BOUND = "bound of this protocol"
DERIVED = "derived in the methods"


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Measure what sequences of many lengths cost, and what networks learn from segments of many lengths.

    Args:
        model: network that hears channels and has a readout.
        seed: of every random choice.
        smoke: short sequences, few networks: shows that everything runs, its numbers mean nothing.

    Raises:
        OptionError: the network hears no channels or has no readout of hidden units.
    """
    if model.readout is None or not any(item.listens for item in model.inputs.values()):
        raise cs.errors.OptionError(f"{model.name}: long sequences need a network that hears channels and has a readout, such as lstm or gru.")
    seconds: dict[str, float] = {}
    lengths, segments, networks = (LENGTHS, SEGMENTS, SEEDS) if not smoke else ((100, 200), SEGMENTS[1::4], 2)
    student = model.with_arrays({}, units=UNITS, observed=2, channels=3)
    with cs.timed(seconds, "cost"):
        costs, wrong = _costs(student, lengths, seed), _wrong(student, [bins for bins in lengths if bins <= EXACT], seed)
    unseen = cs.seed_of(seed, "task", "test sequences")
    tasks = {delay: (_task(10 if smoke else TAUGHT, BINS, delay, seed), _task(TESTED, BINS, delay, unseen)) for delay in DELAYS}
    with cs.timed(seconds, "training"):
        fitted, recorded = _taught(student, tasks, segments, networks, lengths[-1], seed, smoke)
    with cs.timed(seconds, "comparison"):
        made = {key: [cs.simulate(one.model, tasks[key[0]][1]).rate for one in each] for key, each in (fitted | recorded).items()}
        made |= {(delay, "untrained"): [cs.simulate(one.start, tasks[delay][1]).rate for one in fitted[delay, segments[-1]]] for delay in DELAYS}
        errors = {key: np.array([cs.tasks.recall_error(tasks[key[0]][1], one)[key[0]] for one in each]) for key, each in made.items()}
        lost = _lost(fitted, tasks, segments)
        scores = [_score(key, tasks[key[0]][1], made[key], errors[key], seed) for key in made]
    tests = _tests(errors, segments)
    return cs.Report(
        title=QUESTION, question=f"{student.title}, {UNITS} units: {lengths[0]} to {lengths[-1]} steps, and {networks} networks a segment.",
        answer=_answer(costs, errors, tests, lengths, segments),
        claims=_exact(wrong) + ([] if smoke else _growth(costs, lengths) + _learning(errors, tests, segments)), scores=tuple(scores),
        pictures=_pictures(costs, lengths, tasks, made, errors, lost, segments),
        trials={"wanted": tasks[DELAYS[-1]][1].wanted} | {_name(key): cs.simulate(each[0].model, tasks[key[0]][1]) for key, each in fitted.items()},
        models={_name(key): each[0].model for key, each in (fitted | recorded).items()}, methods=_methods(networks, lengths),
        facts=_facts(costs, lengths, recorded, errors), smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _task(trials: int, bins: int, delay: float, seed: int) -> cs.Task:
    """Strokes without a pause, so many bins of them in all."""
    return cs.tasks.recall(
        trials, delays=(delay,), strokes=round((bins * cs.tasks.BIN - 2 * cs.tasks.RECALL_REST - delay) / cs.tasks.RECALL_STROKE), seed=seed
    )


def _data(bins: int, seed: int) -> cs.fitting.TrainingData:
    task = _task(1, bins, DELAYS[-1], seed)
    return cs.fitting.TrainingData(task, task.wanted.rate, np.ones(2))


def _costs(model: cs.Model, lengths: Sequence[int], seed: int) -> dict[str, cs.fitting.Cost]:
    """Seconds are measured without counting, which takes time itself."""
    found = {name: cs.fitting.Cost([], []) for name in (*WAYS, RUN)}
    with cs.track("measuring long sequences") as report:
        for place, bins in enumerate(lengths):
            data = _data(bins, seed)
            for name, options in WAYS.items():
                how = replace(options, segment=ceil(sqrt(bins))) if name == CHECKPOINTS else options
                quick, counted = (cs.fitting.gradient_footprint(model, data, how, count=count) for count in (False, True))
                found[name].add(quick, counted)
                report((place + 0.5) / len(lengths), f"{bins} bins, {name}")
            alone, watched = (cs.fitting.run_footprint(model, data.task, count=count) for count in (False, True))
            found[RUN].add(alone, watched)
    return found


def _wrong(model: cs.Model, lengths: Sequence[int], seed: int) -> dict[str, float]:
    """Largest relative differences in float64: of the gradient by checkpoints, and of the error that truncation sums up on its way."""
    found: dict[str, list[float]] = {CHECKPOINTS: [], TRUNCATED: []}
    for bins in lengths:
        ways = {name: one if name == ALL else replace(one, segment=ceil(sqrt(bins))) for name, one in WAYS.items()}
        whole, again, cut = (cs.fitting.gradient_footprint(model, _data(bins, seed), ways[name], double=True) for name in WAYS)
        found[CHECKPOINTS].append(cs.fitting.gradient_distance(whole.arrays, again.arrays))
        found[TRUNCATED].append(abs(cut.error / whole.error - 1))
    return {name: max(values) for name, values in found.items()}


Key = tuple[float, int | str]  # a delay; a segment in bins, or another way to be taught
Taught = dict[Key, list[cs.Fitted]]


def _taught(
    student: cs.Model, tasks: Mapping[float, tuple[cs.Task, cs.Task]], segments: Sequence[int], networks: int, longest: int, seed: int, smoke: bool
) -> tuple[Taught, Taught]:
    """Networks taught many sequences, by delay and segment; and networks taught one long recording."""
    jobs = {}
    seeds = [cs.seed_of(seed, "student", "network of long_sequences", k) for k in range(max(networks, RECORDINGS))]
    for delay, (task, _) in tasks.items():
        for segment in segments:
            options = replace(LESSON, segment=segment, batch=BINS // segment, epochs=1 if smoke else LESSON.epochs)
            jobs |= {((delay, segment), k): cs.fitting.Job(student, task.wanted, task, seeds[k], options) for k in range(networks)}
    recording, delay = _task(1, longest, DELAYS[-1], seed), DELAYS[-1]
    for name, segment in ((TRUNCATED, LONG), (CHECKPOINTS, ceil(sqrt(longest)))):
        options = replace(LESSON, epochs=PASSES[name], validation=0, through=WAYS[name].through, segment=segment)
        jobs |= {((delay, f"one recording, {name}"), k): cs.fitting.Job(student, recording.wanted, recording, seeds[k], options)
                 for k in range(1 if smoke else RECORDINGS)}  # fmt: skip
    found = cs.fitting.train_many({f"{_name(key)}, {k}": job for (key, k), job in jobs.items()})
    grouped: Taught = {}
    for key, k in jobs:
        grouped.setdefault(key, []).append(found[f"{_name(key)}, {k}"])
    return {key: each for key, each in grouped.items() if key[1] in segments}, {key: each for key, each in grouped.items() if key[1] not in segments}


def _name(key: Key) -> str:
    how = key[1] if isinstance(key[1], str) else ALL if key[1] == BINS else f"segments of {key[1]} bins"
    return f"{key[0]:g} s, {how}"


def _lost(fitted: Taught, tasks: Mapping[float, tuple[cs.Task, cs.Task]], segments: Sequence[int]) -> dict[tuple[float, str], np.ndarray]:
    """Share of the gradient's norm that truncation changes, before and after the networks were taught through all of time: (network, segment)."""
    found = {}
    for delay, (_, battery) in tasks.items():
        few = battery.select(range(4))
        data = cs.fitting.TrainingData(few, few.wanted.rate, np.ones(2))
        for when, pick in (("before", "start"), ("after", "model")):
            models = [getattr(one, pick) for one in fitted[delay, segments[-1]]]
            whole = [cs.fitting.gradient_footprint(one, data, WAYS[ALL]).arrays for one in models]
            cut = [[cs.fitting.gradient_footprint(one, data, replace(WAYS[TRUNCATED], segment=s)).arrays for s in segments[:-1]] for one in models]
            found[delay, when] = np.array(
                [[cs.fitting.gradient_distance(all_of_it, part) for part in parts] for all_of_it, parts in zip(whole, cut, strict=True)]
            )
    return found


def _score(key: Key, battery: cs.Task, made: Sequence[np.ndarray], errors: np.ndarray, seed: int) -> cs.Score:
    """Error with outputs of other trials as the null."""
    rng = cs.stream(seed, "null", "permuted trials of long_sequences")
    null = np.array([cs.tasks.recall_error(battery, made[k % len(made)][cs.trials.derangement(battery.trials, rng)])[key[0]] for k in range(NULLS)])
    interval = cs.statistics.jackknifed(lambda kept: float(errors[kept].mean()), len(errors)) if len(errors) > 2 else None
    return cs.Score(
        f"error of recall after {key[0]:g} s (squared, relative)", _name(key).split(", ", 1)[1], f"{battery.trials} sequences not taught",
        float(errors.mean()), "lower", 0.0, null, "outputs of other sequences", interval,
        "networks" if interval else f"{len(errors)} networks; at least 3 are needed", ceiling=0.0,
        settings={"ceiling": "a delay line", "floor_without_memory": cs.tasks.recall_floor(battery)[key[0]], "networks": errors.tolist()},
    )  # fmt: skip


def _tests(errors: Mapping[Key, np.ndarray], segments: Sequence[int]) -> dict[Key, float]:
    """Paired t tests of log error against all of time over networks of one seed, corrected for their number by Holm's method."""
    keys = [(delay, segment) for delay in DELAYS for segment in segments[:-1]]
    p = [float(ttest_rel(np.log(errors[key]), np.log(errors[key[0], segments[-1]])).pvalue) for key in keys]
    return dict(zip(keys, cs.statistics.holm(np.array(p)).tolist(), strict=True))


def _blind(delay: float, segment: int) -> bool:
    """No gradient in a segment, whose last bin is its length less 1 from its first, reaches from anything wanted to what told it."""
    return segment - 1 < cs.tasks.nearest_heard(delay)


def _exact(wrong: Mapping[str, float]) -> list[cs.Claim]:
    source = "by construction; round-off of float64"
    return [
        cs.Claim("relative difference of the gradient by checkpoints from that through all of time", wrong[CHECKPOINTS], 0.0, 1e-10, source),
        cs.Claim("relative difference of the error summed over truncated segments from that of the whole", wrong[TRUNCATED], 0.0, 1e-10, source),
    ]


def _growth(costs: Mapping[str, cs.fitting.Cost], lengths: Sequence[int]) -> list[cs.Claim]:
    expected = {ALL: (0.99, 1.01), CHECKPOINTS: (0.0, 0.5), TRUNCATED: (-0.01, 0.01), RUN: (-0.01, 0.01)}
    bounds = [cs.Claim(f"{name}: exponent of bytes over length", costs[name].exponent(lengths), *ends, DERIVED) for name, ends in expected.items()]
    held, roots = costs[CHECKPOINTS].bytes, [ceil(sqrt(bins)) for bins in lengths]
    line = held[0] + (held[1] - held[0]) / (roots[1] - roots[0]) * (roots[2] - roots[0])
    text = "checkpoints: bytes at the longest over those that the shorter two predict, linear in the root of the length"
    return [*bounds, cs.Claim(text, held[2] / line, 0.9, 1.1, DERIVED)]


def _learning(errors: Mapping[Key, np.ndarray], tests: Mapping[Key, float], segments: Sequence[int]) -> list[cs.Claim]:
    left = {key: float(values.mean()) for key, values in errors.items()}
    cut = [(delay, segment) for delay in DELAYS for segment in segments[:-1]]
    blind, reaching = [key for key in cut if _blind(*key)], [key for key in cut if key[1] * cs.tasks.BIN >= key[0] - 1e-9]
    worse = [tests[key] < SURE and left[key] > left[key[0], segments[-1]] for key in blind]
    return [
        cs.Claim(
            "mean error through all of time, after the delay for which it is largest", max(left[d, segments[-1]] for d in DELAYS), 0.0, 0.1, BOUND
        ),
        cs.Claim("least mean error where no segment reaches back to what is asked for", min(left[key] for key in blind), 0.9, 1.1, BOUND),
        cs.Claim("share of these that leave more error than all of time (Holm, p < 0.05)", float(np.mean(worse)), 1.0, 1.0, BOUND),
        cs.Claim("largest mean error where segments are at least as long as the delay", max(left[key] for key in reaching), 0.0, 0.5, BOUND),
        *(
            cs.Claim(
                f"{d:g} s: mean error with segments of {segments[-2]} bins over that through all of time",
                left[d, segments[-2]] / left[d, segments[-1]],
                0.5,
                2.0,
                BOUND,
            )
            for d in DELAYS
        ),
    ]


def _answer(
    costs: Mapping[str, cs.fitting.Cost],
    errors: Mapping[Key, np.ndarray],
    tests: Mapping[Key, float],
    lengths: Sequence[int],
    segments: Sequence[int],
) -> str:
    held = ", ".join(f"{name} {cost.bytes[-1] / 1e6:.3g} MB" for name, cost in costs.items())
    left = "; ".join(
        f"after {delay:g} s " + ", ".join(f"{errors[delay, s].mean():.2g}{'*' if tests.get((delay, s), 1.0) < SURE else ''} ({s})" for s in segments)
        for delay in DELAYS
    )
    return (
        f"A sequence of {lengths[-1]} steps needs, beyond itself and its outputs: {held}. Errors left by segments of so many bins are (1: nothing "
        f"is remembered; *: other than through all of the {BINS} bins, paired t, Holm, p < {SURE:g}): {left}."
    )


def _facts(costs: Mapping[str, cs.fitting.Cost], lengths: Sequence[int], recorded: Taught, errors: Mapping[Key, np.ndarray]) -> dict[str, str]:
    facts = {
        name: ", ".join(f"{bins} bins: {b / 1e6:.3g} MB and {s:.2g} s" for bins, b, s in zip(lengths, cost.bytes, cost.seconds, strict=True))
        for name, cost in costs.items()
    }
    return facts | {
        f"{key[1]} of {lengths[-1]} bins": f"error {errors[key].mean():.2g} after {key[0]:g} s, {np.median([one.seconds for one in each]):.0f} s"
        for key, each in recorded.items()
    }


def _pictures(
    costs: Mapping[str, cs.fitting.Cost],
    lengths: Sequence[int],
    tasks: Mapping[float, tuple[cs.Task, cs.Task]],
    made: Mapping[Key, Sequence[np.ndarray]],
    errors: Mapping[Key, np.ndarray],
    lost: Mapping[tuple[float, str], np.ndarray],
    segments: Sequence[int],
) -> dict[str, cs.Picture]:
    scales = {"bytes held": "bytes", "seconds": "seconds"}
    grown = {label: {name: (lengths, np.array([getattr(c, what)], dtype=float)) for name, c in costs.items()} for label, what in scales.items()}
    label, delay = "log₁₀ (squared error / squared velocity wanted)", DELAYS[-1]
    lines = {label: {f"delay {d:g} s": (segments, np.log10([errors[d, s] for s in segments]).T) for d in DELAYS}}
    for when in ("before", "after"):
        lines[f"gradient changed, {when} teaching"] = {f"delay {d:g} s": (segments[:-1], lost[d, when]) for d in DELAYS}
    battery = tasks[delay][1]
    assert battery.targets is not None
    seen = slice(0, 150)
    rows = {_name((delay, s)).split(", ")[1]: made[delay, s][0][:3, seen, 0] for s in (*segments[:3], segments[-1])}
    return {
        "cost": cs.Picture(
            cs.figures.over_settings(grown, xlabel="length (steps of 10 ms)", log=True), "What one gradient and one run cost",
            "One sequence. Bytes beyond the sequence, the weights and the outputs, at most at once. Checkpoints: segments as long as the root of the "
            f"length; truncated: segments of {CUT} bins.",
        ),
        "segments": cs.Picture(
            cs.figures.over_settings(lines, xlabel="segment (bins of 10 ms)", even=True, reference={label: 0.0}), "What truncation loses",
            "Lines: mean over networks; dots: networks; dashed: keeping still, the best without memory. Right: norm of the change of the gradient "
            "relative to that through all of time, summed over segments at the same weights.",
        ),
        "strokes": cs.Picture(
            cs.figures.over_time(
                battery.targets.values[:3, seen, 0], rows, battery.time[seen], [f"sequence {k + 1}" for k in range(3)], ylabel="velocity x (cm/s)",
                xlabel="time from the first stroke (s)",
            ),
            f"Strokes made {delay:g} s after they were shown, by the first network of each segment", "Beginnings of sequences not taught.",
        ),
    }  # fmt: skip


def _methods(networks: int, lengths: Sequence[int]) -> str:
    reach = ", ".join(f"{cs.tasks.nearest_heard(delay)} bins (delay {delay:g} s)" for delay in DELAYS)
    return f"""
    A step is one of the network's own, {cs.tasks.BIN * 1e3:g} ms, which is a bin. Bytes are those of all arrays that torch made and held at once, and
    in a run those of NumPy too; the sequence itself, the weights and the outputs grow with the length in any case and are not counted. Every length
    was run in every way. Gradients are of one sequence in float32, runs in float64; gradients are compared in float64, at up to {EXACT} bins. NumPy
    is looked at now and then, so that what it holds for a moment may be missed in a short run: 25 kB of the customary network, the same at every
    length.

    Through all of time every step leaves b bytes: c + b L for L steps, exponent 1. With segments of s steps the states between L/s segments are kept,
    a bytes each, and the steps of one segment at a time: c + a L/s + b s, which is least at s² = a L/b. With s² = L it is c + (a + b) √L, no more
    than (a + b)/√(4 a b) times the least; its exponent is 1/2, less where c counts. A truncated segment and a piece of a run know nothing of L.

    A stroke of {cs.tasks.RECALL_STROKE:g} s in a random direction follows another, and each shall be made again a fixed delay later. Directions are
    independent, so that without memory the error is 1. What is wanted at a moment was last shown at least {reach} before. A segment that is no longer
    hands no gradient from anything wanted to anything that told it, though the state that it starts from may know.

    {networks} networks, the same under every segment, were taught {TAUGHT} sequences of {BINS} bins, {LESSON.epochs} times, by Adam at
    {LESSON.rate:g}. A step of the optimiser takes {BINS} bins: of one sequence, or of segments of as many sequences as make up for their shortness.
    So all were taught equally much in equally many steps; only how far a gradient reaches differs. Paired t tests of the logarithm of the error,
    Holm's correction for all. Delays, segments and bounds were chosen after trying one network each; a delay of 0.4 s was tried too, and learned by
    none in so many steps, through all of time neither.

    One recording of {lengths[-1]} bins: segments of {LONG} bins with carried state, {PASSES[TRUNCATED]} passes, a step each; or checkpoints,
    {PASSES[CHECKPOINTS]} passes of one step.
    """
