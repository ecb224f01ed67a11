"""Which measure of similarity tells that a student works like its circuit, and not only that it does what the circuit does?

Reproduces  no figure. Circuits whose mechanism is known, since they are simulated, teach students of other classes; every measure ranks the
            students, and so does the truth: how well each predicts what the circuit does when it is pushed or silenced as nobody was taught.
Claim       a circuit compared with itself is identical by every measure; measures that are told nothing rank at chance. Which measure ranks
            best, and what remains of it when few units are seen, is reported as found (Qian et al. 2024: partial observation misleads).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from cortex_sim import Claim, Model, Report, Task, Trials, load, simulate
from cortex_sim.backends.pytorch.states import trajectory
from cortex_sim.comparison.explored import explored_flow, flow_distance
from cortex_sim.comparison.inference import sign_flip
from cortex_sim.comparison.predictivity import PENALTIES
from cortex_sim.comparison.response import response_r2
from cortex_sim.comparison.score import Score, jackknifed
from cortex_sim.comparison.spectrum import Spectrum, spectral_distance, spectrum
from cortex_sim.comparison.surrogate import spike_averages
from cortex_sim.comparison.table import MEASURES
from cortex_sim.fitting import Fitted, Options
from cortex_sim.fitting.side_by_side import Job, train_many
from cortex_sim.fitting.start import own_class, paced
from cortex_sim.perturbation import push, silence
from cortex_sim.preparation import Side, reaches
from cortex_sim.progress import timed, track
from cortex_sim.report import Picture
from cortex_sim.report.courses import Line, over_settings
from cortex_sim.report.matrices import annotated, scatters
from cortex_sim.schedule import Schedule
from cortex_sim.task import BIN

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
PLAIN, TAU_PLAIN = "sompolinsky_1988", 100  # its equations, with other connections, carry every circuit but the first; ms
CHAOTIC, RING, CHAIN, ROTATING, PAIR = 1.5, 1.5, 1.0, (1.2, 1.0), (4 + 2 / 7, 1.1)  # gains; growth and turn of the plane; w and k of balanced pairs
MIXED_IN = {"low rank": 0.3, "balanced amplification": 0.5}  # gain of the random part
UNITS, PRACTICE, ASKED, SEEDS = 80, 120, 20, 5  # of circuits; conditions taught and asked; networks of each kind
SHARES = (1.0, 0.5, 0.2, 0.1, 0.05)  # of the units that are seen
CLOSED, OPEN, SHORT = (Options(epochs=epochs, rate=5e-3) for epochs in (15, 60, 10))
STUDENTS = {
    "leaky tanh": ("leaky_tanh", CLOSED), "Dale": ("leaky_dale", CLOSED), "linear": ("leaky_tanh", CLOSED), "rank 6": ("leaky_tanh", OPEN),
    "hidden units": ("leaky_readout", OPEN), "GRU": ("gru", OPEN), "LSTM": ("lstm", OPEN), "little taught": ("leaky_readout", SHORT),
}  # fmt: skip
OWN, HIDDEN = "own equations", 100
JUMP, PUSH, SILENCED = 2.0, {"fraction": 0.2, "duration": 0.02}, {"fraction": 0.2, "duration": 0.1}  # JUMP: s.d. of a unit's rate
WHEN, DRAWS = 0.1, 4  # s after the go cue; draws of each push, half of them for each half of the truth
SEARCHED = "DSA, Procrustes"
SLOW = "decay, network − circuit (1/s)"
WORST = -1.0  # what a response explained worse than this counts as; ranks hardly feel it
NULLS = 200
SEEN, MIXED, WIRED = 95, 96, 97  # name the random streams
PUSHES, SPECTRUM = "responses to unseen pushes", "slowest modes"
FLOW, POINTS, EXPLORED = "flow in the explored subspace", ((0, 0.1), (1, 0.1), (2, 0.2), (3, 0.2)), 6  # condition and s after the go cue; axes
SPIKES = "spikes of 100%"
BASE, DEPTH, REPEATS, SMOOTHED = 10.0, 5.0, 20, 0.03  # Hz at a rate of 0, Hz for a typical s.d. of a unit; trials of a condition; s
FIRED = 141  # names the random stream
TAU = "Kendall's τ between the measure and {}, over students; {} of the units seen"


@dataclass(frozen=True)
class Cell:
    """One circuit, seen in part, and its students.

    Attributes:
        circuit: what it is called.
        model: it.
        share: of its units that are seen.
        seed: of this draw.
        practice: what students are taught, of the units that are seen.
        asked: what they are asked.
        pushed: tasks of the students under pushes and silencing.
        changed: what each of them changes in the circuit, of the units that are seen.
        modes: of the circuit about its rest.
        flows: of the circuit at each of the points, in its explored axes; None where it is not seen in full, or through spikes.
        axes: those axes, (unit, axis).
        spread: a typical standard deviation of a unit's rate.
        spikes: rates are seen as smoothed spikes, averaged over trials.
    """

    circuit: str
    model: Model
    share: float
    seed: int
    practice: Side
    asked: Side
    pushed: Sequence[Task]
    changed: Sequence[np.ndarray]
    modes: Spectrum
    flows: Sequence[np.ndarray] | None
    axes: np.ndarray
    spread: float
    spikes: bool

    @property
    def view(self) -> str:
        """What is seen of the circuit."""
        return SPIKES if self.spikes else f"{self.share:.0%}"


@dataclass(frozen=True)
class Reading:
    """What is read off the students of a cell, one number a student.

    Attributes:
        cell: whose.
        students: their names.
        alike: by measure, the higher the more alike.
        truth: explained share of the responses, by either half of the pushes.
        modal: distance of the slowest modes from those of the circuit, 1/s.
        slowest: rate at which the slowest mode of each student decays, 1/s; below 0 it grows.
        flow: distance of the flow in the explored subspace from that of the circuit, relative to it; NaN where there is none.
    """

    cell: Cell
    students: tuple[str, ...]
    alike: Mapping[str, np.ndarray]
    truth: tuple[np.ndarray, np.ndarray]
    modal: np.ndarray
    slowest: np.ndarray
    flow: np.ndarray

    def by(self, truth: str) -> np.ndarray:
        """Students by one of the truths, the higher the nearer to the circuit."""
        return {PUSHES: np.mean(self.truth, axis=0), SPECTRUM: -self.modal, FLOW: -self.flow}[truth]


@threadpool_limits.wrap(limits=1)
def run(model: Model, *, seed: int = 0, smoke: bool = False) -> Report:
    """Teach students the rates of circuits, all or some of their units, and ask which measure ranks them by mechanism.

    Args:
        model: one more circuit, beside those of this protocol, if it is none of them.
        seed: the first of as many as there are networks of each kind.
        smoke: one small circuit and little training: shows that everything runs, its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    shares, seeds = (SHARES[:2], [seed]) if smoke else (SHARES, range(seed, seed + SEEDS))
    drawn = {one: {MODEL: model.with_arrays({}, units=min(40, model.units))} if smoke else _circuits(model, one) for one in seeds}
    circuits = drawn[seed]
    with timed(seconds, "circuits"), track("circuits") as shown:
        cells = []
        for place, name in enumerate(circuits):
            cells += [cell for one in seeds for cell in _cells(name, drawn[one][name], shares, one, 24 if smoke else PRACTICE)]
            shown((place + 1) / len(circuits), name)
    with timed(seconds, "training"):
        jobs = {(at, name): job for at, cell in enumerate(cells) for name, job in _jobs(cell, smoke).items()}
        fitted = train_many({f"{at} {name}": job for (at, name), job in jobs.items()})
    with timed(seconds, "comparison"), track("comparison") as shown:
        found = []
        for at, cell in enumerate(cells):
            found.append(_read(cell, {name: fitted[f"{at} {name}"] for place, name in jobs if place == at}))
            shown((at + 1) / len(cells), f"{cell.circuit}, {cell.view}")
    views = list(dict.fromkeys(cell.view for cell in cells))
    scores = [_score(measure, found, view, PUSHES, seed) for view in views for measure in MEASURES]
    scores += [_score(measure, found, views[0], truth, seed) for truth in (SPECTRUM, FLOW) for measure in MEASURES]
    return Report(
        title=QUESTION, question=f"{len(circuits)} circuits, {len(STUDENTS) + 1} students each, {len(shares)} shares of units seen, and spikes.",
        answer=_answer(scores, found, views), claims=_claims(cells, found, seed), scores=scores, pictures=_pictures(found, scores, views),
        trials={f"{cell.circuit}": cell.asked.trials for cell in cells if cell.view == views[0] and cell.seed == seed},
        models={**circuits, **{name: fitted[f"0 {name}"].model for place, name in jobs if place == 0}}, methods=_methods(),
        facts={"cells": f"{len(cells)} ({len(circuits)} circuits, {len(views)} views, {len(list(seeds))} seeds)", "students": str(len(jobs))}
        | ({"smoke run": "its numbers mean nothing"} if smoke else {}),
        seed=seed, seconds=seconds,
    )  # fmt: skip


