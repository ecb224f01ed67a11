"""Does a rate circuit describe the spiking circuit it stands for?

Reproduces  the f-I curve in closed form; states B and C of Brunel (2000) J Comput Neurosci 8:183 against Siegert rates; figure 2 of Montbrió, Pazó &
            Roxin (2015) Phys Rev X 5:021028; and, by own spiking designs, Hennequin, Vogels & Gerstner (2014) Neuron 82:1394.
Claim       quadratic neurons follow their exact mean field within 4 %, networks of leaky ones their Siegert rates within 6 %, and the excitatory
            groups of a spiking stability-optimised circuit correlate above 0.6 with the rate circuit; of the layered motor cortex the reduction
            orders the populations, and the report says how far off each rate is.
"""

from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.stats import spearmanr

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "dura_bernal_2023_lif"
SETTLING = 0.2  # s that a spontaneous network is given
STATES = {"C": (-0.5, 20.0), "B": (-0.6, 40.0)}  # inhibitory weight (mV) and external rate (Hz) of Brunel's states
STEP, SINE, PERIOD = 3.0, 3.0, 0.4  # drive of the quadratic neurons and its period, s: 40 tau
PLATEAUS = {"before": (0.2, 0.3), "during": (0.5, 0.6), "after": (0.8, 0.9)}  # s: the last 10 tau of each 30
HELD, MOVING, TRIALS = 0.5, 0.5, 60  # s of holding a prepared state, s after its release, repeats
SD = 1.5  # Hz over units, of the prepared state: code of Stroud et al. (2018)
SMOOTHED = 3  # bins: the boxcar of 30 ms
THALAMUS = 1.0  # relative change of the thalamic rate
NULLS = 200
BOUND = "bound of this protocol"


@dataclass
class Found:
    """What one pair of circuits gave."""

    claims: list[cs.Claim] = field(default_factory=list)
    scores: list[cs.Score] = field(default_factory=list)
    pictures: dict[str, cs.Picture] = field(default_factory=dict)
    trials: dict[str, cs.Trials] = field(default_factory=dict)
    says: str = ""


