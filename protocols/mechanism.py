"""Which measure of similarity tells that a student works like its circuit, and not only that it does what the circuit does?

Reproduces  no figure. Circuits whose mechanism is known, since they are simulated, teach students of other classes; every measure ranks the
            students, and so do truths: how well each predicts what the circuit does when it is pushed or silenced as nobody was taught, its modes,
            its flow, its fixed points, its currents.
Claim       a circuit compared with itself is identical by every measure; measures that are told nothing rank at chance. Which measure ranks
            best, and what remains of it when few units are seen, is reported as found (Qian et al. 2024: partial observation misleads).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
PLAIN, LAYERED, TAU = "sompolinsky_1988", "dura_bernal_2023", 100  # their equations carry every circuit but the first, with this time constant; ms
CHAOTIC, RING, CHAIN, ROTATING, PAIR = 1.5, 1.5, 1.0, (1.2, 1.0), (4 + 2 / 7, 1.1)  # gains; growth and turn of the plane; w and k of balanced pairs
MIXED_IN = {"low rank": 0.3, "balanced amplification": 0.5}  # gain of the random part
UNITS, TRAINING, TESTED, SEEDS = 80, 120, 20, 5  # of circuits; conditions taught and asked; networks of each kind
SHARES, SPIKED = (1.0, 0.5, 0.2, 0.1, 0.05), (1.0, 0.2)  # of the units that are seen; of these, which as spikes too
CLOSED, OPEN, SHORT = (cs.Options(epochs=epochs, patience=10, rate=5e-3) for epochs in (15, 40, 10))
ONLINE = cs.Options(epochs=2, patience=2, validation=0, closed_form=False)
CURBD, OWN, COUNTED, HIDDEN = "CURBD", "own equations", "leaky tanh", 100
STUDENTS = {
    "leaky tanh": ("leaky_tanh", CLOSED), "Dale": ("leaky_dale", CLOSED), "linear": ("leaky_tanh", CLOSED), "rank 6": ("leaky_tanh", OPEN),
    CURBD: ("leaky_tanh", ONLINE), "hidden units": ("leaky_readout", OPEN), "GRU": ("gru", OPEN), "LSTM": ("lstm", OPEN),
    "little taught": ("leaky_readout", SHORT),
}  # fmt: skip
JUMP, PUSH, SILENCED = 2.0, {"fraction": 0.2, "duration": 0.02}, {"fraction": 0.2, "duration": 0.1}  # JUMP: s.d. of a unit's rate
LEFT = 0.1  # of a rate that cannot fall below 0: what a push leaves of it
JOBS = 4  # that make it worth while to start one more process
WHEN, DRAWS = 0.1, 4  # s after the go cue; draws of each push, half of them for each half of the truth
SEARCHED = "DSA, Procrustes"
NULLS = 200
SPIKES = {"base": 10.0, "depth": 5.0, "repeats": 20, "smoothed": 0.03}  # Hz at rest, Hz for a typical s.d.; trials of a condition; s
TAU_OF = "Kendall's τ between the measure and {}, over students; {} of the units seen"


@threadpool_limits.wrap(limits=1)
def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Teach students the rates of circuits, all or some of their units, and ask which measure ranks them by mechanism.

    Args:
        model: one more circuit, beside those of this protocol, if it is none of them.
        seed: of every random choice; each draw of the circuits has a seed of its own made from it.
        smoke: one small circuit and little training: shows that everything runs, its numbers mean nothing.

    Raises:
        OptionError: units of the model are hidden behind a readout.
    """
    if model.initial or model.readout:
        raise cs.errors.OptionError(
            f"{model.name}: its units are hidden behind a readout; mechanism needs a circuit whose units are the observed ones."
        )
    seconds: dict[str, float] = {}
    shares, count = (SHARES[:1], 1) if smoke else (SHARES, SEEDS)
    seeds = [cs.seed_of(seed, "circuit", "draw of mechanism", number) for number in range(count)]
    drawn = {one: {MODEL: model.with_arrays({}, units=min(40, model.units))} if smoke else _circuits(model, one) for one in seeds}
    circuits = drawn[seeds[0]]
    with cs.timed(seconds, "circuits"):
        each = {(name, one): (name, drawn[one][name], shares, one, 24 if smoke else TRAINING) for name in circuits for one in seeds}
        cells = [cell for some in cs.runtime.workers.map("circuits", _cells, each, each=JOBS).values() for cell in some]
    with cs.timed(seconds, "training"):
        jobs = {(at, name): job for at, cell in enumerate(cells) for name, job in _jobs(cell, smoke).items()}
        fitted = cs.fitting.train_many({f"{at} {name}": job for (at, name), job in jobs.items()})
    students = [{name: fitted[f"{at} {name}"].model for place, name in jobs if place == at} for at in range(len(cells))]
    with cs.timed(seconds, "comparison"):
        pairs = {at: (cell, one, (COUNTED,)) for at, (cell, one) in enumerate(zip(cells, students, strict=True))}
        found = list(cs.runtime.workers.map("comparison", cs.measures.read_students, pairs, each=JOBS).values())
    views = list(dict.fromkeys(cell.view for cell in cells))
    questions = [(cs.measures.PUSHES, view) for view in views] + [(truth, views[0]) for truth in cs.measures.TRUTHS[1:]]
    ranked = {key: [_score(measure, found, *key, seed) for measure in cs.measures.MEASURES] for key in questions}
    scores = [score for some in ranked.values() for score in some]
    by = {key: sorted(some, key=lambda score: -score.estimate) for key, some in ranked.items()}
    return cs.Report(
        title=QUESTION,
        question=f"{len(circuits)} circuits, {len(students[0])} students each, {len(views)} views: shares of units seen, as rates and as spikes.",
        answer=_answer(by[questions[0]][0], by[questions[0]][-1], len(cs.measures.MEASURES)),
        findings=_findings(by, found),
        claims=_claims(cells, found, seed),
        scores=scores,
        pictures=cs.figures.rank_pictures(found, ranked, COUNTED),
        trials={f"{cell.circuit}": cell.test.trials for cell in cells if cell.view == views[0] and cell.seed == seeds[0]},
        models=circuits | students[0],
        methods=_methods(),
        facts={"cells": f"{len(cells)} ({len(circuits)} circuits, {len(views)} views, {len(seeds)} seeds)", "students": str(len(jobs))},
        smoke=smoke,
        seed=seed,
        seconds=seconds,
    )


