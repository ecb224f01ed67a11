r"""Recorded pushes: does a student answer the push of an experiment as the recorded cortex did, as far as its trials can tell?

Nobody knows the current that light or an electrode puts into each unit. It is fitted for each student, by ridge regression on its linearised
responses, to half of the perturbed trials until the push ends; the student is asked for what follows in the other half. With the response
:math:`D = s + e` of that half, of signal s and noise e, a student that knows s explains :math:`1 - \sum e^2/\sum D^2` of it. The reliability r of
the responses of halves of these trials gives that share by the Spearman-Brown formula, :math:`2r/(1+r)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from threadpoolctl import threadpool_limits

from cortex_sim.cards import Model
from cortex_sim.comparison._response import response_r2
from cortex_sim.errors import ComparisonError
from cortex_sim.runtime import stream
from cortex_sim.simulation import simulate
from cortex_sim.statistics import Score, jackknifed
from cortex_sim.tasks import Task, recorded_conditions
from cortex_sim.tasks.perturbations import inject
from cortex_sim.trials import PerturbedTrials, Trials, noted, over_bins

FEWEST = 4  # perturbed trials of a condition, and others: two in each half
FITTED_AFTER = 0.02  # s after the push that currents are still fitted to
SPLITS = 20  # halvings that the ceiling is averaged over
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of the mean square of the slopes
SUDDEN, GONE = 4.0, 0.5  # standard errors, median over units, of an artefact; share of it that may be left in the bin after
RECORDED = "response to the recorded push, R²"
Rates = Float[ndarray, "condition time unit"]


@dataclass(frozen=True)
class RecordedPush:
    """The push of a recording, and the cortex's response to it.

    Attributes:
        task: the unperturbed task, from the first bin of the averages; its conditions have enough trials of both kinds.
        averages: smoothed unperturbed averages of these conditions.
        span: start and stop of the push, s.
        quiet: unperturbed single trials to be asked about, one array (trial, time, unit) for each condition.
        pushed: perturbed ones, likewise.
        fitting: response in the other half of the trials, to which currents are fitted.
        artefacts: bins that are left out because light or current itself was recorded.
        until: bins to which currents are fitted.
        asked: bins that are compared.
    """

    task: Task
    averages: Trials
    span: tuple[float, float]
    quiet: Sequence[Float[ndarray, "trial time unit"]]
    pushed: Sequence[Float[ndarray, "trial time unit"]]
    fitting: Rates
    artefacts: Bool[ndarray, " time"]
    until: Bool[ndarray, " time"]
    asked: Bool[ndarray, " time"]

    @classmethod
    def of(cls, found: PerturbedTrials, *, seed: int = 0) -> "RecordedPush":
        """Return the push of a recording; halves of the trials are drawn with this seed.

        Raises:
            ComparisonError: no condition has four perturbed trials and four others, or the push ends with the window.
        """
        sides = [{label: side.rate[side.condition == label] for label in found.averages.condition.tolist()} for side in (found.quiet, found.pushed)]
        labels = [label for label in sides[0] if min(len(side[label]) for side in sides) >= FEWEST]
        if not labels:
            most = max(min(len(side[label]) for side in sides) for label in sides[0])
            raise ComparisonError(f"recorded push: no condition has {FEWEST} perturbed trials and {FEWEST} others; at most {most} of each.")
        averages = found.averages.select([found.averages.condition.tolist().index(label) for label in labels])
        rng, halves = stream(seed, "analysis", "halves of perturbed trials"), []
        for side in sides:
            orders = [rng.permutation(len(side[label])) for label in labels]
            halves.append([[side[label][part] for label, part in zip(labels, parts, strict=True)]
                           for parts in zip(*([order[::2], order[1::2]] for order in orders), strict=True)])  # fmt: skip
        artefacts = artefact_bins(found.quiet, found.pushed, found.span)
        time, bin = averages.time, averages.bin
        on = (time > found.span[0] + bin / 4) & ~artefacts
        until = on & (time < found.span[1] + FITTED_AFTER - bin / 4)
        asked = on & (time > found.span[1] + FITTED_AFTER - bin / 4)
        if not until.any() or not asked.any():
            raise ComparisonError(
                f"recorded push: the window ends at {time[-1] + bin:g} s; nothing is left {FITTED_AFTER:g} s after the push, {found.span} s."
            )
        if artefacts.any():
            averages = noted(averages, f"bins at {', '.join(f'{1e3 * t:g}' for t in time[artefacts])} ms are left out: an artefact of the push.")
        fitting = np.stack([hit.mean(axis=0) - still.mean(axis=0) for still, hit in zip(halves[0][0], halves[1][0], strict=True)])
        return cls(recorded_conditions(averages), averages, found.span, halves[0][1], halves[1][1], fitting, artefacts, until, asked)

    @property
    def response(self) -> Rates:
        """The cortex's response in the trials and bins that are asked about."""
        return np.stack([hit.mean(axis=0) - still.mean(axis=0) for still, hit in zip(self.quiet, self.pushed, strict=True)])[:, self.asked]

    @threadpool_limits.wrap(limits=1)
    def currents(self, model: Model) -> Float[ndarray, " unit"]:
        """Return the currents into the observed units, in the unit of the rates, by which a student's response is nearest until the push ends.

        The penalty is that which predicts conditions best that the others do not contain; the smallest if there is one condition.
        """
        slopes = self._slopes(model)
        sites, conditions = slopes.shape[:2]
        target = self.fitting[:, self.until].reshape(conditions, -1)
        by = slopes.reshape(sites, conditions, -1)
        gram, along = np.einsum("scx,tcx->cst", by, by), np.einsum("scx,cx->cs", by, target)
        size = np.trace(gram.sum(axis=0)) / sites

        def fitted(kept: ndarray, penalty: float) -> Float[ndarray, " unit"]:
            share = len(kept) / conditions
            return np.linalg.solve(gram[kept].sum(axis=0) + penalty * share * size * np.eye(sites), along[kept].sum(axis=0))

        def missed(penalty: float) -> float:
            each = [(fitted(np.delete(np.arange(conditions), left), penalty), left) for left in range(conditions)]
            return sum(float(((target[left] - np.einsum("s,sx->x", a, by[:, left])) ** 2).sum()) for a, left in each)

        best = min(PENALTIES, key=missed) if conditions > 1 else PENALTIES[0]
        return fitted(np.arange(conditions), best)

    def _slopes(self, model: Model) -> Float[ndarray, "site condition time unit"]:
        """Return the derivative of a student's response by the current into each unit, in the bins to which currents are fitted."""
        units = self.fitting.shape[2]
        size = 1e-3 * float(np.abs(self.fitting).max()) or 1e-3
        many = self.task.select(np.tile(np.arange(self.task.trials), units))
        each = size * np.repeat(np.eye(units), self.task.trials, axis=0)
        up, down = (over_bins(simulate(model, inject(many, sign * each, span=self.span), backend="torch").rate)[:, self.until] for sign in (1, -1))
        return ((up - down) / (2 * size)).reshape(units, self.task.trials, *up.shape[1:])

    def answer(self, model: Model, currents: Float[ndarray, " unit"]) -> Rates:
        """Return a student's response to these currents in the bins that are asked about."""
        pushed = inject(self.task, currents[None], span=self.span)
        change = simulate(model, pushed, backend="torch").rate - simulate(model, self.task, backend="torch").rate
        return over_bins(change)[:, self.asked]

    def ceiling(self, *, seed: int = 0) -> tuple[float, tuple[float, float] | None]:
        """Return what a student that knows the true response explains of the recorded one, and its interval over conditions.

        It is estimated from halves of the asked trials: with few trials a student may score above it by chance.
        """
        rng = stream(seed, "analysis", "halves for the ceiling of a push")
        halves = np.stack([np.stack([self._half(side, rng) for side in zip(self.quiet, self.pushed, strict=True)]) for _ in range(SPLITS)])
        both, each = (halves[:, :, 0] * halves[:, :, 1]).sum(axis=(2, 3)), (halves**2).sum(axis=(2, 3, 4)) / 2

        def share(kept: ndarray) -> float:
            r = float(both[:, kept].sum() / each[:, kept].sum())
            return 2 * r / (1 + r)

        count = len(self.quiet)
        return share(np.arange(count)), jackknifed(share, count) if count > 2 else None

    def _half(self, sides: tuple[ndarray, ndarray], rng: np.random.Generator) -> Float[ndarray, "half time unit"]:
        """Return the responses of one condition in two halves of its trials."""
        orders = [rng.permutation(len(side)) for side in sides]
        halves = [[side[order[part::2]].mean(axis=0) for part in range(2)] for side, order in zip(sides, orders, strict=True)]
        return np.stack([hit - still for still, hit in zip(*halves, strict=True)])[:, self.asked]


