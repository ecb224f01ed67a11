"""Perturbed and unperturbed trials of one recording, and when the perturbation acted."""

from typing import Any, NamedTuple

import numpy as np

from cortex_sim.errors import OptionError, TrialsError
from cortex_sim.trials._nwb import opened
from cortex_sim.trials._nwb_cut import Choice, Cut, cut_trials
from cortex_sim.trials._nwb_stimuli import stimuli, stimulus_names
from cortex_sim.trials._recordings import is_nwb, read
from cortex_sim.trials._rows import names_in
from cortex_sim.trials._source import Recording, Source
from cortex_sim.trials._trials import Trials

ALIKE, OFTEN = 0.01, 0.9  # s that times of a stimulus may differ between trials; share of the perturbed trials that it is on in
ASK = "say when it acts, in s from the event (pushed=(start, stop), --pushed START STOP)"


class PerturbedTrials(NamedTuple):
    """Trials of a recording with and without a perturbation, in the same bins.

    Attributes:
        quiet: single trials without it, as rates in their bins, not smoothed.
        pushed: single trials with it, likewise.
        averages: smoothed averages of those without it, one for each condition.
        span: start and stop of the perturbation, s.
        how: how the span is known.
    """

    quiet: Trials
    pushed: Trials
    averages: Trials
    span: tuple[float, float]
    how: str


def read_perturbed(
    source: Source, perturbed: str, *, usual: tuple[float, float], sd: float, pushed: tuple[float, float] | None = None
) -> PerturbedTrials:
    """Return the trials of a recording that a comparison picks out as perturbed, and the others; trials that do not say are neither.

    Args:
        source: spikes; NWB or a table of trials.
        perturbed: comparison as for ``where`` of :func:`read`, such as ``opto == 1`` or, with a stimulus of an NWB file, ``laser > 0``.
        usual: start and stop, s, if the recording asks for no window.
        sd: standard deviation of the Gaussian that smooths the averages, s.
        pushed: start and stop of the perturbation, s from the event; by default as the file's stimulus says.

    Raises:
        FileProblem: the file cannot be read.
        TrialsError: no trial is perturbed, or none is not; the stimulus comes at other times in other trials, or leaves the window.
        OptionError: the comparison cannot be parsed, the file holds averages, or it does not say when the perturbation acts.
        NotFound: there is neither such a column nor such a stimulus.
    """
    path = Recording.of(source)
    if "unless" in path.options:
        raise OptionError(f"{path}: unless beside perturbed; the trials that {perturbed!r} picks out are left out already. Say more with where.")
    window, where = path.window(usual), path.options.get("where")
    chosen = dict(path.options) | {"window": window}
    both = perturbed if where is None else f"{where} and {perturbed}"
    quiet, hit = (read(path.path, **chosen | which) for which in ({"unless": perturbed}, {"where": both}))
    shared = [label for label in dict.fromkeys(quiet.condition.tolist()) if label in set(hit.condition.tolist())]
    if not shared:
        raise TrialsError(f"{path}: no condition has perturbed trials ({perturbed}) and others; label trials by another column with condition.")
    quiet, hit = (trials.select(np.isin(trials.condition, shared)) for trials in (quiet, hit))
    span, how = (pushed, "given") if pushed is not None else _found(path, perturbed, Choice(**_asked(chosen | {"where": both})))
    edge = hit.bin / 4
    if not (window[0] - edge <= span[0] < span[1] < window[1] + edge):
        raise TrialsError(f"{path}: the push, {span[0]:g} to {span[1]:g} s, should start before it stops and lie in the window, {window!r} s.")
    return PerturbedTrials(quiet.binned(), hit.binned(), quiet.smoothed(sd).averaged(), (float(span[0]), float(span[1])), how)


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in Choice._fields}


def _found(path: Recording, perturbed: str, choice: Choice) -> tuple[tuple[float, float], str]:
    """Return when the only stimulus of an NWB file that is on in the perturbed trials starts and stops in them, and what it is."""
    if not is_nwb(path.path):
        raise OptionError(f"{path}: a table does not say when {perturbed!r} acts; {ASK}.")
    with opened(path.path) as file:
        cut = cut_trials(file, choice)
        known = stimulus_names(file)
        named = [name for name in names_in(perturbed) if name in known] or known
        spans = {name: span for name in named if (span := _span(cut, np.array(stimuli(file, name)).reshape(-1, 3))) is not None}
    if len(spans) != 1:
        raise OptionError(
            f"{path}: {len(spans)} stimuli ({', '.join(spans) or 'none of ' + (', '.join(known) or 'none')}) are on in these trials; {ASK}."
        )
    ((name, times),) = spans.items()
    apart = np.ptp(times, axis=0)
    if (apart > ALIKE).any():
        raise TrialsError(f"{path}: {name!r} starts or stops at times that differ by {apart.max():g} s between trials; align to its start, or {ASK}.")
    start, stop = np.median(times, axis=0)
    return (float(start), float(stop)), f"as {name!r} says"


def _span(cut: Cut, on: np.ndarray) -> np.ndarray | None:
    """Return start and stop of a stimulus in each trial, s from the event, pulses taken together; None if it is off in some of them."""
    begin, end = cut.zero + cut.time[0], cut.zero + cut.stop
    found = []
    for zero, first, last in zip(cut.zero, begin, end, strict=True):
        during = on[(on[:, 0] < last) & (on[:, 1] > first)]
        if len(during):
            found.append([during[:, 0].min() - zero, during[:, 1].max() - zero])
    return np.array(found) if len(found) >= OFTEN * len(cut.zero) else None
