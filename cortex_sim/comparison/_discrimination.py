r"""Which push tells networks apart, and in how many trials? The expected information of an experiment, and the push that has most of it.

Student j predicts the response :math:`r_j` to a push, the pushed minus the unperturbed average, in each of C conditions; single trials scatter about
their averages with covariance :math:`\Sigma`. From n pushed trials and as many unperturbed ones, spread evenly over conditions, the log-likelihood
ratio of students j and k is Gaussian with

.. math:: d_{jk}^2 = \frac{1}{C} \sum_c \tfrac12 (r_j - r_k)^\top \Sigma^{-1} (r_j - r_k)

per trial: if j is right, k is preferred with probability :math:`\Phi(-d_{jk}\sqrt n/2)`. Data tell at least
:math:`\ln K - \frac1K \sum_j \ln \sum_k e^{-n d_{jk}^2/8}` nats of which student is right. For responses linear in the currents a,
:math:`d_{jk}^2 = a^\top G_{jk} a`: with few trials the best a is the leading eigenvector of the mean of all G, the covariance of responses between
students in units of the noise.

Source:
    Kolchinsky & Tracey (2017) Entropy 19:361, for the bound; Atkinson & Fedorov (1975) Biometrika 62:57, for designs under which rival models differ
    most (T-optimality), which this is for two students.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import brentq
from scipy.special import logsumexp, ndtr

from cortex_sim.cards import Model, load
from cortex_sim.comparison._rig import Rig
from cortex_sim.errors import ComparisonError, NotFound
from cortex_sim.runtime import say_once
from cortex_sim.simulation import simulate
from cortex_sim.simulation.torch import pushed_rates
from cortex_sim.statistics import TrialNoise
from cortex_sim.tasks import Task

SMALL = 1e-3  # of the largest current: what responses are linearised with
ERROR, MOST = 0.05, 1e12  # error rate that is aimed at; trials that nobody will record
PASSES, STEPS = 50, 12  # of exchanges and along the gradient, at most
LEADING, FINALISTS = 2, 4  # eigenvectors of each pair to begin with; pushes that follow the gradient
MOST_NUMBERS = 2e7  # of slopes at a time
TINY = -30.0  # x below which log(log(1 + exp(x))) is x, to round-off
Responses = Float[ndarray, "student condition time unit"]
Squared = Float[ndarray, "student student"]


@dataclass(frozen=True)
class Plan:
    """A push, and what students expect of it.

    Attributes:
        students: their names.
        currents: into the observed units, in the unit of the rates; 0 but for as many as there are sites.
        responses: of every student.
        squared: d² of every pair, per pushed trial.
        trials: number of pushed trials that are planned.
    """

    students: tuple[str, ...]
    currents: Float[ndarray, " unit"]
    responses: Responses
    squared: Squared
    trials: int

    @property
    def information(self) -> float:
        """Expected information on which student is right after the planned trials, nats; at least this much."""
        return information(self.squared, self.trials)

    @property
    def needed(self) -> float:
        """Number of pushed trials after which the wrong student is named in 5 % of experiments at most, whichever is right."""
        return trials_needed(self.squared)

    @property
    def hardest(self) -> tuple[str, str]:
        """The two students that are hardest to tell apart."""
        first, second = np.unravel_index(np.argmin(self.squared + np.diag(np.full(len(self.squared), np.inf))), self.squared.shape)
        return self.students[first], self.students[second]

    @property
    def rows(self) -> list[dict[str, float]]:
        """The plan as a table: each site, its current, and the mean response of its unit that every student expects, in the unit of the rates."""
        return [
            {"unit": int(site), "current": float(self.currents[site])}
            | {f"response expected by {name}": float(one[:, :, site].mean()) for name, one in zip(self.students, self.responses, strict=True)}
            for site in np.flatnonzero(self.currents)
        ]


def networks_in(folder: str | Path, units: int) -> dict[str, Model]:
    """Return the networks of a folder of cards, by file name; those of other units are left out, with a note.

    Args:
        folder: with cards, such as ``models/`` of a run.
        units: number of observed units that they should have.

    Raises:
        NotFound: it does not exist, or fewer than two such networks are in it.
    """
    paths = sorted(Path(folder).glob("*.toml"))
    loaded = {path.stem: load(str(path)) for path in paths}
    found = {name: one for name, one in loaded.items() if isinstance(one, Model) and one.size("observed") == units}
    if left := [name for name in loaded if name not in found]:
        say_once(f"{folder}: {', '.join(left)} left out, which do not have {units} observed units.")
    if len(found) < 2:
        raise NotFound(f"{folder}: {len(paths)} cards, {len(found)} of {units} observed units; at least two networks should be told apart.")
    return found


def squared_apart(responses: Responses, noise: TrialNoise) -> Squared:
    """Return d² of every pair of responses, per pushed trial."""
    flat = noise.whitened(responses).reshape(len(responses), -1)
    return ((flat[:, None] - flat) ** 2).sum(axis=2) / (2 * responses.shape[1])


def information(squared: Squared, trials: float) -> float:
    """Return a lower bound on what trials tell of which student is right, nats; all are equally likely before."""
    return float(np.log(len(squared)) - np.exp(_log_left(squared, trials)))


def preference_errors(squared: Squared, truth: Float[ndarray, " student"], trials: float) -> Float[ndarray, "student student"]:
    r"""Return the probability that the second student is preferred to the first, :math:`\Phi(-\sqrt n (d_{*k}^2 - d_{*j}^2)/(2 d_{jk}))`.

    Args:
        squared: d² of every pair of students.
        truth: d² of every student from what truly happens, by which this is not that of any student.
        trials: number n of pushed trials.
    """
    apart = np.sqrt(np.where(squared > 0, squared, np.inf))
    return np.asarray(ndtr(-np.sqrt(trials) * (truth[None, :] - truth[:, None]) / (2 * apart)))


def trials_needed(squared: Squared, error: float = ERROR) -> float:
    """Return the number of pushed trials after which, whichever student is right, the sum of the errors against the others is no larger.

    For two students it is exact, (2 z/d)²; for more it is an upper bound. Infinite if two students respond alike.
    """

    def worst(log_trials: float) -> float:
        wrong = ndtr(-np.sqrt(np.exp(log_trials) * squared) / 2)
        return float((wrong.sum(axis=1) - np.diag(wrong)).max()) - error

    if worst(np.log(MOST)) > 0:
        return float("inf")
    return float(np.exp(brentq(worst, -np.log(MOST), np.log(MOST), xtol=1e-9)))


def log_likelihoods(
    observed: Float[ndarray, "experiment condition time unit"], responses: Responses, noise: TrialNoise
) -> Float[ndarray, "experiment student"]:
    """Return the log-likelihood of every student in every experiment, per pushed trial and up to a constant; the largest names the student.

    Args:
        observed: pushed minus unperturbed averages.
        responses: of the students.
        noise: of single trials.
    """
    weighed = noise.weighed(responses).reshape(len(responses), -1)
    own = (weighed * responses.reshape(len(responses), -1)).sum(axis=1) / 2
    return (observed.reshape(len(observed), -1) @ weighed.T - own) / (2 * responses.shape[1])


def plan_push(students: Mapping[str, Model], task: Task, noise: TrialNoise, rig: Rig, *, steps: int = STEPS) -> Plan:
    """Return the push that is expected to tell most of which student is right, among those that the rig allows.

    Responses are linearised about the averages. From the leading eigenvectors of all G, and from nothing, sites are exchanged one by one for those,
    at their largest current, that tell more, until none does (:func:`chosen_currents`). The best few then follow the gradient of what the full
    responses tell.

    Args:
        students: networks without noise, at least two, by name.
        task: unperturbed; it starts before the push and ends after what is compared.
        noise: of single trials of the observed units, in the bins that are compared.
        rig: what the experiment can do.
        steps: along the gradient, at most; 0 leaves out the refinement.

    Raises:
        ComparisonError: there is one student only, or noise and rig are of other units or bins.
        OptionError: the push lies outside the task.
    """
    if len(students) < 2:
        raise ComparisonError(f"plan_push: {len(students)} student, {', '.join(students)}; at least two should be told apart.")
    given = len(noise.over_time), len(noise.over_units), len(rig.low)
    wanted = int(rig.seen(task).sum()), *2 * (next(iter(students.values())).size("observed"),)
    if given != wanted:
        raise ComparisonError(f"plan_push: noise has {given[0]} bins of {given[1]} units, the rig {given[2]} units; they should be {wanted}.")
    found = chosen_currents(_summed_grams(students, task, noise, rig), rig)
    plans = [planned(students, task, noise, rig, _refined(students, task, noise, rig, one, steps)) for one in found[:FINALISTS]]
    return min(plans, key=lambda plan: float(_log_left(plan.squared, rig.trials)))


def planned(students: Mapping[str, Model], task: Task, noise: TrialNoise, rig: Rig, currents: Float[ndarray, " unit"]) -> Plan:
    """Return what students expect of these currents; arguments as for :func:`plan_push`."""
    responses = np.stack([rig.response(model, task, currents[None]) for model in students.values()])
    return Plan(tuple(students), currents, responses, squared_apart(responses, noise), rig.trials)


def grams(slopes: Float[ndarray, "student site condition time unit"], noise: TrialNoise) -> Float[ndarray, "student student site site"]:
    """Return G of every pair of students, whose responses are linear with these slopes."""
    flat = noise.whitened(slopes).reshape(*slopes.shape[:2], -1)
    product = np.einsum("jsx,ktx->jkst", flat, flat, optimize=True)
    own = np.einsum("jjst->jst", product)
    return (own[:, None] + own[None] - product - product.transpose(1, 0, 2, 3)) / (2 * slopes.shape[2])


def chosen_currents(G: Float[ndarray, "student student site site"], rig: Rig) -> list[Float[ndarray, " site"]]:
    """Return currents, the largest in one direction or 0, that tell of which student is right under linear responses, best first.

    No single current of any of them can be given to another site, or the other sign, so that more is told.
    """
    pairs = [G.mean(axis=(0, 1)), *G[np.triu_indices(len(G), 1)]]
    leading = [vector for pair in pairs for vector in np.linalg.eigh(pair)[1].T[-LEADING:]]
    starts = [np.zeros(len(rig.low)), *(_thresholded(sign * vector, rig) for vector in leading for sign in (1, -1))]
    found = np.unique([_exchanged(start, G, rig) for start in starts], axis=0)
    return list(found[np.argsort(_log_left(np.einsum("ns,jkst,nt->njk", found, G, found, optimize=True), rig.trials), kind="stable")])


def _thresholded(vector: Float[ndarray, " site"], rig: Rig) -> Float[ndarray, " site"]:
    """Return the largest currents of these signs at the sites where they project on the vector most."""
    most = np.where(vector > 0, rig.high, rig.low)
    return np.where(np.isin(np.arange(len(vector)), np.argsort(-(vector * most))[: rig.sites]), most, 0.0)


def _exchanged(currents: Float[ndarray, " site"], G: Float[ndarray, "student student site site"], rig: Rig) -> Float[ndarray, " site"]:
    """Return currents after exchanges of single sites, each the one that adds most."""
    own, best = np.einsum("jkss->jks", G), np.inf
    for _ in range(PASSES):
        before = best
        for place in range(rig.sites):
            sites = np.flatnonzero(currents)
            rest = currents.copy()
            if place < len(sites):
                rest[sites[place]] = 0.0
            at, slope = np.einsum("s,jkst,t->jk", rest, G, rest), np.einsum("jkst,t->jks", G, rest)
            values = np.concatenate([rig.low, rig.high]) * np.tile(rest == 0, 2)
            told = at[..., None] + 2 * values * np.tile(slope, 2) + values**2 * np.tile(own, 2)
            left = _log_left(np.moveaxis(told, -1, 0), rig.trials)
            if (least := float(left.min())) < best:
                best, currents = least, rest
                currents[int(left.argmin()) % len(rest)] += values[int(left.argmin())]
        if best >= before:
            break
    return currents


def _refined(students: Mapping[str, Model], task: Task, noise: TrialNoise, rig: Rig, currents: ndarray, steps: int) -> Float[ndarray, " unit"]:
    """Return currents after steps to the sites where the gradient of what the full responses tell is largest, as long as these tell more.

    What is told is nearly convex in the currents, so that its linearisation bounds it from below and such steps climb (generalised power method).
    """
    seen, course = rig.seen(task), rig.push(task, currents[None]).drives[-1].course
    still = [simulate(model, task, backend="torch").rate[:, seen] for model in students.values()]

    def left(currents: ndarray) -> tuple[float, ndarray]:
        runs = [pushed_rates(model, task, currents, course) for model in students.values()]
        responses = np.stack([rates[:, seen] - quiet for (rates, _), quiet in zip(runs, still, strict=True)])
        value, weights = _left_and_slopes(squared_apart(responses, noise), rig.trials)
        weighed, slope = noise.weighed(responses), np.zeros_like(currents)
        for own, (rates, pulled) in enumerate(runs):
            by_rates = np.zeros_like(rates)
            by_rates[:, seen] = np.einsum("k,kctu->ctu", weights[own], weighed[own] - weighed) / len(rates)
            slope += pulled(by_rates)
        return value, slope

    value, slope = left(currents)
    for _ in range(steps):
        other = _thresholded(-slope, rig)
        now, steeper = left(other)
        if not now < value:
            break
        currents, value, slope = other, now, steeper
    return currents


def strongest_push(students: Mapping[str, Model], task: Task, noise: TrialNoise, rig: Rig) -> Float[ndarray, " unit"]:
    """Return the currents with the largest mean response over students in units of the noise: what tells most of whether there is any response."""
    return chosen_currents(_summed_grams(students, task, noise, rig, still=True), rig)[0]


def _summed_grams(
    students: Mapping[str, Model], task: Task, noise: TrialNoise, rig: Rig, *, still: bool = False
) -> Float[ndarray, "student student site site"]:
    """Return G of every pair of students, mean over conditions; or of their mean response and none.

    Conditions are taken a few at a time, since the slopes of all at once may fill the memory.
    """
    each = max(1, int(MOST_NUMBERS / (len(students) * len(rig.low) ** 2 * rig.seen(task).sum())))
    total = np.zeros((1, 1, 1, 1))
    for conditions in np.split(np.arange(task.trials), range(each, task.trials, each)):
        slopes = np.stack([_slopes(model, task.select(conditions), rig) for model in students.values()])
        total = total + len(conditions) * grams(np.stack([slopes.mean(axis=0), 0 * slopes[0]]) if still else slopes, noise)
    return total / task.trials


def _slopes(model: Model, task: Task, rig: Rig) -> Float[ndarray, "site condition time unit"]:
    """Return the derivative of a model's response by the current into each unit, by central differences."""
    units, size, seen = len(rig.low), SMALL * max(float(rig.high.max()), float(-rig.low.min())), rig.seen(task)
    many = task.select(np.tile(np.arange(task.trials), units))
    each = size * np.repeat(np.eye(units), task.trials, axis=0)
    up, down = (simulate(model, rig.push(many, sign * each), backend="torch").rate[:, seen] for sign in (1, -1))
    return ((up - down) / (2 * size)).reshape(units, task.trials, *up.shape[1:])


