"""A name or a path leads to one file, and a wrong one to a suggestion."""

import py_compile
from pathlib import Path

import pytest

from cortex_sim.cards import catalogue
from cortex_sim.errors import CardError, NotFound, OptionError

SHIPPED = sorted(catalogue.models())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_card_is_found_by_name_by_kind_and_by_path(name: str) -> None:
    path = catalogue.models()[name]
    found = [catalogue.load(way) for way in (name, f"{path.parent.name}/{name}", str(path))]
    assert {model.key for model in found} == {found[0].key} and {model.name for model in found} == {name}
    assert catalogue.describe(path) == found[0].title


def test_what_is_shipped_lies_in_the_two_folders() -> None:
    assert set(SHIPPED) == {path.stem for path in catalogue.shipped("models").rglob("*.toml")} >= {"hennequin_2014", "leaky_tanh", "gru"}
    assert isinstance(catalogue.protocols(), dict) and catalogue.shipped("models").name == "models"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("henequin_2014", r"^model 'henequin_2014' is unknown. Did you mean 'hennequin_2014'\?$"),
        ("rnn/hennequin_2014", "^model 'rnn/hennequin_2014' is unknown. Did you mean 'hennequin_2014'"),
        ("zebra", "^model 'zebra' is unknown. Choose from brunel_2000, das_fiete_2020, depasquale_2018, "),
        ("gru.toml", "^gru.toml: there is no such file"),
        ("/absent/gru.toml", "^/absent/gru.toml: there is no such file"),
    ],
)
def test_a_name_that_nothing_answers_to_is_refused(name: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        catalogue.load(name)


def test_a_path_never_means_a_shipped_name_nor_the_reverse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gru.toml").write_text(catalogue.models()["leaky_tanh"].read_text())
    assert catalogue.load("gru.toml").rate == "r" and catalogue.load("gru").rate == "h"


def test_names_that_two_kinds_share_carry_their_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rate/twin", "spiking/twin", "rate/alone"):
        (tmp_path / f"{name}.toml").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.toml").touch()
    monkeypatch.setattr(catalogue, "shipped", lambda folder: tmp_path)
    assert list(catalogue.models()) == ["alone", "rate/twin", "spiking/twin"]
    assert catalogue.find("rate/twin") == tmp_path / "rate/twin.toml" and catalogue.find("rate/alone") == tmp_path / "rate/alone.toml"
    with pytest.raises(NotFound, match="'twin' is unknown"):
        catalogue.find("twin")


def test_protocols_are_modules_with_a_function_run(tmp_path: Path) -> None:
    good, bad = tmp_path / "mine.py", tmp_path / "bad.py"
    good.write_text('"""Does it run?\n\nMore.\n"""\n\ndef run(model, *, seed=0, smoke=False):\n    return seed + 1\n')
    bad.write_text("run = 3\n")
    assert catalogue.protocol(str(good)).run(None, seed=1) == 2 and catalogue.describe(good) == "Does it run?"
    with pytest.raises(OptionError, match=r"bad\.py: has no function run\(model, \*, seed, smoke\)"):
        catalogue.protocol(str(bad))
    with pytest.raises(NotFound, match=r"^protocol 'zebra' is unknown"):
        catalogue.protocol("zebra")
    with pytest.raises(NotFound, match=r"absent\.py: there is no such file"):
        catalogue.protocol(str(tmp_path / "absent.py"))


def test_a_description_imports_nothing_and_reports_what_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text('"""Is it safe?"""\nraise SystemExit\n')
    (tmp_path / "bad.toml").write_text("title = ")
    (tmp_path / "bare.toml").write_text("")
    assert catalogue.describe(tmp_path / "p.py") == "Is it safe?" and catalogue.describe(tmp_path / "bare.toml") == ""
    with pytest.raises(CardError, match=r"bad\.toml: is no TOML"):
        catalogue.describe(tmp_path / "bad.toml")


def test_an_installed_package_finds_what_it_ships_and_a_checkout_is_known_by_its_pyproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "cortex_sim"
    monkeypatch.setattr(catalogue, "PACKAGE", package)
    assert catalogue.shipped("models") == package / "_shipped" / "models"
    (tmp_path / "pyproject.toml").write_text("")
    assert catalogue.shipped("models") == tmp_path / "models"
    (package / "_shipped" / "models").mkdir(parents=True)
    assert catalogue.shipped("models") == package / "_shipped" / "models"


def test_a_protocol_of_a_path_is_said_to_be_code_before_it_runs_for_the_first_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CORTEX_SIM_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "mine.py"
    path.write_text("import sys\nprint('runs', file=sys.stderr)\ndef run(model, *, seed, smoke): ...\n")
    said = f"{path}: is a protocol, which is code: "

    def lines() -> list[str]:
        catalogue.protocol(str(path))
        return capsys.readouterr().err.splitlines()

    first = lines()
    assert len(first) == 2 and first[0].startswith(said) and first[1] == "runs"
    assert lines() == ["runs"]
    path.write_text(path.read_text() + "# changed\n")
    assert [line.startswith(said) for line in lines()] == [True, False]
    catalogue.protocol("match")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("CORTEX_SIM_CACHE", "/proc/nowhere")
    assert [line.split(":")[0] for line in lines()] == [str(path), "it will be said again", "runs"]


def test_what_lies_compiled_beside_a_protocol_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("raise SystemExit('the compiled file runs')\n")
    compiled = py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert compiled is not None and Path(compiled).is_file()
    path.write_text("def run(model, *, seed, smoke): ...\n")
    assert callable(catalogue.protocol(str(path)).run)


def test_every_file_of_a_reader_is_named_where_it_is_said_what_is_trusted() -> None:
    said = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
    for name in (".toml", ".safetensors", ".npz", ".mat", ".csv", ".nc", ".nwb", "Zarr", "pip-audit", "external link", "plug-in"):
        assert name in said, name
