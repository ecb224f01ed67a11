"""Which measure of similarity shows that a student works like its circuit, and not only that it does what the circuit does?

Reproduces  no figure. Circuits whose mechanism is known, since they are simulated, train students of other classes. Every measure ranks the
            students, and so do truths: how well each predicts the circuit's responses to pushes and silencing without training on them, its modes,
            its flow, its fixed points, its currents.
Claim       a circuit compared with itself is identical by every measure; uninformed measures rank at chance. Which measure ranks
            best, and what remains of it when few units are observed, is reported as found (Qian et al. 2024: partial observation misleads).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL, PLAIN, LAYERED, TAU = "hennequin_2014", "sompolinsky_1988", "dura_bernal_2023", 100  # ms; the last two carry all circuits but the first
CHAOTIC, RING, CHAIN, ROTATING, PAIR = 1.5, 1.5, 1.0, (1.2, 1.0), (4 + 2 / 7, 1.1)  # gains; growth and turn of the plane; w and k of balanced pairs
MIXED_IN = {"low rank": 0.3, "balanced amplification": 0.5, "chaotic": CHAOTIC}  # gain of the random part
UNITS, TRAINING, TESTED, SEEDS = 80, 120, 20, 5  # of circuits; conditions taught and asked; networks of each kind
SHARES = {1.0: True, 0.5: False, 0.2: True, 0.1: False, 0.05: False}  # of the units that are seen; as spikes too
CLOSED, OPEN, SHORT = (cs.Options(epochs=epochs, patience=10, rate=5e-3) for epochs in (15, 40, 10))
ONLINE = cs.Options(epochs=2, patience=2, validation=0, closed_form=False)
CURBD, OWN, COUNTED, LINEAR, LOW_RANK, HIDDEN = "CURBD", "own equations", "leaky tanh", "linear", "rank 6", 100
STUDENTS = {
    COUNTED: ("leaky_tanh", CLOSED), "Dale": ("leaky_dale", CLOSED), LINEAR: ("leaky_tanh", CLOSED), LOW_RANK: ("leaky_tanh", OPEN),
    CURBD: ("leaky_tanh", ONLINE), "hidden units": ("leaky_readout", OPEN), "GRU": ("gru", OPEN), "LSTM": ("lstm", OPEN),
    "little taught": ("leaky_readout", SHORT),
}  # fmt: skip
SEARCHED, NULLS, JOBS = "DSA, Procrustes", 200, 4  # draws of a measure that knows nothing; jobs that make one more process worth while
Ranked = Mapping[tuple[str, str], Sequence[cs.Score]]  # by truth and view, a score a measure


@threadpool_limits.wrap(limits=1)
def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train students on the rates of circuits, of all or some of their units, and find which measure ranks them by mechanism.

    Args:
        model: one more circuit, if it is not one of those of this protocol.
        seed: of every random choice; the seed of each draw of the circuits is derived from it.
        smoke: one small circuit and little training: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: units of the model are hidden behind a readout, or have several state variables.
    """
    if model.initial or model.readout:
        raise cs.errors.OptionError(f"{model.name}: its units are hidden behind a readout; mechanism needs a circuit whose units are observed.")
    if len(states := model.parsed.states) > 1:
        raise cs.errors.OptionError(f"{model.name}: units have the states {', '.join(states)}; mechanism compares flows of one state a unit.")
    seconds: dict[str, float] = {}
    shares, count, training = ({1.0: True}, 1, 24) if smoke else (SHARES, SEEDS, TRAINING)
    seeds = [cs.seed_of(seed, "circuit", "draw of mechanism", number) for number in range(count)]
    drawn = {own: {MODEL: model.with_arrays({}, units=min(40, model.units))} if smoke else known_circuits(model, own) for own in seeds}
    circuits = drawn[seeds[0]]
    with cs.timed(seconds, "circuits"):
        asked = {(name, own): (name, drawn[own][name], shares, own, (training, TESTED)) for name in circuits for own in seeds}
        cells = [cell for group in cs.runtime.workers.map("circuits", cs.measures.cells_of, asked, each=JOBS).values() for cell in group]
    with cs.timed(seconds, "training"):
        jobs = [_jobs(cell, smoke) for cell in cells]
        fitted = cs.fitting.train_groups({place: list(group.values()) for place, group in enumerate(jobs)})
        students = [{name: network.model for name, network in zip(group, fitted[place], strict=True)} for place, group in enumerate(jobs)]
    with cs.timed(seconds, "comparison"):
        pairs = {place: (cell, students[place], (COUNTED,)) for place, cell in enumerate(cells)}
        readings = list(cs.runtime.workers.map("comparison", cs.measures.read_students, pairs, each=JOBS).values())
        views = list(dict.fromkeys(cell.view for cell in cells))
        whole, few = views[0], [view for view in views if cs.measures.FROM_SPIKES not in view][-1]
        questions = [(cs.measures.PUSHES, view) for view in views] + [(truth, whole) for truth in cs.measures.TRUTHS[1:]]
        ranked = {key: [cs.measures.rank_score(measure, readings, *key, seed) for measure in cs.measures.MEASURES] for key in questions}
    best_first = {key: sorted(group, key=lambda score: -score.estimate) for key, group in ranked.items()}
    return cs.Report(
        title=QUESTION,
        question=f"{len(circuits)} circuits, {len(students[0])} students each, {len(views)} views: shares of units seen, as rates and as spikes.",
        answer=_answer(best_first[questions[0]]), claims=_claims(cells, readings, seed),
        findings=_findings(best_first, readings, views, whole, few) | {"Beside the literature": _literature(ranked, readings, whole, few)},
        scores=[score for group in ranked.values() for score in group], pictures=cs.figures.rank_pictures(readings, ranked, COUNTED),
        trials={cell.circuit: cell.test.trials for cell in cells if cell.view == whole and cell.seed == seeds[0]}, models=circuits | students[0],
        facts={"cells": f"{len(cells)} ({len(circuits)} circuits, {len(views)} views, {len(seeds)} seeds)", "students": str(sum(map(len, jobs)))},
        methods=_methods(), smoke=smoke, seed=seed, seconds=seconds, absent=cs.fitting.own_class_absent(model, {}, (OWN,)),
    )  # fmt: skip


