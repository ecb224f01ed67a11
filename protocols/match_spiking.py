"""Does a network trained on the spikes of a few neurons reproduce the circuit's activity, as well as the noise of its trials allows?

Reproduces  the setting of an experiment: a few neurons of a large circuit, few trials, smoothed spikes; on a spiking circuit whose truth is known.
Claim       the best student explains more of the held-out condition averages than untrained and shuffled ones, and no more than the smoothed
            rates without noise would.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "soc_lif"
COUNTS, SMALL = (60, 8, 4, 12), (3, 3, 1, 2)  # training and test conditions and trials of each; those of a smoke run
UNITS, SLOWEST = 80, 2.0  # neurons that are measured, drawn among those that fire at this rate in Hz or faster
SMOOTHED = 0.04  # s, standard deviation of the kernel, on both sides
HELD, MOVING = 0.3, 0.5  # s before and after the go cue
WINDOW, TURNING = (0.0, 0.5), (0.0, 0.2)  # s after the go cue: what is matched, and where rotations are looked for
STUDENTS = {
    "leaky tanh": ("leaky_tanh", cs.Options(epochs=600, rate=5e-3, patience=150, closed_form=False)),
    "hidden units": ("leaky_readout", cs.Options(epochs=600, rate=5e-3, patience=150)),
}
SHUFFLED = cs.Options(epochs=200, rate=5e-3, closed_form=False)
AGAIN, RIDGE = "the circuit again", "ridge from the first bin"
CONTROLS, BESIDE = ("untrained", "shuffled"), (RIDGE, AGAIN)
R2 = "R² of rates"
MEASURES = (R2, "Procrustes angle (rad)", "linear CKA, debiased")
BOUND = "bound of this protocol"
UNKNOWN = "what rates without noise would reach is not known; the circuit run again, as noisy as the averages, stands beside it"


def run(model: cs.SpikingModel, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Record a few neurons of a spiking circuit, train networks on their smoothed spikes, and compare.

    Args:
        model: spiking circuit with inputs that prepare or drive movements.
        seed: of every random choice.
        smoke: few conditions, trials and epochs: shows that everything runs; its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    counts = SMALL if smoke else COUNTS
    with cs.timed(seconds, "simulation"):
        data, battery = _tasks(model, counts, seed)
        seeds = [cs.seed_of(seed, "circuit", "recording of match_spiking", number) for number in range(3)]
        currents = (replace(task, channels=None) for task in (data, battery, battery))
        taught, test, again = (_recorded(cs.simulate(model, task, seed=s)) for task, s in zip(currents, seeds, strict=True))
    chosen = _chosen(taught, seed)
    sides = {name: one.units(chosen).smoothed(SMOOTHED).window(*WINDOW) for name, one in {"training": taught, "test": test, AGAIN: again}.items()}
    training, teacher = sides["training"].averaged(), sides["test"].averaged()
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_many(_jobs(training, _task_of(data, training, counts[2]), seed, smoke))
    with cs.timed(seconds, "comparison"):
        task = replace(_task_of(battery, teacher, counts[3]), initial=teacher.rate[:, 0])
        rates = {name: cs.simulate(one.model, task, seed=seed) for name, one in fitted.items()}
        copies = rates | {RIDGE: cs.measures.ridge_from_first_bin(training, teacher), AGAIN: sides[AGAIN].averaged()}
        truth = cs.measures.score_of_truth(sides["test"], training=training)
        nulls = 20 if smoke else cs.measures.NULLS
        scores = _with_ceilings(_compared(teacher, copies, training, seed, nulls), *truth)
        spikes = test.units(chosen).window(*WINDOW)
        scores += cs.measures.compare_bits(spikes, copies, repeats=counts[3], again=AGAIN, seed=seed, nulls=nulls)
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
    """Return training and test conditions, in repeated trials."""
    made = _directed if "thalamus" in cs.analysis.inputs_that_move(model) else _released
    return made(model, counts, seed)


def _released(model: cs.SpikingModel, counts: tuple[int, int, int, int], seed: int) -> tuple[cs.Task, cs.Task]:
    """Return random mixtures of the states that the groups' weights amplify most, held and then released."""
    rng = cs.stream(seed, "task", "mixtures of match_spiking")
    states, time_constant = cs.analysis.amplified_states(model, rng.standard_normal((counts[0] + counts[1], cs.analysis.MIXED)))
    how = {"time_constant": time_constant, "preparation": HELD, "movement": MOVING}
    data, battery = (cs.tasks.released(part, repeats=repeats, **how) for part, repeats in zip(np.split(states, [counts[0]]), counts[2:], strict=True))
    return data, battery


def _directed(model: cs.SpikingModel, counts: tuple[int, int, int, int], seed: int) -> tuple[cs.Task, cs.Task]:
    """Return reaches: premotor input until the go cue, thalamic input after it, both tuned to each neuron's preferred direction."""
    preferred = cs.stream(seed, "task", "preferred directions of match_spiking").uniform(0, 2 * np.pi, model.units)
    turns = (np.arange(counts[0]) / counts[0], (np.arange(counts[1]) + 0.5) / counts[1] + 0.5 / counts[0])
    tasks = []
    for turn, repeats in zip(turns, counts[2:], strict=True):
        task = cs.tasks.centre_out(np.repeat(360.0 * (turn % 1.0), repeats), preparation=HELD, movement=MOVING)
        tasks.append(replace(task, drives=cs.analysis.directed_drives(task, preferred)))
    return tasks[0], tasks[1]


