"""How well a measure of similarity ranks students by their true distance from the circuit."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.comparison._mechanism import FIXED, PUSHES, Reading
from cortex_sim.runtime import stream
from cortex_sim.statistics import Score, kendall_tau, mean_over

TAU_OF = "Kendall's τ between the measure and {}, over students; {} of the units seen"
NULLS = 200
KNOWN: dict[str, str] = {
    PUSHES: "the truth is known from draws of pushes; how well one half of them ranks students as the other is its reliability, which is no bound",
    FIXED: "known exactly, but for the fixed points that searches miss",
}


def rank_score(measure: str, readings: Sequence[Reading], truth: str, view: str, seed: int) -> Score:
    """Return how well a measure ranks students by a known mechanism, mean over cells; the interval omits whole circuits.

    Args:
        measure: its name.
        readings: of all cells.
        truth: name of the known mechanism.
        view: what is observed of the circuits; other cells are ignored.
        seed: of the null.
    """
    seen = [reading for reading in readings if reading.cell.view == view]
    taus, names = np.array([kendall_tau(reading.alike[measure], reading.truths[truth]) for reading in seen]), [r.cell.circuit for r in seen]
    rng = stream(seed, "null", "permuted students of mechanism", view)
    kinds = list(dict.fromkeys(student for reading in seen for student in reading.students))

    def exchanged() -> float:
        """Return τ with kinds of students exchanged, alike in all cells, since a measure may favour one kind, and a kind be good, in all of them."""
        rank = dict(zip(kinds, rng.permutation(len(kinds)), strict=True))
        orders = [np.argsort([rank[student] for student in r.students]) for r in seen]
        return float(np.mean([kendall_tau(r.alike[measure][order], r.truths[truth]) for r, order in zip(seen, orders, strict=True)]))

    null = [exchanged() for _ in range(NULLS)]
    by = {name: float(taus[np.array(names) == name].mean()) for name in dict.fromkeys(names)}
    over_circuits = mean_over("circuits", np.array(list(by.values())), otherwise="one circuit")
    return Score(
        TAU_OF.format(truth, view), measure, f"{len(seen)} cells of {len(seen[0].students)} students", float(taus.mean()), "higher", 1.0,
        np.array(null), "students permuted, alike in all cells", over_circuits["interval"], over_circuits["interval_over"],
        ceiling_reason=KNOWN.get(truth, "the truth is known exactly, so a perfect measure reaches 1"),
        settings={"reliability": float(np.mean([kendall_tau(*reading.halves) for reading in seen])), "circuits": by},
    )  # fmt: skip


def blind_taus(readings: Sequence[Reading], rng: np.random.Generator, count: int) -> tuple[Float[ndarray, " draw"], float]:
    r"""Return τ of random rankings, ``count`` in each cell, and four standard errors of their mean under independence.

    The variance of τ for n students is :math:`2(2n+5)/(9n(n-1))`.

    Source:
        Kendall (1938) Biometrika 30:81.
    """
    taus = [kendall_tau(rng.standard_normal(len(r.students)), r.truths[PUSHES]) for r in readings for _ in range(count)]
    n = min(len(reading.students) for reading in readings)
    return np.array(taus), float(4 * np.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1)) / len(taus)))
