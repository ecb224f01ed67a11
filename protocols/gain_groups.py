"""How many independent gains does a circuit need to make another movement with the connections that it has?

Reproduces  gain modulation in groups, Stroud, Porter, Hennequin & Vogels (2018) Nat Neurosci 21:1774: a stability-optimised circuit with fixed
            connections and a fixed readout learns another output by gains alone, of each unit or of random groups of units, by trial and error.
Claim       gains of ten groups or more take nine tenths of the error away in 5,000 tries, and forty groups do about as well as a gain for every unit.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "hennequin_2014"
GROUPS, PAIRS, TRIES, BLOCK = (10, 40, 200), 3, 5000, 200  # the last: one group for each of the 200 units; tries that a running mean is over
STATE, STEP, LASTS, WIDTH = 0.075, 2.5, 0.5, 0.05  # s.d. of the initial state; ms; s of a movement, and of the Gaussian process that outputs are
PENALTY = 1e-4  # of the readout's regression, relative to the largest variance
VERIFIED = "independent implementation, one draw: {}; bound set beforehand"
TRIED = ", for 3,000 tries, which left 0.14 to 0.19"


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Teach the gains of a circuit another output than the one that its readout was made for.

    Args:
        model: circuit with one recurrent projection, whose connections are taken.
        seed: of targets, groups and tries.
        smoke: few tries; its numbers mean nothing.

    Raises:
        OptionError: it has no such projection, or several states.
    """
    recurrent = [] if model.is_map or model.readout else cs.simulation.recurrent_projections(model)
    if len(recurrent) != 1 or len(model.parsed.states) != 1:
        raise cs.errors.OptionError(f"{model.name}: should be a circuit with one recurrent projection and one state, such as {MODEL}.")
    W, tau = model.arrays()[recurrent[0]], float(np.median(cs.simulation.time_constant(model)))
    groups, pairs = sorted({min(each, len(W)) for each in GROUPS}), 1 if smoke else PAIRS
    seconds: dict[str, float] = {}
    with cs.timed(seconds, "circuit"):
        circuits = [_with_readout(W, tau, cs.stream(seed, "task", "movements of gain_groups", number)) for number in range(pairs)]
    with cs.timed(seconds, "training"):
        options = cs.Options(epochs=20 if smoke else TRIES, patience=TRIES, validation=0, start="rest", closed_form=False)
        jobs = {each: [cs.fitting.Job(circuit, wanted, task, cs.seed_of(seed, "student", "gains", number), options, "node_perturbation",
                                      {"groups": 0 if each == len(W) else each}) for number, (circuit, task, wanted, _) in enumerate(circuits)]
                for each in groups}  # fmt: skip
        fitted = cs.fitting.train_groups(jobs)
    errors = {each: np.array([one.train for one in found]) for each, found in fitted.items()}
    made = np.array([error for *_, error in circuits])
    scores = [_score(each, found) for each, found in errors.items()]
    left = {each: _left(found) for each, found in errors.items()}
    return cs.Report(
        title=QUESTION, question=f"{model.title} with fixed connections and readout; gains alone learn, in {pairs} pairs of movements.",
        answer="Error left of that before learning, median: " + ", ".join(f"{np.median(each):.3f} with {n} groups" for n, each in left.items()) + ".",
        claims=_claims(errors, left, made, fitted, smoke), scores=scores, pictures=_pictures(errors, fitted, circuits[0]),
        models={"before": circuits[0][0], "after": fitted[groups[-1]][0].model}, trials={"wanted": circuits[0][2]}, methods=_methods(tau),
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _with_readout(W: Float[ndarray, "unit unit"], tau: float, rng: np.random.Generator) -> tuple[cs.Model, cs.Task, cs.Trials, float]:
    """Return a network whose readout makes one movement of the circuit's run from its first preferred state, and a task whose target is another.

    Returns:
        The network, the task, the target, and the error of the first movement relative to its variance.
    """
    units, half = len(W), len(W) // 2
    state = STATE * np.sqrt(units) * cs.cards.evoked_energy(W)[1][:, 0]
    start = {"x": {"value": state.tolist(), "meaning": "the first preferred state", "over": "units", "source": "evoked energy"}}
    shipped = cs.load("leaky_gain")
    assert isinstance(shipped, cs.Model)
    card = cs.edit.with_values(cs.edit.with_step(shipped, STEP), {"tau": 1e3 * tau})
    plain = card.with_arrays({"W": W}, units=units, observed=1, channels=1, initial_values=start)
    bins = round(LASTS / cs.tasks.BIN)
    task = cs.tasks.from_inputs(np.zeros((1, bins, 1)), bin=cs.tasks.BIN)
    rates = cs.simulate(plain.with_arrays({"C": np.eye(units), "d": np.zeros(units)}, observed=units), task).rate[0]
    own, other = cs.tasks.smooth_courses(cs.tasks.BIN * np.arange(bins), 2, width=WIDTH, rng=rng)
    design = rates[:, :half] - rates[:, :half].mean(axis=0)
    U, S, V = np.linalg.svd(design, full_matrices=False)
    weights = V.T @ (S / (S**2 + PENALTY * S[0] ** 2) * (U.T @ (own - own.mean())))
    readout = np.concatenate([weights, np.zeros(units - half)])[None]
    ready = plain.with_arrays({"C": readout, "d": np.array([own.mean() - rates[:, :half].mean(axis=0) @ weights])})
    made = cs.simulate(ready, task).rate[0, :, 0]
    wanted = cs.Trials.from_arrays(other[None, :, None], task.time, condition=np.zeros(1, int), units="1")
    return ready, task, wanted, float(((made - own) ** 2).sum() / ((own - own.mean()) ** 2).sum())


def _left(errors: Float[ndarray, "network try"]) -> Float[ndarray, " network"]:
    """Return the error left at the end, mean over a block, over that of the first try."""
    return errors[:, -BLOCK:].mean(axis=1) / errors[:, 0]


def _score(groups: int, errors: Float[ndarray, "network try"]) -> cs.Score:
    return cs.Score(
        "error left of that before learning", f"{groups} groups", f"{len(errors)} pairs of movements", better="lower", identical=0.0, null=None,
        surrogate="before learning it is 1", ceiling_reason="a target need not be within reach",
        **cs.statistics.mean_over("pairs", _left(errors)),
    )  # fmt: skip


def _claims(
    errors: Mapping[int, Float[ndarray, "network try"]], left: Mapping[int, ndarray], made: Float[ndarray, " network"],
    fitted: Mapping[int, Sequence[cs.fitting.Fitted]], smoke: bool,
) -> list[cs.Claim]:  # fmt: skip
    first = cs.Claim("largest error of the movement that the readout is made for", float(made.max()), 0, 0.05, VERIFIED.format("0.01"))
    if smoke:
        return [first]
    said = {10: "0.031 of 4.2", 40: "0.007 of 4.2", 200: "0.023 of 4.2"}
    means = {each: found.reshape(len(found), -1, BLOCK).mean(axis=2) for each, found in errors.items()}
    falling = float(np.mean([(np.diff(each, axis=1) < 0).mean() for each in means.values()]))
    gains = np.concatenate([one.model.arrays()["g"] for found in fitted.values() for one in found])
    *fewer, most = left
    over = {each: float(np.median(left[each]) / np.median(left[most])) for each in fewer[-1:]}
    return [
        first,
        *(cs.Claim(f"{each} groups: error left of that before learning, median", float(np.median(found)), 0, 0.1,
                   VERIFIED.format(said.get(each, "below 0.1")) + TRIED) for each, found in left.items()),
        cs.Claim(f"share of blocks of {BLOCK} tries whose mean error is below that of the block before", falling, 0.9, 1, "bound set beforehand"),
        *(cs.Claim(f"error left with {each} groups over that with a gain for every unit", ratio, 0, 1.5, VERIFIED.format("0.031 over 0.098"))
          for each, ratio in over.items()),
        cs.Claim("smallest gain", float(gains.min()), 0.4, 1, VERIFIED.format("0.73")),
        cs.Claim("largest gain", float(gains.max()), 1, 1.8, VERIFIED.format("1.26")),
    ]  # fmt: skip


def _pictures(
    errors: Mapping[int, Float[ndarray, "network try"]],
    fitted: Mapping[int, Sequence[cs.fitting.Fitted]],
    circuit: tuple[cs.Model, cs.Task, cs.Trials, float],
) -> dict[str, cs.Picture]:
    before, task, wanted, _ = circuit
    tries = np.arange(1, errors[max(errors)].shape[1] + 1, dtype=float)
    outputs = {"wanted": wanted.rate[0, :, 0], "before learning": cs.simulate(before, task).rate[0, :, 0]}
    outputs |= {f"{each} groups": cs.simulate(found[0].model, task).rate[0, :, 0] for each, found in fitted.items()}
    lines = {f"{each} groups": np.median(found, axis=0) for each, found in errors.items()}
    return {
        "errors": cs.Picture(cs.figures.curves(tries, lines, xlabel="try", ylabel="error over variance of the target", log=True),
                             "Learning by trial and error", "Median over pairs of movements."),
        "outputs": cs.Picture(cs.figures.curves(task.time, outputs, xlabel="time (s)", ylabel="output"), "One pair of movements",
                              "What is wanted, and what the circuit makes before learning and after it."),
    }  # fmt: skip


def _methods(tau: float) -> str:
    return f"""
    Connections are the circuit's, units are r = tanh(g x) with gain g, time constant {1e3 * tau:g} ms and Euler steps of {STEP:g} ms, released
    from the first preferred state (s.d. {STATE:g}). A ridge regression of the excitatory units makes one random smooth movement; another is the
    target. The rule node_perturbation changes gains alone, of all units in a group by the same amount, for {TRIES} tries.
    """
