"""Notebooks run from top to bottom, hold no outputs in git, draw something and end with exercises."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
QUICK = "02_push_both"  # in every run of the tests; the others in the long ones
RUN = [path if path.stem == QUICK else pytest.param(path, marks=pytest.mark.long) for path in NOTEBOOKS]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_clean_and_imports_the_front_door_alone(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    compile("\n".join(line for line in code.splitlines() if not line.startswith("%")), path.name, "exec")
    assert not [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
    assert "from cortex_sim" not in code and "import cortex_sim as cs" in code
    assert "**Exercises.**" in notebook.cells[-1].source


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_a_notebook_runs_small(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(path, as_version=4)
    monkeypatch.setenv("CORTEX_SIM_SMOKE", "1")
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    made = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert any("image/png" in out.get("data", {}) for out in made)
    assert not [out for out in made if out.output_type == "error"]
    if path.stem == QUICK:
        assert "R2 of held-out rates" in "".join(out.get("text", "") for out in made)
