"""An encoder for a network of hidden units, so that it can start from observed rates."""

from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError

WEIGHTS, OFFSET = "E_start", "e_start"  # names of what is added


def with_encoder(network: Model) -> Model:
    """Return the network with learned weights from the observed rates to its state at the start, otherwise unchanged.

    A network that was built to be told everything by its channels starts from rest. With ``E_start y + e_start`` of the rates y at the first bin it
    starts where the data do, as the shipped networks of hidden units.

    Args:
        network: with a readout, one state variable a unit, and no encoder.

    Raises:
        CardError: it has an encoder, no readout, or several state variables, or one of the new names is taken.
    """
    if network.initial is not None or network.readout is None:
        found = "has an encoder already" if network.initial else "has no readout, so that its units are the observed ones"
        raise CardError(f"{network.name}: {found}; it can be used as it is.")
    if len(network.parsed.states) > 1:
        raise CardError(f"{network.name}: an encoder leads to one state variable; its units have {', '.join(network.parsed.states)}.")
    if taken := {*network.parsed.equations, *network.inputs, *network.projections, *network.parameters} & {WEIGHTS, OFFSET}:
        raise CardError(f"{network.name}: {min(taken)!r} is a name that would be added; rename it.")
    scale = {"value": 1, "meaning": "scale before training", "source": "chosen"}
    dump = network.model_dump() | {"weights": None, "initial": {"weights": WEIGHTS, "offset": OFFSET}}
    dump["projections"] |= {WEIGHTS: {"rule": "gaussian", "columns": "observed", "arguments": {"gain": scale}, "learn": True}}
    dump["parameters"] |= {OFFSET: {"value": 0, "meaning": "offset of the encoder", "over": "units", "learn": True}}
    return Model.model_validate(dump).with_arrays({name: array for name, array in network.arrays().items() if network.given(name)})
