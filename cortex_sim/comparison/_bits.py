"""Students beside spikes: what their rates tell of single trials, and how they look when measured as the circuit was."""

from collections.abc import Mapping

import numpy as np

from cortex_sim.analysis import SpikeInformation, spike_information
from cortex_sim.comparison._compare import NULLS
from cortex_sim.comparison._comparison import Comparison
from cortex_sim.runtime import stream
from cortex_sim.statistics import PERMUTATION, Score, jackknifed, spike_averages
from cortex_sim.trials import Trials

BITS = "bits per spike"
REACH = 4  # standard deviations to which the kernel reaches


def measured_by_spikes(rates: Trials, *, repeats: int, sd: float, rng: np.random.Generator) -> Trials:
    """Return rates as an experiment would measure them: Poisson spikes in so many trials, smoothed, averaged over trials.

    The first bin stands for what came before it, so that the kernel has spikes on both sides.

    Args:
        rates: one trial a condition, Hz.
        repeats: trials of each condition.
        sd: standard deviation of the kernel, s.
        rng: of the spikes.
    """
    lead = round(REACH * sd / rates.bin)
    longer = np.concatenate([np.repeat(rates.rate[:, :1], lead, axis=1), rates.rate], axis=1)
    time = rates.time[0] + rates.bin * (np.arange(longer.shape[1]) - lead)
    smooth = spike_averages(longer, rates.bin, repeats=repeats, sd=sd, rng=rng)
    return Trials.from_arrays(smooth, time, condition=rates.condition).window(rates.time[0], rates.time[-1] + rates.bin)


def compare_bits(spikes: Trials, rates: Mapping[str, Trials], *, repeats: int, best: str, seed: int = 0, nulls: int = NULLS) -> Comparison:
    """Score what rates tell of the spikes of single trials, in bits per spike beyond each unit's mean rate.

    Args:
        spikes: trials of test conditions, those of one condition side by side.
        rates: of every student, one trial a condition; one of them is the best that can be hoped for.
        repeats: trials of each condition.
        best: name of that one; its score is the ceiling.
        seed: of the surrogates, in which conditions are permuted.
        nulls: number of them.

    Source:
        Pei et al. (2021) Neural Latents Benchmark, NeurIPS Datasets and Benchmarks.
    """
    counts = spikes.counts(spikes.bin).astype(float)
    conditions = len(counts) // repeats
    trials_of = np.arange(len(counts)).reshape(conditions, repeats)
    rng = stream(seed, "null", "permuted conditions of match_spiking")
    orders = [rng.permutation(conditions) for _ in range(nulls)]

    def told(student: Trials, order: np.ndarray) -> SpikeInformation:
        return spike_information(np.repeat(student.rate[order], repeats, axis=0), counts, spikes.bin)

    own = {name: told(student, np.arange(conditions)) for name, student in rates.items()}
    return Comparison(tuple(
        Score(
            BITS, name, f"{len(counts)} trials of held-out conditions", information.bits, "higher", own[best].bits,
            np.array([told(rates[name], order).bits for order in orders]), PERMUTATION,
            jackknifed(lambda kept, information=information: information.of(trials_of[kept].ravel()), conditions), "conditions",
            ceiling=own[best].bits,
        )
        for name, information in own.items()
    ))  # fmt: skip
