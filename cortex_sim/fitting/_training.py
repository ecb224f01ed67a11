"""Back-propagation through time: a torch twin learns, free-running, to reproduce given outputs."""

import io
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.checkpoint import checkpoint as recomputed

from cortex_sim.cards import Model
from cortex_sim.errors import FileProblem, OptionError
from cortex_sim.fitting._optimiser import Optimiser
from cortex_sim.fitting._options import Loss, Options, TrainingData, TrainingHistory, finite
from cortex_sim.fitting._own_scale import OwnScale
from cortex_sim.fitting._own_scale_in_torch import descend_in_own_scale, moved
from cortex_sim.runtime import code_key, content_key, say_once, seed_of, stream, warn, write_bytes
from cortex_sim.simulation import Noise, Problem, device_of
from cortex_sim.simulation.forms import Leaky
from cortex_sim.simulation.torch import Run, Twin, advance, runs, spans

SAVE_EVERY = 2.0  # s between checkpoints
LARGEST = torch.finfo(torch.float32).max


def train(
    model: Model,
    data: TrainingData,
    check: TrainingData,
    *,
    options: Options,
    seed: int,
    checkpoint: Path | None = None,
    report: Callable[[float, str], None] = lambda done, text: None,
) -> TrainingHistory:
    """Descend the error of the free-running outputs and return the history, with the weights of lowest validation error.

    Args:
        model: with its initial weights; arrays that its card marks ``learn`` change.
        data: trained on.
        check: never trained on; decides when to stop and which weights are kept.
        options: of the optimiser: its rate decreases along a cosine, gradients are clipped, and training stops early.
        seed: of the order of conditions; an epoch is the same whether or not the run was interrupted before it.
        checkpoint: file from which to resume and to which to write every two seconds; removed at the end.
        report: called with the completed fraction and a line of text.

    Returns:
        The history; ``interrupted`` is set if Ctrl-C ended it, and the best weights so far are kept.

    Raises:
        Diverged: the loss or a weight is no longer finite, and no earlier epoch improved on the start.
        OptionError: a GPU is asked for but there is none, or an option exceeds the range of float32.
        FileProblem: the checkpoint belongs to another fit.
    """
    device = device_of(None if options.device == "of the run" else options.device)
    for name in ("rate", "momentum", "weight_decay", *(name for name in vars(options) if name.startswith("penalty_"))):
        if (given := getattr(options, name)) > LARGEST:
            raise OptionError(f"Options.{name}: back-propagation computes in float32, whose largest number is {LARGEST:.2g} (got {given!r}).")
    twin = Twin(model, model.arrays(), dtype=torch.float32, device=device)
    descend_in_own_scale(twin, OwnScale.of(model, data, options))
    optimiser = Optimiser([parameter for parameter in twin.parameters() if parameter.requires_grad], options)
    history, saved = TrainingHistory(twin.arrays()), time.monotonic()
    key = content_key("fit", model.key, data.key, check.key, options.key, seed, code_key()) if checkpoint else ""
    try:
        if options.epochs and not _resume(checkpoint, key, twin, optimiser, history):
            history.best = _finite(_loss(twin, check, options))
        while history.goes_on(options):
            optimiser.rate = options.rate_at(history.epoch)
            loss, arrays = _epoch(twin, optimiser, data, options, seed, history.epoch), twin.arrays()
            history.keep(loss, _loss(twin, check, options) if finite(arrays) else float("nan"), arrays, named=model.name)
            report(history.epoch / options.epochs, f"loss {history.train[-1]:.4f}, validation {history.validation[-1]:.4f}")
            if checkpoint and time.monotonic() - saved > SAVE_EVERY:
                _save(checkpoint, key, twin, optimiser, history)
                saved = time.monotonic()
    except KeyboardInterrupt:
        history.interrupted = True
        return history
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return history


def _epoch(twin: Twin, optimiser: Optimiser, data: TrainingData, options: Options, seed: int, epoch: int) -> float:
    everyone = whole(twin, data, seed_of(seed, "student", "noise of an epoch", epoch))
    order = stream(seed, "student", "order of an epoch", epoch).permutation(len(everyone.wanted))
    learn = _truncated if options.through == "segment" else _descend
    parts = np.array_split(order, max(1, round(len(order) / options.batch)))
    return float(np.mean([learn(twin, optimiser, everyone.part(chosen), options) for chosen in parts]))


