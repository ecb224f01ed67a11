"""Why do motor-cortical units prefer some loads of the limb over others?

Reproduces  the load preferences of Lillicrap & Scott (2013) Neuron 77:168: in networks that command muscles and are optimised to counter loads, units
            prefer loads that flex one joint and extend the other, if the limb has muscles that cross both joints. The bias of a linear network of
            least effort, which is known in closed form, follows the theory of Hirashima & Nozaki (2012) PLoS Comput Biol 8:e1002590.
Claim       with biarticular muscles, preferred torques gather along the axis of shoulder flexion with elbow extension, about as much as least effort
            asks; without them they do not.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "leaky_readout"
UNITS, NETWORKS, TRIALS, ASKED = 100, 6, 32, 8  # of each network; networks of each limb; loads that are taught; loads that are asked about
OPTIONS = cs.Options(epochs=150, batch=TRIALS, rate=5e-3, patience=150, validation=0, penalty_rates=0.1, penalty_effort=1.0)
SETTLED = 0.3  # s, the last of a trial, in which units hold against the load
WHOLE, WITHOUT, RAW = "six muscles", "no biarticular muscles", "six muscles, untrained"
BIAS = "bias of preferred torques (resultant length of doubled angles)"
AXIS = 135.0  # deg, of the plane of shoulder and elbow torque: one joint flexes where the other extends
DRAWS = 200
OWN, PUBLISHED, GOAL = (
    "bound of this protocol, set beforehand",
    "Lillicrap & Scott (2013)",
    "asked of loads at other times than those that were taught",
)


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train networks to hold a limb against loads, with and without biarticular muscles, and ask which loads their units prefer.

    Args:
        model: network with a readout of hidden units.
        seed: of the weights before training and of the onset of loads.
        smoke: one network of each limb and few steps of learning: its numbers mean nothing.

    Raises:
        OptionError: the model has no readout.
    """
    if model.is_map or not model.readout:
        raise cs.errors.OptionError(f"{model.name}: should be a network with a readout of hidden units, such as {MODEL}.")
    seconds: dict[str, float] = {}
    limbs = {name: _free(body) for name, body in ((WHOLE, cs.body.REACHING), (WITHOUT, _without_biarticular(cs.body.REACHING)))}
    tasks = {name: cs.tasks.posture(TRIALS, seed=cs.seed_of(seed, "task", "taught loads"), body=body) for name, body in limbs.items()}
    asked = {name: cs.tasks.posture(ASKED, seed=cs.seed_of(seed, "task", "loads asked about"), body=body) for name, body in limbs.items()}
    seeds = [cs.seed_of(seed, "student", "network of limb_preferences", k) for k in range(1 if smoke else NETWORKS)]
    options, network = replace(OPTIONS, epochs=2) if smoke else OPTIONS, model.with_arrays({}, units=UNITS)
    jobs = {(name, k): cs.fitting.Job(network, task.wanted, task, each, options) for name, task in tasks.items() for k, each in enumerate(seeds)}
    with cs.timed(seconds, "training"):
        fitted = cs.fitting.train_many({f"{name}, {k}": job for (name, k), job in jobs.items()})
    with cs.timed(seconds, "loads"):
        found = {name: [_preferred(fitted[f"{name}, {k}"].model, asked[name]) for k in range(len(seeds))] for name in limbs}
        found[RAW] = [_preferred(fitted[f"{WHOLE}, {k}"].start, asked[WHOLE]) for k in range(len(seeds))]
        missed = {name: float(np.mean([_missed(fitted[f"{name}, {k}"].model, asked[name]) for k in range(len(seeds))])) for name in limbs}
    theory = {name: least_effort(body) for name, body in limbs.items()}
    scores = [_score(name, each, theory.get(name), seed) for name, each in found.items()]
    value = {name: [_bias(each) for each in every] for name, every in found.items()}
    axis = _axis(np.concatenate(found[WHOLE]))
    said = "; ".join(f"{name}: {np.mean(each):.2f}" for name, each in value.items())
    return cs.Report(
        title=QUESTION, question=f"{cs.body.REACHING.arm.name} that holds still against constant torques in eight directions.",
        answer=f"Bias of preferred torques, mean over networks: {said}. With six muscles they gather along {axis:.0f} degrees of the plane of "
        f"shoulder and elbow torque; least effort asks for a bias of {theory[WHOLE]:.2f} along {AXIS:.0f} degrees, and for {theory[WITHOUT]:.2f} "
        "without biarticular muscles.",
        claims=[] if smoke else _claims(value, axis, missed, theory), scores=scores, pictures=_pictures(found), methods=_methods(),
        models={WHOLE: fitted[f"{WHOLE}, 0"].model},
        trials={name: cs.hidden(fitted[f"{name}, 0"].model, task) for name, task in asked.items()},
        facts={name: f"hand off by {far:.2f} cm on average" for name, far in missed.items()},
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _without_biarticular(body: cs.body.Body) -> cs.body.Body:
    """Return the body with those muscles that cross one joint."""
    muscles = body.muscles
    assert muscles is not None
    kept = [place for place, arms in enumerate(muscles.arm) if 0.0 in arms]
    parts = {name: tuple(getattr(muscles, name)[place] for place in kept) for name in ("arm", "optimum", "length")}
    return replace(body, muscles=replace(muscles, **parts))


def _free(body: cs.body.Body) -> cs.body.Body:
    """Return the body with joints that bend as far as a network that has not learned to hold them lets them."""
    return replace(body, arm=replace(body.arm, limits=((-np.inf, np.inf),) * 2))


def least_effort(body: cs.body.Body) -> float:
    r"""Return the bias of a linear network of least effort.

    Units drive muscles through random weights R, so that a unit's torque is :math:`a = M r`, with moment arms M and r isotropic. Of all activities h
    with :math:`A h = \tau` the smallest is :math:`A^\top (A A^\top)^{-1} \tau`; the preferred torque of a unit is then distributed as
    :math:`(M M^\top)^{-1/2}` times an isotropic vector, and the mean of :math:`e^{2 i \phi}` over its angles has the length
    :math:`(\sqrt k - 1)/(\sqrt k + 1)`, k the ratio of the eigenvalues of :math:`M M^\top`.
    """
    muscles = body.muscles
    assert muscles is not None
    low, high = np.linalg.eigvalsh(np.array(muscles.arm).T @ np.array(muscles.arm))
    return float((np.sqrt(high / low) - 1) / (np.sqrt(high / low) + 1))


def _preferred(model: cs.Model, task: cs.Task) -> Float[ndarray, "unit 2"]:
    """Return the slope of each unit's activity, while it holds, over the torque (shoulder, elbow) that it counters."""
    angle = np.radians(task.notes["angle_deg"])
    load = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    held = cs.hidden(model, task).rate[:, task.time >= task.time[-1] - SETTLED].mean(axis=1)
    return np.linalg.lstsq(np.column_stack([-load, np.ones(len(load))]), held, rcond=None)[0][:2].T


def _doubled(slopes: Float[ndarray, "unit 2"]) -> complex:
    return complex(np.exp(2j * np.arctan2(slopes[:, 1], slopes[:, 0])).mean())


def _bias(slopes: Float[ndarray, "unit 2"]) -> float:
    return abs(_doubled(slopes))


def _axis(slopes: Float[ndarray, "unit 2"]) -> float:
    """Return the direction, degrees from 0 to 180, along which preferred torques gather."""
    return float(np.degrees(np.angle(_doubled(slopes)) / 2) % 180)


def _missed(model: cs.Model, task: cs.Task) -> float:
    """Return how far the hand is from home while it holds, cm, mean over trials."""
    made = cs.move(model, task)[1].made[:, task.time >= task.time[-1] - SETTLED]
    return float(np.linalg.norm(made, axis=2).mean())


def _score(name: str, found: list[Float[ndarray, "unit 2"]], theory: float | None, seed: int) -> cs.Score:
    rng, each = cs.stream(seed, "null", "uniform preferred torques", name), np.array([_bias(slopes) for slopes in found])
    null = [np.mean([_bias(rng.standard_normal(slopes.shape)) for slopes in found]) for _ in range(DRAWS)]
    few = cs.statistics.mean_over("networks", each, otherwise="one network, which gives no interval")
    return cs.Score(
        BIAS, name, f"{ASKED} loads", better="higher", identical=1.0, null=np.array(null), surrogate="preferred torques in all directions alike",
        ceiling_reason="no noise", settings={"networks": each.tolist(), "least effort": theory}, **few,
    )  # fmt: skip


def _claims(value: Mapping[str, list[float]], axis: float, missed: Mapping[str, float], theory: Mapping[str, float]) -> list[cs.Claim]:
    mean = {name: float(np.mean(each)) for name, each in value.items()}
    closed = f"closed form of least effort: {theory[WHOLE]:.3f}; within a factor of two"
    return [
        *(cs.Claim(f"{name}: mean distance from home while loads are held (cm)", far, 0.0, 1.0, GOAL) for name, far in missed.items()),
        cs.Claim(f"{WHOLE}: bias of preferred torques", mean[WHOLE], theory[WHOLE] / 2, theory[WHOLE] * 2, closed),
        cs.Claim(
            f"{WHOLE}: axis along which they gather (degrees)",
            axis,
            AXIS - 20,
            AXIS + 20,
            f"{PUBLISHED}: flexion of one joint, extension of the other",
        ),
        cs.Claim("bias with biarticular muscles minus that without", mean[WHOLE] - mean[WITHOUT], 0.1, 1.0, f"{PUBLISHED}: they dictate it; {OWN}"),
    ]


def _pictures(found: Mapping[str, list[Float[ndarray, "unit 2"]]]) -> dict[str, cs.Picture]:
    panels = {name: tuple(np.concatenate([slopes / np.linalg.norm(slopes, axis=1).mean() for slopes in each]).T) for name, each in found.items()}
    drawn = cs.figures.clouds(panels, xlabel="shoulder torque preferred (relative)", ylabel="elbow torque preferred (relative)")
    caption = "One dot per unit: the slope of its activity over the torque that is countered, in units of the mean length of its network."
    return {"preferences": cs.Picture(drawn, "Preferred torques", caption)}


def _methods() -> str:
    return f"""
    {NETWORKS} networks of {UNITS} units for each limb learn, for {OPTIONS.epochs} epochs and by back-propagation through the arm, its muscles and its
    delayed senses, to hold the hand still against constant torques; the squared activity of units and of muscles is penalised. A unit's preferred
    torque is the slope of its mean activity in the last {SETTLED:g} s over the torque that is countered, in eight directions. Its angle is
    doubled, so that opposite directions count as one axis: a resultant length of 0 is a preference for all axes alike, 1 for one axis.
    """
