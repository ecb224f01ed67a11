"""Write benchmarks/README.md: a table and a picture for each file of benchmarks/results/, what was measured, on which machine, and what limits it."""

import ast
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

HERE = Path(__file__).parent
PAGE = HERE / "README.md"
ROWS = 14  # of a table; more are in the file
HEAD = """# Speed, measured

Every script here is run by `make bench` and leaves its rows in `results/`; `python benchmarks/page.py` writes this page from them. Machines differ:
compare ratios. Scripts take what they compare in turn, so that a busy machine slows all alike. The first line of a script says what it measures.

"""
PICTURES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {  # what tells rows apart, what is drawn (means over the rest), and its unit
    "arm_step": (("arm",), ("ms a step, forward and back",), "ms a step"),
    "circuit_build": (("units", "seed"), ("s", "direct s"), "s"),
    "fixed_points": (("network",), ("s",), "s"),
    "full_scale": (("card",), ("build s", "write s", "draw s", "load s", "loop s", "read s"), "s"),
    "hidden_start": (("plan",), ("s",), "s"),
    "match": (("command",), ("s",), "s"),
    "rate_backend": (("units", "conditions"), ("us a step", "numpy us a step"), "us a step"),
    "similarity": (("what",), ("s",), "s"),
    "spiking_backend": (("network", "who"), ("whole wait s",), "s"),
    "training_step": (
        ("units", "trials", "steps", "threads"),
        ("ours (ms)", "torch loop (ms)", "equation text (ms)", "nn.RNN (ms)", "nn.GRU (ms)", "C (ms)"), "ms, forward and back",
    ),
    "trials_in_parallel": (("card", "trials", "workers"), ("s",), "s"),
    "ways_to_train": (("way",), ("ms a step",), "ms a step"),
}  # fmt: skip
LOGARITHMIC = 20.0  # largest over smallest value from which on an axis is logarithmic
LIMITS = {
    "similarity": "The table grows with surrogates; a surrogate costs most in maps between conditions held out and in tangling.",
    "sweep": "A run costs the pickling of its arguments and one file; docs/scale.md reckons from it.",
    "hidden_start": "A third is the choice of the start by free runs on validation conditions, the rest epochs of torch's matrix products.",
    "ways_to_train": "SOFO's tangents: each costs a run, and 64 of them see 64 of 210,000 directions.",
    "training_step": "Products of trials with weights; C with SciPy's BLAS spends its time there too.",
    "rate_backend": "Products of trials with weights above 1,000 units, calls of Brian2's code objects below.",
    "spiking_backend": "Random access to memory: every spike writes to its targets.",
    "full_scale": "Building synapses and random access to memory.",
    "fixed_points": "Jacobians and eigenvalues, cubic in units.",
}


def main() -> None:
    """Write the page."""
    parts = [HEAD]
    for path in sorted((HERE / "results").glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        script = HERE / f"{path.stem}.py"
        if path.stem == "claims" or not script.exists():
            continue
        about = (ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or "").split("\n")[0]
        machine = found["machine"]
        parts.append(
            f"## {path.stem}\n\n{about} ({machine['cores']} cores, Python {machine['python']}, {machine['date']}.)\n\n{table(found['rows'])}\n"
        )
        if path.stem in PICTURES:
            label, drawn, unit = PICTURES[path.stem]
            picture(found["rows"], label, drawn, unit=unit, path=path.with_suffix(".svg"))
            parts.append(f"\n![{path.stem}: {', '.join(drawn)}, by {', '.join(label)}](results/{path.stem}.svg)\n")
        if path.stem in LIMITS:
            parts.append(f"\nWhat limits it: {LIMITS[path.stem]}\n")
        parts.append("\n")
    PAGE.write_text("".join(parts), encoding="utf-8")


def picture(rows: list[dict[str, Any]], label: tuple[str, ...], drawn: tuple[str, ...], *, unit: str, path: Path) -> None:
    """Draw numbers as bars, the mean of the rows that have one label, and write them.

    Args:
        rows: of a file of results.
        label: columns that tell rows apart.
        drawn: columns with numbers, all in one unit.
        unit: of the axis.
        path: of the picture.
    """
    named: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if all(row.get(name) is not None for name in label) and any(row.get(name) is not None for name in drawn):
            named.setdefault(", ".join(f"{name} {row[name]}" if isinstance(row[name], int) else str(row[name]) for name in label), []).append(row)
    known = {name: [[row[name] for row in each if row.get(name) is not None] for each in named.values()] for name in drawn}
    height, values = 0.8 / len(drawn), [float(np.mean(each)) for column in known.values() for each in column if each]
    figure = Figure(figsize=(7, 0.9 + 0.26 * max(len(named) * len(drawn) ** 0.7, 2)), layout="constrained")
    axes = figure.subplots()
    for place, (name, column) in enumerate(known.items()):
        means = [float(np.mean(each)) if each else np.nan for each in column]
        axes.barh(np.arange(len(named)) + (place - (len(drawn) - 1) / 2) * height, means, height, label=name)
    axes.set_yticks(range(len(named)), list(named), fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    if min(values) > 0 and max(values) > LOGARITHMIC * min(values):
        axes.set_xscale("log")
    if len(drawn) > 1:
        axes.legend(frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    with mpl.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows of numbers as a table, the first of them if there are many."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(_cell(row.get(name)) for name in columns)} |" for row in rows[:ROWS]]
    return "\n".join(lines) + (f"\n\n{len(rows) - ROWS} more rows are in the file." if len(rows) > ROWS else "")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value).replace("|", "/")


if __name__ == "__main__":
    main()
