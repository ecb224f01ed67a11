"""Does a network fitted to a few units of an integrator integrate as the circuit does?

Reproduces  the finding of Qian, Zavatone-Veth, Ruben & Pehlevan (2024) NeurIPS 37 on linear integrators: a functionally feed-forward circuit and a
            line attractor integrate a stimulus; networks of the same single units are fitted to some of the units.
Claim       from a twentieth of its units the feed-forward circuit, in which nothing lasts longer than a unit's time constant, is taken for one with a
            slow mode, as slow as regression on infinite data makes it; from all units it is not. Both fits follow what the circuit does.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import solve_discrete_lyapunov

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "leaky_recorded"  # its connections are replaced
UNITS, STAGES, LEAK = 200, 10, 0.05  # of a circuit; of the hidden chain; 1 minus the eigenvalue of the line attractor
FEED_FORWARD, LINE = "feed-forward", "line attractor"
CIRCUITS, SHARES = 5, (0.05, 0.1, 0.25, 1.0)  # drawn of each kind; of the units that are observed
TRIALS, LASTS, SETTLING, BIN = 100, 10.0, 2.0, 0.01  # trials; s of each; s of it that are left out; s
OWN, COMMON = 0.01, 0.05  # standard deviation that noise alone gives a unit; that of the stimulus in a bin, as each unit receives it
PULSES, PULSE, WATCHED = 8, 0.1, 2.0  # held-out stimuli, pulses of random size; s of a pulse, and of a test trial
LARGEST, FOLLOWS = "largest eigenvalue of the connections (real part)", "R² of responses to held-out pulses"
OWN_BOUND, PUBLISHED = "bound of this protocol, set beforehand", "Qian et al. (2024): spurious attractor structure"


class Fitted(NamedTuple):
    """What was found for one circuit and a share of its units: largest eigenvalue, in theory too, R² of pulses by the fit and without connections."""

    largest: float
    theory: float
    follows: float
    alone: float


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Fit networks to some units of two kinds of integrators, and compare the eigenvalues of their connections with those of the circuits.

    Args:
        model: tanh network with noise in every unit, channels and a unit for each recorded neuron; its connections are replaced.
        seed: of the circuits, of noise and stimuli, and of the choice of units.
        smoke: one small circuit of each kind and short trials: its numbers mean nothing.

    Raises:
        OptionError: the model is no such network.
    """
    if model.is_map or model.readout or not {"W", "W_in"} <= model.projections.keys() or not {"tau", "s"} <= model.parameters.keys():
        raise cs.errors.OptionError(f"{model.name}: should have connections W and W_in, a time constant tau and noise s, as {MODEL} has.")
    units, count, shares, seconds = (60, 2, SHARES[::3], {}) if smoke else (UNITS, CIRCUITS, SHARES, {})
    tau = float(np.median(cs.simulation.time_constant(model)))
    found: dict[tuple[str, float], list[Fitted]] = {(kind, share): [] for kind in (FEED_FORWARD, LINE) for share in shares}
    circuits, answers = {}, {}
    with cs.timed(seconds, "circuits and fits"), cs.track("integrators") as report:
        for place, (kind, draw) in enumerate((kind, draw) for kind in (FEED_FORWARD, LINE) for draw in range(count)):
            report(place / 2 / count, f"{kind} {draw}")
            circuit = _circuit(model, kind, units, tau, cs.seed_of(seed, "circuit", "integrators", kind, draw))
            circuits[kind], fits, answers[kind] = (
                circuit,
                *_read(circuit, shares, tau, cs.seed_of(seed, "task", "trials of integrators", kind, draw), smoke),
            )
            for share, one in fits.items():
                found[kind, share].append(one)
    value = {key: np.array(each) for key, each in found.items()}
    few = shares[0]
    said = {kind: f"{value[kind, few][:, 0].mean():.2f} ({value[kind, 1.0][:, 0].mean():.2f} from all)" for kind in (FEED_FORWARD, LINE)}
    return cs.Report(
        title=QUESTION, question=f"{count} feed-forward integrators of {STAGES} stages and {count} line attractors, of {units} units each.",
        answer=f"Fitted to {few:.0%} of the units, connections have a largest eigenvalue of {said[FEED_FORWARD]} if the circuit is feed-forward, "
        f"where all are 0, and of {said[LINE]} if it is a line attractor, where it is {1 - LEAK:g}. Regression on infinite data would give "
        f"{value[FEED_FORWARD, few][:, 1].mean():.2f} and {value[LINE, few][:, 1].mean():.2f}. A mode with eigenvalue λ is 1/(1 - λ) times as slow "
        "as a unit alone.",
        claims=[] if smoke else _claims(value), scores=[score for key, each in value.items() for score in _scores(*key, each)],
        pictures=_pictures(value, shares), models=circuits, trials={f"pulses, {kind}": each for kind, each in answers.items()}, methods=_methods(),
        smoke=smoke, seed=seed, seconds=seconds,
    )  # fmt: skip


