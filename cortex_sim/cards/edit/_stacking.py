"""Deep recurrent networks: several layers of one card's equations, each with the rates of the layer before it as input."""

import ast
from typing import Any

from cortex_sim.cards._equations import Equation
from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError, OptionError

DRAWN = ("gaussian", "low_rank", "sparse_gaussian", "uniform")  # rules that mean the same whatever the sources are


def stacked(model: Model, layers: int) -> Model:
    """Return one model composed of several layers of the same equations.

    Every per-unit variable and every matrix exists once per layer, with the number of the layer as a suffix (``x_1``, ``W_1``); constants
    are shared. Where the first layer receives the task's channels, every further layer receives the rate of the layer before it, through weights
    of the same rule, which are learned. That rate is the one at the same step; if it is a state, each layer adds one step of delay. Each layer
    has its own noise. Drives without weights enter the last layer, from which outputs are read. There is no encoder: the model starts from rest.

    Args:
        model: untrained, with hidden units that receive channels.
        layers: how many; 1 returns the model itself.

    Raises:
        OptionError: layers is below 1.
        CardError: why the model cannot be stacked.
    """
    if layers < 1:
        raise OptionError(f"layers {layers!r} should be 1 or more.")
    if layers == 1:
        return model
    if problem := _obstacle(model):
        raise CardError(f"{model.name}: cannot be stacked: {problem}")
    parts = [_Layer(model, number, layers) for number in range(1, layers + 1)]
    dump = model.model_dump() | {
        "name": f"{model.name}_{layers}_layers", "title": f"{model.title}, in {layers} layers", "rate": parts[-1].own(model.rate), "initial": None,
        "equations": "\n".join(part.equations() for part in parts), "inputs": {}, "initial_values": {},
    }  # fmt: skip
    own, once = parts[0].names, {part.weights for part in (model.readout,) if part}
    dump["parameters"] = {name: p for name, p in dump["parameters"].items() if name not in own and not _of_encoder(model, name)}
    dump["projections"] = {name: p for name, p in dump["projections"].items() if name in once}
    for part in parts:
        for kind, made in part.tables().items():
            dump[kind] |= made
    return Model.model_validate(dump)


def _of_encoder(model: Model, name: str) -> bool:
    return model.initial is not None and name == model.initial.offset


def _obstacle(model: Model) -> str | None:
    """Return the reason why a model cannot be stacked; None if there is none."""
    if model._arrays:
        return "it has weights of its own already; stack the card, then train."
    if not any(item.listens for item in model.inputs.values()):
        return "it hears no channels, so a second layer would hear nothing; give it an input with weights."
    if model.readout is None or model.projections[model.readout.weights].rule == "diagonal":
        return "its units are the observed ones themselves; a stack needs hidden units and a readout."
    if unfit := [problem for name in model.inputs if (problem := _unfit(model, name))]:
        return unfit[0]
    names = {*model.parsed.equations, *model.inputs, *model.projections, *model.parameters}
    taken = [name for name in sorted(names) if name.rpartition("_")[2].isdigit() and name.rpartition("_")[0] in names]
    return f"{taken[0]!r} is a name that a layer would need; rename it." if taken else None


def _unfit(model: Model, name: str) -> str | None:
    """Return why the rate of a layer cannot replace the channels in an input; None if it can, or if the input carries no channels."""
    item = model.inputs[name]
    if not item.listens:
        return None
    weights, unit = model.projections[str(item.weights)], model.parsed.equations[model.rate].unit
    if weights.columns == "history":
        return f"input {name!r} hears the past of the channels, which a rate of the layer before does not keep; use a recurrent model."
    if weights.rule not in DRAWN:
        return f"weights {item.weights!r} are of rule {weights.rule!r}, which picks among channels; use one of {', '.join(DRAWN)}."
    if unit != item.unit or weights.unit != "1":
        return f"input {name!r} is in {item.unit!r} and the rate that replaces it in {unit!r}; both should be in one unit."
    return None


class _Layer:
    """One layer: its own names, its lines, and its tables of a card."""

    def __init__(self, model: Model, number: int, layers: int) -> None:
        self.model, self.number, self.last = model, number, number == layers
        self._mixed = {str(item.weights) for item in model.inputs.values() if item.weights}
        noises = {name for name, item in model.inputs.items() if item.noise}
        called = model.parsed.called() & model.projections.keys()
        self.names = {*model.parsed.equations, *called, *self._mixed, *noises}

    def own(self, name: str, number: int | None = None) -> str:
        """Return the name in this layer, or in another."""
        return f"{name}_{number or self.number}"

    def equations(self) -> str:
        """Return the lines of this layer."""
        return "\n".join(self._line(equation) for equation in self.model.parsed.equations.values())

    def _line(self, equation: Equation) -> str:
        left = f"d{self.own(equation.name)}/dt" if equation.kind == "derivative" else self.own(equation.name)
        right = f" = {ast.unparse(_Renamed(self).visit(ast.parse(equation.expression, mode='eval')))}" if equation.expression else ""
        return f"{left}{right} : {equation.unit}" + (f" ({', '.join(equation.flags)})" if equation.flags else "")

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return parameters, inputs, projections and initial values of this layer."""
        dump = self.model.model_dump()
        made = {kind: {self.own(n): v for n, v in dump[kind].items() if n in self.names} for kind in ("parameters", "projections", "initial_values")}
        made["inputs"] = {}
        for name, item in self.model.inputs.items():
            mixed = {"weights": self.own(item.weights)} if item.weights else {}
            if item.noise:
                made["inputs"][self.own(name)] = dump["inputs"][name] | mixed
            elif item.weights and self.number > 1:
                made["projections"][self.own(item.weights)] |= {"columns": "units", "learn": True}
            elif item.weights or self.last:
                made["inputs"][name] = dump["inputs"][name] | mixed
        return made


class _Renamed(ast.NodeTransformer):
    """Rewrites an expression for a layer: its names, the rate of the previous layer instead of channels, drives in the last layer only."""

    def __init__(self, layer: _Layer) -> None:
        self.layer, self.inputs = layer, layer.model.inputs

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return a name, with the layer's number if the layer has its own."""
        return ast.Name(self.layer.own(node.id)) if node.id in self.layer.names else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Return an input, replaced by the rate of the previous layer or by 0 where this applies; other calls are kept."""
        assert isinstance(node.func, ast.Name)
        item, layer = self.inputs.get(node.func.id), self.layer
        if item and item.listens and layer.number > 1:
            return ast.Call(ast.Name(layer.own(str(item.weights))), [ast.Name(layer.own(layer.model.rate, layer.number - 1))], [])
        if item and not item.weights and not item.noise and not layer.last:
            return ast.BinOp(ast.Constant(0), ast.Mult(), ast.parse(item.unit, mode="eval").body)
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """Return a sum without the drives that this layer does not receive."""
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, (ast.Add, ast.Sub)) and _is_nothing(right):
            return left
        if isinstance(node.op, ast.Add) and _is_nothing(left):
            return right
        return ast.BinOp(left, node.op, right)


def _is_nothing(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=0):
            return True
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _is_nothing(left) or _is_nothing(right)
        case ast.BinOp(left=left, op=ast.Div()):
            return _is_nothing(left)
    return False
