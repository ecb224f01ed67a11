"""The record of a run: everything needed to repeat it (run.json), and the contents of its folder in the format of archives (RO-Crate)."""

import datetime
import hashlib
import importlib.metadata
import mimetypes
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortex_sim.runtime import code_key, streams_used

if TYPE_CHECKING:
    from cortex_sim.report._report import Report

PACKAGES = (
    "brian2", "numpy", "scipy", "matplotlib", "torch", "xarray", "pydantic", "h5py", "h5netcdf", "safetensors", "scikit-learn", "joblib", "elephant",
)  # fmt: skip
FILES = ("model", "recording", "behaviour", "muscles", "networks", "rig")  # arguments of a run that may be paths
CRATE, RUN = "ro-crate-metadata.json", "run.json"
PROFILE = "https://w3id.org/ro/crate/1.1"
TYPES = {".nc": "application/x-netcdf", ".safetensors": "application/octet-stream", ".toml": "application/toml"}


def run_record(report: "Report", command: str, protocol: Path | None, asked: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return everything needed to repeat a report: arguments, input files, seed and streams, code, versions, machine, times.

    Args:
        report: the report to repeat.
        command: the command that was typed.
        protocol: file of the protocol.
        asked: arguments by name, as JSON values.
    """
    from cortex_sim import __version__

    made = protocol and {"name": protocol.stem, "file": str(protocol.absolute()), "sha256": _sha256(protocol)}
    return {
        "command": command, "asked": dict(asked or {}), "cwd": os.getcwd(), "seed": report.seed, "streams": streams_used(),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {"cortex-sim": __version__, "python": platform.python_version()} | versions((*PACKAGES, *report.packages)),
        "cards": {name: model.key for name, model in report.models.items()},
        "trials": {name: trials.key for name, trials in report.trials.items()},
        "targets": {name: trials.provenance["target"] for name, trials in report.trials.items() if trials.provenance.get("target")},
        "protocol": made, "inputs": _inputs(asked or {}), "code": code_key(), "checkout": _checkout(), "machine": platform.platform(),
        "processor": platform.machine(), "cores": os.cpu_count(), "threads": _threads(), "peak memory MB": _peak(),
        "seconds": {stage: round(value, 2) for stage, value in report.seconds.items()}, "facts": report.told,
    }  # fmt: skip


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by relative path."""
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def crate(folder: Path, report: "Report", run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a run's folder as RO-Crate 1.1 requires, as JSON-LD without a library.

    Args:
        folder: folder whose files are listed.
        report: provides title and question for the description.
        run: record of the run.

    Source:
        Soiland-Reyes et al. (2022) Data Science 5:97; https://w3id.org/ro/crate/1.1.
    """
    from cortex_sim import __version__

    files = {name: sha for name, sha in hashes(folder).items() if name != CRATE}
    software: dict[str, Any] = {"@id": "#cortex-sim", "@type": "SoftwareApplication", "name": "cortex-sim", "version": __version__}
    software["softwareVersion"], software["identifier"] = __version__, run["code"]
    action = {
        "@id": "#run", "@type": "CreateAction", "name": run["command"] or report.title, "endTime": run["finished"],
        "instrument": {"@id": "#cortex-sim"}, "result": [{"@id": name} for name in files],
    }  # fmt: skip
    root = {
        "@id": "./", "@type": "Dataset", "name": report.title or "run", "description": f"{report.question} {report.answer}".strip() or "run",
        "datePublished": run["finished"], "license": "not stated by the authors of the run", "hasPart": [{"@id": name} for name in files],
        "mentions": {"@id": "#run"},
    }  # fmt: skip
    about = {"@id": CRATE, "@type": "CreativeWork", "conformsTo": {"@id": PROFILE}, "about": {"@id": "./"}}
    return {"@context": f"{PROFILE}/context", "@graph": [about, root, *(_file(folder, *one) for one in files.items()), software, action]}


def _file(folder: Path, name: str, sha: str) -> dict[str, Any]:
    kind = TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return {
        "@id": name, "@type": "File", "name": name, "contentSize": str((folder / name).stat().st_size), "encodingFormat": kind, "sha256": sha,
    }  # fmt: skip


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inputs(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input files: their hash, and the text of a card; for a folder, the hashes of its files."""
    from cortex_sim.cards import catalogue

    found: dict[str, Any] = {}
    for name in FILES:
        given = asked.get(name)
        if not given:
            continue
        path = catalogue.find(given) if name == "model" else Path(given)
        about: dict[str, Any] = {"file": str(path.absolute())}
        about |= {"files": hashes(path)} if path.is_dir() else {"sha256": _sha256(path)} if path.is_file() else {}
        if name == "model":
            about["text"] = path.read_text(encoding="utf-8")
        found[name] = about
    return found


def _checkout() -> dict[str, Any] | None:
    """Return the commit of the code and whether files differ from it, if the package is in a checkout."""
    import cortex_sim

    top = Path(cortex_sim.__file__).parents[1]
    if not (top / ".git").exists():
        return None
    said = [_git(top, "rev-parse", "HEAD"), _git(top, "status", "--porcelain", "--untracked-files=no")]
    return None if None in said else {"commit": said[0], "changed": bool(said[1])}


def _git(top: Path, *arguments: str) -> str | None:
    try:
        return subprocess.run(["git", "-C", str(top), *arguments], capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603, S607
    except (OSError, subprocess.SubprocessError):
        return None


def _threads() -> dict[str, int]:
    from threadpoolctl import threadpool_info

    torch: Any = sys.modules.get("torch")
    found = {f"{pool['internal_api']} {pool.get('version') or ''}".strip(): int(pool["num_threads"]) for pool in threadpool_info()}
    return found | ({"torch": int(torch.get_num_threads())} if torch else {})


def _peak() -> dict[str, int] | None:
    """Return the peak memory of this process, and of the largest of its child processes that have ended."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kB elsewhere
    who = {"this process": resource.RUSAGE_SELF, "largest worker": resource.RUSAGE_CHILDREN}
    return {name: round(resource.getrusage(each).ru_maxrss / unit) for name, each in who.items()}
