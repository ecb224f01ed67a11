"""Equation text as MathML, for a notebook: the text that runs, typeset with its units."""

import ast
import html

from cortex_sim.cards._grammar import FLAGS, KINDS, Line, read_lines

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ",
    "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Delta": "Δ", "Sigma": "Σ", "Phi": "Φ", "Omega": "Ω",
}  # fmt: skip
STRENGTH = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 4, ast.Pow: 5}
SIGNS = {ast.Add: "<mo>+</mo>", ast.Sub: "<mo>−</mo>", ast.Mult: "<mo>&#x2062;</mo><mspace width='.2em'/>"}
COMPARED = {ast.Lt: "&lt;", ast.LtE: "≤", ast.Gt: "&gt;", ast.GtE: "≥", ast.Eq: "=", ast.NotEq: "≠"}


def as_mathml(text: str) -> str:
    """Return every line of checked equation text as a block of MathML."""
    return "".join(f"<div style='margin:.4em 0'>{_line(line)}</div>" for line in read_lines(text, "equations:", FLAGS, logic=True, kinds=KINDS))


def _line(line: Line) -> str:
    unit, left = line.unit, _name(line.name)
    if line.derivative:
        left = f"<mfrac><mrow><mi>d</mi>{left}</mrow><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>"
        unit = f"{unit}/second"
    equal = "" if line.right is None else f"<mo>=</mo>{_set(line.right)}"
    stated = "" if unit == "1" else f"<mspace width='2em'/><mtext>{html.escape(unit)}</mtext>"
    return f"<math display='inline' displaystyle='true'><mrow>{left}{equal}{stated}</mrow></math>"


def _name(name: str) -> str:
    head, *rest = name.split("_")
    base = f"<mi>{html.escape(GREEK.get(head, head))}</mi>"
    return f"<msub>{base}<mtext>{html.escape(' '.join(GREEK.get(part, part) for part in rest))}</mtext></msub>" if rest and head else base


def _set(node: ast.expr, outer: int = 0) -> str:  # noqa: PLR0911 - one return for each kind of node
    """Return an expression as MathML, in brackets if the expression around it binds more tightly."""
    match node:
        case ast.Name(id=name):
            return _name(name)
        case ast.Constant(value=value):
            return f"<mn>{value!r}</mn>"
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _bracketed(f"<mo>−</mo>{_set(inner, 2)}", outer > 1)
        case ast.UnaryOp(operand=inner):
            return _set(inner, outer)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return f"<mfrac><mrow>{_set(left)}</mrow><mrow>{_set(right)}</mrow></mfrac>"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"<msup><mrow>{_set(left, 6)}</mrow><mrow>{_set(right)}</mrow></msup>"
        case ast.BinOp(left=left, op=sign, right=right):
            strength = STRENGTH[type(sign)]
            whole = f"{_set(left, strength)}{SIGNS[type(sign)]}{_set(right, strength + isinstance(sign, ast.Sub))}"
            return _bracketed(whole, strength < outer)
        case ast.Compare(left=left, ops=[sign], comparators=[right]):
            return _bracketed(f"{_set(left, 1)}<mo>{COMPARED[type(sign)]}</mo>{_set(right, 1)}", outer > 0)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            inside = "<mo>,</mo>".join(_set(argument) for argument in arguments)
            return f"<mrow>{_name(name)}<mo>&#x2061;</mo><mo>(</mo>{inside}<mo>)</mo></mrow>"
    return f"<mtext>{html.escape(ast.unparse(node))}</mtext>"


def _bracketed(inner: str, needed: bool) -> str:
    return f"<mrow><mo>(</mo>{inner}<mo>)</mo></mrow>" if needed else f"<mrow>{inner}</mrow>"
