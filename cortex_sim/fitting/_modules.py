"""Training that goes on: a module of torch that was wrapped learns by back-propagation through its own forward."""

import copy
from collections import Counter
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization

from cortex_sim.cards import Model
from cortex_sim.errors import OptionError, TaskError
from cortex_sim.fitting._optimiser import Optimiser
from cortex_sim.fitting._options import Options, TrainingHistory, finite
from cortex_sim.fitting._own_scale_in_torch import Sized
from cortex_sim.fitting._start import counted, unit_scale
from cortex_sim.fitting._training import error
from cortex_sim.runtime import seed_of, stream
from cortex_sim.simulation import Wrapped, wrap
from cortex_sim.simulation.torch import bin_by_bin, sequence
from cortex_sim.tasks import Task
from cortex_sim.trials import Trials

TAKEN = ("epochs", "batch", "rate", "patience", "validation", "start", "loss", "optimiser", "momentum", "weight_decay", "clip")
NOTHING_TO_DO = ("closed_form", "segment")  # weights are there already; a segment without ``through``, which is refused, is refused by Options

OWN_UNIT = "moved in the unit of the targets, which decides what is learned: no linear layer alone makes its outputs"


def go_on(
    model: Wrapped, trials: Trials, task: Task, chosen: tuple[np.ndarray, np.ndarray], *, options: Options, seed: int,
    report: Callable[[float, str], None],
) -> tuple[Model | Wrapped, TrainingHistory, str]:  # fmt: skip
    """Return a wrapped module, trained on from its present weights; as a card if it has become one; the history of training, and what it began from.

    Args:
        model: a module of torch that was wrapped.
        trials: outputs to reproduce.
        task: its channels are the inputs, its mask weights the bins.
        chosen: positions of the trials trained on, and of those that stop training early.
        options: of the optimiser.
        seed: of the order of conditions, and of what the module draws by torch's generator, as dropout does.
        report: called with the completed fraction and a line of text.

    Raises:
        OptionError: an option would be ignored.
        TaskError: the model is no module of torch, has another number of outputs, or the task is not one of channels alone.
    """
    if not isinstance(model.origin, nn.Module):
        raise TaskError(f"{model.name}: is a {model.source}, which has no weights to train; write it as a module of torch, or as a card.")
    if options.start != "rest":
        raise OptionError(f"Options.start: {model.name} starts as it was made; give start='rest' (got {options.start!r}).")
    for name in vars(options).keys() - {*TAKEN, *NOTHING_TO_DO}:
        if (found := getattr(options, name)) != getattr(Options(), name):
            raise OptionError(f"Options.{name}: does not apply to a wrapped module, whose units are unknown; leave it out (got {found!r}).")
    kind = next((part.dtype for part in model.origin.parameters() if part.requires_grad), None)
    if kind is None:
        raise TaskError(f"{model.name}: has no weights to train.")
    module = copy.deepcopy(model.origin).train()
    inputs = torch.tensor(model.heard(task), dtype=kind)
    if trials.rate.shape[2] != model.observed:
        raise TaskError(f"{model.name}: gives {model.observed} outputs; the trials have {trials.rate.shape[2]}.")
    counts = None if task.mask is None else task.mask[chosen[0]]
    scale = torch.tensor(unit_scale(counted(trials.select(chosen[0]), counts)[None]), dtype=kind)
    wanted = torch.tensor(trials.rate, dtype=kind)
    weights = torch.ones(wanted.shape[:2], dtype=kind) if task.mask is None else torch.tensor(task.mask, dtype=kind)
    weights = (weights / weights.mean())[..., None]
    readout = _readout(model, module, inputs) if options.loss == "squared" else None
    if readout is not None:
        _move_in_own_scale(readout, scale)
    began = "its weights" if readout is not None or options.loss != "squared" else f"its weights, {OWN_UNIT}"

    def loss(part: np.ndarray) -> Tensor:
        return error(_forward(model, module, inputs[part]), wanted[part], scale, weights[part], options.loss)

    history = TrainingHistory(_arrays(module))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "student", "what a module draws while it learns"))
        _learn(model.name, module, loss, chosen, history, options, seed, lambda line: report(history.epoch / options.epochs, line))
    best = copy.deepcopy(model.origin)
    best.load_state_dict({name: torch.tensor(array, dtype=best.state_dict()[name].dtype) for name, array in history.arrays.items()})
    return wrap(best, **model.made_with), history, began


