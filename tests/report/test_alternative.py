"""Figures say in words what they show, to those who do not see them."""

from matplotlib.figure import Figure

from cortex_sim.report._alternative import alternative
from cortex_sim.report._report import Animation, Picture


def test_panels_axes_and_names_are_told_and_the_title_is_not_repeated() -> None:
    figure = Figure()
    for place, axes in enumerate(figure.subplots(1, 2)):
        axes.plot([0, 1], label="circuit")
        axes.set(xlabel="time (ms)", ylabel="rate (Hz)", title=f"unit {place}")
        axes.legend()
    picture = Picture(figure, "Rates", "A caption.")
    assert alternative(picture) == "2 panels of rate (Hz) against time (ms); shown: unit 0, circuit, unit 1."
    bare = Figure()
    bare.subplots().set_axis_off()
    assert alternative(Picture(bare, "Empty", "")) == "0 panels."
    assert "caption" in alternative(Animation("<svg/>", "Moving", ""))
