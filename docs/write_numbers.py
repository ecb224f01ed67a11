"""Write the numbers of README.md and of pages in docs from finished runs: `python docs/write_numbers.py RUNS_FOLDER`.

RUNS_FOLDER holds one folder a run, named as in RUNS, as `cortex-sim run ... --out RUNS_FOLDER/NAME` leaves them. A block of a page between
`<!-- numbers: NAME -->` and `<!-- end -->` is written anew from the run NAME, with what claims fail in it; where the run is absent its text stays.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/findings.md", "docs/scores.md", "docs/benchmark.md")
BLOCK = re.compile(r"(<!-- numbers: (\w+) -->)(.*?)(<!-- end -->)", re.DOTALL)
AVERAGES, DELAY, EMG = "hatsopoulos2007_rs_centerout.npz", "shenoy_delay_spikes.npz", "liang_emg_centerout.npz"
RUNS = {  # name of a block and of its folder: what follows `cortex-sim`, where that is not `run` and the name itself
    "match_all": "run match --students all",
    "benchmark": "benchmark run --all",
    "rotations": f"run rotations --recording {AVERAGES}",
    "tangling": f"run tangling --recording {AVERAGES}",
    "tangling_muscles": f"run tangling --recording {AVERAGES} --muscles {EMG} --step 0.001",
    "muscles_recorded": f"run muscles --recording {EMG} --step 0.001",
    "subspaces": f"run subspaces --recording {AVERAGES}",
    "spike_statistics": f"run spike_statistics --recording {DELAY}",
    "decode_delay": f"run decode --recording {DELAY}",
    "decode_averages": f"run decode --recording {AVERAGES}",
}


class Run:
    """Scores and claims of a finished run.

    Attributes:
        claims: by text, what was found.
        failed: sentences on the claims that do not hold.
        students: that have scores.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        claims = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
        self.claims = {claim["text"]: claim["found"] for claim in claims}
        self.failed = [_failure(claim) for claim in claims if not claim["holds"]]
        self._scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        self.students = {score["student"] for score in self._scores}

    @property
    def facts(self) -> dict[str, str]:
        """What the report states beside its scores."""
        return json.loads((self._folder / "run.json").read_text(encoding="utf-8"))["facts"]

    @property
    def results(self) -> list[dict]:
        """Results of measures, of a run of the benchmark."""
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((self._folder / "results").glob("*.json"))]

    def score(self, measure: str, student: str, split: str = "") -> dict:
        """The only score of a measure and a student; all may be given by their beginning where no name equals them."""
        for same in (str.__eq__, str.startswith):
            found = [score for score in self._scores if same(score["measure"], measure) and same(score["student"], student)]
            found = [score for score in found if score["split"].startswith(split)]
            if len(found) == 1:
                return found[0]
        raise KeyError(f"{measure!r} of {student!r}: {len(found)} scores; there are {sorted({(s['measure'], s['student']) for s in self._scores})}")

    def value(self, measure: str, student: str, digits: int = 2) -> str:
        """The estimate of a score."""
        return number(self.score(measure, student)["estimate"], digits)

    def null(self, measure: str, student: str, digits: int = 2) -> str:
        """The mean of a score's null."""
        return number(self.score(measure, student)["null_mean"], digits)

    def between(self, measure: str, student: str, digits: int = 2) -> str:
        """The estimate of a score with its interval."""
        low, high = self.score(measure, student)["interval"]
        return f"{self.value(measure, student, digits)} [{number(low, digits)}, {number(high, digits)}]"

    def percent(self, measure: str, student: str) -> str:
        """The estimate of a score that is a share, in percent."""
        return number(100 * self.score(measure, student)["estimate"], 0)

    def having(self, measure: str) -> set[str]:
        """Students that have a score of a measure."""
        return {score["student"] for score in self._scores if score["measure"] == measure}

    def claim(self, text: str, digits: int = 2) -> str:
        """What was found for a claim."""
        return number(self.claims[text], digits)


def number(value: float, digits: int) -> str:
    """A number with a true minus; 1 is not written where it is not reached, up to round-off."""
    while digits < 4 and 0.99 < value < 1 - 1e-9 and float(f"{value:.{digits}f}") == 1:
        digits += 1
    written = f"{value:.{digits}f}"
    return written.removeprefix("-") if float(written) == 0 else written.replace("-", "−")


def _failure(claim: dict) -> str:
    low, high = claim["low"], claim["high"]
    bounds = f"at most {high:.3g}" if low is None else f"at least {low:.3g}" if high is None else f"{low:.3g} to {high:.3g}"
    return f"{claim['text']}: {claim['found']:.3g}, not {bounds}"


