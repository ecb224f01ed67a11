"""Which measure of similarity tells that a student works like its circuit, and not only that it does what the circuit does?

Reproduces  no figure. Circuits whose mechanism is known, since they are simulated, teach students of other classes; every measure ranks the
            students, and so does the truth: how well each predicts what the circuit does when it is pushed or silenced as nobody was taught.
Claim       a circuit compared with itself is identical by every measure; measures that are told nothing rank at chance. Which measure ranks
            best, and what remains of it when few units are seen, is reported as found (Qian et al. 2024: partial observation misleads).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import kendalltau

from cortex_sim import Claim, Model, Report, Task, Trials, load, simulate
from cortex_sim.comparison.response import response_r2
from cortex_sim.comparison.score import Score, jackknifed
from cortex_sim.comparison.table import MEASURES
from cortex_sim.fitting import Fitted, Options
from cortex_sim.fitting.side_by_side import Job, train_many
from cortex_sim.fitting.start import own_class, paced
from cortex_sim.perturbation import push, silence
from cortex_sim.preparation import Side, reaches
from cortex_sim.progress import timed, track
from cortex_sim.report import Picture
from cortex_sim.report.courses import over_settings
from cortex_sim.report.matrices import annotated, scatters
from cortex_sim.task import Clamp, Drive

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
CIRCUITS = {
    "stability-optimised": "hennequin_2014", "chaotic": "sompolinsky_1988", "feed-forward chain": "feedforward_chain", "ring": "ring_attractor",
    "low rank": "low_rank",
}  # fmt: skip
UNITS, PRACTICE, ASKED, SEEDS = 80, 120, 20, 2  # of circuits; conditions taught and asked; networks of each kind
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05)  # of the units that are seen
CLOSED, OPEN = Options(epochs=15, rate=5e-3), Options(epochs=60, rate=5e-3)
STUDENTS = {
    "leaky tanh": ("leaky_tanh", CLOSED), "Dale": ("leaky_dale", CLOSED), "hidden units": ("leaky_readout", OPEN), "GRU": ("gru", OPEN),
    "little taught": ("leaky_readout", Options(epochs=15, rate=5e-3)),
}  # fmt: skip
OWN, HIDDEN = "own equations", 100
JUMP, PUSH, SILENCED = 2.0, {"fraction": 0.2, "duration": 0.02}, {"fraction": 0.2, "duration": 0.1}  # JUMP: s.d. of a unit's rate
WHEN, DRAWS = 0.1, 4  # s after the go cue; draws of each push, half of them for each half of the truth
WORST = -1.0  # what a response explained worse than this counts as; ranks hardly feel it
NULLS = 200
SEEN, MIXED = 95, 96  # name the random streams
TAU = "Kendall's τ between the measure and the responses to unseen pushes, over students"


@dataclass(frozen=True)
class Cell:
    """One circuit, seen in part, and its students.

    Attributes:
        circuit: what it is called.
        share: of its units that are seen.
        seed: of this draw.
        practice: what students are taught, of the units that are seen.
        asked: what they are asked.
        pushed: tasks of the students under pushes and silencing.
        changed: what each of them changes in the circuit, of the units that are seen.
    """

    circuit: str
    share: float
    seed: int
    practice: Side
    asked: Side
    pushed: Sequence[Task]
    changed: Sequence[np.ndarray]


@dataclass(frozen=True)
class Reading:
    """What is read off the students of a cell: by measure, the higher the more alike; and the truth by either half of the pushes."""

    cell: Cell
    students: tuple[str, ...]
    alike: Mapping[str, np.ndarray]
    truth: tuple[np.ndarray, np.ndarray]


def run(model: Model, *, seed: int = 0, smoke: bool = False) -> Report:
    """Teach students the rates of circuits, all or some of their units, and ask which measure ranks them by mechanism.

    Args:
        model: one more circuit, beside those of this protocol, if it is none of them.
        seed: the first of two.
        smoke: one small circuit and little training: shows that everything runs, its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    circuits = {MODEL: model.with_arrays({}, units=40)} if smoke else _circuits(model)
    shares, seeds = (SHARES[:2], [seed]) if smoke else (SHARES, range(seed, seed + SEEDS))
    with timed(seconds, "circuits"), track("circuits") as shown:
        cells = []
        for place, (name, circuit) in enumerate(circuits.items()):
            cells += [cell for one in seeds for cell in _cells(name, circuit, shares, one, 24 if smoke else PRACTICE)]
            shown((place + 1) / len(circuits), name)
    with timed(seconds, "training"):
        jobs = {(at, name): job for at, cell in enumerate(cells) for name, job in _jobs(cell, circuits[cell.circuit], smoke).items()}
        fitted = train_many({f"{at} {name}": job for (at, name), job in jobs.items()})
    with timed(seconds, "comparison"), track("comparison") as shown:
        found = []
        for at, cell in enumerate(cells):
            found.append(_read(cell, {name: fitted[f"{at} {name}"] for place, name in jobs if place == at}))
            shown((at + 1) / len(cells), f"{cell.circuit}, {cell.share:.0%}")
    scores = [_score(measure, found, share, seed) for share in shares for measure in MEASURES]
    return Report(
        title=QUESTION, question=f"{len(circuits)} circuits, {len(STUDENTS) + 1} students each, {len(shares)} shares of units seen.",
        answer=_answer(scores, shares), claims=_claims(cells, found, seed), scores=scores, pictures=_pictures(found, scores, shares),
        trials={f"{cell.circuit}": cell.asked.trials for cell in cells if cell.share == 1 and cell.seed == seed},
        models={**circuits, **{name: fitted[f"0 {name}"].model for place, name in jobs if place == 0}}, methods=_methods(),
        facts={"cells": f"{len(cells)} ({len(circuits)} circuits, {len(shares)} shares, {len(list(seeds))} seeds)", "students": str(len(jobs))}
        | ({"smoke run": "its numbers mean nothing"} if smoke else {}),
        seed=seed, seconds=seconds,
    )  # fmt: skip