def _log_left(squared: Float[ndarray, "... student student"], trials: float) -> Float[ndarray, "..."]:
    """Return the logarithm of what is left unknown after these trials, ln K minus the information; exact however little it is."""
    return np.asarray(logsumexp(_log_parts(squared, trials)[1], axis=-1) - np.log(squared.shape[-1]))


def _log_parts(squared: Float[ndarray, "... student student"], trials: float) -> tuple[ndarray, ndarray]:
    """Return log sum_k exp(-n d²/8) over the other students, and the logarithm of ln(1 + that sum)."""
    others = logsumexp(np.where(np.eye(squared.shape[-1], dtype=bool), -np.inf, -trials * squared / 8), axis=-1)
    return others, np.where(others < TINY, others, np.log(np.log1p(np.exp(np.maximum(others, TINY)))))


def _left_and_slopes(squared: Squared, trials: float) -> tuple[float, Squared]:
    """Return the logarithm of what is left unknown, and its derivative by d² of each pair, both orders together."""
    others, parts = _log_parts(squared, trials)
    each = np.where(np.eye(len(squared), dtype=bool), -np.inf, -trials * squared / 8)
    weights = -trials / 8 * np.exp(each - np.logaddexp(0.0, others)[:, None] - logsumexp(parts))
    return float(_log_left(squared, trials)), weights + weights.T
