"""The rate reductions of spiking circuits: what their papers and tables say follows from the cards' own equations."""

import csv
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray
from scipy.integrate import quad
from scipy.optimize import fsolve, minimize_scalar

from cortex_sim import simulate
from cortex_sim.cards import catalogue
from cortex_sim.simulation._dynamics import beginning, flow
from cortex_sim.simulation.torch._run import linearise
from cortex_sim.tasks._free import free_run
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import Task

QIF, M1 = catalogue.load("montbrio_2015"), catalogue.load("dura_bernal_2023")
TAU = 0.01  # s, of the mean field
NAMES = ["IT2", "SOM2", "PV2", "IT4", "IT5A", "SOM5A", "PV5A", "IT5B", "PT5B", "SOM5B", "PV5B", "IT6", "CT6", "SOM6", "PV6"]
SIZES = np.array([1730, 127, 257, 767, 644, 56, 114, 1435, 1435, 251, 511, 1236, 1236, 90, 184])
INHIBITORY = np.array([name[:2] in ("PV", "SO") for name in NAMES])
TAU_M = np.where(INHIBITORY, 0.010, 0.020)  # s
TAU_S = np.array([{"PV": 0.0182, "SO": 0.030}.get(name[:2], 0.0053) for name in NAMES])  # s
ROUNDED = 5e-6  # relative: the card gives six digits


def fixed_point(r: float, v: float, drive: float = 0.0) -> ndarray:
    return fsolve(lambda state: flow(QIF, {}, state * [100, 1], {"drive": drive}) * TAU, (r, v), xtol=1e-13) * [100, 1]


def eigenvalues(state: ndarray) -> ndarray:
    """Of the flow: a step of Euler's method is 1 + dt times it."""
    found = np.linalg.eigvals((linearise(QIF, {}, state) - np.eye(2)) / QIF.dt.si) * TAU
    return found[np.lexsort((found.imag, -found.real))]


@pytest.mark.parametrize(
    ("r", "v", "spectrum"),
    [
        pytest.param(0.08113, -1.9616, (-2.45, -5.40), id="node"),
        pytest.param(0.47298, -0.3365, (1.64, -2.99), id="saddle"),
        pytest.param(1.03060, -0.1544, (-0.309 - 3.319j, -0.309 + 3.319j), id="focus"),
    ],
)
def test_the_mean_field_has_its_three_fixed_points_and_their_spectra(r: float, v: float, spectrum: tuple[complex, complex]) -> None:
    state = fixed_point(r, v)
    assert state[0] / 100 == pytest.approx(r, abs=6e-6) and state[1] == pytest.approx(v, abs=6e-5)  # to the published digits
    digits = 0.0006 if isinstance(spectrum[0], complex) else 0.006
    assert np.abs(eigenvalues(state) - spectrum).max() < digits


def test_rate_and_potential_at_a_fixed_point_obey_the_papers_relations() -> None:
    """v = -Delta/(2 pi r), and then v^2 + eta + J r = (pi r)^2, in units of tau, at every drive."""
    for start, drive in (((0.08, -2), 0.0), ((1.03, -0.15), 0.0), ((1.37, -0.12), 3.0)):
        r, v = fixed_point(*start, drive=drive) * [0.01, 1]
        assert v == pytest.approx(-1 / (2 * np.pi * r), rel=1e-10)
        assert v**2 - 5 + 15 * r + drive == pytest.approx((np.pi * r) ** 2, rel=1e-10)


@pytest.mark.parametrize("backend", ["brian", pytest.param("torch", marks=pytest.mark.long)])
def test_a_step_of_drive_switches_the_mean_field_on_and_it_stays_on(backend: str) -> None:
    """Focus and step state decay with 0.31 and 0.23 a tau; 0.005 h |w|^2 is what Euler's step takes off: means of 10 tau are flat to 0.1 %."""
    course = np.zeros(900)
    course[100:400] = 1.0  # 30 tau
    task = Task("step", 0.0, 0.9, np.arange(1), drives=(Drive(np.full((1, 1), 3.0), course),))
    rate = simulate(QIF, task, backend=backend).rate[0, :, 0]
    assert rate[:11] == pytest.approx(8.113, abs=1e-3)
    assert rate[30:40].mean() == pytest.approx(137.32, rel=2e-3)
    assert rate[-10:].mean() == pytest.approx(103.06, rel=1e-3)


