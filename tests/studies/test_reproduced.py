"""Published results are read off the claims of protocols: each row finds its claim, and says so where it does not."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cortex_sim as cs
from cortex_sim.cards import catalogue
from cortex_sim.cli import app
from cortex_sim.errors import NotFound, OptionError
from cortex_sim.studies import _reproduced

ROOT = Path(__file__).parents[2]
PROTOCOL = '''"""Does it count?"""
import cortex_sim as cs
MODEL = "murphy_miller_2009"
def run(model, *, seed=0, smoke=False):
    if seed == 9:
        raise cs.errors.TaskError("nine is too much")
    claims = [cs.Claim("sum", 3.0 + seed, 2.9, 3.1, "arithmetic"), cs.Claim("sum of squares", 5.0, 5, 5, "arithmetic"),
              cs.Claim("recorded share", 0.2, 0.5, 1.0, "a band"), cs.Claim("twins: a", 1, 1, 1, ""), cs.Claim("twins: b", 1, 1, 1, "")]
    return cs.Report(title="t", question="q", answer="a", claims=[] if smoke else claims, smoke=smoke, seed=seed)
'''
REGISTRY = """
[euclid_0300]
paper = "Euclid (-300) Elements"
figure = "1"
class = "A"
known = "read"
protocol = "{path}"
[euclid_0300.rows]
sum = {{ claim = "sum", published = "three", value = 3 }}
squares = {{ claim = "sum of sq", published = "five", value = 5 }}
twins = {{ claim = "twins", published = "one" }}
never = {{ claim = "product", published = "two" }}
[rumour_0000]
paper = "Somebody (0) Rumours"
class = "C"
known = "unverified"
protocol = "{path}"
[rumour_0000.rows]
heard = {{ claim = "recorded share", published = "much" }}
[diary_1900]
paper = "Somebody (1900) Diary"
class = "C"
known = "remembered"
protocol = "{path}"
[diary_1900.rows]
noted = {{ claim = "recorded share", published = "0.5 to 1" }}
"""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "counting.py").write_text(PROTOCOL)
    (tmp_path / "registry.toml").write_text(REGISTRY.format(path=tmp_path / "counting.py"))
    monkeypatch.setattr(_reproduced, "REGISTRY", tmp_path / "registry.toml")
    monkeypatch.setattr(_reproduced, "published", lambda: _reproduced.read(tmp_path / "registry.toml"))
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_every_shipped_row_names_a_protocol_and_one_claim_of_it() -> None:
    rows = _reproduced.published()
    assert len({row.name for row in rows}) == len(rows) >= 60 and {row.protocol for row in rows} <= set(catalogue.protocols())
    kept = json.loads((ROOT / "benchmarks/results/claims.json").read_text(encoding="utf-8"))["rows"]
    texts = {protocol: {row["claim"] for row in kept if row["protocol"] == protocol} for protocol in {row["protocol"] for row in kept}}
    checked = 0
    for row in rows:
        if row.protocol in texts:
            found = [text for text in texts[row.protocol] if text.startswith(row.claim)]
            assert len(found) == 1 or row.claim in found, (row.name, found)
            checked += 1
    assert checked > 40


def test_rows_hold_fail_and_are_missed_as_planted(planted: Path) -> None:
    found = cs.reproduce(out=planted / "one", jobs=1)
    held = {row.row.name: row.holds for row in found.rows}
    assert held == {
        "euclid_0300.sum": "holds", "euclid_0300.squares": "holds", "euclid_0300.twins": "not tested", "euclid_0300.never": "not tested",
        "rumour_0000.heard": "not tested", "diary_1900.noted": "outside the band",
    }  # fmt: skip
    why = {row.row.name: row.why for row in found.rows}
    assert why["euclid_0300.never"] == "the protocol did not claim it" and why["euclid_0300.twins"] == "2 claims begin so: twins: a, twins: b"
    rows = json.loads((planted / "one/rows.json").read_text(encoding="utf-8"))
    assert isinstance(rows, list) and rows[0]["paper"] == "Euclid (-300) Elements" and rows[0]["ours"] == 3.0 and rows[0]["value"] == 3.0
    assert found.report().holds and "2 of 2 tested results" in found.report().answer
    table = (planted / "one/rows.md").read_text(encoding="utf-8").splitlines()
    assert len(table) == 2 + 6 and "figure 1" in table[2] and all(line.count(" | ") == table[0].count(" | ") for line in table[2:])
    assert (planted / "one/report.html").exists()


def test_seeds_give_a_span_and_a_result_that_one_of_them_misses_does_not_hold(planted: Path) -> None:
    found = cs.reproduce(["euclid_0300.sum", "euclid_0300.squares"], seeds=[0, 1], jobs=1)
    total, squares = found.rows
    assert total.ours == 3.5 and total.span == (3.0, 4.0) and total.holds == "does not hold" and squares.holds == "holds"
    assert "Those that do not: euclid_0300.sum." in found.report().answer and not found.report().holds
    failed = cs.reproduce(["euclid_0300"], seeds=[9], jobs=1)
    assert {row.why for row in failed.rows} == {"nine is too much"} and {row.holds for row in failed.rows} == {"not tested"}


def test_the_command_exits_by_what_holds_and_suggests_names(planted: Path) -> None:
    def called(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["reproduce", *words, "--jobs", "1"])
        return done.exit_code, done.output + str(done.exception or "")

    assert called("euclid_0300", "--out", str(planted / "a"), "--check")[0] == 0
    assert called("euclid_0300", "--seeds", "1", "--out", str(planted / "b"), "--check")[0] == 1
    code, said = called("euclid_300", "--out", str(planted / "c"))
    assert code and "'euclid_300' is no paper or row. Did you mean 'euclid_0300'?" in said and not (planted / "c").exists()
    with pytest.raises(NotFound, match="no paper or row"):
        cs.reproduce(["nobody"])
    with pytest.raises(OptionError, match="different whole numbers"):
        cs.reproduce(seeds=[0, 0])


def test_what_was_computed_is_not_computed_again(planted: Path) -> None:
    cs.reproduce(jobs=1)
    (planted / "counting.py").touch()
    kept = list((planted / "cache").rglob("*.json"))
    before = {path: path.stat().st_mtime_ns for path in kept}
    cs.reproduce(["diary_1900"], jobs=1)
    assert kept and {path: path.stat().st_mtime_ns for path in kept} == before


@pytest.mark.parametrize(
    ("old", "new", "said"), [('class = "A"', 'class = "D"', "class = 'D' is unknown"), ('known = "read"', 'known = "heard"', "known")]
)
def test_a_registry_with_other_words_is_refused(planted: Path, old: str, new: str, said: str) -> None:
    path = planted / "other.toml"
    path.write_text((planted / "registry.toml").read_text().replace(old, new))
    with pytest.raises(OptionError, match=said):
        _reproduced.read(path)
