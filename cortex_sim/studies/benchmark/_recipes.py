"""Networks taught by recipes, which differ in what the experiment gives and in what is asked of the network, and how they answer other pushes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.analysis import Side
from cortex_sim.cards import Model
from cortex_sim.cards.edit import with_step, with_values
from cortex_sim.errors import Diverged, OptionError
from cortex_sim.fitting import Options, not_own_class, own_class, train, with_fitted_gains, with_time_constant_of
from cortex_sim.runtime import code_key, content_key, seed_of, stream, workers
from cortex_sim.simulation import recurrent_projections
from cortex_sim.studies.benchmark._circuits import STEP, Drawn, Place, redrawn
from cortex_sim.studies.benchmark._experiments import Laboratory, Recipe
from cortex_sim.studies.benchmark._pupils import Pupils, examined, options_for, output_alone, rnn
from cortex_sim.studies.benchmark._pushed import LEADING, OFF, Battery, run
from cortex_sim.tasks import BIN

ON_AND_OFF = (LEADING, OFF)
UNKNOWN = 0.5  # s.d. of the logarithm of the factor of each unit that a connectome leaves open
HISS = 0.1  # s.d. that noise alone gives a state
GAINED, GAIN = Options(epochs=40, patience=40, rate=1e-2, batch=32, closed_form=False), "gain_of_inputs"
WIDER = 1.5  # times as wide as usual is the range of a unit whose connections are known, so that its tanh is nearly linear, as they are meant
Fit = Callable[[Model, Side, Options], Model]


@dataclass(frozen=True)
class Ablation:
    """How much is made of every recipe.

    Attributes:
        recipes: by name.
        manifold: number of reaches without noise whose leading components are the manifold, and that ridge regression is fitted to.
        tested: number of other reaches, during which circuit and networks are pushed.
        draws: of each kind of push.
        epochs: of training, at most.
    """

    recipes: Mapping[str, Recipe]
    manifold: int
    tested: int
    draws: int
    epochs: int


def circuits_of(model: Model, units: int, *, circuits: int, each: int, seed: int) -> dict[tuple[int, int], Drawn]:
    """Return draws of a circuit, each as often as there are seeds of everything else: reaches, noise, sites, pushes and networks.

    Args:
        model: with one recurrent projection whose weights are drawn by a rule.
        units: number of units, at most.
        circuits: number of circuits.
        each: number of seeds of each.
        seed: from which all are derived.

    Raises:
        OptionError: its weights are stored with it, units are hidden or have several states, or there are several recurrent projections.
    """
    recurrent = recurrent_projections(model)
    if model.initial or model.readout or len(model.parsed.states) > 1 or len(recurrent) != 1 or model.weights:
        should = "a circuit of observed units with one state each and one recurrent projection, which a rule draws anew"
        raise OptionError(f"{model.name}: recipes needs {should}; the weights of this one, its units or its states are others.")
    found = {}
    for circuit in range(circuits):
        place = Place(model.name, circuit, root=seed)
        drawn = redrawn(model, place, min(units, model.units))
        for number in range(each):
            own = replace(place, root=seed_of(seed, "circuit", "seeds of recipes", number))
            found[circuit, number] = Drawn(own, drawn.with_arrays({}, name=f"{model.name} {circuit}"), recurrent[0], drawn.arrays()[recurrent[0]])
    return found


def impossible(recipe: Recipe, drawn: Drawn) -> str | None:
    """Return why a recipe cannot be made for a circuit; None if it can."""
    if recipe.network == "types" and types_of(drawn) is None:
        return "its units both excite and inhibit"
    return not_own_class(drawn.model, BIN) if recipe.network.startswith("own") else None


def types_of(drawn: Drawn) -> Float[ndarray, " unit"] | None:
    """Return 1 for units that excite all their targets and -1 for those that inhibit them; None if any does both."""
    W = drawn.model.arrays()[drawn.recurrent]
    return np.where(W.sum(axis=0) > 0, 1.0, -1.0) if ((W >= 0).all(axis=0) | (W <= 0).all(axis=0)).all() else None


def taught(cells: Mapping[tuple[int, int], Drawn], ablation: Ablation) -> dict[tuple[int, int], Pupils]:
    """Return the networks of all recipes for every circuit and seed, and how they answer pushes on and off the manifold; kept by key."""
    label = f"{len(ablation.recipes)} recipes for {len(cells)} circuits and seeds"
    return workers.map(label, taught_one, {key: (drawn, ablation) for key, drawn in cells.items()}, tells=True, kept=TAUGHT)


def taught_one(drawn: Drawn, ablation: Ablation, *, report: Callable[[float, str], None] = lambda done, text: None) -> Pupils:
    """Return the networks of all recipes for a circuit, but those that diverge, and how they answer pushes on and off the manifold.

    Args:
        drawn: the circuit.
        ablation: recipes and sizes.
        report: called with the completed fraction and the name of a recipe.
    """
    laboratory, models = Laboratory.of(drawn), {}
    manifold, test = laboratory.reaches("taught", ablation.manifold), laboratory.reaches("asked", ablation.tested)
    battery = Battery.of(drawn, manifold.trials.rate, test, ablation.draws, ON_AND_OFF)
    given: dict[Recipe, Side] = {}
    for number, (name, recipe) in enumerate(ablation.recipes.items()):
        report(number / len(ablation.recipes), name)
        data = replace(recipe, network="tanh")
        given[data] = given.get(data) or laboratory.teaches(data)
        found = network(recipe, given[data], drawn, epochs=ablation.epochs)
        try:
            run(found, test.task)
        except Diverged:
            continue
        models[name] = found
    return examined(models, battery, manifold.trials)


def network(recipe: Recipe, side: Side, drawn: Drawn, *, epochs: int) -> Model:
    """Return a network that was taught what an experiment gave, and of which something is asked.

    Args:
        recipe: what is asked, and known.
        side: what the experiment gave.
        drawn: the circuit, of which a recipe may know something.
        epochs: of training, at most.
    """
    seed, usual = seed_of(drawn.place.seed, "student", "networks of recipes"), options_for(epochs)

    def fit(model: Model, given: Side, options: Options) -> Model:
        return train(with_time_constant_of(model, drawn.model), given.trials, given.task, seed=seed, options=options).model

    tanh, own = rnn("leaky_tanh"), recipe.network.startswith("own")
    match recipe.network:
        case "own":
            return fit(own_class(drawn.model, BIN), side, options_for(0))
        case "noise":
            return with_values(fit(hissing(tanh), side, usual), {"sigma": 0.0})
        case "tanh" | "output":
            return fit(tanh, replace(side, trials=output_alone(side.trials)) if recipe.network == "output" else side, usual)
    plain = own_class(drawn.model, BIN) if own else fit(tanh, side, options_for(0))
    if recipe.network == "sparse":
        return fit(pruned(plain, float((drawn.model.arrays()[drawn.recurrent] != 0).mean())), side, usual)
    if recipe.network in ("Dale", "types"):
        types = types_of(drawn) if recipe.network == "types" else np.sign(plain.arrays()["W"].sum(axis=0))
        assert types is not None
        return _of_types(side, types, fit, usual)
    known = up_to_gains(plain if own else widened(plain), drawn)
    start = gained(with_fitted_gains(known, side.trials, side.task))
    return train(start, side.trials, side.task, seed=seed, options=replace(GAINED, epochs=min(GAINED.epochs, 10 * epochs))).model


def _of_types(side: Side, types: Float[ndarray, " unit"], fit: Fit, options: Options) -> Model:
    """Return a tanh network under Dale's law with the types given, in the order of the units."""
    order = np.argsort(-types, kind="stable")
    card = rnn("leaky_dale")
    signed = {"W": card.projections["W"].model_dump() | {"excitatory": float((types > 0).mean())}}
    dale = card.with_arrays({}, projections={name: part.model_dump() for name, part in card.projections.items()} | signed)
    found, back = fit(dale, side.seen(order), options), np.argsort(order)
    free = {"W": signed["W"] | {"excitatory": None}}
    arrays = {
        name: array[back][:, back] if array.ndim == 2 else array[back] for name, array in found.arrays().items() if name in ("W", "C", "b", "d")
    }
    return found.with_arrays(arrays, projections={name: part.model_dump() for name, part in found.projections.items()} | free)


