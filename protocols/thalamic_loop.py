"""Does a loop through layer 4 and thalamus prepare a movement nearly as fast as feedback without delay?

Reproduces  Kao, Sadabadi & Hennequin (2021) Neuron 109:1567: prepared states and a readout trained on the torques of eight reaches; feedback through
            two relays of 10 ms, optimal given that the cortex is seen through them alone, split into excitatory and inhibitory weights; and naive
            preparation by a constant input. Cost, weights and stages of training are those of the authors' code.
Claim       the trained readout brings the hand within 1 cm of its targets; the loop takes nine tenths of the prospective error away at most 100 ms
            later than feedback without relays, and after 200 ms leaves a tenth of what naive preparation leaves at most.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "kao_2021"
LOOP, FEEDBACK, NAIVE = "thalamic loop", "direct feedback", "constant input"
DIRECTIONS = np.linspace(-36.0, 216.0, 8)  # deg
HOME = (0.0, 0.1991)  # m from the shoulder
DISTANCE, LASTS, SPEEDY = 0.20, 0.6, 0.14  # m, s, and the time in the speed profile (t/0.14)^2 exp(-(t/0.14)^2/2)
PREPARED, LONG, MOVED = (0.05, 0.1, 0.2, 0.3, 0.5), 0.6, 0.6  # s of preparation before the arm is moved, and at most; s after the go cue
SPREAD, RESTED, WEIGHTS = 0.2, 0.15, (1.0, 3.0)  # s.d. of prepared states and of the spontaneous one; of errors of shoulder and elbow
EXCITATORY, DENSITY = 0.8, 0.1  # share of units that are read out, and that layer 4 hears; of these, share that one of its cells hears
DIRECT, RELAYED = 0.1, 0.01  # lambda of feedback without relays and with them
STEPS = {"training": (400, 20), "feedback": (100, 5), "factors": (1000, 50)}  # at most; in a smoke run
BUMP = partial(cs.tasks.rise_and_decay, rise=0.05, decay=0.5, size=5.0)  # course of the movement input; s
BEFORE, AFTER, AXES = (-0.3, 0.0), (0.05, 0.35), 6  # s about the go cue, and leading axes that are aligned
NULLS, TURNS, SMALL_UNITS, SMALL_ABSCISSA = 100, 20, 60, 0.9  # draws; of the circuit in a smoke run
OWN = "bound of this protocol, set before it was run"
LEFT, MISSED = "prospective error after {:g} ms, relative to none", "distance of the hand from the target after {:g} ms of preparation (cm)"
ALIGNED = "alignment of preparation with movement"

Moved = Mapping[float, cs.body.Movement]  # by the time of preparation, s
Side = tuple[cs.Model, Float[ndarray, "reach unit"], Float[ndarray, "reach unit"], bool]
"""A circuit, the states that it should prepare, the constant input for it, and whether a channel closes its feedback until the go cue."""


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Train prepared states and a readout, build the loop, prepare eight reaches in three ways, and move the arm after different times.

    Args:
        model: circuit with a spontaneous state (x_rest of kao_2021), a projection for feedback (K) and an input that gates it (hold).
        seed: of the spontaneous state, of the start of training, and of the connections to layer 4.
        smoke: a small circuit, few steps of training and two times: shows that everything runs; its numbers mean nothing.
    """
    seconds: dict[str, float] = {}
    steps = {name: each[smoke] for name, each in STEPS.items()}
    parts, times = cs.analysis.feedback_parts(model), PREPARED[1::3] if smoke else PREPARED
    model = cs.edit.with_argument(model.with_arrays({}, units=SMALL_UNITS), parts.W, abscissa=SMALL_ABSCISSA) if smoke else model
    hand, torque = _reaches()
    wanted = cs.analysis.Wanted(torque[:, :: round(cs.tasks.BIN / cs.tasks.DT)], np.array(WEIGHTS), cs.tasks.BIN)
    rest = cs.analysis.spontaneous_state(model.units, spread=RESTED, seed=seed)
    begun = {model.parsed.state: {"value": rest.tolist(), "unit": "1", "meaning": "at rest", "over": "units"}}
    model = model.with_arrays({parts.x_rest: rest, parts.W_hold: np.ones((model.units, 1))}, initial_values=begun)
    with cs.timed(seconds, "training"):
        circuit, cells = _released(model, rest), round(EXCITATORY * model.units)
        rng = cs.stream(seed, "student", "prepared states and readout")
        trained = cs.analysis.train_reaches(circuit, wanted, read=cells, spread=SPREAD, rng=rng, steps=steps["training"])
        direct = cs.analysis.Controlled.of(model, np.pad(trained.readout, ((0, 0), (0, model.units - cells))), penalty=DIRECT)
    with cs.timed(seconds, "loop"):
        loop = cs.analysis.ThalamicLoop.of(direct, cells, density=DENSITY, penalty=RELAYED, seed=seed, steps=steps)
        again = cs.analysis.train_states(loop.left_by(circuit), wanted, trained, spread=SPREAD, steps=steps["training"])
    sides: dict[str, Side] = {
        LOOP: (loop.model, again.states, loop.holding_input(again.states, direct), True),
        FEEDBACK: (direct.model, trained.states, direct.holding_input(trained.states, feedback=True), True),
        NAIVE: (direct.model, trained.states, direct.holding_input(trained.states, feedback=False), False),
    }
    with cs.timed(seconds, "preparation"):
        made = {name: {lasts: _rates(side, lasts) for lasts in (*times, LONG)} for name, side in sides.items()}
        moved = {name: {lasts: _moved(each[lasts].rate, each[lasts].time, direct.readout) for lasts in times} for name, each in made.items()}
        task = cs.tasks.held_then_moving(np.zeros_like(trained.states), preparation=0.0, movement=MOVED, course=BUMP)
        released = np.maximum(cs.simulation.trajectories_from(direct.model, task, trained.states), 0)
        missed = _missed(_moved(released, task.time, direct.readout), hand)
    long = {name: each[LONG] for name, each in made.items()}
    errors = {name: _error(direct, long[name], side[1]) for name, side in sides.items()}
    scores = [score for name in sides for score in _scores(name, errors[name], long[name], moved[name], hand, seed)]
    return cs.Report(
        title=QUESTION, question=f"{model.title}; {len(DIRECTIONS)} reaches of {100 * DISTANCE:g} cm by {cs.body.HUMAN.name}.",
        answer=_answer(errors, missed, scores), scores=scores,
        claims=_exact(direct, trained.states, loop) + ([] if smoke else _claims(errors, scores, missed, loop)),
        pictures=_pictures(errors, moved, sides[LOOP], hand), trials={f"rates, {name}": each for name, each in long.items()},
        models={"loop": loop.model}, methods=_methods(trained.error, again.error), facts={"units": str(model.units)}, smoke=smoke, seed=seed,
        seconds=seconds,
    )  # fmt: skip


