"""Many runs as one page: it holds what their files hold, works without a server, and trusts no text in them."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import cortex_sim as cs
from cortex_sim.errors import FileProblem, NotFound
from cortex_sim.report._browse import browse

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
TRICK = "</script><script>document.title='taken'</script>"


def write(folder: Path, *, seed: int = 0, holds: bool = True, text: str = "one is one") -> Path:
    claims = [cs.Claim(text, 1.0, 0.0, 2.0 if holds else 0.5, "known")]
    score = cs.Score("R² of rates", "tanh", "ten", 0.5 + seed / 10, "higher", 1.0, np.zeros(3), "none", None, "none",
                     ceiling_reason="none")  # fmt: skip
    cs.Report(title="t", question="q", answer="a", claims=claims, scores=[score], seed=seed).write(folder)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write(tmp_path / "runs/first")
    write(tmp_path / "runs/second", seed=3, holds=False)
    (tmp_path / "runs/not_a_run").mkdir()
    return tmp_path / "runs"


def data(page: Path) -> list[dict]:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1])


def test_a_folder_of_runs_becomes_one_page(runs: Path, tmp_path: Path) -> None:
    page = browse([runs], tmp_path / "all.html")
    first, second = data(page)
    assert (first["folder"], second["folder"]) == ("first", "second") and first["link"] == "runs/first/report.html"
    assert second["failing"] == ["one is one"] and first["failing"] == [] and second["scores"][0]["estimate"] == 0.8
    assert "http" not in page.read_text(encoding="utf-8").replace("http-equiv", "")
    with pytest.raises(FileProblem, match="exists already"):
        browse([runs], page)
    with pytest.raises(NotFound, match="no finished run there"):
        browse([runs / "not_a_run"], tmp_path / "none.html")
    with pytest.raises(NotFound, match="there is no such folder"):
        browse(["gone"], tmp_path / "none.html")
    (runs / "first/scores.json").write_text("{")
    with pytest.raises(FileProblem, match="first: is no finished run, or is damaged"):
        browse([runs], tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()


def test_text_in_a_run_is_text_on_the_page(tmp_path: Path) -> None:
    page = browse([write(tmp_path / "run", text=TRICK)], tmp_path / "all.html")
    assert TRICK not in page.read_text(encoding="utf-8") and data(page)[0]["claims"][0]["text"] == TRICK


def opened(address: str, tmp_path: Path) -> str:
    """The page as a browser leaves it after its scripts have run."""
    shell = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", address]
    return subprocess.run(shell, capture_output=True, text=True, timeout=120, check=True).stdout


DONE = """<script>
{ const order = () => [...document.querySelectorAll("#runs tbody a")].map(a => a.textContent), found = {};
const by = name => [...document.querySelectorAll("#runs thead button")].find(b => b.textContent.startsWith(name)).click();
by("seed"); found.rising = order(); by("seed"); found.falling = order();
const field = document.getElementById("search"); field.value = "unlike"; field.oninput();
found.searched = [order(), document.getElementById("count").textContent];
field.value = ""; field.oninput();
[...document.querySelectorAll("#runs input")].slice(0, 2).forEach((_, place) => document.querySelectorAll("#runs input")[place].click());
found.two = !document.getElementById("compare").disabled;
const paper = () => getComputedStyle(document.body).backgroundColor, before = paper(), mode = document.getElementById("mode");
mode.click(); const after = paper(); mode.click(); found.modes = [before !== after, before === paper()];
document.body.dataset.found = JSON.stringify(found); }
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_sorts_searches_picks_and_darkens(runs: Path, tmp_path: Path) -> None:
    write(runs / "third", seed=2, text="unlike the others")
    page = browse([runs], tmp_path / "all.html")
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", DONE + "</body>"), encoding="utf-8")
    said = re.search(r'data-found="([^"]*)"', opened(page.as_uri(), tmp_path))
    assert said
    found = json.loads(html.unescape(said[1]))
    assert found["rising"] == ["first", "third", "second"] and found["falling"] == found["rising"][::-1]
    assert found["searched"] == [["third"], "1 of 3 runs"] and found["two"] and found["modes"] == [True, True]


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_prints_the_page(runs: Path, tmp_path: Path) -> None:
    page, paper = browse([runs], tmp_path / "all.html"), tmp_path / "all.pdf"
    shell = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--print-to-pdf={paper}",
        page.as_uri(),
    ]
    subprocess.run(shell, capture_output=True, timeout=120, check=True)
    assert paper.read_bytes().startswith(b"%PDF") and paper.stat().st_size > 5000


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_lists_and_compares_the_runs(runs: Path, tmp_path: Path) -> None:
    write(runs / "third", seed=5, text=TRICK)
    page = browse([runs], tmp_path / "all.html")
    shown = opened(f"{page.as_uri()}#compare", tmp_path)
    assert "3 of 3 runs" in shown and "0 of 1 hold" in shown and "<title>Runs</title>" in shown
    assert re.search(
        r"R² of rates \| tanh \| ten</td><td class=\"number\">0\.5</td><td class=\"number\">0\.8</td><td class=\"number\">0\.3</td>", shown
    )
