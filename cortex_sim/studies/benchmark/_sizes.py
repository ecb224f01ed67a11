"""Version and sizes of the benchmark; what is changed here makes another version."""

from dataclasses import astuple, dataclass

from cortex_sim.runtime import content_key
from cortex_sim.studies.benchmark._circuits import KINDS, Place, Set

VERSION = "mechanism-1.0"


@dataclass(frozen=True)
class Sizes:
    """How much is simulated, trained and compared.

    Attributes:
        units: of all but layered circuits.
        conditions: reaches of a family.
        trials: single trials of each condition.
        repeats: independent pairs of observations at every place of a family.
        draws: circuits of each class.
        less: of these, how many are observed by few units and by spikes too.
        training: reaches that students are taught.
        tested: reaches that they are compared on.
        pushed: draws of each kind of push.
        epochs: of training, at most.
    """

    units: int
    conditions: int
    trials: int
    repeats: int
    draws: int
    less: int
    training: int
    tested: int
    pushed: int
    epochs: int

    @property
    def key(self) -> str:
        """Return a hash of the version and all sizes."""
        return content_key(VERSION, list(astuple(self)))

    def places(self, of: Set) -> list[Place]:
        """Return the places of all circuits, one draw of every class after the other."""
        return [Place(kind, draw, of) for draw in range(self.draws) for kind in KINDS]


FULL = Sizes(units=60, conditions=8, trials=8, repeats=3, draws=20, less=5, training=60, tested=12, pushed=8, epochs=40)
SMOKE = Sizes(units=40, conditions=6, trials=3, repeats=2, draws=1, less=1, training=16, tested=6, pushed=2, epochs=2)
