"""Training data, options and history, shared by all learning rules."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.errors import Diverged, OptionError, suggestion
from cortex_sim.runtime import content_key, warn
from cortex_sim.tasks import Task

Loss = Literal["squared", "binary cross-entropy", "cross-entropy"]
Optimiser = Literal["adam", "adamw", "sgd"]
Through = Literal["all", "segment", "checkpoints"]
Start = Literal["first bin", "rest"]
Device = Literal["of the run", "cpu", "cuda"]


FLOOR = 0.02  # of the learning rate, at the end of the cosine


@dataclass(frozen=True)
class Options:
    """How a student is trained.

    Attributes:
        epochs: maximum number; 0 keeps the closed-form start.
        batch: conditions per step.
        rate: initial learning rate.
        patience: epochs without improvement on the validation conditions before stopping.
        validation: fraction of the conditions kept for early stopping; if 0, training and validation both use all.
        closed_form: start from the regression of the student's own equation, if its state follows from the rates.
        hidden_start: start hidden units from this regression too, their states given by a random encoder of the rates.
        start: from the rates of the first bin, or from rest (for a network that is instructed by its channels; always so with a body).
        loss: squared error in units of each output's standard deviation; or the cross-entropy of probabilities, with outputs as logits.
        optimiser: Adam, AdamW, or SGD: W ← W − rate ∂L/∂W.
        momentum: of SGD.
        weight_decay: of the optimiser; of readout and encoder in the outputs' own scale, as for the gradient norm and penalty_weights.
        clip: largest gradient norm.
        penalty_rates: factor of the mean squared rate of the units.
        penalty_weights: factor of the mean squared entry of each learned projection, summed over projections.
        penalty_jacobian: factor of the squared Frobenius norm of the recurrent Jacobian, W diag(r'(x)), divided by the number of units and averaged
            over trials and bins (Sussillo et al. 2015); leaky networks only.
        penalty_smoothness: factor of the mean squared change of the units' rates from bin to bin.
        penalty_effort: factor of the mean squared activation of the muscles, or the mean squared torque of an arm without them, in (N m)².
        through: gradients through the whole trial; through one segment at a time, with an optimiser step after each and the state carried over
            (truncated back-propagation); or through the whole trial with only the states between segments stored and the rest recomputed.
        segment: length of a segment, in bins.
        device: where back-propagation runs: on that of the run (``--device``, else the CPU), the CPU, or a GPU, ``"cuda"``, which gives the same
            results to float32 round-off.
    """

    epochs: int = 80
    batch: int = 64
    rate: float = 2e-3
    patience: int = 20
    validation: float = 0.1
    closed_form: bool = True
    hidden_start: bool = False
    start: Start = "first bin"
    loss: Loss = "squared"
    optimiser: Optimiser = "adam"
    momentum: float = 0.0
    weight_decay: float = 0.0
    clip: float = 1.0
    penalty_rates: float = 0.0
    penalty_weights: float = 0.0
    penalty_jacobian: float = 0.0
    penalty_smoothness: float = 0.0
    penalty_effort: float = 0.0
    through: Through = "all"
    segment: int = 100
    device: Device = "of the run"

    def __post_init__(self) -> None:
        for part in fields(self):
            object.__setattr__(self, part.name, _checked(part.name, part.default, getattr(self, part.name)))
        for name, kind in (("loss", Loss), ("optimiser", Optimiser), ("through", Through), ("start", Start), ("device", Device)):
            if (found := getattr(self, name)) not in get_args(kind):
                raise OptionError(f"{name} {found!r} is unknown. {suggestion(found, get_args(kind))}")
        for name in ("epochs", "rate", "momentum", "weight_decay", *(name for name in vars(self) if name.startswith("penalty_"))):
            if getattr(self, name) < 0:
                raise OptionError(f"{name} {getattr(self, name)!r} should be 0 or more.")
        for name in ("batch", "patience", "clip", "segment"):
            if getattr(self, name) <= 0:
                raise OptionError(f"{name} {getattr(self, name)!r} should be above 0.")
        if not 0 <= self.validation < 1:
            raise OptionError(f"validation {self.validation!r} should be 0 or more and below 1.")
        if self.momentum and self.optimiser != "sgd":
            raise OptionError(f"Options.momentum: is that of optimiser 'sgd'; {self.optimiser!r} has its own (got {self.momentum!r}).")
        if self.through == "all" and self.segment != type(self).segment:
            raise OptionError(f"Options.segment: counts with through 'segment' or 'checkpoints', not with {self.through!r} (got {self.segment!r}).")

    def rate_at(self, epoch: int) -> float:
        """Return the learning rate of an epoch, which falls along a cosine to a fiftieth."""
        return float(self.rate * (FLOOR + (1 - FLOOR) * (1 + np.cos(np.pi * epoch / self.epochs)) / 2))

    @property
    def key(self) -> str:
        """Return a hash of every option."""
        return content_key("options", asdict(self))


def _checked(name: str, usual: Any, found: Any) -> Any:
    """Return a value converted to the type of the usual one.

    Raises:
        OptionError: the type differs; the message says what it should be, and what it is.
    """
    match usual:
        case bool():
            right, known = "True or False", isinstance(found, bool | np.bool_)
        case int():
            right, known = "a whole number", isinstance(found, Integral) and not isinstance(found, bool)
        case float():
            right, known = "a finite number", isinstance(found, Real) and not isinstance(found, bool) and math.isfinite(found)
        case _:
            right, known = "a word", isinstance(found, str)
    if not known:
        raise OptionError(f"Options.{name}: should be {right} (got {found!r}).")
    return type(usual)(found)


CUSTOMARY = Options()


@dataclass(frozen=True)
class TrainingData:
    """A learning problem: a task, the target outputs on it, and the scale of their errors.

    Attributes:
        task: with the observed initial rates if the network starts from them, and with its mask if not every bin counts.
        rates: target outputs, (trial, time, observed).
        scale: of each observed unit; an error of this size counts as 1.
        seed: of the noise when the network is evaluated on these data.
    """

    task: Task
    rates: Float[ndarray, "trial time observed"]
    scale: Float[ndarray, " observed"]
    seed: int = 0

    @classmethod
    def of(cls, task: Task) -> "TrainingData":
        """Return a task's own targets as training data, with errors in their own unit."""
        wanted = task.wanted.rate
        return cls(task, wanted, np.ones(wanted.shape[2]))

    @property
    def key(self) -> str:
        """Return a hash of everything that is learned from."""
        return content_key("training data", self.task.key, self.rates, self.scale, self.seed)

    @property
    def weights(self) -> Float[ndarray, "trial time 1"]:
        """Return the weight of each bin; the mean over bins with nonzero weight is 1, so that losses compare between tasks."""
        mask = np.ones(self.rates.shape[:2]) if self.task.mask is None else self.task.mask
        return (mask / mask.mean())[:, :, None]


@dataclass
class TrainingHistory:
    """The course of training: losses by epoch, the best weights and their epoch (0 is the start), and whether training diverged.

    Rules that correct the student while it runs add its outputs in the last epoch, (trial, time, observed).
    """

    arrays: dict[str, ndarray]
    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: float = float("inf")
    stale: int = 0
    interrupted: bool = False
    outputs: Float[ndarray, "trial time observed"] | None = None
    kept: int = 0
    diverged: str = ""

    @property
    def epoch(self) -> int:
        """Return the number of epochs done."""
        return len(self.train)

    def goes_on(self, options: Options) -> bool:
        """Return whether another epoch follows: some remain, recent ones improved the loss, and training has not diverged."""
        return self.epoch < options.epochs and self.stale < options.patience and not self.diverged

    def keep(self, loss: float, validation: float, arrays: dict[str, ndarray], *, named: str) -> None:
        """Record an epoch, and its weights if they are the best so far on the validation conditions.

        If training has diverged, nothing is recorded: it ends with the best weights of an earlier epoch and a line on standard error.

        Args:
            loss: on the training conditions.
            validation: on the validation conditions.
            arrays: weights.
            named: name of the student, for the message.

        Raises:
            Diverged: the loss or a weight is no longer finite, and no earlier epoch improved on the start; the message names the epoch.
        """
        if not math.isfinite(loss) or not finite(arrays):
            done = f"after a loss of {self.train[-1]:.3g}" if self.train else "from the start"
            what = "a weight is not finite" if math.isfinite(loss) else f"the loss is {loss:g}"
            self.diverged = f"training diverged in epoch {self.epoch + 1}, {done}; {what}"
            if not self.kept:
                raise Diverged(f"{named}: {self.diverged}. Take a lower learning rate, or begin with weaker connections.")
            warn(f"{named}: {self.diverged}. The weights of epoch {self.kept} are returned; a lower learning rate may do better.")
            return
        self.train.append(loss)
        self.validation.append(validation)
        self.stale += 1
        if validation < self.best:
            self.best, self.stale, self.arrays, self.kept = validation, 0, arrays, self.epoch


def finite(arrays: Mapping[str, ndarray]) -> bool:
    """Return whether every weight is finite."""
    return all(bool(np.isfinite(array).all()) for array in arrays.values())
