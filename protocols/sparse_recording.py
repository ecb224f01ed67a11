"""Does a network that is taught a few units of a circuit find the dynamics of all?

Reproduces  the claim of Salatiello & Giese (2020) ICANN, arXiv:2005.02211, that a network trained on the outputs of a stability-optimised circuit and
            on the activity of a small subset of its units reproduces its internal dynamics. There by the activity in reaches; here also by the
            responses to pushes that no network was taught.
Claim       taught 5 % of the units, a network explains nine tenths of the leading components of all units in held-out reaches, and more than one
            taught outputs alone; it explains responses to pushes less well than rates, and the better, the more units it is taught.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
UNITS, SMALL = 100, 60  # of a circuit and of each network, and in a smoke run
CIRCUITS, OUTPUTS = 4, 2  # draws of the circuit; random sums of its units, as muscles
TAUGHT, ASKED, AXES = 48, 16, 10  # reaches that are taught; held out; leading components of all units
SHARES = (0.0, 0.05, 0.1, 0.2, 0.5)  # of the units that are taught beside the outputs
START, LASTS, JUMP, PUSHES = 0.1, 0.02, 4.0, 4  # s after the go cue; s; Hz that a push moves a taught unit by (r.m.s.); pushes in each reach
RIDGE = 1e-3  # of the map from a network's units to the components, relative to their mean square
OPTIONS = cs.Options(epochs=60, patience=60, rate=5e-3, hidden_start=True)
RATES, RESPONSES = "R² of leading components in held-out reaches", "R² of their change after pushes of taught units"
OBSERVED = "R² of the change of what is taught"  # by the network's own readout
PUBLISHED, OWN = "Salatiello & Giese (2020), as a bound of this protocol, set beforehand", "bound of this protocol, set beforehand"
Values = Mapping[tuple[str, float], Float[ndarray, " circuit"]]


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Teach networks the outputs of circuits and a share of their units, and read all units from them in reaches and after pushes.

    Args:
        model: circuit of observed units whose connections a rule draws anew.
        seed: of circuits, reaches, units, networks and pushes.
        smoke: two small circuits, few epochs: its numbers mean nothing.

    Raises:
        OptionError: the circuit has several recurrent projections, or none.
    """
    recurrent = cs.simulation.recurrent_projections(model)
    if len(recurrent) != 1 or model.readout:
        raise cs.errors.OptionError(f"{model.name}: should be a circuit of observed units with one recurrent projection, such as {MODEL}.")
    seconds: dict[str, float] = {}
    options, units = (replace(OPTIONS, epochs=2), SMALL) if smoke else (OPTIONS, UNITS)
    with cs.timed(seconds, "circuits"):
        seeds = [cs.seed_of(seed, "circuit", "circuits of sparse_recording", draw) for draw in range(2 if smoke else CIRCUITS)]
        circuits = [model.made_anew(recurrent[0]).with_arrays({}, units=units, seed=own) for own in seeds]
        sides = [cs.analysis.delayed_reaches(one, (TAUGHT, ASKED), seed=own) for one, own in zip(circuits, seeds, strict=True)]
    orders = [cs.stream(own, "student", "units of sparse_recording").permutation(units) for own in seeds]
    readouts = [cs.stream(own, "task", "outputs of sparse_recording").standard_normal((OUTPUTS, units)) / np.sqrt(units) for own in seeds]
    seen = {share: [np.vstack([np.eye(units)[order[: round(share * units)]], R]) for order, R in zip(orders, readouts, strict=True)]
            for share in SHARES}  # fmt: skip
    student = cs.load("leaky_readout").with_arrays({}, units=units)
    with cs.timed(seconds, "networks"):
        jobs = {share: [cs.fitting.Job(student, *_heard(side[0], S), own, options) for side, S, own in zip(sides, each, seeds, strict=True)]
                for share, each in seen.items()}  # fmt: skip
        trained = cs.fitting.train_groups(jobs)
        networks = {share: [fitted.model for fitted in each] for share, each in trained.items()}
    with cs.timed(seconds, "pushes"):
        found = {share: [_read(circuit, network, pair, S, seed=own)
                         for circuit, network, pair, S, own in zip(circuits, networks[share], sides, each, seeds, strict=True)]
                 for share, each in seen.items()}  # fmt: skip
    values = {
        (what, share): np.array([one[place] for one in each])
        for share, each in found.items()
        for place, what in enumerate((RATES, RESPONSES, OBSERVED))
    }
    for what in (RESPONSES, OBSERVED):
        values.pop((what, SHARES[0]))  # nothing to push
    control = min(one[3] for each in found.values() for one in each)
    told = {key: f"{each.mean():.2f}" for key, each in values.items()}
    return cs.Report(
        title=QUESTION, question=f"{len(circuits)} circuits of {units} units; networks of as many units, taught {OUTPUTS} outputs and some units.",
        answer=f"Of {AXES} leading components of all units in held-out reaches networks explain R² = {told[RATES, 0.0]} if taught outputs alone, "
        f"and {', '.join(f'{told[RATES, share]} with {100 * share:g} %' for share in SHARES[1:])} of the units; of their "
        f"change after pushes (0: no response), {', '.join(f'{told[RESPONSES, share]} with {100 * share:g} %' for share in SHARES[1:])}; of "
        f"that of what is taught, by the network's own readout, {', '.join(told[OBSERVED, share] for share in SHARES[1:])}.",
        claims=_claims(values, control, smoke), scores=[_score(*key, each) for key, each in values.items()], pictures=_pictures(values),
        models={"circuit": circuits[0], "network": networks[SHARES[1]][0]}, trials={"circuit": sides[0][1].trials}, methods=_methods(),
        facts={"error of what is taught, on validation reaches, at the end of training": "; ".join(
            f"{100 * share:g} %: {np.mean([min(fitted.validation) for fitted in each]):.2f}" for share, each in trained.items())},
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _heard(side: cs.analysis.Side, S: Float[ndarray, "observed unit"]) -> tuple[cs.Trials, cs.Task]:
    """Return the units and outputs that a network observes, and the task of its free run from their first values."""
    rates = side.trials.rate @ S.T
    trials = cs.Trials.from_arrays(rates, side.trials.time, condition=side.trials.condition, units="Hz")
    return trials, replace(side.task, drives=(), initial=rates[:, 0])


def _read(
    circuit: cs.Model, network: cs.Model, sides: list[cs.analysis.Side], S: Float[ndarray, "observed unit"], *, seed: int
) -> tuple[float, float, float, float]:
    """Return R² of components, read linearly from the units of a network, in held-out reaches and of their change after pushes.

    The third value is R² of the change of what the network was taught; the last is the least of the first two for the circuit's own units.
    """
    units = S[:-OUTPUTS].argmax(axis=1)
    (_, heard), (_, asked) = (_heard(side, S) for side in sides)
    taught, held_out = (side.trials.rate for side in sides)
    mean = taught.mean(axis=(0, 1))
    axes = np.linalg.svd((taught - mean).reshape(-1, S.shape[1]), full_matrices=False)[2][:AXES].T
    hidden, still = cs.hidden(network, heard).rate, cs.hidden(network, asked).rate
    middle, B = _regressed(hidden, (taught - mean) @ axes)
    _, own = _regressed(taught, (taught - mean) @ axes)
    rates, control = (_explained((held_out - mean) @ axes, part) for part in ((still - middle) @ B, (held_out - mean) @ own))
    if not len(units):
        return rates, np.nan, np.nan, control
    many, after = np.repeat(np.arange(ASKED), PUSHES), round((START + LASTS) / cs.tasks.BIN)
    currents = np.zeros((len(many), S.shape[1]))
    currents[:, units] = cs.stream(seed, "task", "pushes of sparse_recording").standard_normal((len(many), len(units)))
    currents *= float(np.median(cs.simulation.push_amplitude(circuit, JUMP, LASTS)))
    span = (START, START + LASTS)
    true = cs.simulate(circuit, cs.perturb.inject(sides[1].task.select(many), currents, span=span)).rate - held_out[many]
    task = cs.perturb.inject(asked.select(many), currents @ S.T, span=span)
    found = cs.hidden(network, task).rate - still[many]
    seen = _explained((true @ S.T)[:, after:], (cs.simulate(network, task).rate - cs.simulate(network, asked).rate[many])[:, after:])
    pushed, itself = (_explained(true[:, after:] @ axes, part[:, after:]) for part in (found @ B, true @ own))
    return rates, pushed, seen, min(control, itself)


def _regressed(hidden: Float[ndarray, "trial bin unit"], wanted: Float[ndarray, "trial bin axis"]) -> tuple[ndarray, Float[ndarray, "unit axis"]]:
    """Return the mean of the units, and the ridge regression of components on their departures from it."""
    middle = hidden.mean(axis=(0, 1))
    X = (hidden - middle).reshape(-1, hidden.shape[2])
    gram = X.T @ X
    return middle, np.linalg.solve(gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), X.T @ wanted.reshape(len(X), -1))


