"""Driven linear systems with known operators: their distance depends on A and B, and not on inputs or on rotations of the rates."""

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.comparison._dsa import delay_operator, eigenvalue_distance
from cortex_sim.comparison._input_dsa import driven_operators, input_dsa
from cortex_sim.comparison._planted import damped_rotations
from cortex_sim.errors import ComparisonError, OptionError

A = damped_rotations(np.array([0.3, 0.9]), np.array([0.97, 0.9]))
FASTER = damped_rotations(np.array([0.5, 0.9]), np.array([0.97, 0.9]))
B, SEEN = np.random.default_rng(0).standard_normal((4, 2)), np.random.default_rng(1).standard_normal((12, 4))
TRIALS, BINS = 100, 60
RNG = np.random.default_rng(2)
WHITE = RNG.standard_normal((TRIALS, BINS, 2))
WAVES = 2 * np.sin(0.55 * np.arange(BINS)[:, None] + RNG.uniform(0, 6, (TRIALS, 1, 2))) + 0.2 * RNG.standard_normal((TRIALS, BINS, 2))


def driven(inputs: np.ndarray, seed: int, *, state: np.ndarray = A, entering: np.ndarray = B, noise: float = 0.05) -> np.ndarray:
    """Rates of twelve units that see four states through fixed weights, with noise of the state and of the observation."""
    rng = np.random.default_rng(seed)
    x = np.zeros((*inputs.shape[:2], 4))
    x[:, 0] = rng.standard_normal((len(x), 4))
    for t in range(x.shape[1] - 1):
        x[:, t + 1] = x[:, t] @ state.T + inputs[:, t] @ entering.T + noise * rng.standard_normal((len(x), 4))
    return x @ SEEN.T + noise * rng.standard_normal((*x.shape[:2], 12))


def test_operators_of_a_system_without_noise_are_exact_up_to_coordinates() -> None:
    """Eigenvalues of A, and what reaches the rates of an impulse of the input after so many bins, C A^k B, up to the rotation of the state."""
    found = driven_operators(driven(WHITE, 3, noise=0.0), WHITE, rank=4)
    assert eigenvalue_distance(found.state, A) < 1e-5  # the ridge penalty is 1e-8 of the variance
    wanted = [np.linalg.norm(np.linalg.qr(np.vstack([SEEN @ np.linalg.matrix_power(A, k) for k in range(5)]))[1] @ np.linalg.matrix_power(A, lag) @ B)
              for lag in range(4)]  # fmt: skip
    assert [np.linalg.norm(np.linalg.matrix_power(found.state, lag) @ found.entering) for lag in range(4)] == pytest.approx(wanted, rel=1e-4)


def test_other_inputs_leave_the_distance_at_0_where_that_of_plain_dsa_is_large() -> None:
    """TRIALS * BINS = 6,000 samples: errors of order 1/sqrt(6,000) = 0.013, times the noise of 0.05."""
    one, other = driven(WHITE, 4), driven(WAVES, 5)
    found = input_dsa(one, other, inputs=(WHITE, WAVES))
    plain = eigenvalue_distance(*(delay_operator(x - x.mean(axis=(0, 1)), delays=3, rank=4) for x in (one, other)))
    assert found.eigenvalues < 0.01 and found.state < 0.01 and found.joint < 0.02 and plain > 0.2


def test_the_distance_is_that_of_the_eigenvalues_of_normal_operators_and_ignores_rotations() -> None:
    one, other = driven(WHITE, 6), driven(WAVES, 7, state=FASTER)
    found = input_dsa(one, other, inputs=(WHITE, WAVES))
    assert found.eigenvalues == pytest.approx(eigenvalue_distance(A, FASTER), abs=0.01) and found.state > 0.1
    Q = np.linalg.qr(np.random.default_rng(8).standard_normal((12, 12)))[0]
    assert input_dsa(one, other @ Q + 3.0, inputs=(WHITE, WAVES)) == pytest.approx(found, abs=1e-3)  # a search; the rest is round-off


def test_another_way_in_is_seen_by_the_joint_distance_alone() -> None:
    found = input_dsa(driven(WHITE, 9), driven(WHITE, 10, entering=B[::-1]), inputs=(WHITE, WHITE))
    assert found.eigenvalues < 0.01 and found.state < 0.01 and found.joint > 0.3


def test_what_cannot_be_compared_is_refused() -> None:
    rates = driven(WHITE, 11)
    with pytest.raises(ComparisonError, match=r"^input dsa: 2 channels on one side, 1 on the other; they should be the same\.$"):
        input_dsa(rates, rates, inputs=(WHITE, WHITE[:, :, :1]))
    with pytest.raises(ComparisonError, match=r"inputs are \(trial, time\) \(100, 9\); they should be \(100, 60\), as the rates are"):
        driven_operators(rates, WHITE[:, :9])
    with pytest.raises(
        ComparisonError, match=r"a window of 30 bins in trials of 60; it should be 2 at least, and twice as many and one more should fit"
    ):
        driven_operators(rates, WHITE, window=30)
    with pytest.raises(ComparisonError, match=r"the rates do not vary"):
        driven_operators(np.ones((3, 20, 2)), WHITE[:3, :20])
    with pytest.raises(ComparisonError, match=r"rank 0; there should be a state variable at least"):
        driven_operators(rates, WHITE, rank=0)
    broken = WHITE.copy()
    broken[2, 3, 1] = np.nan
    with pytest.raises(
        OptionError, match=r"^driven_operators: inputs is not finite, first at trial 2, time 3, channel 1; what is missing is no number"
    ):
        cs.measures.driven_operators(rates, broken)
