"""The loop through layer 4 and thalamus: it holds what it should, its card is the linear circuit it was made for, and it fades as training has it."""

import numpy as np
import pytest

from cortex_sim.analysis._feedback import Controlled
from cortex_sim.analysis._thalamic_loop import ThalamicLoop
from cortex_sim.analysis._trained_reaches import Released, released_states
from cortex_sim.cards import load
from cortex_sim.cards.edit import with_argument
from cortex_sim.simulation import flow, simulate
from cortex_sim.tasks import BIN, DT, held_then_moving

UNITS, CELLS = 40, 32
RNG = np.random.default_rng(0)
REST, WANTED = 1 + 0.15 * RNG.standard_normal(UNITS), 1 + 0.3 * RNG.standard_normal(UNITS)


def course(time: np.ndarray) -> np.ndarray:
    return np.where(time >= 0, 5 * np.sin(20 * time), 0.0)


@pytest.fixture(scope="module")
def direct() -> Controlled:
    model = with_argument(load("kao_2021").with_arrays({}, units=UNITS), "W", abscissa=0.85)
    model = model.with_arrays({"x_rest": REST, "W_hold": np.ones((UNITS, 1))})
    return Controlled.of(model, np.pad(RNG.standard_normal((2, CELLS)), ((0, 0), (0, UNITS - CELLS))), penalty=0.1)


@pytest.fixture(scope="module")
def loop(direct: Controlled) -> ThalamicLoop:
    return ThalamicLoop.of(direct, CELLS, density=0.2, penalty=0.01, seed=3, steps={"feedback": 30, "factors": 200})


def begun(loop: ThalamicLoop) -> dict[str, dict[str, object]]:
    """The prepared state, with layer 4 and thalamus settled."""
    arrays, r = loop.model.arrays(), np.maximum(WANTED, 0)
    values = {"x": WANTED, "y": arrays["Y"] @ r, "z": arrays["Z"] @ arrays["Y"] @ r}
    return {name: {"value": value.tolist(), "meaning": "prepared", "over": "units"} for name, value in values.items()}


def test_the_loop_holds_a_state_and_leaves_as_much_as_training_supposes(direct: Controlled, loop: ThalamicLoop) -> None:
    holding = loop.holding_input(WANTED[None], direct)
    task = held_then_moving(holding, preparation=0.1, movement=0.2, course=course, hold=True)
    rates = simulate(loop.model.with_arrays({}, channels=1, initial_values=begun(loop)), task, backend="torch").rate
    held = task.time < 1e-9
    np.testing.assert_allclose(rates[:, held], np.broadcast_to(np.maximum(WANTED, 0), rates[:, held].shape), atol=1e-9)
    steps = round(0.2 / DT)
    circuit = Released(direct.W, REST, course(DT * np.arange(steps)), DT / 0.15, round(BIN / DT))
    left = np.maximum(released_states(loop.left_by(circuit), WANTED[None]), 0)[:, :: circuit.every]
    np.testing.assert_allclose(rates[:, task.time > -1e-9], left, atol=1e-9)
    alone = np.maximum(released_states(circuit, WANTED[None]), 0)[:, :: circuit.every]
    assert np.abs(left - alone).max() > 0.01  # what is left of the loop is felt


def test_signs_hold_and_the_card_is_as_stable_as_the_linear_circuit(loop: ThalamicLoop) -> None:
    arrays, model = loop.model.arrays(), loop.model
    assert (arrays["Y"] >= 0).all() and (arrays["Z"] >= 0).all()
    assert (arrays["X"][:, :20] >= 0).all() and (arrays["X"][:, 20:] <= 0).all()
    assert not arrays["Y"][CELLS:].any() and not arrays["Y"][:, CELLS:].any()
    state, step = np.concatenate([np.full(UNITS, 1.0), np.full(2 * UNITS, 1.0)]), 1e-6  # nothing is rectified
    ways = state + step * np.vstack([np.eye(3 * UNITS), -np.eye(3 * UNITS)])
    moved = flow(model.with_arrays({}, channels=1), arrays, ways, {"hold": 1.0})
    jacobian = ((moved[: 3 * UNITS] - moved[3 * UNITS :]) / (2 * step)).T
    assert 0.15 * np.linalg.eigvals(jacobian).real.max() == pytest.approx(loop.abscissa, abs=1e-6)
    assert loop.abscissa < 0
