"""Figures of spikes show what they are given, with units on every axis."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cortex_sim.analysis._spike_statistics import SpikeStatistics, spike_statistics
from cortex_sim.report.figures import _spikes as draw
from cortex_sim.report.figures._spectra import power_spectrum
from cortex_sim.report.figures._style import COLOURS, GREY, TEACHER, save_svg
from cortex_sim.trials._trials import Trials

SIZES = {"IT": 40, "PT": 12, "PV": 5}
RATES = {"IT": 4.0, "PT": 10.0, "PV": 30.0}


@pytest.fixture(scope="module")
def trials() -> Trials:
    """Poisson units of three populations in mixed order, from -100 to 900 ms; the second trial ends at 700 ms."""
    rng = np.random.default_rng(0)
    population = rng.permutation(np.repeat(list(SIZES), list(SIZES.values())))
    stop = np.array([0.9, 0.7, 0.9, 0.9])
    counts = rng.poisson(np.array([RATES[name] for name in population]) * (stop + 0.1)[:, None])
    trial, unit = (np.repeat(place.ravel(), counts.ravel()) for place in np.indices(counts.shape))
    when = -0.1 + rng.uniform(size=trial.size) * (stop[trial] + 0.1)
    time = -0.1 + 0.01 * np.arange(100)
    return Trials.from_spikes((when, unit, trial), time, units=57, condition=np.zeros(4), stop=stop, population=population)


@pytest.fixture(scope="module")
def systems(trials: Trials) -> dict[str, SpikeStatistics]:
    found = spike_statistics(trials)
    return {"recording": found, "simulated": found, "recording, Poisson surrogate": found}


def labelled(figure: Figure) -> list[Axes]:
    """All panels, which must say what they show and in which unit."""
    for ax in figure.axes:
        assert ax.get_xlabel()
    assert figure.axes[0].get_ylabel()
    return figure.axes


def test_a_raster_has_a_row_a_unit_and_every_spike_of_it(trials: Trials) -> None:
    (ax,) = labelled(draw.raster(trials, trial=1, each=60))
    assert ax.get_xlabel() == "time (ms)" and ax.get_xlim() == pytest.approx((-100, 700))
    names = list(dict.fromkeys(trials.population.tolist()))
    marks = [line for line in ax.lines if line.get_marker() == "|"]
    assert [label.get_text() for label in ax.get_yticklabels()] == names and len(marks) == len(names)
    row = 0
    when, unit, trial = trials.spikes
    for name, line in zip(names, marks, strict=True):
        members = np.flatnonzero(trials.population == name)
        shown = (trial == 1) & np.isin(unit, members)
        expected = sorted(zip(when[shown] * 1e3, row + np.searchsorted(members, unit[shown]), strict=True))
        np.testing.assert_allclose(sorted(zip(*line.get_data(), strict=True)), expected)
        assert line.get_rasterized()
        row += SIZES[name]
    assert len({line.get_color() for line in marks}) == 3 and ax.get_ylim() == (row - 0.5, -0.5)


def test_a_raster_draws_as_many_units_of_each_population_and_no_more_spikes_than_asked(trials: Trials) -> None:
    (ax,) = labelled(draw.raster(trials, each=10))
    assert ax.get_ylim()[0] == 10 + 10 + 5 - 0.5 and ax.get_ylabel() == "population (5 to 10 units each)"
    (ax,) = labelled(draw.raster(trials, each=10, spikes=60))
    total = sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() == "|")
    assert 0 < total < 2 * 60  # a share of the units, at least one of each population, whose rates differ
    one, again, other = (draw.raster(trials, each=4, seed=seed).axes[0].lines[0].get_xdata() for seed in (0, 0, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_a_raster_without_populations_or_spikes_is_drawn(trials: Trials) -> None:
    silent = Trials.from_spikes(([], [], []), trials.time, units=3, condition=[0])
    (ax,) = labelled(draw.raster(silent))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["units"] and ax.get_ylabel() == "population (3 units each)"


def test_bars_are_the_rates_and_lie_beside_their_references() -> None:
    (ax,) = labelled(draw.rate_bars(RATES, reference={"IT": 5.0, "PV": 20.0}, tolerance=0.2, spread=1.5, source="calibration"))
    bars, bands = [p for p in ax.patches if p.get_width() < 0.7], [p for p in ax.patches if p.get_width() > 0.7]
    assert [bar.get_height() for bar in bars] == list(RATES.values())
    assert [(band.get_y(), band.get_y() + band.get_height()) for band in bands] == [pytest.approx((3.5, 6.5)), pytest.approx((16.0, 24.0))]
    assert [band.get_x() + 0.42 for band in bands] == [0, 2]
    assert [list(line.get_ydata()) for line in ax.lines if len(line.get_xdata())] == [[5, 5], [20, 20]]
    assert [text.get_text() for text in ax.texts] == ["4", "10", "30"] and ax.get_ylabel() == "mean rate (Hz)"
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["calibration; shaded: ± 20%, at least 1.5 Hz"]
    assert ax.get_ylim()[1] >= 30


def test_bars_without_references_have_no_legend() -> None:
    (ax,) = labelled(draw.rate_bars(RATES))
    assert not ax.figure.legends and len(ax.patches) == 3


def test_distributions_rise_from_none_to_all_with_the_median_marked(systems: dict[str, SpikeStatistics]) -> None:
    axes = labelled(draw.distributions(systems))
    assert [ax.get_xlabel() for ax in axes] == list(draw.PANELS.values()) and axes[0].get_xscale() == "log"
    found = systems["simulated"]
    pairs = found.correlation[np.triu_indices(len(found.paired), 1)]
    for ax, values in zip(axes, (found.rate, found.cv2, found.fano.ravel(), pairs), strict=True):
        curve, dot = ax.lines[2], ax.lines[3]  # of the second system
        values = np.sort(values[np.isfinite(values)])
        np.testing.assert_array_equal(curve.get_xdata(), values)
        np.testing.assert_allclose(curve.get_ydata(), np.arange(1, len(values) + 1) / len(values))
        assert curve.get_drawstyle() == "steps-post"  # reaches k/n at the k-th value
        assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (np.median(values), 0.5)
        assert ax.get_xlim()[0] < np.median(values) < ax.get_xlim()[1]
    assert [axes[0].lines[k].get_color() for k in (0, 2, 4)] == [TEACHER, COLOURS[0], GREY]


def test_distributions_of_a_system_that_has_none_are_drawn(trials: Trials) -> None:
    silent = spike_statistics(Trials.from_spikes(([], [], []), trials.time, units=3, condition=[0, 0]))
    axes = labelled(draw.distributions({"silent": silent}, ["rate", "cv2"]))
    assert len(axes) == 2 and len(axes[1].lines[0].get_xdata()) == 0


def test_spectra_are_drawn_in_hz_with_the_level_of_independent_units() -> None:
    frequency = np.arange(1.0, 200.0)
    (ax,) = labelled(power_spectrum({"PT": (frequency, 2 / frequency), "recording": (frequency, 0.1 + 0 * frequency)}, flat={"PT": 0.25}))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("frequency (Hz)", "power of the mean rate (Hz²/Hz)")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    np.testing.assert_array_equal(ax.lines[0].get_data(), (frequency, 2 / frequency))
    assert list(ax.lines[2].get_ydata()) == [0.25, 0.25] and ax.lines[2].get_color() == ax.lines[0].get_color() != ax.lines[1].get_color()


def test_a_raster_is_an_image_within_its_svg_and_the_same_every_time(trials: Trials, tmp_path: Path) -> None:
    for name in ("one.svg", "again.svg"):
        save_svg(draw.raster(trials), tmp_path / name)
    assert "<image" in (tmp_path / "one.svg").read_text()
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