def _circuits(model: cs.Model, seed: int) -> dict[str, cs.Model]:
    """The model, the layered cortex, and plain equations with connections of every known mechanism."""
    plain = _paced(cs.load(PLAIN).with_arrays({}, units=UNITS))
    layered = _paced(cs.load(LAYERED))
    named = {"layered": layered} | {name: plain.with_arrays({"J": J}) for name, J in _connections(seed).items()}
    return {"stability-optimised" if model.name == MODEL else model.name: model.with_arrays({}, units=min(UNITS, model.units))} | named


def _paced(model: cs.Model) -> cs.Model:
    """Return the circuit at the time constant of this protocol."""
    tau = {"value": TAU, "unit": "ms", "meaning": "time constant", "source": "chosen: movements last for several time constants"}
    parameters = {name: part.model_dump() for name, part in model.parameters.items()} | {"tau": tau}
    dt = {"value": 1, "unit": "ms", "meaning": "integration step", "source": "chosen"}
    return model.with_arrays({}, parameters=parameters, dt=dt, equations=model.equations.replace("r_inf)/tau_m", "r_inf)/tau"))


def _connections(seed: int) -> dict[str, np.ndarray]:
    """Connections whose mechanism is known by construction, of sources (columns) onto targets (rows)."""
    rng = cs.stream(seed, "circuit", "wiring of mechanism")
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


