"""A small run or study that is killed: started in a process that has everything imported, so that it takes a second or two.

``python -m tests.kills KIND FOLDER KILLS SEED``, of kind ``run`` or ``study``, makes an undisturbed one, then such that are killed (SIGKILL) at
random instants and gone on with until they finish, and prints a line of JSON: kills made, how many finished, and what was wrong, which should be
nothing.
"""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

PROTOCOL = '''"""Do students learn?"""
import numpy as np
import cortex_sim as cs
MODEL = "murphy_miller_2009"
def run(model, *, seed, smoke):
    small = cs.edit.shrunk(model, 12).with_arrays({}, dt={"value": 0.2, "unit": "ms", "meaning": "step"})
    training, _ = cs.analysis.delayed_reaches(small, (12, 4), seed=seed)
    card = cs.fitting.with_time_constant_of(cs.load("leaky_tanh"), small)
    options = cs.Options(epochs=8, rate=5e-3, patience=99)
    jobs = {f"student {n}": cs.fitting.Job(card, training.trials, training.task, seed + n, options) for n in range(2)}
    jobs["least squares"] = cs.fitting.Job(card, training.trials, training.task, seed, cs.Options(epochs=2), "curbd")
    fitted = cs.fitting.train_many(jobs)
    scores = cs.Comparison()
    for name, student in fitted.items():
        copy = cs.simulate(student.model, training.task, seed=seed)
        scores += cs.compare(training.trials, copy, name=name, seed=seed, nulls=10, measures=["R² of rates"])
    losses = [cs.Claim(name, float(np.sum(f.validation)), 0, 1e9, "itself") for name, f in fitted.items()]
    return cs.Report(title="t", question="q", answer="a", scores=tuple(scores), claims=losses, models={"teacher": small}, seed=seed)
'''
TUNED = '''"""Which students learn?"""
import numpy as np
import cortex_sim as cs
def run(model, *, seed, smoke):
    return cs.Report("t", "q", "a")
def training_data(model, *, seed, smoke):
    rates = 5 + np.random.default_rng(seed).normal(size=(10, 12, 3)).cumsum(axis=1)
    task = cs.Task("free", 0.0, 0.12, condition=np.arange(10))
    return cs.load("leaky_tanh"), cs.Trials.from_arrays(rates, task.time), task, cs.Options(epochs=2, closed_form=False)
'''
SPACE = "rate = { low = 1e-4, high = 1e-1, log = true }\npenalty_weights = { low = 1e-6, high = 1.0, log = true }\n"
STUDY = ("tune", "learn.py", "--space", "space.toml", "--trials", "13", "--folds", "2", "--study", "study-of-{out}")
KINDS = {"run": (PROTOCOL, ("run", "learn.py")), "study": (TUNED, STUDY)}
RESULTS = ("scores.json", "claims.json")
RECORDED = ("cards", "trials", "facts")  # of run.json, what does not depend on when and where


def called(kind: str, out: str, *more: str) -> None:
    """Call the command line in this process."""
    from cortex_sim import cli

    sys.argv = ["cortex-sim", *(word.format(out=out) for word in KINDS[kind][1]), "--out", out, *more]
    cli.main()


def started(kind: str, folder: Path, out: str, *more: str) -> int:
    """Fork a process that runs the command line, and return its number."""
    if process := os.fork():
        return process
    code = 70
    try:
        os.chdir(folder)
        os.dup2(os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        called(kind, out, *more)
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        os._exit(code)


def ended(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def half_written(folder: Path) -> list[str]:
    """Files of a killed run that look whole: those of a report, beside a page that says it is one or not."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    unread = [name for name in names if name.endswith(".json") and name != "unfinished.json" and not _json(folder / name)]
    whole = {"report.html", "run.json", *RESULTS, "figures", "models", "ro-crate-metadata.json"}
    return unread + ([f"a page without {sorted(whole - set(names))}"] if "report.html" in names and whole - set(names) else [])


def _json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True


def results(folder: Path) -> dict[str, object]:
    """What a finished run found: its numbers, and the content of its models and trials."""
    run = json.loads((folder / "run.json").read_text())
    return {name: (folder / name).read_bytes() for name in RESULTS} | {name: run[name] for name in RECORDED}


def main(kind: str, folder: Path, kills: int, seed: int) -> dict[str, object]:
    (folder / "learn.py").write_text(KINDS[kind][0])
    (folder / "space.toml").write_text(SPACE)
    os.chdir(folder)
    with contextlib.suppress(SystemExit):
        called(kind, "imports")
    began = time.monotonic()
    assert ended(started(kind, folder, "undisturbed")) == 0, (folder / "said.txt").read_text()
    whole, rng, wrong = time.monotonic() - began, np.random.default_rng(seed), []
    done, finished, place = 0, 0, "run-0"
    while done < kills:
        process = started(kind, folder, place, "--resume")
        time.sleep(rng.uniform(0, whole))
        gone, status = os.waitpid(process, os.WNOHANG)
        assert status == 0, (folder / "said.txt").read_text()
        if not gone:
            os.kill(process, signal.SIGKILL)
            ended(process)
            done += 1
        wrong += [f"{place}: {one}" for one in half_written(folder / place)]
        if gone and (folder / place / "report.html").is_file():  # one killed at its very end is gone on with once more, which tidies it
            finished, place = finished + 1, f"run-{finished + 1}"
    began = time.monotonic()
    assert ended(started(kind, folder, place, "--resume")) == 0, (folder / "said.txt").read_text()
    last = time.monotonic() - began
    for path in sorted(folder.glob("run-*")):
        found, expected = results(path), results(folder / "undisturbed")
        wrong += [f"{path.name}: {name} differs" for name in expected if found[name] != expected[name]]
    wrong += [f"left {each.relative_to(folder)}" for each in folder.rglob(".*")]
    return {"kills": done, "finished": finished + 1, "seconds": whole, "last": last, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]).absolute(), int(sys.argv[3]), int(sys.argv[4]))))
