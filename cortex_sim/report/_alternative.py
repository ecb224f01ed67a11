"""What stands in place of a figure for those who do not see it: its panels, their axes, and what is drawn in them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cortex_sim.report._report import Animation, Picture

MOST = 12  # names that are listed


def alternative(picture: "Picture | Animation") -> str:
    """Return the alternative text of a figure; its title and caption stand below it and are not repeated."""
    figure = getattr(picture, "figure", None)
    if figure is None:
        return "Animation; the caption below says what moves."
    panels = [axes for axes in figure.axes if axes.get_visible() and axes.axison]
    y, x = (_few(list(dict.fromkeys(label for axes in panels if (label := _plain(of(axes)))))) for of in (_of_y, _of_x))
    drawn = list(dict.fromkeys(name for axes in panels for name in _names(axes)))
    drawn += [name for legend in figure.legends for name in _texts(legend) if name not in drawn]
    parts = [f"{len(panels)} panels" if len(panels) != 1 else "One panel"]
    parts += [f"of {y} against {x}" if x and y else f"over {x}" if x else f"of {y}"] if x or y else []
    return " ".join(parts) + (f"; shown: {_few(drawn)}." if drawn else ".")


def _of_y(axes: Any) -> str:
    return str(axes.get_ylabel())


def _of_x(axes: Any) -> str:
    return str(axes.get_xlabel())


def _plain(text: str) -> str:
    return " ".join(text.split())


def _names(axes: Any) -> list[str]:
    legend = axes.get_legend()
    return ([_plain(axes.get_title())] if axes.get_title() else []) + (_texts(legend) if legend else [])


def _texts(legend: Any) -> list[str]:
    return [_plain(text.get_text()) for text in legend.get_texts() if text.get_text().strip()]


def _few(names: list[str]) -> str:
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