def hissing(card: Model) -> Model:
    """Return a leaky network with independent white noise in every unit; ``sigma`` is the standard deviation that it alone gives a state."""
    sigma = {"value": HISS, "meaning": "standard deviation that the noise alone gives a state", "source": "chosen"}
    hiss = {"unit": "second**-0.5", "meaning": "noise", "noise": True}
    return card.with_arrays(
        {}, equations=card.equations.replace(")/tau :", ")/tau + sigma*sqrt(2/tau)*hiss(t, i) :", 1),
        parameters={name: part.model_dump() for name, part in card.parameters.items()} | {"sigma": sigma},
        inputs={name: part.model_dump() for name, part in card.inputs.items()} | {"hiss": hiss},
    )  # fmt: skip


def pruned(model: Model, share: float) -> Model:
    """Return a fitted network that keeps its largest weights, this share of them, and learns with no others."""
    W = model.arrays()["W"]
    W = np.where(np.abs(W) >= np.quantile(np.abs(W), 1 - share), W, 0.0)
    projections = {name: part.model_dump() | ({"keep_zeros": True} if name == "W" else {}) for name, part in model.projections.items()}
    return model.with_arrays({}, projections=projections).with_arrays({"W": W})


def widened(model: Model) -> Model:
    """Return a fitted tanh network whose units have a wider range, so that connections mean nearly what they mean in the circuit."""
    return model.with_arrays({"C": WIDER * model.arrays()["C"]})


