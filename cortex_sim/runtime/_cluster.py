"""Jobs on a cluster: the one path of :func:`cortex_sim.runtime.workers.map`, with Dask's workers in the place of processes of this machine."""

import importlib
import logging
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from cortex_sim.errors import OptionError
from cortex_sim.runtime._keys import code_key
from cortex_sim.runtime._progress import track
from cortex_sim.runtime._storage import cache_folder
from cortex_sim.runtime._visible import warn

ANSWERS = 10.0  # s that a scheduler has to answer
STARTS = 600.0  # s that the first worker of a queue has to start
MEMORY, QUEUED = "4GB", 2  # of a worker of a queue, and how many are asked for
_clients: list[Any] = []  # of the cluster that does the jobs, innermost last


@contextmanager
def cluster(scheduler: str | None = None, *, slurm: str | None = None, jobs: int | None = None) -> Iterator[None]:
    """Let jobs run on a Dask cluster while the block runs, or on this machine if none is named.

    Every worker of the cluster needs this package, in this version. Results that are kept on disk are kept by the worker that computed them: the
    cache (``CORTEX_SIM_CACHE``) should lie on a disk that all share.

    Args:
        scheduler: address of a running Dask scheduler, such as ``tcp://10.0.0.1:8786``.
        slurm: queue of a SLURM cluster on whose login node this runs; workers of one core each are asked for.
        jobs: number of workers asked of the queue; two if omitted.

    Raises:
        OptionError: both are given, the extra ``cluster`` is not installed, nothing answers at the address, or workers have another version or
            more than one thread.
    """
    if scheduler and slurm:
        raise OptionError("--scheduler and --slurm: give one, a running scheduler or a queue.")
    if not scheduler and not slurm:
        yield
        return
    try:
        distributed = importlib.import_module("distributed")
        jobqueue = importlib.import_module("dask_jobqueue") if slurm else None
    except ImportError:
        raise OptionError("Dask is not installed; add it with: pip install 'cortex-sim[cluster]'.") from None
    with ExitStack() as stack:
        stack.enter_context(_quiet("distributed"))
        address: Any = scheduler
        if jobqueue:
            address = stack.enter_context(_queued(jobqueue, str(slurm), jobs or QUEUED))
        try:
            client = stack.enter_context(distributed.Client(address, timeout=ANSWERS, set_as_default=False))
        except (OSError, ValueError) as problem:
            raise OptionError(
                f"scheduler {scheduler}: nothing answers there ({type(problem).__name__}); is it running, and is the port right?"
            ) from None
        with track("waiting for workers") as report:
            report(0.0, "")
            try:
                client.wait_for_workers(1, timeout=STARTS if slurm else ANSWERS)
            except TimeoutError:
                raise OptionError(f"{scheduler or slurm}: no worker has started.") from None
        _check_workers(client, scheduler or slurm)
        client.register_plugin(_ready(distributed))
        warn(f"on {len(client.scheduler_info()['workers'])} workers of {client.scheduler.address}; {client.dashboard_link}")
        _clients.append(client)
        try:
            yield
        finally:
            _clients.pop()


def _check_workers(client: Any, where: str | None) -> None:
    """Refuse workers without this package, with another version of it, whose results would count as those of this one, or with several threads."""
    if several := [address for address, count in client.nthreads().items() if count > 1]:
        raise OptionError(f"{where}: worker {several[0]} does several jobs in one process, which Brian2 cannot; begin workers with --nthreads 1.")
    try:
        found = client.run(code_key)
    except Exception as problem:
        why = f"{type(problem).__name__}: {' '.join(str(problem).split())}"
        raise OptionError(f"{where}: its workers cannot import this package ({why}); install it there.") from None
    if other := [address for address, key in found.items() if key != code_key()]:
        raise OptionError(f"{where}: worker {other[0]} has another version of this package; install the same everywhere, and begin the workers anew.")


def on_cluster() -> bool:
    """Return whether jobs are done by a cluster now."""
    return bool(_clients)


def submitted(function: Callable[..., Any], jobs: Mapping[Any, tuple[Any, ...]]) -> Iterator[tuple[Any, Any]]:
    """Yield names and results of jobs as workers of the cluster finish them, those that join later too; after an error no further one begins."""
    client = _clients[-1]
    futures = {client.submit(function, *arguments, pure=False): name for name, arguments in jobs.items()}
    try:
        for future in importlib.import_module("distributed").as_completed(futures, loop=client.loop):
            yield futures[future], future.result()
    finally:
        with suppress(Exception):  # the scheduler may be gone, and what is to be said is said by the error
            client.cancel(list(futures))


@contextmanager
def _quiet(library: str) -> Iterator[None]:
    """Keep what a library logs of lost connections off the terminal; what it means for the work is said by those who do it."""
    logger = logging.getLogger(library)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _queued(jobqueue: Any, queue: str, jobs: int) -> Any:
    prologue = [f"export CORTEX_SIM_CACHE={shlex.quote(str(cache_folder().absolute()))}"]
    made = jobqueue.SLURMCluster(queue=queue, cores=1, processes=1, memory=MEMORY, job_script_prologue=prologue)
    made.scale(jobs=jobs)
    return made


def _ready(distributed: Any) -> Any:
    """Return what each worker does first: import Brian2, which only the main thread of a process may."""

    class Ready(distributed.WorkerPlugin):
        name = "cortex-sim"

        def setup(self, worker: Any) -> None:
            importlib.import_module("cortex_sim.simulation.brian")

    return Ready()
