"""Pages say what is true: their code runs, their links lead somewhere, and they are built without a warning."""

import contextlib
import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib.text
import numpy as np
import pytest
import typer

from cortex_sim.cli._main import app
from cortex_sim.studies import skeleton
from cortex_sim.studies._grid import combinations, read_grid

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "models/README.md", ROOT / "protocols/README.md"])
BLOCK, LINK = re.compile(r"```python\n(.*?)```", re.DOTALL), re.compile(r"\[[^\]]*\]\(([^)#\s]+)")
TREE = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)
SHORTER = ("options=options\n)", "epochs=1, batch=8, validation=0\n)")  # the one training that takes minutes


def code(page: Path) -> str:
    return "\n".join(BLOCK.findall(page.read_text(encoding="utf-8")))


def session(path: Path) -> None:
    """Write the file that a reader of the pages has: 12 reaches, some of them aborted, 8 units and a hand."""
    pynwb = pytest.importorskip("pynwb")
    rng = np.random.default_rng(0)
    nwb = pynwb.NWBFile(session_description="reaches", identifier="m1", session_start_time=datetime(2020, 1, 1, tzinfo=UTC))
    for name in ("go_cue_time", "target_dir", "load", "success"):
        nwb.add_trial_column(name=name, description=name)
    for trial in range(12):
        start = 2.0 * trial
        nwb.add_trial(
            start_time=start,
            stop_time=start + 1.8,
            go_cue_time=start + 0.5,
            target_dir=90.0 * (trial % 2),
            load=trial // 2 % 2,
            success=int(trial < 8),
        )
    for _ in range(8):
        nwb.add_unit(spike_times=np.sort(rng.uniform(0, 24, 700)))
    time = np.arange(0, 24, 0.01)
    hand = pynwb.behavior.SpatialSeries(
        name="hand", data=np.stack([np.sin(time), np.cos(time)], 1), timestamps=time, reference_frame="screen", unit="cm"
    )
    nwb.create_processing_module(name="behavior", description="hand").add(pynwb.behavior.Position(spatial_series=hand))
    with pynwb.NWBHDF5IO(path, "w") as file:
        file.write(nwb)


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


def gallery() -> Any:
    """Return the script that draws the pictures of the gallery."""
    spec = importlib.util.spec_from_file_location("write_gallery", ROOT / "docs/write_gallery.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_of_the_gallery_is_drawn_by_the_block_above_it_and_is_small() -> None:
    text = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    pictures = [picture for _, picture in gallery().BLOCK.findall(text) if picture]
    assert len(pictures) == len(set(pictures)) == text.count("\n## ") == text.count("![") >= 10
    assert {f"gallery/{path.name}" for path in (ROOT / "docs/gallery").iterdir()} == set(pictures)
    for picture in pictures:
        path = ROOT / "docs" / picture
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size < 80_000


@pytest.mark.long
def test_the_gallery_runs_and_its_axes_are_labelled() -> None:
    for picture, figure in gallery().drawn((ROOT / "docs/gallery.md").read_text(encoding="utf-8")):
        said = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
        assert any(re.search(r"\([^)]+\)|variance", text) for text in said), picture  # a quantity with its unit, or a share
        assert not [text for text in said if "mathdefault" in text], picture


FORMULA, CODE, EXERCISE, HAN = (re.compile(pattern) for pattern in (r"\$[^$]+\$", r"`[^`]+`", r"\(\d\)", r"[\u4e00-\u9fff]"))


@pytest.mark.parametrize("lesson", sorted((ROOT / "notebooks").glob("1[1-6]_*.ipynb")), ids=lambda lesson: lesson.stem)
def test_the_course_says_in_chinese_what_it_says_in_english(lesson: Path) -> None:
    english = [cell["source"] for cell in json.loads(lesson.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "markdown"]
    chinese = tomllib.loads((ROOT / "docs/course.zh.toml").read_text(encoding="utf-8"))[lesson.stem]["cells"]
    assert len(english) == len(chinese)
    for original, text in zip(("".join(source) for source in english), chinese, strict=True):
        assert HAN.search(text)
        for part in (FORMULA, CODE, EXERCISE):
            assert sorted(part.findall(text)) == sorted(part.findall(original))
        assert text.count("## ") == original.count("## ")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if code(page)], ids=lambda page: page.name)
def test_code_runs(page: Path, tmp_path: Path) -> None:
    if "m1.nwb" in code(page):
        session(tmp_path / "m1.nwb")
    done = subprocess.run([sys.executable, "-c", code(page).replace(*SHORTER)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.long
def test_pages_are_built_offline_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    for script in ("write_reference.py", "write_course.py"):
        subprocess.run([sys.executable, ROOT / "docs" / script], check=True)
    built = subprocess.run([sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", ROOT / "docs", tmp_path], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-2000:]
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 25
    front = (tmp_path / "reference/api.html").read_text(encoding="utf-8")
    assert "cs.simulate" in front and "Observed rates (trial, time, unit)" in front
    remote = re.compile(r'(?:src|href)="(https?://[^"]+\.(?:js|css))"')
    assert not [link for page in pages for link in remote.findall(page.read_text(encoding="utf-8"))]


SHELL = re.compile(r"^```(?:sh|bash)?\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`(cortex-sim [^`]+)`")
TOML = re.compile(r"^```toml\n(.*?)^```", re.DOTALL | re.MULTILINE)
SKELETONS = ("my_question", "my_protocol")  # files that pages have just had written


def typed(page: Path) -> list[list[str]]:
    """Commands of a page with all their words: those of blocks, and those within sentences that are not names alone or cut short."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in SHELL.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(span.split()) for span in SPAN.findall(text)]
    words = [shlex.split(line.strip().removeprefix("$ ").split(" > ")[0], comments=True) for line in lines if "cortex-sim " in line]
    whole = [
        each[1:]
        for each in words
        if each[:1] == ["cortex-sim"] and len(each) > 2 and not each[1].startswith("-") and "…" not in each and "NAME" not in each
    ]
    return [each for each in whole if not each[-1].startswith("--") or each[-1] in ("--help", "--smoke", "--check", "--open", "--latex", "--json")]


@pytest.mark.parametrize("page", [page for page in PAGES if typed(page)], ids=lambda page: page.name)
def test_commands_are_ones_that_the_command_line_takes(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in SKELETONS:
        skeleton("protocol", name, tmp_path)
    for words in typed(page):
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command, (first, *words) = command.commands[words[0]], words
        with contextlib.suppress(typer.Exit):  # of --help
            command.make_context(first, words)


@pytest.mark.parametrize("page", [page for page in PAGES if TOML.search(page.read_text(encoding="utf-8"))], ids=lambda page: page.name)
def test_tables_of_toml_are_read_and_grids_mean_something(page: Path, tmp_path: Path) -> None:
    for text in TOML.findall(page.read_text(encoding="utf-8")):
        assert tomllib.loads(text)
        if "# GRID.toml" in text:
            (tmp_path / "GRID.toml").write_text(text, encoding="utf-8")
            assert combinations(read_grid(tmp_path / "GRID.toml"))
