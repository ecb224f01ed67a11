"""Does the variability of motor cortex fall with what a cue tells?

Reproduces  the claims of Rostami, Rost, Schmitt, van Albada, Riehle & Nawrot (2024) Nat Commun 15:6304 for their spiking motor cortex: the
            variability of counts over trials falls when a cue names a target, the more the fewer targets it leaves open, while the irregularity
            of spikes stays. Their reaction times and recordings are not looked at; which clusters stand for which target is ours.
Claim       Fano factors fall from no cue to three, two and one target; CV2 stays within 0.15; without clusters counts do not vary more than those of
            Poisson processes, and the cue changes their Fano factor by less than half as much.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "rostami_2024"
TARGETS, CLUSTERS, EACH = (1, 2, 3), 20, 1  # targets that a cue leaves open; clusters, and those of each target, side by side
CUE = 3e-3  # V at the excitatory neurons of the clusters of a target: 0.15 pA in the authors' example
TRIALS, SETTLING, CUED, ENDS = 30, 0.2, 0.6, 1.3  # of each cue; s: what is not looked at, onset of the cue, end
COUNTED = 0.4  # s: before the cue, and before the end
FEW, SAMPLED = 20, 4  # a smoke run has a FEWth of the neurons; one in SAMPLED of the excitatory neurons gives CV2
NONE, CLUSTERED, UNIFORM = "no cue", "clusters", "no clusters"
FANO, IRREGULAR = "Fano factor of counts in 400 ms", "CV2 of spikes, mean over neurons"
OWN, PUBLISHED, POISSON = "bound of this protocol, set when a target had three clusters, which compete", "Rostami et al. (2024)", "Poisson processes, by definition"


def run(model: cs.SpikingModel, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Cue one, two or three targets, with and without clusters, and count spikes over trials before and during the cue.

    Args:
        model: spiking circuit with parameters R_E and R_I of its clusters and populations E and I.
        seed: of initial states; the circuit's connections follow ``model.seed``.
        smoke: a small circuit and few trials: its numbers mean nothing.

    Raises:
        OptionError: the circuit has no such parameters or populations.
    """
    kinds = {name: kind for name, kind in getattr(model, "neurons", {}).items() if {"R_E", "R_I"} <= kind.parameters.keys()}
    if not kinds or not {"E", "I"} <= model.populations.keys():
        raise cs.errors.OptionError(f"{model.name}: should be a spiking circuit of clusters with R_E, R_I and populations E and I, such as {MODEL}.")
    seconds: dict[str, float] = {}
    if smoke:
        model = cs.edit.resized(model, {name: part.size // FEW for name, part in model.populations.items()})
    circuits = {CLUSTERED: model, UNIFORM: _without_clusters(model)}
    with cs.timed(seconds, "simulation"):
        cued = {(kind, open_): _cued(circuit, open_, seed, smoke) for kind, circuit in circuits.items()
                for open_ in (TARGETS if kind == CLUSTERED else TARGETS[:1])}  # fmt: skip
    with cs.timed(seconds, "statistics"):
        counts = {key: _counts(trials, model.size("E"), (ENDS - COUNTED, ENDS)) for key, trials in cued.items()}
        for kind in circuits:
            before = [_counts(trials, model.size("E"), (CUED - COUNTED, CUED)) for (own, _), trials in cued.items() if own == kind]
            counts[kind, 0] = np.concatenate(before)
        irregular = {open_: _cv2(cued[CLUSTERED, open_], model.size("E"), (ENDS - COUNTED, ENDS), seed) for open_ in TARGETS}
        irregular[0] = _cv2(cued[CLUSTERED, TARGETS[-1]], model.size("E"), (CUED - COUNTED, CUED), seed)
    value = {key: _fano(each) for key, each in counts.items()}
    scores = [
        *(_fano_score(kind, open_, each) for (kind, open_), each in counts.items()),
        *(_cv2_score(open_, irregular[open_]) for open_ in irregular),
    ]
    said = ", ".join(f"{value[CLUSTERED, open_]:.2f} with {open_}" for open_ in TARGETS[::-1])
    return cs.Report(
        title=QUESTION, question=f"{model.title}, {model.units} neurons; {cued[CLUSTERED, 1].shape[0]} trials of each cue.",
        answer=f"Fano factor {value[CLUSTERED, 0]:.2f} without a cue, {said} targets left open; CV2 goes from "
        f"{irregular[0].mean():.2f} to {irregular[1].mean():.2f}. Without clusters the Fano factor is {value[UNIFORM, 0]:.2f}, and "
        f"{value[UNIFORM, 1]:.2f} with a cue of one target.",
        claims=[] if smoke else _claims(value, irregular), scores=scores, pictures=_pictures(cued, model.size("E")), models=circuits,
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
    """Return spikes of trials in which the clusters of so many targets are cued from CUED on."""
    task = cs.tasks.spontaneous(ENDS, 4 if smoke else TRIALS)
    excited = model.size("E") * EACH * targets // CLUSTERS
    pattern = np.zeros((task.trials, model.units))
    pattern[:, :excited] = CUE
    drive = cs.tasks.Drive(pattern, (task.fine_time >= CUED).astype(float), "cue")
    return cs.simulate(model, replace(task, drives=(drive,)), seed=cs.seed_of(seed, "circuit", "trials of cued_variability", targets))


def _counts(trials: cs.Trials, excitatory: int, span: tuple[float, float]) -> Int[ndarray, "trial unit"]:
    when, unit, trial = trials.spikes
    kept = (when >= span[0]) & (when < span[1]) & (unit < excitatory)
    return np.bincount(trial[kept] * excitatory + unit[kept], minlength=trials.shape[0] * excitatory).reshape(trials.shape[0], excitatory)


def _fano(counts: Int[ndarray, "trial unit"]) -> float:
    """Return the variance over trials, summed over neurons, over the summed mean, so that no neuron need be left out for firing rarely."""
    return float(counts.var(axis=0, ddof=1).sum() / counts.mean(axis=0).sum())


def _cv2(trials: cs.Trials, excitatory: int, span: tuple[float, float], seed: int) -> Float[ndarray, " unit"]:
    """Return CV2 of every neuron that fires enough for one."""
    found = cs.analysis.spike_statistics(trials.units(np.arange(0, excitatory, SAMPLED)), window=span, seed=seed).cv2
    return found[np.isfinite(found)]


def _fano_score(kind: str, targets: int, counts: Int[ndarray, "trial unit"]) -> cs.Score:
    over = cs.statistics.estimated_over("trials", len(counts), lambda kept: _fano(counts[kept]))
    return cs.Score(FANO, _named(kind, targets), f"{counts.shape[1]} excitatory neurons", better="lower", identical=1.0, null=np.ones(1),
                    surrogate=POISSON, ceiling_reason="no variability is best", **over)  # fmt: skip


def _named(kind: str, targets: int) -> str:
    return f"{kind}, {f'{targets} cued' if targets else NONE}"


def _cv2_score(targets: int, values: Float[ndarray, " unit"]) -> cs.Score:
    over = cs.statistics.mean_over("neurons", values, otherwise="fewer than three neurons fire enough")
    return cs.Score(IRREGULAR, _named(CLUSTERED, targets), f"{len(values)} excitatory neurons", better="closer", identical=1.0, null=np.ones(1),
                    surrogate=POISSON, ceiling_reason="none is best", **over)  # fmt: skip


def _claims(value: Mapping[tuple[str, int], float], irregular: Mapping[int, Float[ndarray, " unit"]]) -> list[cs.Claim]:
    order = [value[CLUSTERED, open_] for open_ in (0, *TARGETS[::-1])]
    change = max(abs(float(irregular[open_].mean() - irregular[0].mean())) for open_ in TARGETS)
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
    lines = {f"{kind}, {open_} cued": np.array([_fano(_counts(trials, excitatory, (start, start + COUNTED))) for start in starts])
             for (kind, open_), trials in sorted(cued.items(), reverse=True)}  # fmt: skip
    drawn = cs.figures.curves(1e3 * (starts + COUNTED - CUED), lines, xlabel="end of the window from the onset of the cue (ms)", ylabel="Fano factor")
    shown = {"fano": cs.Picture(drawn, "Variability over trials", f"Counts of excitatory neurons in {1e3 * COUNTED:g} ms.")}
    for open_ in (TARGETS[0], TARGETS[-1]):
        picture = cs.figures.raster(cued[CLUSTERED, open_], each=400)
        caption = f"The cue, from {CUED:g} s on, is {EACH * open_} of {CLUSTERS} clusters, below. Neurons of a cluster are side by side."
        shown[f"raster_{open_}"] = cs.Picture(picture, f"One trial with a cue that leaves {open_} open", caption)
    return shown


def _methods() -> str:
    return f"""
    {TRIALS} trials for each of {len(TARGETS)} cues, which set in after {CUED:g} s and excite {EACH} cluster for each target that they leave open by
    {1e3 * CUE:g} mV until the end at {ENDS:g} s; initial states differ. Spikes of excitatory neurons are counted in {1e3 * COUNTED:g} ms before
    the cue (no cue; trials of all cues together) and before the end. Fano factors are summed variances over summed means. CV2 is of one in {SAMPLED} neurons,
    those with 20 pairs of intervals. Without clusters, all weights are those of the random balanced network, and one target is cued.
    """
