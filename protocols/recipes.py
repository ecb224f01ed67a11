"""What must be taught for a network to work like its circuit?

Reproduces  no figure. Pushes on and off the manifold as in O'Shea et al. (2022) bioRxiv 2022.12.16.520768; connections known up to a factor for each
            unit after Beiran & Litwin-Kumar (2024) bioRxiv 2024.02.22.581667. Circuits: Hennequin et al. (2014) Neuron 82:1394, drawn anew.
Claim       a network of the circuit's own equations, taught states that span state space, answers pushes with R² of at least 0.9; pushes at ten sites
            that are taught raise R² of other pushes off the manifold over averages alone; the best recipe is above units without connections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
UNITS, CIRCUITS, SEEDS = 60, 5, 5  # of circuits at most; draws of the circuit; seeds of everything else for each
STATES, REPEATS, FEW, MANY = 48, 10, 6, 40  # initial states; trials from each; few states, with as many trials in all; trials where data abound
MANIFOLD, TESTED, DRAWS, EPOCHS = 48, 10, 6, 15  # reaches whose components are the manifold; others that are pushed; draws of a kind; at most
SITES = (1, 2, 5, 10)
BASELINE, CONTROL, SURE, REACHED = "averages", "own equations, all states, no noise", 0.05, 0.9
bench, interval = cs.studies.benchmark, cs.statistics.mean_interval
ALONE, RIDGE, ON, OFF = bench.ALONE, bench.RIDGE, "on the manifold", "off the manifold"
PLAIN = bench.Recipe(STATES, REPEATS)
ONE, SOME, FEW_STATES, WIDE = "one trial a state", "four times the trials", "few states", "states that span state space"
SINGLE, SPIKES, BOTH = "single trials", "averages of spikes", "single trials of spikes"
DATA = {
    ONE: replace(PLAIN, repeats=1), BASELINE: PLAIN, FEW_STATES: replace(PLAIN, states=FEW, repeats=STATES * REPEATS // FEW),
    WIDE: replace(PLAIN, wide=True), SINGLE: replace(PLAIN, single=True), SPIKES: replace(PLAIN, spikes=True),
    BOTH: replace(PLAIN, single=True, spikes=True), SOME: replace(PLAIN, repeats=MANY),
}  # fmt: skip
PUSHED = {f"{count} site{'s'[: count > 1]}": replace(PLAIN, sites=count) for count in SITES}
ASKED = {
    "noise while it learns": replace(PLAIN, network="noise"), "Dale, types guessed": replace(PLAIN, network="Dale"),
    "few connections": replace(PLAIN, network="sparse"), "the output alone": replace(PLAIN, network="output"),
    "known types": replace(PLAIN, network="types"), "known connectome": replace(PLAIN, network="connectome"),
    "own equations": replace(PLAIN, network="own"), "own equations, connectome": replace(PLAIN, network="own connectome"),
}  # fmt: skip
FREE, KNOWN = list(ASKED)[:4], list(ASKED)[4:6]
TOGETHER = "types, sites, single trials"
RECIPES = DATA | PUSHED | ASKED | {
    TOGETHER: replace(PLAIN, single=True, sites=SITES[-1], network="types"),
    CONTROL: replace(PLAIN, repeats=1, wide=True, noise=False, network="own"),
}  # fmt: skip
BOUND, EXACT = "bound of this protocol, stated before it was run", "responses of the circuit are without noise: 1"
SEEN, NOTHING = "bound of this protocol; this comparison had been seen in one of its experiments before", "a network that answers nothing has 0"
INFORMED, PRIORS = ("known types", "few connections"), "Sourmpis et al. (2026): priors from biology help where pushed; seen before"


class Gain(NamedTuple):
    """Difference of a recipe from condition averages, over circuits: mean, 95 % interval, and p corrected for all recipes and both kinds of push."""

    mean: float
    low: float
    high: float
    p: float


Answers = Mapping[str, Mapping[str, np.ndarray]]  # by kind of push and recipe: the mean over seeds and draws for each circuit
Gains = Mapping[str, Mapping[str, Gain]]


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Teach networks the same circuits by recipes that differ in one thing, and push circuits and networks as none was taught.

    Args:
        model: circuit of observed units whose connections a rule draws anew.
        seed: of every random choice.
        smoke: few units, states and epochs: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: the circuit's weights are stored with it, or its units are hidden or have several states.
    """
    seconds: dict[str, float] = {}
    cells = bench.circuits_of(model, 20 if smoke else UNITS, circuits=2 if smoke else CIRCUITS, each=1 if smoke else SEEDS, seed=seed)
    reasons = {name: {bench.impossible(recipe, drawn) for drawn in cells.values()} - {None} for name, recipe in RECIPES.items()}
    recipes = {name: recipe for name, recipe in RECIPES.items() if not reasons[name]}
    if smoke:
        recipes = {name: replace(each, states=min(each.states, 20), repeats=min(each.repeats, 2)) for name, each in recipes.items()}
    sizes = (20, 4, 2, 1) if smoke else (MANIFOLD, TESTED, DRAWS, EPOCHS)
    with cs.timed(seconds, "networks and their responses"):
        found = bench.taught(cells, bench.Ablation(recipes, *sizes))
    names, kinds = [*recipes, ALONE, RIDGE], dict(zip((ON, OFF), bench.ON_AND_OFF, strict=True))
    answers = {where: {name: _by_circuit(found, kind, name) for name in names} for where, kind in kinds.items()}
    rates = {name: _by_circuit(found, None, name) for name in names}
    gains = _gains(answers)
    shown = {kind: {name: np.array([values.mean(), *interval(values)]) for name, values in each.items()} for kind, each in answers.items()}
    return cs.Report(
        title=QUESTION, question=f"{model.title} ({model.paper}); {len(cells)} experiments with each recipe.",
        answer=_advice(gains, answers, rates), findings=_findings(answers, gains, rates), claims=_claims(answers, gains, rates, smoke),
        scores=[_score(f"response to pushes {kind}, R²", name, values, sizes) for kind, each in answers.items() for name, values in each.items()]
        + [_score("R² of rates", name, values, sizes) for name, values in rates.items()],
        tables={"recipes": _table(recipes, gains, shown, rates)}, pictures=_picture(shown, recipes), models={"circuit": cells[0, 0].model},
        trials={"circuit": bench.Laboratory(cells[0, 0], 0.0).reaches("asked", sizes[1]).trials},
        methods=_methods(), facts={"circuits": f"{cells[0, 0].model.units} units each", "networks": f"{len(recipes)} recipes, {len(cells)} of each"},
        absent=[f"{name}: {', '.join(sorted(map(str, why)))}." for name, why in reasons.items() if why]
        + [f"{name}: {lost} of {len(found)} networks diverge and count as {bench.WORST:g}." for name in names
           if (lost := sum(name not in pupils.names for pupils in found.values()))],
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _by_circuit(found: Mapping[tuple[int, int], bench.Pupils], kind: str | None, name: str) -> np.ndarray:
    """Return the mean over seeds for each circuit of R² of responses to a kind of push, or of rates."""

    def one(pupils: bench.Pupils) -> float:
        r2 = pupils.truths[kind] if kind else pupils.r2
        return max(bench.WORST, float(r2[pupils.names.index(name)])) if name in pupils.names else bench.WORST

    places = dict.fromkeys(circuit for circuit, _ in found)
    return np.array([np.mean([one(pupils) for (circuit, _), pupils in found.items() if circuit == place]) for place in places])


def _gains(answers: Answers) -> Gains:
    pairs = {(kind, name): (values, each[BASELINE]) for kind, each in answers.items() for name, values in each.items() if name != BASELINE}
    p = cs.statistics.paired_t(pairs)
    gains = {key: Gain(float((one - base).mean()), *interval(one - base), p[key]) for key, (one, base) in pairs.items()}
    return {kind: {name: gain for (of, name), gain in gains.items() if of == kind} for kind in answers}


def _best(answers: Answers, names: Sequence[str]) -> str:
    return max((name for name in names if name in answers[ON]), key=lambda name: answers[ON][name].mean() + answers[OFF][name].mean())


def _claims(answers: Answers, gains: Gains, rates: Mapping[str, np.ndarray], smoke: bool) -> list[cs.Claim]:
    reached, lower = [float(each[CONTROL].mean()) for each in answers.values() if CONTROL in each], "lower end of the interval"
    found = {"positive control: R² of responses to pushes, the smaller of both kinds": (min(reached), REACHED, 1.0, SEEN)} if reached else {}
    if not smoke:
        most, best = list(PUSHED)[-1], _best(answers, [name for name in RECIPES if name != CONTROL])
        apart = min(interval(each[best] - each[ALONE])[0] for each in answers.values())
        found[f"R² off the manifold, {most} taught minus {BASELINE} alone: {lower} over circuits"] = gains[OFF][most].low, 0.0, np.inf, BOUND
        found[f"R² of the best recipe minus units without connections: {lower}, the smaller of both kinds"] = apart, 0.0, np.inf, SEEN
        for name in (name for name in INFORMED if name in rates):
            found[f"{name}: R² off the manifold minus {BASELINE}, {lower}"] = gains[OFF][name].low, 0.0, np.inf, PRIORS
            found[f"{name}: R² of rates minus {BASELINE}"] = float((rates[name] - rates[BASELINE]).mean()), -0.05, np.inf, PRIORS
    return [cs.Claim(text, *bounds) for text, bounds in found.items()]


def _told(name: str, gains: Gains) -> str:
    on, off = (f"{g.mean:+.2f} [{g.low:+.2f}, {g.high:+.2f}]{'' if g.p < SURE else ', not sure'}" for g in (gains[kind][name] for kind in (ON, OFF)))
    return f"{name!r} (on the manifold {on}; off {off})"


def _advice(gains: Gains, answers: Answers, rates: Mapping[str, np.ndarray]) -> str:
    """Return three sentences: what to record, what to push, what to ask of the network."""
    same = [name for name, recipe in DATA.items() if recipe.trials == PLAIN.trials and name != BASELINE]
    record, push, ask, know = (_best(answers, names) for names in (same, list(PUSHED), FREE, KNOWN))
    sure = [name for name in PUSHED if gains[OFF][name].p < SURE and gains[OFF][name].mean > 0]
    on, off = (answers[kind][BASELINE].mean() for kind in (ON, OFF))
    rate, more, rise = rates[BASELINE].mean(), gains[OFF][SOME].mean, ", ".join(sure) or "none of them"
    return (
        f"Do not judge by the rates: {BASELINE} of {PLAIN.trials} trials explain {rate:.2f} of them, {on:.2f} of pushes on the manifold and "
        f"{off:.2f} off it; in as many trials {_told(record, gains)} do best, and {MANY // REPEATS} times the trials give {more:+.2f} off it. Push "
        f"while you record: of {', '.join(PUSHED)} {_told(push, gains)} do best, with a sure rise off the manifold for {rise}. Of what costs no "
        f"trial, of constraints {_told(ask, gains)} does best, of knowledge {_told(know, gains)}."
    )


def _findings(answers: Answers, gains: Gains, rates: Mapping[str, np.ndarray]) -> dict[str, str]:
    told: dict[bool, list[str]] = {True: [], False: []}
    for where, of in gains.items():
        for name in [name for name in of if of[name].p < SURE and name not in (CONTROL, ALONE, RIDGE)]:
            told[of[name].mean > 0].append(f"{name} ({where}, {of[name].mean:+.2f})")
    r2, pushed = (np.concatenate([each[name] for name in answers[ON]]) for each in (rates, answers[OFF]))
    return {
        "What changes answers for sure": f"Against {BASELINE}, p < {SURE:g}. Up: {'; '.join(told[True]) or 'nothing'}. Down: "
        f"{'; '.join(told[False]) or 'nothing'}.",
        "Knowledge": f"{'; '.join(_told(name, gains) for name in list(ASKED)[4:] if name in answers[ON])}.",
        "Rates and pushes": f"R² of rates and of pushes off the manifold: r = {np.corrcoef(r2, pushed)[0, 1]:.2f} over recipes and circuits.",
    }  # fmt: skip


def _score(measure: str, name: str, values: np.ndarray, sizes: Sequence[int]) -> cs.Score:
    how = {"surrogate": NOTHING, "ceiling_reason": EXACT, "settings": {"circuits": values.tolist()}} | cs.statistics.mean_over("circuits", values)
    return cs.Score(measure, name, f"{sizes[1]} held-out reaches, {len(values)} circuits", better="higher", identical=1.0, null=None, **how)


def _table(recipes: Mapping[str, bench.Recipe], gains: Gains, shown: Answers, rates: Mapping[str, np.ndarray]) -> list[dict]:
    rows = []
    for name in shown[ON]:
        row = {"recipe": name} | {key: getattr(recipes.get(name), key, "") for key in ("trials", "states", "sites", "network")}
        row["R² of rates"] = float(rates[name].mean())
        for kind in (ON, OFF):
            row |= {f"{kind}, {what}": float(value) for what, value in zip(("R²", "low", "high"), shown[kind][name], strict=True)}
            row |= {f"{kind}, {what} of the difference": getattr(gains[kind].get(name), what, "") for what in Gain._fields}
        rows.append(row)
    return rows


def _picture(shown: Answers, recipes: Mapping[str, bench.Recipe]) -> dict[str, cs.Picture]:
    trials, sites = {name: float(recipes[name].trials) for name in DATA}, {name: float(recipes[name].sites) for name in (BASELINE, *PUSHED)}
    others, levels = ([name for name in names if name in shown[ON]] for names in ((*ASKED, TOGETHER), (ALONE, RIDGE, CONTROL)))
    caption = (
        f"R² of responses to pushes that none was taught; 95 % intervals over circuits, as far as they reach. Middle, right: {PLAIN.trials} trials."
    )
    drawn = cs.figures.answers_by_cost(shown, trials, sites, others=others, levels=levels)
    return {"recipes": cs.Picture(drawn, "Answers to pushes, and what the data that taught them cost", caption)}


def _methods() -> str:
    return f"""
    Circuits of {UNITS} units, {CIRCUITS} draws; for each {SEEDS} seeds of reaches, noise, sites, pushes and networks. White noise of the input makes
    single trials depart from their average by 0.3 of its standard deviation. {BASELINE}: {REPEATS} trials of each of {STATES} reaches, averaged; a
    tanh network with a unit for each neuron and the circuit's time constant, from the regression of its own equation and {EPOCHS} epochs of
    back-propagation. Each other recipe changes one thing, in as many trials but for {ONE!r} and {SOME!r}.

    {FEW_STATES}: {FEW} reaches. {WIDE}: mixtures of all directions. Taught pushes: 20 ms, of either sign, 3 typical standard deviations at rest, at
    one of the sites in each trial from every second state. Spikes: Poisson, 10 Hz, smoothed with 30 ms. Noise while it learns: of the network's
    units, s.d. 0.1, none afterwards. Types guessed: signs of the summed weights of an unconstrained fit. Few connections: its largest weights, as
    many as the circuit has. Known connectome: weights times an unknown factor for each unit (log s.d. 0.5); a gain and a bias of each unit are
    learned, in steps of 2 ms, with 1.5 times the usual range (1, in 10 ms steps only, and 3 did worse on one circuit). The output alone: rates in
    two components, as an output that drives a limb. A network trained on a limb in closed loop has no unit for each neuron and other conditions, so
    that no push of one is one of the other; as in the benchmark, this stands for it.

    Asked: currents of 20 ms from 100 ms after the go cue, in random directions within the leading components of the rates or in the rest of state
    space, equally strong; {DRAWS} draws in {TESTED} held-out reaches. R²: 1 minus squared error over squared response, {bench.WORST:g} at least.
    Intervals: Student's over circuits, each the mean over its seeds. p: paired t tests against {BASELINE!r}, by Holm's method for all.
    """
