"""Names, titles and labels of any text show as text: in the page, in figures, in the terminal, and as names of files."""

import base64
import json
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

import cortex_sim
from cortex_sim.report import Claim, Picture, Report, told
from cortex_sim.report.figures import curves, over_settings, save_svg, svg_of
from cortex_sim.runtime import say, visible, warn
from cortex_sim.statistics import Score
from cortex_sim.trials import Trials

TEXTS = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'", "comment": "--><!-- ]]> <![CDATA[",
    "template": "{{ 7*7 }}{% for x in y %}",
    "formula": "cost $x$ of $\\frac{1}{0}$ and $\\undefined$", "one dollar": "$", "backslash": "\\n \\alpha C:\\temp", "nul": "a\x00b",
    "escape": "\x1b[31mred\x1b]0;title\x07\x9b2J", "surrogate": "\ud800 half", "long": "long " * 1000, "one word": "w" * 5000,
    "hebrew": "שלום", "turned": "abc \u202edcba\u202c", "lines": "one\ntwo\r\nthree\u2028four", "blank": " ", "emoji": "👩\u200d🔬 naïve µV 中文",
}  # fmt: skip
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def score(text: str) -> Score:
    null, interval = np.array([0.0, 0.1]), (0.2, 0.3)
    return Score(text, text, text, 0.25, "higher", 1.0, null, text, interval, text, ceiling_reason=text, settings={text: text})


def report(text: str) -> Report:
    rates = np.random.default_rng(0).normal(size=(4, 5, 3))
    trials = Trials.from_arrays(rates, 0.01 * np.arange(5), condition=[f"{text} {n}" for n in range(4)], units=text, provenance={"recording": text})
    figures = {text: curves(np.arange(3.0), {text: np.arange(1.0, 4.0)}, xlabel=text, ylabel=text, log=True)}
    figures["own"] = own = Figure(figsize=(3, 2))
    axes = own.subplots()
    axes.set_title(text)
    axes.set_xticks([0, 1], [text, text])
    axes.barh([text], [1.0])
    return Report(
        text, text, text, {text: text}, [Claim(text, 0.5, 0.4, 0.6, text)], [score(text)], trials={text: trials, "other": trials},
        methods=f"How: {text}", pictures={name: Picture(figure, text, text) for name, figure in figures.items()},
        facts={text: text}, absent=[text], seconds={text: 1.0},
    )  # fmt: skip


class Page(HTMLParser):
    """Collects elements, attributes and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a plain text."""
    page = Page()
    page.feed(report("plain").write(tmp_path_factory.mktemp("plain") / "run").read_text(encoding="utf-8"))
    return page


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:constrained_layout")
@pytest.mark.parametrize("name", TEXTS)
def test_any_text_shows_as_text(tmp_path: Path, name: str, usual: Page, capsys: pytest.CaptureFixture[str]) -> None:
    text, made = TEXTS[name], report(TEXTS[name])
    path = made.write(tmp_path / "run", command=text)
    source, page = path.read_text(encoding="utf-8"), Page()
    page.feed(source)
    assert page.tags == usual.tags and [key for key, _ in page.attributes] == [key for key, _ in usual.attributes]  # nothing became markup
    assert visible(text).strip() in "\n".join(page.texts).replace("−", "-") and not UNSEEN.search(source)
    pictures = [str(value) for key, value in page.attributes if key == "src"]
    assert len(pictures) == 2 and all(value.startswith("data:image/svg+xml;base64,") for value in pictures)
    for picture in pictures:
        root = ElementTree.fromstring(base64.b64decode(picture.split(",", 1)[1]))
        assert not {element.tag.rsplit("}", 1)[-1] for element in root.iter()} & {"script", "foreignObject", "image", "a"}
    assert json.loads((path.parent / "scores.json").read_text())[0]["measure"] == text
    assert Trials.load(next(path.parent.glob("other.nc"))).shape == (4, 5, 3)
    say(told(made, path))
    warn(text)
    said = capsys.readouterr()
    assert not UNSEEN.search(said.out + said.err) and visible(text).strip() in said.out


def test_the_page_forbids_scripts_and_loads(tmp_path: Path) -> None:
    page = Page()
    page.feed(report("plain").write(tmp_path / "run").read_text(encoding="utf-8"))
    assert ("http-equiv", "Content-Security-Policy") in page.attributes
    content = next(str(value) for key, value in page.attributes if key == "content" and "default-src" in str(value))
    policy = dict(part.strip().split(" ", 1) for part in content.split(";"))
    assert policy == {"default-src": "'none'", "img-src": "data:", "style-src": "'unsafe-inline'", "base-uri": "'none'", "form-action": "'none'"}
    assert "script" not in page.tags and "link" not in page.tags and not any(key.startswith("on") for key, _ in page.attributes)
    assert all(str(value).startswith("data:") for key, value in page.attributes if key in ("src", "href"))


def glyphs(svg: str) -> list[str]:
    """What was drawn at each text of a figure, which matplotlib notes in comments."""
    return re.findall(r"<!-- (.*?) -->", svg, re.DOTALL)


def test_a_formula_is_drawn_letter_by_letter_and_powers_of_ten_stay(tmp_path: Path) -> None:
    figure = over_settings({"$x^2$": {"$a_b$": ([1.0, 1000.0], np.array([[1e-3, 1e3]]))}}, xlabel="$y$", log=True)
    drawn = glyphs(svg_of(figure))
    assert {"$x^2$", "$y$"} <= set(drawn) and {"10⁰", "10³", "10⁻²"} <= set(drawn)
    assert svg_of(figure) == svg_of(figure)
    save_svg(figure, tmp_path / "a.svg")
    assert glyphs((tmp_path / "a.svg").read_text(encoding="utf-8")) == drawn


def test_visible_keeps_every_letter_of_every_script() -> None:
    letters = "".join(letter for code in range(0x20, 0x3000) if unicodedata.category(letter := chr(code))[0] in "LNPSM")
    assert visible(letters) == letters
    assert visible("a\u200db\tc\nd") == "a\u200db\tc\nd" and visible("\x1b\x00\u202e\ud800") == r"\x1b\x00\u202e\ud800"
    assert visible("x" * 100, 10) == "x" * 9 + "…"


def test_labels_that_no_file_holds_are_written_out(tmp_path: Path) -> None:
    trials = Trials.from_arrays(np.zeros((2, 3, 1)), 0.01 * np.arange(3), condition=["a\0b", "\ud800"])
    assert trials.condition.tolist() == [r"a\x00b", r"\ud800"]
    trials.save(tmp_path / "a.nc")
    assert Trials.load(tmp_path / "a.nc").condition.tolist() == trials.condition.tolist()


def test_every_line_that_is_printed_is_made_visible() -> None:
    printing = re.compile(r"\bprint\(|std(err|out)\.write")
    assert [path.name for path in Path(cortex_sim.__file__).parent.rglob("*.py") if printing.search(path.read_text())] == ["_visible.py"]