@pytest.mark.long
def test_a_brief_step_does_not_switch_it_on() -> None:
    course = np.zeros(600)
    course[100:105] = 1.0  # half a tau: r does not reach the saddle
    task = Task("step", 0.0, 0.6, np.arange(1), drives=(Drive(np.full((1, 1), 3.0), course),))
    assert simulate(QIF, task, backend="torch").rate[0, -1, 0] == pytest.approx(8.113, abs=1e-2)


def potential(t: float, tau_m: float, tau_s: float) -> float:
    """Free membrane after a synaptic current that jumps by 1, of tau_m v' = -v + I, tau_s I' = -I."""
    return tau_s / (tau_m - tau_s) * (np.exp(-t / tau_m) - np.exp(-t / tau_s))


@cache
def moments(tau_m: float, tau_s: float) -> tuple[float, float]:
    """Integrals of a potential of peak 1 and of its square, by quadrature."""
    peak = -minimize_scalar(lambda t: -potential(t, tau_m, tau_s), bounds=(0, 0.1), method="bounded", options={"xatol": 1e-10}).fun
    shape = [quad(lambda t, p=power: (potential(t, tau_m, tau_s) / peak) ** p, 0, 2, points=[0.01, 0.05, 0.2], limit=400)[0] for power in (1, 2)]
    return shape[0], shape[1]


INTEGRALS = np.array([[moments(m, s) for s in TAU_S] for m in TAU_M])


def read_back() -> tuple[ndarray, ndarray]:
    """In-degrees and peak potentials (mV) that the card's two tables stand for: K w A and 2 K w^2 B with the integrals A and B."""
    area, power = (M1.arrays()[name] for name in ("area", "power"))
    A, B = INTEGRALS[..., 0], INTEGRALS[..., 1]
    joined = area != 0
    w = np.divide(power * A, 2 * area * B, where=joined, out=np.zeros_like(area))
    return np.divide(area, w * A, where=joined, out=np.zeros_like(area)), 1e3 * w


def test_mean_and_variance_of_the_membrane_are_campbells_integrals_of_the_published_potentials() -> None:
    K, w = read_back()
    assert (M1.arrays()["tau_m"] == TAU_M).all() and SIZES.sum() == 10_073
    assert ((w < 0) == (INHIBITORY & (K > 0))).all()
    assert np.abs(K - np.round(K, 1)).max() < 4 * ROUNDED * K.max()  # tabulated to one decimal
    assert w[0, 0] == pytest.approx(0.15 * 0.7123, rel=2 * ROUNDED) and w[2, 0] == pytest.approx(0.7284, rel=2 * ROUNDED)
    assert w[3, 2] == pytest.approx(-3 * 0.8, rel=2 * ROUNDED) and w[1, 2] == pytest.approx(-3 * 1.2, rel=2 * ROUNDED)
    A, B = np.array([moments(tau, 0.0053) for tau in TAU_M]).T
    assert M1.arrays()["area_x"] == pytest.approx(0.5e-3 * A, rel=ROUNDED) and M1.arrays()["power_x"] == pytest.approx(0.5e-6 * B, rel=ROUNDED)


def probability(post: str, pre: str) -> float:
    source = NAMES.index(pre)
    return float(read_back()[0][NAMES.index(post), source] / SIZES[source])


@pytest.mark.parametrize(
    ("post", "pre", "p"),
    [
        ("IT5A", "IT2", 0.122), ("PT5B", "IT2", 0.097), ("SOM5A", "IT2", 0.117), ("SOM5B", "IT2", 0.117), ("PV5A", "IT2", 0.003),
        ("PV5B", "IT2", 0.003), ("PV5B", "IT5B", 0.117), ("PV5B", "PT5B", 0.117), ("PV5A", "IT5A", 0.117), ("SOM5B", "PT5B", 0.003),
        ("SOM5A", "IT5A", 0.003), ("IT2", "PT5B", 0.0), ("IT4", "PT5B", 0.0), ("IT5A", "PT5B", 0.0), ("IT5B", "PT5B", 0.0),
        ("IT6", "PT5B", 0.0),
    ],
)  # fmt: skip
def test_the_layered_circuit_has_the_published_connections(post: str, pre: str, p: float) -> None:
    assert probability(post, pre) == pytest.approx(p, abs=5e-4 + 0.05 / SIZES[NAMES.index(pre)])  # p to three decimals, K to one


