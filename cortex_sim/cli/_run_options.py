"""The options of ``cortex-sim run``: those of every run, those of a recording, and those of the protocol that is named."""

from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from cortex_sim.cards import catalogue
from cortex_sim.cli import _choices
from cortex_sim.cli._choices import Json, Open, Scheduler, names
from cortex_sim.cli._described import Described, Own, described
from cortex_sim.errors import CortexSimError, OptionError, suggestion

EVERY: dict[str, tuple[Any, Any]] = {
    "protocol": (
        Annotated[str, typer.Argument(help="a shipped protocol, or a path that ends in .py", autocompletion=names("protocols"))],
        Parameter.empty,
    ),
    "model": (
        Annotated[
            str | None,
            typer.Option(help="a shipped model or a path that ends in .toml; the protocol's own if omitted", autocompletion=names("models")),
        ],
        None,
    ),
    "seed": (Annotated[int, typer.Option(min=0, help="seed of every random choice")], 0),
    "device": (Annotated[_choices.Device | None, typer.Option(help="where torch trains and simulates networks; the CPU if omitted")], None),
    "smoke": (Annotated[bool, typer.Option("--smoke", help="small and short: shows that everything runs; its numbers mean nothing")], False),
    "check": (Annotated[bool, typer.Option("--check", help="exit 1 if a claim of the report fails")], False),
    "out": (Annotated[Path | None, typer.Option(help="folder of the report; must not exist. Default: runs/PROTOCOL-TIME")], None),
    "resume": (Annotated[bool, typer.Option("--resume", help="resume a killed run in --out, if there is one")], False),
    "scheduler": (Scheduler, None),
    "verbose": (Annotated[bool, typer.Option("--verbose", help="print when each stage begins, and its duration")], False),
    "as_json": (Json, False),
    "opened": (Open, False),
}
SPIKING: dict[str, tuple[Any, Any]] = {
    "scale": (
        Annotated[float | None, typer.Option(help="fraction of a spiking circuit's neurons, above 0 to 1; needs a card with [scaling]")],
        None,
    ),
    "target": (
        Annotated[_choices.Target | None, typer.Option(help="code that Brian2 generates for spiking circuits; the fastest if omitted")],
        None,
    ),
}
RECORDED: dict[str, tuple[Any, Any]] = {
    "align": (_choices.Align, None), "window": (_choices.Window, None), "condition": (_choices.Condition, None), "where": (_choices.Where, None),
    "unless": (_choices.Unless, None), "table": (_choices.Table, None), "bin": (_choices.Bin, None), "dims": (_choices.Dims, None),
    "area": (_choices.Area, None), "step": (_choices.Step, None), "behaviour": (_choices.Behaviour, None),
}  # fmt: skip
LONGEST = 240  # characters of a claim in the help: three lines
GIVEN = {"recording": "session.nwb", "perturbed": "'opto == 1'"}  # in the example of a protocol that needs them
Performed = Callable[[dict[str, Any], Described], None]


class OfProtocol(TyperCommand):
    """The command ``run`` once its protocol is known: its options are those that this protocol has."""

    protocol: Described
    sections: dict[str, list[str]]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Return the arguments that are left, as typer does; an unknown option is told the nearest that the protocol has."""
        known = {word for option in self.get_params(ctx) for word in option.opts + option.secondary_opts if word.startswith("-")}
        for word in () if ctx.resilient_parsing else _words(args, self)[1]:
            if word not in known:
                raise OptionError(f"protocol {self.protocol.name!r} has no option {word}. {suggestion(word, known)}")
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the usage; the name of the protocol stands in the command's."""
        return ["[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options under headings: those of the protocol first."""
        for heading, names_ in self.sections.items():
            records = [option.get_help_record(ctx) for option in self.get_params(ctx) if option.name in names_]
            if shown := [record for record in records if record]:
                with formatter.section(heading):
                    formatter.write_dl(shown)


class Run(TyperCommand):
    """The command ``run``, which becomes that of the protocol that its arguments name."""

    perform: Performed

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Return typer's context: of this command, or where a protocol is named, of the command of that protocol."""
        if (name := _named(args, self)) is None:
            return super().make_context(info_name, args, parent, **extra)
        try:
            command = command_of(described(name), type(self).perform)
        except CortexSimError:
            if extra.get("resilient_parsing"):  # names are completed, and nothing is said
                return super().make_context(info_name, args, parent, **extra)
            raise
        return command.make_context(f"{info_name} {name}", args, parent, **extra)


def signature(function: Callable[..., None], extra: dict[str, tuple[Any, Any]]) -> Callable[..., None]:
    """Return the function with the arguments of every run, and further ones, as its signature."""
    table = EVERY | extra
    ordered = sorted(table.items(), key=lambda item: item[1][1] is not Parameter.empty)
    parts = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default) for name, (kind, default) in ordered]
    vars(function)["__signature__"] = Signature(parts)
    function.__annotations__ = {name: kind for name, (kind, _) in table.items()}
    return function


