"""Students compared with spikes: how well their rates predict single trials."""

from collections.abc import Mapping

import numpy as np

from cortex_sim.analysis import SpikeInformation, spike_information
from cortex_sim.comparison._compare import NULLS
from cortex_sim.comparison._comparison import Comparison
from cortex_sim.runtime import stream
from cortex_sim.statistics import PERMUTATION, Score, jackknifed
from cortex_sim.trials import Trials, over_bins

BITS = "bits per spike"
UNKNOWN = "true rates would score more than the circuit known from other trials; how much more is not known"


def compare_bits(spikes: Trials, rates: Mapping[str, Trials], *, repeats: int, again: str, seed: int = 0, nulls: int = NULLS) -> Comparison:
    """Return scores of how well rates predict the spikes of single trials, in bits per spike relative to each unit's mean rate.

    Args:
        spikes: trials of test conditions, consecutive for each condition.
        rates: of every student at the left edges of the bins, one trial per condition, and of the spiking circuit, estimated from other trials.
        repeats: number of trials per condition.
        again: name of the latter; its score is that of a circuit known only as well as a student can. True rates would score more, unknown how much.
        seed: of the surrogates, which permute conditions.
        nulls: number of surrogates.

    Source:
        Pei et al. (2021) Neural Latents Benchmark, NeurIPS Datasets and Benchmarks.
    """
    counts = spikes.counts(spikes.bin).astype(float)
    conditions = len(counts) // repeats
    trials_of = np.arange(len(counts)).reshape(conditions, repeats)
    rng = stream(seed, "null", "permuted conditions of match_spiking")
    orders = [rng.permutation(conditions) for _ in range(nulls)]

    def told(student: Trials, order: np.ndarray) -> SpikeInformation:
        return spike_information(np.repeat(over_bins(student.rate)[order], repeats, axis=0), counts, spikes.bin)

    own = {name: told(student, np.arange(conditions)) for name, student in rates.items()}
    return Comparison(tuple(
        Score(
            BITS, name, f"{len(counts)} trials of held-out conditions", information.bits, "higher", own[again].bits,
            np.array([told(rates[name], order).bits for order in orders]), PERMUTATION,
            jackknifed(lambda kept, information=information: information.of(trials_of[kept].ravel()), conditions), "conditions",
            ceiling_reason=UNKNOWN,
        )
        for name, information in own.items()
    ))  # fmt: skip