def _cells(name: str, circuit: cs.Model, shares: Iterable[float], seed: int, training: int) -> list[cs.measures.Cell]:
    """Reaches and pushes of one circuit, seen in full and in part, as rates and as spikes."""
    taught, test = cs.analysis.delayed_reaches(circuit, (training, TESTED), seed=seed)
    order = cs.stream(seed, "analysis", "units recorded in mechanism").permutation(circuit.units)
    spread, rest = (
        float(np.median(taught.trials.rate.std(axis=(0, 1)))),
        cs.simulation.rate_of(circuit, cs.analysis.resting_state(circuit), circuit.arrays()),
    )
    modes, known = cs.analysis.spectrum(circuit), cs.measures.CircuitTruths.of(circuit, test.task, test.trials.rate, seed)
    cells = []
    for share in shares:
        seen = np.sort(order[: max(2, round(share * circuit.units))])
        parts = [side.seen(seen) for side in (taught, test)]
        pushed = _pushed(circuit, parts[1].task, cs.fitting.unit_scale(parts[0].trials), rest[seen], seed)
        changed = [(cs.simulate(circuit, _in_whole(circuit, test, one, seen)).rate - test.trials.rate)[:, :, seen] for one in pushed]
        electrodes = cs.measures.Electrodes(**SPIKES, rest=rest[seen], spread=spread, seed=seed)
        for through in (None, electrodes) if share in SPIKED else (None,):
            views = parts if through is None else [through.of(side, place) for place, side in enumerate(parts)]
            tasks = [replace(one, initial=views[1].task.initial) for one in pushed]
            full = known if share == 1 and through is None else None
            cells.append(cs.measures.Cell(name, circuit, share, seed, *views, tasks, changed, modes, known.stable, full, through))
    return cells


def _pushed(circuit: cs.Model, task: cs.Task, spread: np.ndarray, rest: np.ndarray, seed: int) -> list[cs.Task]:
    """Draws of a push and of a silencing of units that are seen, by turns; the push is what units lose or gain at rest, in the unit of the rates.

    Rates that cannot fall below 0 are not pulled down faster than they can fall.
    """
    silent = circuit.silent.si if circuit.silent else 0.0
    amplitude = JUMP * spread * _pace(circuit) / PUSH["duration"]
    draws = [(cs.seed_of(seed, "task", "push of mechanism", draw), draw % 2) for draw in range(DRAWS)]
    tasks = [cs.perturb.silence(task, len(spread), seed=one, rate=silent, start=WHEN, **SILENCED) if still
             else cs.perturb.push(task, len(spread), seed=one, amplitude=amplitude, start=WHEN, **PUSH) for one, still in draws]  # fmt: skip
    return [_changed(task, one, lambda pattern: np.maximum(pattern, (LEFT - 1) * rest)) for one in tasks] if circuit.initial_values else tasks


def _changed(task: cs.Task, pushed: cs.Task, change: Callable[[np.ndarray], np.ndarray]) -> cs.Task:
    """A pushed task, the currents that were added to the task changed."""
    count = len(task.drives)
    return replace(pushed, drives=(*pushed.drives[:count], *(replace(one, pattern=change(one.pattern)) for one in pushed.drives[count:])))


def _in_whole(circuit: cs.Model, test: cs.analysis.Side, part: cs.Task, seen: np.ndarray) -> cs.Task:
    """What is done to the units that are seen, done to the circuit by way of its own input."""
    rest = np.tile(cs.analysis.resting_state(circuit), (part.trials, 1))
    still = cs.simulation.flow(circuit, circuit.arrays(), rest)
    return _changed(test.task, test.pushed(part, seen), lambda pattern: cs.analysis.currents_for(circuit, rest, still + pattern / _pace(circuit)))


def _pace(circuit: cs.Model) -> float:
    """Time constant, s, that a push is measured by."""
    return float(np.median(cs.simulation.time_constant(circuit)))


def _jobs(cell: cs.measures.Cell, smoke: bool) -> dict[str, cs.fitting.Job]:
    cards = {name: (cs.fitting.with_time_constant_of(cs.load(card), cell.model), options) for name, (card, options) in STUDENTS.items()}
    cards = {name: (card.with_arrays({}, units=HIDDEN) if card.initial else card, options) for name, (card, options) in cards.items()}
    cards["linear"] = (_linear(cards["linear"][0]), CLOSED)
    cards["rank 6"] = (_of_rank(cards["rank 6"][0], min(6, cell.training.trials.rate.shape[2])), OPEN)
    if len(cell.model.projections) == 1:
        cards[OWN] = (cs.fitting.own_class(cell.model), cs.Options(epochs=0))
    if smoke:
        cards = {name: (cards[name][0], replace(cards[name][1], epochs=2)) for name in ("leaky tanh", CURBD, "hidden units", OWN) if name in cards}
    rules = {CURBD: ("curbd", {"lead": float(np.median(cs.simulation.time_constant(cards[CURBD][0])))})}
    return {name: cs.fitting.Job(card, cell.training.trials, cell.training.task, cell.seed, options, *rules.get(name, ("bptt", {})))
            for name, (card, options) in cards.items()}  # fmt: skip


