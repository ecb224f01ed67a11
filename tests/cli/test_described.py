"""What a protocol says of itself, read from its source: compared with Python's own reading of the imported function."""

import inspect
import sys
import types
import typing
from pathlib import Path

import pytest

from cortex_sim.cards import catalogue
from cortex_sim.cli._described import described
from cortex_sim.errors import NotFound, OptionError


@pytest.mark.parametrize("name", catalogue.protocols())
def test_the_options_read_from_the_source_are_those_that_python_sees(name: str) -> None:
    seen = dict(list(inspect.signature(inspect.unwrap(catalogue.protocol(name).run)).parameters.items())[1:])
    read = {option.name: option for option in described(name).own}
    assert read.keys() == seen.keys() - {"seed", "smoke"}
    for option in read.values():
        assert option.required is (seen[option.name].default is inspect.Parameter.empty)
        assert option.required or option.default == ("" if seen[option.name].default is None else str(seen[option.name].default))
        assert option.kind and option.meaning, f"{name}: {option.name} has no type or no meaning"
    assert described(name).question.endswith("?") and described(name).claim


@pytest.mark.parametrize("name", catalogue.protocols())
def test_circuits_are_spiking_where_the_annotation_allows_one(name: str) -> None:
    hints = typing.get_type_hints(inspect.unwrap(catalogue.protocol(name).run))
    allowed = [kind.__name__ for kind in (typing.get_args(hints["model"]) or (hints["model"],))]
    assert described(name).spiking is ("SpikingModel" in allowed)


MINE = '''"""Is it mine?

Claim       one
            is one.
"""
BINS, RATE = 10, 0.5
WAY = "b"
def run(model, *, seed, smoke, bins: int = BINS, rate: "float | None" = RATE, way: typing.Literal["a", "b"] = WAY, names: list[str] | None = None,
        pairs: tuple[int, int] = (1, 2), many: tuple[float, ...] = (), file: str | Path = "x", any: cs.Options = 3,
        mixed: cs.Options | int = 4, free=5):
    """Return a report.

    Args:
        model: circuit.
        bins: number of bins, as in :func:`.read`, and
            ``more``.
        rate: of them: many.

    Raises:
        OptionError: mixed is wrong.
    """
'''


def test_a_file_of_ones_own_is_read_without_running_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE + "1 / 0\n")
    found = described(str(tmp_path / "mine.py"))
    assert (found.question, found.claim, found.spiking, found.recorded) == ("Is it mine?", "one is one.", True, False)
    kinds = {option.name: option.kind for option in found.own}
    assert list(kinds.pop("way").__members__) == ["a", "b"]
    assert kinds == {
        "mixed": int, "free": str, "bins": int, "rate": float, "names": list[str], "pairs": tuple[int, int], "many": list[float],
        "file": str, "any": None,
    }  # fmt: skip
    assert {option.name: option.default for option in found.own} == {
        "bins": "10", "rate": "0.5", "way": "b", "names": "", "pairs": "(1, 2)", "many": "()", "file": "x", "any": "3", "mixed": "4", "free": "5",
    }  # fmt: skip
    meanings = {option.name: option.meaning for option in found.own if option.meaning}
    assert meanings == {"bins": "number of bins, as in read, and more", "rate": "of them: many"}


def test_a_run_that_is_imported_from_elsewhere_is_read_from_the_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = types.ModuleType("elsewhere")
    vars(elsewhere).update(typing=typing, Path=Path, cs=types.SimpleNamespace(Options=bytes))
    exec(MINE, vars(elsewhere))
    monkeypatch.setitem(sys.modules, "elsewhere", elsewhere)
    (tmp_path / "mine.py").write_text('"""Is it mine?"""\nfrom elsewhere import run\n')
    assert [option.name for option in described(str(tmp_path / "mine.py")).own][:3] == ["bins", "rate", "way"]


@pytest.mark.parametrize(
    ("text", "message"), [("def run(", "cannot be imported: SyntaxError"), ("x = 1\n", "has no function run"), ("\0", "cannot be")]
)
def test_a_file_that_is_no_protocol_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(OptionError, match=message):
        described(str(tmp_path / "mine.py"))
    with pytest.raises(NotFound, match="Did you mean 'match'"):
        described("mach")