def artefact_bins(quiet: Trials, pushed: Trials, span: tuple[float, float]) -> Bool[ndarray, " time"]:
    """Return the bins at the edges of a push in which the recording of it, not of the units, is seen.

    Such a bin differs from unperturbed trials by four standard errors or more in the median unit, and by less than half as much in the bin after the
    edge. A response of the units lasts longer: they integrate over more than a bin.

    Args:
        quiet: unperturbed single trials.
        pushed: perturbed ones, in the same bins.
        span: start and stop of the push, s.
    """
    labels = sorted(set(pushed.condition.tolist()), key=str)
    off, variance = np.zeros(quiet.rate.shape[1:]), np.zeros(quiet.rate.shape[1:])
    for label in labels:
        still, hit = (side.rate[side.condition == label] for side in (quiet, pushed))
        off += hit.mean(axis=0) - still.mean(axis=0)
        least = np.concatenate([still, hit]).mean(axis=0) / quiet.bin + 1 / quiet.bin**2 / (len(still) + len(hit))
        variance += sum(np.maximum(side.var(axis=0), least) / len(side) for side in (still, hit))
    common = np.median(off / np.sqrt(variance), axis=1)
    edges = [np.flatnonzero((quiet.time <= edge + 1e-9) & (edge + 1e-9 < quiet.time + quiet.bin)) for edge in span]
    found = np.zeros(len(common), dtype=bool)
    places = [int(place[0]) for place in edges if len(place)]
    for place in places:
        after = place + 1
        while after in places:
            after += 1
        left = abs(common[after]) if after < len(common) else 0.0
        found[place] = abs(common[place]) > SUDDEN and left < GONE * abs(common[place])
    return found