def _reaches() -> tuple[ndarray, ndarray]:
    """Return hand positions at every ms, m from the shoulder, (reach, time, 2), and the torques for them, N m."""
    time = np.arange(round(MOVED / cs.tasks.DT)) * cs.tasks.DT
    along, angle = cs.tasks.bell_shaped_path(time, distance=DISTANCE, lasts=LASTS, width=SPEEDY), np.radians(DIRECTIONS)
    hand = np.array(HOME) + along[None, :, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None]
    return hand, cs.body.HUMAN.torque_along(hand, cs.tasks.DT)


def _released(model: cs.Model, rest: Float[ndarray, " unit"]) -> cs.analysis.Released:
    """Return the circuit after the go cue, for training."""
    W, dt = model.arrays()[cs.analysis.feedback_parts(model).W], model.dt.si
    share = dt / float(np.median(cs.simulation.time_constant(model)))
    return cs.analysis.Released(W, rest, BUMP(np.arange(round(MOVED / dt)) * dt), share, round(cs.tasks.BIN / dt))


def _rates(side: Side, lasts: float) -> cs.Trials:
    """Return rates from rest through a preparation of some length and the movement."""
    model, _, holding, gated = side
    task = cs.tasks.held_then_moving(holding, preparation=lasts, movement=MOVED, course=BUMP, hold=gated)
    found = cs.simulate(model.with_arrays({}, channels=int(gated)), task, backend="torch")
    return cs.Trials.from_arrays(found.rate, found.time, condition=np.round(DIRECTIONS, 1), units="1")


def _moved(rates: ndarray, time: ndarray, readout: Float[ndarray, "output unit"]) -> cs.body.Movement:
    """Return the movement of the arm under the torques that are read out from rates, (reach, time, unit), after the go cue."""
    torque = (rates @ readout.T)[:, time >= -1e-9]
    return cs.body.moved_by_torques(cs.body.HUMAN, torque, home=HOME, time=time[time >= -1e-9], bin=cs.tasks.BIN)


