"""Write benchmarks/README.md: one table for each file of benchmarks/results/, with what was measured, on which machine, and what limits it."""

import ast
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE / "README.md"
ROWS = 14  # of a table; more are in the file
HEAD = """# Speed, measured

Every script here is run by `make bench` and leaves its rows in `results/`; `python benchmarks/page.py` writes this page from them. Machines differ:
compare ratios. Scripts take what they compare in turn, so that a busy machine slows all alike. The first line of a script says what it measures.

"""
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
        if path.stem in LIMITS:
            parts.append(f"\nWhat limits it: {LIMITS[path.stem]}\n")
        parts.append("\n")
    PAGE.write_text("".join(parts), encoding="utf-8")


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
