"""Students are independent: train them side by side, resuming each from its own checkpoint."""

import hashlib
import json
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from cortex_sim.fitting import Fitted, Options, train
from cortex_sim.model import Model
from cortex_sim.progress import track
from cortex_sim.storage import cache_folder, content_key, write_text
from cortex_sim.task import Task
from cortex_sim.trials import Trials


@dataclass(frozen=True)
class Job:
    """One student to train: the arguments of :func:`train`."""

    model: Model
    trials: Trials
    task: Task
    seed: int = 0
    options: Options = Options()


def train_many(jobs: Mapping[str, Job]) -> dict[str, Fitted]:
    """Train students side by side, one process with one thread each, with progress.

    A run that is killed resumes from where it was when the same jobs are asked for again: each has a checkpoint in the cache, named by the
    content of everything that decides its result.

    Args:
        jobs: by name.
    """
    from joblib import Parallel, cpu_count, delayed

    cores = min(len(jobs), cpu_count())
    with tempfile.TemporaryDirectory(prefix="cortex-sim-") as folder, track(f"training {len(jobs)} students") as report:
        boards = {name: Path(folder) / f"{number}.json" for number, name in enumerate(jobs)}
        watching = threading.Event()
        watcher = threading.Thread(target=_watch, args=(boards, report, watching), daemon=True)
        watcher.start()
        try:
            calls = [delayed(_train_alone)(job, _checkpoint(job), boards[name]) for name, job in jobs.items()]
            return dict(zip(jobs, Parallel(n_jobs=max(1, cores))(calls), strict=True))
        finally:
            watching.set()
            watcher.join()


def _train_alone(job: Job, checkpoint: Path, board: Path) -> Fitted:
    import torch

    torch.set_num_threads(1)

    def report(done: float, text: str) -> None:
        write_text(board, json.dumps([done, text]))

    with threadpool_limits(1):
        return train(job.model, job.trials, job.task, seed=job.seed, options=job.options, checkpoint=checkpoint, report=report)


def _checkpoint(job: Job) -> Path:
    task = [job.task.condition.tolist(), [[d.pattern, d.course] for d in job.task.drives]]
    channels = [] if job.task.channels is None else job.task.channels.values
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path(__file__).parents[1].rglob("*.py"))]
    key = content_key(job.model.key, job.trials.rate, task, channels, job.seed, asdict(job.options), code)
    return cache_folder() / "fits" / f"{key[:24]}.pt"


def _watch(boards: Mapping[str, Path], report: Callable[[float, str], None], stop: threading.Event) -> None:
    """Put the progress of all students into one line, twice a second."""
    while not stop.wait(0.5):
        found = {name: json.loads(board.read_text()) for name, board in boards.items() if board.exists()}
        if found:
            texts = "; ".join(f"{name} {text}" for name, (done, text) in found.items() if done < 1)
            report(sum(done for done, _ in found.values()) / len(boards), texts)
