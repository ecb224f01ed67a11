"""Whether the constraints resolve for a version of Python other than this one: `python .ci/resolves.py 3.12 3.13`. It installs nothing."""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
UNREACHED = ("NewConnectionError", "Temporary failure in name resolution", "Max retries exceeded", "ConnectTimeoutError")


def lines_for(lines: list[str], version: str) -> list[str]:
    """Requirements that apply to a version of Python, without their markers; pip would evaluate these for the Python that runs it."""
    kept = []
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": version, "python_full_version": f"{version}.0"}):
            requirement.marker = None
            kept.append(str(requirement))
    return kept


def refused(report: dict[str, Any], version: str) -> list[str]:
    """Packages that do not take this version of Python; pip asks them about the Python that runs it."""
    told = [(one["metadata"]["name"], one["metadata"].get("requires_python", "")) for one in report["install"]]
    return [f"{name} requires Python {wanted}." for name, wanted in told if f"{version}.0" not in SpecifierSet(wanted)]


def resolve(version: str) -> int:
    """Let pip resolve what the package needs, and say how that went."""
    pinned = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")]
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in (("constraints.txt", pinned), ("requirements.txt", needed)):
            Path(folder, name).write_text("\n".join(lines_for(lines, version)) + "\n", encoding="utf-8")
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--disable-pip-version-check",
            "--python-version", version, "--only-binary=:all:", "--target", folder, "--ignore-requires-python", "--report", f"{folder}/report.json",
            "-c", f"{folder}/constraints.txt", "-r", f"{folder}/requirements.txt",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        unfit = [] if done.returncode else refused(json.loads(Path(folder, "report.json").read_text(encoding="utf-8")), version)
    if done.returncode and any(sign in done.stderr for sign in UNREACHED):
        print(f"Python {version}: no package index was reached, so nothing was checked")
        return 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ([done.stderr.strip()] if done.returncode else unfit)
    said = f"do not resolve: {' '.join(errors)}" if errors else "resolve; that is all that is checked"
    print(f"Python {version}: the constraints {said}")
    return len(errors) > 0


if __name__ == "__main__":
    sys.exit(max(map(resolve, sys.argv[1:])))