def match(run: Run) -> str:
    rows = [
        ("network with the circuit's own gain", "own gain"), ("tanh network, one unit for each neuron", "leaky tanh"),
        ("the same under Dale's law, with the circuit's signs", "Dale"), ("untrained", "untrained"), ("taught with conditions shuffled", "shuffled"),
        ("the circuit's units without connections", "without connections"),
        ("ridge regression from the first bin, no network", "ridge from the first bin"),
        ("positive control: own class, states that span state space", "positive control"),
    ]  # fmt: skip
    measures = ("R² of rates", "response to push, R²", WITHIN, "response to silencing, R²")
    lines = ["", "", "| R² on held-out conditions | rates | push of random units | push within six components | silencing |", "|---|---|---|---|---|"]
    for title, name in rows:
        values = [run.value(measure, name) if name in run.having(measure) else "–" for measure in measures]
        lines.append(f"| {title} | {' | '.join(values)} |")
    return "\n".join([*lines, "", ""])


WITHIN = "response to push within the leading components, R²"


def headline(run: Run) -> str:
    rates, pushed, within, silenced = (
        run.value(measure, "leaky tanh") for measure in ("R² of rates", "response to push, R²", WITHIN, "response to silencing, R²")
    )
    return (
        f"The tanh network has R² {rates} on the rates. Pushed within the six components that its training filled, it answers as the circuit with "
        f"R² {within}; pushed anywhere, with {pushed}, and silenced, with {silenced}: it matches the mechanism where activity goes and not where it "
        "does not."
    )


def pushes(run: Run) -> str:
    rates, pushed, within = (run.percent(measure, "leaky tanh") for measure in ("R² of rates", "response to push, R²", WITHIN))
    return (
        f"in `match` the tanh student explains {rates} % of held-out rates, {pushed} % of the response to a push of random units and {within} % of "
        "one within the six leading components"
    )


def hidden(run: Run) -> str:
    measures = ("R² of rates", "response to push, R²", "response to silencing, R²")
    found = {name: ", ".join(run.value(measure, name) for measure in measures[:2]) for name in ("hidden units", "GRU")}
    tanh, gru = (f"{text} and {run.value(measures[2], name)}" for name, text in found.items())
    return f"300 tanh units {tanh}, a GRU of 200 units {gru}"


def optimised_circuit(run: Run) -> str:
    measure, small = "largest evoked energy", "small state: "
    optimised, random, shuffled = (run.value(measure, name) for name in ("optimised", "random weights, scaled", "inhibition shuffled, scaled"))
    return (
        f"amplification: it evokes {optimised} times the energy of unconnected units where random weights of the same stability evoke {random}, "
        f"shuffled inhibition {shuffled}; small states grow {run.claim(small + 'largest norm of activity over that at release', 1)}-fold in "
        f"{run.claim(small + 'when it is largest (s)')} s; excitation and inhibition of a unit correlate by "
        f"{run.claim('correlation of excitatory with inhibitory input, on the way')}"
    )


def gain_groups(run: Run) -> str:
    left = ", ".join(f"{run.value('error left of that before learning', f'{groups} groups', 3)} with {groups}" for groups in (10, 40, 200))
    return f"about ten: of the error before learning these fractions are left after 5,000 tries, by groups: {left} (one for every unit)"


def layered_motor_cortex(run: Run) -> str:
    return (
        f"structure exact; PT5B gives the hand of held-out reaches with R² {run.value('R² of hand position', 'PT5B')}, "
        f"off by {run.claim('mean distance of the hand from the target at the end (cm)', 1)} of 8 cm at the end"
    )


def spikes_and_rates(run: Run) -> str:
    mean = max(abs(value - 1) for text, value in run.claims.items() if text.startswith("quadratic neurons: plateau"))
    siegert = max(abs(value - 1) for text, value in run.claims.items() if "self-consistent Siegert rate" in text)
    return (
        f"QIF: within {100 * mean:.1f} % of the exact mean field; LIF: within {100 * siegert:.1f} % of Siegert; groups of a spiking SOC: "
        f"r = {run.value('correlation of rates over time and groups', 'stability-optimised, excitatory')}; the reduction of the layered cortex "
        f"orders its "
        f"populations (rank correlation {run.value('rank correlation over populations', 'layered cortex, rates at rest')}) but not their sizes"
    )


def spike_statistics(run: Run) -> str:
    simulated, recorded = run.value("Fano factor", "simulated, all layers", 1), run.value("Fano factor", "recording", 1)
    return f"rates and synchrony are in range; single neurons burst (Fano factor {simulated} against {recorded} recorded)"


