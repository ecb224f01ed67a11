"""Does a network that is taught the spikes of a few neurons reproduce what the circuit does, as well as the noise of its trials allows?

Reproduces  the situation of an experiment: a few neurons of a large circuit, few trials, smoothed spikes; on a spiking circuit whose truth is known.
Claim       measured alike, the best student explains more of the held-out condition averages than untrained and shuffled ones, and no more than the
            circuit explains of itself when it is run again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "soc_lif"
TAUGHT, TESTED = 60, 8  # conditions
REPEATS, ASKED_REPEATS = 4, 12  # trials of each
UNITS, SLOWEST = 80, 2.0  # neurons that are measured, drawn among those that fire at this rate in Hz or faster
SMOOTHED = 0.04  # s, standard deviation of the kernel, on both sides
HELD, MOVING = 0.3, 0.5  # s before and after the go cue
WINDOW, TURNING = (0.0, 0.5), (0.0, 0.2)  # s after the go cue: what is matched, and where rotations are looked for
MIXED, SD = 6, 4.0  # preferred states in a mixture; Hz over groups: strong enough to stand out from the noise of single neurons
STUDENTS = {
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=600, rate=5e-3, patience=150, closed_form=False)),
    "hidden units": ("leaky_readout", cs.Options(epochs=600, rate=5e-3, patience=150)),
}
SHUFFLED = cs.Options(epochs=200, rate=5e-3, closed_form=False)
AGAIN, CONTROLS = "the circuit again", ("untrained", "shuffled")
MEASURES = ("R² of rates", "Procrustes angle (rad)", "linear CKA, debiased")
BITS = "bits per spike"
BOUND = "bound of this protocol"


def run(model: cs.SpikingModel, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Record a few neurons of a spiking circuit, teach networks their smoothed spikes, and measure both sides alike.

    Args:
        model: spiking circuit with inputs that prepare or drive movements.
        seed: of every random choice.
        smoke: few conditions, trials and epochs: shows that everything runs, its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    counts = (6, 4, 2, 4) if smoke else (TAUGHT, TESTED, REPEATS, ASKED_REPEATS)
    with cs.timed(seconds, "simulation"):
        data, battery = _tasks(model, counts, seed)
        seeds = [cs.seed_of(seed, "circuit", "recording of match_spiking", number) for number in range(3)]
        currents = (replace(task, channels=None) for task in (data, battery, battery))
        taught, test, again = (_recorded(cs.simulate(model, task, seed=s)) for task, s in zip(currents, seeds, strict=True))
    chosen = _chosen(taught, seed)
    sides = {name: one.units(chosen).smoothed(SMOOTHED).window(*WINDOW) for name, one in {"taught": taught, "asked": test, AGAIN: again}.items()}
    training, teacher = sides["taught"].averaged(), sides["asked"].averaged()
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_many(_jobs(training, _task_of(data, training, counts[2]), seed, smoke))
    with cs.timed(seconds, "comparison"):
        task = replace(_task_of(battery, teacher, counts[3]), initial=teacher.rate[:, 0])
        rates = {name: cs.simulate(one.model, task, seed=seed) for name, one in fitted.items()}
        copies = {name: _as_measured(one, counts[3], seed, place) for place, (name, one) in enumerate(rates.items())}
        copies[AGAIN] = sides[AGAIN].averaged()
        noiseless = cs.measures.noise_ceiling(sides["asked"], training=training, seed=seed)
        nulls = 20 if smoke else cs.measures.NULLS
        scores = _with_ceilings(_compared(teacher, copies, training, seed, nulls), noiseless)
        scores += _bits(rates | {AGAIN: copies[AGAIN]}, test.units(chosen).window(*WINDOW), counts[3], seed, nulls)
    spread = np.ptp(training.rate, axis=(0, 1))
    pictures = cs.figures.activity_pictures(tuple(scores), teacher, copies, measures=MEASURES, spread=spread, window=TURNING, event="go cue")
    return cs.Report(
        title=QUESTION, question=f"Teacher: {teacher.shape[2]} neurons of {model.title} ({model.paper}).", answer=_answer(scores),
        claims=_claims(scores, smoke), scores=tuple(scores), pictures=pictures | cs.figures.learning_pictures(fitted),
        trials={"teacher": teacher, "training": training} | copies, models={"circuit": model} | {name: one.model for name, one in fitted.items()},
        methods=_methods(counts, fitted), absent=ABSENT, seed=seed, seconds=seconds,
        facts={
            "teacher": f"{teacher.shape[2]} of {model.units} neurons", "taught on": f"{counts[0]} conditions, {counts[2]} trials each",
            "compared on": f"{counts[1]} other conditions, {counts[3]} trials each",
        }, smoke=smoke,
    )  # fmt: skip


ABSENT = (
    "Pushes: the neurons measured are a few of thousands, and a push on them hardly moves the circuit. Run match on the rate circuit for pushes that "
    "both sides feel.",
)


def _tasks(model: cs.SpikingModel, counts: tuple[int, int, int, int], seed: int) -> tuple[cs.Task, cs.Task]:
    """Conditions to teach and conditions to ask, in repeated trials."""
    inputs = {name for name, part in model.inputs.items() if part.kind == "drive"}
    if {"hold", "drive"} <= inputs:
        return _released(model, counts, seed)
    if {"thalamus", "premotor"} <= inputs:
        return _directed(model, counts, seed)
    wanted = "'drive' and 'hold', or 'thalamus' and 'premotor'"
    raise cs.errors.OptionError(f"{model.name}: match needs inputs that move the circuit, {wanted}; it has {', '.join(sorted(inputs)) or 'none'}.")


def _released(model: cs.SpikingModel, counts: tuple[int, int, int, int], seed: int) -> tuple[cs.Task, cs.Task]:
    """Random mixtures of the states that the groups' weights amplify most, held and released."""
    groups = next(kind for kind, part in model.neurons.items() if part.threshold is None)
    W, tau = _coupling(model, groups), model.neurons[groups].parameters["tau_s"].si
    directions = cs.cards.evoked_energy(W)[1][:, :MIXED]
    rng = cs.stream(seed, "task", "mixtures of match_spiking")
    states = rng.standard_normal((counts[0] + counts[1], MIXED)) @ directions.T
    states *= SD / np.sqrt((states**2).mean(axis=1, keepdims=True))
    tasks = []
    for held, repeats in zip(np.split(states, [counts[0]]), counts[2:], strict=True):
        task = replace(cs.tasks.centre_out(len(held), preparation=HELD, movement=MOVING), channels=None, targets=None)
        before = (task.fine_time < -1e-9).astype(float)
        drives = (cs.tasks.Drive(held / (1 - np.exp(-HELD / tau)), before), cs.tasks.Drive(np.ones_like(held), before, "hold", into="hold"))
        tasks.append(replace(task, drives=drives).select(np.repeat(np.arange(len(held)), repeats)))
    return tasks[0], tasks[1]


