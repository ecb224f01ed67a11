"""What do long sequences cost a network that learns them, and what does truncation miss?

Reproduces  no figure. Truncated back-propagation with carried state, Williams & Peng (1990) Neural Comput 2:490, and gradients by checkpoints,
            Chen et al. (2016) arXiv:1604.06174, on sequences of 10^3 to 10^5 steps and on recall after known delays.
Claim       memory for a gradient grows in proportion to the length with full back-propagation, as its square root with checkpoints, which give the
            same gradient, and not at all with truncation or in a run; truncation learns what its segments reach back to, and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, sqrt

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "lstm"
UNITS, LENGTHS = 32, (1_000, 10_000, 100_000)  # bins of 10 ms; a step of the customary network is a bin
CUT, EXACT = 100, 10_000  # bins: of a segment where truncation is costed; up to which gradients are compared in float64
ALL, CHECKPOINTS, TRUNCATED = "all of time", "checkpoints", "truncated"
WHOLE = cs.Options(start="rest", closed_form=False)
DELAYS = (0.1, 0.2)  # s to be bridged
BINS, SEGMENTS = 500, (5, 10, 20, 50, 100, 500)  # of a taught sequence, and of its segments; the last is all of it
TAUGHT, TESTED, SEEDS = 110, 20, 6  # sequences, a tenth of those taught for validation; networks
OPTIONS = replace(WHOLE, epochs=5, rate=1e-2, patience=5, validation=1 / 11, through="segment")
LONG, RECORDINGS, PASSES = 50, 3, {TRUNCATED: 2, CHECKPOINTS: 10}  # bins of a segment, networks, and passes over one long recording
SURE = 0.05  # p after correction
BOUND, DERIVED = "bound of this protocol", "derived in the methods"
Costs = Mapping[str, cs.fitting.Cost]
Key = tuple[float, int | str]  # a delay; a segment in bins, or another way to be taught
Errors = Mapping[Key, np.ndarray]  # of recall, one a network


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Measure the cost of sequences of many lengths, and what networks learn from segments of many lengths.

    Args:
        model: network that receives channels and has a readout.
        seed: of every random choice.
        smoke: short sequences, few networks: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: the network receives no channels or has no readout of hidden units.
    """
    if model.readout is None or not any(item.listens for item in model.inputs.values()):
        raise cs.errors.OptionError(f"{model.name}: long sequences need a network that hears channels and has a readout, such as lstm or gru.")
    seconds: dict[str, float] = {}
    lengths, segments, networks = (LENGTHS, SEGMENTS, SEEDS) if not smoke else ((100, 200), SEGMENTS[1::4], 2)
    student = model.with_arrays({}, units=UNITS, observed=2, channels=3)
    with cs.timed(seconds, "cost"):
        data = {bins: cs.fitting.TrainingData.of(cs.tasks.recall_without_pause(1, bins=bins, delay=DELAYS[-1], seed=seed)) for bins in lengths}
        costs = cs.fitting.costs_by_length(student, data, lambda bins: {
            ALL: WHOLE, CHECKPOINTS: _through(CHECKPOINTS, ceil(sqrt(bins))), TRUNCATED: _through(TRUNCATED, CUT)})  # fmt: skip
        ways = {bins: [_through(way, ceil(sqrt(bins))) for way in (CHECKPOINTS, TRUNCATED)] for bins in lengths if bins <= EXACT}
        wrong = [cs.fitting.gradient_changes(student, data[bins], WHOLE, others, double=True) for bins, others in ways.items()]
    unseen = cs.seed_of(seed, "task", "test sequences")
    batteries = {delay: cs.tasks.recall_without_pause(TESTED, bins=BINS, delay=delay, seed=unseen) for delay in DELAYS}
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_groups(_jobs(student, segments, networks, lengths[-1], seed, smoke))
    with cs.timed(seconds, "comparison"):
        made = {key: [cs.simulate(network.model, batteries[key[0]]).rate for network in group] for key, group in fitted.items()}
        untaught = {delay: [network.start for network in fitted[delay, segments[-1]]] for delay in DELAYS}
        made |= {(delay, "untrained"): [cs.simulate(start, batteries[delay]).rate for start in starts] for delay, starts in untaught.items()}
        errors = {key: np.array([cs.tasks.recall_error(batteries[key[0]], rate)[key[0]] for rate in rates]) for key, rates in made.items()}
        missed = {(delay, when): _missed([getattr(network, when) for network in fitted[delay, segments[-1]]], battery, segments[:-1])
                  for delay, battery in batteries.items() for when in ("start", "model")}  # fmt: skip
        scores = [cs.measures.recall_score(_how(key), batteries[key[0]], rates, key[0], called="sequences",
                      rng=cs.stream(seed, "null", "permuted trials of long_sequences")) for key, rates in made.items()]  # fmt: skip
        pairs = {(delay, segment): (delay, segments[-1]) for delay in DELAYS for segment in segments[:-1]}
        tests = cs.statistics.paired_t({key: (np.log(errors[key]), np.log(errors[whole])) for key, whole in pairs.items()})
    names = {key: f"{key[0]:g} s, {_how(key)}" for key in fitted}
    return cs.Report(
        title=QUESTION, question=f"{student.title}, {UNITS} units: {lengths[0]} to {lengths[-1]} steps, and {networks} networks a segment.",
        answer=_answer(costs, errors, tests, lengths, segments),
        claims=_exact(wrong) + ([] if smoke else _growth(costs, lengths) + _learning(errors, tests, segments)), scores=scores,
        pictures=_pictures(costs, lengths, batteries, made, errors, missed),
        trials={"wanted": batteries[DELAYS[-1]].wanted}
        | {names[key]: cs.simulate(group[0].model, batteries[key[0]]) for key, group in fitted.items() if key[1] in segments},
        models={name: fitted[key][0].model for key, name in names.items()}, methods=_methods(networks, lengths),
        facts=_facts(costs, lengths, fitted, errors), smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _through(way: str, segment: int) -> cs.Options:
    return replace(WHOLE, through="checkpoints" if way == CHECKPOINTS else "segment", segment=segment)


def _jobs(student: cs.Model, segments: Sequence[int], networks: int, longest: int, seed: int, smoke: bool) -> dict[Key, list[cs.fitting.Job]]:
    """Return training jobs: networks for many sequences, by delay and segment, and networks for one long recording."""
    seeds = [cs.seed_of(seed, "student", "network of long_sequences", k) for k in range(max(networks, RECORDINGS))]
    ways: dict[Key, tuple[cs.Task, cs.Options]] = {}
    for delay in DELAYS:
        task = cs.tasks.recall_without_pause(10 if smoke else TAUGHT, bins=BINS, delay=delay, seed=seed)
        for segment in segments:
            ways[delay, segment] = task, replace(OPTIONS, segment=segment, batch=BINS // segment, epochs=1 if smoke else OPTIONS.epochs)
    recording = cs.tasks.recall_without_pause(1, bins=longest, delay=DELAYS[-1], seed=seed)
    for name, segment in ((TRUNCATED, LONG), (CHECKPOINTS, ceil(sqrt(longest)))):
        options = replace(OPTIONS, epochs=PASSES[name], validation=0, through=_through(name, segment).through, segment=segment)
        ways[DELAYS[-1], f"one recording, {name}"] = recording, options
    counts = {key: networks if isinstance(key[1], int) else 1 if smoke else RECORDINGS for key in ways}
    return {key: [cs.fitting.Job(student, task.wanted, task, own, options) for own in seeds[: counts[key]]] for key, (task, options) in ways.items()}


def _how(key: Key) -> str:
    return key[1] if isinstance(key[1], str) else ALL if key[1] == BINS else f"segments of {key[1]} bins"


def _missed(networks: Sequence[cs.Model], battery: cs.Task, segments: Sequence[int]) -> np.ndarray:
    """Return by how much truncation changes the gradient, relative to its norm: (network, segment)."""
    data, cut = cs.fitting.TrainingData.of(battery.select(range(4))), [_through(TRUNCATED, segment) for segment in segments]
    return np.array([[change.gradient for change in cs.fitting.gradient_changes(network, data, WHOLE, cut)] for network in networks])


def _exact(wrong: Sequence[Sequence[cs.fitting.Change]]) -> list[cs.Claim]:
    found = {
        "relative difference of the gradient by checkpoints from that through all of time": max(by.gradient for by, _ in wrong),
        "relative difference of the error summed over truncated segments from that of the whole": max(cut.error for _, cut in wrong),
    }
    return [cs.Claim(text, value, 0.0, 1e-10, "by construction; round-off of float64") for text, value in found.items()]


def _growth(costs: Costs, lengths: Sequence[int]) -> list[cs.Claim]:
    expected = {ALL: (0.99, 1.01), CHECKPOINTS: (0.0, 0.5), TRUNCATED: (-0.01, 0.01), cs.fitting.INFERENCE: (-0.01, 0.01)}
    bounds = [cs.Claim(f"{name}: exponent of bytes over length", costs[name].exponent(lengths), *ends, DERIVED) for name, ends in expected.items()]
    held, roots = costs[CHECKPOINTS].bytes, [ceil(sqrt(bins)) for bins in lengths]
    line = held[0] + (held[1] - held[0]) / (roots[1] - roots[0]) * (roots[2] - roots[0])
    text = "checkpoints: bytes at the longest over those that the shorter two predict, linear in the root of the length"
    return [*bounds, cs.Claim(text, held[2] / line, 0.9, 1.1, DERIVED)]


def _learning(errors: Errors, tests: Mapping[Key, float], segments: Sequence[int]) -> list[cs.Claim]:
    """Return claims on learning; a segment shorter than the interval from a cue to its target, both bins included, learns nothing of it."""
    left = {key: float(values.mean()) for key, values in errors.items()}
    whole = {delay: left[delay, segments[-1]] for delay in DELAYS}
    blind = [(delay, segment) for delay, segment in tests if segment - 1 < cs.tasks.nearest_heard(delay)]
    reaching = [(delay, segment) for delay, segment in tests if segment * cs.tasks.BIN >= delay - 1e-9]
    worse = [tests[key] < SURE and left[key] > whole[key[0]] for key in blind]
    longest = f"mean error with segments of {segments[-2]} bins over that through all of time"
    return [
        cs.Claim("mean error through all of time, after the delay for which it is largest", max(whole.values()), 0.0, 0.1, BOUND),
        cs.Claim("least mean error where no segment reaches back to what is asked for", min(left[key] for key in blind), 0.9, 1.1, BOUND),
        cs.Claim("share of these that leave more error than all of time (Holm, p < 0.05)", float(np.mean(worse)), 1.0, 1.0, BOUND),
        cs.Claim("largest mean error where segments are at least as long as the delay", max(left[key] for key in reaching), 0.0, 0.5, BOUND),
        *(cs.Claim(f"{delay:g} s: {longest}", left[delay, segments[-2]] / whole[delay], 0.5, 2.0, BOUND) for delay in DELAYS),
    ]


def _answer(costs: Costs, errors: Errors, tests: Mapping[Key, float], lengths: Sequence[int], segments: Sequence[int]) -> str:
    held = ", ".join(f"{name} {cost.bytes[-1] / 1e6:.3g} MB" for name, cost in costs.items())
    told = {key: f"{values.mean():.2g}{'*' * (tests.get(key, 1.0) < SURE)} ({key[1]})" for key, values in errors.items()}
    left = "; ".join(f"after {delay:g} s {', '.join(told[delay, segment] for segment in segments)}" for delay in DELAYS)
    return (
        f"A sequence of {lengths[-1]} steps needs, beyond itself and its outputs: {held}. Errors left by segments of so many bins are (1: nothing "
        f"is remembered; *: other than through all of the {BINS} bins, paired t, Holm, p < {SURE:g}): {left}."
    )


def _facts(costs: Costs, lengths: Sequence[int], fitted: Mapping[Key, Sequence[cs.Fitted]], errors: Errors) -> dict[str, str]:
    took = {key: np.median([network.seconds for network in group]) for key, group in fitted.items() if isinstance(key[1], str)}
    recordings = {f"{key[1]} of {lengths[-1]} bins": f"error {errors[key].mean():.2g} after {key[0]:g} s, {s:.0f} s" for key, s in took.items()}
    return {name: cost.told(lengths) for name, cost in costs.items()} | recordings


def _pictures(
    costs: Costs, lengths: Sequence[int], batteries: Mapping[float, cs.Task], made: Mapping[Key, Sequence[np.ndarray]], errors: Errors, missed: Errors
) -> dict[str, cs.Picture]:
    label, last = "log₁₀ (squared error / squared velocity wanted)", DELAYS[-1]
    segments = [way for delay, way in errors if delay == last and isinstance(way, int)]
    lines = {label: {f"delay {d:g} s": (segments, np.log10([errors[d, s] for s in segments]).T) for d in DELAYS}}
    for when, network in (("before", "start"), ("after", "model")):
        lines[f"gradient changed, {when} teaching"] = {f"delay {d:g} s": (segments[:-1], missed[d, network]) for d in DELAYS}
    strokes = {_how((last, segment)): made[last, segment][0] for segment in dict.fromkeys((*segments[:3], segments[-1]))}
    return {
        "cost": cs.Picture(
            cs.figures.costs_over_length(costs, lengths), "What one gradient and one run cost",
            "One sequence. Bytes beyond the sequence, the weights and the outputs, at most at once. Checkpoints: segments as long as the root of the "
            f"length; truncated: segments of {CUT} bins.",
        ),
        "segments": cs.Picture(
            cs.figures.over_settings(lines, xlabel="segment (bins of 10 ms)", even=True, reference={label: 0.0}), "What truncation loses",
            "Lines: mean over networks; dots: networks; dashed: keeping still, the best without memory. Right: norm of the change of the gradient "
            "relative to that through all of time, summed over segments at the same weights.",
        ),
        "strokes": cs.Picture(
            cs.figures.strokes(batteries[last], strokes, {trial: f"sequence {trial + 1}" for trial in range(3)}, bins=150),
            f"Strokes made {last:g} s after they were shown, by the first network of each segment", "Initial parts of held-out sequences.",
        ),
    }  # fmt: skip


def _methods(networks: int, lengths: Sequence[int]) -> str:
    reach = ", ".join(f"{cs.tasks.nearest_heard(delay)} bins (delay {delay:g} s)" for delay in DELAYS)
    return f"""
    A step is one of the network's own, {cs.tasks.BIN * 1e3:g} ms, which is a bin. Bytes are those of all arrays that torch held at once, and
    in a run those of NumPy too, which are sampled now and then; the sequence itself, the weights and the outputs grow with the length in any case
    and are not counted. Gradients are for one sequence in float32, runs in float64; gradients are compared in float64, at up to {EXACT} bins.

    With full back-propagation every step keeps b bytes: c + b L for L steps, exponent 1. With segments of s steps the states between L/s segments,
    a bytes each, are kept, and the steps of one segment at a time: c + a L/s + b s, least at s² = a L/b. With s² = L it is c + (a + b) √L, at
    most (a + b)/√(4 a b) times the minimum; its exponent is 1/2, less where c matters. A truncated segment, or a piece of a run, is independent of L.

    A stroke of {cs.tasks.RECALL_STROKE:g} s in a random direction follows another, and each must be repeated after a fixed delay. Directions are
    independent, so that without memory the error is 1. The target of a bin was last shown at least {reach} before. A segment of at most this length
    carries no gradient from any target to its cue, though its initial state may contain the information.

    {networks} networks, the same for every segment length, were trained {OPTIONS.epochs} times on {TAUGHT} sequences of {BINS} bins, by Adam at
    {OPTIONS.rate:g}. Each optimiser step uses {BINS} bins: of one sequence, or of segments from proportionally more sequences, so that only the reach
    of the gradient differs. Paired t tests of the logarithm of the error, Holm's correction for all. Delays, segments and bounds
    were chosen after trying one network each; no network learned a delay of 0.4 s in this number of steps, not even with full back-propagation.

    One recording of {lengths[-1]} bins: segments of {LONG} bins with carried state, {PASSES[TRUNCATED]} passes, one step each; or checkpoints,
    {PASSES[CHECKPOINTS]} passes of one step.
    """