def test_deep_layers_hardly_reach_the_surface_and_the_strongest_descending_path_is_from_it2() -> None:
    assert max(probability(post, pre) for post in ("IT2", "PV2", "SOM2") for pre in ("IT6", "CT6")) < 0.01
    descending = {(post, pre): probability(post, pre) for pre in ("IT2", "IT4") for post in ("IT5A", "IT5B", "PT5B", "IT6", "CT6")}
    assert max(descending, key=descending.__getitem__) == ("IT5A", "IT2")
    assert all(M1.arrays()["area"][NAMES.index(name), NAMES.index("PT5B")] == 0 for name in NAMES if name.startswith("IT"))


@pytest.fixture(scope="module")
def tables() -> Path:
    folder = Path(os.environ.get("CORTEX_SIM_SHARED") or Path(__file__).parents[3] / "shared") / "reference" / "tables"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; the published tables are not shipped with the package")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in path.read_text().splitlines() if not line.startswith("#")))


def test_every_number_of_the_layered_circuit_is_that_of_the_tables(tables: Path) -> None:
    def matrix(name: str) -> ndarray:
        found = {row["post\\pre"]: row for row in rows(tables / name)}
        return np.array([[float(found[post][pre]) for pre in NAMES] for post in NAMES])

    K, w = read_back()
    peaks = matrix("pop_to_pop_weight_mV.csv") * np.where(INHIBITORY, 3.0, np.where(INHIBITORY[:, None], 1.0, 0.15))
    tabulated = matrix("pop_to_pop_indegree.csv")
    np.testing.assert_allclose(K, tabulated, rtol=4 * ROUNDED)
    np.testing.assert_allclose(w, np.where(tabulated > 0, peaks, 0), rtol=2 * ROUNDED)
    assert [(row["pop"], int(row["n_cells_full_scale"])) for row in rows(tables / "populations.csv")] == list(zip(NAMES, SIZES, strict=True))


def test_the_background_is_convergence_times_rate_times_the_calibrated_multiplier(tables: Path) -> None:
    """Convergence averaged on 10,000 depths rather than by overlap."""
    mean = {row["source"]: (float(row["rate_lo_Hz"]) + float(row["rate_hi_Hz"])) / 2 for row in rows(tables / "long_range_inputs.csv")}
    multiplier = {row["pop"]: float(row["external_rate_multiplier"]) for row in rows(tables / "lif_calibration.csv")}
    fans = [row for row in rows(tables / "long_range_convergence.csv") if row["exc_or_inh"] == "exc"]
    for number, population in enumerate(rows(tables / "populations.csv")):
        depth, total = np.linspace(float(population["ynorm_top"]), float(population["ynorm_bottom"]), 20_001)[1::2], 0.0
        for fan in (fan for fan in fans if fan["post_type"] == population["cell_type"]):
            inside = (depth >= float(fan["post_ynorm_lo"])) & (depth < float(fan["post_ynorm_hi"]))
            total += inside.mean() * float(fan["convergence_afferents_per_cell"]) * mean[fan["source"]]
        assert M1.arrays()["nu_x"][number] == pytest.approx(multiplier[population["pop"]] * total, rel=1e-3)  # an edge falls between depths


def test_from_silence_the_layered_circuit_settles_at_plausible_rates_and_rests_there() -> None:
    """Slowest mode 48/s, so that exp(-24) of the way is left after 0.5 s."""
    start = beginning(M1, 1)[0]
    found = simulate(M1, free_run(np.zeros((1, 15)), 0.5)).rate[0, -1]
    assert found == pytest.approx(start, rel=ROUNDED) and ((found > 0.1) & (found < 20)).all()
    assert np.abs(flow(M1, M1.arrays(), found)).max() < 1e-6
    spectrum = np.linalg.eigvals(linearise(M1, M1.arrays(), found))
    assert np.log(np.abs(spectrum)).max() / M1.dt.si == pytest.approx(-48, abs=1)
    assert found[INHIBITORY].min() > found[~INHIBITORY].max() and NAMES[np.argmax(np.where(INHIBITORY, 0, found))] == "PT5B"


def test_a_push_in_millivolts_moves_the_population_it_is_given_to() -> None:
    pattern = np.zeros((1, 15))
    pattern[0, NAMES.index("PT5B")] = 2.0
    task = replace(Task("push", 0.0, 0.3, np.arange(1)), drives=(Drive(pattern, np.ones(300)),))
    change = simulate(M1, task).rate[0, -1] - beginning(M1, 1)[0]
    assert change[NAMES.index("PT5B")] > 0.3 and change[NAMES.index("PV5B")] > 0.05  # its interneurons follow
    still = flow(M1, M1.arrays(), beginning(M1, 1)[0] + change, {"drive": pattern[0]})
    assert np.abs(still).max() < 1e-3