def known_circuits(model: cs.Model, seed: int) -> dict[str, cs.Model]:
    """Return the model, the layered cortex, and plain equations with connections of every known mechanism."""
    plain, rng = _slowed(cs.load(PLAIN).with_arrays({}, units=UNITS)), cs.stream(seed, "circuit", "wiring of mechanism")
    exact = {
        "low rank": cs.cards.turning_plane(UNITS, rng, *ROTATING), "balanced amplification": cs.cards.balanced_pairs(UNITS, *PAIR),
        "feed-forward chain": cs.cards.chain(UNITS, CHAIN), "ring attractor": cs.cards.ring(UNITS, RING), "chaotic": np.zeros((UNITS, UNITS)),
    }  # fmt: skip
    noise = {name: rng.standard_normal((UNITS, UNITS)) / np.sqrt(UNITS) for name in exact}
    known = {name: plain.with_arrays({"J": J + MIXED_IN.get(name, 0.0) * noise[name]}) for name, J in exact.items()}
    first = "stability-optimised" if model.name == MODEL else model.name
    return {first: model.with_arrays({}, units=min(UNITS, model.units)), "layered": _slowed(cs.load(LAYERED))} | known


def _slowed(model: cs.Model) -> cs.Model:
    """Return the circuit at the time constant of this protocol."""
    tau = {"value": TAU, "unit": "ms", "meaning": "time constant", "source": "chosen: movements last for several time constants"}
    parameters = {name: part.model_dump() for name, part in model.parameters.items()} | {"tau": tau}
    dt = {"value": 1, "unit": "ms", "meaning": "integration step", "source": "chosen"}
    return model.with_arrays({}, parameters=parameters, dt=dt, equations=model.equations.replace("r_inf)/tau_m", "r_inf)/tau"))


def _jobs(cell: cs.measures.Cell, smoke: bool) -> dict[str, cs.fitting.Job]:
    """Return the students of a cell: all with the time constant of its circuit; its own equations too, if they have a single recurrent projection."""
    cards = {name: cs.fitting.with_time_constant_of(cs.load(card), cell.model) for name, (card, _) in STUDENTS.items()}
    cards = {name: card.with_arrays({}, units=HIDDEN) if card.initial else card for name, card in cards.items()}
    cards[LINEAR] = cards[LINEAR].with_arrays({}, name=LINEAR, equations=cards[LINEAR].equations.replace("tanh(x)", "x"))
    cards[LOW_RANK] = cs.edit.held_to_rank(cards[LOW_RANK], min(6, cell.training.trials.rate.shape[2]))
    options = {name: given for name, (_, given) in STUDENTS.items()}
    if len(cell.model.projections) == 1:
        cards[OWN], options[OWN] = cs.fitting.own_class(cell.model), cs.Options(epochs=0)
    if smoke:
        cards = {name: cards[name] for name in (COUNTED, CURBD, "hidden units", OWN) if name in cards}
        options = {name: replace(given, epochs=2) for name, given in options.items()}
    rules = {CURBD: ("curbd", {"lead": float(np.median(cs.simulation.time_constant(cards[CURBD])))})}
    return {name: cs.fitting.Job(card, cell.training.trials, cell.training.task, cell.seed, options[name], *rules.get(name, ("bptt", {})))
            for name, card in cards.items()}  # fmt: skip


