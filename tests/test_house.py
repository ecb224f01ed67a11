"""The house: eleven rooms, what each hands out, and protocols and notebooks that need nothing deeper than the front door."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import cortex_sim
from tests.faults import FAULTS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cortex_sim"
ROOMS = ("runtime", "cards", "trials", "tasks", "simulation", "fitting", "statistics", "analysis", "comparison", "report", "studies")
STUBS = sorted(PACKAGE.rglob("__init__.pyi"))
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(text: str) -> list[tuple[str, str]]:
    """(module, name) of every import, wherever it stands."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return found


def test_there_are_eleven_rooms_the_command_line_and_three_modules_beside_them() -> None:
    inside = [path for path in PACKAGE.iterdir() if path.name not in ("__pycache__", "py.typed") and path.suffix != ".pyi"]
    assert {path.name for path in inside if path.is_dir()} == {*ROOMS, "cli"}
    assert {path.stem for path in inside if path.is_file()} == {"__init__", "__main__", "errors"}


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: name_of(path))
def test_every_name_that_a_room_hands_out_is_there_and_documented(stub: Path) -> None:
    room = importlib.import_module(name_of(stub))
    assert room.__doc__ and dir(room) == room.__all__
    for name in room.__all__:
        handed = getattr(room, name)
        if (inspect.isfunction(handed) or inspect.isclass(handed)) and handed.__module__.startswith("cortex_sim"):
            assert handed.__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        _ = room.absent


def test_no_module_reaches_into_the_private_part_of_another_room() -> None:
    for path in FILES:
        own = name_of(path)
        for module, name in imports(path.read_text(encoding="utf-8")):
            parts = [*module.split("."), name] if module.startswith("cortex_sim.") else []
            if any(part.startswith("_") and part != "__version__" for part in parts):
                assert own.split(".")[1:2] == parts[1:2], f"{own} imports {module}.{name}"


def test_protocols_and_notebooks_need_nothing_deeper_than_the_front_door() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "protocols").glob("*.py")}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        code = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        texts[path.name] = "\n".join(line for line in "\n".join(code).splitlines() if not line.startswith("%"))
    assert len(texts) > 20
    for name, text in texts.items():
        deeper = [(module, item) for module, item in imports(text) if module.startswith("cortex_sim") and (module, item) != ("cortex_sim", "")]
        assert not deeper, f"{name}: {deeper}"


def test_the_front_door_opens_in_a_moment_and_completes_names() -> None:
    code = "import sys, cortex_sim as cs; print(*dir(cs)); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, modules = (line.split() for line in run.stdout.splitlines())
    assert {"load", "read", "simulate", "fit", "compare", "Model", "Task", "Trials", "tasks", "perturb", "measures", "figures"} <= set(names)
    assert not {"numpy", "torch", "brian2", "matplotlib", "xarray", "pydantic"} & set(modules)
    assert names == cortex_sim.__all__


def test_the_drawing_of_the_rooms_has_eleven_boxes_on_declared_floors(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "docs" / "architecture.py"), str(tmp_path)], check=True)
    drawn, page = ((tmp_path / f"architecture.{suffix}").read_text(encoding="utf-8") for suffix in ("svg", "md"))
    assert drawn.count("<rect") == 11 and all(f">{room}</text>" in drawn and f"`{room}/`" in page for room in ROOMS)
    committed = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert [line.split("|")[1:4] for line in committed.splitlines()] == [line.split("|")[1:4] for line in page.splitlines()]


@pytest.mark.parametrize("path", sorted((ROOT / "protocols").glob("*.py")), ids=lambda path: path.stem)
def test_a_protocol_reads_on_a_few_pages(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 220, "move what others can use into the room it belongs to"


def test_the_list_of_deliberate_faults_is_up_to_date() -> None:
    """Every fault is in the package and changes it, its tests are there, and at least 120 are tried by ``python -m tests.mutants``."""
    assert len(FAULTS) >= 120
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    for fault in FAULTS:
        text = (ROOT / "cortex_sim" / fault.file).read_text(encoding="utf-8")
        assert fault.right in text and fault.right != fault.wrong, fault.name
        assert all((ROOT / test).exists() for test in fault.tests.split()), fault.name
