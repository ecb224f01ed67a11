"""export(model, path): networks to ONNX and spiking circuits to NIR, for tools that know neither cards nor Brian2."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.errors import OptionError
from cortex_sim.runtime import write_bytes
from cortex_sim.simulation._problem import Problem
from cortex_sim.simulation.adapters._wrapped import Wrapped
from cortex_sim.tasks import Task

SUFFIXES = {".onnx": "a network", ".nir": "a spiking circuit"}


def export(model: Model | SpikingModel | Wrapped, path: str | Path, *, without: Sequence[str] = ()) -> list[str]:
    """Write a network as ONNX (``.onnx``) or a spiking circuit as NIR (``.nir``), whole or not at all; return what the file leaves out.

    ONNX: the graph takes ``channels`` (trial, bin, channel) and ``start``, the state at the first bin (trial, state), which :func:`.starting_states`
    gives for a task; it returns ``rates`` (trial, bin, observed) as :func:`.simulate` does, in double precision, and ``last``, the state from which
    the next bins go on. A bin is one integration step; the metadata ``bin_s`` says how long. Pushes are not in the graph.

    NIR: one node of LIF or CubaLIF for each population and dense weights between them, in SI units; see :func:`.to_nir`.

    Args:
        model: a card with its weights, trained or not; or, as ONNX, a module of torch that is stepped bin by bin (``wrap(net, units=...)``).
        path: of the file; its suffix says the format.
        without: what the format cannot say and is to be left out: "noise"; of a spiking circuit also "refractory".

    Raises:
        CardError: the model holds what the format cannot say; the message says what.
        OptionError: the suffix is unknown or of another kind of model, or the package of the format is not installed (extra ``export``).
        FileProblem: the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise OptionError(f"{path}: suffix {path.suffix!r} is unknown; write .onnx (networks) or .nir (spiking circuits).")
    if isinstance(model, Wrapped):
        return _wrapped(model, path, without)
    if not isinstance(model, Model | SpikingModel):
        cure = "; give its .model" if hasattr(model, "model") else "; of modules of torch, torch.onnx writes ONNX"
        raise OptionError(f"{type(model).__name__} is no card, which alone is exported{cure}.")
    if isinstance(model, SpikingModel) is (path.suffix == ".onnx"):
        right = ".nir" if isinstance(model, SpikingModel) else ".onnx"
        raise OptionError(f"{path}: {path.suffix} is of {SUFFIXES[path.suffix]}; {model.name} is {SUFFIXES[right]}, which {right} holds.")
    if isinstance(model, SpikingModel):
        from cortex_sim.simulation.adapters._nir import to_nir

        content, left = to_nir(model, without)
    else:
        from cortex_sim.simulation.adapters._onnx import to_onnx

        content, left = to_onnx(model, without)
    write_bytes(path, content)
    return left


def _wrapped(model: Wrapped, path: Path, without: Sequence[str]) -> list[str]:
    from cortex_sim.simulation.adapters._onnx_modules import module_to_onnx

    if path.suffix != ".onnx":
        raise OptionError(f"{path}: {path.suffix} is of {SUFFIXES[path.suffix]}; {model.name} is a module, which .onnx holds.")
    if without:
        raise OptionError(f"without {without[0]!r} does not apply to {model.name}, which is wrapped.")
    content, left = module_to_onnx(model)
    write_bytes(path, content)
    return left


def starting_states(model: Model, task: Task) -> Float[ndarray, "trial state"]:
    """Return the states from which a model starts a task: rest, or those of the task's initial rates.

    Raises:
        TaskError: the task does not fit the model.
    """
    return Problem(model, model.arrays(), task).initial()
