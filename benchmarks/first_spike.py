"""From a cold process to the first spikes: every shipped spiking card for 50 ms, with an empty cache, then in a second process with another seed."""

from _fresh import Workplace
from _measure import write

from cortex_sim import load
from cortex_sim.cards.catalogue import models
from cortex_sim.cards.spiking._model import SpikingModel

DURATION = 0.05  # s
CLAIM, SMALL = 5.0, 5_000  # s in a cold process, for cards of fewer neurons


def total(model: SpikingModel) -> int:
    """Neurons of all kinds, those that only pass on events included."""
    return sum(model.size(name) for name in model.populations)


def main() -> None:
    rows: list[dict[str, object]] = []
    for name, path in models().items():
        if path.parent.name != "spiking":
            continue
        neurons = total(load(name))
        for target in ("automatic", "standalone"):
            with Workplace() as place:
                first = place.run("ours", name, 0, DURATION, "", "", target)
                compiled = place.compilers_called()
                second = place.run("ours", name, 1, DURATION, "", "", target)
                again = place.compilers_called()
            assert not again, f"{name}: the second process called {again}"
            assert compiled or target == "automatic", "the recorder of compiler calls records nothing"
            row = {"card": name, "neurons": neurons, "asked": target, "ran": first["target"]}
            row |= {"cold s": first["total"], "second process s": second["total"]}
            parts = {f"cold, {part} s": value for part, value in first["parts"].items()}
            rows.append(row | {"compiler calls": len(compiled), "in the second": len(again), "spikes": first["spikes"]} | parts)
    claimed = [row for row in rows if row["neurons"] < SMALL and row["asked"] == "automatic"]
    slowest = max(claimed, key=lambda row: row["cold s"])
    claim = f"cold process to first spikes at most {CLAIM:g} s below {SMALL} neurons"
    rows.append({"claim": claim, "slowest": slowest["card"], "s": slowest["cold s"]})
    write("first_spike", rows)


main()