def command_of(protocol: Described, perform: Performed) -> OfProtocol:
    """Return the command that runs a protocol.

    Raises:
        OptionError: an option of the protocol has the name of one that every run has.
    """
    own = {option.name: _option(option) for option in protocol.own if option.kind}
    if taken := next((name for name in own if name in EVERY | SPIKING), None):
        raise OptionError(f"{protocol.name}: its option {taken} has the name of one that every run has; give it another.")
    of_file = {name: part for name, part in RECORDED.items() if name not in own} if protocol.recorded else {}
    extra = (SPIKING if protocol.spiking else {}) | own | of_file

    def call(**given: Any) -> None:
        perform(given, protocol)

    asked = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    asked.command("run", cls=OfProtocol, help=_about(protocol), epilog=_left_out(protocol))(signature(call, extra))
    command: Any = typer.main.get_command(asked)
    command.protocol = protocol
    command.sections = {
        f"Options of {Path(protocol.name).stem}": list(own), "Options for reading its recording": list(of_file),
        "Options of spiking circuits": list(SPIKING) if _by_itself_spiking(protocol) else [], "Options of every run": [*list(EVERY)[1:], "help"],
    }  # fmt: skip
    return command


def _by_itself_spiking(protocol: Described) -> bool:
    """Return whether its own circuit is spiking, so that the help tells of what spiking circuits alone have."""
    return protocol.model in catalogue.models() and catalogue.models()[protocol.model].parent.name == "spiking"


def _option(option: Own) -> tuple[Any, Any]:
    """Return the annotation of an option for typer, and its default."""
    word = option.name.replace("_", "-")
    words = f"--{word}/--no-{word}" if option.kind is bool else f"--{word}"
    default = f"  [default: {option.default}]" if option.default else ""
    kind = option.kind if option.required else option.kind | None
    return Annotated[kind, typer.Option(words, help=option.meaning + default)], Parameter.empty if option.required else None


def _about(protocol: Described) -> str:
    """Return the help of a protocol: its question, its claim in at most three lines, and an example."""
    words = protocol.claim if len(protocol.claim) <= LONGEST else protocol.claim[: protocol.claim.rindex(" ", 0, LONGEST)].rstrip(",;:") + " …"
    needed = "".join(f" --{option.name.replace('_', '-')} {GIVEN.get(option.name, _sample(option))}" for option in protocol.own if option.required)
    parts = [protocol.question, f"Claim: {words}" if words else "", f"Example: cortex-sim run {protocol.name}{needed} --seed 1 --out my_run"]
    return "\n\n".join(part for part in parts if part)


def _sample(option: Own) -> str:
    """Return a value that an option takes, for an example."""
    if members := getattr(option.kind, "__members__", None):
        return str(next(iter(members)))
    return {int: "1", float: "0.5", tuple[float, float]: "0 1", tuple[int, int]: "0 1"}.get(option.kind, "NAME")


def _left_out(protocol: Described) -> str | None:
    """Return a sentence on options that only Python can give."""
    left = [f"{option.name} ({option.written})" for option in protocol.own if not option.kind]
    return f"From Python only, by cs.run(...): {', '.join(left)}." if left else None


def _named(args: list[str], command: TyperCommand) -> str | None:
    """Return the protocol that arguments name: the first that is one, else the first that belongs to no option."""
    words = _words(args, command)[0]
    known = catalogue.protocols()
    return next((word for word in words if word in known or word.endswith(".py")), words[0] if words else None)


def _words(args: list[str], command: Any) -> tuple[list[str], list[str]]:
    """Return the arguments that belong to no option, and the options, of which unknown ones are taken to have no value."""
    takes = {word: 0 if option.is_flag else option.nargs for option in command.params if option.param_type_name == "option" for word in option.opts}
    free: list[str] = []
    options: list[str] = []
    waiting = iter(args)
    for word in waiting:
        if word == "--":
            free += waiting
        elif word.startswith("-") and len(word) > 1:
            options.append(word.partition("=")[0])
            for _ in range(0 if "=" in word else takes.get(word, 0)):
                next(waiting, None)
        else:
            free.append(word)
    return free, options