def _coupling(model: cs.SpikingModel, kind: str) -> np.ndarray:
    """Weights among the units of a kind that does not fire."""
    size = sum(model.size(name) for name in model.members(kind))
    W = np.zeros((size, size))
    for name, part in model.projections.items():
        if {model.populations[end].neurons for end in (*part.sources, *part.targets)} == {kind}:
            for block in cs.cards.blocks(model, name):
                W[block.post, block.pre] += block.weight
    return W


def _directed(model: cs.SpikingModel, counts: tuple[int, int, int, int], seed: int) -> tuple[cs.Task, cs.Task]:
    """Reaches: premotor input until the go cue, thalamic input after it, both tuned to a direction that each neuron prefers."""
    preferred = cs.stream(seed, "task", "preferred directions of match_spiking").uniform(0, 2 * np.pi, model.units)
    turns = (np.arange(counts[0]) / counts[0], (np.arange(counts[1]) + 0.5) / counts[1] + 0.5 / counts[0])
    tasks = []
    for turn, repeats in zip(turns, counts[2:], strict=True):
        task = cs.tasks.centre_out(np.repeat(360.0 * (turn % 1.0), repeats), preparation=HELD, movement=MOVING)
        tuning = 1 + np.cos(np.radians(task.condition)[:, None] - preferred)
        before = np.exp(np.minimum(task.fine_time, 0) / cs.tasks.CURRENT_RISE) * (task.fine_time < 0)
        after = (task.fine_time >= 0) * np.exp(-np.maximum(task.fine_time, 0) / cs.tasks.CURRENT_RISE)
        tasks.append(
            replace(
                task, drives=(cs.tasks.Drive(tuning, before, "premotor", into="premotor"), cs.tasks.Drive(tuning, after, "thalamic", into="thalamus"))
            )
        )
    return tasks[0], tasks[1]


