"""The results of a sweep as one dataset, and its report: curves over numbers, heat maps over two axes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from cortex_sim.report import Picture, Report
from cortex_sim.statistics import Score, mean_interval

if TYPE_CHECKING:
    from cortex_sim.studies._sweep import Sweep

DRAWN = 6  # measures with pictures of their own
SEED, OWN = "seed", ("student", "claim", "seconds")  # names of the dataset's own
# Beside each estimate: its interval, the mean of its null, and the value of equal systems.
PARTS = (", low", ", high", ", null", ", identical")


def gathered(found: "Sweep") -> xr.Dataset:
    """Return estimates and bounds of every measure, and what every claim found, over the axes, seeds and students."""
    axes = {_dimension(name): list(values) for name, values in found.axes.items()} | {SEED: list(found.seeds)}
    sizes = tuple(len(values) for values in axes.values())
    order = {name: list(values) for name, values in found.axes.items()}
    places = {item: (*(order[name].index(value) for name, value in item.values), list(found.seeds).index(item.seed)) for item in found.done}
    scores = [(places[item], score) for item, result in found.done.items() for score in result["scores"]]
    splits: dict[tuple[str, str], set[str]] = {}
    for _, score in scores:
        splits.setdefault((score["measure"], score["student"]), set()).add(score["split"])

    def student_of(score: dict[str, Any]) -> str:
        """Return the student, with the conditions where the measure was taken of it on several."""
        several = len(splits[score["measure"], score["student"]]) > 1
        return f"{score['student']} ({score['split']})" if several else str(score["student"])

    students = list(dict.fromkeys(student_of(score) for _, score in scores))
    claims = list(dict.fromkeys(claim["text"] for result in found.done.values() for claim in result["claims"]))
    arrays: dict[str, Any] = {}
    for place, score in scores:
        name = str(score["measure"]).replace("/", " per ")
        if name not in arrays:
            about = {"better": score["better"], "measure": score["measure"]}
            shape = (*sizes, len(students))
            arrays |= {name + part: ((*axes, "student"), np.full(shape, np.nan), about | {"part": part}) for part in ("", *PARTS)}
        at = (*place, students.index(student_of(score)))
        low, high = score["interval"] or (None, None)
        for part, value in zip(("", *PARTS), (score["estimate"], low, high, score["null_mean"], score["identical"]), strict=True):
            arrays[name + part][1][at] = np.nan if value is None else value
    if claims:
        arrays |= {label: ((*axes, "claim"), np.full((*sizes, len(claims)), np.nan)) for label in ("claim found", "claim holds")}
    arrays["seconds"] = (tuple(axes), np.full(sizes, np.nan), {"units": "s"})
    for item, result in found.done.items():
        arrays["seconds"][1][places[item]] = result["seconds"]
        for claim in result["claims"]:
            at = (*places[item], claims.index(claim["text"]))
            arrays["claim found"][1][at] = np.nan if claim["found"] is None else claim["found"]
            arrays["claim holds"][1][at] = claim["holds"]
    failed = "\n".join(f"{item}: {why}" for item, why in found.failed.items())
    coordinates = axes | {"student": students} | ({"claim": claims} if claims else {})
    about = {"protocol": Path(found.protocol).stem, "smoke": int(found.smoke), "failed": failed}
    data = xr.Dataset(arrays, coords=coordinates, attrs=about)
    for name, unit in found.units.items():
        data[_dimension(name)].attrs["units"] = unit
    return data


def _dimension(axis: str) -> str:
    """Return the name of an axis in the dataset: its own, unless that is one of the dataset's."""
    return f"{axis} (option)" if axis in OWN else axis


def report_of(found: "Sweep") -> Report:
    """Return the report of a sweep."""
    data = found.dataset
    axes = [name for name in data.dims if name not in (SEED, "student", "claim")]
    measures = [str(name) for name, part in data.data_vars.items() if "measure" in part.attrs and not part.attrs["part"]]
    stem, total = Path(found.protocol).stem, len(found.done) + len(found.failed)
    held = float(np.nanmean(data["claim holds"])) if "claim holds" in data and np.isfinite(data["claim holds"]).any() else None
    said = f" Claims of {stem} hold in {held:.0%} of the runs." if held is not None else ""
    answer = f"{len(found.done)} of {total} runs of {stem} came to an end, {found.computed} of them now, in {found.seconds:.0f} s.{said}"
    listed = ", ".join(f"{name} ({len(values)})" for name, values in found.axes.items()) or "nothing but seeds"
    count = len(found.seeds)
    return Report(
        title=f"How do the results of {stem} depend on {', '.join(found.axes) or 'the seed'}?",
        question=f"Axes: {listed}; {count} seed{'s'[: count > 1]}.",
        answer=answer, scores=_scores(data, axes, measures), pictures=_pictures(data, axes, measures),
        facts={"runs": str(total), "failed": str(len(found.failed)), "seeds": ", ".join(map(str, found.seeds))},
        findings={f"Failed: {item}": why for item, why in found.failed.items()}, methods=_methods(stem), smoke=found.smoke, seed=found.seeds[0],
        seconds={"sweep": found.seconds}, datasets={"sweep": data},
        absent=[f"{len(measures) - DRAWN} more measures have no picture; sweep.nc holds them."] if len(measures) > DRAWN else [],
    )  # fmt: skip


def _scores(data: xr.Dataset, axes: Sequence[Any], measures: Sequence[str]) -> list[Score]:
    """Return the mean over seeds of every measure and student at every combination."""
    found = []
    for name in measures:
        stacked, alike = (
            part.stack(combination=axes) if axes else part.expand_dims("combination", axis=-1) for part in (data[name], data[f"{name}, identical"])
        )
        for place in range(stacked.sizes["combination"]):
            one = stacked.isel(combination=place)
            where = ", ".join(f"{axis} = {one[axis].item()}" for axis in axes) or "all"
            for student in one["student"].values:
                values = one.sel(student=student).values
                there = np.isfinite(values)
                if there.any():
                    interval, about = mean_interval(values[there]), data[name].attrs
                    identical = float(alike.isel(combination=place).sel(student=student).values[there].mean())
                    found.append(Score(
                        about["measure"], str(student), where, float(values[there].mean()), about["better"], identical, None,
                        "nulls of single runs are in sweep.nc", interval, "seeds" if interval else "one seed", ceiling_reason="a mean over runs",
                    ))  # fmt: skip
    return found


def _pictures(data: xr.Dataset, axes: Sequence[Any], measures: Sequence[str]) -> dict[str, Picture]:
    from cortex_sim.report.figures import swept_curves, swept_maps

    pictures = {}
    varied = sorted((str(axis) for axis in axes if data.sizes[axis] > 1), key=lambda axis: data[axis].dtype.kind not in "fiu")
    for name in measures[:DRAWN]:
        for axis in varied[:2]:
            caption = "Mean over seeds and over other axes; bars: smallest and largest."
            pictures[f"{name} along {axis}"] = Picture(swept_curves(data[name], axis), f"{name} along {axis}", caption)
        if len(varied) > 1:
            title = f"{name} over {varied[0]} and {varied[1]}"
            pictures[title] = Picture(swept_maps(data[name], varied[0], varied[1]), title, "Mean over seeds and over other axes.")
    return pictures


def _methods(stem: str) -> str:
    return f"""
    The protocol {stem} was run at every combination of the values of the axes and with every seed, as a single run would be. Scores in the table are
    means over seeds with Student's t interval; intervals over conditions and nulls of every single run are in sweep.nc.
    """