def _claims(cells: Sequence[cs.measures.Cell], readings: Sequence[cs.measures.Reading], seed: int) -> list[cs.Claim]:
    off = cs.measures.self_departures([cell.test.trials for cell in cells if cell.view == cells[0].view])
    searched = off.pop(SEARCHED)
    worst = max(off, key=lambda name: off[name])
    blind, bound = cs.measures.blind_taus(readings, cs.stream(seed, "null", "blind measure of mechanism"), NULLS)
    text, largest = f"largest departure of a circuit from itself by any other measure ({worst})", 10 * cs.measures.RIDGE_PENALTIES[0]
    ridge = "by definition; ridge maps there and back lose up to their least penalty, more where held-out conditions vary more"
    search, kendall = "found by a search; threshold of the independent implementation", "4 standard errors of τ under independence (Kendall)"
    return [
        cs.Claim(text, off[worst], 0.0, largest, ridge), cs.Claim(f"largest departure by {SEARCHED}", searched, 0.0, 0.02, search),
        cs.Claim("mean τ of a measure that knows nothing", float(np.mean(blind)), -bound, bound, kendall),
    ]  # fmt: skip


def _answer(best_first: Sequence[cs.Score]) -> str:
    best, worst = best_first[0], best_first[-1]
    apart = np.array([best.settings["circuits"][name] - worst.settings["circuits"][name] for name in best.settings["circuits"]])
    return (
        f"Where all units are seen, {_quoted(best)} ranks students best by how they respond to pushes that nobody was taught, {_quoted(worst)} "
        f"worst; other pushes rank them with τ {best.settings['reliability']:.2f}. Between the two measures sign flips over circuits give "
        f"p = {cs.statistics.sign_flip(apart):.2g}, not corrected for choosing among {len(best_first)}."
    )


def _findings(best_first: Ranked, readings: Sequence[cs.measures.Reading], views: Sequence[str], whole: str, few: str) -> dict[str, str]:
    """Return further findings, by heading."""
    pushes = {view: best_first[cs.measures.PUSHES, view] for view in views}
    best, flow = pushes[whole][0], best_first[cs.measures.FLOW, whole][0]
    left = next(score for score in pushes[few] if score.student == best.student)
    means = {view: float(np.mean([score.estimate for score in group])) for view, group in pushes.items()}
    lost = [view for view in views if means[view] < means[whole] / 2]
    poor = f"of {', '.join(lost)} of the units, where the mean τ is {max(means[view] for view in lost):.2f} or less" if lost else "alone"
    others = {truth: best_first[truth, whole] for truth in cs.measures.TRUTHS[1:]}
    told = "; by ".join(f"{truth} {_quoted(group[0])}, worst {_quoted(group[-1])}" for truth, group in others.items())
    alone = " and ".join(cs.measures.below_unconnected(readings, whole, truth) for truth in (cs.measures.PUSHES, cs.measures.INSIDE))
    return {
        "Other parts of the mechanism": f"Best by {told}.",
        "Without connections": f"The circuits' own units without their connections explain, by circuit, {alone}.",
        "Few units, and spikes": f"With {few} of the units {_quoted(pushes[few][0])} ranks best by pushes, and {_quoted(left)} is left of the best. "
        f"The mean τ of all measures by pushes is {', '.join(f'{mean:.2f} ({view})' for view, mean in means.items())}.",
        "Recommendation": f"To say how alike two systems flow where activity goes, report {flow.student!r}, which ranks students by that with "
        f"τ {flow.estimate:.2f}. To say how alike they work elsewhere, push both: activity alone, by {best.student!r}, ranks responses with "
        f"τ {best.estimate:.2f}, other pushes with {best.settings['reliability']:.2f}. Do not rank mechanisms by activity {poor}.",
    }


