"""Does the variability of motor cortex fall with what a cue tells?

Reproduces  the claims of Rostami, Rost, Schmitt, van Albada, Riehle & Nawrot (2024) Nat Commun 15:6304 for their spiking motor cortex: the
            variability of counts over trials falls when a cue names a target, the more the fewer targets it leaves open, while the irregularity
            of spikes stays. Network, cues and counts are those of its Fig. 5; reaction times and recordings are not looked at.
Claim       Fano factors fall from no cue to three, two and one target; CV2 stays within 0.15; without clusters counts do not vary more than those of
            Poisson processes, and the cue changes their Fano factor by less than a tenth.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from jaxtyping import Float, Int, Real
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "rostami_2024"
CUES = {1: ((0,), (1,), (2,), (3,), (4,), (5,)), 2: ((0, 1), (2, 3), (4, 5)), 3: ((5, 0, 1), (2, 3, 4))}  # targets left open by each cue
CUE = 2e-3  # V at the excitatory neurons of a target's cluster
NETWORKS, WITHOUT, TRIALS = 6, 1, 12  # networks, and those that also run without clusters; trials of each for each number of targets
SETTLING, CUED, ENDS = 0.2, 0.6, 1.3  # s: what is not looked at, onset of the cue, end
COUNTED = 0.4  # s: before the cue, and before the end: the paper compares the cues half a second after their onset
FEW, STEP, PACE, SAMPLED = 10, 1.0, 0.25, 4  # a smoke run: a FEWth of the neurons, ms, all times by PACE; of excitatory neurons, those for CV2
NONE, CLUSTERED, UNIFORM = "no cue", "clusters", "no clusters"
FANO, IRREGULAR = "Fano factor of counts in 400 ms", "CV2 of spikes, mean over neurons"
RATIO = "Fano factor with a cue over that without, geometric mean over networks"
OWN, PUBLISHED, POISSON = "bound of this protocol, set beforehand", "Rostami et al. (2024)", "Poisson processes, by definition"
MOVED = "Rostami et al. (2024): it falls; 0.7 set beforehand for one network, but networks differ too much"
Fano = Mapping[tuple[str, int], Float[ndarray, " network"]]


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
    if smoke:
        model = _small(model)
    pace = PACE if smoke else 1.0
    early, late = (tuple(pace * edge for edge in span) for span in ((CUED - COUNTED, CUED), (ENDS - COUNTED, ENDS)))
    seeds = [cs.seed_of(seed, "circuit", "connections of cued_variability", number) for number in range(1 if smoke else NETWORKS)]
    networks = {CLUSTERED: [model.changed(seed=own) for own in seeds]}
    networks[UNIFORM] = [_without_clusters(network) for network in networks[CLUSTERED][:WITHOUT]]
    with cs.timed(seconds, "simulation"):
        whole = {kind: [_cued(network, CUES if kind == CLUSTERED else (1,), pace, seed) for network in group] for kind, group in networks.items()}
        cued = {(kind, open_): [trials.select(trials.condition // 10 == open_) for trials in group]
                for kind, group in whole.items() for open_ in (CUES if kind == CLUSTERED else (1,))}  # fmt: skip
    with cs.timed(seconds, "statistics"):
        fano = {key: np.array([_fano(_counts(trials, late), trials.condition) for trials in group]) for key, group in cued.items()}
        fano |= {(kind, 0): np.array([_fano(_counts(trials, early)) for trials in group]) for kind, group in whole.items()}
        irregular = {open_: np.array([_cv2(trials, late, seed) for trials in cued[CLUSTERED, open_]]) for open_ in CUES}
        irregular[0] = np.array([_cv2(trials, early, seed) for trials in cued[CLUSTERED, 1]])
    scores = _scores(fano, irregular)
    value, ratio = {key: float(each.mean()) for key, each in fano.items()}, {open_: _ratio(fano, open_) for open_ in CUES}
    said = ", ".join(f"{ratio[open_]:.2f} with {open_}" for open_ in sorted(CUES, reverse=True))
    return cs.Report(
        title=QUESTION, question=f"{len(seeds)} networks of {model.units} neurons: {model.title}.",
        answer=f"Fano factors of {value[CLUSTERED, 0]:.1f} without a cue change by a factor of {said} targets left open (geometric means over "
        f"networks, from {np.exp(_logs(fano, 1)).min():.2f} to {np.exp(_logs(fano, 1)).max():.2f} with one); CV2 goes from "
        f"{irregular[0].mean():.2f} to {irregular[1].mean():.2f}. Without clusters the Fano factor is {value[UNIFORM, 0]:.2f}, and "
        f"{value[UNIFORM, 1]:.2f} with a cue of one target.",
        claims=[] if smoke else _claims(value, ratio, irregular), scores=scores, pictures=_pictures(cued, pace),
        models={kind: group[0] for kind, group in networks.items()}, methods=_methods(), facts={"neurons": str(model.units)}, smoke=smoke, seed=seed,
        trials={f"{kind}, {open_} cued": group[0].select([0, 1]) for (kind, open_), group in cued.items()}, seconds=seconds,
    )  # fmt: skip


def _small(model: cs.SpikingModel) -> cs.SpikingModel:
    """Return fewer neurons in coarser steps."""
    dump = cs.edit.resized(model, {name: part.size // FEW for name, part in model.populations.items()}).model_dump()
    late = {name: part | {"delay": part["delay"] and part["delay"] | {"value": STEP}} for name, part in dump["projections"].items()}
    return model.changed(populations=dump["populations"], projections=late, dt=dump["dt"] | {"value": STEP})


def _without_clusters(model: cs.SpikingModel) -> cs.SpikingModel:
    """Return the random balanced network: weights within clusters as between them."""
    neurons = model.model_dump()["neurons"]
    for kind in neurons.values():
        for name in {"R_E", "R_I"} & kind["parameters"].keys():
            kind["parameters"][name]["value"] = 1.0
    return model.changed(neurons=neurons)


def _cued(model: cs.SpikingModel, targets: Iterable[int], pace: float, seed: int) -> cs.Trials:
    """Return spikes of excitatory neurons in trials in which so many targets are cued from CUED on; conditions are ten times that and the cue."""
    cues = {open_: np.arange(TRIALS) % len(CUES[open_]) if pace == 1.0 else np.zeros(2, dtype=int) for open_ in targets}
    condition = np.concatenate([10 * open_ + each for open_, each in cues.items()])
    excitatory = model.size("E")
    pattern, each = np.zeros((len(condition), model.units)), excitatory // len(CUES[1])
    for row, name in zip(pattern, condition, strict=True):
        for cluster in CUES[int(name) // 10][int(name) % 10]:
            row[each * cluster : each * (cluster + 1)] = CUE
    task = replace(cs.tasks.spontaneous(pace * ENDS, len(condition), bin=0.005), condition=condition)
    drive = cs.tasks.Drive(pattern, (task.fine_time >= pace * CUED).astype(float), "cue")
    found = cs.simulate(model, replace(task, drives=(drive,)), seed=cs.seed_of(seed, "circuit", "trials of cued_variability"))
    return found.units(np.arange(excitatory))


def _counts(trials: cs.Trials, span: tuple[float, float]) -> Int[ndarray, "trial unit"]:
    (count, _, units), (when, unit, trial) = trials.shape, trials.spikes
    kept = (when >= span[0]) & (when < span[1])
    return np.bincount(trial[kept] * units + unit[kept], minlength=count * units).reshape(count, units)


def _fano(counts: Int[ndarray, "trial unit"], cues: Real[ndarray, " trial"] | None = None) -> float:
    """Return the variance over trials of a cue over the mean, both summed over neurons and cues, so that no neuron is left out for firing rarely."""
    groups = [counts] if cues is None else [counts[cues == cue] for cue in np.unique(cues)]
    return float(sum(group.var(axis=0, ddof=1).sum() for group in groups) / sum(group.mean(axis=0).sum() for group in groups))


def _cv2(trials: cs.Trials, span: tuple[float, float], seed: int) -> float:
    """Return the mean CV2 of neurons that fire enough for one."""
    found = cs.analysis.spike_statistics(trials.units(np.arange(0, trials.shape[2], SAMPLED)), window=span, seed=seed).cv2
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def _logs(fano: Fano, targets: int) -> Float[ndarray, " network"]:
    """Return logarithms of the Fano factor with a cue over that without, by network."""
    return np.log(fano[CLUSTERED, targets] / fano[CLUSTERED, 0])


def _ratio(fano: Fano, targets: int) -> float:
    return float(np.exp(_logs(fano, targets).mean()))


def _scores(fano: Fano, irregular: Mapping[int, Float[ndarray, " network"]]) -> list[cs.Score]:
    score = partial(cs.Score, better="closer", identical=1.0, null=np.ones(1), surrogate=POISSON, ceiling_reason="networks are compared")
    over = {key: cs.statistics.mean_over("networks", each) for key, each in fano.items()}
    ratios = {open_: _logs(fano, open_) for open_ in CUES}
    count = len(ratios[1])
    return [
        *(score(FANO, _named(*key), f"{len(fano[key])} networks", **each) for key, each in over.items()),
        *(score(RATIO, _named(CLUSTERED, open_), f"{count} networks", **cs.statistics.estimated_over(
            "networks", count, lambda kept, logs=logs: float(np.exp(logs[kept].mean())))) for open_, logs in ratios.items()),
        *(score(IRREGULAR, _named(CLUSTERED, open_), f"{count} networks", **cs.statistics.mean_over("networks", each))
          for open_, each in irregular.items() if np.isfinite(each).all()),
    ]  # fmt: skip


def _named(kind: str, targets: int) -> str:
    return f"{kind}, {f'{targets} cued' if targets else NONE}"


def _claims(
    value: Mapping[tuple[str, int], float], ratio: Mapping[int, float], irregular: Mapping[int, Float[ndarray, " network"]]
) -> list[cs.Claim]:
    order = [1.0, *(ratio[open_] for open_ in sorted(CUES, reverse=True))]
    change = max(abs(float(irregular[open_].mean() - irregular[0].mean())) for open_ in CUES)
    without = value[UNIFORM, 1] / value[UNIFORM, 0]
    return [
        cs.Claim("clusters, no cue: Fano factor, mean over networks", value[CLUSTERED, 0], 1.0, np.inf, f"{PUBLISHED}: metastable activity varies"),
        cs.Claim("clusters: Fano factor with one target cued over that without a cue", order[-1], 0.0, 1.0, MOVED),
        cs.Claim("clusters: smallest fall of that ratio from no cue to three, two, one targets", -float(np.diff(order).max()), 0.0, np.inf,
                 f"{PUBLISHED}: it falls with the information of the cue"),
        cs.Claim("clusters: largest change of CV2 by a cue", change, 0.0, 0.15, OWN),
        cs.Claim("no clusters, no cue: Fano factor", value[UNIFORM, 0], 0.0, 1.0, "the refractory period makes a random network more regular"),
        cs.Claim("no clusters: Fano factor with one target cued over that without a cue", without, 0.9, 1.1, OWN),
    ]  # fmt: skip


def _pictures(cued: Mapping[tuple[str, int], Sequence[cs.Trials]], pace: float) -> dict[str, cs.Picture]:
    starts, counted = pace * np.arange(SETTLING, ENDS - COUNTED + 1e-9, 0.05), pace * COUNTED
    lines = {_named(*key): np.array([np.exp(np.mean([np.log(_fano(_counts(trials, (start, start + counted)), trials.condition)) for trials in group]))
                                     for start in starts]) for key, group in sorted(cued.items(), reverse=True)}  # fmt: skip
    drawn = cs.figures.curves(
        1e3 * (starts + counted - pace * CUED), lines, xlabel="end of the window from the onset of the cue (ms)", ylabel="Fano factor"
    )
    shown = {"fano": cs.Picture(drawn, "Variability over trials", f"Counts in {1e3 * COUNTED:g} ms; geometric mean over networks.")}
    for open_ in (1, 3):
        picture = cs.figures.raster(cued[CLUSTERED, open_][0], each=400)
        caption = f"Cued from {CUED:g} s on: clusters {', '.join(str(cluster + 1) for cluster in CUES[open_][0])} of six, the first on top."
        shown[f"raster_{open_}"] = cs.Picture(picture, f"Excitatory neurons in one trial with a cue that leaves {open_} open", caption)
    return shown


def _methods() -> str:
    return f"""
    {NETWORKS} networks, {TRIALS} trials of each for each number of targets that a cue leaves open: one, two or three neighbours of six; cues take
    turns. A cue sets in after {CUED:g} s and excites the clusters of its targets by {1e3 * CUE:g} mV until the end at {ENDS:g} s; initial states
    differ. Spikes of excitatory neurons are counted in {1e3 * COUNTED:g} ms before the cue (trials of all cues together) and before the end. Fano
    factors are variances over trials of the same cue, summed over neurons, over summed means; in the paper they are means over neurons that fire
    at 5 Hz or more. CV2 is of one in {SAMPLED} neurons, those with 20 pairs of intervals. Without clusters, all weights are those of the random
    balanced network.
    """
