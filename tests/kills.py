"""A small run that is killed: started in a process that has everything imported, so that it takes a second or two; shared by short and long tests.

``python -m tests.kills FOLDER KILLS SEED`` makes an undisturbed run, then runs that are killed (SIGKILL) at random instants and gone on with until
they finish, and prints a line of JSON: kills made, runs finished, and what was wrong, which should be nothing.
"""

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
    jobs = {f"student {n}": cs.fitting.Job(card, training.trials, training.task, seed + n, options) for n in range(3)}
    jobs["least squares"] = cs.fitting.Job(card, training.trials, training.task, seed, cs.Options(epochs=2), "curbd")
    fitted = cs.fitting.train_many(jobs)
    scores = cs.Comparison()
    for name, student in fitted.items():
        copy = cs.simulate(student.model, training.task, seed=seed)
        scores += cs.compare(training.trials, copy, name=name, seed=seed, nulls=10, measures=["R² of rates"])
    losses = [cs.Claim(name, float(np.sum(f.validation)), 0, 1e9, "itself") for name, f in fitted.items()]
    return cs.Report(title="t", question="q", answer="a", scores=tuple(scores), claims=losses, models={"teacher": small}, seed=seed)
'''
RESULTS = ("scores.json", "claims.json")


def started(folder: Path, out: str, *more: str) -> int:
    """Fork a process that runs the command line, and return its number."""
    if process := os.fork():
        return process
    code = 70
    try:
        os.chdir(folder)
        os.dup2(os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        from cortex_sim import cli

        sys.argv = ["cortex-sim", "run", "learn.py", "--out", out, *more]
        cli.main()
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


def main(folder: Path, kills: int, seed: int) -> dict[str, object]:
    import cortex_sim as cs

    (folder / "learn.py").write_text(PROTOCOL)
    cs.run(str(folder / "learn.py"))  # imports what is needed
    began = time.monotonic()
    assert ended(started(folder, "undisturbed")) == 0, (folder / "said.txt").read_text()
    whole, rng, wrong = time.monotonic() - began, np.random.default_rng(seed), []
    done, finished, place = 0, 0, "run-0"
    while done < kills:
        process = started(folder, place, "--resume")
        time.sleep(rng.uniform(0, whole))
        if os.waitpid(process, os.WNOHANG)[0] == 0:
            os.kill(process, signal.SIGKILL)
            ended(process)
            done += 1
        wrong += [f"{place}: {one}" for one in half_written(folder / place)]
        if (folder / place / "report.html").is_file():
            finished, place = finished + 1, f"run-{finished + 1}"
    assert ended(started(folder, place, "--resume")) == 0, (folder / "said.txt").read_text()
    for path in sorted(folder.glob("run-*")):
        wrong += [f"{path.name}: {name} differs" for name in RESULTS if (path / name).read_bytes() != (folder / "undisturbed" / name).read_bytes()]
        wrong += [f"{path.name}: left {each.name}" for each in path.rglob(".*")]
    wrong += [f"left {each.name}" for each in folder.iterdir() if each.name.startswith(".")]
    return {"kills": done, "finished": finished + 1, "seconds": whole, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]).absolute(), int(sys.argv[2]), int(sys.argv[3]))))
