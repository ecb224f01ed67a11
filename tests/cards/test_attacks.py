"""No text of a card is executed that is not arithmetic: payloads in every field, each refused on reading, with a canary that nothing has run."""

import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from cortex_sim import load
from cortex_sim.cards import catalogue
from cortex_sim.errors import CardError

EVENTS = ("open", "os.", "subprocess.", "socket.", "shutil.", "ctypes.", "import", "pty.", "webbrowser.")
READING = ("os.scandir", "os.listdir")  # what looking for a card does
EXPRESSIONS = (
    "exp(\"__import__('os').system('touch {mark}')\")", "__import__('os').system('touch {mark}')", "'text'", 'f"{{x}}"', "b'bytes'", "None", "...",
    "1j", "eval('1')", "exec('import os')", "open('{mark}', 'w')", "getattr(x, 'real')", "x.__class__", "x[0]", "(lambda: x)()", "[y for y in (x,)]",
    "{{x for x in (1,)}}", "{{'a': x}}", "[x, x]", "(x, x)", "x if x else x", "(y := 1)", "exp(*x)", "exp(x, base=2)", "exp(**x)", "x @ x", "x << 2",
    "x in y", "x is x", "await x", "yield_(x)", "9**9**9**9", "1e400", "9" * 400, "-" * 200 + "x", "(" * 300 + "x" + ")" * 300, "x; import os",
    "x\rimport os", "x\x0cimport os", "x\x0bimport os", "x\x1cimport os", "x # fine\rimport os", "x\x00", "x\u2028import os", "x\u00a0+ 1",
    "ｅｘｅｃ(x)",
    "x \\", "x + " * 2000 + "x", "print(x)", "breakpoint()", "input()", "sum(x)", "__builtins__", "__import__",
)  # fmt: skip
STATEMENTS = (
    "import os", "from os import system", "x.y = 1", "x[0] = 1", "x = y = 1", "x, y = 1, 2", "x: int = 1", "del x", "pass", "exec('1')",
    "x = 1; import os",
    "if x: y = 1", "for x in y: pass", "while 1: pass", "def f(): pass", "class C: pass", "global x", "assert x", "raise x", "return x",
    "with x: pass",
    "@x\ndef f(): pass", "x += 'text'", "x **= 2", "x @= 2", "try:\n pass\nexcept: pass", "print = 1", "lambda_ = lambda: 1",
)  # fmt: skip
NAMES = (
    "exec", "eval", "open", "input", "print", "__import__", "import", "lambda", "None", "a b", "a-b", "a.b", "1a", "", "a;b", "a\nb", "é",
    "ｅ", "a\x00",
)  # fmt: skip
UNITS = ("__import__('os')", "mV**9999", "mV**-9999", "'mV'", "mV.dim", "mV[0]", "exp(mV)", "mV; ms", "mV\rms", "V" * 500,
         "(" * 200 + "mV" + ")" * 200, "mV**mV", "mV**True", "2*mV", "msé", "H", "mV if 1 else mV", "", "lambda: mV")  # fmt: skip
RATE = tomllib.loads(catalogue.find("hennequin_2014").read_text())
SPIKING = tomllib.loads(catalogue.find("brunel_2000").read_text())
watched: list[str] = []
watching = False


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if watching and event.startswith(EVENTS) and event not in READING and not (event == "open" and arguments[1] in ("r", "rb", None)):
        watched.append(f"{event} {arguments[:2]}")


sys.addaudithook(_watch)