def _missed(movement: cs.body.Movement, hand: Float[ndarray, "reach time 2"]) -> Float[ndarray, " reach"]:
    return np.asarray(np.linalg.norm(movement.made[:, -1] - 100 * (hand[:, -1] - np.array(HOME)), axis=1))


def _error(direct: cs.analysis.Controlled, rates: cs.Trials, wanted: Float[ndarray, "reach unit"]) -> Float[ndarray, "reach bin"]:
    """Return the prospective error of rates in every bin of preparation, relative to its start."""
    error = direct.prospective_error(rates.rate[:, rates.time < -1e-9], np.maximum(wanted, 0))
    return error / error[:, :1]


def _scores(name: str, error: ndarray, rates: cs.Trials, moved: Moved, hand: ndarray, seed: int) -> list[cs.Score]:
    rng, count, scores = cs.stream(seed, "null", "permuted movements of thalamic_loop"), len(error), []
    shared = {"student": name, "split": f"{count} reaches", "better": "lower", "identical": 0.0}
    target = 100 * (hand[:, -1] - np.array(HOME))  # cm
    for lasts, movement in moved.items():
        left, end = error[:, round(lasts / cs.tasks.BIN)], movement.made[:, -1]
        null = cs.statistics.reordered(lambda order, end=end: np.linalg.norm(end - target[order], axis=1).mean(), count, rng=rng, draws=NULLS)
        scores += [
            cs.Score(LEFT.format(1e3 * lasts), null=np.ones(1), surrogate="no preparation", ceiling=0.0, **shared,
                     settings={"ceiling": "the state that is wanted", "reaches": left.tolist()}, **cs.statistics.mean_over("reaches", left)),
            cs.Score(MISSED.format(1e3 * lasts), null=null, surrogate="targets of other reaches", ceiling=0.0, **shared,
                     settings={"ceiling": "the target"}, **cs.statistics.mean_over("reaches", _missed(movement, hand))),
        ]  # fmt: skip
    before, after = (part - part.mean(axis=0) for part in (rates.window(*span).rate for span in (BEFORE, AFTER)))
    null = cs.analysis.chance_alignment(after, AXES, within=None, count=TURNS, rng=rng)
    align = partial(cs.measures.alignment_index, axes=AXES)
    aligned = cs.statistics.estimated_over("reaches", count, lambda kept: align(after[kept], before[kept]), selects=True)
    shared |= {"surrogate": "subspaces drawn from all directions", "ceiling_reason": "rates are without noise"}
    return [*scores, cs.Score(ALIGNED, null=null, **shared, **aligned)]