def up_to_gains(model: Model, drawn: Drawn) -> Model:
    """Return a network with the circuit's connections, those to each unit times an unknown factor.

    Args:
        model: with a unit for each of the circuit, in its unit of rates or in one that the readout says.
        drawn: the circuit.
    """
    rng, units = stream(drawn.place.seed, "student", "factors of a connectome"), drawn.model.units
    scale = np.diag(model.arrays()[model.readout.weights]) if model.readout else np.ones(units)
    factor = np.exp(UNKNOWN * rng.standard_normal(units))
    W = factor[:, None] * drawn.model.arrays()[drawn.recurrent] * scale / scale[:, None]
    return model.with_arrays({recurrent_projections(model)[0]: W})


def gained(model: Model) -> Model:
    """Return a network that learns a gain of the connections to each unit, and no connection; its step is the circuit's.

    Connections that are known tell how fast states change, and steps of a bin are another flow. Learned ones make up for that, these cannot.
    """
    (name,) = recurrent_projections(model)
    gain = {"value": 1, "meaning": "gain of the connections to a unit", "over": "units", "learn": True}
    return with_step(model.with_arrays(
        {}, equations=model.equations.replace(f"{name}({model.rate})", f"{GAIN}*{name}({model.rate})") + f"\n{GAIN} : 1 (constant)",
        parameters={key: part.model_dump() for key, part in model.parameters.items()} | {GAIN: gain},
        projections={key: part.model_dump() | ({"learn": False} if key == name else {}) for key, part in model.projections.items()},
    ), STEP)  # fmt: skip


def _key(drawn: Drawn, ablation: Ablation) -> str:
    return content_key("recipes", drawn.model.key, drawn.place.seed, asdict(ablation), code_key())


TAUGHT = workers.Kept(_key, lambda path, pupils: pupils.save(path), Pupils.load, "recipes", ".safetensors", shared=True)
