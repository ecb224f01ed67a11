"""Files changed by atheris, which keeps what reaches new code: ``python benchmarks/_guided.py KIND TIMES SEED``.

It ends with 0 if every file was read or refused in our own words within ten seconds.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import atheris  # noqa: E402

with atheris.instrument_imports(include=["cortex_sim.cards", "cortex_sim.trials", "cortex_sim.runtime", "cortex_sim.studies.tuning", "tomllib"]):
    from cortex_sim import load
    from cortex_sim.cards import catalogue
    from cortex_sim.errors import CortexSimError
    from tests.test_damaged_files import KINDS


def main(kind: str, times: int, seed: int) -> None:
    folder = Path(tempfile.mkdtemp())
    corpus, path = folder / "corpus", folder / (kind if kind in KINDS else "card.toml")
    corpus.mkdir()
    if kind in KINDS:
        KINDS[kind][0](path)
        (corpus / "whole").write_bytes(path.read_bytes())
    else:
        for name, card in catalogue.models().items():
            (corpus / name).write_bytes(card.read_bytes())
    read = KINDS[kind][1] if kind in KINDS else lambda path: load(str(path))

    def once(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read(path)
        except CortexSimError:
            return

    bounds = ["-timeout=10", "-rss_limit_mb=4096", "-max_len=40000"]
    how = [f"-runs={times}", f"-seed={seed}", *bounds, f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *how, str(corpus)], once)
    atheris.Fuzz()


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
