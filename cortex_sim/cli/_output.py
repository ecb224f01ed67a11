"""What commands print: reports, JSON for scripts, and what Ctrl-C leaves."""

import contextlib
import datetime
import json
import shlex
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import typer

from cortex_sim.errors import OptionError
from cortex_sim.runtime import free, say, warn

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130


def had_finished(folder: Path, as_json: bool) -> None:
    """Print where the report of a run that had finished is, or what a script may read of it."""
    from cortex_sim.report import claims_hold

    page = folder / "report.html"
    if as_json:
        say(as_text({"report": str(page), "holds": claims_hold(folder), "claims": json.loads((folder / "claims.json").read_text(encoding="utf-8"))}))
    else:
        say(f"report: {page} (this run had finished)")


def tell(report: Any, page: Path, as_json: bool, opened: bool) -> None:
    """Print what a report says, or what a script may read of it, and open the page if that is asked for."""
    from cortex_sim.report import told

    if as_json:
        claims = [claim.as_json() for claim in report.claims]
        say(as_text({"report": str(page), "holds": report.holds, "answer": report.answer, "claims": claims}))
    else:
        say(told(report, page))
    if opened:
        open_page(page)


def answer(found: dict[str, Any], text: str, as_json: bool) -> None:
    """Print what a command did, or what a script may read of it."""
    say(as_text(found) if as_json else text)


def as_text(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False)


def open_page(page: Path) -> None:
    if not webbrowser.open(page.absolute().as_uri()):
        warn(f"cortex-sim: no browser can be opened here; the report is {page}.")


@contextlib.contextmanager
def stopped(kept: str) -> Iterator[None]:
    """Say after Ctrl-C what is kept, by which the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        warn(f"\ncortex-sim: interrupted; no report was written. The {kept} that came to an end are kept; the same command does the others.")
        raise typer.Exit(INTERRUPTED) from None


def folder_for(out: Path | None, name: str, resume: bool) -> Path:
    """Return the folder of a report: the one given, else a new one named after the time."""
    if resume and out is None:
        raise OptionError("--resume goes on with a run in the folder that --out names; give it.")
    return out or free(Path("runs") / f"{name}-{datetime.datetime.now():%Y%m%d-%H%M%S}")


def typed() -> str:
    return shlex.join(["cortex-sim", *sys.argv[1:]])


def interrupted(folder: Path, on: str = "Nothing was done that could be kept.") -> NoReturn:
    if folder.exists():
        words = [word for word in sys.argv[1:] if word != "--resume"]
        given = any(word.split("=")[0] == "--out" for word in words)
        on = f"Go on with it by: {shlex.join(['cortex-sim', *words, *([] if given else ['--out', str(folder)]), '--resume'])}"
    warn(f"\ncortex-sim: interrupted; no report was written. {on}")
    raise typer.Exit(INTERRUPTED)
