"""Deliberate faults, one at a time, and whether a test notices: ``python -m tests.mutants [words of the name] [--jobs 2]``.

Each fault is a place in the package, what stands there, what stands there instead, and the tests that should fail. The package is copied first,
so that the working tree stays as it is. Prints what survived and the share that was caught.
"""

# ruff: noqa: E501 - text of the package stands in the table as it is written there

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LIMIT = 300  # s, after which a fault counts as caught: the tests do not end
WANTED = 0.95


class Fault(NamedTuple):
    """What is wrong, where, and the tests that should say so."""

    name: str
    file: str
    right: str
    wrong: str
    tests: str


COMPARISON = "tests/comparison/"
FAULTS = (
    Fault("penalty of ridge maps chosen on the test set", "comparison/_predictivity.py",
          "errors += _errors(sums.total(inner.train), sums.total(inner.test))", "errors += _errors(sums.total(split.train), sums.total(split.test))",
          COMPARISON + "test_predictivity.py tests/test_second_opinions.py"),
    Fault("no penalty is chosen", "comparison/_predictivity.py", "RIDGE_PENALTIES[int(errors.argmin())]", "RIDGE_PENALTIES[-1]",
          COMPARISON + "test_predictivity.py tests/test_second_opinions.py"),
    Fault("maps without an offset", "comparison/_predictivity.py", "return W, (train.Y - train.X @ W) / train.n", "return W, 0 * train.Y",
          COMPARISON + "test_predictivity.py tests/test_second_opinions.py"),
    Fault("predicts and is predicted swapped", "comparison/_predictivity.py", "return predictivity(b, a, reduce=False)",
          "return predictivity(a, b, reduce=False)", COMPARISON + "test_calibration.py"),
    Fault("cycle there only", "comparison/_predictivity.py", "_apply(back(split), _apply(there(split), a[split.test]))", "_apply(back(split), b[split.test])",
          COMPARISON + "test_predictivity.py tests/test_second_opinions.py"),
    Fault("decoder hears its own system", "comparison/_predictivity.py", "_apply(fit(split), b[split.test])", "_apply(fit(split), a[split.test])",
          COMPARISON + "test_predictivity.py tests/test_second_opinions.py"),
    Fault("canonical correlations in sample", "comparison/_predictivity.py", "tested = [ready(x[split.test])", "tested = [ready(x[split.train])",
          COMPARISON + "test_predictivity.py tests/statistics/test_splits.py"),
    Fault("components of one variance before the leading ones are taken", "comparison/_predictivity.py", "across=across, each=False)", "across=across)",
          COMPARISON + "test_predictivity.py tests/test_second_opinions.py"),
    Fault("mean taken off before the split", "statistics/_splits.py", "train.mean(axis=0 if across else (0, 1))", "train.mean(axis=(0, 1))",
          "tests/statistics/test_splits.py"),
    Fault("trailing axes for leading ones in prepared parts", "statistics/_splits.py", "[1][:, ::-1][:, :axes])", "[1][:, :axes])",
          "tests/statistics/test_splits.py " + COMPARISON + "test_predictivity.py tests/test_second_opinions.py"),
    Fault("local flow: map fitted on the test", "comparison/_local_flow.py", "X, Y = (x[split.train].reshape", "X, Y = (x[split.test].reshape",
          COMPARISON + "test_local_flow.py tests/test_second_opinions.py"),
    Fault("local flow: same time for nearest place", "comparison/_local_flow.py", "other = flows[1][nearest]", "other = flows[1]",
          COMPARISON + "test_local_flow.py tests/test_second_opinions.py"),
    Fault("local flow: speed ignored", "comparison/_local_flow.py", "sizes += float((flows[0] ** 2).sum() + (other**2).sum())",
          "sizes += 2 * float(np.linalg.norm(flows[0]) * np.linalg.norm(other))", COMPARISON + "test_local_flow.py tests/test_second_opinions.py"),
    Fault("trailing axes of the alignment index", "comparison/_geometry.py", "D = np.linalg.eigh(C_a)[1][:, -k:]", "D = np.linalg.eigh(C_a)[1][:, :k]",
          COMPARISON + "test_geometry.py tests/analysis/test_subspaces.py tests/test_second_opinions.py"),
    Fault("alignment not relative to the most there is", "comparison/_geometry.py", "np.linalg.eigvalsh(C_b)[-k:].sum())", "np.linalg.eigvalsh(C_b).sum())",
          COMPARISON + "test_geometry.py tests/analysis/test_subspaces.py tests/test_second_opinions.py"),
    Fault("biased CKA", "comparison/_geometry.py", "if not debiased:", "if debiased:", COMPARISON + "test_geometry.py"),
    Fault("Procrustes without rotation", "comparison/_geometry.py", "nuclear = np.linalg.svd(a.T @ b, compute_uv=False).sum()", "nuclear = np.trace(a.T @ b)",
          COMPARISON + "test_geometry.py " + COMPARISON + "test_table.py"),
    Fault("each side in its own deviation", "comparison/_measures.py", "return (teacher - mean) / scale, (student - mean) / scale",
          "return (teacher - mean) / scale, (student - mean) / unit_scale(student)", COMPARISON + "test_calibration.py " + COMPARISON + "test_table.py"),
    Fault("scale of the test conditions", "comparison/_measures.py", "known = teacher if training is None else training", "known = teacher",
          COMPARISON + "test_calibration.py"),
    Fault("no floor of the scale", "fitting/_start.py", "np.maximum(sd, max(QUIET_FLOOR * float(np.median(sd)), np.finfo(float).tiny))",
          "np.maximum(sd, np.finfo(float).tiny)", COMPARISON + "test_calibration.py tests/fitting/test_fitting.py"),
    Fault("higher and lower confused", "comparison/_measures.py", 'return value if self.better == "higher" else -value',
          'return value if self.better == "lower" else -value', COMPARISON + "test_table.py"),
    Fault("R²(M) for R²(M_skew)", "comparison/_turning.py", "abs(one.r2_skew - other.r2_skew)", "abs(one.r2 - other.r2)",
          COMPARISON + "test_calibration.py"),
    Fault("frequency of the fastest plane", "analysis/_rotations.py", "np.argmax(self.frequency**2 * self.variance)", "np.argmax(self.frequency)",
          "tests/analysis/test_rotations.py " + COMPARISON + "test_calibration.py"),
    Fault("10th percentile of tangling for the 90th", "comparison/_turning.py", "TOP = 90", "TOP = 10", COMPARISON + "test_table.py " + COMPARISON + "test_calibration.py"),
    Fault("tangling within conditions only", "analysis/_tangling.py", "squared_distances(v[part], v) / (squared_distances(x[part], x) + epsilon)",
          "squared_distances(v[part], v[part]) / (squared_distances(x[part], x[part]) + epsilon)", "tests/analysis/test_tangling.py"),
    Fault("tangling without the constant", "analysis/_tangling.py", "epsilon = SHARE *", "epsilon = 1e-9 *", "tests/analysis/test_tangling.py"),
    Fault("skew flow transposed", "analysis/_rotations.py", "M = solve_sylvester(C, C, P - P.T)", "M = solve_sylvester(C, C, P.T - P)",
          "tests/analysis/test_rotations.py"),
    Fault("frequency in rad/s", "analysis/_rotations.py", "frequency=values[order] / (2 * np.pi)", "frequency=values[order]", "tests/analysis/test_rotations.py"),
    Fault("velocity over twice the bin", "analysis/_rotations.py", "np.diff(states, axis=1) / dt", "np.diff(states, axis=1) / (2 * dt)",
          "tests/analysis/test_rotations.py"),
    Fault("inputs of DSA transposed in time", "comparison/_dsa.py", "inputs[:, delays - 1 : -1]", "inputs[:, delays:]", COMPARISON + "test_dsa.py"),
    Fault("DSA cut to the smaller operator", "comparison/_dsa.py", "size = max(len(one), len(other))\n    first, second = (np.pad(operator, (0, size - len(operator)))",
          "size = min(len(one), len(other))\n    first, second = (operator[:size, :size]", COMPARISON + "test_calibration.py"),
    Fault("DSA from one start", "comparison/_dsa.py", "_turns(len(A), restarts, seed)", "_turns(len(A), 1, seed)", COMPARISON + "test_dsa.py"),
    Fault("eigenvalues in order instead of the best pairing", "comparison/_dsa.py", "cost[linear_sum_assignment(cost)].mean()", "np.diag(cost).mean()",
          COMPARISON + "test_dsa.py"),
    Fault("whitening turned off", "comparison/_shape.py", "((alpha * relative + 1 - alpha) / s)", "(relative / s)", COMPARISON + "test_shape.py"),
    Fault("held units counted", "comparison/_response.py", "free[clamp.units] = False", "free[clamp.units] = True", COMPARISON + "test_calibration.py"),
    Fault("conditions permuted where all are alike", "comparison/_response.py", "alike = stream(seed, \"null\", \"orders of responses\"), all(",
          "alike = stream(seed, \"null\", \"orders of responses\"), not all(", COMPARISON + "test_calibration.py"),
    Fault("response about its mean", "comparison/_response.py", "(teacher**2).sum())", "((teacher - teacher.mean()) ** 2).sum())",
          COMPARISON + "test_comparison.py " + COMPARISON + "test_calibration.py"),
    Fault("rates under the push, not their change", "comparison/_response.py", "simulate(model, draw, seed=seed).rate - still", "simulate(model, draw, seed=seed).rate",
          COMPARISON + "test_calibration.py"),
    Fault("pushes within the trailing components", "comparison/_battery.py", "[1][:, ::-1][:, :LEADING]", "[1][:, :LEADING]", COMPARISON + "test_battery.py"),
    Fault("ridge on the last bin", "comparison/_reference.py", "start, course = training.rate[:, 0]", "start, course = training.rate[:, -1]",
          COMPARISON + "test_battery.py"),
    Fault("orders without fixed points", "statistics/_score.py", "evaluate(rng.permutation(count))", "evaluate(np.roll(np.arange(count), 1 + rng.integers(count - 1)))",
          COMPARISON + "test_comparison.py tests/statistics/test_summaries.py"),
    Fault("jackknife without its factor", "statistics/_score.py", "np.sqrt((count - 1) / count * ((without", "np.sqrt(1 / count * ((without",
          COMPARISON + "test_comparison.py"),
    Fault("subsets without their factor", "statistics/_score.py", "np.sqrt(kept / (count - kept) *", "np.sqrt((count - kept) / count *",
          COMPARISON + "test_comparison.py"),
    Fault("tau-a for tau-b", "statistics/_ranks.py", "float(np.sqrt(np.abs(x).sum() * np.abs(y).sum()))", "float(len(x) * (len(x) - 1))",
          "tests/statistics/test_summaries.py"),
    Fault("p-value that can be 0", "statistics/_inference.py", "(1 + (sign * (null - estimate) >= -slack).sum()) / (1 + len(null))",
          "(sign * (null - estimate) >= -slack).sum() / len(null)", "tests/statistics"),
    Fault("p-value of the wrong side", "statistics/_inference.py", 'sign = 1.0 if better == "higher" else -1.0', 'sign = -1.0 if better == "higher" else 1.0',
          "tests/statistics"),
    Fault("chance alignment without variance", "analysis/_subspaces.py", "root = vectors[:, kept] * np.sqrt(values[kept])", "root = vectors[:, kept]",
          "tests/analysis/test_subspaces.py"),
    Fault("null directions of movement alone", "analysis/_subspaces.py", "return hidden(preparation) / hidden(movement)", "return hidden(preparation)",
          "tests/analysis/test_subspaces.py"),
    Fault("variance over time for variance over conditions", "analysis/_subspaces.py", "about = rates - rates.mean(axis=0)", "about = rates - rates.mean(axis=1, keepdims=True)",
          "tests/analysis/test_subspaces.py"),
    Fault("potent and null swapped", "analysis/_subspaces.py", "PotentAndNull(axes @ turned[:, :muscular], axes @ turned[:, muscular:]",
          "PotentAndNull(axes @ turned[:, muscular:], axes @ turned[:, :muscular]", "tests/analysis/test_subspaces.py"),
    Fault("co-smoothing: penalty chosen on the test", "analysis/_co_smoothing.py",
          "_predicted(heard, wanted, inner, penalty) / bin, wanted[inner.test], bin)", "_predicted(heard, wanted, split, penalty) / bin, wanted[split.test], bin)",
          "tests/test_second_opinions.py"),
    Fault("bits in nats", "analysis/_co_smoothing.py", "self.spikes[trials].sum() * np.log(2)", "self.spikes[trials].sum()", COMPARISON + "test_bits.py"),
    Fault("bits without the expected count", "analysis/_co_smoothing.py", " - (r - mean) * bin)", ")", COMPARISON + "test_bits.py"),
    Fault("explored flow along trailing axes", "comparison/_mechanism.py", "axes = np.linalg.eigh(np.cov(flat, rowvar=False))[1][:, ::-1][:, :EXPLORED]",
          "axes = np.linalg.eigh(np.cov(flat, rowvar=False))[1][:, :EXPLORED]", COMPARISON + "test_mechanism.py"),
    Fault("flow always at the first state", "comparison/_mechanism.py", "states[condition, round((moment - task.start) / task.bin)]", "states[condition, 0]",
          COMPARISON + "test_mechanism.py"),
    Fault("pushes of one half for both", "comparison/_mechanism.py", "truths = {PUSHES: (first + second) / 2,", "truths = {PUSHES: first,", COMPARISON + "test_mechanism.py"),
    Fault("responses not clipped", "comparison/_mechanism.py", "explained.append(max(WORST, response_r2(", "explained.append(max(-1e9, response_r2(",
          COMPARISON + "test_mechanism.py"),
    Fault("flow without the time step", "analysis/_explored.py", "- np.eye(len(state))) / model.dt.si", "- np.eye(len(state)))", "tests/analysis/test_explored.py"),
    Fault("currents of the targets", "comparison/_mechanism.py", "return currents(scale[:, None] * W, flat,", "return currents(scale[:, None] * W.T, flat,",
          COMPARISON + "test_mechanism.py"),
)  # fmt: skip


