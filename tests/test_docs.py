"""Pages say what is true: their code runs, their links lead somewhere, and they are built without a warning."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "models/README.md", ROOT / "protocols/README.md"])
BLOCK, LINK = re.compile(r"```python\n(.*?)```", re.DOTALL), re.compile(r"\[[^\]]*\]\(([^)#\s]+)")
TREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)
NEEDS_FILES = {"own-circuit.md"}  # names files that a reader has, m1.nwb


def code(page: Path) -> str:
    return "\n".join(BLOCK.findall(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_compiles_and_links_lead_to_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    compile(code(page), page.name, "exec")
    missing = [link for link in LINK.findall(text) if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_every_page_stands_in_the_table_of_contents() -> None:
    named = {
        line.strip() for page in (ROOT / "docs").glob("*.md") for tree in TREE.findall(page.read_text(encoding="utf-8")) for line in tree.splitlines()
    }
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} <= named


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if code(page) and page.name not in NEEDS_FILES], ids=lambda page: page.name)
def test_code_runs(page: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code(page)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.long
def test_pages_are_built_offline_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    subprocess.run([sys.executable, ROOT / "docs/write_reference.py"], check=True)
    built = subprocess.run([sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", ROOT / "docs", tmp_path], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-2000:]
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 25
    front = (tmp_path / "reference/api.html").read_text(encoding="utf-8")
    assert "cs.simulate" in front and "Observed rates (trial, time, unit)" in front
    remote = re.compile(r'(?:src|href)="(https?://[^"]+\.(?:js|css))"')
    assert not [link for page in pages for link in remote.findall(page.read_text(encoding="utf-8"))]