def _circuits(model: Model, seed: int) -> dict[str, Model]:
    """The model, and the same plain equations with connections of every known mechanism."""
    plain = load(PLAIN).with_arrays({}, units=UNITS)
    tau = {"value": TAU_PLAIN, "source": "chosen: movements last for several time constants"}
    parameters = {name: part.model_dump() | (tau if name == "tau" else {}) for name, part in plain.parameters.items()}
    plain = plain.with_arrays({}, parameters=parameters, dt={"value": 1, "unit": "ms", "meaning": "integration step", "source": "chosen"})
    named = {name: plain.with_arrays({"J": J}) for name, J in _connections(seed).items()}
    return {"stability-optimised" if model.name == MODEL else model.name: model.with_arrays({}, units=min(UNITS, model.units))} | named


def _connections(seed: int) -> dict[str, np.ndarray]:
    """Connections whose mechanism is known by construction, of sources (columns) onto targets (rows)."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, WIRED)))
    angle, (grows, turns), (w, k) = 2 * np.pi * np.arange(UNITS) / UNITS, ROTATING, PAIR
    plane = np.linalg.qr(rng.standard_normal((UNITS, 2)))[0]
    exact = {
        "low rank": plane @ np.array([[grows, -turns], [turns, grows]]) @ plane.T,
        "balanced amplification": np.kron([[w, -k * w]] * 2, np.ones((UNITS // 2, UNITS // 2))) / (UNITS / 2),
        "feed-forward chain": CHAIN * np.eye(UNITS, k=-1),
        "ring attractor": 2 * RING * np.cos(angle[:, None] - angle) / UNITS,
        "chaotic": np.zeros((UNITS, UNITS)),
    }  # fmt: skip
    noise = {name: rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS) for name in exact}
    return {name: J + (MIXED_IN | {"chaotic": CHAOTIC}).get(name, 0.0) * noise[name] for name, J in exact.items()}


def _cells(name: str, circuit: Model, shares: Iterable[float], seed: int, practice: int) -> list[Cell]:
    """Reaches and pushes of one circuit, seen in full and in part."""
    taught, asked = reaches(circuit, (practice, ASKED), seed=seed)
    order = np.random.default_rng(np.random.SeedSequence((seed, SEEN))).permutation(circuit.units)
    spread = float(np.median(taught.trials.rate.std(axis=(0, 1))))
    cells, known = [], spectrum(circuit)
    flows, axes = _flows(circuit, asked)
    for share, spikes in [*((share, False) for share in shares), (1.0, True)]:
        seen = np.sort(order[: max(2, round(share * circuit.units))])
        parts = [side.seen(seen) for side in (taught, asked)]
        if spikes:
            parts = [_as_spikes(side, spread, seed, place) for place, side in enumerate(parts)]
        pushed = _pushed(circuit, parts[1].task, JUMP * spread, seed)
        still = asked.trials.rate
        changed = [(simulate(circuit, asked.pushed(one, seen)).rate - still)[:, :, seen] for one in pushed]
        part = flows if share == 1 and not spikes else None
        cells.append(Cell(name, circuit, share, seed, parts[0], parts[1], pushed, changed, known, part, axes, spread, spikes))
    return cells


def _flows(circuit: Model, asked: Side) -> tuple[list[np.ndarray], np.ndarray]:
    """The circuit's flow at a few points of its reaches, along the leading axes of all of them."""
    flat = asked.trials.rate.reshape(-1, circuit.units)
    axes = np.linalg.eigh(np.cov(flat, rowvar=False))[1][:, ::-1][:, :EXPLORED]
    return [explored_flow(circuit, state, axes) for state in _passed(circuit, asked.task)], axes