def _circuits(model: Model) -> dict[str, Model]:
    shipped = {name: load(card) for name, card in CIRCUITS.items()}
    sized = {name: circuit.with_arrays({}, units=UNITS) for name, circuit in shipped.items()}
    return sized if model.name in CIRCUITS.values() else sized | {model.name: model}


def _cells(name: str, circuit: Model, shares: Iterable[float], seed: int, practice: int) -> list[Cell]:
    """Reaches and pushes of one circuit, seen in full and in part."""
    taught, asked = reaches(circuit, (practice, ASKED), seed=seed)
    order = np.random.default_rng(np.random.SeedSequence((seed, SEEN))).permutation(circuit.units)
    spread = float(np.median(taught.trials.rate.std(axis=(0, 1))))
    cells = []
    for share in shares:
        seen = np.sort(order[: max(2, round(share * circuit.units))])
        parts = [_seen(side, seen) for side in (taught, asked)]
        pushed = _pushed(circuit, parts[1].task, JUMP * spread, seed)
        still = asked.trials.rate
        changed = [(simulate(circuit, _spread(asked.task, one, seen, circuit.units)).rate - still)[:, :, seen] for one in pushed]
        cells.append(Cell(name, share, seed, parts[0], parts[1], pushed, changed))
    return cells


def _seen(side: Side, seen: np.ndarray) -> Side:
    """The same with those units alone."""
    task = side.task
    assert task.initial is not None
    drives = tuple(replace(drive, pattern=drive.pattern[:, seen]) for drive in task.drives)
    trials = Trials.from_arrays(side.trials.rate[:, :, seen], side.trials.time, condition=side.trials.condition)
    return Side(replace(task, drives=drives, initial=task.initial[:, seen]), trials)


def _pushed(circuit: Model, task: Task, jump: float, seed: int) -> list[Task]:
    """Draws of a push and of a silencing of units that are seen, by turns."""
    units = task.initial.shape[1] if task.initial is not None else 0
    amplitude = jump * circuit.scalars.get("tau", PUSH["duration"]) / PUSH["duration"]
    silent = circuit.silent.si if circuit.silent else 0.0
    draws = [(seed + 100 * draw, draw % 2) for draw in range(DRAWS)]
    return [silence(task, units, seed=one, rate=silent, start=WHEN, **SILENCED) if still
            else push(task, units, seed=one, amplitude=amplitude, start=WHEN, **PUSH) for one, still in draws]  # fmt: skip


def _spread(whole: Task, part: Task, seen: np.ndarray, units: int) -> Task:
    """What acts on the units that are seen, on the whole circuit."""
    drives = list(whole.drives)
    for drive in part.drives[len(whole.drives) :]:
        pattern = np.zeros((whole.trials, units))
        pattern[:, seen] = drive.pattern
        drives.append(Drive(pattern, drive.course, drive.name))
    clamps = tuple(Clamp(seen[clamp.units], clamp.rate, clamp.course, clamp.name) for clamp in part.clamps)
    return replace(whole, drives=tuple(drives), clamps=clamps)