class Batch(NamedTuple):
    """Trials that are trained on together: their indices, initial states, target outputs and weights of bins."""

    problem: Problem
    chosen: ndarray
    initial: Float[Tensor, "trial state"]
    encoded: bool
    wanted: Float[Tensor, "trial time observed"]
    scale: Float[Tensor, " observed"]
    weights: Float[Tensor, "trial time 1"]

    def part(self, chosen: ndarray) -> "Batch":
        """Return the batch of these trials alone."""
        return self._replace(chosen=chosen, initial=self.initial[chosen], wanted=self.wanted[chosen], weights=self.weights[chosen])

    def start(self, twin: Twin) -> Float[Tensor, "trial state"]:
        """Return the initial states; through the encoder if it is learned."""
        return twin.encode(self.initial) if self.encoded else self.initial


def whole(twin: Twin, data: TrainingData, seed: int) -> Batch:
    """Return all trials of training data, with the twin's present weights and the noise of a seed."""
    problem = Problem(twin.model, twin.arrays(), data.task, seed=seed)
    encoded = twin.model.initial is not None and data.task.initial is not None
    given = data.task.initial if encoded else problem.start()
    assert given is not None
    initial, wanted, scale, weights = (twin.tensor(array) for array in (given, data.rates, data.scale, data.weights))
    return Batch(problem, np.arange(len(wanted)), initial, encoded, wanted, scale, weights)


class Piece(NamedTuple):
    """The contribution of a span of bins to the error and to the objective, and the state at its end."""

    error: Tensor
    objective: Tensor
    state: Float[Tensor, "trial state"]
    rates: Float[Tensor, "trial 1 unit"]
    noise: Mapping[str, Noise]


def _descend(twin: Twin, optimiser: Optimiser, batch: Batch, options: Options) -> float:
    """Take one step of descent along the full gradient through time."""
    loss, objective = objective_of(twin, batch, options)
    _step(twin, optimiser, objective, options)
    return loss.item()


def _truncated(twin: Twin, optimiser: Optimiser, batch: Batch, options: Options) -> float:
    """Take one step of descent after each segment in which any bin counts."""
    bins, loss = batch.wanted.shape[1], 0.0
    for span, piece in cut(twin, batch, options):
        if batch.weights[:, span].any():
            _step(twin, optimiser, piece.objective, options)
        loss += (span.stop - span.start) / bins * piece.error.item()
    return loss


def cut(twin: Twin, batch: Batch, options: Options, *, of: int | None = None) -> Iterator[tuple[slice, Piece]]:
    """Yield one segment after another, run with the present weights; the state is carried over, its gradient is not (Williams & Peng 1990).

    Args:
        twin: the network.
        batch: trials, all of their bins.
        options: ``segment``, loss and penalties are used.
        of: number of bins that means divide by; that of the segment if None.
    """
    state, noise = batch.start(twin), None
    for span in spans(batch.wanted.shape[1], options.segment):
        piece = _piece(twin, batch, options, span, of or span.stop - span.start, state, None, noise)
        yield span, piece
        state, noise = piece.state.detach(), piece.noise


def _step(twin: Twin, optimiser: Optimiser, objective: Tensor, options: Options) -> None:
    optimiser.clear()
    objective.backward()
    torch.nn.utils.clip_grad_norm_(twin.parameters(), options.clip)
    optimiser.step()


def objective_of(twin: Twin, batch: Batch, options: Options) -> tuple[Tensor, Tensor]:
    """Return the error of a batch, and the error with all penalties, over the whole trial.

    With checkpoints only the states between segments are stored; each segment is recomputed, with the same noise, when the gradient
    reaches it (Chen et al. 2016, arXiv:1604.06174). Memory then grows with the length and with the number of segments, not with
    their product.
    """
    bins, again = batch.wanted.shape[1], options.through == "checkpoints"
    state, rates, noise, pieces = batch.start(twin), None, None, []
    for span in spans(bins, options.segment if again else bins):
        given = (twin, batch, options, span, bins, state, rates, noise)
        piece = recomputed(_piece, *given, use_reentrant=False, preserve_rng_state=False) if again else _piece(*given)
        state, rates, noise = piece.state, piece.rates, piece.noise
        pieces.append((piece.error.detach(), piece.objective))
    errors, objectives = zip(*pieces, strict=True)
    return torch.stack(errors).sum(), torch.stack(objectives).sum()


def _piece(
    twin: Twin, batch: Batch, options: Options, span: slice, of: int, state: Tensor, before: Tensor | None, noise: Mapping[str, Noise] | None
) -> Piece:
    """Run a span of bins and return its contribution to means over ``of`` bins."""
    run, after = advance(twin, batch.problem, span, state, noise, batch.chosen)
    found = error(twin.made(run, batch.problem), batch.wanted[:, span], batch.scale, batch.weights[:, span], options.loss)
    found = found * ((span.stop - span.start) / of)
    last = run.rates[:, -1:].clone()  # a view would keep the rates of the whole span
    return Piece(found, found + penalty(twin, run, options, of=of, before=before), run.last, last, after)