def _passed(model: Model, task: Task) -> list[np.ndarray]:
    """States at the points."""
    states = trajectory(Schedule(model, model.arrays(), task.select(np.arange(1 + max(condition for condition, _ in POINTS)))))
    return [states[condition, round((moment - task.start) / BIN)] for condition, moment in POINTS]


def _as_spikes(side: Side, spread: float, seed: int, place: int) -> Side:
    """Rates as an experiment has them; runs begin where these do."""
    trials = side.trials
    rate = _measured(trials.rate, spread, seed, place)
    return Side(replace(side.task, initial=rate[:, 0]), Trials.from_arrays(rate, trials.time, condition=trials.condition))


def _measured(rates: np.ndarray, spread: float, seed: int, place: int) -> np.ndarray:
    """Poisson spikes of a number of trials, smoothed and averaged, in the unit of the rates."""
    rng = np.random.default_rng(np.random.SeedSequence((seed, place, FIRED)))
    return (spike_averages(BASE + DEPTH * rates / spread, BIN, repeats=REPEATS, sd=SMOOTHED, rng=rng) - BASE) / DEPTH * spread


def _pushed(circuit: Model, task: Task, jump: float, seed: int) -> list[Task]:
    """Draws of a push and of a silencing of units that are seen, by turns."""
    units = task.initial.shape[1] if task.initial is not None else 0
    amplitude = jump * circuit.scalars.get("tau", PUSH["duration"]) / PUSH["duration"]
    silent = circuit.silent.si if circuit.silent else 0.0
    draws = [(seed + 100 * draw, draw % 2) for draw in range(DRAWS)]
    return [silence(task, units, seed=one, rate=silent, start=WHEN, **SILENCED) if still
            else push(task, units, seed=one, amplitude=amplitude, start=WHEN, **PUSH) for one, still in draws]  # fmt: skip


