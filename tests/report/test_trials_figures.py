"""What is drawn of trials is what is in them: means and their errors, every spike, names and units as given."""

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import cortex_sim as cs
from cortex_sim.errors import OptionError, TrialsError

RNG = np.random.default_rng(7)
TIME = 0.01 * np.arange(-10, 20)
NAMES = ["Tür, links", '$\\alpha$ "quoted"', "Zeile\nzwei"]


def rates(labels: Any, units: int = 9, unit: str = "mV") -> cs.Trials:
    size = np.arange(1, units + 1)  # later units vary more
    made = RNG.normal(size=(len(labels), TIME.size, units)) * size
    return cs.Trials.from_arrays(made, TIME, condition=labels, units=unit)


def drawn(figure: Any) -> list[Any]:
    return [ax for ax in figure.axes if ax.get_title()]


def test_lines_are_means_of_conditions_with_their_errors_and_names() -> None:
    labels = np.array(NAMES * 5)
    trials = rates(labels)
    figure = cs.plot(trials)
    axes = drawn(figure)
    assert [ax.get_title() for ax in axes] == [f"unit {unit}" for unit in range(3, 9)]  # those that vary most
    for ax, unit in zip(axes, range(3, 9), strict=True):
        lines = [line for line in ax.get_lines() if len(line.get_xdata()) == TIME.size]
        assert len(lines) == 3
        for line, name in zip(lines, NAMES, strict=True):
            own = trials.rate[labels == name][:, :, unit]
            np.testing.assert_allclose(line.get_xdata(), 1e3 * TIME)
            np.testing.assert_allclose(line.get_ydata(), own.mean(axis=0))
        band = ax.collections[0].get_paths()[0].vertices[1:-1]
        own = trials.rate[labels == NAMES[0]][:, :, unit]
        error = own.std(axis=0, ddof=1) / np.sqrt(5)
        np.testing.assert_allclose(sorted(band[:, 1])[-1], (own.mean(axis=0) + error).max())
        np.testing.assert_allclose(sorted(band[:, 1])[0], (own.mean(axis=0) - error).min())
    assert axes[0].get_ylabel() == "rate (mV)" and axes[-1].get_xlabel() == "time (ms)" and axes[0].get_xlim() == (-100, 200)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == NAMES
    assert figure._repr_png_().startswith(b"\x89PNG")  # which a name that looks like mathematics would not survive


def test_every_spike_stands_in_the_row_of_its_trial_below_a_psth() -> None:
    labels, count = np.array([2.5, 0.0, 1.0, 2.5, 0.0, 1.0]), 300
    when, unit, trial = RNG.uniform(-0.1, 0.2, count), RNG.integers(0, 4, count), RNG.integers(0, 6, count)
    trials = cs.Trials.from_spikes((when, unit, trial), TIME, units=4, condition=labels)
    figure = cs.plot(trials, units=[2], smoothing=0.03)
    above, below = figure.axes
    order = [int(place) for label in (0.0, 1.0, 2.5) for place in np.flatnonzero(labels == label)]  # numbers ascend
    found = np.concatenate([np.stack([line.get_xdata(), line.get_ydata()], axis=1) for line in above.get_lines()])
    own = unit == 2
    wanted = np.stack([1e3 * when[own], [order.index(int(row)) for row in trial[own]]], axis=1)
    np.testing.assert_allclose(found[np.lexsort(found.T)], wanted[np.lexsort(wanted.T)])
    means = trials.smoothed(0.03).averaged()
    lines = [line for line in below.get_lines() if len(line.get_xdata()) == TIME.size]
    for line, label in zip(lines, [0.0, 1.0, 2.5], strict=True):
        np.testing.assert_allclose(line.get_ydata(), means.rate[means.condition == label][0, :, 2], atol=1e-9)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1", "2.5"] and below.get_ylabel() == "rate (Hz)"
    inks = {
        text.get_text(): to_rgba(line.get_color()) for text, line in zip(figure.legends[0].get_texts(), figure.legends[0].get_lines(), strict=True)
    }
    assert len(set(inks.values())) == 3
    assert {to_rgba(line.get_color()) for line in above.get_lines()} == set(inks.values())


def test_many_conditions_are_thinned_out_and_it_is_said() -> None:
    figure = cs.plot(rates(np.arange(100)), units=np.array([8, 0]))
    assert [ax.get_title() for ax in drawn(figure)] == ["unit 8", "unit 0"]
    assert figure.legends[0].get_title().get_text() == "48 of 100 conditions, among them"
    assert [text.get_text() for text in figure.legends[0].get_texts()][::2] == ["0", "99"]


def test_trials_that_end_early_are_averaged_as_long_as_they_last() -> None:
    stop = np.array([0.2, 0.05, 0.2, 0.05])
    made = np.broadcast_to(np.array([1.0, 3.0, 1.0, 3.0])[:, None, None], (4, TIME.size, 2))
    line = drawn(cs.plot(cs.Trials.from_arrays(made, TIME, condition=np.zeros(4), stop=stop)))[0].get_lines()[0]
    np.testing.assert_allclose(line.get_ydata(), np.where(TIME + 0.01 <= 0.05 + 1e-9, 2.0, 1.0))
    spikes = cs.Trials.from_spikes((np.array([0.1, 0.01]), np.array([0, 0]), np.array([0, 1])), TIME, units=1, condition=[0, 0], stop=[0.2, 0.05])
    above, below = cs.plot(spikes).axes
    assert sum(len(line.get_xdata()) for line in above.get_lines()) == 2
    assert max(len(line.get_xdata()) for line in below.get_lines()) == 15  # bins before 50 ms
    with pytest.raises(TrialsError, match=r"plot: the shortest of 2 trials ends at -0\.09 s; leave out what was aborted: trials\.window"):
        cs.plot(cs.Trials.from_spikes((np.array([0.1]), np.array([0]), np.array([0])), TIME, units=1, condition=[0, 0], stop=[0.2, -0.09]))


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(OptionError, match="units of these trials"):
        cs.plot(rates(np.arange(4)), units=[9])
    with pytest.raises(OptionError, match="plot: trials should be Trials"):
        cs.plot(rates(np.arange(4)).rate)


def test_labels_of_logarithmic_axes_are_plain_however_a_figure_is_saved(tmp_path: Any) -> None:
    """Under matplotlib's own settings, which parse formulas, and under others."""
    curves = {"größe_$1$": ([0.0071, 0.0052, 0.003], [0.008, 0.006, 0.004])}
    figure = cs.figures.learning_curves(curves)
    figure.savefig(tmp_path / "a.png")
    ax = figure.axes[0]
    texts = [label.get_text() for label in (*ax.get_yticklabels(), *ax.get_yticklabels(minor=True))]
    assert any("10⁻³" in text for text in texts) and not any("$" in text or "mathdefault" in text for text in texts)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["größe_$1$"]