@threadpool_limits.wrap(limits=1)
def recorded_response_score(push: RecordedPush, answer: Rates, *, name: str, seed: int = 0, nulls: int) -> Score:
    """Return the score of a student's response to a recorded push, with the recording's own ceiling.

    Args:
        push: of the recording.
        answer: of the student (:meth:`RecordedPush.answer`).
        name: of the student.
        seed: of the surrogates, in which the units of the student are in random order, and of the ceiling.
        nulls: number of surrogates.

    Raises:
        ComparisonError: the answer has another shape than the response.
    """
    true = push.response
    if answer.shape != true.shape:
        raise ComparisonError(f"{name}: the answer has shape {answer.shape}; the recorded response has {true.shape}.")
    rng, count = stream(seed, "null", "units of a recorded push"), len(true)
    null = np.array([response_r2(true, answer[:, :, rng.permutation(true.shape[2])]) for _ in range(nulls)])
    ceiling, interval = push.ceiling(seed=seed)
    return Score(
        RECORDED, name, f"{count} conditions, {sum(map(len, push.pushed))} perturbed trials held out", response_r2(true, answer), "higher", 1.0,
        null, "units of the student in random order", jackknifed(lambda kept: response_r2(true[kept], answer[kept]), count) if count > 2 else None,
        "conditions" if count > 2 else f"{count} conditions; 3 are needed", ceiling=ceiling,
        settings={"ceiling interval": interval, "artefact bins": int(push.artefacts.sum()), "span": list(push.span)},
    )  # fmt: skip
