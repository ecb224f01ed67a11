"""The command line: exit codes, one clear message, and nothing slow or half written."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from cortex_sim import cli
from cortex_sim.cards import catalogue

ROOT = Path(__file__).parents[1]
BAD_INPUT, INTERRUPTED = 2, 130


def command(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cortex_sim", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False)


def refusal(*arguments: object, cwd: Path = ROOT) -> str:
    """What is said when something is refused: on standard error, without a traceback; by a fork of this process, which has everything imported."""
    with tempfile.TemporaryFile("w+") as said:
        if not (process := os.fork()):
            refused(said.fileno(), cwd, [str(argument) for argument in arguments])
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        said.seek(0)
        message = said.read()
    assert code == BAD_INPUT, message
    assert "Traceback" not in message
    return message


def refused(said: int, cwd: Path, arguments: list[str]) -> None:
    """Be the command line, and end."""
    code = 70
    try:
        os.chdir(cwd)
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(said, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        sys.argv = ["cortex-sim", *arguments]
        cli.main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stderr.flush()
        os._exit(code)


def test_list_names_every_shipped_file() -> None:
    found = command("list").stdout
    for name, path in (catalogue.models() | catalogue.protocols()).items():
        assert name in found and catalogue.describe(path) in found
    assert "match" not in command("list", "models").stdout and "gru" not in command("list", "protocols").stdout


def test_list_loads_no_simulator() -> None:
    probe = "import sys; sys.argv[1:] = ['list']; from cortex_sim.cli import app; app(standalone_mode=False); print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    assert not [name for name in ("brian2", "torch", "matplotlib", "scipy", "xarray") if f"'{name}'" in modules]


def test_show_prints_the_file() -> None:
    assert command("show", "hennequin_2014").stdout.strip() == (ROOT / "models/rate/hennequin_2014.toml").read_text().strip()
    assert command("show", "match").stdout.startswith('"""Does a network')


def test_show_writes_a_file_and_a_card_as_tables(tmp_path: Path) -> None:
    done = command("show", "lif", "--latex", "--out", tmp_path / "lif.tex")
    assert done.returncode == 0 and "as tables of LaTeX" in done.stdout
    assert (tmp_path / "lif.tex").read_text(encoding="utf-8") == catalogue.load("lif").latex()
    assert "exists already" in refusal("show", "lif", "--out", tmp_path / "lif.tex")
    assert "match is a protocol; --latex writes tables of a card" in refusal("show", "match", "--latex")


@pytest.mark.long
def test_check_hands_every_card_to_brian2() -> None:
    done = command("check", "--all")
    assert done.returncode == 0
    assert done.stdout.count("Brian2 accepts") == len(catalogue.models())


def test_check_hands_a_card_to_brian2() -> None:
    done = command("check", "lif")
    assert done.returncode == 0 and done.stdout.count("Brian2 accepts") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('tau = { value = 20, unit = "ms"', 'tau = { value = 20, unit = "mV"'), "with tau in mV"),
        (("W(r)", "W(q)"), r"'q', which no parameter, input or projection gives"),
        (('title = "', 'tittle = "'), "[tittle] is no key of a card. Did you mean 'title'?"),
        (('unit = "ms", meaning = "time constant"', 'unit = "msek", meaning = "time constant"'), "unit 'msek' is unknown. Did you mean"),
    ],
)
def test_check_says_what_is_wrong_with_a_card(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    card = tmp_path / "mine.toml"
    card.write_text((ROOT / "models/rate/murphy_miller_2009.toml").read_text().replace(*change))
    found = refusal("check", card)
    assert message in found and "mine" in found and found.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "mach"), "protocol 'mach' is unknown. Did you mean 'match'?"),
        (("run", "match", "--model", "hennequin2014"), "model 'hennequin2014' is unknown. Did you mean 'hennequin_2014'?"),
        (("show", "gruu"), "'gruu' is unknown. Did you mean 'gru'?"),
        (("run", "absent.py"), "absent.py: there is no such file."),
        (("check",), "give either a name or --all"),
        (("run", "match", "--recording", "absent.npz"), "absent.npz: there is no such file."),
        (("run", "match", "--out", "tests"), "tests: exists already, and a finished run is never overwritten."),
        (("run", "match", "--seed", "-1"), "--seed"),
        (("simulate",), "simulate"),
    ],
)
def test_bad_arguments_are_refused_with_one_message(arguments: tuple[str, ...], message: str) -> None:
    assert message in refusal(*arguments)


def test_a_recording_with_a_gap_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    rates = np.ones((8, 120, 8))
    rates[3, 7, 2] = np.nan
    np.savez(tmp_path / "gap.npz", firing_rate=rates, time_ms=np.arange(-600, 600, 10))
    found = refusal("run", "match", "--recording", tmp_path / "gap.npz", cwd=tmp_path)
    assert "gap.npz: trials: rate is not finite at 1 places, first at trial 2, bin 7, unit 3" in found
    assert not (tmp_path / "runs").exists()


def test_a_teacher_of_hidden_units_and_a_recording_without_the_movement_are_refused(tmp_path: Path) -> None:
    assert "gru: its units are hidden behind a readout" in refusal("run", "match", "--model", "gru", "--out", tmp_path / "x")
    assert "montbrio_2015: units have the states r, v; mechanism" in refusal("run", "mechanism", "--model", "montbrio_2015", "--out", tmp_path / "x")
    np.savez(tmp_path / "early.npz", firing_rate=np.random.default_rng(0).gamma(2.0, size=(8, 40, 8)), time_ms=np.arange(-800, -400, 10))
    found = refusal("run", "match", "--recording", tmp_path / "early.npz", "--out", tmp_path / "x")
    assert "early.npz: window -0.3 to 0.4 s holds 0 bins" in found and "needs the movement" in found


