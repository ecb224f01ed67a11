"""A spiking circuit as a graph of NIR (Pedersen et al. 2024, Nat Commun 15:8122): integrate-and-fire populations and dense weights."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy import ndarray

from cortex_sim.cards.spiking import SpikingModel, blocks, offset
from cortex_sim.errors import CardError, OptionError, suggestion
from cortex_sim.runtime import temporary_folder, too_large
from cortex_sim.simulation._spiking_problem import SpikingProblem
from cortex_sim.simulation.adapters._nir_neurons import CHANCE, Cell, cell_of, factor_of
from cortex_sim.tasks import spontaneous

PARAMETERS = 0.1  # s, of the task that a problem needs to draw parameters, which none of it decides


def to_nir(model: SpikingModel, without: Sequence[str] = ()) -> tuple[bytes, list[str]]:
    r"""Return a circuit as a file of NIR, and what it leaves out.

    Nodes are named after the populations, in SI units. A spike is a pulse of unit area, as in NIR's equations, so that a weight is what the card
    says: with LIF, R = tau and a pulse of weight w moves v by w; with CubaLIF, w_in = tau_syn and it moves the current by w. ``NAME_input`` of each
    population takes the drive, in its unit; further spikes, if there is no drive for which NIR has a place. A delay is a node before the weights.

    Args:
        model: a circuit of leaky integrate-and-fire neurons, with delta synapses or one exponential current.
        without: "noise" (Poisson inputs too) and "refractory", to leave out what NIR has not.

    Raises:
        CardError: NIR cannot say what the card says; the message says what and where.
        OptionError: nir is not installed, or there is nothing of what should be left out.
    """
    nir = _nir()
    _check_without(model, without)
    problem = SpikingProblem(model, spontaneous(PARAMETERS))
    cells = {}
    for kind in model.neurons:
        parameters: Mapping[str, Any] = problem.shared(kind) | problem.values(kind)
        cells[kind] = cell_of(model, kind, parameters, problem.size(kind), without)
    nodes, edges = _populations(nir, model, cells)
    _connect(nir, model, cells, nodes, edges)
    left = list(dict.fromkeys(line for cell in cells.values() for line in cell.left))
    said = {"circuit": model.name, "title": model.title, "dt_s": model.dt.si, "left_out": json.dumps(left), "model_key": model.key}
    with temporary_folder() as folder:
        nir.write(folder / "circuit.nir", nir.NIRGraph(nodes, edges, metadata=said))
        return Path(folder / "circuit.nir").read_bytes(), left


def _check_without(model: SpikingModel, without: Sequence[str]) -> None:
    """Check that a circuit has what is to be left out."""
    has = {
        "noise": any(part.kind in CHANCE for part in model.inputs.values()),
        "refractory": any(part.refractory is not None for part in model.neurons.values()),
    }
    for what in without:
        if what not in has:
            raise OptionError(f"without {what!r} is unknown. {suggestion(what, has)}")
        if not has[what]:
            raise OptionError(f"without {what!r} does not apply: {model.name} has none.")


def _nir() -> ModuleType:
    try:
        import nir
    except ImportError:
        raise OptionError("writing NIR needs nir, which is not installed; say: pip install 'cortex-sim[export]'") from None
    return nir


def _populations(nir: ModuleType, model: SpikingModel, cells: Mapping[str, Cell]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return a node for each population, with its input and output, and their edges."""
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    for name, population in model.populations.items():
        cell, first, size = cells[population.neurons], offset(model, name), model.size(name)
        own = {key: value[first : first + size].copy() for key, value in cell.numbers.items()}
        shape = np.array([size])
        nodes[f"{name}_input"] = nir.Input(input_type={"input": shape})
        nodes[name] = _node(nir, own)
        nodes[f"{name}_output"] = nir.Output(output_type={"output": shape})
        edges.append((name, f"{name}_output"))
        if cell.push is None:
            edges.append((f"{name}_input", name))
        else:
            nodes[f"{name}_drive"] = nir.Scale(scale=cell.push[first : first + size].copy())
            edges += [(f"{name}_input", f"{name}_drive"), (f"{name}_drive", name)]
    return nodes, edges


def _node(nir: ModuleType, own: Mapping[str, ndarray]) -> Any:
    tau, membrane = own["tau"], {"v_leak": own["leak"], "v_threshold": own["threshold"], "v_reset": own["reset"]}
    if "gain" in own:
        return nir.CubaLIF(tau_syn=own["tau_syn"], tau_mem=tau, r=tau * own["gain"], w_in=own["tau_syn"], **membrane)
    return nir.LIF(tau=tau, r=tau.copy(), **membrane)


def _connect(nir: ModuleType, model: SpikingModel, cells: Mapping[str, Cell], nodes: dict[str, Any], edges: list[tuple[str, str]]) -> None:
    """Add the weights from population to population, after their delay if there is one."""
    for label, projection in model.projections.items():
        synapse, place = model.synapses[projection.synapse], f"{model.name}: [synapses.{projection.synapse}]"
        if synapse.equations or synapse.on_post or synapse.on_pre is None:
            raise CardError(f"{place} has states, or acts when the target fires; NIR's synapses are weights alone.")
        variable, factor = factor_of(synapse.on_pre, f"{place} on_pre")
        for block in blocks(model, label):
            cell = cells[model.populations[block.target].neurons]
            if variable != (cell.current or cell.v):
                raise CardError(f"{place} acts on {variable}; in NIR spikes act on {cell.current or cell.v} here.")
            sizes = (model.size(block.target), model.size(block.source))
            if problem := too_large(8.0 * sizes[0] * sizes[1], f"dense weights of {sizes[0]} x {sizes[1]} neurons, as NIR has them,"):
                raise CardError(f"{model.name}: {problem}.")
            W = np.zeros(sizes)
            np.add.at(W, (block.post - offset(model, block.target), block.pre - offset(model, block.source)), factor * block.weight.astype(float))
            name = f"{label}_{block.source}_{block.target}"
            nodes[name] = nir.Linear(weight=W)
            edges.append((name, block.target))
            if (block.delay != block.delay[:1]).any():
                raise CardError(f"{model.name}: [projections.{label}.delay] differs between synapses; NIR has one for each source neuron.")
            if block.delay.size:
                nodes[f"{name}_delay"] = nir.Delay(delay=np.full(sizes[1], float(block.delay[0])))
                edges += [(block.source, f"{name}_delay"), (f"{name}_delay", name)]
            else:
                edges.append((block.source, name))
