"""The students that a run is asked for: a protocol's own by name, shipped cards, and files of the user."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cortex_sim.cards import Model, catalogue, edit
from cortex_sim.errors import CortexSimError, NotFound, OptionError, suggestion
from cortex_sim.fitting._options import Options
from cortex_sim.fitting._regression import unsolved
from cortex_sim.fitting._start import learned, one_unit_each
from cortex_sim.runtime import warn
from cortex_sim.simulation import beginning, wrap

ALL, DEFAULT = "all", "default"
FILES = (".toml", ".safetensors", ".pt")
Recipes = Mapping[str, tuple[str, Options]]


def asked_students(
    asked: str | Sequence[str | Model], recipes: Recipes, default: Sequence[str], *, observed: int, taken: Sequence[str] = ()
) -> dict[str, tuple[Model, Options]]:
    """Return the students that a run is asked for, each with the options of its training, by the name that tables show.

    A student that is not the protocol's own is trained as that of its students which it resembles most: one unit for each neuron, hidden units whose
    weights have a closed form, or any other. With recurrent weights that fit, it goes on learning from them, without a closed form.
    Where it lacks an encoder from which to start at given rates, it gets one.

    Args:
        asked: "default", "all", names of the protocol's own students or of shipped cards, and paths of cards (.toml) or weights (.pt,
            .safetensors), in a sequence or separated by commas; in a sequence, also models.
        recipes: name of the card and training options of the protocol's own students.
        default: names of those that answer its question at the lowest cost.
        observed: number of rates that they are taught.
        taken: names in its tables that no student may have.

    Raises:
        OptionError: a name is unknown or taken, or a card cannot be taught so; the message says what would be right.
        NotFound: there is no such file.
    """
    found: dict[str, tuple[Model, Options]] = {}
    for word in _words(asked):
        for name in list(recipes) if word == ALL else default if word == DEFAULT else [word]:
            if isinstance(name, str) and name in recipes:
                found[name] = _card(recipes[name][0], ()), recipes[name][1]
                continue
            card = _ready(_card(name, [DEFAULT, ALL, *recipes]), observed)
            if card.name in (*recipes, *taken) or card.name in found:
                raise OptionError(f"students: tables have a student called {card.name!r} already; give this one another name (that of its file).")
            found[card.name] = card, _options(card, recipes, observed)
    if not found:
        raise OptionError(f"students {asked!r} names none; give 'default', 'all', or the path of a card.")
    return found


def _words(asked: str | Sequence[str | Model]) -> Iterator[str | Model]:
    """Yield what is asked for, one by one; the name of a file that exists may contain commas."""
    for word in [asked] if isinstance(asked, str) else asked:
        yield from [word] if not isinstance(word, str) or Path(word).is_file() else (part.strip() for part in word.split(",") if part.strip())


def _card(name: str | Model, known: Sequence[str]) -> Model:
    """Return the card of a student, by its shipped name or the path of a file, or the card that was given."""
    if not isinstance(name, str):
        return _network(name, getattr(name, "name", type(name).__name__))
    path = Path(name)
    if path.suffix in FILES:
        if not path.is_file():
            raise NotFound(f"students: {name}: there is no such file.")
        card = path.with_suffix(".toml")  # beside which save and import put the weights
        made = wrap(path, name=path.stem) if path.suffix == ".pt" or not card.is_file() else catalogue.load(str(card))
    elif name in catalogue.models():
        made = catalogue.load(name)
    else:
        cure = f"{suggestion(name, [*known, *catalogue.models()])} A file of your own ends in {', '.join(FILES)}."
        raise OptionError(f"students: {name!r} is unknown. {cure}")
    return _network(made, name)


def _network(made: object, name: str) -> Model:
    if not isinstance(made, Model) or made.kind != "rnn":
        cure = "wrap its weights (cs.wrap of a state dict or of nn.RNN, nn.GRU, nn.LSTM), or give its card"
        raise OptionError(f"students: {name} is no card of kind 'rnn'; students are networks that learn from the start of their rates: {cure}.")
    return made


def _ready(card: Model, observed: int) -> Model:
    """Return a student that can start from rates and learn.

    Raises:
        OptionError: it cannot; the message says why.
    """
    if not any(part.learn for part in card.projections.values()):
        raise OptionError(f"student {card.name!r}: none of its projections is learned; say learn = true in [projections.…] of its card.")
    if one_unit_each(card):
        if card.units != observed and learned(card):
            told = f"are of {card.units} units, and {observed} are to be matched, one for each; it is trained from untrained weights"
            warn(f"student {card.name!r}: its weights {told}.")
        return card
    for made in (lambda: card, lambda: edit.with_encoder(card)):
        try:
            return _starting(made())
        except CortexSimError as problem:
            said = str(problem)
    cure = "In Python, cs.fit(student, trials, task, start='rest') teaches a network that its channels tell everything."
    raise OptionError(f"student {card.name!r} cannot start from the rates of the first bin: {said} {cure}")


def _starting(card: Model) -> Model:
    """Return a card that has a state for given rates.

    Raises:
        TaskError: it has none.
    """
    if card.initial is None:
        beginning(card, 1, np.zeros((1, card.units)))
    return card


def _options(card: Model, recipes: Recipes, observed: int) -> Options:
    """Return the training options of the protocol's own student that a card resembles most."""
    own = {name: _card(shipped, ()) for name, (shipped, _) in recipes.items()}
    like = next((name for name, student in own.items() if _class(student) == _class(card)), next(iter(own)))
    goes_on = learned(card) and (card.units == observed or not one_unit_each(card))
    return replace(recipes[like][1], closed_form=False, hidden_start=False) if goes_on else recipes[like][1]


def _class(card: Model) -> tuple[bool, bool]:
    """Return whether a student has one unit for each rate, and whether its recurrent weights have a closed form."""
    return one_unit_each(card), unsolved(card, card.dt.si) is None
