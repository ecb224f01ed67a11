"""Whether Brian2 accepts a card."""

from cortex_sim.cards import Model
from cortex_sim.cards.spiking import SpikingModel


def check(model: Model | SpikingModel) -> None:
    """Let Brian2 build a circuit or network, check every unit and run one step.

    Raises:
        CardError: what Brian2 refuses, in one sentence.
    """
    if isinstance(model, SpikingModel):
        from cortex_sim.simulation.brian import _runtime

        _runtime.check(model)
    else:
        from cortex_sim.simulation.brian import _rate

        _rate.check(model)
