"""A user's own module that is stepped bin by bin, as a graph of ONNX that takes whole sequences, as those of cards do."""

import json
from typing import Any

import numpy as np

from cortex_sim import __version__
from cortex_sim.errors import CardError, OptionError
from cortex_sim.runtime import stream
from cortex_sim.simulation.adapters._onnx import IR, OPSET, SWAPPED
from cortex_sim.simulation.adapters._wrapped import Wrapped

STEP = ("step_channels", "step_state", "step_rates", "step_next")  # names in the graph of a step
SIZES, TRIALS, BINS = (0.05, 1.0, 20.0), 3, 7  # of the inputs and states on which the graph is compared with the module
SAME = 1e-9  # of the largest output or state


def module_to_onnx(model: Wrapped) -> tuple[bytes, list[str]]:
    """Return a file of ONNX that steps a wrapped module as :func:`cortex_sim.simulate` does, in double precision; and what it leaves out.

    What torch writes is a trace: a forward that decides by its numbers is another one there. The graph is therefore run and compared.

    Args:
        model: a module of torch wrapped with ``units=``.

    Raises:
        CardError: it is no such module, torch cannot write its step, or the graph does not give what the module gives.
        OptionError: onnx is not installed.
    """
    units = model.made_with.get("units")
    if units is None or model.origin is None:
        raise CardError(f"{model.name}: {model.source}, is no module that is stepped bin by bin (wrap(net, units=...)), which alone is exported.")
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise OptionError("writing ONNX needs onnx, which is not installed; say: pip install 'cortex-sim[export]'") from None
    from cortex_sim.simulation.torch import onnx_step

    step = onnx.load_from_string(onnx_step(model.origin, model.name, units=units, channels=model.channels, names=STEP, opset=OPSET)).graph

    def floats(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)

    known = {part.name: part for part in (*step.input, *step.output)}
    u, x, y, onward = STEP
    body = helper.make_graph(list(step.node), "step", [known[x], known[u]], [known[onward], known[y]], list(step.initializer))
    nodes = [
        helper.make_node("Transpose", ["channels"], ["by_bin"], perm=SWAPPED),
        helper.make_node("Scan", ["start", "by_bin"], ["last", "rates_by_bin"], body=body, num_scan_inputs=1),
        helper.make_node("Transpose", ["rates_by_bin"], ["rates"], perm=SWAPPED),
    ]
    graph = helper.make_graph(
        nodes, model.name, [floats("channels", "trial", "bin", model.channels), floats("start", "trial", units)],
        [floats("rates", "trial", "bin", model.observed), floats("last", "trial", units)],
    )  # fmt: skip
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="cortex-sim", producer_version=__version__,
        doc_string=f"{model.name}, {model.source}. One bin is {model.dt:g} s.",
    )  # fmt: skip
    left = ["pushes"]
    helper.set_model_props(made, {"bin_s": repr(model.dt), "units": str(units), "model_key": model.key, "left_out": json.dumps(left)})
    _check_same(made, model, units)
    return made.SerializeToString(deterministic=True), left


def _check_same(made: Any, model: Wrapped, units: int) -> None:
    """Check that a graph gives what the module gives, from any state and on inputs of any size.

    Raises:
        CardError: it does not.
    """
    from onnx.reference import ReferenceEvaluator

    run = ReferenceEvaluator(made)
    system, rng = model.system, stream(0, "analysis", "inputs that probe a graph")
    assert system is not None
    for size in SIZES:
        channels, start = size * rng.standard_normal((TRIALS, BINS, model.channels)), size * rng.standard_normal((TRIALS, units))
        carried = len(system.start) - units  # outputs that are no linear function of the state stand behind it
        state, wanted = np.pad(start, ((0, 0), (0, carried))), []
        for now in channels.swapaxes(0, 1):
            state = system.step(state, now)
            wanted.append(system.observe(state))
        expected = np.stack(wanted, axis=1), state[:, :units]
        found = run.run(["rates", "last"], {"channels": channels, "start": start})
        if any(not abs(a - b).max() <= SAME * max(1.0, abs(b).max()) for a, b in zip(found, expected, strict=True)):
            cause = "its forward decides by its numbers, draws at random or keeps something between bins, of which a graph of ONNX knows nothing"
            raise CardError(f"{model.name}: the graph that torch writes does not give what the module gives: {cause}.")
