"""Write the pages of the reference from the code: `python docs/write_reference.py` fills docs/reference/, which git ignores."""

import inspect
import types
from pathlib import Path

import typer.main

import cortex_sim as cs
from cortex_sim.cards import catalogue
from cortex_sim.cli import app
from cortex_sim.cli._described import described
from cortex_sim.comparison import listed
from cortex_sim.tasks import known

FOLDER = Path(__file__).with_name("reference")
ROOMS = ("tasks", "perturb", "edit", "body", "analysis", "measures", "statistics", "figures")


def api() -> str:
    """Return the page of the front door: every function and class, with its docstring."""
    parts = ["# Front door\n\n`import cortex_sim as cs` offers these names; the rooms below hold more, listed with their first sentences.\n"]
    for name in sorted(dir(cs)):
        thing = getattr(cs, name)
        if isinstance(thing, types.ModuleType) or name.startswith("_"):
            continue
        kind = "autoclass" if inspect.isclass(thing) else "autofunction" if callable(thing) else "autodata"
        members = "\n:members:" if kind == "autoclass" else ""
        home = inspect.unwrap(thing)
        parts.append(f"\n## cs.{name}\n\n```{{eval-rst}}\n.. {kind}:: {home.__module__}.{home.__qualname__}{_options(members)}\n```\n")
    for room in ROOMS:
        parts.append(f"\n## cs.{room}\n\n| name | what it gives |\n|---|---|\n")
        module = getattr(cs, room)
        for name in sorted(dir(module)):
            thing = getattr(module, name)
            if not name.startswith("_") and callable(thing):
                parts.append(f"| `{name}` | {_cell(_first(inspect.getdoc(thing)))} |\n")
    return "".join(parts)


def _options(members: str) -> str:
    return "\n   :no-index:" + members.replace("\n", "\n   ")


def _first(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


def cards() -> str:
    """Return the page of cards: equations, parameters and sources of each."""
    parts = ["# Cards\n\nShipped models, as their cards say. `cortex-sim show NAME` prints the file.\n"]
    for name, path in sorted(catalogue.models().items()):
        card = catalogue.load(name)
        parts.append(f"\n## {path.parent.name}/{path.stem}\n\n{card.title}.\n\n*{card.paper}.*\n\n{card.notes.strip()}\n")
        texts = {"": card.equations} if isinstance(card, cs.Model) else {kind: part.equations for kind, part in card.neurons.items()}
        for kind, text in texts.items():
            parts.append((f"\nNeurons `{kind}`:\n" if kind else "") + f"\n```text\n{text.strip()}\n```\n")
        rows = [(key, part) for key, part in getattr(card, "parameters", {}).items()]
        if rows:
            parts.append("\n| parameter | value | meaning | source |\n|---|---|---|---|\n")
        for key, part in rows:
            value = f"{part.value:g}" if isinstance(part.value, int | float) else "one for each unit"
            unit = "" if part.unit == "1" else f" {part.unit}"
            parts.append(f"| `{key}` | {value}{unit} | {_cell(part.meaning)} | {_cell(part.source)} |\n")
    return "".join(parts)


def protocols() -> str:
    """Return the page of protocols: question, what is reproduced, claim."""
    parts = ["# Protocols\n\n`cortex-sim run NAME`; `cortex-sim show NAME` prints the file.\n"]
    for name in sorted(catalogue.protocols()):
        first, *rest = (inspect.getdoc(catalogue.protocol(name)) or "").split("\n")
        parts.append(f"\n## {name}\n\n{first}\n\n```text\n" + "\n".join(rest).strip() + "\n```\n")
        if own := described(name).own:
            parts.append("\n| option | default | what it is |\n|---|---|---|\n")
        for option in own:
            default = "required" if option.required else f"`{option.default}`" if option.default else "none"
            parts.append(f"| `--{option.name.replace('_', '-')}` | {default} | {_cell(option.meaning)} |\n")
    return "".join(parts)


def table(title: str, command: str, entries: dict[str, str]) -> str:
    """Return a page of names with their descriptions."""
    rows = "".join(f"| `{name}` | {_cell(about)} |\n" for name, about in sorted(entries.items()))
    return f"# {title}\n\n`{command}` lists these.\n\n| name | what it is |\n|---|---|\n{rows}"


def rules() -> str:
    """Return the page of learning rules."""
    folder = Path(cs.fitting.__file__).parent / "rules"
    names = sorted(path.stem for path in folder.glob("[a-z]*.py"))
    found = {name: _first(inspect.getdoc(__import__(f"cortex_sim.fitting.rules.{name}", fromlist=["x"]))) for name in names}
    return table("Learning rules", 'cs.fit(..., rule="NAME")', found)


def command_line() -> str:
    """Return the page of commands, with their help."""
    group = typer.main.get_command(app)
    parts = ["# Command line\n"]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        parts.append(f"\n## cortex-sim {name}\n\n{(command.help or '').strip()}\n\n| option | what it does |\n|---|---|\n")
        for option in command.params:
            said = " ".join(str(getattr(option, "help", "") or "").split())
            label = ", ".join(getattr(option, "opts", [])) if option.param_type_name == "option" else str(option.name).upper()
            parts.append(f"| `{label}` | {_cell(said)} |\n")
    return "".join(parts)


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    pages = {
        "api": api(), "cards": cards(), "protocols": protocols(), "rules": rules(), "command-line": command_line(),
        "tasks": table("Tasks", "cortex-sim list tasks", {name: about for name, (_, about) in known().items()}),
        "measures": table("Measures", "cortex-sim list measures", {name: about for name, (_, about) in listed().items()}),
    }  # fmt: skip
    for name, text in pages.items():
        (FOLDER / f"{name}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