def _exact(direct: cs.analysis.Controlled, wanted: Float[ndarray, "reach unit"], loop: cs.analysis.ThalamicLoop) -> list[cs.Claim]:
    """Return claims that hold by construction."""
    put_out, (out, into, _) = np.abs(direct.readout @ np.maximum(np.vstack([direct.rest, wanted]), 0.0).T).max(), loop.factors
    wrong = max(-into.min(), -out[:, : len(into) // 2].min(), out[:, len(into) // 2 :].max(), 0.0)
    return [
        cs.Claim("largest torque put out at rest or in a prepared state (N m)", float(put_out), 0, 1e-10, "by construction; round-off"),
        cs.Claim("largest weight of the wrong sign, from layer 4 to thalamus and from thalamus to cortex", float(wrong), 0, 0, "by construction"),
    ]


def _below(error: Float[ndarray, "reach bin"]) -> float:
    """Return after how many ms the mean error first lies below a tenth."""
    found = np.flatnonzero(error.mean(axis=0) < 0.1)
    return float(1e3 * cs.tasks.BIN * found[0]) if len(found) else np.inf


def _claims(errors: Mapping[str, ndarray], scores: list[cs.Score], missed: ndarray, loop: cs.analysis.ThalamicLoop) -> list[cs.Claim]:
    at = {(name, lasts): float(error.mean(axis=0)[round(lasts / cs.tasks.BIN)]) for name, error in errors.items() for lasts in PREPARED}
    value = cs.statistics.estimates(scores)
    turned, far = value[ALIGNED, NAIVE] - value[ALIGNED, LOOP], MISSED.format(300)
    later = _below(errors[LOOP]) - _below(errors[FEEDBACK])
    return [
        cs.Claim("trained readout: distance of the hand from the target, from prepared states (cm)", float(missed.mean()), 0, 1, OWN),
        cs.Claim("signed weights: squared error of their product, relative to the optimal feedback", loop.factors.missed, 0, 0.1, OWN),
        cs.Claim("loop: spectral abscissa of the closed linear circuit, per time constant", loop.abscissa, -np.inf, 0, "it is stable"),
        cs.Claim("loop: ms to an error below a tenth, minus those of feedback without relays", later, 0, 100, f"five times both relays; {OWN}"),
        cs.Claim("loop: error after 200 ms", at[LOOP, 0.2], 0, 0.05, OWN),
        cs.Claim("naive: error after 200 ms", at[NAIVE, 0.2], 0.5, 1, f"0.84 in an independent implementation with untrained states; {OWN}"),
        cs.Claim("naive over loop after 200 ms", at[NAIVE, 0.2] / at[LOOP, 0.2], 10, np.inf, OWN),
        cs.Claim("loop: distance of the hand from the target after 300 ms (cm)", value[far, LOOP], 0, 2, f"a tenth of the reach; {OWN}"),
        cs.Claim("naive minus loop: distance of the hand after 300 ms (cm)", value[far, NAIVE] - value[far, LOOP], 2, np.inf, OWN),
        cs.Claim("naive minus loop: alignment of preparation with movement", turned, 0, 1, "Kao et al. (2021), abstract"),
    ]  # fmt: skip


def _answer(errors: Mapping[str, ndarray], missed: ndarray, scores: list[cs.Score]) -> str:
    below = {name: _below(error) for name, error in errors.items()}
    times = ", ".join(f"{ms:g} ms ({name})" if np.isfinite(ms) else f"not within {1e3 * LONG:g} ms ({name})" for name, ms in below.items())
    aligned = ", ".join(f"{cs.statistics.estimates(scores)[ALIGNED, name]:.2f} ({name})" for name in errors)
    first = f"The mean prospective error falls below a tenth after {times}. From the prepared states the trained readout misses by"
    return f"{first} {missed.mean():.2f} cm. Alignment of preparation with movement: {aligned}."


def _pictures(errors: Mapping[str, ndarray], moved: Mapping[str, Moved], side: Side, hand: ndarray) -> dict[str, cs.Picture]:
    time, (model, _, holding, _) = 1e3 * cs.tasks.BIN * np.arange(errors[LOOP].shape[1]), side
    rows = {name: {f"{1e3 * lasts:g} ms": movement for lasts, movement in list(each.items())[1::2]} for name, each in moved.items()}
    task = cs.tasks.held_then_moving(holding, preparation=0.3, movement=0.3, course=BUMP, hold=True)
    lines = {name: cs.hidden(model, task, of=of).rate.mean(axis=(0, 2)) for name, of in (("cortex", "r"), ("layer 4", "y"), ("thalamus", "z"))}
    means = {"none": np.ones(len(time))} | {name: error.mean(axis=0) for name, error in errors.items()}
    return {
        "error": cs.Picture(cs.figures.curves(time, means, xlabel="time of preparation (ms)", ylabel="prospective error", log=True),
                            "Prospective error of the movement", "Relative to no preparation; mean over reaches."),
        "stations": cs.Picture(cs.figures.curves(1e3 * task.time, lines, xlabel="time from the go cue (ms)", ylabel="mean rate"),
                               "Rates of the loop", "Mean over units and reaches; closed at -300 ms, opened at the go cue."),
        "paths": cs.Picture(cs.figures.pushed(rows, 100 * (hand - np.array(HOME))[:, :: round(cs.tasks.BIN / cs.tasks.DT)]),
                            "Where the hand goes after so much preparation", "One colour per reach; dashed: target."),
    }  # fmt: skip


def _methods(first: float, second: float) -> str:
    return f"""
    Prepared states (s.d. {SPREAD:g} about the spontaneous state) and a readout of the excitatory units, blind to them and to rest, are trained
    together on the torques of the reaches, errors of shoulder and elbow weighted {WEIGHTS[0]:g} and {WEIGHTS[1]:g}, plus the mean squared
    weight; squared error left: {first:.2g} N² m² s. In the authors' code all eigenvectors of the observability Gramian span the states, which
    confines them to nothing. Its cost of a state is that of the output error of a linear circuit from there on. Excitatory cells drive as many
    cells of layer 4, each heard with a probability of {DENSITY:g}; the feedback from thalamus is optimal for lambda = {RELAYED:g}, summed over
    all directions of all three stations, and split into positive weights onto thalamus, and positive and negative ones onto cortex. At the go
    cue layer 4 no longer hears the cortex. Since what is on the way still arrives, prepared states of the loop are trained further (error left:
    {second:.2g}). Direct feedback, without relays (LQR): lambda = {DIRECT:g}; naive: a constant input. All simulated as cards, rectified.
    """
