"""Files of shipped cards and protocols by name, or the user's own by path."""

import ast
import hashlib
import importlib.util
from collections import Counter
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

from cortex_sim.errors import CardError, FileProblem, NotFound, OptionError, suggestion
from cortex_sim.runtime import cache_folder, checked, read_toml, warn, write_text

if TYPE_CHECKING:
    from cortex_sim.cards._model import Model
    from cortex_sim.cards.spiking import SpikingModel

PACKAGE = Path(__file__).parents[1]


def shipped(folder: str) -> Path:
    """Return the folder of shipped models or protocols: inside the installed package, or in the checkout it was installed from."""
    inside = PACKAGE / "_shipped" / folder
    checkout = PACKAGE.parent
    if inside.is_dir() or not (checkout / "pyproject.toml").is_file():
        return inside
    return checkout / folder


def models() -> dict[str, Path]:
    """Return the file of each shipped card by its name, prefixed with its kind if the bare name is not unique."""
    paths = sorted(shipped("models").glob("*/*.toml"))
    shared = Counter(path.stem for path in paths)
    return {path.stem if shared[path.stem] == 1 else f"{path.parent.name}/{path.stem}": path for path in paths}


def protocols() -> dict[str, Path]:
    """Return the file of each shipped protocol by its name."""
    return {path.stem: path for path in sorted(shipped("protocols").glob("*.py")) if not path.stem.startswith("_")}


def find(name: str) -> Path:
    """Return the file of a shipped model or protocol, or of a path that ends in ``.toml`` or ``.py``.

    Raises:
        NotFound: no such name or file; a close name is suggested.
    """
    suffix = ".py" if name.endswith(".py") or name in protocols() else ".toml"
    known = protocols() if suffix == ".py" else models()
    if name not in known and not name.endswith(suffix):
        known = models() | protocols()
    return _find(name, known, suffix, "model or protocol")


def load(name: str) -> "Model | SpikingModel":
    """Return a card, by its shipped name (``hennequin_2014`` or ``rate/hennequin_2014``) or by a path that ends in ``.toml``.

    Raises:
        NotFound: no such name; a close one is suggested.
        CardError: the card is not well formed.
    """
    path = _find(name, models(), ".toml", "model")
    if _kind(path) == "spiking":
        from cortex_sim.cards.spiking import read_spiking

        return read_spiking(path)
    from cortex_sim.cards._reading import read_card

    return read_card(path)


def protocol_file(name: str) -> Path:
    """Return the file of a protocol, by its shipped name or by a path that ends in ``.py``.

    Raises:
        NotFound: no such name or file; a close name is suggested.
    """
    return _find(name, protocols(), ".py", "protocol")


def protocol(name: str) -> ModuleType:
    """Return a protocol, imported by its shipped name or by a path that ends in ``.py``.

    A protocol is code, and a path may lead to anyone's: before it runs for the first time, standard error says so.

    Raises:
        NotFound: no such name; a close one is suggested.
        OptionError: the file cannot be imported, or has no function ``run``.
    """
    path = protocol_file(name)
    source = path.read_bytes()
    if path.resolve().parent != shipped("protocols").resolve():
        say_code(path, source, "a protocol")
    module = imported(path, source, f"cortex_sim_protocol_{path.stem}")
    if not callable(getattr(module, "run", None)):
        raise OptionError(f"{path}: has no function run(model, *, seed, smoke); see protocols/README.md.")
    vars(module)["run"] = checked(module.run, path.stem)
    return module


def imported(path: Path, source: bytes, name: str) -> ModuleType:
    """Return a file of code, run from the text that was read, whatever has become of the file.

    Args:
        path: of the file, for messages.
        source: its content.
        name: of the module.

    Raises:
        OptionError: the file cannot be imported.
    """
    loader = _AsRead(name, str(path))
    loader.source = source
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as problem:  # a user's file may raise anything
        raise OptionError(f"{path}: cannot be imported: {type(problem).__name__}: {problem}.") from problem
    return module


class _AsRead(SourceFileLoader):
    """Imports a file from the source text that was read, ignoring any compiled file beside it."""

    source = b""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


def say_code(path: Path, source: bytes, what: str) -> None:
    """Print that a file is code which now runs; once for each content, remembered by its hash in the cache.

    Args:
        path: of the file.
        source: its content.
        what: it is, such as "a protocol".
    """
    digest = hashlib.sha256(source).hexdigest()
    mark = cache_folder() / "protocols" / digest
    if mark.exists():
        return
    said = f"It runs now for the first time (sha256 {digest[:12]}…); read it first if it is not yours (docs/security.md)."
    warn(f"{path}: is {what}, which is code: it may do all that you may do. {said}")
    try:
        write_text(mark, f"{path.resolve()}\n")
    except FileProblem as problem:
        warn(f"it will be said again: {problem}")


def describe(path: Path) -> str:
    """Return a card's title or a protocol's question, without importing anything.

    Raises:
        CardError: the card is not TOML.
    """
    if path.suffix == ".py":
        return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    return str(read_toml(path, CardError).get("title", ""))


def _kind(path: Path) -> str:
    """Return the kind that a card states; empty if the card is not TOML, which its reader reports."""
    try:
        return str(read_toml(path, CardError).get("kind", ""))
    except (FileProblem, CardError):
        return ""


def _find(name: str, known: dict[str, Path], suffix: str, what: str) -> Path:
    if name.endswith(suffix):
        if not Path(name).is_file():
            raise NotFound(f"{name}: there is no such file.")
        return Path(name)
    kinds = {f"{path.parent.name}/{path.stem}": path for path in known.values()}
    if found := known.get(name) or kinds.get(name):
        return found
    raise NotFound(f"{what} {name!r} is unknown. {suggestion(name, known)}")
