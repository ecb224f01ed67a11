"""The state of an installation: what this package needs, and what to do about what is missing."""

import importlib.metadata
import os
import platform
import shutil
import subprocess

from cortex_sim.errors import CortexSimError
from cortex_sim.runtime import cache_folder, temporary_folder, write_text
from cortex_sim.simulation import COMPILER

REBUILT = ("connectivity", "cython", "fits", "programs", "simulated", "students")  # folders of the cache that come again by themselves
KEPT = ("reports", "studies")  # and those that hold the only copy of a result
PROGRAM = "#include <vector>\nint main() { return std::vector<int>(3, 0)[2]; }\n"


def examine(*, clear_cache: bool = False) -> tuple[list[str], bool]:
    """Return a line on each requirement of this package, and whether all of them are met.

    Args:
        clear_cache: whether first to remove what the cache can rebuild; studies and reports without another copy stay.
    """
    lines, sound = [f"cortex-sim {_version('cortex-sim')}, Python {platform.python_version()}, {platform.platform()}"], True
    cleared = [_cleared()] if clear_cache else []
    for said, well in (_clashes(), _compiles(), _cache()):
        lines += said
        sound = sound and well
    ends = "Nothing is amiss." if sound else "Something is amiss; see the lines with 'do:'."
    return [*lines, *_optional(), _threads(), *_gpu(), *cleared, ends], sound


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _clashes() -> tuple[list[str], bool]:
    """Return the version of every required package, and whether all are compatible."""
    from packaging.requirements import Requirement

    lines, sound = [], True
    try:
        needed = [Requirement(text) for text in importlib.metadata.requires("cortex-sim") or ()]
    except importlib.metadata.PackageNotFoundError:
        return ["packages: cortex-sim itself is not installed, so what it needs is not known; do: pip install -e ."], False
    fit = []
    for need in needed:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        found = _version(need.name)
        if found == "absent" or not need.specifier.contains(found, prereleases=True):
            sound = False
            lines.append(f"package {need.name}: {found}, needs {need.specifier}; do: pip install '{need.name}{need.specifier}' -c constraints.txt")
        else:
            fit.append(f"{need.name} {found}")
    return [f"packages: {', '.join(fit)}", *lines], sound


def _optional() -> list[str]:
    extras = {"nwb": "pynwb", "explain": "captum", "tune": "optuna"}
    return [f"extra {extra}: {name} {found}" + (f"; for it: pip install 'cortex-sim[{extra}]'" if found == "absent" else "")
            for extra, name in extras.items() if (found := _version(name))]  # fmt: skip


def _compiles() -> tuple[list[str], bool]:
    """Return whether there is a C++ compiler whose programs run."""
    path = shutil.which(COMPILER)
    if path is None:
        return [f"compiler: {COMPILER!r} is absent; spiking circuits run in NumPy, slower. do: install g++ or clang++"], True
    try:
        with temporary_folder() as place:
            write_text(place / "a.cpp", PROGRAM)
            how = {"capture_output": True, "text": True, "timeout": 120, "cwd": place}
            made = subprocess.run([path, "-O1", "a.cpp", "-o", "a.out"], check=False, **how)  # type: ignore[call-overload]  # noqa: S603
            works = made.returncode == 0 and subprocess.run([str(place / "a.out")], check=False, **how).returncode == 0  # type: ignore[call-overload]  # noqa: S603
    except (OSError, subprocess.SubprocessError, CortexSimError) as problem:
        return [f"compiler: {path} cannot be tried ({problem}); do: look at it, or run with --target numpy"], False
    said = (made.stderr.strip().splitlines() or ["its program does not run"])[0]
    return ([f"compiler: {path} works"], True) if works else ([f"compiler: {path} fails: {said}; do: repair it, or run with --target numpy"], False)


def _cache() -> tuple[list[str], bool]:
    place = cache_folder()
    try:
        write_text(place / "doctor.txt", "written to see whether it can be")
        (place / "doctor.txt").unlink()
    except OSError as problem:
        return [f"cache: {problem} do: set CORTEX_SIM_CACHE to a folder that can be written"], False
    sizes = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
    free = shutil.disk_usage(place).free
    said = f"cache: {place}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB; {free / 1e9:.1f} GB free there"
    return [said + ("; do: cortex-sim doctor --clear-cache, or free some space" if free < 1e9 else "")], free >= 1e9


def _cleared() -> str:
    place = cache_folder()
    parts = [place / name for name in REBUILT]
    there = [path for path in parts if path.is_dir()]
    for path in there:
        shutil.rmtree(path, ignore_errors=True)
    stay = [name for name in KEPT if (place / name).is_dir()]
    return f"cache cleared: {', '.join(path.name for path in there) or 'it was empty'}" + (f"; left: {', '.join(stay)}" if stay else "")


def _threads() -> str:
    limits = {name: os.environ[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LOKY_MAX_CPU_COUNT") if name in os.environ}
    memory = _memory()
    said = f"cores: {os.cpu_count()}; workers: {_workers()}; limits set: {', '.join(f'{n}={v}' for n, v in limits.items()) or 'none'}"
    return f"{said}; memory: {memory}" if memory else said


def _workers() -> int:
    from joblib import cpu_count

    return int(cpu_count())


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return ""
    page = os.sysconf("SC_PAGE_SIZE")
    return f"{os.sysconf('SC_AVPHYS_PAGES') * page / 1e9:.1f} of {os.sysconf('SC_PHYS_PAGES') * page / 1e9:.1f} GB free"


def _gpu() -> list[str]:
    from cortex_sim.simulation.torch import gpu

    if found := gpu():
        return [f"GPU: {found}; networks are taught on it by --device cuda"]
    return ["GPU: none that torch sees; networks are taught on the CPU, which is the usual way"]
