"""Does the variability of motor cortex fall with what a cue tells?

Reproduces  the claims of Rostami, Rost, Schmitt, van Albada, Riehle & Nawrot (2024) Nat Commun 15:6304 for their spiking motor cortex: the
            variability of counts over trials falls when a cue names a target, the more the fewer targets it leaves open, while the irregularity
            of spikes stays. Network, cues and counts are those of its Fig. 5; reaction times and recordings are not looked at.
Claim       Fano factors fall from no cue to three, two and one target; CV2 stays within 0.15; without clusters counts do not vary more than those of
            Poisson processes, and the cue changes their Fano factor by less than half as much.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int, Real
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "rostami_2024"
CUES = {1: ((0,), (1,), (2,), (3,), (4,), (5,)), 2: ((0, 1), (2, 3), (4, 5)), 3: ((5, 0, 1), (2, 3, 4))}  # targets left open by each cue
CUE = 2e-3  # V at the excitatory neurons of a target's cluster
TRIALS, SETTLING, CUED, ENDS = 36, 0.2, 0.6, 1.4  # for each number of targets; s: what is not looked at, onset of the cue, end
COUNTED = 0.4  # s: before the cue, and before the end
FEW, SMOKE, SAMPLED = 10, 18, 4  # a smoke run has a FEWth of the neurons and SMOKE trials; one in SAMPLED excitatory neurons gives CV2
NONE, CLUSTERED, UNIFORM = "no cue", "clusters", "no clusters"
FANO, IRREGULAR = "Fano factor of counts in 400 ms", "CV2 of spikes, mean over neurons"
OWN, PUBLISHED, POISSON = "bound of this protocol, set beforehand", "Rostami et al. (2024)", "Poisson processes, by definition"


def run(model: cs.SpikingModel, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Cue one, two or three of six targets, with and without clusters, and count spikes over trials before and during the cue.

    Args:
        model: spiking circuit with parameters R_E and R_I of its clusters and populations E and I.
        seed: of connections and initial states.
        smoke: a small circuit and few trials: its numbers mean nothing.

    Raises:
        OptionError: the circuit has no such parameters or populations.
    """
    kinds = {name: kind for name, kind in getattr(model, "neurons", {}).items() if {"R_E", "R_I"} <= kind.parameters.keys()}
    if not kinds or not {"E", "I"} <= model.populations.keys():
        raise cs.errors.OptionError(f"{model.name}: should be a spiking circuit of clusters with R_E, R_I and populations E and I, such as {MODEL}.")
    seconds: dict[str, float] = {}
    model = model.changed(seed=cs.seed_of(seed, "circuit", "connections of cued_variability"))
    if smoke:
        model = cs.edit.resized(model, {name: part.size // FEW for name, part in model.populations.items()})
    circuits = {CLUSTERED: model, UNIFORM: _without_clusters(model)}
    excitatory, late, early = model.size("E"), (ENDS - COUNTED, ENDS), (CUED - COUNTED, CUED)
    with cs.timed(seconds, "simulation"):
        cued = {(CLUSTERED, open_): _cued(model, open_, seed, smoke) for open_ in CUES} | {(UNIFORM, 1): _cued(circuits[UNIFORM], 1, seed, smoke)}
    with cs.timed(seconds, "statistics"):
        counts = {key: (_counts(trials, excitatory, late), trials.condition) for key, trials in cued.items()}
        for kind in circuits:
            before = np.concatenate([_counts(trials, excitatory, early) for (own, _), trials in cued.items() if own == kind])
            counts[kind, 0] = before, np.zeros(len(before))
        irregular = {open_: _cv2(cued[CLUSTERED, open_], excitatory, late, seed) for open_ in CUES}
        irregular[0] = _cv2(cued[CLUSTERED, 1], excitatory, early, seed)
    value = {key: _fano(*each) for key, each in counts.items()}
    scores = [
        *(_fano_score(kind, open_, *each) for (kind, open_), each in counts.items()),
        *(_cv2_score(open_, irregular[open_]) for open_ in irregular),
    ]
    said = ", ".join(f"{value[CLUSTERED, open_]:.2f} with {open_}" for open_ in sorted(CUES, reverse=True))
    return cs.Report(
        title=QUESTION, question=f"{model.title}, {model.units} neurons; {cued[CLUSTERED, 1].shape[0]} trials for each number of targets.",
        answer=f"Fano factor {value[CLUSTERED, 0]:.2f} without a cue, {said} targets left open; CV2 goes from "
        f"{irregular[0].mean():.2f} to {irregular[1].mean():.2f}. Without clusters the Fano factor is {value[UNIFORM, 0]:.2f}, and "
        f"{value[UNIFORM, 1]:.2f} with a cue of one target.",
        claims=[] if smoke else _claims(value, irregular), scores=scores, pictures=_pictures(cued, excitatory), models=circuits,
        trials={f"{kind}, {open_} cued": trials.select([0, 1]) for (kind, open_), trials in cued.items()}, methods=_methods(),
        facts={"neurons": str(model.units)}, smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _without_clusters(model: cs.SpikingModel) -> cs.SpikingModel:
    """Return the random balanced network: weights within clusters as between them."""
    neurons = model.model_dump()["neurons"]
    for kind in neurons.values():
        for name in {"R_E", "R_I"} & kind["parameters"].keys():
            kind["parameters"][name]["value"] = 1.0
    return model.changed(neurons=neurons)


def _cued(model: cs.SpikingModel, targets: int, seed: int, smoke: bool) -> cs.Trials:
    """Return spikes of trials in which the clusters of so many targets are cued from CUED on; conditions are the cues, which take turns."""
    cues, trials = CUES[targets], SMOKE if smoke else TRIALS
    task = replace(cs.tasks.spontaneous(ENDS, trials), condition=np.arange(trials) % len(cues))
    pattern, each = np.zeros((trials, model.units)), model.size("E") // len(CUES[1])
    for row, cue in zip(pattern, task.condition, strict=True):
        for cluster in cues[int(cue)]:
            row[each * cluster : each * (cluster + 1)] = CUE
    drive = cs.tasks.Drive(pattern, (task.fine_time >= CUED).astype(float), "cue")
    return cs.simulate(model, replace(task, drives=(drive,)), seed=cs.seed_of(seed, "circuit", "trials of cued_variability", targets))


def _counts(trials: cs.Trials, excitatory: int, span: tuple[float, float]) -> Int[ndarray, "trial unit"]:
    when, unit, trial = trials.spikes
    kept = (when >= span[0]) & (when < span[1]) & (unit < excitatory)
    return np.bincount(trial[kept] * excitatory + unit[kept], minlength=trials.shape[0] * excitatory).reshape(trials.shape[0], excitatory)


def _fano(counts: Int[ndarray, "trial unit"], cues: Real[ndarray, " trial"]) -> float:
    """Return the variance over trials of a cue over the mean, both summed over neurons and cues, so that no neuron is left out for firing rarely."""
    groups = [counts[cues == cue] for cue in np.unique(cues)]
    return float(sum(group.var(axis=0, ddof=1).sum() for group in groups) / sum(group.mean(axis=0).sum() for group in groups))


def _cv2(trials: cs.Trials, excitatory: int, span: tuple[float, float], seed: int) -> Float[ndarray, " unit"]:
    """Return CV2 of every neuron that fires enough for one."""
    found = cs.analysis.spike_statistics(trials.units(np.arange(0, excitatory, SAMPLED)), window=span, seed=seed).cv2
    return found[np.isfinite(found)]


def _fano_score(kind: str, targets: int, counts: Int[ndarray, "trial unit"], cues: Real[ndarray, " trial"]) -> cs.Score:
    over = cs.statistics.estimated_over("trials", len(counts), lambda kept: _fano(counts[kept], cues[kept]))
    return cs.Score(FANO, _named(kind, targets), f"{counts.shape[1]} excitatory neurons", better="lower", identical=1.0, null=np.ones(1),
                    surrogate=POISSON, ceiling_reason="no variability is best", **over)  # fmt: skip


def _named(kind: str, targets: int) -> str:
    return f"{kind}, {f'{targets} cued' if targets else NONE}"


def _cv2_score(targets: int, values: Float[ndarray, " unit"]) -> cs.Score:
    over = cs.statistics.mean_over("neurons", values, otherwise="fewer than three neurons fire enough")
    return cs.Score(IRREGULAR, _named(CLUSTERED, targets), f"{len(values)} excitatory neurons", better="closer", identical=1.0, null=np.ones(1),
                    surrogate=POISSON, ceiling_reason="none is best", **over)  # fmt: skip


def _claims(value: Mapping[tuple[str, int], float], irregular: Mapping[int, Float[ndarray, " unit"]]) -> list[cs.Claim]:
    order = [value[CLUSTERED, open_] for open_ in (0, *sorted(CUES, reverse=True))]
    change = max(abs(float(irregular[open_].mean() - irregular[0].mean())) for open_ in CUES)
    fall, without = value[CLUSTERED, 0] - value[CLUSTERED, 1], value[UNIFORM, 0] - value[UNIFORM, 1]
    return [
        cs.Claim("clusters, no cue: Fano factor", value[CLUSTERED, 0], 1.0, np.inf, f"{PUBLISHED}: metastable activity varies over trials"),
        cs.Claim("clusters: Fano factor with one target cued over that without a cue", order[-1] / order[0], 0.0, 0.7, OWN),
        cs.Claim("clusters: smallest fall of the Fano factor from no cue to three, two, one targets", -float(np.diff(order).max()), 0.0, np.inf,
                 f"{PUBLISHED}: it falls with the information of the cue"),
        cs.Claim("clusters: largest change of CV2 by a cue", change, 0.0, 0.15, OWN),
        cs.Claim("no clusters, no cue: Fano factor", value[UNIFORM, 0], 0.0, 1.0, "the refractory period makes a random network more regular"),
        cs.Claim("fall of the Fano factor by a cue of one target without clusters over that with", without / fall, -np.inf, 0.5, OWN),
    ]  # fmt: skip


def _pictures(cued: Mapping[tuple[str, int], cs.Trials], excitatory: int) -> dict[str, cs.Picture]:
    starts = np.arange(SETTLING, ENDS - COUNTED + 1e-9, 0.05)
    lines = {f"{kind}, {open_} cued": np.array([_fano(_counts(trials, excitatory, (start, start + COUNTED)), trials.condition) for start in starts])
             for (kind, open_), trials in sorted(cued.items(), reverse=True)}  # fmt: skip
    drawn = cs.figures.curves(1e3 * (starts + COUNTED - CUED), lines, xlabel="end of the window from the onset of the cue (ms)", ylabel="Fano factor")
    shown = {"fano": cs.Picture(drawn, "Variability over trials", f"Counts of excitatory neurons in {1e3 * COUNTED:g} ms.")}
    for open_ in (1, 3):
        picture = cs.figures.raster(cued[CLUSTERED, open_], each=400)
        caption = f"Cued from {CUED:g} s on: cluster {', '.join(str(cluster + 1) for cluster in CUES[open_][0])} of six, which lie above each other."
        shown[f"raster_{open_}"] = cs.Picture(picture, f"One trial with a cue that leaves {open_} open", caption)
    return shown


def _methods() -> str:
    return f"""
    {TRIALS} trials for each number of targets that a cue leaves open, one, two or three neighbours of six; cues take turns. A cue sets in after
    {CUED:g} s and excites the clusters of its targets by {1e3 * CUE:g} mV until the end at {ENDS:g} s; initial states differ. Spikes of excitatory
    neurons are counted in {1e3 * COUNTED:g} ms before the cue (no cue; trials of all cues together) and before the end. Fano factors are variances
    over trials of the same cue, summed over neurons, over summed means; in the paper they are means over neurons. CV2 is of one in {SAMPLED}
    neurons, those with 20 pairs of intervals. Without clusters, all weights are those of the random balanced network, and one target is cued.
    """