def run(model: cs.SpikingModel, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Run five spiking circuits and the rate descriptions of each.

    Args:
        model: layered circuit whose reduction is ``rate/dura_bernal_2023``.
        seed: of every random choice.
        smoke: few neurons and short runs: shows that everything runs, its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    parts: dict[str, Found] = {}
    for name, part in (("single neuron", _neuron), ("leaky neurons", _brunel), ("quadratic neurons", _quadratic), ("stability-optimised", _soc)):
        with cs.timed(seconds, name):
            parts[name] = part(seed, smoke)
    with cs.timed(seconds, "layered cortex"):
        parts["layered cortex"] = _layered(model, seed, smoke)
    names = ("lif", "brunel_2000", "montbrio_2015_qif", "montbrio_2015", "soc_lif", "hennequin_2014", "dura_bernal_2023")
    return cs.Report(
        title=QUESTION, question="Spiking circuits beside the rate circuits that describe them: exactly, by mean field, by design, or by reduction.",
        answer=" ".join(part.says for part in parts.values()), claims=[] if smoke else [*chain(*(part.claims for part in parts.values()))],
        scores=[*chain(*(part.scores for part in parts.values()))],
        pictures={name: picture for part in parts.values() for name, picture in part.pictures.items()},
        trials={name: trials for part in parts.values() for name, trials in part.trials.items()},
        models={"layered cortex": model} | {name: cs.load(name) for name in names}, methods=_methods(),
        facts={"layered cortex": f"{model.units} neurons"}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _neuron(seed: int, smoke: bool) -> Found:
    """Intervals of single neurons against the closed form."""
    card = cs.load("lif")
    trials = cs.simulate(card, cs.tasks.spontaneous(0.3 if smoke else 1.0), seed=seed)
    value = {name: part.si for name, part in card.neurons["lif"].parameters.items()}
    mu = card.neurons["lif"].parameters["mu"].draw(card.units, cs.stream(0, "analysis", "inputs evenly spaced"))
    theory = cs.cards.siegert(mu, 0.0, tau=value["tau"], refractory=value["t_ref"], threshold=value["theta"], reset=value["v_r"])
    when, unit, _ = trials.spikes
    rate = np.array([1 / np.diff(when[unit == k]).mean() if (unit == k).sum() > 1 else 0.0 for k in range(card.units)])
    firing = theory > 3 / trials.stop[0]
    worst = float(np.abs(rate[firing] / theory[firing] - 1).max())
    bound = card.dt.si * theory.max() * 1.5
    source = "intervals are whole steps: 1.5 of the shortest"
    claims = [cs.Claim("single neuron: largest relative error of a rate against the closed form", worst, 0.0, bound, source)]
    drawn = cs.figures.curves(mu * 1e3, {"closed form": theory, "simulated": rate}, xlabel="mean input (mV)", ylabel="rate (Hz)")
    pictures = {"neuron": cs.Picture(drawn, "Single neurons", "Rate over mean input.")}
    return Found(claims, [], pictures, {"single neuron": trials}, f"Single neurons follow the closed form within {worst:.2%}.")


def _brunel(seed: int, smoke: bool) -> Found:
    """Two states of Brunel's network against self-consistent Siegert rates."""
    found, rates, spectra = Found(), {}, {}
    for state, (inhibition, outside) in STATES.items():
        card = _state(cs.load("brunel_2000"), inhibition, outside, smoke)
        duration = 0.3 if smoke else 1.2
        trials = cs.simulate(card, cs.tasks.spontaneous(duration), seed=seed).window(SETTLING, duration)
        theory = float(_self_consistent(card)[0])
        rates[state] = (trials.spikes.time.size / card.units / (duration - SETTLING), theory)
        frequency, density = cs.analysis.population_spectrum(trials)
        spectra[f"state {state}"] = (frequency, density)
        found.trials[f"Brunel {state}"] = trials
        ratio = rates[state][0] / theory
        found.claims.append(cs.Claim(f"state {state}: rate over the self-consistent Siegert rate", ratio, 0.94, 1.06, f"Siegert: {theory:.2f} Hz"))
        if state == "B":
            fast = frequency > 50
            peak = float(frequency[fast][np.argmax(density[fast])])
            source = "about 180 in the paper, 195 by an independent implementation; bounds of this protocol"
            found.claims.append(cs.Claim("state B: frequency of the population (Hz)", peak, 160, 220, source))
    title, caption = "Brunel's network: power of the population rate", "State B oscillates fast; state C is asynchronous."
    found.pictures["brunel_spectra"] = cs.Picture(cs.figures.power_spectrum(spectra), title, caption)
    found.says = "Leaky neurons: " + ", ".join(f"state {s} fires at {a:.1f} Hz (Siegert {b:.1f})" for s, (a, b) in rates.items()) + "."
    return found


def _state(card: cs.SpikingModel, inhibition: float, outside: float, smoke: bool) -> cs.SpikingModel:
    kinds = {name: part.model_dump() for name, part in card.neurons.items()}
    kinds["lif"]["parameters"]["nu_ext"]["value"] = outside
    projections = {name: part.model_dump() for name, part in card.projections.items()}
    projections["recurrent"]["weight"]["value"][1] = inhibition
    populations = {name: part.model_dump() | ({"size": part.size // 10} if smoke else {}) for name, part in card.populations.items()}
    return card.changed(neurons=kinds, projections=projections, populations=populations)


def _self_consistent(card: cs.SpikingModel) -> np.ndarray:
    value = {name: part.si for name, part in card.neurons["lif"].parameters.items()}
    part = card.projections["recurrent"]
    K, J = part.arguments["indegree"].spread((2, 2), "indegree"), part.weight.spread((2, 2), "weight")
    background = cs.cards.Background(indegree=value["C_ext"], weight=value["J_ext"], rate=value["nu_ext"])
    neuron = cs.cards.Neuron(tau=value["tau"], refractory=value["t_ref"], threshold=value["theta"], reset=value["v_r"])
    return cs.cards.stationary_rates(K, J, background, neuron)


def _quadratic(seed: int, smoke: bool) -> Found:
    """Quadratic neurons and their exact mean field through a step and a sine."""
    spiking, rate = cs.load("montbrio_2015_qif"), cs.load("montbrio_2015")
    if smoke:
        sizes = {name: part.model_dump() | ({"size": 500} if name == "all" else {}) for name, part in spiking.populations.items()}
        weight = {"coupling": spiking.projections["coupling"].model_dump()}
        weight["coupling"]["weight"]["value"] *= spiking.populations["all"].size / 500
        spiking = spiking.changed(populations=sizes, projections=weight)
    bare = cs.tasks.spontaneous(0.9 if smoke else 0.9 + 2 * PERIOD)
    step = ((bare.fine_time >= 0.3) & (bare.fine_time < 0.6)).astype(float)
    sine = np.where(bare.fine_time >= 0.9, np.sin(2 * np.pi * (bare.fine_time - 0.9) / PERIOD), 0.0)

    def driven(units: int) -> cs.Task:
        return replace(bare, drives=(cs.tasks.Drive(np.full((1, units), STEP), step), cs.tasks.Drive(np.full((1, units), SINE), sine)))

    trials = cs.simulate(spiking, driven(spiking.size("all")), seed=seed)
    field_ = cs.simulate(rate, driven(1)).rate[0, :, 0]
    theory = (field_ + np.append(field_[1:], field_[-1])) / 2  # both are means over a bin then
    found = trials.counts().sum(axis=2)[0] / spiking.size("all") / cs.tasks.BIN
    claims, said = [], []
    for name, span in PLATEAUS.items():
        inside = (bare.time >= span[0] - 1e-9) & (bare.time < span[1] - 1e-9)
        ratio = float(found[inside].mean() / theory[inside].mean())
        claims.append(cs.Claim(f"quadratic neurons: plateau {name} the step over the mean field's", ratio, 0.96, 1.04, "exact mean field"))
        said.append(f"{found[inside].mean():.1f} Hz {name} the step ({theory[inside].mean():.1f})")
    if not smoke:
        after = bare.time >= 0.9
        r = float(np.corrcoef(found[after], theory[after])[0, 1])
        claims.append(cs.Claim("quadratic neurons: correlation under a sine", r, 0.95, 1.0, "an independent implementation: 0.961"))
    drawn = cs.figures.curves(bare.time * 1e3, {"exact mean field": theory, "quadratic neurons": found}, xlabel="time (ms)", ylabel="rate (Hz)")
    caption = "The drive steps by 3 at 300 ms and back at 600 ms, after which both stay active; from 900 ms it is a sine. Ringing: 19 ms."
    picture = cs.Picture(drawn, "Quadratic neurons and their mean field", caption)
    return Found(claims, [], {"quadratic": picture}, {"quadratic neurons": trials}, "Quadratic neurons (mean field): " + ", ".join(said) + ".")


def _soc(seed: int, smoke: bool) -> Found:
    """Groups of the spiking circuit against units of the rate circuit, released from the same state."""
    spiking, rate, count = cs.load("soc_lif"), cs.load("hennequin_2014"), 2 if smoke else TRIALS
    state = cs.analysis.preferred_states(rate).directions[:, 0] * SD * np.sqrt(rate.units)
    trials = cs.simulate(spiking, _released(state, count, spiking.neurons["group"].parameters["tau_s"].si), seed=seed)
    groups = _grouped(trials, spiking)
    theory = cs.simulate(rate, cs.tasks.free_run(cs.simulation.rate_of(rate, state[None]), MOVING)).rate[0]
    courses = groups.window(0.0, MOVING).averaged().rate[0] - spiking.neurons["group"].parameters["r_0"].si
    found, said = Found(trials={"spiking groups": groups}), []
    half = rate.units // 2
    for name, units in (("excitatory", slice(0, half)), ("inhibitory", slice(half, None))):
        a, b = _smooth(courses)[:, units], _smooth(theory)[:, units]
        score = _correlation(f"stability-optimised, {name} groups", a, b, groups.window(0.0, MOVING).units(np.arange(rate.units)[units]), seed)
        found.scores.append(score)
        said.append(f"{score.estimate:.2f} ({name})")
        if name == "excitatory":
            text, source = "stability-optimised: correlation of excitatory groups with the rate circuit", "0.70 by an independent implementation"
            found.claims.append(cs.Claim(text, score.estimate, 0.6, 1.0, f"{source}; noise and rectification bound it"))
    busy = np.argsort(-np.abs(theory[:, :half]).max(axis=0))[:6]
    lines = np.stack([theory[:, busy], courses[:, busy]])
    found.pictures["soc"] = cs.Picture(
        cs.figures.example_units(
            lines[:1], {"spiking": lines[1:]}, cs.tasks.BIN * np.arange(len(theory)), [*range(6)], [0], ylabel="rate (Hz)", event="release"
        ),
        "Spiking groups and rate units",
        f"The six excitatory groups that move most, mean of {count} trials; pale: rate circuit.",
    )
    found.says = f"Groups of the spiking stability-optimised circuit correlate with the rate circuit at r = {' and '.join(said)}."
    return found


def _released(state: np.ndarray, count: int, tau: float) -> cs.Task:
    """Hold a state with the recurrent input shut off, then release it."""
    task = replace(cs.tasks.centre_out(1, preparation=HELD, movement=MOVING), channels=None, targets=None).select(np.zeros(count, int))
    before = (task.fine_time < -cs.tasks.BIN / 100).astype(float)
    reached = 1 - np.exp(-HELD / tau)
    hold = cs.tasks.Drive(np.ones((count, len(state))), before, "hold", into="hold")
    return replace(task, drives=(cs.tasks.Drive(np.tile(state / reached, (count, 1)), before), hold))


def _grouped(trials: cs.Trials, spiking: cs.SpikingModel) -> cs.Trials:
    """Mean rate of each group's neurons in single trials."""
    parts = [spiking.populations[name] for name in spiking.firing]
    group = np.concatenate([part.first + np.arange(part.size) // (part.each or part.size) for part in parts])
    when, unit, trial = trials.spikes
    place = np.minimum(((when - trials.time[0]) / cs.tasks.BIN + 1e-7).astype(int), trials.time.size - 1)
    shape = (trials.shape[0], trials.time.size, group.max() + 1)
    counts = np.bincount(np.ravel_multi_index((trial, place, group[unit]), shape), minlength=np.prod(shape)).reshape(shape)
    return cs.Trials.from_arrays(counts / np.bincount(group) / cs.tasks.BIN, trials.time, condition=trials.condition, provenance=trials.provenance)


def _smooth(rates: np.ndarray) -> np.ndarray:
    return uniform_filter1d(rates, SMOOTHED, axis=0)


def _correlation(name: str, a: np.ndarray, b: np.ndarray, single: cs.Trials, seed: int) -> cs.Score:
    """Correlation over times and groups, with group labels permuted as the null and groups left out for the interval."""
    rng = cs.stream(seed, "null", "permuted groups of spikes_and_rates")

    def r(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])

    null = np.array([r(a, b[:, rng.permutation(b.shape[1])]) for _ in range(NULLS)])
    ceiling = float(np.sqrt(np.clip(np.nanmean(cs.measures.reliability(single, seed=seed)), 0, 1)))
    split = f"{single.shape[0]} trials, {MOVING * 1e3:g} ms after release"
    return cs.Score(
        "correlation of rates over time and groups", name, split, r(a, b), "higher", 1.0, null, "groups in random order",
        cs.statistics.jackknifed(lambda kept: r(a[:, kept], b[:, kept]), a.shape[1]), "groups", ceiling=ceiling,
        settings={"boxcar_bins": SMOOTHED},
    )  # fmt: skip


def _layered(model: cs.SpikingModel, seed: int, smoke: bool) -> Found:
    """Rates of the layered circuit at rest and with more thalamic input, against its reduction."""
    reduced = cs.load("dura_bernal_2023")
    names, duration = list(model.populations), 0.5 if smoke else 4.0
    base = cs.tasks.spontaneous(duration)
    more = replace(base, drives=(cs.tasks.Drive(np.full((1, model.units), THALAMUS), np.ones(base.steps), "thalamus", into="thalamus"),))
    found, rates = Found(), {}
    for label, task, change in (("at rest", base, 0.0), ("with twice the thalamic input", more, THALAMUS)):
        trials = cs.simulate(model, task, seed=seed).window(SETTLING, duration)
        rates[label] = _population_rates(model, trials), _reduction(reduced, model, change)
        found.trials[f"layered, {label}"] = trials
    rest, moved = rates["at rest"], rates["with twice the thalamic input"]
    for name, (a, b) in {"rates at rest": rest, "changes with twice the thalamic input": (moved[0] - rest[0], moved[1] - rest[1])}.items():
        found.scores.append(_ranks(f"layered cortex, {name}", a, b, seed))
    ratio = rest[1] / rest[0]
    worst = int(np.argmax(np.abs(np.log(ratio))))
    found.claims.append(
        cs.Claim("layered cortex: rank correlation of population rates with the reduction", found.scores[0].estimate, 0.7, 1.0, BOUND)
    )
    found.pictures["layered"] = cs.Picture(
        cs.figures.rate_bars(dict(zip(names, rest[0], strict=True)), reference=dict(zip(names, rest[1], strict=True)), source="rate reduction"),
        "Layered motor cortex at rest", "Mean rates of the spiking populations, and what the reduction says.",
    )  # fmt: skip
    found.says = (
        f"The reduction of the layered cortex orders its populations (rank correlation {found.scores[0].estimate:.2f}) but is off by factors of "
        f"{ratio.min():.2f} to {ratio.max():.2f}, worst in {names[worst]} ({rest[0][worst]:.2f} Hz, reduction {rest[1][worst]:.2f})."
    )
    return found


def _population_rates(model: cs.SpikingModel, trials: cs.Trials) -> np.ndarray:
    counts = np.bincount(trials.spikes.unit, minlength=model.units)
    return np.array([counts[trials.population == name].mean() for name in model.populations]) / (trials.stop[0] - trials.time[0])


def _reduction(reduced: cs.Model, model: cs.SpikingModel, change: float) -> np.ndarray:
    """Stationary rates of the reduction, with the thalamic part of its input changed."""
    extra = [part.parameters["m_ext"].si * part.parameters["nu_TVL"].si for part in model.populations.values()]
    arrays = reduced.arrays()
    changed = reduced.with_arrays({"nu_x": arrays["nu_x"] + change * np.array(extra)})
    return cs.simulate(changed, cs.tasks.free_run(np.ones((1, changed.units)), 1.0)).rate[0, -1]


def _ranks(name: str, a: np.ndarray, b: np.ndarray, seed: int) -> cs.Score:
    rng = cs.stream(seed, "null", "permuted ranks of spikes_and_rates")
    null = np.array([spearmanr(a, rng.permutation(b)).statistic for _ in range(NULLS)])
    return cs.Score(
        "rank correlation over populations", name, "populations, time averages", float(spearmanr(a, b).statistic), "higher", 1.0, null,
        "populations in random order", cs.statistics.jackknifed(lambda kept: float(spearmanr(a[kept], b[kept]).statistic), len(a)), "populations",
        ceiling_reason="rates are averages over thousands of neurons and seconds; their noise is small beside the misfit",
    )  # fmt: skip


def _methods() -> str:
    return f"""
    Single neurons: intervals of 41 neurons with mean inputs between 15 and 65 mV. Brunel's network: {SETTLING:g} s to settle, then 1 s; the theory is
    the self-consistent Siegert rate in the diffusion approximation.

    Quadratic neurons: ten thousand, all to all, and the two equations of their exact mean field under the same drive.

    Stability-optimised circuit: the same weights in both. The most amplified state is held for {HELD * 1e3:g} ms with the groups' input from each
    other shut off, then released; rates of groups are averaged over {TRIALS} trials and {SMOOTHED} bins. The rate circuit starts from the same state.

    Layered motor cortex: population rates at rest and with twice the rate of thalamic afferents; the reduction takes mean and variance of every
    population's input and gives the stationary rate of a leaky neuron in white noise.
    """
