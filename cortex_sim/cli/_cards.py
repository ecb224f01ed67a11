"""list, show, check, new: shipped names and single files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cortex_sim.cards import catalogue
from cortex_sim.cli._choices import Json, names
from cortex_sim.cli._output import answer, as_text
from cortex_sim.errors import OptionError
from cortex_sim.runtime import check_new, say, write_text

WIDTH = 28  # characters of a name

What = StrEnum("What", ["models", "protocols", "tasks", "measures"])
Kind = StrEnum("Kind", ["rate", "rnn", "spiking"])
Written = StrEnum("Written", ["protocol", "card"])


def list_(
    what: Annotated[What | None, typer.Argument(help="models, protocols, tasks or measures; all if omitted")] = None,
    kind: Annotated[Kind | None, typer.Option(help="only models of this kind")] = None,
    as_json: Json = False,
) -> None:
    """List shipped models, protocols, tasks and measures.

    Example: cortex-sim list models --kind spiking
    """
    if kind and what not in (None, What.models):
        raise OptionError(f"--kind {kind} is of models; {what} have none. Leave it out.")
    from cortex_sim.comparison import listed
    from cortex_sim.tasks import known

    chosen = [path for path in catalogue.models().values() if kind in (None, path.parent.name)]
    described = {
        What.models: {f"{path.parent.name}/{path.stem}": catalogue.describe(path) for path in chosen},
        What.protocols: {name: catalogue.describe(path) for name, path in catalogue.protocols().items()},
        What.tasks: {name: about for name, (_, about) in known().items()},
        What.measures: {name: about for name, (_, about) in listed().items()},
    }
    wanted = What.models if kind else what
    shown = {title: entries for title, entries in described.items() if wanted in (None, title)}
    if as_json:
        say(as_text({title.value: [_entry(title, *pair) for pair in entries.items()] for title, entries in shown.items()}))
        return
    for title, entries in shown.items():
        say(title)
        for name, text in entries.items():
            say(f"  {name:<{WIDTH}} {text}")


def _entry(title: What, name: str, about: str) -> dict[str, str]:
    """Return an entry of a list for scripts."""
    kind, _, short = name.rpartition("/")
    return {"name": short, "about": about} | ({"kind": kind, "file": str(catalogue.find(name))} if title is What.models else {})


def show(
    name: Annotated[str, typer.Argument(help="a shipped name, or a path that ends in .toml or .py", autocompletion=names("models", "protocols"))],
    latex: Annotated[bool, typer.Option("--latex", help="tables of a card in LaTeX, to put into a paper, instead of the card")] = False,
    out: Annotated[Path | None, typer.Option(help="file to write instead of printing; must not exist")] = None,
    as_json: Json = False,
) -> None:
    """Show a card or a protocol as written, or a card as tables of LaTeX.

    Example: cortex-sim show hennequin_2014 --latex --out circuit.tex
    """
    path = catalogue.find(name)
    if latex and path.suffix == ".py":
        raise OptionError(f"show: {name} is a protocol; --latex writes tables of a card.")
    text = catalogue.load(name).latex() if latex else path.read_text(encoding="utf-8")
    found = {"name": path.stem, "file": str(path)}
    if out is None:
        answer(found | {"text": text}, text.rstrip(), as_json)
        return
    check_new(out)
    write_text(out, text)
    answer(found | {"written": str(out)}, f"{out}: {name}" + (", as tables of LaTeX" if latex else ""), as_json)


def check(
    name: Annotated[str | None, typer.Argument(help="a shipped model, or a path that ends in .toml", autocompletion=names("models"))] = None,
    everything: Annotated[bool, typer.Option("--all", help="check every shipped model")] = False,
    as_json: Json = False,
) -> None:
    """Check cards: keys, names, units, and whether Brian2 accepts and runs the equations.

    Example: cortex-sim check my_circuit.toml
    """
    if (name is None) is not everything:
        raise OptionError("check: give either a name or --all.")
    models = [catalogue.load(each) for each in (list(catalogue.models()) if name is None else [name])]
    from cortex_sim.simulation import check as checked

    for model in models:
        checked(model)
        if not as_json:
            say(f"{model.name}: well formed; Brian2 accepts its equations and units.")
    if as_json:
        say(as_text({"well formed": [model.name for model in models]}))


def export(
    name: Annotated[str, typer.Argument(help="a shipped model, or a path that ends in .toml", autocompletion=names("models"))],
    out: Annotated[Path, typer.Option(help="file to write: .onnx (networks) or .nir (spiking circuits); must not exist")],
    without: Annotated[
        list[str] | None, typer.Option(help="what the format cannot say and to leave out: noise or refractory; may be repeated")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a network as ONNX or a spiking circuit as NIR, for tools that know no cards.

    Example: cortex-sim export my_network.toml --out net.onnx
    """
    from cortex_sim.simulation import export as written

    check_new(out)
    left = written(catalogue.load(name), out, without=without or ())
    answer({"written": str(out), "without": list(left)}, f"{out}: {name}" + (f", without {'; '.join(left)}" if left else ""), as_json)


def new(
    what: Annotated[Written, typer.Argument(help="protocol or card")],
    name: Annotated[str, typer.Argument(help="of the new file, without suffix")],
    as_json: Json = False,
) -> None:
    """Write a commented skeleton of a protocol or a card here, which runs as it is written.

    Example: cortex-sim new protocol my_question
    """
    from cortex_sim.studies import skeleton

    path = skeleton(what.value, name, Path())
    following = f"cortex-sim {'run' if what is Written.protocol else 'check'} {path}{' --smoke' if what is Written.protocol else ''}"
    answer({"written": str(path), "next": following}, f"{path}: next, {following}", as_json)