def _finite(loss: float) -> float:
    return loss if np.isfinite(loss) else float("inf")


def _loss(twin: Twin, data: TrainingData, options: Options) -> float:
    wanted, scale, weights = (twin.tensor(array) for array in (data.rates, data.scale, data.weights))
    with torch.no_grad():
        problem = Problem(twin.model, twin.arrays(), data.task, data.seed)
        made = torch.cat([twin.made(run, problem) for _, run in runs(twin, problem)], dim=1)
        return error(made, wanted, scale, weights, options.loss).item()


def error(outputs: Tensor, wanted: Tensor, scale: Tensor, weights: Tensor, loss: Loss) -> Tensor:
    """Return the mean error over trials, bins and outputs.

    Args:
        outputs: (trial, time, output).
        wanted: targets of the same shape; for the cross-entropies, probabilities.
        scale: of each output, for the squared error.
        weights: of each bin, (trial, time, 1), with mean 1.
        loss: squared; or the cross-entropy in nats, with outputs as logits, of one class against none
            (``"binary cross-entropy"``) or of as many classes as outputs.
    """
    match loss:
        case "binary cross-entropy":
            return (weights * binary_cross_entropy_with_logits(outputs, wanted, reduction="none")).mean()
        case "cross-entropy":
            return -(weights * wanted * outputs.log_softmax(dim=-1)).sum(dim=-1).mean()
    return (weights * ((outputs - wanted) / scale) ** 2).mean()


def penalty(twin: Twin, run: Run, options: Options, *, of: int | None = None, before: Float[Tensor, "trial 1 unit"] | None = None) -> Tensor | float:
    """Return what the regularisers add to the error.

    Args:
        twin: its weights are regularised.
        run: its states and outputs.
        options: strengths.
        of: number of bins that means divide by, if the run is part of them.
        before: rates at the bin before the run.
    """
    total: Tensor | float = 0.0
    of = of or run.rates.shape[1]
    if options.penalty_rates:
        total = total + options.penalty_rates * (run.rates**2).mean()
    if options.penalty_weights:
        learned = [moved(twin, name) for name, part in twin.model.projections.items() if part.learn]
        total = total + options.penalty_weights * sum((W**2).mean() for W in learned)
    if options.penalty_jacobian:
        recurrent = Leaky.of(twin.model, asked_by="penalty_jacobian").recurrent
        assert run.states is not None
        slope = torch.func.jvp(twin.rate, (run.states,), (torch.ones_like(run.states),))[1]
        columns = (twin.array(recurrent) ** 2).sum(dim=0)
        total = total + options.penalty_jacobian * (slope**2 @ columns).mean() / twin.model.units
    total = total * (run.rates.shape[1] / of)
    if options.penalty_effort and run.course is not None:
        total = total + options.penalty_effort * (run.course.postures[..., 4:-2] ** 2).mean() * (run.rates.shape[1] / of)
    if options.penalty_smoothness:
        changes = (run.rates if before is None else torch.cat([before, run.rates], dim=1)).diff(dim=1)
        total = total + options.penalty_smoothness * (changes**2).sum(dim=1).mean() / max(1, of - 1)
    return total


def _save(path: Path, key: str, twin: Twin, optimiser: Optimiser, history: TrainingHistory) -> None:
    best = {name: torch.tensor(array) for name, array in history.arrays.items()}
    progress = {"train": history.train, "validation": history.validation, "best": history.best, "stale": history.stale, "kept": history.kept}
    content = io.BytesIO()
    torch.save({"key": key, "twin": twin.state_dict(), "optimiser": optimiser.state(), "arrays": best, "progress": progress}, content)
    try:
        write_bytes(path, content.getvalue())
    except FileProblem as problem:
        say_once(f"checkpoint not kept: {problem}")


def _resume(path: Path | None, key: str, twin: Twin, optimiser: Optimiser, history: TrainingHistory) -> bool:
    """Load a checkpoint and return whether one was used; there may be none, or it may be damaged.

    Raises:
        FileProblem: the checkpoint belongs to another fit.
    """
    if path is None or not path.exists():
        return False
    try:
        stored = torch.load(path, weights_only=True, map_location="cpu")
    except (RuntimeError, OSError, EOFError, KeyError, pickle.UnpicklingError):
        warn(f"checkpoint {path} is damaged; training starts anew")
        return False
    if stored.get("key") != key:
        raise FileProblem(
            f"{path}: holds another fit: another student, task, trials, options, seed or version of this code. Remove it, or give another checkpoint."
        )
    twin.load_state_dict(stored["twin"])
    optimiser.load(stored["optimiser"])
    history.arrays = {name: tensor.numpy() for name, tensor in stored["arrays"].items()}
    for name, value in stored["progress"].items():
        setattr(history, name, value)
    return True
