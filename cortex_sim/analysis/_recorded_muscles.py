"""Recorded muscle activity as condition averages aligned to movement; if the file does not state the time of movement, it is estimated."""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from cortex_sim import trials as recordings
from cortex_sim.errors import NotFound, OptionError, TrialsError
from cortex_sim.trials import BIN, Recording, Source, Trials, noted

HAND = "place and velocity of the hand"
RISEN = 0.1  # of the way from the least to the most activity, beyond which a movement has begun


def activity_onset(rates: Float[ndarray, "condition time unit"], lasting: Bool[ndarray, "condition time"] | None = None) -> int:
    """Return the bin from which mean activity stays above a tenth of the way from its minimum to its peak, until the peak.

    The mean is over conditions and units, each unit divided by its range.

    Args:
        rates: in any unit.
        lasting: at which times each condition lasts, all if omitted; the mean at a time is over those that do.

    Raises:
        TrialsError: nothing varies, or activity exceeds that level from the first bin on.
    """
    there = np.ones(rates.shape[:2], dtype=bool) if lasting is None else lasting
    spread = np.ptp(rates[there], axis=0)
    if not spread.any():
        raise TrialsError("activity varies with neither condition nor time, so that no movement can be found in it.")
    each = (rates / np.where(spread > 0, spread, np.inf)).mean(axis=2)
    course = np.where(there, each, 0.0).sum(axis=0)[there.any(axis=0)] / there.sum(axis=0)[there.any(axis=0)]
    most = int(course.argmax())
    below = np.flatnonzero(course[: most + 1] < course.min() + RISEN * np.ptp(course))
    if not below.size:
        raise TrialsError(f"activity is beyond {RISEN:.0%} of its most from the first bin on; there should be rest before the movement.")
    return int(below[-1]) + 1


def recorded_muscles(source: Source, window: tuple[float, float], *, bin: float = BIN) -> Trials:
    """Return the activity of recorded muscles around movement, one trial per condition, interpolated linearly to the left edges of bins.

    Muscles beside firing rates have known times. In a file of muscles alone without times (``step=`` gives the sampling interval),
    time 0 is set to the onset of activity (:func:`activity_onset`); which sample that is stands in the provenance and is printed.

    Args:
        source: condition averages with ``emg``, beside ``firing_rate`` or alone.
        window: start and stop relative to movement, s.
        bin: width of the bins, s.

    Raises:
        NotFound: the file contains no muscles.
        TrialsError: they do not cover the window.
    """
    source = Recording.of(source).whole
    whole = recordings.read(source)
    if whole.provenance.get("recorded") == "muscles":
        values, moments = whole.padded, whole.time
    else:
        values, moments = recordings.muscles(source), whole.time
    findings = []
    if whole.provenance.get("clock") == "first sample":
        onset = moments[activity_onset(values, whole.lasting)]
        moments = moments - onset
        findings = [f"no times are stored; muscles rise {onset:g} s after the first sample, which is taken for the start of the movement."]
    start, stop = window
    time = np.round(start + bin * np.arange(round((stop - start) / bin)), 12)
    if time[0] < moments[0] - bin / 2 or time[-1] > moments[-1] + bin / 2:
        raise TrialsError(
            f"{source}: muscles are there from {moments[0]:g} to {moments[-1]:g} s about the movement, not from {start:g} to {stop:g} s."
        )
    seen = [(moments[there], condition[there]) for there, condition in zip(whole.lasting, values, strict=True)]
    made = np.array([[np.interp(time, when, muscle) for muscle in condition.T] for when, condition in seen]).transpose(0, 2, 1)
    ended = whole.stop + (moments[0] - whole.time[0])
    found = Trials.from_arrays(made, time, condition=whole.condition, stop=ended, units="unit of the file", provenance=whole.provenance)
    return noted(found, *findings)


def recorded_outputs(source: Source, window: tuple[float, float], muscles: Source | None = None, *, hand: str | None = None) -> tuple[Trials, str]:
    """Return the outputs of a recorded population, and what they are: muscle activity, or position and velocity of the hand.

    Args:
        source: condition averages aligned to movement.
        window: start and stop relative to movement, s.
        muscles: recorded elsewhere, to use instead of the recording's own; conditions are paired in the order of the files.
        hand: name of the series of the hand, to use instead of muscles.

    Raises:
        OptionError: both muscles and a hand are asked for.
        NotFound: the recording has neither muscles nor a hand, or none of that name.
        TrialsError: they do not cover the window, or muscles recorded elsewhere have another number of conditions.
    """
    if muscles is not None and hand is not None:
        raise OptionError(f"hand {hand!r} takes the place of muscles, which are given too; leave one of them out.")
    trials, source = recordings.averages(source, *window), Recording.of(source).whole
    if hand is not None:
        return _of_the_hand(recordings.averaged_hand(source, *window, series=hand), trials, window), f"{HAND}, {hand!r}"
    if muscles is not None:
        driven = recorded_muscles(muscles, window, bin=trials.bin)
        if driven.shape[0] != trials.shape[0]:
            raise TrialsError(f"{muscles}: muscles of {driven.shape[0]} conditions; {source} has {trials.shape[0]}, and each needs its own.")
        name = driven.provenance["recording"]
        return driven, f"{driven.shape[2]} muscles of {name}, recorded elsewhere, conditions paired in the order of the files"
    try:
        driven = recorded_muscles(source, window, bin=trials.bin)
    except NotFound:
        return _of_the_hand(recordings.averaged_hand(source, *window), trials, window), HAND
    return driven, f"its {driven.shape[2]} muscles"


def _of_the_hand(place: Float[ndarray, "condition time 2"], trials: Trials, window: tuple[float, float]) -> Trials:
    """Return position and velocity in the window, each over its standard deviation."""
    velocity = np.zeros_like(place)
    for condition, there in enumerate(trials.lasting):
        velocity[condition, there] = np.gradient(place[condition, there], trials.bin, axis=0)
    cut = [Trials.from_arrays(part, trials.time, stop=trials.stop).window(*window, short=True) for part in (place, velocity)]
    scaled = [part.padded / part.padded[part.lasting].std() for part in cut]
    return Trials.from_arrays(np.concatenate(scaled, axis=2), cut[0].time, condition=cut[0].condition, stop=cut[0].stop, units="1")