def _explained(true: Float[ndarray, "trial bin axis"], found: Float[ndarray, "trial bin axis"]) -> float:
    return float(1 - ((true - found) ** 2).sum() / (true**2).sum())


def _score(what: str, share: float, values: Float[ndarray, " circuit"]) -> cs.Score:
    none = "the mean of taught reaches, exactly" if what == RATES else "no response, exactly"
    return cs.Score(what, f"{100 * share:g} % of units", f"{ASKED} held-out reaches, {len(values)} circuits", better="higher", identical=1.0,
                    null=np.zeros(1), surrogate=none, ceiling=1.0, **cs.statistics.mean_over("circuits", values))  # fmt: skip


def _claims(values: Values, control: float, smoke: bool) -> list[cs.Claim]:
    few, most = SHARES[1], SHARES[-1]
    exact = cs.Claim("positive control: least R² of components read from the circuit itself", control, 0.99, 1.0, "linear in its units")
    if smoke:
        return [exact]

    def lower(one: Float[ndarray, " circuit"], other: Float[ndarray, " circuit"]) -> float:
        interval = cs.statistics.mean_interval(one - other)
        assert interval is not None
        return interval[0]

    rates, pushed = ({share: values[what, share] for what_, share in values if what_ == what} for what in (RATES, RESPONSES))
    return [
        exact,
        cs.Claim(f"{100 * few:g} % of units: {RATES}", float(rates[few].mean()), 0.9, 1.0, PUBLISHED),
        cs.Claim(f"{100 * few:g} % of units minus outputs alone: R² in reaches, lower end", lower(rates[few], rates[0.0]), 0.0, np.inf, PUBLISHED),
        cs.Claim(f"{100 * few:g} % of units: R² in reaches minus after pushes, lower end", lower(rates[few], pushed[few]), 0.0, np.inf, OWN),
        cs.Claim(f"{100 * most:g} % minus {100 * few:g} % of units: R² after pushes, lower end", lower(pushed[most], pushed[few]), 0.0, np.inf, OWN),
    ]