def _changed(card: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    head, _, rest = place.partition(".")
    return card | {head: _changed(card[head], rest, value) if rest else value}


def _renamed(card: dict[str, Any], table: str, name: str) -> dict[str, Any]:
    first, *others = card[table]
    return card | {table: {name: card[table][first]} | {other: card[table][other] for other in others}}


def _attacks() -> Iterator[tuple[str, dict[str, Any], str]]:
    """A label, a card, and what the message should name."""
    for payload in EXPRESSIONS:
        for place, text in {"equations": f"dx/dt = {payload} : 1\nr = x : Hz (constant over dt)"}.items():
            yield f"rate {place} {payload!r:.60}", _changed(RATE, place, text), "equations"
        for key in ("threshold", "refractory"):
            yield f"{key} {payload!r:.60}", _changed(SPIKING, f"neurons.lif.{key}", payload), f"neurons.lif.{key}"
        yield f"spiking equations {payload!r:.60}", _changed(SPIKING, "neurons.lif.equations", f"dv/dt = {payload} : volt"), "neurons.lif"
        yield f"synapse {payload!r:.60}", _changed(SPIKING, "synapses.delta.equations", f"a = {payload} : volt"), "synapses.delta"
    number, first = {"meaning": "payload"}, next(iter(SPIKING["projections"]))
    for payload in EXPRESSIONS:
        yield f"rule {payload!r:.60}", _changed(RATE, "projections.W.rule", payload), "projections.W"
        yield f"argument {payload!r:.60}", _changed(RATE, "projections.W.arguments.density.value", payload), "projections.W.arguments.density"
        yield f"first value {payload!r:.60}", RATE | {"initial_values": {"x": number | {"value": payload}}}, "initial_values.x"
        yield f"start {payload!r:.60}", _changed(SPIKING, "neurons.lif.start", {"v": number | {"value": payload, "unit": "mV"}}), "neurons.lif.start"
        yield f"spiking rule {payload!r:.60}", _changed(SPIKING, f"projections.{first}.rule", payload), f"projections.{first}"
        yield f"size {payload!r:.60}", RATE | {"units": payload}, "units"
    for payload in (*STATEMENTS, *(f"v = {payload}" for payload in EXPRESSIONS), "v += w # c\rimport os\r", "v = 1\x85import os"):
        for key in ("reset", "each_step"):
            yield f"{key} {payload!r:.60}", _changed(SPIKING, f"neurons.lif.{key}", payload), f"neurons.lif.{key}"
        for key in ("on_pre", "on_post"):
            yield f"{key} {payload!r:.60}", _changed(SPIKING, f"synapses.delta.{key}", payload), f"synapses.delta.{key}"
    for name in NAMES:
        for table in ("parameters", "inputs", "projections"):
            yield f"rate {table} {name!r}", _renamed(RATE, table, name), table
        for table in ("neurons", "inputs"):
            yield f"spiking {table} {name!r}", _renamed(SPIKING, table, name), table
    for unit in UNITS:
        yield f"unit of a parameter {unit!r:.60}", _changed(RATE, "parameters.tau.unit", unit), "tau"
        yield f"unit of a line {unit!r:.60}", _changed(RATE, "equations", f"dx/dt = -x/tau : {unit}"), "equations"
        yield f"unit of an input {unit!r:.60}", _changed(SPIKING, "inputs.drive.unit", unit), "drive"
        yield f"unit of a weight {unit!r:.60}", _changed(SPIKING, "synapses.delta.weight", unit), "delta"
    for flag in ("unless refractory", "constant; import os", "exec", "shared, 'x'", "a\rb"):
        yield f"flag {flag!r}", _changed(RATE, "equations", f"dx/dt = -x/tau : 1 ({flag})"), "equations"


ATTACKS = list(_attacks())


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Callable[[str, dict[str, Any]], Path]]:
    """Write a card whose payloads would leave a mark, and watch what the interpreter does."""
    global watching

    def written(label: str, card: dict[str, Any]) -> Path:
        path = tmp_path / "card.toml"
        path.write_text(tomli_w.dumps(card).replace("{mark}", str(tmp_path / "mark")), encoding="utf-8", errors="surrogatepass")
        return path

    watched.clear()
    yield written
    watching = False
    assert not (tmp_path / "mark").exists()


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) > 500
    assert len({label for label, *_ in ATTACKS}) > 500


@pytest.mark.parametrize("part", range(8))
def test_every_payload_is_refused_on_reading_with_its_place_and_nothing_runs(part: int, canary: Callable[[str, dict[str, Any]], Path]) -> None:
    global watching
    load("hennequin_2014"), load("brunel_2000")
    for label, card, place in ATTACKS[part::8]:
        path = canary(label, card)
        watching = True
        try:
            with pytest.raises(CardError) as refused:
                load(str(path))
        except BaseException:
            pytest.fail(f"{label} was not refused, or not as a card")
        finally:
            watching = False
        assert place in str(refused.value), label
        assert len(str(refused.value)) < 2000, label
    assert not watched


def test_what_is_shipped_is_within_the_grammar_and_written_out_the_same_twice() -> None:
    for name in catalogue.models():
        model = load(name)
        if model.kind == "spiking":
            from cortex_sim.cards.spiking import written_equations, written_statements

            for kind in model.neurons.values():
                assert written_equations(written_equations(kind.equations)) == written_equations(kind.equations)
                assert written_statements(written_statements(kind.each_step)) == written_statements(kind.each_step)
        else:
            assert model.parsed.rewritten({}) == type(model.parsed)(model.parsed.rewritten({})).rewritten({})
