"""main: every error is one message, and every command has its place in the help."""

import contextlib
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from cortex_sim.cards import catalogue
from cortex_sim.cli import _animate, _benchmark, _cards, _files, _many, _run
from cortex_sim.cli._output import BAD_INPUT, INTERRUPTED
from cortex_sim.cli._run_options import Run
from cortex_sim.errors import CortexSimError
from cortex_sim.runtime import prepare_terminal, unread, warn

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
    help="Does an artificial recurrent network that matches motor cortex also work like it?\n\nExample: cortex-sim run match",
)  # fmt: skip
bench = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None,
    help="Which measure tells how a circuit works? Put yours, or a method of fitting, to the test.\n\n"
    "Example: cortex-sim benchmark run my_measure.py --smoke --out my_result",
)  # fmt: skip
app.add_typer(bench, name="benchmark")
COMMANDS: dict[str, Callable[..., None]] = {
    "list": _cards.list_, "show": _cards.show, "check": _cards.check, "run": _run.run, "report": _run.report_, "rerun": _run.rerun,
    "doctor": _files.doctor, "tune": _many.tune, "sweep": _many.sweep, "reproduce": _many.reproduce, "new": _cards.new,
    "import": _files.import_, "export": _cards.export, "convert": _files.convert, "animate": _animate.animate,
}  # fmt: skip
UsageError: Any = typer.BadParameter.__base__  # of all that is wrong with what was typed; typer has no public name for it
WORDS = {
    "Input should be a valid integer, unable to parse string as an integer": "should be a whole number",
    "Input should be a valid number, unable to parse string as a number": "should be a number",
    "Input should be": "should be", "Value error, ": "",
}  # fmt: skip
"""What typer says of a value, and what is said instead."""
for _name, _command in COMMANDS.items():
    app.command(_name, cls=Run if _command is _run.run else None)(_command)
bench.command("run")(_benchmark.benchmark_run)
bench.command("table")(_benchmark.benchmark_table)


def main() -> None:
    """Run the command line: every error is one message on standard error and exit code 2, never a traceback."""
    prepare_terminal(INTERRUPTED)
    with _messages():
        sys.exit(app(standalone_mode=False) or 0)


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    try:
        yield
    except SystemExit as ended:
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        unread(sys.stdout)  # of help, which typer prints
        sys.exit(0)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    except UsageError as problem:
        for technical, plain in WORDS.items():
            problem.message = problem.message.replace(technical, plain)
        try:
            problem.show()
        except BrokenPipeError:
            unread(sys.stderr)
        sys.exit(BAD_INPUT)
    except CortexSimError as problem:
        warn(f"cortex-sim: {problem}")
        sys.exit(BAD_INPUT)
    except MemoryError as problem:
        why = f"{problem}".rstrip(".") or "no more is given"
        warn(f"cortex-sim: memory does not suffice ({why}). Take fewer units or trials; --resume goes on with what was done.")
        sys.exit(BAD_INPUT)
    except OSError as problem:
        warn(f"cortex-sim: {problem.filename or 'file'}: {problem.strerror or problem}.")
        sys.exit(BAD_INPUT)
    except Exception as problem:
        if (place := _place_outside(problem)) is None:
            raise
        warn(f"cortex-sim: {place}: {type(problem).__name__}: {problem}")
        sys.exit(BAD_INPUT)


def _place_outside(problem: BaseException) -> str | None:
    """Return the line of a file of the user's at which something went wrong, if it went wrong in one."""
    inside = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    inside += [Path(__file__).resolve().parents[1], catalogue.shipped("protocols").resolve()]
    for frame in reversed(traceback.extract_tb(problem.__traceback__)):
        path = Path(frame.filename).resolve()
        if path.suffix == ".py" and path.exists() and not any(path.is_relative_to(root) for root in inside):
            return f"{frame.filename}, line {frame.lineno}"
    return None
