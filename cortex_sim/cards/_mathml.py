"""Equation text as MathML, for a notebook: the text that runs, typeset with its units."""

import ast
import html

from cortex_sim.cards._grammar import FLAGS, KINDS, Line, read_lines
from cortex_sim.cards._typeset import Marks, typeset

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ",
    "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Delta": "Δ", "Sigma": "Σ", "Phi": "Φ", "Omega": "Ω",
}  # fmt: skip
SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "<mo>+</mo>", ast.Sub: "<mo>−</mo>", ast.USub: "<mo>−</mo>", ast.Mult: "<mo>&#x2062;</mo><mspace width='.2em'/>",
    ast.Mod: "<mo>mod</mo>", ast.Lt: "<mo>&lt;</mo>", ast.LtE: "<mo>≤</mo>", ast.Gt: "<mo>&gt;</mo>", ast.GtE: "<mo>≥</mo>", ast.Eq: "<mo>=</mo>",
    ast.NotEq: "<mo>≠</mo>", ast.And: "<mo>∧</mo>", ast.Or: "<mo>∨</mo>", ast.Not: "<mo>¬</mo>",
}  # fmt: skip


def as_mathml(text: str) -> str:
    """Return every line of checked equation text as a block of MathML."""
    return "".join(f"<div style='margin:.4em 0'>{_line(line)}</div>" for line in read_lines(text, "equations:", FLAGS, logic=True, kinds=KINDS))


def _line(line: Line) -> str:
    unit, left = line.unit, _name(line.name)
    if line.derivative:
        left = f"<mfrac><mrow><mi>d</mi>{left}</mrow><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>"
        unit = f"{unit}/second"
    equal = "" if line.right is None else f"<mo>=</mo>{typeset(line.right, MARKS)}"
    stated = "" if unit == "1" else f"<mspace width='2em'/><mtext>{html.escape(unit)}</mtext>"
    return f"<math display='inline' displaystyle='true'><mrow>{left}{equal}{stated}</mrow></math>"


def _name(name: str) -> str:
    head, *rest = name.split("_")
    base = f"<mi>{html.escape(GREEK.get(head, head))}</mi>"
    return f"<msub>{base}<mtext>{html.escape(' '.join(GREEK.get(part, part) for part in rest))}</mtext></msub>" if rest and head else base


MARKS = Marks(
    name=_name, number=lambda value: f"<mn>{value!r}</mn>", sign=SIGNS,
    bracketed=lambda inner: f"<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>", grouped=lambda inner: f"<mrow>{inner}</mrow>",
    fraction=lambda over, under: f"<mfrac><mrow>{over}</mrow><mrow>{under}</mrow></mfrac>",
    power=lambda base, exponent: f"<msup><mrow>{base}</mrow><mrow>{exponent}</mrow></msup>",
    called=lambda name, inside: f"<mrow>{_name(name)}<mo>&#x2061;</mo><mo>(</mo>{'<mo>,</mo>'.join(inside)}<mo>)</mo></mrow>",
    floor=lambda inner: f"<mrow><mo>⌊</mo>{inner}<mo>⌋</mo></mrow>",
)  # fmt: skip