def _linear(student: cs.Model) -> cs.Model:
    return cs.Model.model_validate(student.model_dump() | {"name": "linear", "equations": student.equations.replace("tanh(x)", "x")})


def _of_rank(student: cs.Model, rank: int) -> cs.Model:
    numbers = {"rank": rank, "mean_m": 0, "sd_m": 1, "mean_n": 0, "sd_n": 1}
    arguments = {name: {"value": value, "meaning": f"{name} before training", "source": "chosen"} for name, value in numbers.items()}
    held = {"rule": "low_rank", "rank": rank, "arguments": arguments}
    recurrent = cs.simulation.recurrent_projections(student)
    projections = {name: part.model_dump() | (held if name in recurrent else {}) for name, part in student.projections.items()}
    return student.with_arrays({}, projections=projections)


def _tau(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's τ-b of what is not NaN; 0 where either ranks nothing. The nulls need it a million times, which scipy's takes minutes for."""
    both = ~np.isnan(one + other)
    x, y = ((values[:, None] > values).astype(int) - (values[:, None] < values) for values in (one[both], other[both]))
    pairs = float(np.sqrt(np.abs(x).sum() * np.abs(y).sum()))
    return float((x * y).sum()) / pairs if pairs > 0 else 0.0


def _taus(measure: str, found: Sequence[cs.measures.Reading], truth: str = cs.measures.PUSHES) -> np.ndarray:
    return np.array([_tau(one.alike[measure], one.truths[truth]) for one in found])


def _score(measure: str, found: Sequence[cs.measures.Reading], truth: str, view: str, seed: int) -> cs.Score:
    """How well a measure ranks students by what is seen of the units; the interval leaves out whole circuits."""
    cells = [one for one in found if one.cell.view == view]
    taus, names = _taus(measure, cells, truth), np.array([one.cell.circuit for one in cells])
    circuits = list(dict.fromkeys(names))
    rng = cs.stream(seed, "null", "permuted students of mechanism", view)
    null = np.array([np.mean([_tau(rng.permutation(one.alike[measure]), one.truths[truth]) for one in cells]) for _ in range(NULLS)])
    by = np.array([taus[names == name].mean() for name in circuits])
    interval = cs.statistics.jackknifed(lambda kept: float(by[kept].mean()), len(by)) if len(by) > 2 else None
    ceiling = float(np.mean([_tau(*one.halves) for one in cells])) if truth == cs.measures.PUSHES else None
    return cs.Score(
        TAU_OF.format(truth, view), measure, f"{len(cells)} cells of {len(cells[0].students)} students", float(taus.mean()), "higher",
        1.0, null, "students permuted", interval, "circuits" if interval else "one circuit", ceiling=ceiling,
        ceiling_reason="known exactly, but for the fixed points that searches miss" if truth == cs.measures.FIXED else "known exactly",
        settings={"ceiling": "either half of the pushes against the other", "circuits": dict(zip(circuits, by.tolist(), strict=True))},
    )  # fmt: skip


def _claims(cells: Sequence[cs.measures.Cell], found: Sequence[cs.measures.Reading], seed: int) -> list[cs.Claim]:
    own = [cell.test.trials for cell in cells if cell.view == cells[0].view]
    off = {
        name: max(abs(function(one.rate, one.rate, one.bin) - function.identical) for one in own) for name, function in cs.measures.MEASURES.items()
    }
    searched = off.pop(SEARCHED)
    worst = max(off, key=lambda name: off[name])
    rng = cs.stream(seed, "null", "blind measure of mechanism")
    blind = [_tau(rng.standard_normal(len(one.students)), one.truths[cs.measures.PUSHES]) for one in found for _ in range(NULLS)]
    count = min(len(one.students) for one in found)
    bound = 4 * np.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)) / len(blind))
    return [
        cs.Claim(
            f"largest departure of a circuit from itself by any other measure ({worst})",
            off[worst],
            0.0,
            10 * cs.measures.RIDGE_PENALTIES[0],
            "by definition; ridge maps there and back lose up to their least penalty, more where held-out conditions vary more",
        ),
        cs.Claim(f"largest departure by {SEARCHED}", searched, 0.0, 0.02, "found by a search; threshold of the independent implementation"),
        cs.Claim(
            "mean τ of a measure that knows nothing", float(np.mean(blind)), -bound, bound, "4 standard errors of τ under independence (Kendall)"
        ),
    ]


def _answer(best: cs.Score, worst: cs.Score, count: int) -> str:
    apart = np.array([best.settings["circuits"][name] - worst.settings["circuits"][name] for name in best.settings["circuits"]])
    return (
        f"Where all units are seen, {_quoted(best)} ranks students best by how they respond to pushes that nobody was taught, {_quoted(worst)} "
        f"worst; other pushes rank them with τ {best.ceiling:.2f}. Between the two measures sign flips over circuits give "
        f"p = {cs.statistics.sign_flip(apart):.2g}, not corrected for choosing among {count}."
    )


def _findings(by: Mapping[tuple[str, str], Sequence[cs.Score]], found: Sequence[cs.measures.Reading]) -> dict[str, str]:
    """What else was found, by heading; scores from best to worst."""
    views = [view for truth, view in by if truth == cs.measures.PUSHES]
    few = [view for view in views if cs.measures.FROM_SPIKES not in view][-1]
    best, flow = by[cs.measures.PUSHES, views[0]][0], by[cs.measures.FLOW, views[0]][0]
    left = next(score for score in by[cs.measures.PUSHES, few] if score.student == best.student)
    means = {view: float(np.mean([score.estimate for score in by[cs.measures.PUSHES, view]])) for view in views}
    lost = [view for view in views if means[view] < means[views[0]] / 2]
    told = {truth: f"{_quoted(by[truth, views[0]][0])}, worst {_quoted(by[truth, views[0]][-1])}" for truth in cs.measures.TRUTHS[1:]}
    poor = f"of {', '.join(lost)} of the units, where the mean τ is {max(means[view] for view in lost):.2f} or less" if lost else "alone"
    return {
        "Other parts of the mechanism": f"Best by {'; by '.join(f'{truth} {text}' for truth, text in told.items())}.",
        "Few units, and spikes": f"With {few} of the units {_quoted(by[cs.measures.PUSHES, few][0])} ranks best by pushes, and {_quoted(left)} is "
        f"left of the best. The mean τ of all measures by pushes is {', '.join(f'{mean:.2f} ({view})' for view, mean in means.items())}.",
        "Recommendation": f"To say how alike two systems flow where activity goes, report {flow.student!r}, which ranks students by that with "
        f"τ {flow.estimate:.2f}. To say how alike they work elsewhere, push both: activity alone, by {best.student!r}, ranks responses with "
        f"τ {best.estimate:.2f}, other pushes with {best.ceiling:.2f}. Do not rank mechanisms by activity {poor}.",
        "Beside the literature": _literature(by, found, views[0], few),
    }


def _literature(by: Mapping[tuple[str, str], Sequence[cs.Score]], found: Sequence[cs.measures.Reading], whole: str, few: str) -> str:
    seen = {view: [one for one in found if one.cell.view == view] for view in (whole, few)}
    slower, more = ({view: sum(apart(one) for one in some) for view, some in seen.items()} for apart in (
        lambda one: one.slowest[one.students.index(COUNTED)] < -one.cell.modes.eigenvalues[0].real,
        lambda one: one.stable[COUNTED] > one.cell.stable))  # fmt: skip

    def mean(student: str, truth: str) -> float:
        return -float(np.mean([one.truths[truth][one.students.index(student)] for one in seen[whole] if student in one.students]))

    def tau(measure: str, truth: str) -> float:
        return next(score.estimate for score in by[truth, whole] if score.student == measure)

    named = [name for name in (COUNTED, "rank 6", CURBD) if name in seen[whole][0].students]
    sent = "; ".join(f"{name} {1 - mean(name, cs.measures.CURRENTS):.2f}" for name in named)
    flows = "; ".join(f"{name} {mean(name, cs.measures.FLOW):.2f}" for name in named)
    return (
        f"Qian et al. (2024), spurious attractors: of {len(seen[few])} {COUNTED} networks that see {few} of the units, {more[few]} have more stable "
        f"fixed points than their circuit ({more[whole]} of those that see {whole}) and {slower[few]} a slower slowest mode ({slower[whole]}). "
        f"Perich et al. (2020), Valente et al. (2022): currents between halves of the units correlate with the circuit's by {sent}; the flow in "
        f"the explored subspace is off by {flows} of itself. Ostrow et al. (2023): DSA by eigenvalues ranks students with τ "
        f"{tau('DSA, eigenvalues', cs.measures.PUSHES):.2f} by pushes and {tau('DSA, eigenvalues', cs.measures.FLOW):.2f} by flow, the "
        f"Procrustes angle with "
        f"{tau('Procrustes angle (rad)', cs.measures.PUSHES):.2f} and {tau('Procrustes angle (rad)', cs.measures.FLOW):.2f}."
    )


def _quoted(score: cs.Score) -> str:
    span = f", {score.interval[0]:.2f} to {score.interval[1]:.2f}" if score.interval else ""
    return f"{score.student!r} (τ {score.estimate:.2f}{span})"


def _methods() -> str:
    return f"""
    Circuits: the stability-optimised one; layered motor cortex as 15 populations; and tanh units with connections of known mechanism: a plane that
    grows by {ROTATING[0]:g} and turns by {ROTATING[1]:g} per tau and a random part of g = {MIXED_IN["low rank"]:g}; balanced pairs (w = 4 2/7, k =
    1.1) and a random part of g = {MIXED_IN["balanced amplification"]:g}; a chain; a ring of g = {RING:g}; and random connections of g = {CHAOTIC:g}.
    All but the first have tau = {TAU} ms, the layered ones too, so that movements last for several time constants. Each, of {UNITS} units where it is
    not layered, makes {TRAINING} delayed reaches to learn from and {TESTED} that are asked, released from mixtures of the states that it amplifies
    most, or of all states where its rest is unstable; layered rates, which cannot fall below 0, from mixtures of their logarithms.

    Students see all units, or a random share of them, and learn their rates from the go cue on: the circuit's own equations by linear regression (not
    where two projections enter them); leaky tanh networks, also under Dale's law, and a linear system, from the regression of their own equation; a
    tanh network held to rank 6, by back-propagation, as LINT; one by {ONLINE.epochs} passes of CURBD, with an error of the input (that of the rate,
    as published, fails on short reaches); tanh networks of {HIDDEN} hidden units, GRU and LSTM; and hidden units once more with little training, so
    that students differ in how well they do.

    Truth: the share of the change of the seen units' rates that a student explains when a fifth of them gets a current for
    {PUSH["duration"] * 1e3:g} ms that moves each by {JUMP:g} of its standard deviations, or is silenced for {SILENCED["duration"] * 1e3:g} ms, as
    nobody was taught; mean of {DRAWS} draws. The circuit gets the current through its own input, as large as moves it so at rest. Further truths,
    where all units are seen: distance of the 20 slowest modes about rest; that of the flow of observed rates, linearised at
    {len(cs.measures.POINTS)} points of the reaches in the {cs.measures.EXPLORED} axes they explore most (effective connectivity), relative to the
    circuit's; modified Hausdorff distance of the rates at all fixed points found; and correlation, over time and units, of the recurrent currents
    between either half of the units and either, mean over the four, for students that have a unit for each observed one.

    Measures see only the rates of the asked reaches. Their ranks of the students are compared by Kendall's τ within each circuit and draw. Null:
    students permuted. Ceiling: τ between the truths of either half of the draws. Intervals leave out one circuit at a time, since circuits are what
    the statement is about. Seen as spikes, all units fire as Poisson processes about {SPIKES["base"]:g} Hz, with a typical standard deviation of
    {SPIKES["depth"]:g} Hz, in {SPIKES["repeats"]:g} trials of a condition; students are taught their averages, smoothed with
    {SPIKES["smoothed"] * 1e3:g} ms, and are measured in the same way.
    """