def caught(fault: Fault, package: Path) -> bool:
    """Make the fault in a copy of the package, run its tests there, and say whether one failed."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.svg", "runs"))
        path = copy / "cortex_sim" / fault.file
        text = path.read_text(encoding="utf-8")
        if text.count(fault.right) < 1:
            raise SystemExit(f"{fault.name}: {fault.file} no longer holds {fault.right!r}; bring the list up to date.")
        path.write_text(text.replace(fault.right, fault.wrong, 1), encoding="utf-8")
        if absent := [test for test in fault.tests.split() if not (copy / test).exists()]:
            raise SystemExit(f"{fault.name}: {absent[0]} is not there; bring the list up to date.")
        tests = fault.tests.split()
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "-p", "no:cacheprovider", *tests]
        try:
            run = subprocess.run(command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, timeout=LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return True
        return run.returncode == 1


def main() -> int:
    """Try the faults whose names hold all the words, and print what survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="of the names of the faults to try; all if left out")
    parser.add_argument("--jobs", type=int, default=2, help="tried at a time")
    given = parser.parse_args()
    faults = [fault for fault in FAULTS if all(word in fault.name for word in given.words)]
    with ThreadPoolExecutor(given.jobs) as pool:
        found = dict(zip((fault.name for fault in faults), pool.map(lambda fault: caught(fault, ROOT), faults), strict=True))
    for name in (name for name, noticed in found.items() if not noticed):
        print(f"survived: {name}")
    share = sum(found.values()) / max(len(found), 1)
    print(f"{sum(found.values())} of {len(found)} faults caught ({share:.0%})")
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