def _jobs(cell: Cell, circuit: Model, smoke: bool) -> dict[str, Job]:
    cards = {name: (paced(load(card), circuit), options) for name, (card, options) in STUDENTS.items()}
    cards = {name: (card.with_arrays({}, units=HIDDEN) if card.initial else card, options) for name, (card, options) in cards.items()}
    cards[OWN] = (own_class(circuit), Options(epochs=0))
    shorter = {name: (card, replace(options, epochs=min(options.epochs, 2)) if smoke else options) for name, (card, options) in cards.items()}
    return {name: Job(card, cell.practice.trials, cell.practice.task, cell.seed, options) for name, (card, options) in shorter.items()}


def _read(cell: Cell, fitted: Mapping[str, Fitted]) -> Reading:
    copies, halves = {}, []
    for name, one in fitted.items():
        copies[name] = simulate(one.model, cell.asked.task).rate
        explained = [max(WORST, response_r2(true, simulate(one.model, task).rate - copies[name]))
                     for task, true in zip(cell.pushed, cell.changed, strict=True)]  # fmt: skip
        halves.append([np.mean(explained[: DRAWS // 2]), np.mean(explained[DRAWS // 2 :])])
    first, second = np.array(halves).T
    alike = {measure: np.array([function(cell.asked.trials.rate, copy, cell.asked.trials.bin) for copy in copies.values()])
             for measure, function in MEASURES.items()}  # fmt: skip
    return Reading(cell, tuple(fitted), alike, (first, second))


def _tau(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's τ-b; 0 where either ranks nothing."""
    tau = float(kendalltau(one, other).statistic)
    return tau if np.isfinite(tau) else 0.0


def _taus(measure: str, found: Sequence[Reading]) -> np.ndarray:
    return np.array([_tau(one.alike[measure], np.mean(one.truth, axis=0)) for one in found])


def _score(measure: str, found: Sequence[Reading], share: float, seed: int) -> Score:
    """How well a measure ranks students at one share of units seen; the interval leaves out whole circuits."""
    cells = [one for one in found if one.cell.share == share]
    taus, names = _taus(measure, cells), np.array([one.cell.circuit for one in cells])
    circuits = list(dict.fromkeys(names))
    rng = np.random.default_rng(np.random.SeedSequence((seed, round(1000 * share), MIXED)))
    null = np.array([np.mean([_tau(rng.permutation(one.alike[measure]), np.mean(one.truth, axis=0)) for one in cells]) for _ in range(NULLS)])
    by = np.array([taus[names == name].mean() for name in circuits])
    interval = jackknifed(lambda kept: float(by[kept].mean()), len(by)) if len(by) > 2 else None
    ceiling = float(np.mean([_tau(*one.truth) for one in cells]))
    return Score(
        f"{TAU}; {share:.0%} of the units seen", measure, f"{len(cells)} cells of {len(cells[0].students)} students", float(taus.mean()), "higher",
        1.0, null, "students permuted", interval, "circuits" if interval else "one circuit", ceiling=ceiling,
        settings={"ceiling": "either half of the pushes against the other", "circuits": dict(zip(circuits, by.tolist(), strict=True))},
    )  # fmt: skip


def _claims(cells: Sequence[Cell], found: Sequence[Reading], seed: int) -> list[Claim]:
    own = [cell.asked.trials for cell in cells if cell.share == 1]
    off = {name: max(abs(function(one.rate, one.rate, one.bin) - function.identical) for one in own) for name, function in MEASURES.items()}
    worst = max(off, key=lambda name: off[name])
    rng = np.random.default_rng(np.random.SeedSequence((seed, MIXED)))
    blind = [_tau(rng.standard_normal(len(one.students)), np.mean(one.truth, axis=0)) for one in found for _ in range(NULLS)]
    count = len(found[0].students)
    bound = 4 * np.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)) / len(blind))
    return [
        Claim(f"largest departure of a circuit from itself by any measure ({worst})", off[worst], 0.0, 1e-4, "by definition; round-off, or a search"),
        Claim("mean τ of a measure that knows nothing", float(np.mean(blind)), -bound, bound, "4 standard errors of τ under independence (Kendall)"),
    ]  # fmt: skip


def _answer(scores: Sequence[Score], shares: Sequence[float]) -> str:
    full, part = (sorted((s for s in scores if s.measure.endswith(f"{share:.0%} of the units seen")), key=lambda s: -s.estimate)
                  for share in (shares[0], shares[-1]))  # fmt: skip
    best, worst = full[0], full[-1]
    span = f", 95 % interval {best.interval[0]:.2f} to {best.interval[1]:.2f}" if best.interval else ""
    left = next(score.estimate for score in part if score.student == best.student)
    reach = "" if best.ceiling is None else f"; the truth agrees with itself to {best.ceiling:.2f}"
    return (
        f"Where all units are seen, {best.student!r} ranks students best by how they respond to unseen pushes (τ {best.estimate:.2f}{span}{reach}) "
        f"and {worst.student!r} worst (τ {worst.estimate:.2f}). With {shares[-1]:.0%} of the units seen, τ of {best.student!r} is {left:.2f} and the "
        f"best is {part[0].student!r} (τ {part[0].estimate:.2f}). Push the system where you can; where you cannot, trust {best.student!r} before "
        f"{worst.student!r}, and the less the fewer units are seen."
    )


def _pictures(found: Sequence[Reading], scores: Sequence[Score], shares: Sequence[float]) -> dict[str, Picture]:
    full = [one for one in found if one.cell.share == shares[0]]
    circuits = list(dict.fromkeys(one.cell.circuit for one in full))
    names = list(MEASURES)
    table = np.array([[_taus(name, [one for one in full if one.cell.circuit == circuit]).mean() for circuit in circuits] for name in names])
    lines = {name: (shares, np.array([[next(s.estimate for s in scores if s.student == name and s.measure.endswith(f"{share:.0%} of the units seen"))
                                       for share in shares]])) for name in names}  # fmt: skip
    points = {
        name: {circuit: tuple(np.concatenate([values for one in full if one.cell.circuit == circuit for values in [part(one)]])
                              for part in (lambda one, name=name: one.alike[name], lambda one: np.mean(one.truth, axis=0)))
               for circuit in circuits}
        for name in names
    }  # fmt: skip
    students = list(full[0].students)
    truth = np.array([[np.mean([np.mean(one.truth, axis=0)[one.students.index(student)] for one in full if one.cell.circuit == circuit])
                       for circuit in circuits] for student in students])  # fmt: skip
    return {
        "measures": Picture(
            annotated(table, names, circuits, label="Kendall's τ"), "Does the measure rank students by mechanism?",
            "Mean τ over networks of each kind, all units seen. 1: as the responses to unseen pushes rank them; 0: at chance.",
        ),
        "observed": Picture(
            over_settings({"Kendall's τ": lines}, xlabel="share of the units seen", even=True, reference={"Kendall's τ": 0.0}),
            "What remains when few units are seen", "Mean over all circuits and networks; dashed: chance.",
        ),
        "students": Picture(
            annotated(truth, students, circuits, label="explained share of the responses"), "How students respond to pushes nobody was taught",
            f"Explained share of the change of rates, at least {WORST:g}; 0: no response at all is predicted as well.",
        ),
        "scatters": Picture(
            scatters(points, ylabel="responses explained"), "Every student",
            "All units seen. Abscissa: the measure, oriented so that right is more alike.",
        ),
    }  # fmt: skip


def _methods() -> list[str]:
    text = f"""
    Each circuit, with {UNITS} units where its card lets it have as many, makes {PRACTICE} delayed reaches to learn from and {ASKED} that are asked,
    released from mixtures of the states that it amplifies most. Students see all units, or a random share of them, and learn their rates from the go
    cue on: the circuit's own equations by linear regression, a leaky tanh network with and without Dale's law from the regression of its own
    equation, a tanh network of {HIDDEN} hidden units, a GRU, and the hidden units once more with little training, so that students differ in
    how well they do.

    Truth: the share of the change of the seen units' rates that a student explains when a fifth of them gets a brief current, or is silenced, as
    nobody was taught; mean of {DRAWS} draws. Measures see only the rates of the asked reaches. Their ranks of the students are compared by
    Kendall's τ within each circuit and draw. Null: students permuted. Ceiling: τ between the truths of either half of the draws. Intervals
    leave out one circuit at a time, since circuits are what the statement is about.
    """
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
