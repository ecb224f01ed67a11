"""Data in which there is nothing, for the nulls of rotations, subspaces, decoders and of networks whose trials or units are exchanged."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy import ndarray

from cortex_sim.analysis import Epochs, Tangled, discriminant, rotations_and_null, spike_counts
from cortex_sim.cards import catalogue
from cortex_sim.comparison import REVERSED, SHUFFLED, course_score, rotations_against_surrogates
from cortex_sim.comparison._rotation_surrogates import MIRRORED
from cortex_sim.trials import Trials
from tests.nulls import DRAWS, Build, Drawn, few, nothing, smooth

TIME, FEW = 0.01 * np.arange(16), 4  # so few conditions that a null shows whether orders and signs that change nothing belong to it


@nothing("surrogates of rotations", long=True)
def rotations(seed: int, build: Build) -> list[Drawn]:
    """Independent units; shared states that set out in either direction alike; shared states that are as likely forwards as backwards."""
    rng = np.random.default_rng(seed)
    latent, set_out = (
        smooth(rng, FEW, 12, 4),
        rng.normal(size=(FEW, 1, 4)) + np.concatenate([np.zeros((FEW, 1, 4)), smooth(rng, FEW, 11, 4)], axis=1).cumsum(axis=1),
    )
    mixing, found = rng.normal(size=(4, 7)), []
    for kind, states in ((SHUFFLED, smooth(rng, 9, 12, 7) * rng.uniform(0.5, 2, 7)), (MIRRORED, set_out @ mixing), (REVERSED, latent @ mixing)):
        made = rotations_against_surrogates(
            states - states.mean(axis=0), 0.01, rng_of=lambda number, draw: np.random.default_rng([seed, number, draw]), draws=9
        )
        null = made.told()[f"{kind}"]["null"]
        assert made.p(kind) == (1 + (null >= made.found.r2_skew * (1 - 1e-9)).sum()) / 10
        found.append(Drawn(kind, made.found.r2_skew, null))
    return found


@nothing("reversed reaches of reach", "reversed trials of muscles", "reversed reaches of feedback_rotations")
def rotations_of_networks(seed: int, build: Build) -> list[Drawn]:
    """Units that share states which are as likely forwards as backwards."""
    rng = np.random.default_rng(seed)
    found, null = rotations_and_null(smooth(rng, FEW, 12, 4) @ rng.normal(size=(4, 7)), 0.01, rng=rng, draws=DRAWS)
    return [Drawn("jPCA", found.r2_skew, null)]


def unrelated_epochs(rng: np.random.Generator) -> Epochs:
    """Epochs of eight dimensions each, of unequal variance, in unrelated directions of 24 units."""
    parts = [smooth(rng, 8, 10, 8) * 0.8 ** np.arange(8) @ np.linalg.qr(rng.normal(size=(24, 8)))[0].T for _ in range(2)]
    before, after = (part - part.mean(axis=0) for part in parts)
    return Epochs(before, after, {}, after, np.ones(24))


@nothing("chance alignment")
def alignment_of_subspaces(seed: int, build: Build) -> list[Drawn]:
    module, epochs = catalogue.protocol("subspaces"), unrelated_epochs(np.random.default_rng(seed))
    return [Drawn(module.ALIGNED, module._aligned(epochs), module._chance(epochs, None, seed, DRAWS), "lower")]


@nothing("random muscles", long=True)
def tuning_ratios_of_subspaces(seed: int, build: Build) -> list[Drawn]:
    """Muscles that are random sums of the rates."""
    module, rng = catalogue.protocol("subspaces"), np.random.default_rng(seed)
    rate = 5 + smooth(rng, 8, 20, 8) * 0.8 ** np.arange(8) @ rng.normal(size=(8, 12))
    epochs = Epochs.driving(Trials.from_arrays(rate, 0.01 * np.arange(-10, 10)), ((-0.1, 0.0), (0.0, 0.1)), {"m": rng.normal(size=(12, 4))})
    return [Drawn(way, epochs.hidden("m", **how), epochs.hidden_by_chance("m", rng=rng, draws=DRAWS, **how)) for way, how in module.WAYS.items()]


@nothing("permuted movements of preparation", long=True)
def movements_of_preparation(seed: int, build: Build) -> list[Any]:
    return missed_and_unrelated("preparation", seed)


@nothing("permuted movements of thalamic_loop", long=True)
def movements_of_thalamic_loop(seed: int, build: Build) -> list[Any]:
    return missed_and_unrelated("thalamic_loop", seed)


def missed_and_unrelated(protocol: str, seed: int) -> list[Any]:
    """Ends at other targets than those that were wanted, and epochs in unrelated directions."""
    module, rng = catalogue.protocol(protocol), np.random.default_rng(seed)
    hand, time, epochs = rng.normal(size=(8, 3, 2)), np.arange(-0.3, 0.35 - 1e-9, 0.01), unrelated_epochs(rng)
    rate = np.zeros((8, len(time), 24))
    rate[:, :10], rate[:, -10:] = epochs.preparation, epochs.movement
    moved = {0.05: SimpleNamespace(made=100 * rng.normal(size=(8, 4, 2)))}
    scores = module._scores("strategy", np.ones((8, 10)), Trials.from_arrays(rate, time), moved, hand, seed)
    return [score for score in scores if score.p is not None]


@nothing("permuted reaches")
def targets_of_reach(seed: int, build: Build) -> list[Any]:
    module, rng = catalogue.protocol("reach"), np.random.default_rng(seed)
    targets, time = SimpleNamespace(values=rng.normal(size=(FEW, 10, 2))), np.linspace(0, 0.6, 10)

    def score(measure: str, *, better: str, null: ndarray, estimate: float, **rest: Any) -> Drawn:
        return Drawn(measure, estimate, null, better)

    return [
        module._distance(
            score, "distance", SimpleNamespace(time=time, targets=targets, trials=FEW), SimpleNamespace(made=rng.normal(size=(FEW, 10, 2))), seed
        )
    ]


@nothing("permuted spikes of decode", long=True)
def answers_of_decode(seed: int, build: Build) -> list[Any]:
    """Spikes that tell nothing of the reach."""
    module, rng = catalogue.protocol("decode"), np.random.default_rng(seed)
    condition = np.repeat(np.arange(2), 10)
    fired = rng.poisson(4, (20, 5))
    trial, unit = (np.repeat(place.ravel(), fired.ravel()) for place in np.indices(fired.shape))
    spikes = Trials.from_spikes((rng.uniform(0, 0.1, trial.size), unit, trial), 0.01 * np.arange(10), units=5, condition=condition)
    taken = discriminant(spike_counts(spikes), condition)
    told = SimpleNamespace(question="which", condition=condition, taken={module.LINEAR: taken}, right=lambda name: taken == condition)
    return list(module._accuracies(told, spikes, seed, 9))


@nothing("permuted rates of decode", long=True)
def velocity_of_decode(seed: int, build: Build) -> list[Any]:
    """Rates that tell nothing of the velocity."""
    module, rng = catalogue.protocol("decode"), np.random.default_rng(seed)
    moving = rng.normal(size=(8, 15, 4)), smooth(rng, 8, 15, 2), "m/s"
    name = "Kalman filter"
    found = module.cs.analysis.decoded(module.cs.analysis.DECODERS[name], *moving[:2])
    return [module._velocity_score(name, found, moving, seed, 9)]


@nothing("conditions of driven")
def responses_of_driven(seed: int, build: Build) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [catalogue.protocol("driven")._score("a push", *rng.normal(size=(2, FEW, 5, 3)), rng)]


@nothing("signs of discriminate")
def times_of_discriminate(seed: int, build: Build) -> list[Any]:
    """Pushes of which either takes fewer trials in half of the circuits."""
    rng = np.random.default_rng(seed)
    times = {name: np.exp(rng.normal() + 0.1 * rng.normal(size=3)) for name in "abcdefg"}
    return [catalogue.protocol("discriminate")._times("random", times, seed)]


@nothing("units of adaptation")
def activity_of_adaptation(seed: int, build: Build) -> list[Any]:
    """Activity of units that have nothing to do with those before."""
    module, rng = catalogue.protocol("adaptation"), np.random.default_rng(seed)
    before, after = smooth(rng, 2, 4, 6, 3) @ rng.normal(size=(2, 1, 3, 7))
    with few(module):
        return list(module._activity_scores("within", before, after, rng))


@nothing("permuted directions of layered_motor_cortex")
def hand_of_layered_motor_cortex(seed: int, build: Build) -> list[Any]:
    hand, wanted = np.random.default_rng(seed).normal(size=(2, FEW, 5, 2))
    return [catalogue.protocol("layered_motor_cortex")._readout_score(hand, wanted, np.arange(FEW), seed)]


@nothing("permuted groups of spikes_and_rates")
def courses_of_spikes_and_rates(seed: int, build: Build) -> list[Any]:
    rng = np.random.default_rng(seed)
    a, b = smooth(rng, 2, 16, 7)
    single = Trials.from_arrays(rng.normal(size=(4, 16, 7)), TIME, condition=[0] * 4)
    return [course_score("groups", a, b, single, window="all", what="groups", rng=rng, seed=seed)]


@nothing("permuted ranks of spikes_and_rates")
def ranks_of_spikes_and_rates(seed: int, build: Build) -> list[Any]:
    with few(module := catalogue.protocol("spikes_and_rates")):
        return [module._ranks("rates", *np.random.default_rng(seed).normal(size=(2, 8)), seed)]


@nothing("permuted conditions of tangling", long=True)
def outputs_of_tangling(seed: int, build: Build) -> list[Any]:
    """A student whose conditions have nothing to do with the circuit's."""
    module, rng = catalogue.protocol("tangling"), np.random.default_rng(seed)
    rates, weights, none = smooth(rng, 2, 8, 16, 5), rng.normal(size=(5, 2)), np.zeros((8, 16))
    systems = [Tangled(each, each @ weights, none, none, none[None]) for each in rates]
    return list(module._outputs(dict(zip((module.CIRCUIT, "other"), systems, strict=True)), seed, DRAWS))


@nothing()
def projections_of_tangling(seed: int, build: Build) -> list[Drawn]:
    """Muscles that are random sums of the rates, rectified at their mean."""
    rng = np.random.default_rng(seed)
    rates = smooth(rng, 4, 12, 5)
    made = np.maximum((rates - rates.mean(axis=(0, 1))) / rates.std(axis=(0, 1)) @ rng.normal(size=(5, 3)), 0.0)
    found = Tangled.of(rates, made, 0.01, rng=rng, sets=DRAWS, rectified=True)
    return [Drawn("share of times", found.below_outputs, found.below_projections)]
