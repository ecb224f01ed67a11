"""Rate cards read from files, with the weights beside them."""

from pathlib import Path

from cortex_sim.cards._model import Model
from cortex_sim.errors import CardError
from cortex_sim.runtime import load_arrays, read_toml


def read_card(path: str | Path) -> Model:
    """Return a card, read and checked without importing a simulator.

    Raises:
        FileProblem: the file, or the weights it names, cannot be read.
        CardError: what is wrong, where, and what would be right.
    """
    path = Path(path)
    card = read_toml(path, CardError)
    try:
        model = Model.model_validate(card | {"name": path.stem})
        return model.with_arrays(load_arrays(_beside(path, model.weights))) if model.weights else model
    except CardError as problem:
        raise CardError(f"{path}: {problem}") from None


def _beside(path: Path, name: str) -> Path:
    """Return a file in the folder of a card, with links resolved."""
    try:
        file, folder = (path.parent / name).resolve(), path.parent.resolve()
    except (OSError, RuntimeError, ValueError) as problem:
        raise CardError(f"weights {name!r} name no file ({problem}).") from None
    if not file.is_relative_to(folder):
        raise CardError(f"weights {name!r} lie outside the folder of the card, at {str(file)!r}; they should lie beside it.")
    return file