def _recorded(trials: cs.Trials) -> cs.Trials:
    return trials.window(WINDOW[0] - 4 * SMOOTHED, WINDOW[1])


def _chosen(taught: cs.Trials, seed: int) -> np.ndarray:
    """Neurons drawn among the faster ones of the taught trials."""
    rate = np.bincount(taught.spikes.unit, minlength=taught.shape[2]) / taught.shape[0] / (taught.stop[0] - taught.time[0])
    fast = np.flatnonzero(rate >= SLOWEST)
    return np.sort(cs.stream(seed, "analysis", "units recorded in match_spiking").choice(fast, min(UNITS, fast.size), replace=False))


def _task_of(task: cs.Task, averages: cs.Trials, repeats: int) -> cs.Task:
    """The task as students see it: one trial a condition, and channels, but none of the currents into the circuit's neurons."""
    bare = replace(task, drives=(), clamps=()).select(np.arange(0, task.trials, repeats))
    return bare.window(*WINDOW, initial=averages.rate[:, 0])


def _jobs(training: cs.Trials, task: cs.Task, seed: int, smoke: bool) -> dict[str, cs.fitting.Job]:
    students = {name: (cs.load(card), options) for name, (card, options) in STUDENTS.items()}
    jobs = cs.fitting.with_controls(students, training, task, shuffled=SHUFFLED, seed=seed)
    return {name: replace(job, options=replace(job.options, epochs=min(job.options.epochs, 2))) for name, job in jobs.items()} if smoke else jobs


def _as_measured(rates: cs.Trials, repeats: int, seed: int, place: int) -> cs.Trials:
    """A student measured as the circuit was: Poisson spikes of its rates in as many trials, smoothed alike, averaged."""
    rng = cs.stream(seed, "analysis", "spikes of copies", place)
    lead = round(4 * SMOOTHED / rates.bin)
    wanted = np.concatenate([np.repeat(rates.rate[:, :1], lead, axis=1), rates.rate], axis=1)
    time = rates.time[0] + rates.bin * (np.arange(wanted.shape[1]) - lead)
    smooth = cs.statistics.spike_averages(wanted, rates.bin, repeats=repeats, sd=SMOOTHED, rng=rng)
    return cs.Trials.from_arrays(smooth, time, condition=rates.condition).window(*WINDOW)


def _compared(teacher: cs.Trials, copies: Mapping[str, cs.Trials], training: cs.Trials, seed: int, nulls: int) -> cs.Comparison:
    spread, found = np.ptp(training.rate, axis=(0, 1)), cs.Comparison(())
    for name, copy in copies.items():
        split = f"{len(teacher.rate)} held-out conditions, measured alike"
        found += cs.compare(teacher, copy, training=training, name=name, split=split, window=TURNING, spread=spread, seed=seed, nulls=nulls)
    return found


def _with_ceilings(scores: cs.Comparison, noiseless: float) -> cs.Comparison:
    """Give every score the value that the circuit reaches when it is run again, which is as noisy as a student that is measured alike."""
    found: list[cs.Score] = []
    for score in scores:
        best = scores.of(score.measure, AGAIN).estimate
        settings = dict(score.settings) | ({"ceiling_of_a_noiseless_model": noiseless} if score.measure == "R² of rates" else {})
        found.append(replace(score, ceiling=best, ceiling_reason="", settings=settings))
    return cs.Comparison(tuple(found))


