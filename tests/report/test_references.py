"""What is to be cited stands beside a run, as BibTeX that parses."""

import csv
import re
from pathlib import Path

import pytest

import cortex_sim as cs
from cortex_sim.cards import catalogue
from cortex_sim.comparison._measures import MEASURES
from cortex_sim.comparison._trial_measures import TRIAL_MEASURES
from cortex_sim.report._references import PACKAGES, references


def entries(text: str) -> dict[str, dict[str, str]]:
    assert text.count("{") == text.count("}")
    found = {}
    for key, body in re.findall(r"@misc\{(\w+),\n(.*?)\n\}", text, re.DOTALL):
        found[key] = dict(re.findall(r"^  (\w+) = \{(.*)\},$", body, re.MULTILINE))
    return found


def test_the_papers_of_all_cards_become_entries_and_each_key_is_one() -> None:
    models = {name: catalogue.load(name) for name in catalogue.models()}
    text = references(models)
    found = entries(text)
    assert text.count("@misc") == len(found) and set(PACKAGES) <= set(found)
    assert found["hennequin_2014"]["author"] == "Hennequin and Vogels and Gerstner" and found["hennequin_2014"]["year"] == "2014"
    assert found["dura_bernal_2023"]["author"] == "Dura-Bernal and others" or found["dura_bernal_2023_lif"]["author"] == "Dura-Bernal and others"
    assert "leaky_relu" not in found and not re.search(r"(?<!\\)[&%#]", text)


def test_a_run_holds_its_references_and_a_table_of_scores(tmp_path: Path) -> None:
    score = cs.Score("R² of rates", "tanh, a\nb", "ten", 0.5, "higher", 1.0, None, "none drawn", (0.4, 0.6), "conditions", ceiling_reason="none")
    cs.Report(title="t", question="q", answer="a", scores=[score], models={"c": cs.load("kao_2021")}).write(tmp_path / "run")
    assert "Kao" in entries((tmp_path / "run/references.bib").read_text())["kao_2021"]["author"]
    with (tmp_path / "run/scores.csv").open(newline="") as file:
        row, *others = list(csv.DictReader(file))
    assert not others and row["student"] == "tanh, a\nb" and float(row["estimate"]) == 0.5 and float(row["high"]) == 0.6 and row["null_mean"] == ""


@pytest.mark.parametrize(
    "paper", ["none: a control", "Own design, after somebody", "Somebody wrote it on a napkin", "A & B (1999) J_1 2:3, as {remembered}"]
)
def test_what_is_no_citation_is_no_wrong_one(paper: str) -> None:
    text = references({"x": cs.load("kao_2021").with_arrays({}, paper=paper)})
    found = entries(text.replace("{remembered}", "remembered"))
    assert ("kao_2021" in found) is not paper.lower().startswith(("none", "own"))


OWN = ("R² of rates", "local flow", "predicts the circuit", "is predicted")  # measures that no paper introduced


@pytest.mark.parametrize("name", [*MEASURES, *TRIAL_MEASURES])
def test_every_measure_is_cited_or_our_own(name: str) -> None:
    found = entries(references({}, [name]))
    assert len(found) == len(PACKAGES) + (name not in OWN)
    assert name in OWN or all(entry["author"] and int(entry["year"]) > 1900 for entry in found.values())
