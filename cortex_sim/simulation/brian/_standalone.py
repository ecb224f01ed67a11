"""C++ standalone programs: written by Brian2, built once for each structure of a circuit, with their data read from files.

The program contains only the structure. Parameters, initial states, synapses, inputs, seeds and the duration come from files in its working
folder, so that changing parameters, inputs, seeds or connection probabilities needs no compiler.
"""

import re
import shutil
import subprocess
from pathlib import Path

import brian2 as b2
from brian2.codegen.cpp_prefs import get_compiler_and_args
from brian2.core.variables import DynamicArrayVariable

from cortex_sim.cards.spiking import declared
from cortex_sim.errors import CardError
from cortex_sim.simulation._compiler import COMPILER, WATCHED
from cortex_sim.simulation._spiking_problem import SpikingProblem
from cortex_sim.simulation.brian._calls import sentence_of
from cortex_sim.simulation.brian._circuit import Circuit, assemble

HEADER = Path(__file__).with_name("inputs.h")
REPORTED = 0.2  # s of processor time between lines of progress
RUN = re.compile(r"(\bcircuit\.run\()[^,]+,")
HOLD = re.compile(r"(circuit\.add\(&\w+, _run_hold_(\w+)_codeobject\);)")  # where nothing is silenced, the step is left out
SUPPORT = re.compile(r"^namespace \{", re.MULTILINE)
REST = ("main", "network", "objects", "run", "synapses_classes")
REPORT = """
    static size_t before = 0;
    static double last = 0;
    size_t spikes = 0;
    {counts}
    const double since = (completed - last) * duration;
    std::printf("%.6f %zu\\n", completed, spikes);
    std::fflush(stdout);
    if (since < {watched}) return;
    if ((spikes - before) / since > cortex_sim::read<double>("parameters/ceiling")[0]) Network::_globally_stopped = true;
    before = spikes, last = completed;
"""


def write_program(problem: SpikingProblem, folder: Path) -> None:
    """Let Brian2 write and compile the program of a circuit's structure; ``main`` and ``static_arrays`` remain in the folder.

    Raises:
        CardError: Brian2 refuses the circuit.
        FileProblem: the compiler fails.
    """
    b2.set_device("cpp_standalone", build_on_run=False)
    try:
        sentence_of(problem.model.name, lambda: _generate(problem, folder))
    finally:
        b2.device.reinit()
        b2.set_device("runtime")
    _compile(folder, problem.model.name)


def _generate(problem: SpikingProblem, folder: Path) -> None:
    b2.device.reinit()
    b2.device.activate(build_on_run=False)
    circuit = assemble(problem, compiled=True)
    for synapses in circuit.synapses:
        synapses._connect_called = True  # they come from files; Brian2 would compile an object that makes them
    for line in _loading(problem, circuit):
        b2.device.insert_code("main", line)
    report = REPORT.replace("{watched}", f"{WATCHED:g}")
    report = report.replace("{counts}", " ".join(f"spikes += brian::{_name(m.variables['i'])}.size();" for m in circuit.monitors.values()))
    circuit.network.run(problem.duration * b2.second, report=report, report_period=REPORTED * b2.second, namespace={})
    for line in _saving(problem, circuit):
        b2.device.insert_code("before_end", line)
    b2.device.build(directory=str(folder), compile=False, run=False, with_output=False)
    shutil.copy2(HEADER, folder / "inputs.h")
    text = (folder / "main.cpp").read_text()
    text, count = RUN.subn(r'\1cortex_sim::read<double>("parameters/duration")[0],', text)
    text = text.replace('#include "objects.h"', '#include "objects.h"\n#include "inputs.h"', 1)
    if count != 1:
        raise CardError(f"Brian2 {b2.__version__} wrote {count} runs into its program where 1 was expected; choose another target.")
    (folder / "main.cpp").write_text(HOLD.sub(r'if (cortex_sim::read<int64_t>("inputs/\2.silencing.head")[2]) \1', text))
    _unite(folder)