def _bits(rates: Mapping[str, cs.Trials], spikes: cs.Trials, repeats: int, seed: int, nulls: int) -> cs.Comparison:
    """Bits per spike that rates tell of the very spikes of the trials that were asked, as in the Neural Latents Benchmark."""
    fired = spikes.counts(cs.tasks.BIN).astype(float)
    count = len(fired) // repeats

    def evaluate(one: cs.Trials, order: np.ndarray) -> cs.analysis.SpikeInformation:
        return cs.analysis.spike_information(np.repeat(one.rate[order], repeats, axis=0), fired, cs.tasks.BIN)

    rng = cs.stream(seed, "null", "permuted conditions of match_spiking")
    orders = [cs.trials.derangement(count, rng) for _ in range(nulls)]
    found = {name: evaluate(one, np.arange(count)) for name, one in rates.items()}
    trials_of = np.arange(len(fired)).reshape(count, repeats)
    return cs.Comparison(tuple(
        cs.Score(
            BITS, name, f"{len(fired)} trials of held-out conditions", one.bits, "higher", found[AGAIN].bits,
            np.array([evaluate(rates[name], order).bits for order in orders]), cs.statistics.PERMUTATION,
            cs.statistics.jackknifed(lambda kept, one=one: one.of(trials_of[kept].ravel()), count), "conditions", ceiling=found[AGAIN].bits,
        )
        for name, one in found.items()
    ))  # fmt: skip


@dataclass(frozen=True)
class Best:
    """The student that explains most."""

    name: str
    r2: dict[str, float]

    @classmethod
    def of(cls, scores: cs.Comparison) -> "Best":
        """Find it."""
        r2 = {score.student: score.estimate for score in scores if score.measure == "R² of rates"}
        return cls(max((name for name in r2 if name not in (*CONTROLS, AGAIN)), key=lambda name: r2[name]), r2)


def _answer(scores: cs.Comparison) -> str:
    best = Best.of(scores)
    score = scores.of("R² of rates", best.name)
    interval, r2 = score.interval or (np.nan, np.nan), best.r2
    return (
        f"Measured alike, the student {best.name!r} explains held-out condition averages with R² {r2[best.name]:.2f} (95 % interval "
        f"{interval[0]:.2f} to {interval[1]:.2f}; untrained {r2['untrained']:.2f}, shuffled {r2['shuffled']:.2f}). The circuit itself, run again, "
        f"reaches {r2[AGAIN]:.2f}: that is what the noise of the trials allows."
    )


def _claims(scores: cs.Comparison, smoke: bool) -> list[cs.Claim]:
    best = Best.of(scores)
    trained = [name for name in best.r2 if name not in (*CONTROLS, AGAIN)]
    above = max(best.r2["untrained"], best.r2["shuffled"])
    text = "R² of the circuit run again minus that of the better of the untrained and the shuffled student"
    claims = [cs.Claim(text, best.r2[AGAIN] - above, 0, np.inf, BOUND)]
    if smoke:
        return claims
    share = float(np.mean([best.r2[name] > above for name in trained]))
    ratio = best.r2[best.name] / best.r2[AGAIN]
    return [
        *claims,
        cs.Claim("share of trained students that beat the untrained and the shuffled one", share, 1.0, 1.0, BOUND),
        cs.Claim("R² of the best student over that of the circuit run again", ratio, 0.2, 1.05, f"{BOUND}; 1 is the noise ceiling"),
    ]


def _methods(counts: tuple[int, int, int, int], fitted: Mapping[str, cs.Fitted]) -> str:
    parts = "; ".join(f"{name}: {one}" for name, one in fitted.items())
    return f"""
    {counts[0]} conditions of {counts[2]} trials each were taught, {counts[1]} others of {counts[3]} trials each were asked. {UNITS} neurons were
    drawn among those that fire at {SLOWEST:g} Hz or faster in the taught trials. Their spikes were smoothed with a Gaussian of {SMOOTHED * 1e3:g} ms
    and averaged over the trials of a condition.

    Students start from the averages at the go cue and run freely. Before anything was compared, each student was measured as the circuit was: Poisson
    spikes of its rates, in as many trials, smoothed and averaged in the same way. That blurs a student, whose teacher was smooth already, a second
    time.

    Ceiling: the circuit run again with other noise, as a student would be. A model that knew the rates without noise would reach the reliability of
    the averages (in the settings of the scores), which is higher.

    Students: {parts}.
    """
