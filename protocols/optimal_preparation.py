"""When does it pay to prepare a movement?

Reproduces  the claims of Schimel, Kao & Hennequin (2024) eLife 12:RP89131: inputs that control a model of motor cortex optimally start before the
            movement, though none has to; they do the more, the more observable a network makes the states that its readout does not see, and the
            less controllable what it sees. There with iterated LQR on an arm; here with linear networks whose outputs are the torques of reaches,
            for which the optimum is a closed form.
Claim       in stability-optimised networks at least a tenth of the energy of the optimal input precedes the movement, and without it the movement
            costs a fifth more; in units without connections less than a hundredth does; over networks of five kinds the share follows
            observability, and falls with controllability beyond that.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL, SOURCE = "murphy_miller_2009", "hennequin_2014"  # linear, its connections are replaced; whose rule of weights is used
UNITS, DRAWS, TAU, STEP = 60, 6, 0.15, 0.005  # of a network; draws of each kind; s: time constant, step
DELAY, MOVED, PENALTY = 0.3, 0.6, 1e-3  # s before and after the onset of movement; cost of the input, that of the outputs being their mean square
HOME, DISTANCE, SPEEDY = (0.0, 0.1991), 0.20, 0.14  # m, m and s: reaches of Kao et al. (2021)
DIRECTIONS = np.linspace(-36.0, 216.0, 8)  # deg
OPTIMISED, RANDOM, TURNING, SYMMETRIC, NONE = "stability-optimised", "random", "rotational", "symmetric", "no connections"
INDEX, COST = "share of the input's energy before the movement", "cost without preparation over that with it"
OWN, NEAR_0 = "bound of this protocol, set beforehand", "Schimel et al. (2024); 0 set beforehand, which chance meets, and -0.06 to 0.03 found"


class Controlled(NamedTuple):
    """Optimal control of one network.

    Attributes:
        W: connections.
        inputs: (reach, step, unit), in the unit of the state.
        outputs: (reach, step, output).
        index: share of the energy of the inputs that precedes the movement.
        cost: without inputs before the movement, over that with them.
        observable: observability of the null space over that of the readout's, mean over dimensions.
        controllable: variance of the outputs under white noise into every unit.
    """

    W: Float[ndarray, "unit unit"]
    inputs: Float[ndarray, "reach step unit"]
    outputs: Float[ndarray, "reach step output"]
    index: float
    cost: float
    observable: float
    controllable: float


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Control networks of five kinds optimally for the torques of eight reaches, and ask how much of the input precedes the movement.

    Args:
        model: linear circuit with one recurrent projection; its connections are replaced.
        seed: of connections and readouts.
        smoke: one draw of each kind: its numbers mean nothing.

    Raises:
        OptionError: the circuit has no such projection, or several states.
    """
    recurrent = [] if model.is_map or model.readout else cs.simulation.recurrent_projections(model)
    if len(recurrent) != 1 or len(model.parsed.states) != 1:
        raise cs.errors.OptionError(f"{model.name}: should be a linear circuit with one recurrent projection, such as {MODEL}.")
    seconds: dict[str, float] = {}
    wanted = _torques()
    with cs.timed(seconds, "networks"):
        connections = {kind: [_connections(kind, seed, draw) for draw in range(1 if smoke else DRAWS)] for kind in
                       (OPTIMISED, RANDOM, TURNING, SYMMETRIC, NONE)}  # fmt: skip
    with cs.timed(seconds, "control"):
        found = {kind: [_controlled(W, _readout(seed, draw), wanted) for draw, W in enumerate(group)] for kind, group in connections.items()}
    with cs.timed(seconds, "simulation"):
        circuit, trials = _simulated(model, recurrent[0], found[OPTIMISED][0])
    made = trials.rate @ _readout(seed, 0).T
    value = {kind: {what: np.array([getattr(one, what) for one in group]) for what in ("index", "cost", "observable", "controllable")}
             for kind, group in found.items()}  # fmt: skip
    scores = [score for kind, each in value.items() for score in _scores(kind, each, value[NONE]["index"])]
    told = ", ".join(f"{kind} {each['index'].mean():.2f}" for kind, each in value.items())
    taus = _taus(value)
    return cs.Report(
        title=QUESTION, question=f"{len(connections[NONE])} networks of {UNITS} linear units of each of {len(found)} kinds, for torques of reaches.",
        answer=f"Share of the optimal input's energy that precedes the movement: {told}. Without it the movement costs "
        f"{value[OPTIMISED]['cost'].mean():.2f} times as much in stability-optimised networks. Over all networks the share ranks with the "
        f"observability of the null space (Kendall's τ {taus[0]:.2f}) and, given that, with the controllability of the readout (partial τ "
        f"{taus[1]:.2f}).",
        claims=_claims(value, found[OPTIMISED][0], made, taus, smoke), scores=scores, pictures=_pictures(found, wanted),
        models={"stability-optimised": circuit}, trials={"stability-optimised": trials}, methods=_methods(), smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _torques() -> Float[ndarray, "reach step output"]:
    """Return torques of the reaches, 0 before the movement, of mean square 1 during it."""
    time = np.arange(round(MOVED / cs.tasks.DT)) * cs.tasks.DT
    along, angle = cs.tasks.bell_shaped_path(time, distance=DISTANCE, lasts=MOVED, width=SPEEDY), np.radians(DIRECTIONS)
    hand = np.array(HOME) + along[None, :, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None]
    torque = cs.body.HUMAN.torque_along(hand, cs.tasks.DT)[:, :: round(STEP / cs.tasks.DT)]
    return np.pad(torque / np.sqrt((torque**2).mean()), ((0, 0), (round(DELAY / STEP), 0), (0, 0)))


def _connections(kind: str, seed: int, draw: int) -> Float[ndarray, "unit unit"]:
    if kind == OPTIMISED:
        card = cs.load(SOURCE)
        return card.with_arrays({}, units=UNITS, seed=cs.seed_of(seed, "circuit", "networks of optimal_preparation", draw)).arrays()["W"]
    noise = cs.stream(seed, "circuit", "weights of optimal_preparation", draw).standard_normal((UNITS, UNITS)) / np.sqrt(UNITS)
    made = {RANDOM: 0.8 * noise, TURNING: 2.0 * (noise - noise.T), SYMMETRIC: 0.4 * (noise + noise.T) / np.sqrt(2), NONE: 0.0 * noise}
    return made[kind]


def _readout(seed: int, draw: int) -> Float[ndarray, "output unit"]:
    """Return a random readout of two outputs, whose rows are orthogonal and of length 1."""
    rng = cs.stream(seed, "circuit", "readouts of optimal_preparation", draw)
    return np.linalg.qr(rng.standard_normal((UNITS, 2)))[0].T


def _controlled(W: Float[ndarray, "unit unit"], C: Float[ndarray, "output unit"], wanted: Float[ndarray, "reach step output"]) -> Controlled:
    r"""Minimise :math:`\sum_k |C x_k - y_k|^2 + \lambda |u_k|^2` with :math:`x_{k+1} = F x_k + G u_k` from rest, by dynamic programming.

    The cost to go is :math:`x^\top S x - 2 v^\top x` up to a constant, and the optimal input :math:`(\lambda + G^\top S G)^{-1} G^\top(v - S F x)`.
    """
    A, G, steps = W - np.eye(UNITS), STEP / TAU, wanted.shape[1]
    F = np.eye(UNITS) + G * A
    S, v, gains = C.T @ C, wanted[:, -1] @ C, []
    for step in range(steps - 2, -1, -1):
        inverse = np.linalg.inv(PENALTY * np.eye(UNITS) + G**2 * S)
        gains.append((G * inverse @ S @ F, G * v @ inverse))  # symmetric
        closed = F - G * gains[-1][0]
        S, v = C.T @ C + F.T @ S @ closed, wanted[:, step] @ C + v @ closed
    runs = [_run(F, G, gains[::-1], begin) for begin in (0, round(DELAY / STEP))]
    costs = [((states @ C.T - wanted) ** 2).sum() + PENALTY * (inputs**2).sum() for states, inputs in runs]
    states, inputs = runs[0]
    null = np.linalg.svd(C)[2][2:].T
    Q, P = cs.analysis.observability(A, C), cs.analysis.observability(A.T, np.eye(UNITS))
    early = (inputs[:, : round(DELAY / STEP)] ** 2).sum() / (inputs**2).sum()
    seen = np.trace(null.T @ Q @ null) / null.shape[1] / (np.trace(C @ Q @ C.T) / len(C))
    return Controlled(W, inputs, states @ C.T, float(early), float(costs[1] / costs[0]), float(seen), float(np.trace(C @ P @ C.T)))


def _run(
    F: Float[ndarray, "unit unit"], G: float, gains: list[tuple[ndarray, ndarray]], begin: int
) -> tuple[Float[ndarray, "reach step unit"], Float[ndarray, "reach step unit"]]:
    """Return states and inputs from rest, without input before a step; the last input moves nothing any more and is 0."""
    states, inputs = [np.zeros_like(gains[0][1])], []
    for step, (K, known) in enumerate(gains):
        inputs.append(known - states[-1] @ K.T if step >= begin else np.zeros_like(known))
        states.append(states[-1] @ F.T + G * inputs[-1])
    return np.stack(states, axis=1), np.stack([*inputs, np.zeros_like(known)], axis=1)


def _simulated(model: cs.Model, projection: str, control: Controlled) -> tuple[cs.Model, cs.Trials]:
    """Return a circuit with these connections, and its rates under the optimal inputs."""
    scale = float(np.median(cs.simulation.time_constant(model))) / TAU  # the card has its own time constant
    circuit = cs.edit.with_step(model, 1e3 * STEP * scale).with_arrays({projection: control.W}, units=UNITS)
    reaches, steps, units = control.inputs.shape
    U, s, V = np.linalg.svd(control.inputs.transpose(1, 0, 2).reshape(steps, -1), full_matrices=False)
    kept = int(np.count_nonzero(s > 1e-12 * s[0]))
    h = STEP * scale
    task = cs.Task("optimal control", 0.0, steps * h, np.arange(reaches), initial=np.zeros((reaches, units)), bin=h, step=h)
    drives = tuple(cs.tasks.Drive((s[k] * V[k]).reshape(reaches, units), U[:, k], f"input {k + 1}") for k in range(kept))
    return circuit, cs.simulate(circuit, replace(task, drives=drives))


def _taus(value: Mapping[str, Mapping[str, Float[ndarray, " network"]]]) -> tuple[float, float]:
    read = ("index", "observable", "controllable")
    index, observable, controllable = (np.round(np.concatenate([each[what] for each in value.values()]), 12) for what in read)  # round-off ties
    return cs.statistics.kendall_tau(index, observable), cs.statistics.partial_tau(index, controllable, observable)


def _scores(kind: str, each: Mapping[str, Float[ndarray, " network"]], null: Float[ndarray, " network"]) -> list[cs.Score]:
    split, none = f"{len(each['index'])} networks", "no share is best"
    return [
        cs.Score(INDEX, kind, split, better="higher", identical=1.0, null=np.full(1, null.mean()), surrogate="no connections", ceiling_reason=none,
                 **cs.statistics.mean_over("networks", each["index"])),
        cs.Score(COST, kind, split, better="higher", identical=1.0, null=np.ones(1), surrogate="preparation of no use", ceiling_reason=none,
                 **cs.statistics.mean_over("networks", each["cost"])),
    ]  # fmt: skip


def _claims(
    value: Mapping[str, Mapping[str, Float[ndarray, " network"]]], one: Controlled, made: ndarray, taus: tuple[float, float], smoke: bool
) -> list[cs.Claim]:
    best, apart = value[OPTIMISED], float(np.abs(made - one.outputs).max())
    simulated = cs.Claim("stability-optimised: largest difference of simulated outputs from those of the control", apart, 0.0, 1e-8, "round-off")
    if smoke:
        return [simulated]
    return [
        simulated,
        cs.Claim(f"stability-optimised: {INDEX}", float(best["index"].mean()), 0.1, 1.0, OWN),
        cs.Claim(f"stability-optimised: {COST}", float(best["cost"].mean()), 1.2, np.inf, OWN),
        cs.Claim(f"no connections: {INDEX}", float(value[NONE]["index"].mean()), 0.0, 0.01, OWN),
        cs.Claim("all networks: Kendall's τ of the share with the observability of the null space", taus[0], 0.4, 1.0, OWN),
        cs.Claim("all networks: partial τ of the share with the controllability of the readout", taus[1], -1.0, -0.1, NEAR_0),
    ]


def _pictures(found: Mapping[str, list[Controlled]], wanted: ndarray) -> dict[str, cs.Picture]:
    time = 1e3 * (np.arange(wanted.shape[1]) * STEP - DELAY)
    energy = {kind: np.sqrt(np.mean([(one.inputs**2).mean(axis=(0, 2)) for one in group], axis=0)) for kind, group in found.items()}
    torque = {"wanted": np.sqrt((wanted**2).mean(axis=(0, 2)))}
    ranked = {kind: sorted((one.observable, one.index) for one in group) for kind, group in found.items()}
    lines = {kind: ([x for x, _ in pairs], np.array([[y for _, y in pairs]])) for kind, pairs in ranked.items()}
    return {
        "inputs": cs.Picture(cs.figures.curves(time, torque | energy, xlabel="time from the onset of movement (ms)", ylabel="r.m.s. of the input"),
                             "Optimal inputs", "Mean over networks of a kind; thick: wanted outputs, r.m.s. over reaches."),
        "observability": cs.Picture(cs.figures.over_settings({INDEX: lines}, xlabel="observability of the null space over that of the readout"),
                                    "Preparation by observability", "One dot a network."),
    }  # fmt: skip


def _methods() -> str:
    return f"""
    Networks of {UNITS} linear units with a time constant of {1e3 * TAU:g} ms: the rule of {SOURCE}; Gaussian weights with a spectral radius of
    0.8; skew-symmetric and symmetric ones; and none. Two random outputs should follow the torques of {len(DIRECTIONS)} reaches for {MOVED:g} s
    and be 0 for {DELAY:g} s before. Inputs go to every unit; they minimise the squared error plus {PENALTY:g} times their own square, summed over
    steps of {1e3 * STEP:g} ms. Without preparation they are optimal from the onset on. Observability: energy of the outputs that states of unit
    length evoke, mean over directions of the null space over that of the readout. Controllability: variance of the outputs under white noise.
    """