def _learn(
    name: str, module: nn.Module, loss: Callable[[np.ndarray], Tensor], chosen: tuple[np.ndarray, np.ndarray], history: TrainingHistory,
    options: Options, seed: int, report: Callable[[str], None],
) -> None:  # fmt: skip
    optimiser = Optimiser([p for p in module.parameters() if p.requires_grad], options)
    history.best = _checked(module, lambda: loss(chosen[1]))
    try:
        while history.goes_on(options):
            optimiser.rate = options.rate_at(history.epoch)
            order = stream(seed, "student", "order of an epoch of a module", history.epoch).permutation(chosen[0])
            found = []
            for part in np.array_split(order, max(1, round(len(order) / options.batch))):
                optimiser.clear()
                step = loss(part)
                step.backward()
                torch.nn.utils.clip_grad_norm_(module.parameters(), options.clip)
                optimiser.step()
                found.append(step.item())
            arrays = _arrays(module)
            checked = _checked(module, lambda: loss(chosen[1])) if finite(arrays) else float("nan")
            history.keep(float(np.mean(found)), checked, arrays, named=name)
            report(f"loss {history.train[-1]:.4f}, validation {history.validation[-1]:.4f}")
    except KeyboardInterrupt:
        history.interrupted = True


def _forward(model: Wrapped, module: nn.Module, inputs: Tensor) -> Tensor:
    if "units" in model.made_with:
        return bin_by_bin(module, inputs, model.made_with["units"])
    return sequence(module, inputs, model.made_with["batch_first"])


def _readout(model: Wrapped, module: nn.Module, inputs: Tensor) -> nn.Linear | None:
    """Return the linear layer whose values are the outputs; None if there is none, or if its weights are fixed or shared with another layer."""
    tried, made = copy.deepcopy(module).eval(), dict[str, Tensor]()
    for name, part in tried.named_modules():
        if type(part) is nn.Linear:
            part.register_forward_hook(lambda _layer, _given, value, name=name: made.__setitem__(name, value))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        last = _forward(model, tried, inputs[:1])[0, -1]
    shared = Counter(id(part) for _, part in module.named_parameters(remove_duplicate=False))
    for name, value in made.items():
        layer = module.get_submodule(name)
        own = all(part.requires_grad and shared[id(part)] == 1 for part in layer.parameters())
        if isinstance(layer, nn.Linear) and own and value.shape[-1:] == last.shape and torch.equal(value.reshape(-1, len(last))[-1], last):
            return layer
    return None


def _move_in_own_scale(readout: nn.Linear, scale: Tensor) -> None:
    """Have an optimiser move a readout in the outputs' own scale; its weights stay."""
    register_parametrization(readout, "weight", Sized(scale[:, None]))
    if readout.bias is not None:
        register_parametrization(readout, "bias", Sized(scale))


def _arrays(module: nn.Module) -> dict[str, np.ndarray]:
    """Return weights and buffers by the names that they have in the module as it was given."""
    found = module.state_dict()
    for path, part in module.named_modules():
        if isinstance(part, nn.Linear) and any(isinstance(inner, Sized) for inner in part.modules()):
            at = f"{path}." if path else ""
            for array in ("weight", "bias"):
                if is_parametrized(part, array):
                    del found[f"{at}parametrizations.{array}.original"], found[f"{at}parametrizations.{array}.0.size"]
                    found[f"{at}{array}"] = getattr(part, array)
    return {name: value.detach().cpu().double().numpy().copy() for name, value in found.items()}


def _checked(module: nn.Module, loss: Callable[[], Tensor]) -> float:
    module.eval()
    with torch.no_grad():
        found = loss().item()
    module.train()
    return found