def _pictures(values: Values) -> dict[str, cs.Picture]:
    shares = {what: [share for name, share in values if name == what] for what in (RATES, RESPONSES, OBSERVED)}
    lines = {what: {"networks": ([100 * share for share in each], np.maximum(np.array([values[what, share] for share in each]).T, -1.0))}
             for what, each in shares.items()}  # fmt: skip
    drawn = cs.figures.over_settings(lines, xlabel="share of the units that is taught (%)", even=True)
    return {"shares": cs.Picture(drawn, "All units, read from networks that were taught some", "Dots: circuits; below -1, -1 is shown.")}


def _methods() -> str:
    return f"""
    {CIRCUITS} circuits of {UNITS} units are drawn by the rule of {MODEL}, with {OUTPUTS} outputs, which are random sums of all units. Networks
    (leaky_readout) of as many hidden units run freely from the first values of what they observe, outputs and a random share of the units, in
    {TAUGHT} reaches. Training is by back-propagation for {OPTIONS.epochs} epochs, from the regression of their own equation where that helps. The
    {AXES} leading components of all units in these reaches are read from a network's units by ridge regression on the same reaches; R² is of
    {ASKED} reaches that were held out. Pushes are currents of {1e3 * LASTS:g} ms {1e3 * START:g} ms after the go cue into all taught units, random in
    size and sign, which would move them by {JUMP:g} Hz (r.m.s.) without leak; they reach the network through its readout, with their direct effect
    on outputs. Intervals are over circuits. R² of what is taught was added after the first run.
    """