def test_a_protocol_that_does_not_import_or_lacks_an_option_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    assert "broken.py: cannot be imported: ModuleNotFoundError" in refusal("run", tmp_path / "broken.py")
    (tmp_path / "plain.py").write_text('"""Why?"""\nMODEL = "murphy_miller_2009"\ndef run(model, *, seed, smoke): ...\n')
    assert "has no option --recording." in refusal("run", tmp_path / "plain.py", "--recording", "x.npz")


FAILING = '''"""Does a failed claim fail the run?"""
from cortex_sim import Claim, Report
MODEL = "murphy_miller_2009"
def run(model, *, seed, smoke):
    claims = [Claim("one is two", 1.0, 2.0, 2.0, "arithmetic")]
    return Report(title="t", question="q", answer=f"seed {seed}", findings={"Besides": "more."}, claims=claims, seed=seed)
'''


def test_a_failed_claim_exits_1_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    done = command("run", "failing.py", "--seed", 3, "--out", "a", cwd=tmp_path)
    assert done.returncode == 0 and "FAILS" in done.stdout and "Besides. more.\n" in done.stdout and "report: a/report.html" in done.stdout
    assert command("run", "failing.py", "--check", "--out", "b", cwd=tmp_path).returncode == 1
    claims = json.loads((tmp_path / "b/claims.json").read_text())
    assert claims == [{"text": "one is two", "found": 1.0, "low": 2.0, "high": 2.0, "source": "arithmetic", "holds": False}]
    run = json.loads((tmp_path / "a/run.json").read_text())
    assert "failing.py --seed 3 --out a" in run["command"]
    made = {"name": "failing", "file": str(tmp_path / "failing.py"), "sha256": hashlib.sha256(FAILING.encode()).hexdigest()}
    assert run["protocol"] == made


PRINTS = FAILING.replace("    claims =", "    print('mine')\n    if seed == 5:\n        1 / 0\n    claims =")


def test_a_protocol_that_raises_is_told_its_line_and_one_that_prints_leaves_json_alone(tmp_path: Path) -> None:
    (tmp_path / "prints.py").write_text(PRINTS)
    line = PRINTS.splitlines().index("        1 / 0") + 1
    raised = command("run", "prints.py", "--seed", 5, "--out", "a", cwd=tmp_path)
    assert raised.returncode == 2 and "Traceback" not in raised.stderr and not (tmp_path / "a").exists()
    assert re.search(rf"cortex-sim: \S*prints.py, line {line}: ZeroDivisionError: division by zero", raised.stderr)
    for arguments in (
        ["run", "prints.py", "--out", "b"],
        ["run", "prints.py", "--out", "b", "--resume"],
        ["sweep", "prints.py", "--jobs", 2, "--out", "c"],
    ):
        done = command(*arguments, "--json", cwd=tmp_path)
        assert done.returncode == 0 and set(json.loads(done.stdout)) >= {"report", "holds", "claims"}, done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals of process groups are POSIX")
def test_ctrl_c_says_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cortex_sim", "run", "match", "--model", "murphy_miller_2009", "--out", "x"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    time.sleep(6)  # s; into the simulation or the training
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (INTERRUPTED, -signal.SIGINT)  # CPython ends itself by the signal where it came within eval(); shells call both 130
    assert "interrupted; no report was written" in said and "Traceback" not in said
    if list(tmp_path.iterdir()):  # something was done that is worth keeping
        assert not (tmp_path / "x/report.html").exists() and (tmp_path / "x/unfinished.json").exists()
        assert "Go on with it by: cortex-sim run match --model murphy_miller_2009 --out x --resume" in said
    else:
        assert "Nothing was done that could be kept." in said


def test_simulated_spikes_become_nwb_and_come_back(tmp_path: Path) -> None:
    from cortex_sim import load, simulate
    from cortex_sim.tasks._free import spontaneous
    from cortex_sim.trials._trials import Trials

    simulate(load("lif"), spontaneous(0.1), target="numpy").save(tmp_path / "a.nc")
    for given, made in (("a.nc", "b.nwb"), ("b.nwb", "c.nc")):
        done = command("convert", str(tmp_path / given), str(tmp_path / made))
        assert done.returncode == 0 and "41 units" in done.stdout
    first, last = (Trials.load(tmp_path / name).spikes for name in ("a.nc", "c.nc"))
    assert (first.unit == last.unit).all() and abs(first.time - last.time).max() < 1e-12
    refused = command("convert", str(tmp_path / "a.nc"), str(tmp_path / "a.xls"))
    assert refused.returncode == 2 and "suffix '.xls' is unknown; write .nwb, .csv or .nc." in refused.stderr
    assert "exists already" in command("convert", str(tmp_path / "a.nc"), str(tmp_path / "b.nwb")).stderr


def test_a_circuit_is_exported_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    pytest.importorskip("nir")
    out = tmp_path / "a.nir"
    refused = command("export", "lif", "--out", str(out))
    assert refused.returncode == 2 and "(--without refractory)" in refused.stderr and not out.exists()
    done = command("export", "lif", "--out", str(out), "--without", "refractory")
    assert done.returncode == 0 and done.stdout == f"{out}: lif, without refractory period: t_ref\n"
    assert "exists already" in command("export", "lif", "--out", str(out)).stderr


def test_scale_and_target_belong_to_spiking_circuits() -> None:
    assert "--scale applies to spiking circuits" in command("run", "match", "--scale", "0.5").stderr
    assert "[scale] is below 1" in command("run", "layered_motor_cortex", "--scale", "0.5").stderr
