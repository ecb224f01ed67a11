"""Write the numbers by which the data of the benchmark of mechanism are known: python -m benchmarks._held (some minutes); for a new version alone."""

import json
from dataclasses import replace

from cortex_sim.runtime import workers, write_text
from cortex_sim.studies.benchmark._circuits import Place, drawn
from cortex_sim.studies.benchmark._families import family
from cortex_sim.studies.benchmark._run import HELD, data_of
from cortex_sim.studies.benchmark._sizes import FULL, HELD_DRAWS


def numbers(place: Place) -> dict[str, float]:
    """Return those of one circuit."""
    return data_of(family(drawn(place, FULL.units), FULL.conditions))


if __name__ == "__main__":
    places = {of: replace(FULL, draws=HELD_DRAWS).places(of) for of in ("development", "test")}
    found = {of: workers.map(f"{of} set", numbers, {str(place): (place,) for place in each}) for of, each in places.items()}
    write_text(HELD, json.dumps(found, indent=0) + "\n")