def _literature(ranked: Ranked, readings: Sequence[cs.measures.Reading], whole: str, few: str) -> str:
    seen = {view: [reading for reading in readings if reading.cell.view == view] for view in (whole, few)}
    more, slower = ({view: sum(has(reading) for reading in group) for view, group in seen.items()} for has in (
        lambda reading: reading.more_attractors(COUNTED), lambda reading: reading.slower(COUNTED)))  # fmt: skip
    named = [name for name in (COUNTED, LOW_RANK, CURBD) if name in seen[whole][0].students]
    sent = "; ".join(f"{name} {1 - cs.measures.mean_distance(seen[whole], name, cs.measures.CURRENTS):.2f}" for name in named)
    flows = "; ".join(f"{name} {cs.measures.mean_distance(seen[whole], name, cs.measures.FLOW):.2f}" for name in named)
    modes, angle = ([score.estimate for truth in (cs.measures.PUSHES, cs.measures.FLOW) for score in ranked[truth, whole] if score.student == measure]
                    for measure in ("DSA, eigenvalues", "Procrustes angle (rad)"))  # fmt: skip
    return (
        f"Qian et al. (2024), spurious attractors: of {len(seen[few])} {COUNTED} networks that see {few} of the units, {more[few]} have more stable "
        f"fixed points than their circuit ({more[whole]} of those that see {whole}) and {slower[few]} a slower slowest mode ({slower[whole]}). "
        f"Perich et al. (2020), Valente et al. (2022): currents between halves of the units correlate with the circuit's by {sent}; the flow in "
        f"the explored subspace is off by {flows} of itself. Ostrow et al. (2023): DSA by eigenvalues ranks students with τ "
        f"{modes[0]:.2f} by pushes and {modes[1]:.2f} by flow, the Procrustes angle with {angle[0]:.2f} and {angle[1]:.2f}."
    )


def _quoted(score: cs.Score) -> str:
    span = f", {score.interval[0]:.2f} to {score.interval[1]:.2f}" if score.interval else ""
    return f"{score.student!r} (τ {score.estimate:.2f}{span})"


def _methods() -> str:
    spikes = cs.measures.SPIKES
    return f"""
    Circuits: the stability-optimised one; layered motor cortex as 15 populations; and tanh units with connections of known mechanism: a plane that
    grows by {ROTATING[0]:g} and rotates by {ROTATING[1]:g} per tau and a random part of g = {MIXED_IN["low rank"]:g}; balanced pairs (w = 4 2/7, k =
    1.1) and a random part of g = {MIXED_IN["balanced amplification"]:g}; a chain; a ring of g = {RING:g}; and random connections of g = {CHAOTIC:g}.
    All but the first have tau = {TAU} ms, including the layered ones, so that movements last for several time constants. Each has {UNITS} units if
    it is not layered, and makes {TRAINING} training and {TESTED} test reaches with a delay, released from mixtures of the states that it amplifies
    most, or of all states if its rest is unstable; layered rates, which cannot fall below 0, from mixtures of their logarithms.

    Students observe all units, or a random fraction, and learn their rates from the go cue on: the circuit's own equations by linear regression (not
    with two projections in them); leaky tanh networks, also under Dale's law, and a linear system, from the regression of their own equation; a
    tanh network of fixed rank 6, by back-propagation, as LINT; one by {ONLINE.epochs} passes of CURBD, with an error of the input (that of the rate,
    as published, fails on short reaches); tanh networks of {HIDDEN} hidden units, also with little training, GRU and LSTM.

    Truth: the fraction of the response of the observed units that a student explains when a fifth of them receives a current for
    {cs.measures.PUSHED * 1e3:g} ms that moves each by {cs.measures.JUMP:g} of its standard deviations, or is silenced for
    {cs.measures.SILENCED * 1e3:g} ms, without training for either; mean of {cs.measures.DRAWS} draws. The circuit receives the current through its
    own input, as large as moves it so at rest. Beside them stand pushes in random directions within the leading {cs.measures.LEADING} principal
    components of the rates, as strong over all units, and the circuit's own units without their connections. Further truths, if all units are
    observed: distance of the 20 slowest modes about rest; that of the linearised flow of rates at {len(cs.measures.POINTS)} points of the reaches in
    the {cs.measures.EXPLORED} axes they explore most (effective connectivity), relative to the circuit's; modified Hausdorff distance of the rates at
    all fixed points found; and correlation of the recurrent currents between halves of the units, mean over the four, where units correspond.

    Measures use only the rates of the test reaches. Their ranks of the students are compared by Kendall's τ within each circuit and draw. Null:
    students permuted. Ceiling: τ between the truths from each half of the draws. Intervals omit one circuit at a time, since the statement is
    about circuits. Observed as spikes, all units fire as Poisson processes about {spikes["base"]:g} Hz, with a typical standard deviation of
    {spikes["depth"]:g} Hz, in {spikes["repeats"]:g} trials per condition; students are trained on the averages, smoothed with
    {spikes["smoothed"] * 1e3:g} ms, and are measured in the same way.
    """
