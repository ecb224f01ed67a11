"""Two writers to one variable: refused with both places where one would undo the other, in any order; else they add up on every target."""

from typing import Any

import numpy as np
import pytest

from cortex_sim.cards.spiking import SpikingModel
from cortex_sim.errors import CardError
from cortex_sim.simulation import simulate
from cortex_sim.simulation._programs import has_compiler
from cortex_sim.tasks._parts import Drive
from cortex_sim.tasks._task import Task

compiled = pytest.mark.skipif(not has_compiler(), reason="no C++ compiler")
TARGETS = ["numpy", pytest.param("standalone", marks=compiled), pytest.param("cython", marks=[compiled, pytest.mark.long])]
SUM, JUMP = {"equations": "I_post = w*x_pre : 1 (summed)"}, {"on_pre": "I_post += w"}


def circuit(synapses: dict[str, dict[str, Any]], each_step: str = "", order: tuple[int, ...] = (0, 1), **target: Any) -> SpikingModel:
    """Two kinds of sources, each with a synapse onto the same target cells of many thresholds."""
    fires = {"equations": "x : 1", "threshold": "x > 0.5", "reset": "x = 0", "refractory": "99*ms", "each_step": "x = drive(t, i)"}
    theta = {"value": 1.0, "width": 2.0, "shape": "uniform", "evenly": True, "meaning": "threshold"}
    cells = {
        "equations": "I : 1\nJ : 1", "threshold": "I + J > theta", "reset": "J = -1e9", "each_step": each_step,
        "parameters": {"theta": {"value": 0, "meaning": "threshold"}},
    } | target  # fmt: skip
    names = [list(synapses)[place] for place in order]
    return SpikingModel.model_validate({
        "name": "written", "kind": "spiking", "title": "written", "paper": "own", "dt": {"value": 0.1, "unit": "ms", "meaning": "step"},
        "limit": {"value": 20000, "unit": "Hz", "meaning": "high"}, "neurons": {"a": fires, "b": fires, "cells": cells},
        "inputs": {"drive": {"unit": "1", "meaning": "makes a source fire"}},
        "populations": {"A": {"neurons": "a", "size": 1}, "B": {"neurons": "b", "size": 1}, "T": {"neurons": "cells", "size": 200,
                                                                                              "parameters": {"theta": theta}}},
        "synapses": {name: {"weight": "1", "meaning": "test"} | synapses[name] for name in names},
        "projections": {f"of_{name}": {
            "synapse": name, "rule": "all_to_all", "sources": ["AB"[list(synapses).index(name)]], "targets": ["T"],
            "weight": {"value": 0.5 + list(synapses).index(name)},
        } for name in names},
    })  # fmt: skip


TWO = {
    "two sums": ({"s": SUM, "z": {"equations": "I_post = 2*w*x_pre : 1 (summed)"}}, ("projections.of_s", "projections.of_z"), "both sum into 'I'"),
    "a sum and a jump": ({"s": SUM, "z": JUMP}, ("projections.of_s", "synapses.z.on_pre"), "which erases what"),
    "a jump and a set": ({"s": JUMP, "z": {"on_pre": "I_post = w"}}, ("synapses.s.on_pre", "synapses.z.on_pre"), "'I_post = w' in [synapses.z"),
    "two sets": ({"s": {"on_pre": "I = 3"}, "z": {"on_pre": "I_post = 2"}}, ("synapses.s.on_pre", "synapses.z.on_pre"), "erases the other"),
    "a set and a spike of the target": (
        {"s": {"on_pre": "I_post = 2"}, "z": {"on_pre": "J_post += w", "on_post": "I_post -= 1"}}, ("synapses.s.on_pre", "synapses.z.on_post"),
        "'I_post = 2' in [synapses.s.on_pre] erases the other",
    ),
}  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("case", TWO)
def test_a_writer_that_undoes_another_is_refused(case: str, order: tuple[int, ...]) -> None:
    synapses, places, what = TWO[case]
    with pytest.raises(CardError, match="of the neurons 'cells'") as refused:
        circuit(synapses, order=order)
    assert all(f"[{place}]" in str(refused.value) for place in places) and what in str(refused.value)