def explain(run: Run) -> str:
    found = {
        name: [run.value(measure, name) for measure in ("attribution, correlation", "effect of an ablation, R²")]
        for name in ("own gain", "leaky tanh")
    }
    own, tanh = found["own gain"], found["leaky tanh"]
    return f"a student of the circuit's own class: yes (attributions r = {own[0]}, ablations R² {own[1]}); a tanh network: {tanh[0]} and {tanh[1]}"


def learning_rules(run: Run) -> str:
    rules = [("bptt", "back-propagation", 3), ("force", "FORCE", 3), ("full_force", "full-FORCE", 3), ("eprop", "e-prop", 3)]
    rules += [("target_regression", "target regression", 3), ("node_perturbation", "gains by node perturbation", 2)]
    errors = ", ".join(f"{run.value('error of held-out reaches', name, digits)} ({title})" for name, title, digits in rules)
    best = max((run.score("linear CKA, debiased", name)["estimate"], title) for name, title, _ in rules)
    untrained = run.value("linear CKA, debiased", "untrained")
    return f"held-out error {errors}; CKA with the circuit is {best[0]:.2f} at most ({best[1]}), {untrained} untrained"


def force(run: Run) -> str:
    taught, alone, small = "mean absolute error while taught", "mean absolute error by itself", "300 units, g = 1.5"
    chirp = "squared error of the chirp by itself, relative to the squared chirp"
    each = [sorted(run.score(chirp, name)["settings"]["networks"]) for name in ("full-FORCE, 300 units", "FORCE, 300 units")]
    full, plain = (values[len(values) // 2] for values in each)  # by hand: `statistics` imports `numbers`, which this file hides when it is run
    return (
        f"no: 1000 units are off by {run.value(taught, '1000 units', 3)} while taught and {run.value(alone, '1000 units')} by themselves, "
        f"300 units by {run.value(taught, small, 3)} and {run.value(alone, small)}; of a chirp full-FORCE misses {number(full, 4)} and FORCE "
        f"{number(plain, 2)} (medians)"
    )


def decode(run: Run, averages: Run) -> str:
    told, velocity = "share of trials told right, all reaches", "R² of velocity"
    filters = ", ".join(f"{name} {averages.value(velocity, name)}" for name in ("ridge", "Kalman", "Wiener"))
    return (
        f"nothing here: of recorded delay activity it tells {run.percent(told, 'LSTM')} % of seven reaches right, a linear discriminant "
        f"{run.percent(told, 'linear discriminant')} %; velocity of directions held out: {filters} (R²)"
    )


def long_sequences(run: Run) -> str:
    def error(delay: str, segment: str) -> str:
        return run.value(f"error of recall after {delay} s", f"segments of {segment} bins", 3)

    held = [re.search(r"100000 bins: (\S+ MB)", run.facts[way])[1] for way in ("all of time", "checkpoints", "truncated")]
    return (
        f"at 10^5 steps a gradient holds {held[0]} through all of time, {held[1]} with checkpoints (the same gradient) and {held[2]} truncated; "
        f"with segments of 10 bins a network learns to bridge 0.1 s (error {error('0.1', '10')}) but not 0.2 s ({error('0.2', '10')}), with 100 bins "
        f"both ({error('0.1', '100')} and {error('0.2', '100')})"
    )


def inferred_connectivity(run: Run) -> str:
    share = run.claim("published fit: mean share of power assigned to other regions (%)", 0)
    true = run.claim("weak coupling: largest true share of power from other regions (%)", 3)
    currents, known = "correlation of currents between regions", "strong coupling, drive known"
    return (
        f"not between weakly coupled regions: CURBD gives them {share} % of the current, in truth at most {true} %; strongly coupled, with the "
        f"drive known, "
        f"currents correlate {run.value(currents, known)}, or {run.value(currents, f'{known}, error of the input')} with an error of the input "
        f"instead of the "
        f"rate; rank one (LINT): R² {run.value('R² of held-out trials', 'rank one, fitted')} with connections at "
        f"r = {run.value('correlation of connections', 'rank one, fitted')}, "
        f"{run.value('correlation of effective connections', 'rank one, fitted')} in the part that activity explores"
    )


def identity(run: Run) -> str:
    published, spectral = "DSA of single trials, Procrustes, 1 delay: ", "DSA of single trials, eigenvalues: "
    agree = "same averages, other dynamics"
    cka, apart = run.value("linear CKA, debiased", agree), run.value("DSA of single trials, Procrustes, 1 delay", agree)
    return (
        f"images are the same to round-off; averages that agree say nothing of single trials (CKA {cka}, DSA {apart} apart); DSA as published "
        f"sees frequencies × 1.3 "
        f"({run.claim(published + 'frequency × 1.3')}, the same system {run.claim(published + 'same, new noise', 3)}) and hardly a faster decay "
        f"({run.claim(published + 'faster decay, all but blind')}; eigenvalues {run.claim(spectral + 'faster decay')})"
    )


def discriminate(run: Run) -> str:
    times = "times as many pushed trials as the planned push needs"
    named = next(measure for measure in {score["measure"] for score in run._scores} if measure.startswith("share of experiments"))
    by = run.score(times, "random sites")["settings"]["circuits"]
    low, high = (min(by, key=by.get), max(by, key=by.get))
    return (
        f"random pushes of as many sites take {run.between(times, 'random sites', 1)} times as many trials as the planned one ({low} "
        f"{number(by[low], 1)}, {high} {number(by[high], 1)}), pushes along the leading components {run.between(times, 'leading components', 1)}, "
        f"the strongest push {run.between(times, 'strongest response', 1)}; with {named.split()[4]} pushed trials the planned one names the right "
        f"network in {run.percent(named, 'planned')} % of experiments, random ones in {run.percent(named, 'random sites')} %"
    )


def recipes(run: Run) -> str:
    on, off, rates = "response to pushes on the manifold, R²", "response to pushes off the manifold, R²", "R² of rates"

    def both(name: str) -> str:
        return f"{run.value(on, name)} and {run.value(off, name)}"

    return (
        f"R² of pushes on and off the manifold: condition averages {both('averages')} (rates {run.value(rates, 'averages')}); single trials "
        f"{both('single trials')}, averages of spikes {both('averages of spikes')}, few states {both('few states')}, all states "
        f"{both('states that span state space')}; pushes at ten sites taught {both('10 sites')}; Dale's law with known types {both('known types')}, "
        f"the connectome up to gains {both('known connectome')}, the circuit's equations {both('own equations')}; the output alone "
        f"{both('the output alone')}; no connections {both('without connections')}"
    )


def adaptation(run: Run) -> str:
    def read(angle: int) -> str:
        names = ("connections within", "inputs")
        return " and ".join(run.value("correlation of covariances before and after", f"{name}, {angle} deg") for name in names)

    size, share = (run.claims[f"connections within, 30 degrees: {what}"] for what in (
        "change of the weights over their size", "share of the change along 3 directions"))  # fmt: skip
    return (
        f"no: after adapting to 30 degrees by connections or by inputs alone, covariance correlates with that before by {read(30)}, to 90 degrees by "
        f"{read(90)}; connections change by {100 * size:.0f} % of their size, {100 * share:.0f} % of it along three directions"
    )


def cued_variability(run: Run) -> str:
    ratio, irregular = "Fano factor with a cue over that without, geometric mean over networks", "CV2 of spikes, mean over neurons"
    one, two, three = (run.between(ratio, f"clusters, {targets} cued") for targets in (1, 2, 3))
    return (
        f"it falls, to {one} of what it was with one target left open, {two} with two and {three} with three (six networks, which differ widely); "
        f"CV2 goes from {run.value(irregular, 'clusters, no cue')} to {run.value(irregular, 'clusters, 1 cued')}"
    )


def false_connections(run: Run) -> str:
    size = "false connections, r.m.s. over that of true ones"
    weak, rest, drive, above = (
        run.percent(size, name) for name in ("gain 0.6, at rest", "gain 1.4, at rest", "gain 1.4, suppressive drive", "gain 1.4, far above threshold")
    )
    return (
        f"not in a strongly coupled ring: false connections are {rest} % of the size of true ones ({weak} % if weakly coupled), {drive} % if a drive "
        f"silences all units now and then, and {above} % inferred from rates far above the threshold, where regression is of the circuit's own class"
    )


def few_shot(run: Run) -> str:
    models = ("the circuit's dimensions", "with extraneous dynamics")
    many, few = (" and ".join(run.value(f"R² of held-out units, {shots} trials", name) for name in models) for shots in (64, 4))
    return (
        f"not if many trials teach the decoder: R² of held-out neurons {many} without and with ten dimensions that move none; "
        f"taught by 4 trials, {few}"
    )


def benchmark(run: Run) -> str:
    measures = run.results
    active = {one["name"]: one["numbers"]["views"][one["numbers"]["activity"]] for one in measures}
    pushed = {one["name"]: one["numbers"]["views"]["responses to pushes"] for one in measures}
    blind = max(abs(one["numbers"]["chance"]["d"]) for one in measures)
    ranks = {one["name"]: one["numbers"]["ranks"]["all kinds"] for one in measures if "all kinds" in one["numbers"]["ranks"]}

    def best(of: dict, key: str, interval: str = "interval") -> str:
        name = max(of, key=lambda one: of[one][key])
        low, high = of[name][interval]
        return f"{name} with {number(of[name][key], 2)} [{number(low, 2)}, {number(high, 2)}]"

    view = next(one["numbers"]["activity"] for one in measures if one["name"] == max(active, key=lambda name: active[name]["slope"]))
    return (
        f"over {measures[0]['circuits']} circuits of seven classes, {len(measures)} measures of averages are at chance where two mechanisms make the "
        f"same averages (|d′| at most {number(blind, 2)}); of {view} {best(active, 'slope')} tells them best (d′ from one mechanism to another), "
        f"of responses to pushes {best(pushed, 'slope')}. Which of networks that fit equally well works like the circuit is told best by "
        f"{best(ranks, 'partial', 'partial_interval')} (partial τ given R² of rates)"
    )


def benchmark_found(run: Run) -> str:
    from cortex_sim.studies.benchmark import findings

    found = findings([one for one in run.results if one["kind"] == "measure"], [])
    held = f"{len(run.claims) - len(run.failed)} of {len(run.claims)} claims hold, on {run.results[0]['circuits']} circuits."
    return "\n\n" + "\n".join([held, "", *(f"* **{heading}.** {text}" for heading, text in found.items())]) + "\n\n"


def benchmark_costs(run: Run) -> str:
    spent = sorted((one["numbers"]["seconds"], one["name"]) for one in run.results)
    (least, cheap), (most, dear) = spent[0], spent[-1]
    middle = spent[len(spent) // 2][0]
    usual = f"{middle / 60:.0f} minutes (half of them take less)"
    return f"on a busy machine {least:.0f} s ({cheap}), {usual} to {most / 60:.0f} ({dear}), over all circuits"


def partial_observation(run: Run) -> str:
    largest, few = "largest eigenvalue of the connections (real part)", "5% of the units"
    return (
        "not if they are few: fitted to a twentieth of the units of a feed-forward integrator, whose connections have no eigenvalue but 0, a "
        f"network has one of {run.between(largest, f'feed-forward, {few}')} ({run.value(largest, 'feed-forward, 100% of the units')} from all "
        f"units; of a line attractor with 0.95 {run.value(largest, f'line attractor, {few}')}), and yet follows held-out pulses with R² "
        f"{run.value('R² of responses to held-out pulses', f'feed-forward, {few}')}"
    )


def limb_preferences(run: Run) -> str:
    bias = "bias of preferred torques (resultant length of doubled angles)"
    whole, without = (run.between(bias, name) for name in ("six muscles", "no biarticular muscles"))
    theory = run.score(bias, "six muscles", "16")["settings"]["least effort"]
    asked = f"least effort asks for {number(theory, 2)} with them"
    return f"bias of preferred torques {whole} with and {without} without muscles that cross both joints; {asked}"


def stimulation(run: Run) -> str:
    after, told = "r.m.s. change of the hand's velocity after the push (cm/s)", "excited units: R² of the change of velocity by a component"
    texts = []
    for name in ("stability-optimised", "low-dimensional"):
        off, within = (run.value(after, f"{name}, {where} the task's components", 1) for where in ("off", "within"))
        texts.append(
            f"in {name} circuits pushes off the task's components change the hand by {off} cm/s, equal ones within them by {within}, and the "
            f"component within them explains R² {run.between(told, f'{name}, the task')} of what excited units change"
        )
    return "; ".join(texts) + " (a control, built to hold nothing but the task's components)"


def sparse_recording(run: Run) -> str:
    what = ("R² of leading components in held-out reaches", "R² of the change of what is taught")
    rates, pushed = (", ".join(run.value(name, f"{share} % of units") for share in (5, 10, 20, 50)) for name in what)
    return (
        f"R² of the components of all units in held-out reaches is {rates} if 5, 10, 20, 50 % are taught, {run.value(what[0], '0 % of units')} if "
        f"outputs alone; of the responses of what is taught to pushes, {pushed}"
    )


def universality(run: Run) -> str:
    points = {name: run.value("stable fixed points", name, 1) for name in ("gru", "lstm", "leaky_readout")}
    share = {name: run.percent("share of transitions", name) for name in points}
    return (
        f"SVCCA distance from other architectures is {run.between('SVCCA distance', 'all architectures')} above that within, and was "
        f"{run.null('SVCCA distance', 'all architectures')} before training; of 8 stable points networks have "
        f"{', '.join(f'{count} ({name}, {share[name]} % of transitions as in the task)' for name, count in points.items())}"
    )


def attractors(run: Run) -> str:
    kinds = "silhouette of the kinds of attractors"
    return (
        f"not of averages (silhouette of the kinds by Procrustes {run.value(kinds, 'Procrustes angle of averages')}); DSA of single trials does "
        f"({run.between(kinds, 'DSA, as published')} as published), better still of their departures from the averages "
        f"({run.between(kinds, 'DSA of departures from averages')})"
    )


def rotations(run: Run) -> str:
    def found(name: str) -> str:
        return run.value("R²(M_skew), one course a unit", name)

    def left(name: str) -> str:
        return f"{found(name)} to {run.null('R²(M_skew), one course a unit', name)}"

    return (
        f"tuned cells without dynamics rotate (R² {found('tuned cells ± 100 ms')}; {run.claim('tuned cells ± 100 ms: R²(M_skew)')} over eight "
        f"draws) and no "
        f"test of rotation exposes it; reduced to one time course a unit, R² goes from {left('tuned cells ± 100 ms')}, in a recording from "
        f"{left('recording')}, in a "
        f"circuit released from two states from {left('circuit, k = 2')} and from six from {left('circuit, k = 6')}, in a planted rotation from "
        f"{left('planted rotation')}"
    )


def tangling(run: Run, muscles_elsewhere: Run) -> str:
    below = "share of times at which it is less tangled than its muscles"
    found = {name: run.score(below, name) for name in ("circuit", "recording")} | {"elsewhere": muscles_elsewhere.score(below, "recording")}
    own, chance = ({name: f"{100 * score[key]:.0f} %" for name, score in found.items()} for key in ("estimate", "null_mean"))
    return (
        f"yes at {own['circuit']} of times, and than random projections of itself at {chance['circuit']}; so are untrained networks and cells "
        f"without dynamics; a recording is less tangled than its hand at {own['recording']}, than the muscles of another monkey "
        f"at {own['elsewhere']}, than projections "
        f"at {chance['recording']} of times"
    )


def subspaces(run: Run) -> str:
    alignment, ratio = "alignment of movement with preparation", "tuning ratio, silent muscles, regressed over both epochs"
    silent = run.value(ratio, "circuit", 1), run.null(ratio, "circuit", 1)
    return (
        f"alignment {run.value(alignment, 'circuit', 3)} ({run.value('alignment of movement with subspaces of the directions in use', 'circuit')} "
        f"by subspaces of the directions in use, {run.null(alignment, 'circuit')} if unrelated; {run.value(alignment, 'recording')} in a recording, "
        f"{run.null(alignment, 'recording')} if unrelated); movement alone cannot tell which directions are null for muscles: the penalty of the "
        "regression decides; both epochs can, over twenty sets of muscles and not for one: muscles that are silent in preparation have a tuning "
        f"ratio of {silent[0]}, random ones {silent[1]} on average"
    )


def reach(run: Run) -> str:
    students = ("circuit with a readout", "network on the arm", "circuit in closed loop")
    worst = max(value for text, value in run.claims.items() if text.endswith("distance from the target (cm)") or "step of 1 ms" in text)
    pushes = [run.percent("share of a push that is corrected at the end", name) for name in students]
    turns = ", ".join(run.value("jPCA R²(M_skew) of the rates while the hand moves", name) for name in students)
    return (
        f"all eight targets are reached to within {worst:.1f} cm by each; a push of 2 N that none was trained with is corrected by {pushes[0]}, "
        f"{pushes[1]} and "
        f"{pushes[2]} %; their rates rotate differently (R² {turns})"
    )


def feedback_rotations(run: Run) -> str:
    def both(row: str) -> str:
        return " and ".join(run.value(f"jPCA R²(M_skew), {row}", name) for name in ("recurrent", "no recurrent connections"))

    return (
        f"no: with and without recurrent connections units rotate with R² {both('units')}, sensory signals with {both('sensory signals')}, muscles "
        f"with {both('muscles')}; once the feedback is cut, {both('units, feedback cut')} are left; untrained networks had "
        f"{both('units, untrained')}"
    )


def optimal_preparation(run: Run) -> str:
    index, cost = "share of the input's energy before the movement", "cost without preparation over that with it"
    kinds = ("stability-optimised", "rotational", "random", "symmetric", "no connections")
    observed = run.claim("all networks: Kendall's τ of the share with the observability of the null space")
    controlled = run.claim("all networks: partial τ of the share with the controllability of the readout")
    return (
        f"where the states that the readout does not see are observable (τ {observed} over networks; given that, {controlled} with the readout's "
        f"controllability): of the optimal input's energy {', '.join(f'{run.percent(index, kind)} % ({kind})' for kind in kinds)} comes before the "
        f"movement; without it a stability-optimised network pays {run.value(cost, kinds[0], 1)} times as much"
    )


def preparation(run: Run) -> str:
    miss = "distance of the hand from the target after 100 ms of preparation (cm)"
    return (
        f"after 50 ms of feedback {100 * run.claims['feedback: error after 50 ms']:.1f} % of the prospective error is left, of a constant input "
        f"{100 * run.claims['naive: error after 50 ms']:.0f} % ({run.claim('naive over feedback after 100 ms', 0)} times as much as of feedback "
        f"after 100 ms); "
        f"with a readout fitted to torques the hand then misses by {run.value(miss, 'feedback (LQR)', 1)} cm after 100 ms of feedback and by "
        f"{run.value(miss, 'naive (constant input)', 0)} cm after as much of the constant input"
    )


def thalamic_loop(run: Run) -> str:
    left, miss = "prospective error after 100 ms, relative to none", "distance of the hand from the target after {} ms of preparation (cm)"
    names = ("thalamic loop", "direct feedback", "constant input")
    later = run.claim("loop: ms to an error below a tenth, minus those of feedback without relays", 0)
    measures = (left, 3), (miss.format(100), 1), (miss.format(300), 1)
    errors, early, late = (" and ".join(run.value(what, name, digits) for name in names[::2]) for what, digits in measures)
    trained = run.claim("trained readout: distance of the hand from the target, from prepared states (cm)")
    turned = ", ".join(run.value("alignment of preparation with movement", name) for name in names)
    return (
        f"the loop takes {later} ms longer than feedback without relays to take nine tenths of the error away; loop and constant input leave "
        f"{errors} of it after 100 ms, when the hand misses by {early} cm, by {late} after 300 ms ({trained} from the prepared states); alignment of "
        f"preparation with movement: loop, feedback, constant input {turned}"
    )


def gain_primitives(run: Run) -> str:
    measure, fresh, kinds = "error of combined gains, relative to combined outputs", "error of new movements", ("gains near 1", "free gains")
    halves, permuted = (" and ".join(read(measure, kind) for kind in kinds) for read in (run.value, run.null))
    made = " and ".join(run.value(fresh, f"{kind}, 20 patterns") for kind in kinds)
    fit = " and ".join(number(run.score(fresh, f"{kind}, 20 patterns")["ceiling"], 2) for kind in kinds)
    learned = " and ".join(run.claim(f"{kind}: mean error of the movements of a library, largest over readouts") for kind in kinds)
    return (
        f"gains within 0.3 of 1 combine and do not learn the movements, free gains learn them and do not combine: movements are missed by {learned} "
        f"of the variance (mean of the worst of three readouts), half of each of two patterns misses half of each of their outputs by {halves}, with "
        f"units permuted by {permuted}; combined from 20 patterns new movements are missed by {made}, by the fit itself by {fit}"
    )


def motif_loops(run: Run) -> str:
    measure = "R² of a motif that follows another, after {} ms of preparation"
    looped, alone = ({ms: run.value(measure.format(ms), name) for ms in (50, 100, 200)} for name in ("preparatory loop", "cortex alone"))
    after = "; ".join(f"{found} after {ms} ms ({alone[ms]} without it)" for ms, found in looped.items())
    return (
        f"by one unit each, motifs have an R² of {run.claim('motifs through one unit: smallest R² of the output', 3)} or more, with noise of a "
        f"twentieth of the states {run.claim('motifs, noise of a twentieth of the states: median R²', 3)} (median); after any other, by the one "
        f"preparatory loop, {after}"
    )


def match_spiking(run: Run) -> str:
    again, bits, ridge = "the circuit again", "bits per spike", "ridge from the first bin"
    taught = run.students - {again, ridge, "untrained", "shuffled"}
    best = max(taught, key=lambda name: run.score("R² of rates", name)["estimate"])
    ceiling = number(run.score("R² of rates", best)["ceiling"], 2)
    return (
        f"the best student, {best}: R² {run.value('R² of rates', best)} on held-out conditions, {run.value(bits, best)} bits per spike of trials; "
        f"ridge regression from the first bin {run.value('R² of rates', ridge)} and {run.value(bits, ridge)}; the circuit run again "
        f"{run.value('R² of rates', again)} and {run.value(bits, again)}; the smoothed rates without noise {ceiling}"
    )


def mechanism(run: Run) -> str:
    def ranked(truth: str, view: str = "100%") -> list[str]:
        measure = f"Kendall's τ between the measure and {truth}, over students; {view} of the units seen"
        return sorted(run.having(measure), key=lambda name: -run.score(measure, name)["estimate"])

    def best(truth: str) -> str:
        measure = f"Kendall's τ between the measure and {truth}, over students; 100% of the units seen"
        first = ranked(truth)[0]
        return f"{first}, τ {run.between(measure, first)}"

    def mean(view: str) -> str:
        measure = f"Kendall's τ between the measure and responses to unseen pushes, over students; {view} of the units seen"
        return number(sum(run.score(measure, name)["estimate"] for name in run.having(measure)) / len(run.having(measure)), 2)

    pushes = "Kendall's τ between the measure and responses to unseen pushes, over students; 100% of the units seen"
    worst = ranked("responses to unseen pushes")[-1]
    return (
        f"depends on what is meant by mechanism. By responses to unseen pushes best {best('responses to unseen pushes')}, worst {worst}, "
        f"{run.value(pushes, worst)} (other pushes {number(run.score(pushes, worst)['settings']['reliability'], 2)}); by the flow where reaches go "
        f"best {best('flow in the explored subspace')}; by fixed points {best('fixed points')}; by currents between halves of the units "
        f"{best('currents between halves')}. Mean of all measures by pushes {mean('100%')}, with a fifth of the units {mean('20%')}, from spikes "
        f"{mean('100% by spikes')}"
    )


def architectures(run: Run) -> str:
    after = "error of recall after 1 s"
    names = ("gru", "lstm", "leaky_readout", "elman_1990", "temporal_convolution", "feedforward", "two_tap")
    left = sorted((run.score(after, name)["estimate"], name) for name in names)
    return f"1 s after strokes were shown, these errors are left (1: none is remembered): {', '.join(f'{name} {error:.2f}' for error, name in left)}"


def muscles(run: Run, recorded: Run) -> str:
    error, turn = "normalised squared error of the muscles", "jPCA R²(M_skew)"
    withdrawn = ("no regulariser", "a tenth of them", "regularised", "no regulariser, g = 0.5")
    errors = [run.score(error, name)["estimate"] for name in (*withdrawn, "cues stay")]
    turns = [run.score(turn, name)["estimate"] for name in withdrawn]
    return (
        f"networks that generate muscle activity to\nwithin {100 * max(errors):.1f} % of its variance rotate where the preparatory input is "
        f"withdrawn at the go "
        f"cue (jPCA R² {min(turns):.2f} to {max(turns):.2f}; {run.value(turn, 'cues stay')} where it stays), regularised\nor not; "
        f"untrained networks rotate too ({run.value(turn, 'untrained')}). Trained on recorded muscles: error up to "
        f"{100 * max(recorded.score(error, name)['estimate'] for name in withdrawn):.1f} %, R² "
        f"{min(recorded.score(turn, name)['estimate'] for name in withdrawn):.2f} to "
        f"{max(recorded.score(turn, name)['estimate'] for name in withdrawn):.2f}, untrained {recorded.value(turn, 'untrained')}"
    )


TEXTS: dict[str, Callable[..., str]] = {
    text.__name__: text
    for text in (
        match, headline, hidden, benchmark, benchmark_found, benchmark_costs,
        pushes, architectures, optimised_circuit, gain_groups, layered_motor_cortex, spikes_and_rates,
        spike_statistics, match_spiking, explain, learning_rules, force, decode, long_sequences, inferred_connectivity, mechanism,
        discriminate, muscles, identity, attractors, adaptation, cued_variability, false_connections, few_shot, partial_observation,
        limb_preferences, recipes, rotations,
        tangling, subspaces, reach, feedback_rotations, preparation, optimal_preparation, thalamic_loop,
        gain_primitives, motif_loops, stimulation, sparse_recording, universality,
    )
}  # fmt: skip
READS = {
    "tangling": ("tangling", "tangling_muscles"),
    "muscles": ("muscles", "muscles_recorded"),
    "decode": ("decode_delay", "decode_averages"),
    "pushes": ("match",),
    "headline": ("match",),
    "benchmark_found": ("benchmark",),
    "benchmark_costs": ("benchmark",),
    "hidden": ("match_all",),
}  # runs that a block is written from, where not that of its name


def written(page: str, runs: Path) -> tuple[str, list[str]]:
    """A page with its blocks written anew, and the names of those whose runs are absent."""
    absent = []

    def block(found: re.Match[str]) -> str:
        start, name, _, end = found.groups()
        folders = [runs / needed for needed in READS.get(name, (name,))]
        if not all((folder / "scores.json").is_file() for folder in folders):
            absent.append(name)
            return found.group()
        read = [Run(folder) for folder in folders]
        failed = [failure for run in read for failure in run.failed]
        text = TEXTS[name](*read)
        note = "" if not failed else f"{'Claims that fail' if text.endswith(chr(10)) else '; claims that fail'}: {'; '.join(failed)}"
        return f"{start}{text}{note}{end}"

    return BLOCK.sub(block, page), absent


def main(runs: Path) -> None:
    for page in PAGES:
        text, absent = written((ROOT / page).read_text(encoding="utf-8"), runs)
        (ROOT / page).write_text(text, encoding="utf-8")
        for name in absent:
            wanted = "; ".join(f"cortex-sim {RUNS.get(run, f'run {run}')} --out {runs / run}" for run in READS.get(name, (name,)))
            sys.stdout.write(f"{page}, {name}: left as it was; {wanted}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
