"""Tables of a spiking card."""

from typing import Literal

from cortex_sim.cards._checked import Checked, Count, Place
from cortex_sim.cards.spiking._tables import Distribution, Table


class Input(Checked):
    """A time-dependent term, called as ``name(t, i)`` in ``each_step``; its numbers are the same on every code target.

    * ``drive``: the task's drive of the neurons, in ``unit``;
    * ``noise``: white noise of unit intensity (``second**-0.5``);
    * ``poisson``: called as ``name(rate, t, i)``: number of events of a Poisson process with that rate in this step;
    * ``recorded``: number of spikes of that neuron in this step of the task's recording.
    """

    kind: Literal["drive", "noise", "poisson", "recorded"] = "drive"
    unit: str = "1"
    meaning: str


class Linked(Checked):
    """A variable that is read from another kind of neuron: neuron k of a population reads unit ``first + k // each``."""

    variable: str
    neurons: str


class Neurons(Checked):
    """One kind of neuron: Brian2's equation text, threshold, reset and refractoriness, and the statements run at the start of each step."""

    equations: str
    integrator: Literal["exact", "euler", "exponential_euler"] = "euler"
    threshold: str | None = None
    reset: str | None = None
    refractory: str | None = None
    each_step: str = ""
    parameters: dict[str, Distribution] = {}
    start: dict[str, Distribution] = {}
    linked: dict[str, Linked] = {}


class Population(Checked):
    """Neurons of one kind that share a name, with their own parameters.

    Attributes:
        neurons: their kind.
        size: number of neurons at full scale.
        parameters: override those of the kind.
        rate: firing rate at full scale; downscaling needs it, reports show it.
        first: unit of the linked kind that the first neuron reads.
        each: number of consecutive neurons that read the same unit.
    """

    neurons: str
    size: Count
    parameters: dict[str, Distribution] = {}
    rate: Table | None = None
    first: Place = 0
    each: Count | None = None


class Synapse(Checked):
    """The effect of spikes: Brian2's synapse equations (``w`` is predefined), and the statements run when one arrives or the target fires.

    Attributes:
        weight: unit of ``w``.
        on_pre: run when a spike of the source arrives, after the delay.
        on_post: run when the target fires.
        equations: of the states and constants of each synapse.
        start: their values at the start of every trial, the same for all synapses or drawn for each; 0 for those not named.
    """

    weight: str
    meaning: str
    on_pre: str | None = None
    on_post: str | None = None
    equations: str = ""
    start: dict[str, Distribution] = {}


class Projection(Checked):
    """Synapses of one kind between populations: the rule that draws them, their weights and their delays.

    Attributes:
        delay: after which spikes of the source act, and with which the synapses' equations read variables of the source; before the start, these
            were as in the first step.
    """

    synapse: str
    rule: str
    sources: list[str]
    targets: list[str]
    arguments: dict[str, Table] = {}
    weight: Table
    delay: Table | None = None


class Scaling(Checked):
    """How the circuit is downscaled at the same rates (van Albada, Helias & Diesmann 2015); the fields name parameters of the neurons.

    In-degrees, external ones included, are multiplied by the scale s and weights by 1/sqrt(s), which keeps the variance of the input.
    A constant compensates for the mean: ``input`` += ``charge`` (1 - sqrt s) (sum of w K nu + w_ext K_ext nu_ext), at full-scale rates nu.
    """

    input: str
    charge: str
    external_count: str
    external_weight: str
    external_rate: str