@pytest.mark.parametrize("each_step", ["I = 0.1", "I += 0.1", "J = 1\nI = J"])
def test_what_continuous_coupling_erases_is_refused(each_step: str) -> None:
    with pytest.raises(CardError, match=r"sums into 'I' of the neurons 'cells' at every step, which erases what \[neurons.cells.each_step\] writes"):
        circuit({"s": SUM, "z": {"on_pre": "J_post += w"}}, each_step)


def test_what_each_step_erases_is_refused() -> None:
    with pytest.raises(
        CardError, match=r"\[neurons.cells.each_step\] sets 'I' at every step \('I = 0'\), which erases what \[synapses.s.on_pre\] writes"
    ):
        circuit({"s": JUMP, "z": JUMP}, "I = 0")
    circuit({"s": JUMP, "z": JUMP}, "J += I\nI = 0")
    circuit({"s": JUMP, "z": JUMP}, "I = 0", reset="J = I - 1e9")
    with pytest.raises(CardError, match=r"\[neurons.cells.each_step\] 'J = 2' erases 'J = 1', which nothing has used"):
        circuit({"s": JUMP, "z": JUMP}, "J = 1\nJ = 2")
    circuit({"s": JUMP, "z": JUMP}, "J = 1\nJ = 2*J")


def test_a_name_with_two_lines_is_refused() -> None:
    with pytest.raises(CardError, match=r"\[neurons.cells\] defines 'I' twice"):
        circuit({"s": JUMP, "z": JUMP}, equations="I : 1\nJ : 1\nI : 1")
    with pytest.raises(CardError, match=r"\[synapses.s\] defines 'D' twice"):
        circuit({"s": JUMP | {"equations": "D : 1\ndD/dt = -D/(10*ms) : 1 (clock-driven)"}, "z": JUMP})
    with pytest.raises(CardError, match=r"\[neurons.cells\] gives 'I' twice"):
        circuit({"s": JUMP, "z": JUMP}, parameters={"theta": {"value": 0, "meaning": "threshold"}, "I": {"value": 0, "meaning": "twice"}})


def fired(model: SpikingModel, target: str) -> int:
    """Number of cells, of 50 to a unit of threshold from -1 to 3, that fire."""
    course = np.zeros(30)
    course[10] = 1.0
    told = Task("told", 0.0, 0.03, np.zeros(1), drives=(Drive(np.ones((1, 1)), course),))
    return len(np.unique(simulate(model, told, target=target).spikes.unit)) - 2


SUMS = [
    ({"s": JUMP, "z": JUMP}, 2.0),
    ({"s": JUMP, "z": {"on_pre": "I_post -= w"}}, -1.0),
    ({"s": {"on_pre": "I_post = 1.5"}, "z": {"on_pre": "I_post = 1.5"}}, 1.5),
    ({"s": {"on_pre": "I_post = clip(I_post + w, 0, 1)"}, "z": {"on_pre": "I_post = clip(I_post + w, 0, 1)"}}, 1.0),
]  # fmt: skip
SELDOM = 0, 2  # those that are compiled in the long suite alone


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("synapses", "total"), [pytest.param(*sums, marks=pytest.mark.long if number in SELDOM else ()) for number, sums in enumerate(SUMS)]
)
def test_changes_add_up_on_every_target_in_any_order(synapses: dict[str, Any], total: float, target: str) -> None:
    """Cells fire whose threshold the sum exceeds; those below 0 fire from the start. Jumps of one step add up before anything sees them."""
    for order in ((0, 1), (1, 0)) if target == "numpy" else ((0, 1),):
        assert abs(fired(circuit(synapses, order=order), target) - 50 * (1 + max(total, 0.0))) <= 1