def _jobs(cell: Cell, smoke: bool) -> dict[str, Job]:
    cards = {name: (paced(load(card), cell.model), options) for name, (card, options) in STUDENTS.items()}
    cards = {name: (card.with_arrays({}, units=HIDDEN) if card.initial else card, options) for name, (card, options) in cards.items()}
    cards["linear"] = (_linear(cards["linear"][0]), CLOSED)
    cards["rank 6"] = (_of_rank(cards["rank 6"][0], min(6, cell.practice.trials.rate.shape[2])), OPEN)
    cards[OWN] = (own_class(cell.model), Options(epochs=0))
    if smoke:
        cards = {name: (cards[name][0], replace(cards[name][1], epochs=2)) for name in ("leaky tanh", "hidden units", OWN)}
    return {name: Job(card, cell.practice.trials, cell.practice.task, cell.seed, options) for name, (card, options) in cards.items()}


def _linear(student: Model) -> Model:
    return Model.model_validate(student.model_dump() | {"name": "linear", "equations": student.equations.replace("tanh(x)", "x")})


def _of_rank(student: Model, rank: int) -> Model:
    numbers = {"rank": rank, "mean_m": 0, "sd_m": 1, "mean_n": 0, "sd_n": 1}
    arguments = {name: {"value": value, "meaning": f"{name} before training", "source": "chosen"} for name, value in numbers.items()}
    held = {"rule": "low_rank", "rank": rank, "arguments": arguments}
    projections = {name: part.model_dump() | (held if name == "W" else {}) for name, part in student.projections.items()}
    return student.with_arrays({}, projections=projections)


