"""Cards in LaTeX: every part of a card is there, every formula parses, environments close, and text of a card is only text."""

import re
import shutil
import subprocess
from pathlib import Path

import matplotlib.mathtext
import pytest

from cortex_sim.cards import Model, SpikingModel, _latex, catalogue, load

MATHS = re.compile(r"(?<!\\)\$(.*?)(?<!\\)\$", re.DOTALL)
COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)", re.DOTALL)
WORDS = r"""\begin \end \hline \multicolumn \textbf \texttt \quad \raggedright \arraybackslash \dimexpr \linewidth \tabcolsep \relax \displaystyle
\newline \frac \mathrm \left \right \leftarrow \times \pm \leq \geq \neq \wedge \vee \neg \allowbreak \footnotesize \setlength \mu \ldots
\textbackslash \textasciicircum \textasciitilde \textless \textgreater \textbar \mathsf \lfloor \rfloor \Omega \\ \, \_ \& \% \# \$ \{ \}"""
KNOWN = {*re.findall(r"\S+", WORDS), "\\ "} | {rf"\{name}" for name in _latex.GREEK}


def checked(text: str) -> list[list[str]]:
    """The rows of a file's tables, after a check of its braces, environments, commands, columns and formulas."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert set(COMMAND.findall(body)) <= KNOWN, set(COMMAND.findall(body)) - KNOWN
    plain = COMMAND.sub(lambda found: found[0] if found[0][1:].isalpha() else "", body)
    depth = 0
    for sign in plain:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0 and plain.count("$") % 2 == 0
    stack: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        assert kind == "begin" or stack.pop() == name
        stack += [name] if kind == "begin" else []
    assert not stack
    assert body.isascii() or all(sign in "óéüöäñ" for sign in body if not sign.isascii())
    rows = []
    for table in body.split(r"\begin{longtable}")[1:]:
        _, title, *lines = table.split(r"\end{longtable}")[0].strip().splitlines()
        columns = int(re.findall(r"\\multicolumn\{(\d+)\}", title)[0])
        for line in lines:
            cells = re.split(r"(?<!\\)&", line.removesuffix(r" \\ \hline"))
            assert line.endswith(r" \\ \hline") and len(cells) == columns, line
            assert not set('^_#~<>|%"') & set(MATHS.sub("", re.sub(r"\\[^A-Za-z]", "", line))), line
            rows.append([cell.strip() for cell in cells])
    return rows


def numbers(model: Model | SpikingModel) -> int:
    """How many numbers a card gives a meaning or a value."""
    if isinstance(model, Model):
        wired = sum(len(part.arguments) + (part.delay is not None) for part in model.projections.values())
        return len(model.parameters) + wired + len(model.initial_values) + sum(part is not None for part in (model.dt, model.silent, model.spacing))
    neurons = sum(len(part.parameters) + len(part.start) for part in model.neurons.values())
    own = sum(len(part.parameters) for part in model.populations.values()) + sum(len(part.start) for part in model.synapses.values())
    return neurons + own + sum(len(part.arguments) + 1 + (part.delay is not None) for part in model.projections.values()) + 2


@pytest.mark.parametrize("name", sorted(catalogue.models()))
def test_every_part_of_a_card_is_in_its_tables(name: str) -> None:
    model = load(name)
    text = model.latex()
    rows = checked(text)
    first = {row[0] for row in rows}
    assert sum(len(row) == 5 and not row[0].startswith(r"\textbf") for row in rows if len(row) == 5 and r"\textbf{Name}" not in row[0]) >= numbers(
        model
    )
    if isinstance(model, Model):
        assert {f"${_latex.name(key)}$" for key in model.parameters} <= first
        texts = [model.equations]
    else:
        assert {_latex.words(label) for label in model.populations} <= first
        whose = (lambda label: f" ({_latex.words(label)})") if len(model.neurons) > 1 else lambda label: ""
        assert {f"${_latex.name(key)}${whose(label)}" for label, part in model.neurons.items() for key in part.parameters} <= first
        texts = [part.equations for part in (*model.neurons.values(), *model.synapses.values())]
    assert {_latex.words(label) for label in model.projections} | {f"${_latex.name(label)}$" for label in model.inputs} <= first
    assert all(formula in text for part in texts if part.strip() for formula in _latex.equations(part))
    assert _latex.escaped(model.paper) in text


@pytest.mark.parametrize("name", sorted(catalogue.models()))
def test_an_independent_parser_reads_every_formula(name: str) -> None:
    parser = matplotlib.mathtext.MathTextParser("path")
    formulas = {formula.removeprefix(r"\displaystyle ") for formula in MATHS.findall(re.sub(r"\\\$", "", load(name).latex()))}
    assert formulas
    for formula in formulas:
        parser.parse(f"${formula}$")


POWER, FRACTION = re.compile(r"\{([^{}]*)\}\^\{([^{}]*)\}"), re.compile(r"\\frac\{([^{}]*)\}\{([^{}]*)\}")
TEXTS = (
    "a - (b - c)", "a/(b*c)", "(a - b)/c*tau", "(a + b)**2/c", "a**-b", "-(a + b)*c", "(-a)**2", "-a**2", "a/b/c", "a*(b/c)**(a - b)", "a - b*-c",
    "a % (b % c)", "a % b % c", "(a + b) % c", "a*b % c",
)  # fmt: skip


def evaluated(formula: str, **values: float) -> float:
    """The value of a formula of LaTeX made of sums, products, fractions, powers and brackets: read by rules of its own."""
    text = formula.replace(r"\left", "").replace(r"\right", "").replace(r"\,", "*").replace(r"\tau", "tau").replace(r"\ \mathrm{mod}\ ", "%")
    while (changed := FRACTION.sub(r"((\1)/(\2))", POWER.sub(r"((\1)**(\2))", text))) != text:
        text = changed
    return float(eval(text, {"__builtins__": {}}, values))


@pytest.mark.parametrize("text", TEXTS)
def test_a_formula_means_what_the_text_means(text: str) -> None:
    values = {"a": 1.7, "b": 0.6, "c": 2.3, "tau": 1.1}
    formula = _latex.condition(text)
    assert evaluated(formula, **values) == pytest.approx(eval(text, {}, values), rel=1e-12)


def test_logic_remainders_units_and_names_are_set() -> None:
    assert _latex.condition("v > a and not (x < 2 or y % 2 == 1)") == r"v > a \wedge \neg \left(x < 2 \vee y\ \mathrm{mod}\ 2 = 1\right)"
    assert _latex.condition("floor(a // b)") == r"\mathrm{floor}\left(\left\lfloor \frac{a}{b} \right\rfloor\right)"
    assert _latex.statements("v += w/2\nu = c") == [r"v \leftarrow v + \frac{w}{2}", r"u \leftarrow c"]
    assert [_latex.unit(text) for text in ("mV", "uS", "nsiemens", "1", "Hz/mV", "second**-0.5")] == [
        r"\mathrm{mV}", r"\mu\mathrm{S}", r"\mathrm{nS}", "", r"\mathrm{Hz}/\mathrm{mV}", r"{\mathrm{s}}^{-0.5}",
    ]  # fmt: skip
    assert [_latex.name(text) for text in ("tau_m", "v", "rate", "I_syn_post")] == [
        r"\tau_{\mathrm{m}}", "v", r"\mathrm{rate}", r"I_{\mathrm{syn}\,\mathrm{post}}",
    ]  # fmt: skip
    assert [_latex.number(value) for value in (0.1, -65.0, 1e-9, 2.5e12, 1 / 3)] == ["0.1", "-65", "10^{-9}", r"2.5 \times 10^{12}", "0.3333333333"]


HOSTILE = r"""\input{/etc/passwd} $x_1^2$ 100 % & # ~ ^ _ {open } <b> | "q" \end{longtable} \\ \hline"""