def _circuit(model: cs.Model, kind: str, units: int, tau: float, seed: int) -> cs.Model:
    """Return an integrator: a chain hidden in random directions, whose first stage hears the stimulus, or one direction that feeds itself."""
    rng = cs.stream(seed, "circuit", "directions of the integrator")
    Q = np.linalg.qr(rng.standard_normal((units, STAGES)))[0]
    W = Q[:, 1:] @ Q[:, :-1].T if kind == FEED_FORWARD else (1 - LEAK) * Q[:, :1] @ Q[:, :1].T
    heard = np.sqrt(units) * Q[:, :1]
    quiet = cs.edit.with_values(model, {"s": OWN * np.sqrt(2 * tau)})
    return quiet.with_arrays({"W": W, "W_in": heard}, units=units, channels=1)


def _read(circuit: cs.Model, shares: Sequence[float], tau: float, seed: int, smoke: bool) -> tuple[dict[float, Fitted], cs.Trials]:
    """Return what fits to shares of the units are like, and how the circuit answers pulses; next states are regressed on rates and stimuli."""
    rng = cs.stream(seed, "task", "stimuli of the integrator")
    trials, lasts = (20, 4.0) if smoke else (TRIALS, LASTS)
    task = cs.tasks.from_inputs(COMMON * tau / BIN * rng.standard_normal((trials, round(lasts / BIN), 1)), bin=BIN)
    states = np.arctanh(cs.simulate(circuit, task, seed=seed).rate[:, round(SETTLING / BIN) :])
    heard = task.channels.values[:, :: task.channels.values.shape[1] // round(lasts / BIN)][:, round(SETTLING / BIN) :]
    pulses = cs.tasks.from_inputs(_pulses(rng), bin=BIN)
    still = cs.edit.with_values(circuit, {"s": 0.0})
    answer, arrays, order = cs.simulate(still, pulses), circuit.arrays(), rng.permutation(circuit.units)
    steps, found = BIN / tau, {}
    for share in shares:
        seen = np.sort(order[: round(share * circuit.units)])
        now, after = (states[:, shift : states.shape[1] - 1 + shift][:, :, seen].reshape(-1, len(seen)) for shift in (0, 1))
        given = np.column_stack([np.tanh(now), heard[:, :-1].reshape(len(now), -1)])
        decayed = after - np.exp(-steps) * now  # what connections and stimulus add to a unit that is left alone
        fit = np.linalg.lstsq(given, decayed / -np.expm1(-steps), rcond=None)[0].T
        student = {"W": fit[:, : len(seen)], "W_in": fit[:, len(seen) :]}
        made = [cs.simulate(still.with_arrays(each, units=len(seen), channels=1), pulses).rate
                for each in (student, student | {"W": np.zeros_like(student["W"])})]  # fmt: skip
        wanted = answer.rate[:, :, seen]
        follows = [float(1 - ((wanted - one) ** 2).sum() / (wanted**2).sum()) for one in made]
        found[share] = Fitted(_largest(student["W"]), _largest(_expected(arrays["W"], arrays["W_in"], seen, tau)), *follows)
    return found, answer


def _pulses(rng: np.random.Generator) -> Float[ndarray, "trial bin 1"]:
    """Return stimuli that last for a while at the start, of random size."""
    course = np.arange(round(WATCHED / BIN)) < round(PULSE / BIN)
    return COMMON * rng.standard_normal((PULSES, 1, 1)) * course[:, None]


def _largest(connections: Float[ndarray, "unit unit"]) -> float:
    """Return the largest real part of the eigenvalues."""
    return float(np.linalg.eigvals(connections).real.max())


def _expected(W: ndarray, heard: ndarray, seen: ndarray, tau: float) -> Float[ndarray, "unit unit"]:
    r"""Return the connections that regression finds in infinite data of a linear circuit: :math:`W_{oo} + W_{oh} C_{ho} C_{oo}^{-1}`.

    What hidden units h send is predicted from observed ones o, as far as their covariance C tells. C is that of states at the bins, between which
    the flow is followed exactly.
    """
    units, steps = len(W), BIN / tau
    A, fine = W - np.eye(units), 50
    once, noise, step = np.eye(units), np.zeros((units, units)), np.eye(units) + A * steps / fine
    for _ in range(fine):
        once, noise = once @ step, step @ noise @ step.T + 2 * OWN**2 * steps / fine * np.eye(units)
    driven = np.linalg.solve(A, once - np.eye(units)) @ heard * COMMON * tau / BIN
    C = solve_discrete_lyapunov(once, noise + driven @ driven.T)
    hidden = np.setdiff1d(np.arange(units), seen)
    part = W[np.ix_(seen, seen)]
    return part if not len(hidden) else part + W[np.ix_(seen, hidden)] @ C[np.ix_(hidden, seen)] @ np.linalg.inv(C[np.ix_(seen, seen)])


def _scores(kind: str, share: float, each: Float[ndarray, "circuit number"]) -> list[cs.Score]:
    count, name = len(each), f"{kind}, {share:.0%} of the units"
    reason = {"null": None, "surrogate": "a number of the fit alone, without a hypothesis"}
    shared = {"student": name, "split": f"{count} circuits", "ceiling_reason": "the circuit's own flow is known exactly"} | reason
    over = [cs.statistics.mean_over("circuits", each[:, place]) for place in (0, 2)]
    return [
        cs.Score(LARGEST, better="closer", identical=0.0 if kind == FEED_FORWARD else 1 - LEAK,
                 settings={"infinite data": each[:, 1].tolist(), "circuits": each[:, 0].tolist()}, **shared, **over[0]),
        cs.Score(FOLLOWS, better="higher", identical=1.0,
                 settings={"without connections": each[:, 3].tolist()}, **shared, **over[1]),
    ]  # fmt: skip


def _claims(value: Mapping[tuple[str, float], Float[ndarray, "circuit number"]]) -> list[cs.Claim]:
    mean = {key: each.mean(axis=0) for key, each in value.items()}
    few = SHARES[0]
    return [
        cs.Claim(f"{FEED_FORWARD}, {few:.0%} observed: largest eigenvalue", mean[FEED_FORWARD, few][0], 2 / 3, np.inf,
                 f"{PUBLISHED}; at least three times as slow as a unit"),
        cs.Claim(f"{FEED_FORWARD}, all observed: largest eigenvalue", mean[FEED_FORWARD, 1.0][0], 0.0, 0.6, f"{OWN_BOUND}: nearly defective"),
        cs.Claim(f"{LINE}, {few:.0%} observed: largest eigenvalue", mean[LINE, few][0], 0.85, 1.05, OWN_BOUND),
        cs.Claim(f"{FEED_FORWARD}, {few:.0%} observed: largest eigenvalue minus that of infinite data",
                 mean[FEED_FORWARD, few][0] - mean[FEED_FORWARD, few][1], -0.1, 0.1, "closed form of the regression"),
        *(cs.Claim(f"{kind}, {few:.0%} observed: R² of pulses minus that without connections", mean[kind, few][2] - mean[kind, few][3], 0.1, np.inf,
                   f"fits follow the circuit; {OWN_BOUND}") for kind in (FEED_FORWARD, LINE)),
    ]  # fmt: skip


def _pictures(value: Mapping[tuple[str, float], Float[ndarray, "circuit number"]], shares: Sequence[float]) -> dict[str, cs.Picture]:
    lines = {}
    for kind in (FEED_FORWARD, LINE):
        for place, what in enumerate(("fitted", "infinite data")):
            lines[f"{kind}, {what}"] = np.array([value[kind, share][:, place].mean() for share in shares])
    drawn = cs.figures.curves(100 * np.array(shares), lines, xlabel="units observed (%)", ylabel="largest eigenvalue of the connections")
    about = f"Mean over circuits; those of the circuits are 0 (feed-forward) and {1 - LEAK:g} (line attractor)."
    return {"largest": cs.Picture(drawn, "Connections fitted to some of the units", about)}


def _methods() -> str:
    return f"""
    Units leak with a time constant of their own and receive white noise that alone gives them a standard deviation of {OWN}; the stimulus, new in
    every bin, reaches all of them along one direction. The feed-forward circuit passes it through {STAGES} stages, hidden in random orthogonal
    directions: all of its modes decay with a unit's time constant, and yet activity lasts for {STAGES} of them (Goldman 2009). The line attractor
    feeds one direction back with {1 - LEAK:g}. States are small, where tanh is nearly linear. {TRIALS} trials of {LASTS:g} s: the state in the next
    bin is regressed on the rates of the observed units and the stimulus in this one, given what each unit forgets.
    """
