"""What a run records repeats it; a repetition says whether results are the same, else what differs first and what has changed."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rocrate.rocrate import ROCrate

import cortex_sim as cs
from cortex_sim.errors import FileProblem
from cortex_sim.studies import repeat

PROTOCOL = '''"""Is a number a number?"""
import numpy as np
import cortex_sim as cs
MODEL = "murphy_miller_2009"
SHIFT = 0.0
def run(model, *, seed, smoke, recording=None):
    drawn = float(cs.stream(seed, "null", "a number of a test").normal()) + SHIFT
    time = 0.01 * np.arange(20)
    trials = cs.Trials.from_arrays(np.full((2, 20, 3), abs(drawn)), time)
    return cs.Report("Title", "Is it?", "It is.", claims=[cs.Claim("one", 1.0, 0, 2, "x"), cs.Claim("drawn", drawn, -9, 9, "x")],
                     trials={"flat": trials}, models={"pair": model}, seed=seed, seconds={"all": 0.5})
'''


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "number.py").write_text(PROTOCOL)
    np.savez(tmp_path / "r.npz", firing_rate=np.ones((2, 3, 4)))
    cs.run("number.py", "murphy_miller_2009", seed=4, recording="r.npz", out="done")
    return tmp_path / "done"


def test_the_record_of_a_run_holds_all_that_repeats_it(done: Path) -> None:
    made = json.loads((done / "run.json").read_text())
    card = cs.cards.catalogue.find("murphy_miller_2009")
    assert made["asked"] == {"protocol": "number.py", "model": "murphy_miller_2009", "seed": 4, "smoke": False, "recording": "r.npz"}
    assert made["inputs"]["model"] == {"file": str(card), "sha256": hashlib.sha256(card.read_bytes()).hexdigest(), "text": card.read_text()}
    assert made["inputs"]["recording"]["sha256"] == hashlib.sha256((done.parent / "r.npz").read_bytes()).hexdigest()
    assert made["protocol"]["sha256"] == hashlib.sha256(PROTOCOL.encode()).hexdigest()
    assert "a number of a test" in made["streams"]["null"] and made["seed"] == 4 and made["seconds"] == {"all": 0.5}
    assert made["peak memory MB"]["this process"] > 10 and made["cores"] >= 1 and made["threads"] and made["machine"]
    assert made["checkout"] is None or len(made["checkout"]["commit"]) == 40
    files = {path.relative_to(done).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in done.rglob("*") if path.is_file()}
    assert made["outputs"] == {name: sha for name, sha in files.items() if name not in ("run.json", "ro-crate-metadata.json")}


def test_the_folder_is_a_crate(done: Path) -> None:
    """What RO-Crate 1.1 asks of every crate: its own descriptor, a root with four properties, and an entity for each part, once."""
    crate = json.loads((done / "ro-crate-metadata.json").read_text())
    entities = {each["@id"]: each for each in crate["@graph"]}
    assert crate["@context"] == "https://w3id.org/ro/crate/1.1/context" and len(entities) == len(crate["@graph"])
    about, root = entities["ro-crate-metadata.json"], entities["./"]
    assert about["@type"] == "CreativeWork" and about["about"] == {"@id": "./"} and about["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset" and all(root[name] for name in ("name", "description", "datePublished", "license"))
    files = {path.relative_to(done).as_posix() for path in done.rglob("*") if path.is_file()} - {"ro-crate-metadata.json"}
    assert {part["@id"] for part in root["hasPart"]} == files
    for name in files:
        found = entities[name]
        assert found["@type"] == "File" and found["sha256"] == hashlib.sha256((done / name).read_bytes()).hexdigest()
        assert found["contentSize"] == str((done / name).stat().st_size) and "/" in found["encodingFormat"]

    def referred(part: Any) -> list[str]:
        if isinstance(part, dict):
            return [part["@id"]] if set(part) == {"@id"} else [name for each in part.values() for name in referred(each)]
        return [name for each in part for name in referred(each)] if isinstance(part, list) else []

    assert set(referred(crate["@graph"])) - set(entities) <= {"https://w3id.org/ro/crate/1.1"}


def test_the_reference_library_reads_the_crate(done: Path) -> None:
    crate = ROCrate(done)
    assert crate.name == "Title" and {entity.id for entity in crate.data_entities} >= {"run.json", "scores.json", "flat.nc"}


def test_a_repetition_of_the_same_is_identical(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = repeat(done, Path("again"))
    assert found.same and found.lines == [f"{done}: identical results: 0 scores, 2 claims."]
    assert (tmp_path / "elsewhere/again/claims.json").read_bytes() == (done / "claims.json").read_bytes() and Path.cwd().name == "elsewhere"
    with pytest.raises(FileProblem, match="again: exists already"):
        repeat(done, Path("again"))


def test_what_differs_is_said_with_what_has_changed(done: Path, tmp_path: Path) -> None:
    (tmp_path / "number.py").write_text(PROTOCOL.replace("SHIFT = 0.0", "SHIFT = 0.25"))
    found = repeat(done)
    old = json.loads((done / "claims.json").read_text())[1]["found"]
    assert not found.same and found.lines[1] == f"first difference: claims.json, [1] (drawn).found: {old} -> {old + 0.25}, by 0.25"
    assert found.lines[2] == "values that differ: 1" and found.lines[3].startswith("changed since: protocol.sha256: ") and len(found.lines) == 4
    run = subprocess.run([sys.executable, "-m", "cortex_sim", "rerun", str(done)], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "first difference: claims.json, [1] (drawn).found" in run.stdout and "Traceback" not in run.stderr


def test_what_cannot_be_repeated_is_said(done: Path, tmp_path: Path) -> None:
    (tmp_path / "number.py").unlink()
    assert repeat(done).lines == ["cannot be repeated: number.py: there is no such file."]
    with pytest.raises(FileProblem, match=r"run\.json: cannot be read \(No such file or directory\); give the folder of a finished run"):
        repeat(tmp_path)
    (tmp_path / "number.py").write_text(PROTOCOL)
    cs.run("number.py", cs.load("murphy_miller_2009"), out="object")
    with pytest.raises(FileProblem, match=r"names objects of Python, which no file holds; repeat it yourself: cs\.run\('number\.py'"):
        repeat(tmp_path / "object")
