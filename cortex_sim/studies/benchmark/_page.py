"""The page of the benchmark: what every measure sees, leaves alone and ranks, and what to do about it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cortex_sim.report import Report
from cortex_sim.runtime import run_folder
from cortex_sim.statistics import Score
from cortex_sim.studies.benchmark._claimed import claims
from cortex_sim.studies.benchmark._drawn import pictures
from cortex_sim.studies.benchmark._ranked import ALL
from cortex_sim.studies.benchmark._results import Result, write_results
from cortex_sim.studies.benchmark._said import advice, findings
from cortex_sim.studies.benchmark._sizes import FULL, SMOKE, VERSION

NONE = "d' and τ are 0 for a measure that knows nothing; the claim of arm 1 tests that on averages"
EXACT = "a difference of systems has no ceiling"


def report_of(results: Sequence[Result]) -> Report:
    """Return the report of results.

    Args:
        results: of measures and methods.
    """
    measures = [result for result in results if result["kind"] == "measure"]
    methods = [result for result in results if result["kind"] == "method"]
    most, sets = max(result["circuits"] for result in results), sorted({result["set"] for result in results})
    counted = f"{len(measures)} measures" if len(measures) != 1 else f"the measure {measures[0]['name']!r}"
    tested = " and ".join([counted] * bool(measures) + [f"{len(methods)} methods of fitting"] * bool(methods))
    smoke = any(result["smoke"] for result in results)
    return Report(
        title="Which comparison tells how a circuit works?",
        question=f"{VERSION}: {tested}, {most} circuits of seven classes ({', '.join(sets)} set).",
        answer=advice(measures) if measures else "", findings=findings(measures, methods), claims=claims(measures), scores=_scores(measures),
        pictures=pictures(measures, methods), facts=_facts(results), methods=_methods(smoke), smoke=smoke,
    )  # fmt: skip


def write(report: Report, results: Sequence[Result], folder: Path, *, command: str) -> Path:
    """Write the page, and a JSON file for each result beside it, into a new folder; return the page.

    Args:
        report: of the results.
        results: of measures and methods.
        folder: must not exist.
        command: that was typed.

    Raises:
        FileProblem: the folder exists or cannot be written.
    """
    with run_folder(folder, asked={"command": command}):
        page = report.write(folder, command=command)
        write_results(results, folder / "results")
    return page


def _scores(measures: Sequence[Result]) -> list[Score]:
    found = []
    for result in measures:
        numbers, split = result["numbers"], f"{result['circuits']} circuits"
        for view, sensed in numbers["views"].items():
            found.append(_score(f"d′ per unit of s, {view}", result["name"], split, sensed["slope"], sensed["interval"]))
        if ranks := numbers["ranks"].get(ALL):
            found.append(_score("τ with responses to pushes", result["name"], split, ranks["tau"], ranks["interval"]))
            found.append(_score("partial τ with responses to pushes, given R²", result["name"], split, ranks["partial"], ranks["partial_interval"]))
    return found


def _score(measure: str, name: str, split: str, estimate: float, interval: Sequence[float] | None) -> Score:
    span = (float(interval[0]), float(interval[1])) if interval else None
    over = "circuits" if interval else "too few circuits"
    return Score(measure, name, split, estimate, "higher", 1.0 if "τ" in measure else 0.0, None, NONE, span, over, ceiling_reason=EXACT)


def _facts(results: Sequence[Result]) -> dict[str, str]:
    first: dict[str, Any] = results[0]
    data = {result["data"][:12] for result in results}
    return {
        "version": VERSION, "data": ", ".join(sorted(data)), "code": ", ".join(sorted({result["code"][:12] for result in results})),
        "packages": ", ".join(f"{name} {number}" for name, number in first["versions"].items()),
        "flow at s = 1": f"differs from the circuit's by {first['departure']:.2f} of itself where noise leads",
    }  # fmt: skip


def _methods(smoke: bool) -> str:
    sizes = SMOKE if smoke else FULL
    return f"""
    Circuits are drawn at random from seven classes: stability-optimised, layered motor cortex as populations, low rank, balanced amplification,
    feed-forward chain, ring attractor, chaotic; {sizes.units} units, but 15 of layered ones. Each makes {sizes.conditions} reaches.

    Arm 1. Between a circuit's connections W and those of another mechanism, W′, stand W(s) = (1 − s)W + sW′. The input of each system is such that
    the state follows the circuit's noise-free average exactly (feedback linearisation), so averages are equal to round-off, while the flow off the
    averages, single trials with white noise in the input, and responses to pushes differ. Pairs of independent observations at every s give d′,
    the difference of the measure from that of pairs at s = 0 over its standard deviation; the psychometric curve is its mean over circuits, and s is
    told where d′ passes 1.81 (90 % of pairs). {sizes.trials} trials of each condition; averages carry the noise that so many trials leave.

    Arm 2. The mechanism stays and the activity changes: other starts, more inputs, slower input, twice the noise, an orthogonal and an invertible
    image, other units. What a measure loses is in units of the whole way to the other mechanism, s = 1, in the view in which it is most sensitive.

    Arm 3. Networks are fitted to {sizes.training} reaches: the circuit's own equations, also with weights that stray as far as rates hardly change;
    tanh networks by regression, by gradient, from a random start, stopped early, under Dale's law, of rank 6, taught the output alone, or taught
    pushes of one kind besides; hidden units, sparse ones, spiking ones, GRU and LSTM. Beside them stand the circuit's units without connections,
    and ridge regression from the first bin. A measure ranks them by {sizes.tested} other reaches.

    Arm 4. The truth is the fraction of the circuit's responses to {sizes.pushed} draws of pushes that a network explains, by kind; two networks were
    taught others of one kind, all the rest none. Ranks are compared by Kendall's τ, and by partial τ given R² of rates; intervals resample circuits;
    contrasts between measures are corrected by Holm's method.
    """
