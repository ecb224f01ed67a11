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
bench = cs.studies.benchmark
ALONE, RIDGE, (ON, OFF) = bench.ALONE, bench.RIDGE, bench.ON_AND_OFF
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
TOGETHER = "types, sites, single trials"
RECIPES = DATA | PUSHED | ASKED | {
    TOGETHER: replace(PLAIN, single=True, sites=SITES[-1], network="types"),
    CONTROL: replace(PLAIN, repeats=1, wide=True, noise=False, network="own"),
}  # fmt: skip
BOUND = "bound of this protocol, stated before it was run"
NOTHING = "a network that answers nothing has 0, exactly"
EXACT = "responses of the circuit are without noise: 1"


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
        model: circuit whose connections a rule draws anew; its units are the observed ones.
        seed: of every random choice.
        smoke: few units, states and epochs: shows that everything runs; its numbers mean nothing.

    Raises:
        OptionError: the circuit's weights are stored with it, or its units are hidden or have several states.
    """
    seconds: dict[str, float] = {}
    with cs.timed(seconds, "circuits"):
        cells = bench.circuits_of(model, 20 if smoke else UNITS, circuits=2 if smoke else CIRCUITS, seeds=1 if smoke else SEEDS, seed=seed)
    reasons = {name: {bench.impossible(recipe, drawn) for drawn in cells.values()} - {None} for name, recipe in RECIPES.items()}
    recipes = {name: _shrunk(recipe) if smoke else recipe for name, recipe in RECIPES.items() if not reasons[name]}
    sizes = (20, 4, 2, 1) if smoke else (MANIFOLD, TESTED, DRAWS, EPOCHS)
    with cs.timed(seconds, "networks and their responses"):
        found = bench.taught(cells, bench.Ablation(recipes, *sizes))
    names = [*recipes, ALONE, RIDGE]
    answers = {kind: {name: _by_circuit(found, kind, name) for name in names} for kind in bench.ON_AND_OFF}
    rates = {name: _by_circuit(found, None, name) for name in names}
    gains = _gains(answers)
    diverged = {name: sum(name not in pupils.names for pupils in found.values()) for name in names}
    shown = {kind: {name: np.array([values.mean(), *_ends(values)]) for name, values in each.items()} for kind, each in answers.items()}
    return cs.Report(
        title=QUESTION, question=f"{model.title} ({model.paper}); {len(cells)} experiments with each recipe.",
        answer=_advice(gains, answers, rates), findings=_findings(answers, gains, rates), claims=_claims(answers, gains, smoke),
        scores=[_score(f"response to pushes {kind}, R²", name, values, sizes) for kind, each in answers.items() for name, values in each.items()]
        + [_score("R² of rates", name, values, sizes) for name, values in rates.items()],
        tables={"recipes": _table(recipes, gains, shown, rates)},
        pictures=_picture(shown, recipes),
        trials={"circuit": bench.Laboratory(cells[0, 0], 0.0).reaches("asked", sizes[1]).trials},
        models={"circuit": cells[0, 0].model},
        methods=_methods(), facts={"circuits": f"{cells[0, 0].model.units} units each", "networks": f"{len(recipes)} recipes, {len(cells)} of each"},
        absent=[f"{name}: {', '.join(sorted(map(str, why)))}." for name, why in reasons.items() if why]
        + [f"{name}: {count} of {len(found)} networks diverge and count as {bench.WORST:g}." for name, count in diverged.items() if count],
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _shrunk(recipe: bench.Recipe) -> bench.Recipe:
    return replace(recipe, states=min(recipe.states, 20), repeats=min(recipe.repeats, 2))


def _by_circuit(found: Mapping[tuple[int, int], bench.Pupils], kind: str | None, name: str) -> np.ndarray:
    """Return the mean over seeds for each circuit of R² of responses to a kind of push, or of rates."""

    def one(pupils: bench.Pupils) -> float:
        if name not in pupils.names:
            return bench.WORST
        return max(bench.WORST, float((pupils.truths[kind] if kind else pupils.r2)[pupils.names.index(name)]))

    circuits = dict.fromkeys(circuit for circuit, _ in found)
    return np.array([np.mean([one(pupils) for (place, _), pupils in found.items() if place == circuit]) for circuit in circuits])


def _ends(values: np.ndarray) -> tuple[float, float]:
    return cs.statistics.mean_interval(values) or (np.nan, np.nan)


def _gains(answers: Answers) -> Gains:
    pairs = {(kind, name): (values, each[BASELINE]) for kind, each in answers.items() for name, values in each.items() if name != BASELINE}
    p = cs.statistics.paired_t(pairs)
    gains = {key: Gain(float((one - base).mean()), *_ends(one - base), p[key]) for key, (one, base) in pairs.items()}
    return {kind: {name: gain for (of, name), gain in gains.items() if of == kind} for kind in answers}


def _best(answers: Answers, names: Sequence[str]) -> str:
    return max((name for name in names if name in answers[ON]), key=lambda name: answers[ON][name].mean() + answers[OFF][name].mean())


def _claims(answers: Answers, gains: Gains, smoke: bool) -> list[cs.Claim]:
    reached = [min(float(each[CONTROL].mean()) for each in answers.values())] if CONTROL in answers[ON] else []
    claims = [cs.Claim("positive control: R² of responses to pushes, the smaller of both kinds", each, REACHED, 1.0, BOUND) for each in reached]
    if smoke:
        return claims
    most, best = list(PUSHED)[-1], _best(answers, [name for name in RECIPES if name != CONTROL])
    apart = min(_ends(each[best] - each[ALONE])[0] for each in answers.values())
    text = f"R² off the manifold, {most} taught minus {BASELINE} alone: lower end of the interval over circuits"
    below = "R² of the best recipe minus units without connections: lower end of the interval, the smaller of both kinds"
    return [*claims, cs.Claim(text, gains[OFF][most].low, 0.0, np.inf, BOUND), cs.Claim(below, apart, 0.0, np.inf, BOUND)]


def _told(name: str, gains: Gains) -> str:
    on, off = (f"{g.mean:+.2f} [{g.low:+.2f}, {g.high:+.2f}]{'' if g.p < SURE else ', not sure'}" for g in (gains[kind][name] for kind in (ON, OFF)))
    return f"{name!r} (on the manifold {on}; off {off})"


def _advice(gains: Gains, answers: Answers, rates: Mapping[str, np.ndarray]) -> str:
    """Return three sentences: what to record, what to push, what to ask of the network."""
    same = [name for name, recipe in DATA.items() if recipe.trials == PLAIN.trials and name != BASELINE]
    data, pushed, asked = _best(answers, same), _best(answers, list(PUSHED)), _best(answers, list(ASKED)[:-3])
    enough = next((name for name in PUSHED if gains[OFF][name].p < SURE and gains[OFF][name].mean > 0), None)
    known = [name for name in list(ASKED)[-4:] if name in answers[ON]]
    on, off = (answers[kind][BASELINE].mean() for kind in (ON, OFF))
    few = f"from {enough} on, R² of other pushes off the manifold rises for sure" if enough else "at no number of sites tried does R² rise for sure"
    return (
        f"Do not judge by the rates: {BASELINE} of {PLAIN.trials} trials give R² {rates[BASELINE].mean():.2f} of rates, {on:.2f} of pushes on the "
        f"manifold and {off:.2f} off it; of other records of as many trials {_told(data, gains)} gains most, and four times the trials gain "
        f"{gains[OFF][SOME].mean:+.2f} off it. Push while you record: {few}, and {_told(pushed, gains)} gains most of {', '.join(PUSHED)}. "
        f"What costs no trial: of constraints {_told(asked, gains)} gains most, of knowledge {'; '.join(_told(name, gains) for name in known)}."
    )


def _findings(answers: Answers, gains: Gains, rates: Mapping[str, np.ndarray]) -> dict[str, str]:
    told: dict[bool, list[str]] = {True: [], False: []}
    for name in [name for name in answers[ON] if name not in (BASELINE, CONTROL, ALONE, RIDGE)]:
        for where, kind in (("on", ON), ("off", OFF)):
            if gains[kind][name].p < SURE:
                told[gains[kind][name].mean > 0].append(f"{name} ({where}, {gains[kind][name].mean:+.2f})")
    r2, pushed = (np.concatenate([each[name] for name in answers[ON]]) for each in (rates, answers[OFF]))
    worse = [name for name in gains[OFF] if rates[name].mean() > rates[BASELINE].mean() and gains[OFF][name].mean < 0]
    return {
        "What raises R² of pushes for sure": f"Above {BASELINE} alone, p < {SURE:g}: {'; '.join(told[True]) or 'nothing'}.",
        "What lowers it for sure": f"{'; '.join(told[False]) or 'Nothing'}.",
        "Rates and pushes": f"Over recipes and circuits, R² of rates and of pushes off the manifold correlate with r = "
        f"{np.corrcoef(r2, pushed)[0, 1]:.2f}; {', '.join(worse) or 'no recipe'}: better rates than {BASELINE}, worse answers off the manifold.",
    }  # fmt: skip


def _score(measure: str, name: str, values: np.ndarray, sizes: Sequence[int]) -> cs.Score:
    split, over = f"{sizes[1]} held-out reaches, {len(values)} circuits", cs.statistics.mean_over("circuits", values)
    return cs.Score(measure, name, split, better="higher", identical=1.0, null=None, surrogate=NOTHING, ceiling_reason=EXACT,
                    settings={"circuits": values.tolist()}, **over)  # fmt: skip


def _table(recipes: Mapping[str, bench.Recipe], gains: Gains, shown: Answers, rates: Mapping[str, np.ndarray]) -> list[dict]:
    rows = []
    for name in shown[ON]:
        row = {"recipe": name} | {key: getattr(recipes.get(name), key, "") for key in ("trials", "states", "sites", "network")}
        row |= {"R² of rates": float(rates[name].mean())}
        for kind in (ON, OFF):
            row |= {f"{kind}, {what}": float(value) for what, value in zip(("R²", "low", "high"), shown[kind][name], strict=True)}
            row |= {f"{kind}, {what} of the difference": getattr(gains[kind].get(name), what, "") for what in Gain._fields}
        rows.append(row)
    return rows


def _picture(shown: Answers, recipes: Mapping[str, bench.Recipe]) -> dict[str, cs.Picture]:
    trials, sites = (
        {name: float(getattr(recipes[name], cost)) for name in names} for cost, names in (("trials", DATA), ("sites", (BASELINE, *PUSHED)))
    )
    others, levels = (
        [name for name in names if name in recipes or name in (ALONE, RIDGE)] for names in ((*ASKED, TOGETHER), (ALONE, RIDGE, CONTROL))
    )
    caption = (
        "R² of responses to pushes that none was taught, with 95 % intervals over circuits, as far as they reach into the panels. Left: recipes of one "
        f"number of trials are drawn beside each other. Middle and right: {recipes[BASELINE].trials} trials each."
    )
    drawn = cs.figures.answers_by_cost(shown, trials, sites, others=others, levels=levels)
    return {"recipes": cs.Picture(drawn, "Answers to pushes, and what the data that taught them cost", caption)}


def _methods() -> str:
    return f"""
    Circuits of {UNITS} units, {CIRCUITS} draws; for each {SEEDS} seeds of reaches, noise, sites, pushes and networks. White noise of the input makes
    single trials depart from their average by 0.3 of its standard deviation. {BASELINE}: {REPEATS} trials of each of {STATES} reaches, averaged; a
    tanh network with a unit for each neuron and the circuit's time constant, from the regression of its own equation and {EPOCHS} epochs of
    back-propagation. Each other recipe changes one thing, in as many trials but for {ONE!r} and {SOME!r}.

    {FEW_STATES}: {FEW} reaches. {WIDE}: mixtures of all directions. Pushes that are taught: 20 ms, of either sign, 3 typical standard deviations at
    rest, at one of the sites in each trial from every second state. Spikes: Poisson, 10 Hz, smoothed with 30 ms. Noise while it learns: of the
    network's units, s.d. 0.1, none afterwards. Types guessed: signs of the summed weights of an unconstrained fit. Few connections: its largest
    weights, as many as the circuit has. Known connectome: weights times an unknown factor for each unit (log s.d. 0.5); a gain and a bias for
    each unit are learned, in steps of 2 ms, by units of 1.5 times the usual range (1 and 3 did worse on one circuit). The output alone: rates in two
    components, as an output that drives a limb. A network trained on a limb in closed loop has other conditions and no unit for each neuron, so
    that a push of one is none of the other; as in the benchmark, this stands for it.

    Asked: currents of 20 ms from 100 ms after the go cue, in random directions within the leading components of the rates or in the rest of state
    space, equally strong; {DRAWS} draws in each of {TESTED} held-out reaches. R²: 1 minus the squared error over the squared response, at least
    {bench.WORST:g}. Intervals: Student's over circuits, each the mean over its seeds. p: paired t tests of circuits against {BASELINE!r}, by Holm's
    method for all recipes and both kinds.
    """
