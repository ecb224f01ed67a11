"""How long does one wait for a spiking network, and how fast does it run? Ours, NEST with one and two threads, a hand-written C loop.

Same neurons, in-degrees and drive; every run in a fresh process, taken in turn. In NEST, synapses are drawn by its own fixed_indegree, so
that its network is another of the same ensemble: rates and CVs agree within what two networks differ by. The C loop reads the very synapses of ours.
"""

import dataclasses
import statistics
import subprocess
from pathlib import Path

import numpy as np
from _fresh import Workplace
from _lif_networks import DURATION, NETS, Activity, Net, activity, alike, build_loop, card, spread, write_for_loop
from _measure import write

ROUNDS, CLAIMED = 1, 10_000  # rounds; neurons from which the claims are made
OTHER = 20.2  # mV, threshold in the second process: another parameter, another seed, the same program
Parts = dict[str, float]


def looped(place: Workplace, loop: Path, net: Net, seed: int, name: str) -> dict[str, object]:
    """Seconds of the C loop; its spikes stay in the folder."""
    folder = place.path / name
    if not folder.exists():
        write_for_loop(net, seed, folder)
    said = subprocess.run([str(loop)], cwd=folder, capture_output=True, text=True, check=True).stdout
    return {"parts": dict(zip(("load", "loop"), map(float, said.split()), strict=True)), "total": sum(map(float, said.split()))}


def spikes(file: Path) -> tuple[np.ndarray, np.ndarray]:
    if file.is_dir():
        return np.fromfile(file / "t"), np.fromfile(file / "i", dtype=np.int32)
    with np.load(file) as found:
        return found["when"], found["unit"]


def a_round(place: Workplace, loop: Path, name: str, number: int) -> dict[str, dict[str, object]]:
    """Every contestant once."""
    net, there = NETS[name], place.path
    other = dataclasses.replace(net, theta=OTHER)
    for label, shape, seed in (("first", net, 1), ("second", other, 2)):
        card(shape, seed).save(there / label / "network.toml")
    found = {"ours, first use": place.run("ours", there / "first/network.toml", 1, DURATION, there / "first.npz", cache=f"cache-{name}-{number}")}
    assert place.compilers_called(), "the recorder of compiler calls records nothing"
    found["ours, second use"] = place.run("ours", there / "second/network.toml", 2, DURATION, there / "second.npz", cache=f"cache-{name}-{number}")
    called = place.compilers_called()
    assert not called, f"the second process compiled: {called}"
    assert not found["ours, second use"]["brian2"], "the second process imported Brian2"
    for threads in (1, 2):
        found[f"NEST, {threads} threads"] = place.run("nest", name, number, threads, there / f"nest{threads}.npz")
    place.compilers_called()
    found["C, first network"] = looped(place, loop, net, 1, f"first-{name}")
    found["C, second network"] = looped(place, loop, other, 2, f"second-{name}")
    return found


def check(place: Workplace, name: str, sd: Activity) -> None:
    """Refuse to time networks that do not do the same."""
    there, neurons = place.path, NETS[name].neurons
    for label in ("first", "second"):
        same, until = alike(spikes(there / f"{label}.npz"), spikes(there / f"{label}-{name}"))
        one, other = (activity(*spikes(there / file), neurons) for file in (f"{label}.npz", f"{label}-{name}"))
        assert same or (until > 0.02 and one.agrees(other, sd)), (name, label, until, one, other, sd)
    ours = activity(*spikes(there / "first.npz"), neurons)
    for threads in (1, 2):
        theirs = activity(*spikes(there / f"nest{threads}.npz"), neurons)
        assert ours.agrees(theirs, sd), (name, threads, ours, theirs, sd)


def medians(rounds: list[dict[str, dict[str, object]]], who: str) -> dict[str, float]:
    """Median over rounds of each part and of the whole."""
    parts = {part: statistics.median(one[who]["parts"].get(part, 0.0) for one in rounds) for part in rounds[0][who]["parts"]}
    return {f"{part} s": value for part, value in parts.items()} | {"whole wait s": statistics.median(one[who]["total"] for one in rounds)}


def rows_of(place: Workplace, name: str, rounds: list[dict[str, dict[str, object]]], sd: Activity) -> list[dict[str, object]]:
    """One row for each contestant, then one of ratios."""
    net = NETS[name]
    median = {who: medians(rounds, who) for who in rounds[0]}
    files = {"ours, first use": "first.npz", "ours, second use": "second.npz", "NEST, 1 threads": "nest1.npz", "NEST, 2 threads": "nest2.npz"}
    files |= {"C, first network": f"first-{name}", "C, second network": f"second-{name}"}
    rows: list[dict[str, object]] = []
    for who, seconds in median.items():
        found = activity(*spikes(place.path / files[who]), net.neurons)
        peak = rounds[-1][who].get("peak MB", {})
        row = {"network": name, "synapses": net.synapses, "who": who, **seconds, "rate Hz": found.rate, "CV": found.cv}
        rows.append(row | {"SD of rate over networks Hz": sd.rate, "SD of CV": sd.cv} | {f"peak MB {part}": value for part, value in peak.items()})
    _, until = alike(spikes(place.path / "first.npz"), spikes(place.path / f"first-{name}"))
    return [*rows, {"network": name, "who": "ratios", **ratios(median, claimed=net.neurons >= CLAIMED), "spikes as in C until s": until}]


def ratios(median: dict[str, dict[str, float]], *, claimed: bool) -> dict[str, float]:
    """What the claims are about; they are made for the large networks only."""
    nest, first, second, bare = (median[who] for who in ("NEST, 2 threads", "ours, first use", "ours, second use", "C, first network"))
    found = {
        "whole wait, first use / NEST with 2 threads": (first["whole wait s"] / nest["whole wait s"], "at most 2"),
        "whole wait, second use / NEST with 2 threads": (second["whole wait s"] / nest["whole wait s"], "at most 1"),
        "loop of NEST with 2 threads / loop": (nest["loop s"] / first["loop s"], "at least 4"),
        "loop / C loop": (first["loop s"] / bare["loop s"], "at most 2"),
    }
    return {f"{name} ({claim})" if claimed else name: value for name, (value, claim) in found.items()}


def main() -> None:
    rows = []
    for name in NETS:
        with Workplace() as place:
            loop = build_loop(place.path)
            rounds = [a_round(place, loop, name, number) for number in range(ROUNDS + 1)][1:]  # one round before does not count
            sd = spread(NETS[name], loop, place.path)
            check(place, name, sd)
            rows += rows_of(place, name, rounds, sd)
    write("spiking_backend", rows)


main()
