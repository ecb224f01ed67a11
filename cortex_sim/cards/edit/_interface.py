"""An interface between a circuit, a task and a body: its equations receive the task's channels, and a readout turns its rates into outputs."""

import re

from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError

HEARD, WEIGHTS, READOUT, OFFSET = "heard", "W_heard", "C_out", "d_out"  # names of what is added
STRENGTH, GAIN = 1.0, 0.2  # of channels and readout before training: chosen


def embodied(circuit: Model, *, strength: float = STRENGTH, gain: float = GAIN) -> Model:
    """Return the circuit with an input from a task's channels and a readout, otherwise unchanged.

    Wherever its equations call the input that drives its units, they add a second one of the same unit. It carries the task's channels (followed
    by the body's sensory feedback) through weights that are learned. Observed outputs become ``C_out r + d_out``, learned too.
    Its own weights stay the same, and are not learned unless its card says so. :func:`.fit` adapts the numbers of channels and outputs to a task.

    Args:
        circuit: with one input that drives its units, and without a readout.
        strength: standard deviation of the drive by one channel with standard deviation 1, before training, in the unit of the drive.
        gain: standard deviation of an output when rates have standard deviation 1 Hz, before training.

    Raises:
        CardError: not exactly one input drives its units, it already has a readout, or one of the new names is taken.
    """
    driven = [name for name, item in circuit.inputs.items() if not item.weights and not item.noise]
    if len(driven) != 1:
        raise CardError(f"{circuit.name}: {len(driven)} inputs drive its units; to be embodied it needs one, a drive without weights or noise.")
    if circuit.readout is not None:
        raise CardError(f"{circuit.name}: has a readout already; a network with one can be used as it is.")
    names = {*circuit.parsed.equations, *circuit.inputs, *circuit.projections, *circuit.parameters}
    if taken := names & {HEARD, WEIGHTS, READOUT, OFFSET}:
        raise CardError(f"{circuit.name}: {min(taken)!r} is a name that would be added; rename it.")
    drive = driven[0]
    call = re.compile(rf"\b{drive}\(\s*t\s*,\s*i\s*\)")
    scale = {"columns": "channels", "rule": "gaussian", "learn": True, "unit": "1"}
    dump = circuit.model_dump() | {
        "name": f"{circuit.name}_embodied", "title": f"{circuit.title}, with channels and a readout", "weights": None,
        "equations": call.sub(f"({drive}(t, i) + {HEARD}(t, i))", circuit.equations), "readout": {"weights": READOUT, "offset": OFFSET},
    }  # fmt: skip
    dump["inputs"] |= {HEARD: {"unit": circuit.inputs[drive].unit, "meaning": "channels, and what is felt", "weights": WEIGHTS}}
    dump["projections"] |= {
        WEIGHTS: scale | {"arguments": {"gain": {"value": strength, "meaning": "drive from channels of s.d. 1", "source": "chosen"}}},
        READOUT: scale
        | {"columns": "units", "rows": "observed", "arguments": {"gain": {"value": gain, "meaning": "outputs per Hz", "source": "chosen"}}},
    }  # fmt: skip
    dump["parameters"] |= {OFFSET: {"value": 0, "unit": "1", "meaning": "offset of the outputs", "over": "observed", "learn": True}}
    return Model.model_validate(dump).with_arrays({name: array for name, array in circuit.arrays().items() if name != OFFSET})