def _unite(folder: Path) -> None:
    """Merge Brian2's source files into two, so that the compiler does not read the same headers for each."""
    for name, paths in (("objects", sorted((folder / "code_objects").glob("*.cpp"))), ("rest", [folder / f"{n}.cpp" for n in REST])):
        texts = []
        for number, path in enumerate(paths):
            text, count = SUPPORT.subn(f"namespace support_{number} {{", path.read_text(), count=1)
            used = f"using namespace brian; using namespace support_{number};"
            texts.append(text.replace("using namespace brian;", used) if count else text)
        (folder / f"united_{name}.cpp").write_text("\n".join(texts))


def _loading(problem: SpikingProblem, circuit: Circuit) -> list[str]:
    lines = []
    for kind, group in circuit.groups.items():
        names = dict.fromkeys((*problem.shared(kind), *problem.spread(kind)), "parameters") | dict.fromkeys(
            problem.model.neurons[kind].start, "start"
        )
        for name, place in names.items():
            array = _name(group.variables[name])
            lines.append(f'cortex_sim::fill({array}, _num_{array}, "{place}/{kind}.{name}");')
    for number, (synapses, wire) in enumerate(zip(circuit.synapses, problem.wires(), strict=True)):
        arrays = {"pre": ("_synaptic_pre", "int32_t"), "post": ("_synaptic_post", "int32_t"), "weight": ("w", "float")}
        for file, (name, dtype) in arrays.items():
            grown = f'cortex_sim::grow<{dtype}>({_name(synapses.variables[name])}, "wires/{number}.{file}")'
            lines.append(f"{_name(synapses.variables['N'])}[0] = {grown};")
        if problem.model.synapses[wire.synapse].on_pre:
            lines.append(f'cortex_sim::grow<float>({_name(synapses.pre.variables["delay"])}, "wires/{number}.delay");')
        lines += _growing(problem, number, synapses)
    return lines


def _growing(problem: SpikingProblem, number: int, synapses: b2.Synapses) -> list[str]:
    """Return the lines that give every synapse its own states and constants, which are 0 if the card names no initial value."""
    synapse, count = problem.model.synapses[problem.wires()[number].synapse], f"{_name(synapses.variables['w'])}.size()"
    own = sorted((declared(synapse.equations, synapses.name)[0] | {"lastupdate"}) & synapses.variables.keys())
    grown = [synapses.variables[name] for name in own if isinstance(synapses.variables[name], DynamicArrayVariable)]
    grown += [synapses.post.variables["delay"]] if synapse.on_post else []
    filled = [f'cortex_sim::grow<double>({_name(synapses.variables[name])}, "wires/{number}.{name}");' for name in synapse.start]
    return [f"{_name(variable)}.resize({count});" for variable in grown] + filled


def _saving(problem: SpikingProblem, circuit: Circuit) -> list[str]:
    lines = ["using namespace brian;"]
    for kind, monitor in circuit.monitors.items():
        for name in ("i", "t"):
            array = _name(monitor.variables[name])
            lines.append(f'cortex_sim::write("results/{kind}.{name}", {array}.data(), {array}.size());')
    for kind, group in circuit.groups.items():
        for name in problem.states(kind):
            array = _name(group.variables[name])
            lines.append(f'cortex_sim::write("results/{kind}.{name}.last", {array}, _num_{array});')
    return [*lines, "std::fflush(nullptr);", "std::_Exit(0);"]  # what Brian2 would write besides is every synapse


def _name(variable: object) -> str:
    return str(b2.device.get_array_name(variable, access_data=False))


def _compile(folder: Path, name: str) -> None:
    from cortex_sim.errors import FileProblem

    command = [COMPILER, *get_compiler_and_args()[1], "-I.", "-c"]
    parts = [[*command, "united_objects.cpp"], [*command, "-O1", "united_rest.cpp"]]
    for step in (parts, [[COMPILER, "united_objects.o", "united_rest.o", "-o", "main"]]):
        running = [subprocess.Popen(part, cwd=folder, stderr=subprocess.PIPE, text=True) for part in step]  # noqa: S603
        said = "".join(one.communicate()[1] for one in running)
        if any(one.returncode for one in running):
            found = next((line for line in said.splitlines() if "error" in line), said[-300:])
            raise FileProblem(f"{folder}: the compiler refused the program of {name}: {found.strip()}")