def _read(cell: Cell, fitted: Mapping[str, Fitted]) -> Reading:
    copies, halves, modes, flows = {}, [], [], []
    for place, (name, one) in enumerate(fitted.items()):
        copies[name] = simulate(one.model, cell.asked.task).rate
        explained = [max(WORST, response_r2(true, simulate(one.model, task).rate - copies[name]))
                     for task, true in zip(cell.pushed, cell.changed, strict=True)]  # fmt: skip
        halves.append([np.mean(explained[: DRAWS // 2]), np.mean(explained[DRAWS // 2 :])])
        modes.append(spectrum(one.model))
        flows.append(_flow_off(cell, one.model))
        if cell.spikes:
            copies[name] = _measured(copies[name], cell.spread, cell.seed, 2 + place)
    first, second = np.array(halves).T
    alike = {measure: np.array([function(cell.asked.trials.rate, copy, cell.asked.trials.bin) for copy in copies.values()])
             for measure, function in MEASURES.items()}  # fmt: skip
    modal = np.nan_to_num(np.array([spectral_distance(cell.modes, one) for one in modes]), nan=np.inf)
    slowest = np.array([-one.eigenvalues[0].real if len(one.eigenvalues) else np.nan for one in modes])
    return Reading(cell, tuple(fitted), alike, (first, second), modal, slowest, np.array(flows))


def _flow_off(cell: Cell, student: Model) -> float:
    """Distance of a student's flow from the circuit's, mean over the points; NaN where the circuit is not seen in full."""
    if cell.flows is None:
        return float("nan")
    own = [explored_flow(student, state, cell.axes) for state in _passed(student, cell.asked.task)]
    return float(np.mean([flow_distance(*pair) for pair in zip(cell.flows, own, strict=True)]))


def _tau(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's τ-b; 0 where either ranks nothing. The nulls need it a million times, which scipy's takes minutes for."""
    x, y = ((values[:, None] > values).astype(int) - (values[:, None] < values) for values in (one, other))
    pairs = float(np.sqrt(np.abs(x).sum() * np.abs(y).sum()))
    return float((x * y).sum()) / pairs if pairs > 0 else 0.0


def _taus(measure: str, found: Sequence[Reading], truth: str = PUSHES) -> np.ndarray:
    return np.array([_tau(one.alike[measure], one.by(truth)) for one in found])


def _score(measure: str, found: Sequence[Reading], view: str, truth: str, seed: int) -> Score:
    """How well a measure ranks students by what is seen of the units; the interval leaves out whole circuits."""
    cells = [one for one in found if one.cell.view == view]
    taus, names = _taus(measure, cells, truth), np.array([one.cell.circuit for one in cells])
    circuits = list(dict.fromkeys(names))
    rng = np.random.default_rng(np.random.SeedSequence((seed, round(1000 * cells[0].cell.share), int(cells[0].cell.spikes), MIXED)))
    null = np.array([np.mean([_tau(rng.permutation(one.alike[measure]), one.by(truth)) for one in cells]) for _ in range(NULLS)])
    by = np.array([taus[names == name].mean() for name in circuits])
    interval = jackknifed(lambda kept: float(by[kept].mean()), len(by)) if len(by) > 2 else None
    ceiling = float(np.mean([_tau(*one.truth) for one in cells])) if truth == PUSHES else None
    return Score(
        TAU.format(truth, view), measure, f"{len(cells)} cells of {len(cells[0].students)} students", float(taus.mean()), "higher",
        1.0, null, "students permuted", interval, "circuits" if interval else "one circuit", ceiling=ceiling,
        ceiling_reason="modes are known exactly",
        settings={"ceiling": "either half of the pushes against the other", "circuits": dict(zip(circuits, by.tolist(), strict=True))},
    )  # fmt: skip


def _claims(cells: Sequence[Cell], found: Sequence[Reading], seed: int) -> list[Claim]:
    own = [cell.asked.trials for cell in cells if cell.view == cells[0].view]
    off = {name: max(abs(function(one.rate, one.rate, one.bin) - function.identical) for one in own) for name, function in MEASURES.items()}
    searched = off.pop(SEARCHED)
    worst = max(off, key=lambda name: off[name])
    rng = np.random.default_rng(np.random.SeedSequence((seed, MIXED)))
    blind = [_tau(rng.standard_normal(len(one.students)), np.mean(one.truth, axis=0)) for one in found for _ in range(NULLS)]
    count = len(found[0].students)
    bound = 4 * np.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)) / len(blind))
    return [
        Claim(f"largest departure of a circuit from itself by any other measure ({worst})", off[worst], 0.0, 10 * PENALTIES[0],
              "by definition; ridge maps there and back lose up to their least penalty, more where held-out conditions vary more"),
        Claim(f"largest departure by {SEARCHED}", searched, 0.0, 0.02, "found by a search; threshold of the independent implementation"),
        Claim("mean τ of a measure that knows nothing", float(np.mean(blind)), -bound, bound, "4 standard errors of τ under independence (Kendall)"),
    ]  # fmt: skip


def _answer(scores: Sequence[Score], found: Sequence[Reading], views: Sequence[str]) -> str:
    few = [view for view in views if view != SPIKES][-1]
    full, part = (sorted((s for s in scores if s.measure == TAU.format(PUSHES, view)), key=lambda s: -s.estimate) for view in (views[0], few))
    best, worst = full[0], full[-1]
    left = next(score for score in part if score.student == best.student)
    by_modes, by_flow = (max((s for s in scores if s.measure == TAU.format(truth, views[0])), key=lambda s: s.estimate) for truth in (SPECTRUM, FLOW))
    apart = [_seen_slow([one for one in found if one.cell.view == view]) for view in (views[0], few)]
    means = [f"{np.mean([s.estimate for s in scores if s.measure == TAU.format(PUSHES, view)]):.2f} with {view}" for view in views]
    chance = sign_flip(np.array([best.settings["circuits"][name] - worst.settings["circuits"][name] for name in best.settings["circuits"]]))
    slow = f"; the slowest mode of a tanh network is then off by a factor of {apart[1]:.1f}, of all units by {apart[0]:.1f}"
    slow = slow if np.isfinite(apart).all() else ""
    return (
        f"Where all units are seen, {_quoted(best)} ranks students best by how they respond to pushes that nobody was taught"
        f"{'' if best.ceiling is None else f' (the truth agrees with itself to {best.ceiling:.2f})'}, {_quoted(worst)} worst; by their slowest modes "
        f"{_quoted(by_modes)} does, by their flow in the explored subspace {_quoted(by_flow)}. With {few} of the units seen it is "
        f"{_quoted(part[0])}, and {_quoted(left)} is left of the best{slow}. "
        f"Push the system where you can; between {best.student!r} and {worst.student!r} sign flips over circuits give p = {chance:.2g}, not "
        f"corrected for choosing among {len(full)} measures. The mean τ of all measures is {', '.join(means)} of the units seen."
    )


def _quoted(score: Score) -> str:
    span = f", {score.interval[0]:.2f} to {score.interval[1]:.2f}" if score.interval else ""
    return f"{score.student!r} (τ {score.estimate:.2f}{span})"


def _seen_slow(found: Sequence[Reading]) -> float:
    """By which factor the slowest mode of a leaky tanh network decays at another pace than that of its circuit, either way; median of the stable."""
    pairs = np.array([(one.slowest[one.students.index("leaky tanh")], -one.cell.modes.eigenvalues[0].real) for one in found])
    stable = pairs[(pairs > 0).all(axis=1)]
    return float(np.exp(np.median(np.abs(np.log(stable[:, 0] / stable[:, 1]))))) if len(stable) else float("nan")


def _pictures(found: Sequence[Reading], scores: Sequence[Score], views: Sequence[str]) -> dict[str, Picture]:
    full = [one for one in found if one.cell.view == views[0]]
    shares = list(dict.fromkeys(one.cell.share for one in found))
    circuits = list(dict.fromkeys(one.cell.circuit for one in full))
    names = list(MEASURES)
    tables = {truth: np.array([[_taus(name, [one for one in full if one.cell.circuit == circuit], truth).mean() for circuit in circuits]
                               for name in names]) for truth in (PUSHES, SPECTRUM, FLOW)}  # fmt: skip
    by = {(score.student, score.measure): score.estimate for score in scores}
    seen = np.array([[by[name, TAU.format(PUSHES, view)] for view in views] for name in names])
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
            annotated(tables[PUSHES], names, circuits, label="Kendall's τ"), "How well measures rank students by their responses to pushes",
            "Mean τ over networks of each kind, all units seen. 1: as the responses to unseen pushes rank them; 0: at chance.",
        ),
        "spectra": Picture(
            annotated(tables[SPECTRUM], names, circuits, label="Kendall's τ"), "How well they rank them by their modes",
            "The same with the distance of the slowest modes about rest as the truth.",
        ),
        "flows": Picture(
            annotated(tables[FLOW], names, circuits, label="Kendall's τ"), "How well they rank them by their flow",
            f"The same with the distance of the flow, linearised at {len(POINTS)} points of the reaches in the {EXPLORED} axes they explore most.",
        ),
        "observed": Picture(
            annotated(seen, names, views, label="Kendall's τ"), "What remains when few units are seen, or spikes",
            "Mean τ with the responses to pushes, over all circuits and networks, by the share of units seen, and from smoothed spikes of all.",
        ),
        "slow": Picture(
            over_settings({SLOW: _decays(found, circuits, shares)}, xlabel="share of the units seen", even=True, reference={SLOW: 0.0}),
            "The slowest mode of tanh networks that see few units", "Rate of its decay about rest, minus that of the circuit: below 0 a network is "
            "slower than its circuit, as spurious attractors would make it (Qian et al. 2024). Dots: networks.",
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


def _decays(found: Sequence[Reading], circuits: Sequence[str], shares: Sequence[float]) -> dict[str, Line]:
    """Rates of decay of the slowest mode of leaky tanh networks minus those of their circuits."""
    off = {(one.cell.circuit, one.cell.share, one.cell.seed): one.slowest[one.students.index("leaky tanh")] + one.cell.modes.eigenvalues[0].real
           for one in found if not one.cell.spikes}  # fmt: skip
    seeds = list(dict.fromkeys(one.cell.seed for one in found))
    return {name: (shares, np.array([[off[name, share, seed] for share in shares] for seed in seeds])) for name in circuits}


def _methods() -> list[str]:
    text = f"""
    Circuits: the stability-optimised one, and tanh units (tau {TAU_PLAIN} ms) with connections of known mechanism: a plane that grows by
    {ROTATING[0]:g} and turns by {ROTATING[1]:g} per tau and a random part of g = {MIXED_IN["low rank"]:g}; balanced pairs (w = 4 2/7, k = 1.1) and a
    random part of g = {MIXED_IN["balanced amplification"]:g}; a chain; a ring of g = {RING:g}; and random connections of g = {CHAOTIC:g}. Each, of
    {UNITS} units, makes {PRACTICE} delayed reaches to learn from and {ASKED} that are asked, released from mixtures of the states that it amplifies
    most, or of all states where its rest is unstable. Students see all units, or a random share of them, and learn their rates from the go cue on:
    the circuit's own equations by linear regression; leaky tanh networks, also under Dale's law, and a linear system, from the regression of their
    own equation; a tanh network held to rank 6, by back-propagation, as LINT; tanh networks of {HIDDEN} hidden units, GRU and LSTM; and hidden
    units once more with little training, so that students differ in how well they do.

    Truth: the share of the change of the seen units' rates that a student explains when a fifth of them gets a brief current, or is silenced, as
    nobody was taught; mean of {DRAWS} draws. A second truth is the distance of the 20 slowest modes about rest, a third that of the flow of observed
    rates, linearised at {len(POINTS)} points of the reaches in the {EXPLORED} axes they explore most (effective connectivity). Measures see only the
    rates of the asked reaches. Their ranks of the students are compared by Kendall's τ within each circuit and draw. Null: students permuted.
    Ceiling: τ between the truths of either half of the draws. Intervals leave out one circuit at a time, since circuits are what the statement is
    about. Seen as spikes, all units fire as Poisson processes about {BASE:g} Hz, with a typical standard deviation of {DEPTH:g} Hz, in {REPEATS}
    trials of a condition; students are taught their averages, smoothed with {SMOOTHED * 1e3:g} ms, and are measured in the same way.
    """
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
