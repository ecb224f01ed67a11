"""What a network is to learn, how it is taught, and how that went: the same for every learning rule."""

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
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Options:
    """How a student is taught.

    Attributes:
        epochs: at most; 0 keeps the closed-form start.
        batch: conditions per step.
        rate: learning rate at the start.
        patience: epochs without improvement on the validation conditions before stopping.
        validation: fraction of the conditions kept for early stopping; 0 where all are taught and those decide.
        closed_form: start from the regression of the student's own equation, where its state can be read off the rates.
        start: from the rates of the first bin, or from rest (a network that is told by its channels what to do; always so with a body).
        loss: squared error in units of each output's standard deviation; or of probabilities, of which the outputs are the logits.
        optimiser: Adam, AdamW, or SGD: W ← W − rate ∂L/∂W.
        momentum: of SGD.
        weight_decay: of the optimiser.
        clip: largest gradient norm.
        penalty_rates: times the mean squared rate of the units.
        penalty_weights: times the mean squared entry of each learned projection, summed over projections.
        penalty_jacobian: times the squared Frobenius norm of the recurrent Jacobian, W diag(r'(x)), divided by the number of units and averaged
            over trials and bins (Sussillo et al. 2015); leaky networks only.
        penalty_smoothness: times the mean squared change of the units' rates from bin to bin.
        penalty_effort: times the mean squared activation of the muscles, or the mean squared torque of an arm without them, in (N m)².
        through: gradients through all of time; through one segment at a time, each step of the optimiser after a segment, the state carried on
            (truncated back-propagation); or through all of time while only the states between segments are kept and the rest is computed again.
        segment: length of a segment, in bins.
        device: where back-propagation computes; ``"cuda"`` needs a GPU and gives the same to the round-off of float32.
    """

    epochs: int = 80
    batch: int = 64
    rate: float = 2e-3
    patience: int = 20
    validation: float = 0.1
    closed_form: bool = True
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
    device: Device = "cpu"

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

    @property
    def key(self) -> str:
        """Hash of every option."""
        return content_key("options", asdict(self))


def _checked(name: str, usual: Any, found: Any) -> Any:
    """Bring a value to the kind of the usual one; another kind is refused.

    Raises:
        OptionError: what it should be, and what it is.
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
    """What is to be learned: a task, the outputs wanted on it, and what their errors are divided by.

    Attributes:
        task: with the observed initial rates where the network starts from them, and its mask where not every bin counts.
        rates: wanted, (trial, time, observed).
        scale: of each observed unit; an error of this size counts as 1.
        seed: of the noise that the network hears when it is checked on it.
    """

    task: Task
    rates: Float[ndarray, "trial time observed"]
    scale: Float[ndarray, " observed"]
    seed: int = 0

    @classmethod
    def of(cls, task: Task) -> "TrainingData":
        """Return what a task wants of its outputs, errors in their own unit."""
        wanted = task.wanted.rate
        return cls(task, wanted, np.ones(wanted.shape[2]))

    @property
    def key(self) -> str:
        """Hash of all that is learned from it."""
        return content_key("training data", self.task.key, self.rates, self.scale, self.seed)

    @property
    def weights(self) -> Float[ndarray, "trial time 1"]:
        """How much each bin counts; 1 in the mean over those that count at all, so that losses compare between tasks."""
        mask = np.ones(self.rates.shape[:2]) if self.task.mask is None else self.task.mask
        return (mask / mask.mean())[:, :, None]


@dataclass
class TrainingHistory:
    """How training went: losses by epoch, the best weights and the epoch that they are of (0 is the start), and how it ended before its time.

    Rules that correct the student while it runs note what it put out in the last epoch, (trial, time, observed).
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
        """Epochs done."""
        return len(self.train)

    def goes_on(self, options: Options) -> bool:
        """Another epoch is to come: there are some left, the last ones helped, and training has not diverged."""
        return self.epoch < options.epochs and self.stale < options.patience and not self.diverged

    def keep(self, loss: float, validation: float, arrays: dict[str, ndarray], *, named: str) -> None:
        """Note an epoch, and its weights if they are the best so far on the validation conditions.

        Where training has diverged nothing is noted: it ends with the best weights of an earlier epoch and a line on standard error.

        Args:
            loss: on the training conditions.
            validation: on the validation conditions.
            arrays: weights.
            named: the student, for the message.

        Raises:
            Diverged: the loss or a weight is no longer finite, in which epoch, and no epoch before it did better than the start.
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
    """Say whether every weight is a finite number."""
    return all(bool(np.isfinite(array).all()) for array in arrays.values())
