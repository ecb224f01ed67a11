"""What is installed: one top-level name, with the cards and the protocols inside."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from cortex_sim.cards import catalogue

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist and the wheel built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "-o", str(folder), str(ROOT)], check=True, capture_output=True)
    return folder


def test_the_wheel_has_one_top_level_name_and_ships_cards_and_protocols(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"cortex_sim"}
    shipped = {name.removeprefix("cortex_sim/_shipped/") for name in names if "_shipped" in name and name.endswith((".toml", ".py"))}
    spaces = {str(path.relative_to(ROOT)) for path in ROOT.glob("protocols/*.space.toml")}
    assert spaces and shipped == spaces | {str(path.relative_to(ROOT)) for path in (catalogue.models() | catalogue.protocols()).values()}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_unpacked_wheel_finds_what_it_ships(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path)
    probe = "from cortex_sim import load; from cortex_sim.cards import catalogue\n"
    probe += "print(catalogue.PACKAGE); print(*catalogue.models(), *catalogue.protocols()); load('gru')"
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    place, names = done.stdout.splitlines()
    assert Path(place).is_relative_to(tmp_path)
    assert names.split() == [*catalogue.models(), *catalogue.protocols()]


def test_the_sdist_can_be_tested_and_built(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt", "tests/test_packaging.py", "protocols/match.py"} <= names
    assert not [name for name in names if name.startswith((".venv", "runs"))]


def test_import_is_light() -> None:
    probe = "import sys, cortex_sim; print([m for m in ('brian2', 'torch', 'numpy', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.strip() == "[]"
