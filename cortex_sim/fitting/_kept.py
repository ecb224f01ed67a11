"""Trained students, stored in a file and read back bit by bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from cortex_sim.cards import Model
from cortex_sim.errors import CortexSimError, FileProblem
from cortex_sim.fitting._fit import Fitted
from cortex_sim.runtime import load_arrays, save_arrays

NETWORKS = ("model", "start")
TOLD = ("train", "validation", "conditions", "seconds", "interrupted", "began", "diverged")


def save_fitted(path: Path, fitted: Fitted) -> None:
    """Write a student, its initial weights and the history of training as safetensors.

    Raises:
        FileProblem: the folder cannot be written or the disk is full.
    """
    told: dict[str, Any] = {name: getattr(fitted, name) for name in TOLD}
    arrays: dict[str, ndarray] = {} if fitted.outputs is None else {"outputs": fitted.outputs}
    for part in NETWORKS:
        model = getattr(fitted, part)
        told[part] = {"card": model.model_dump(exclude_defaults=True, exclude={"weights"}), "key": model.key, "arrays": list(model._arrays)}
        arrays |= {f"{part}/{name}": array for name, array in model._arrays.items()}
    save_arrays(path, arrays | {"told": np.frombuffer(json.dumps(told).encode(), np.uint8)})


def load_fitted(path: Path) -> Fitted:
    """Return what :func:`save_fitted` wrote.

    Raises:
        FileProblem: the file is damaged, or contains another model than it states.
    """
    arrays = load_arrays(path)
    try:
        told = json.loads(arrays.pop("told").tobytes())
        model, start = (_model(told[part], part, arrays) for part in NETWORKS)
        about: dict[str, Any] = {name: told[name] for name in TOLD} | {"conditions": tuple(told["conditions"])}
        return Fitted(model, start, outputs=arrays.get("outputs"), **about)
    except (KeyError, ValueError, TypeError, CortexSimError) as problem:
        raise FileProblem(f"{path}: holds no trained student ({problem}).") from None


def _model(told: dict[str, Any], part: str, arrays: dict[str, ndarray]) -> Model:
    found = Model.model_validate(told["card"])
    if told["arrays"]:
        found = found.with_arrays({name: arrays[f"{part}/{name}"] for name in told["arrays"]})
    if found.key != told["key"]:
        raise ValueError(f"{found.name} is not the {part} that was kept")
    return found