def _recorded(trials: cs.Trials) -> cs.Trials:
    return trials.window(WINDOW[0] - 4 * SMOOTHED, WINDOW[1])


def _chosen(taught: cs.Trials, seed: int) -> np.ndarray:
    """Return neurons drawn among the faster ones in the training trials."""
    rate = np.bincount(taught.spikes.unit, minlength=taught.shape[2]) / taught.shape[0] / (taught.stop[0] - taught.time[0])
    fast = np.flatnonzero(rate >= SLOWEST)
    return np.sort(cs.stream(seed, "analysis", "units recorded in match_spiking").choice(fast, min(UNITS, fast.size), replace=False))


def _task_of(task: cs.Task, averages: cs.Trials, repeats: int) -> cs.Task:
    """Return the task for students: one trial per condition, and channels, without the currents into the circuit's neurons."""
    bare = replace(task, drives=(), clamps=()).select(np.arange(0, task.trials, repeats))
    return bare.window(*WINDOW, initial=averages.rate[:, 0])


def _jobs(training: cs.Trials, task: cs.Task, seed: int, smoke: bool) -> dict[str, cs.fitting.Job]:
    students = {name: (cs.load(card), options) for name, (card, options) in STUDENTS.items()}
    jobs = cs.fitting.with_controls(students, training, task, shuffled=SHUFFLED, seed=seed)
    return cs.fitting.shortened(jobs, 2) if smoke else jobs


def _compared(teacher: cs.Trials, copies: Mapping[str, cs.Trials], training: cs.Trials, seed: int, nulls: int) -> cs.Comparison:
    spread, scores = np.ptp(training.rate, axis=(0, 1)), cs.Comparison()
    for name, copy in copies.items():
        split = f"{len(teacher.rate)} held-out conditions, averages of their trials"
        scores += cs.compare(teacher, copy, training=training, name=name, split=split, window=TURNING, spread=spread, seed=seed, nulls=nulls)
    return scores


def _with_ceilings(scores: cs.Comparison, truth: float, interval: tuple[float, float]) -> cs.Comparison:
    """Return scores with the R² of the truth, which is the smoothed rates without noise, as the ceiling of R²; other ceilings are unknown."""
    return cs.Comparison(tuple(
        replace(score, ceiling=truth, ceiling_reason="", settings={**score.settings, "ceiling interval": interval}) if score.measure == R2
        else replace(score, ceiling_reason=UNKNOWN) for score in scores
    ))  # fmt: skip


def _best(r2: Mapping[str, float]) -> str:
    return max((name for name in r2 if name not in (*CONTROLS, *BESIDE)), key=lambda name: r2[name])


def _answer(scores: cs.Comparison) -> str:
    r2 = scores.estimates(R2)
    best = scores.of(R2, _best(r2))
    low, high = best.interval or (np.nan, np.nan)
    least, most = best.settings["ceiling interval"]
    return (
        f"The student {best.student!r} explains held-out condition averages with R² {best.estimate:.2f} (95 % interval {low:.2f} to {high:.2f}; "
        f"untrained {r2['untrained']:.2f}, shuffled {r2['shuffled']:.2f}). Linear regression on the first bin, all that students are told "
        f"of each, reaches {r2[RIDGE]:.2f}; the smoothed rates without noise, told the same, would reach {best.ceiling:.2f} ({least:.2f} to "
        f"{most:.2f}), and the circuit run again, as noisy as its averages, {r2[AGAIN]:.2f}."
    )


def _claims(scores: cs.Comparison, smoke: bool) -> list[cs.Claim]:
    r2 = scores.estimates(R2)
    controls, best = max(r2[name] for name in CONTROLS), scores.of(R2, _best(r2))
    text = "R² of the circuit run again minus that of the better of the untrained and the shuffled student"
    claims = [cs.Claim(text, r2[AGAIN] - controls, 0, np.inf, BOUND)]
    if smoke:
        return claims
    share = float(np.mean([r2[name] > controls for name in r2 if name not in (*CONTROLS, *BESIDE)]))
    return [
        *claims,
        cs.Claim("share of trained students that beat the untrained and the shuffled one", share, 1.0, 1.0, BOUND),
        cs.Claim("R² of the best student over the noise ceiling", best.estimate / (best.ceiling or np.nan), 0.2, 1.05, f"{BOUND}; 1 is the truth"),
    ]


def _methods(counts: tuple[int, int, int, int], fitted: Mapping[str, cs.Fitted]) -> str:
    return f"""
    {counts[0]} conditions of {counts[2]} trials each served for training, {counts[1]} others of {counts[3]} trials each for the test. {UNITS} neurons
    were drawn among those that fire at {SLOWEST:g} Hz or faster in training. Their spikes were smoothed with a Gaussian of {SMOOTHED * 1e3:g} ms
    and averaged over the trials of a condition.

    Students start from the averages at the go cue and run freely; their rates are compared with the averages directly, and are taught to be smooth
    as these are. Ceiling of R²: that of the rates, smoothed alike and without noise, told the first bin as students are; its error and the interval
    come from contrasts of the trials. Rates that are not smoothed score lower. The circuit run again with other noise is as noisy as the averages, so
    it scores lower too; it is in every table.

    {cs.fitting.summary(fitted)}
    """