def test_text_of_a_card_is_text() -> None:
    """No command of a card's text reaches LaTeX: every backslash of the escaped text begins one of the known commands for a sign."""
    model = load("murphy_miller_2009")
    changed = model.with_arrays({}, title=HOSTILE + "\n% second line", paper=HOSTILE, notes=HOSTILE)
    rows = checked(changed.latex())
    assert len(rows) == len(checked(model.latex())) + (not model.notes)
    escaped = _latex.escaped(HOSTILE)
    signs = {r"\textbackslash{}": "\\", r"\textasciicircum{}": "^", r"\textasciitilde{}": "~", r"\textless{}": "<", r"\textgreater{}": ">"}
    signs |= {r"\textbar{}": "|", "''": '"'} | {rf"\{sign}": sign for sign in "{}$&#%_"}
    back = re.compile("|".join(map(re.escape, signs))).sub(lambda found: signs[found[0]], escaped)
    assert back == HOSTILE


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX here")
@pytest.mark.parametrize("name", sorted(catalogue.models()))
def test_tex_sets_the_tables(name: str, tmp_path: Path) -> None:
    head = "\\documentclass{article}\n\\usepackage{amsmath,array,longtable}\n\\begin{document}\n"
    (tmp_path / "paper.tex").write_text(head + load(name).latex() + "\\end{document}\n", encoding="utf-8")
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
