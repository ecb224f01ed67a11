"""Fresh processes for spiking circuits: our own part by part, which compilers they call, and NEST. Run as a script, it is such a process."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

COMPILERS = ("make", "g++", "c++", "gcc", "cc", "clang", "clang++", "cc1plus", "ld", "as")


class Workplace:
    """A temporary folder with an empty cache and compilers that write down when they are called, before they do what they do."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cortex-sim-bench-")
        self.path = Path(self._folder.name)
        self.log = self.path / "called"
        self.log.touch()
        (self.path / "bin").mkdir()
        for name in COMPILERS:
            if real := shutil.which(name):
                recorder = self.path / "bin" / name
                recorder.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self.log}"\nexec {real} "$@"\n')
                recorder.chmod(0o755)

    def __enter__(self) -> "Workplace":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def compilers_called(self) -> list[str]:
        """Compilers called since this was last asked."""
        lines = self.log.read_text().splitlines()
        self.log.write_text("")
        return [line.split()[0] for line in lines]

    def run(self, what: str, *arguments: object, cache: str = "cache") -> dict[str, Any]:
        """Run a function of this file in a fresh Python; give its parts in s, and the whole wait of who started it."""
        environment = os.environ | {"CORTEX_SIM_CACHE": str(self.path / cache), "PATH": f"{self.path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        environment["BEGAN"] = repr(time.time())
        command = [sys.executable, __file__, what, *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=self.path, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout.splitlines()[-1])


class Parts:
    """Seconds of each part of a wait, from the moment the process was asked for."""

    def __init__(self) -> None:
        self.began = self.last = float(os.environ["BEGAN"])
        self.seconds: dict[str, float] = {}

    def mark(self, part: str) -> None:
        """Count the time since the last mark to a part."""
        now = time.time()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self.last
        self.last = now

    def tell(self, **others: object) -> None:
        """Print the parts, their sum and the largest resident set of this process and of its largest child (MB; a child starts at its parent's)."""
        import resource

        peak = {name: resource.getrusage(who).ru_maxrss / 1e3 for name, who in (("own", resource.RUSAGE_SELF), ("child", resource.RUSAGE_CHILDREN))}
        print(json.dumps({"parts": self.seconds, "total": self.last - self.began, "peak MB": peak, **others}))


def _timed(parts: Parts, programs: Any) -> None:
    """Let cortex_sim.simulation._programs tell what it does: drawing, writing, loading, running loop, reading back."""
    build, write, run, blocks = programs.build, programs.write_circuit, programs.run, programs.blocks

    def drawn(*arguments: Any) -> Iterator[Any]:
        found = blocks(*arguments)
        parts.mark("write")
        for block in found:
            parts.mark("draw")
            yield block
            parts.mark("write")
        parts.mark("draw")

    def built(*arguments: Any) -> Path:
        parts.mark("plan")
        folder = build(*arguments)
        parts.mark("build")
        return folder

    def written(*arguments: Any) -> None:
        parts.mark("plan")
        write(*arguments)
        parts.mark("write")

    def ran(plan: Any, trials: Any, folder: Path, report: Callable[[float, str], None], **options: Any) -> Any:
        shares = [0.0]

        def told(share: float, text: str) -> None:
            parts.mark("load" if share == 0 else "read" if shares[-1] == 1 else "loop")
            shares.append(share)
            report(share, text)

        return run(plan, trials, folder, told, **options)

    programs.build, programs.write_circuit, programs.run, programs.blocks = built, written, ran, drawn


def ours(card: str, seed: str, duration: str, keep: str = "", scale: str = "", target: str = "standalone") -> None:
    """Run a card from a file or by name; with keep, save its spikes there afterwards."""
    parts = Parts()
    parts.mark("python")
    from cortex_sim import load, simulate
    from cortex_sim.simulation import _programs as programs
    from cortex_sim.tasks._free import spontaneous

    parts.mark("import")
    model = load(card)
    model = model.changed(seed=int(seed), **({"scale": float(scale)} if scale else {}))
    _timed(parts, programs)
    trials = simulate(model, spontaneous(float(duration)), seed=int(seed), target=None if target == "automatic" else target)
    parts.mark("read")
    spikes = trials.spikes
    parts.tell(brian2="brian2" in sys.modules, target=trials.provenance.get("target", ""), spikes=len(spikes.time))
    if keep:
        import numpy as np

        np.savez(keep, when=spikes.time, unit=spikes.unit)


def nest(net: str, seed: str, threads: str, keep: str) -> None:
    """Run a network of _lif_networks in NEST: in-degrees as ours, drawn by NEST."""
    parts = Parts()
    parts.mark("python")
    import nest
    import numpy as np

    parts.mark("import")
    from _lif_networks import DELAY, DT, DURATION, NETS, T_REF, TAU, TAU_S, V_R

    shape = NETS[net]
    nest.set_verbosity("M_ERROR")
    nest.ResetKernel()
    nest.SetKernelStatus({"resolution": DT, "local_num_threads": int(threads), "rng_seed": int(seed) + 1})
    constants = {"C_m": TAU, "tau_m": TAU, "tau_syn_ex": TAU_S, "tau_syn_in": TAU_S, "E_L": 0.0, "V_th": shape.theta, "V_reset": V_R, "t_ref": T_REF}
    cells = nest.Create("iaf_psc_exp", shape.neurons, params=constants | {"I_e": shape.mu})  # C_m = tau_m: a current of 1 pA is 1 mV
    cells.V_m = np.random.default_rng(int(seed)).uniform(0, shape.theta, shape.neurons)
    recorder = nest.Create("spike_recorder")
    parts.mark("create")
    excitatory = shape.neurons * 4 // 5
    for sources, share, weight in ((cells[:excitatory], 4, shape.weight[0]), (cells[excitatory:], 1, shape.weight[1])):
        rule = {"rule": "fixed_indegree", "indegree": shape.indegree * share // 5}
        nest.Connect(sources, cells, rule, {"weight": weight, "delay": DELAY})
    if shape.w_ext:
        nest.Connect(nest.Create("poisson_generator", params={"rate": shape.nu_ext}), cells, syn_spec={"weight": shape.w_ext, "delay": DELAY})
    nest.Connect(cells, recorder)
    parts.mark("connect")
    nest.Prepare()
    parts.mark("prepare")
    nest.Run(1e3 * DURATION)
    parts.mark("loop")
    events = recorder.events
    when, unit = 1e-3 * (events["times"] - DT), events["senders"] - 1
    parts.mark("read")
    parts.tell(spikes=len(when), synapses=nest.num_connections)
    np.savez(keep, when=when, unit=unit)


if __name__ == "__main__" and len(sys.argv) > 1:
    {"ours": ours, "nest": nest}[sys.argv[1]](*sys.argv[2:])
