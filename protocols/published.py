"""Do the shipped circuits give the numbers of the theories that they stand for?

Reproduces  the theory of rate networks: Wilson & Cowan (1972), Sompolinsky, Crisanti & Sommers (1988), Murphy & Miller (2009), Montbrió, Pazó &
            Roxin (2015), Mastrogiuseppe & Ostojic (2018); reaching: Flash & Hogan (1985), Georgopoulos et al. (1986).
Claim       each number lies where theory, or an independent implementation, puts it; the bounds say which.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.polynomial import Polynomial
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import brentq

import cortex_sim as cs

QUESTION = __doc__.split("\n")[0]
MODEL = "sompolinsky_1988"
GAINS = {0.9: (None, -0.1), 1.5: (0.7477, 0.0467), 2.0: (1.9248, 0.1125)}  # g: variance of x and largest exponent per tau, by mean-field theory
UNITS, DRAWS, AVERAGED, SETTLED = 1000, 3, 300, 100  # units; networks of each; averaging and transient times, in tau
OSCILLATES, QUIET = 1.25, (1.0, 2.5)  # P of Wilson and Cowan
HYSTERESIS = {"c_1": 12, "c_2": 4, "c_3": 13, "c_4": 11, "a_e": 1.2, "theta_e": 2.8, "a_i": 1, "theta_i": 4, "P": 0}
CELLS, BASELINE, DEPTH, COUNTED, FITTED, ASKED = (20, 50, 100, 224, 475), (5, 25), (0.2, 1.0), 0.5, 5, 200  # cosine cells; Hz; share; s; trials
POPULATIONS = 20  # of each size
ERRORS = (17.7, 11.1, 7.8, 5.4, 3.5)  # degrees, of the population vector of as many cells
VERIFIED, THEORY = "independent implementation: {}", "mean-field theory: {}"


def run(model: cs.Model, *, seed: int = 0, smoke: bool = False) -> cs.Report:
    """Run each circuit as its paper does and compare its numbers.

    Args:
        model: chaotic network of independent Gaussian weights.
        seed: of its weights, and of cells and counts.
        smoke: one small chaotic network and fewer cells; its numbers mean nothing.

    Raises:
        OptionError: the model is no network of one random projection in continuous time.
    """
    recurrent = [] if model.is_map or model.readout else cs.simulation.recurrent_projections(model)
    if len(recurrent) != 1 or model.projections[recurrent[0]].rule != "gaussian":
        raise cs.errors.OptionError(f"{model.name}: should be a network of one Gaussian projection, as sompolinsky_1988 is.")
    seconds, found = {}, []
    parts: dict[str, Callable[[], cs.report.Part]] = {
        "Wilson and Cowan": _wilson_cowan, "balanced amplification": _amplified, "mean field": _mean_field,
        "chaos": lambda: _chaos(model, recurrent[0], seed, smoke), "low rank": lambda: _low_rank(seed),
        "minimum jerk": _minimum_jerk, "population vector": lambda: _population_vector(seed, smoke),
    }  # fmt: skip
    for name, part in parts.items():
        with cs.timed(seconds, name):
            found.append(part())
    return cs.Report(
        title=QUESTION, question="Circuits and laws of which theory knows the numbers, run as their papers run them.",
        models={name: cs.load(name) for name in ("wilson_cowan_1972", "murphy_miller_2009", "montbrio_2015")} | {model.name: model},
        methods=_methods(), smoke=smoke, seed=seed, seconds=seconds, **cs.report.together(found),
    )  # fmt: skip


def _wilson_cowan() -> cs.report.Part:
    card = cs.load("wilson_cowan_1972")
    courses = {P: cs.simulate(cs.edit.with_values(card, {"P": P}), cs.tasks.spontaneous(2.0, bin=1e-3)) for P in (*QUIET, OSCILLATES)}
    late = {P: trials.rate[0, 1000:, 0] for P, trials in courses.items()}
    swing, wave = {P: float(np.ptp(course)) for P, course in late.items()}, late[OSCILLATES]
    rises = np.flatnonzero((wave[1:] >= wave.mean()) & (wave[:-1] < wave.mean()))
    period = float(np.diff(rises).mean()) * 1e-3 / card.parameters["tau"].si
    starts = cs.stream(0, "analysis", "starts near Wilson and Cowan").uniform(0, 0.6, (200, 2))
    points = cs.analysis.fixed_points(cs.edit.with_values(card, HYSTERESIS), starts).fixed
    stable = sorted(point.state[0] for point in points if not point.unstable)
    claims = [
        cs.Claim("Wilson and Cowan: period of the limit cycle (tau)", period, 5.26 * 0.98, 5.26 * 1.02, VERIFIED.format("5.26, within 2 %")),
        cs.Claim("Wilson and Cowan: swing of E over the cycle", swing[OSCILLATES], 0.174, 0.180, VERIFIED.format("0.177")),
        cs.Claim("Wilson and Cowan: largest swing of E at P = 1.0 and 2.5", max(swing[P] for P in QUIET), 0, 0.005, "no limit cycle there"),
        cs.Claim("Wilson and Cowan: stable points with the second set", len(stable), 2, 2, "bistable, as published"),
        cs.Claim("Wilson and Cowan: E at the upper one", stable[-1] if stable else np.inf, 0.435, 0.445, VERIFIED.format("0.440")),
    ]  # fmt: skip
    lines = {f"P = {P}": trials.rate[0, :300, 0] for P, trials in courses.items()}
    drawn = cs.figures.curves(np.arange(300) / 10, lines, xlabel="time (tau)", ylabel="E, share of cells")
    picture = cs.Picture(drawn, "Wilson and Cowan's populations", "At P = 1.25 they cycle; below and above they come to rest.")
    said = f"Wilson and Cowan's populations cycle every {period:.2f} tau."
    return cs.report.Part(claims, [], {"wilson_cowan": picture}, {"wilson_cowan": courses[OSCILLATES]}, said)


def _amplified() -> cs.report.Part:
    card = cs.load("murphy_miller_2009")
    rate = cs.simulate(card, cs.tasks.free_run(np.array([[1.0, -1.0]]) / np.sqrt(2), 0.12, bin=2e-4 * 5)).rate[0]
    norm = np.linalg.norm(rate, axis=1)
    when = norm.argmax() * 1e-3 / card.parameters["tau"].si
    claims = [
        cs.Claim("balanced amplification: largest norm after a unit difference", norm.max(), 2.776 * 0.99, 2.776 * 1.01, VERIFIED.format("2.776")),
        cs.Claim("balanced amplification: when (tau)", when, 0.75, 0.87, VERIFIED.format("0.81; bins of 0.05")),
    ]  # fmt: skip
    return cs.report.Part(claims, says=f"A difference grows {norm.max():.2f}-fold before it decays.")


def _mean_field() -> cs.report.Part:
    visited = cs.stream(0, "analysis", "starts near quadratic neurons").uniform([0, -3], [150, 3], (200, 2))
    points = cs.analysis.fixed_points(cs.load("montbrio_2015"), visited).fixed
    rates = sorted((point.state[0], point.unstable) for point in points if point.state[0] > 0)
    wanted = {"quiet state (Hz)": 8.11, "saddle (Hz)": 47.30, "active state (Hz)": 103.06}
    claims = [cs.Claim("quadratic neurons, exact mean field: fixed points", len(rates), 3, 3, "paper, Fig. 2: two stable states and a saddle")]
    for (name, rate), (found, _) in zip(wanted.items(), rates, strict=False):
        bound = VERIFIED.format(f"{rate / 100:.4f} in units of 1/tau")
        claims.append(cs.Claim(f"quadratic neurons, exact mean field: {name}", found, rate - 0.01, rate + 0.01, bound))
    return cs.report.Part(claims, says=f"The mean field of quadratic neurons rests at {', '.join(f'{rate:.1f}' for rate, _ in rates)} Hz.")


def _chaos(model: cs.Model, name: str, seed: int, smoke: bool) -> cs.report.Part:
    tau = float(np.median(cs.simulation.time_constant(model)))
    units, draws, averaged = (60, 1, 20) if smoke else (UNITS, DRAWS, AVERAGED)
    exponents: dict[float, list[float]] = {gain: [] for gain in GAINS}
    variances: dict[float, list[float]] = {gain: [] for gain in GAINS}
    for gain, draw in product(GAINS, range(draws)):
        network = cs.edit.with_argument(model.with_arrays({}, units=units, seed=cs.seed_of(seed, "circuit", "chaos", draw)), name, gain=gain)
        start = np.tanh(cs.stream(seed, "circuit", "start of chaos", draw).standard_normal(units))
        settled = cs.simulate(network, cs.tasks.free_run(start, SETTLED * tau, bin=tau)).rate[0, -1]
        found = cs.analysis.lyapunov(network, np.arctanh(settled), duration=averaged * tau, transient=averaged * tau / 6)
        exponents[gain].append(found.values[0] * tau)
        variances[gain].append(float(np.arctanh(cs.simulate(network, cs.tasks.free_run(settled, averaged * tau, bin=tau)).rate).var()))
    claims = []
    for gain, (variance, exponent) in GAINS.items():
        bound = THEORY.format(f"{exponent}, within 0.025 for finite size")
        low, high = exponent - 0.025, exponent + 0.025
        claims.append(cs.Claim(f"chaos, g = {gain}: largest exponent (1/tau)", float(np.mean(exponents[gain])), low, high, bound))
        if variance:
            text, bound = f"chaos, g = {gain}: variance of the state", THEORY.format(f"{variance}, within 6 %")
            claims.append(cs.Claim(text, float(np.mean(variances[gain])), 0.94 * variance, 1.06 * variance, bound))
    said = ", ".join(f"{np.mean(exponents[gain]):.3f} at g = {gain} (theory {theory})" for gain, (_, theory) in GAINS.items())
    return cs.report.Part([] if smoke else claims, says=f"Nearby states of random networks part by {said} per time constant.")


def _low_rank(seed: int) -> cs.report.Part:
    """Compare the overlap of a random network with a rank-one part with the solution of its mean-field equations."""
    z, w = hermegauss(101)
    w = w / w.sum()
    mean_m, mean_n, gain, units = 1.1, 2.0, 0.8, 2000

    def moments(kappa: float) -> tuple[float, float]:
        spread = brentq(lambda d: gain**2 * (w @ np.tanh(mean_m * kappa + np.sqrt(d) * z) ** 2) - d, 0, gain**2) if kappa else 0.0
        return mean_n * float(w @ np.tanh(mean_m * kappa + np.sqrt(spread) * z)) - kappa, spread

    theory = float(brentq(lambda kappa: moments(kappa)[0], 0.5, 3))
    rng = cs.stream(seed, "circuit", "rank-one network")
    n = rng.standard_normal(units)
    n += mean_n - n.mean()
    weights = {
        "J": gain * rng.standard_normal((units, units)) / np.sqrt(units),
        "P": np.full((units, 1), mean_m) @ n[None] / units,
        "C": n[None] / units,
    }
    card = cs.load("mastrogiuseppe_2018")
    begun = {"x": {"value": 1, "unit": "1", "meaning": "on the side of the upper state"}}
    ready = card.with_arrays(weights, units=units, initial_values=begun)
    kappa = float(cs.simulate(ready, cs.tasks.spontaneous(4.0)).rate[0, -1, 0])
    bound = THEORY.format(f"{theory:.3f}, within 5 %; 1.831 and 1.822 in an independent implementation")
    claims = [cs.Claim("rank-one part: overlap kappa", kappa, 0.95 * theory, 1.05 * theory, bound)]
    return cs.report.Part(claims, says=f"A rank-one part holds kappa = {kappa:.3f} (theory {theory:.3f}).")


def _minimum_jerk() -> cs.report.Part:
    s = np.linspace(0, 1, 101)
    path = Polynomial.fit(s, cs.tasks.minimum_jerk(s), 5, domain=(0, 1), window=(0, 1))
    jerk = (path.deriv(3) ** 2).integ()
    return cs.report.Part([
        cs.Claim("minimum jerk: peak over mean speed", float(path.deriv()(0.5)), 1.875 - 1e-9, 1.875 + 1e-9, "closed form: 15/8"),
        cs.Claim("minimum jerk: integral of the squared jerk", float(jerk(1) - jerk(0)), 720 - 1e-6, 720 + 1e-6, "closed form: 720"),
    ])  # fmt: skip


def _population_vector(seed: int, smoke: bool) -> cs.report.Part:
    """Decode directions from counts of cosine cells whose tuning was fitted to a few trials; the null has the tuning of other cells."""
    draws = range(2 if smoke else POPULATIONS)
    errors = {cells: np.array([_decoded(cells, cs.stream(seed, "task", "cosine cells", cells, draw)) for draw in draws]) for cells in CELLS}
    found, blind = (np.array([error[:, part].mean() for error in errors.values()]) for part in (0, 1))
    claims = [cs.Claim(f"population vector of {cells} cosine cells: mean error (degrees)", error, 0.8 * known, 1.2 * known,
                       VERIFIED.format(f"{known}, within 20 %")) for cells, known, error in zip(CELLS, ERRORS, found, strict=True)]  # fmt: skip
    slope = float(np.polyfit(np.log(CELLS), np.log(found), 1)[0])
    claims.append(cs.Claim("population vector: exponent of its error over the number of cells", slope, -0.55, -0.45, "independent cells: -1/2"))
    most = errors[CELLS[-1]]
    score = cs.Score(
        "error of the population vector (degrees)", f"{CELLS[-1]} cosine cells", f"{ASKED} directions", float(found[-1]), "lower", 0.0,
        np.full(1, blind[-1]), "fitted tuning exchanged between cells, mean over populations", cs.statistics.mean_interval(most[:, 0]), "populations",
        ceiling_reason="counts of Poisson cells bound it",
    )  # fmt: skip
    lines = cs.figures.curves(
        np.array(CELLS), {"independent implementation": np.array(ERRORS), "found": found}, xlabel="cells", ylabel="error (degrees)"
    )
    picture = cs.Picture(lines, "Population vector", "Mean error of the direction that cosine cells tell, over their number.")
    said = f"The population vector errs with the number of cells to the {slope:.2f}; with exchanged tuning by {blind[-1]:.0f} degrees."
    return cs.report.Part([] if smoke else claims, [score], {"population_vector": picture}, {}, said)


def _decoded(cells: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the mean absolute error of population vectors, degrees, and that with tuning exchanged between cells."""
    preferred, base, depth = (rng.uniform(*span, cells) for span in ((0, 2 * np.pi), BASELINE, DEPTH))

    def counts(directions: Float[ndarray, " trial"]) -> Float[ndarray, "trial cell"]:
        return rng.poisson(COUNTED * base * (1 + depth * np.cos(directions[:, None] - preferred))) / COUNTED

    taught, asked = np.repeat(np.arange(8) * np.pi / 4, FITTED), rng.uniform(0, 2 * np.pi, ASKED)
    design = np.stack([np.ones_like(taught), np.cos(taught), np.sin(taught)], axis=1)
    offset, *tuning = np.linalg.lstsq(design, counts(taught), rcond=None)[0]
    size = np.maximum(np.hypot(*tuning), 1e-9)
    weights, told = (counts(asked) - offset) / size, np.stack(tuning, axis=1) / size[:, None]
    vectors = (weights @ told, weights @ rng.permutation(told))
    own, other = (np.abs(np.angle(np.exp(1j * (np.arctan2(v[:, 1], v[:, 0]) - asked)))) for v in vectors)
    return float(np.degrees(own.mean())), float(np.degrees(other.mean()))


def _methods() -> str:
    return f"""
    Chaos: {DRAWS} networks of {UNITS} units at each gain settle for {SETTLED} time constants; averages are over {AVERAGED} more.

    Rank-one part: 2,000 units, g = 0.8, mean entries 1.1 and 2; kappa solves the mean-field equations, with Gaussian integrals by quadrature.

    Population vector: cells with baselines of {BASELINE[0]} to {BASELINE[1]} Hz and depths of {DEPTH[0]:.0%} to {DEPTH[1]:.0%}; Poisson counts in
    {COUNTED} s; tuning is fitted to {FITTED} trials in each of 8 directions, and {ASKED} other directions are decoded.
    """
