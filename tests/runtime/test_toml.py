"""Odd TOML is refused before its reader takes minutes over it; what a card names lies beside it."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex_sim import load
from cortex_sim.cards import catalogue
from cortex_sim.errors import CardError, CortexSimError, FileProblem
from cortex_sim.runtime import save_arrays
from cortex_sim.studies.tuning import read_space

QUICK = 2.0  # s
DEEP, LARGE = 10**5, 10**7
TEXTS = {
    "lists": "a = " + "[" * DEEP, "closed lists": "a = " + "[" * DEEP + "]" * DEEP, "inline tables": "a = " + "{a = " * DEEP,
    "key": "a" + ".a" * DEEP + " = 1", "blank key": "a" + " . a" * DEEP + " = 1", "quoted key": "a" + '." "' * DEEP + " = 1",
    "table": "[a" + ".a" * DEEP + "]", "number": "a = " + "1" * 5000, "text": "a = '" + "x" * LARGE + "'", "comment": "#" + "x" * LARGE,
    "many numbers": "a = [" + "1," * (LARGE // 2) + "]", "blanks": " " * LARGE, "word": "x" * 900_000, "quotes": "\"'" * 450_000,
    "dots": "." * 900_000,
    "words": "x." * 19 * 20_000, "many keys": "\n".join(f"k{i} = 1" for i in range(80_000)),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("reads", [lambda path: load(str(path)), read_space], ids=["card", "space"])
def test_odd_toml_is_refused_soon(tmp_path: Path, reads: Callable[[Path], object], name: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(TEXTS[name])
    started = time.process_time()
    with pytest.raises(CortexSimError, match=r"a\.toml"):
        reads(path)
    assert time.process_time() - started < QUICK


def test_every_shipped_card_is_read_as_before() -> None:
    assert len({load(name).key for name in catalogue.models()}) == len(catalogue.models())


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A card with weights, in a folder of its own."""
    folder = tmp_path / "cards"
    model: Any = catalogue.load("leaky_tanh")
    model.with_arrays({}, units=4).save(folder / "a.toml")
    return folder / "a.toml"


@pytest.mark.parametrize("name", ["../b.safetensors", "/tmp/b.safetensors", "..", "link.safetensors", "folder/b.safetensors", "a\\u0000b"])
def test_weights_lie_beside_their_card_wherever_links_lead(tmp_path: Path, trained: Path, name: str) -> None:
    save_arrays(tmp_path / "b.safetensors", {"W": np.zeros((4, 4))})
    (trained.parent / "link.safetensors").symlink_to(tmp_path / "b.safetensors")
    (trained.parent / "folder").symlink_to(tmp_path)
    trained.write_text(f'weights = "{name}"\n' + trained.read_text())
    with pytest.raises(CardError, match=r"a\.toml: weights .*(lie outside the folder of the card, at '.*'; they should lie beside it|name no file)"):
        load(str(trained))


def test_weights_beside_a_card_are_read_through_links_to_the_folder(tmp_path: Path, trained: Path) -> None:
    save_arrays(trained.parent / "real.safetensors", {})
    (trained.parent / "near.safetensors").symlink_to("real.safetensors")
    (tmp_path / "other").symlink_to(trained.parent)
    trained.write_text('weights = "near.safetensors"\n' + trained.read_text())
    assert load(str(tmp_path / "other" / "a.toml")).key == load(str(trained)).key


def test_a_card_that_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises((FileProblem, CortexSimError), match="no such file"):
        load(str(tmp_path / "a.toml"))
