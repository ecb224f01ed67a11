"""Many runs as one page to browse: searched, sorted, compared, without a server."""

import datetime
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cortex_sim.errors import FileProblem, NotFound
from cortex_sim.runtime import check_new, write_text

SHOWN = ("measure", "student", "split", "estimate", "interval", "null_mean", "null_sd")  # of a score


def browse(runs: Sequence[str | Path], out: str | Path) -> Path:
    """Write a page of finished runs that needs no server, and return its path.

    Args:
        runs: folders of runs, or folders that hold some.
        out: new file.

    Raises:
        NotFound: there is no finished run.
        FileProblem: the file exists, or a run's files are damaged.
    """
    page = Path(out)
    check_new(page)
    folders = list(dict.fromkeys(folder for given in runs for folder in _finished(Path(given))))
    if not folders:
        raise NotFound(f"report: {', '.join(map(str, runs))}: no finished run there; give folders with report.html, such as runs/match-….")
    kept = [_read(folder, page, place) for place, folder in enumerate(folders)]
    environment = Environment(loader=PackageLoader("cortex_sim.report", "."), autoescape=True, undefined=StrictUndefined)
    data = Markup(json.dumps(kept, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c"))  # noqa: S704 - JSON, in which no tag can begin
    written = datetime.datetime.now().astimezone().isoformat(timespec="minutes")
    write_text(page, environment.get_template("browse.html.j2").render(data=data, written=written))
    return page


def _finished(folder: Path) -> list[Path]:
    if (folder / "report.html").is_file() and (folder / "run.json").is_file():
        return [folder]
    if not folder.is_dir():
        raise NotFound(f"{folder}: there is no such folder.")
    return sorted(path.parent for path in folder.glob("*/run.json") if (path.parent / "report.html").is_file())


def _read(folder: Path, page: Path, place: int) -> dict[str, Any]:
    """Return what the page shows of a run.

    Raises:
        FileProblem: a file of the run is missing or damaged.
    """
    try:
        run, scores, claims = (json.loads((folder / name).read_text(encoding="utf-8")) for name in ("run.json", "scores.json", "claims.json"))
        asked = run.get("asked") or {}
        return {
            "id": place, "folder": folder.name, "link": Path(os.path.relpath(folder / "report.html", page.absolute().parent)).as_posix(),
            "protocol": str(asked.get("protocol") or (run.get("protocol") or {}).get("name") or "unknown"),
            "model": str(asked.get("model") or ""),
            "seed": run["seed"], "smoke": bool(asked.get("smoke")), "finished": str(run["finished"]),
            "seconds": round(sum(run["seconds"].values()), 1),
            "scores": [{name: score[name] for name in SHOWN} for score in scores],
            "claims": [{name: claim[name] for name in ("text", "found", "holds")} for claim in claims],
            "failing": [str(claim["text"]) for claim in claims if not claim["holds"]],
        }  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise FileProblem(f"{folder}: is no finished run, or is damaged ({type(problem).__name__}: {problem}).") from None
