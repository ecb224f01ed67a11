r"""Pieces of LaTeX: text escaped, numbers, units, and the equations of a card typeset from their checked trees."""

import ast

from cortex_sim.cards._grammar import FLAGS, KINDS, Line, Statement, read_expression, read_lines, read_statements
from cortex_sim.cards._mathml import GREEK
from cortex_sim.cards._typeset import Marks, typeset
from cortex_sim.cards._units import written_unit

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "−": "$-$", "×": r"$\times$", "±": r"$\pm$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "≈": r"$\approx$", "√": r"$\surd$", "∞": r"$\infty$", "·": r"$\cdot$", "°": r"$^\circ$",
    "…": r"\ldots{}", "–": "--", "—": "---", "²": "$^2$", "³": "$^3$", "ᵀ": r"$^\mathsf{T}$", "µ": r"$\mu$",
} | {sign: rf"$\{name}$" for name, sign in GREEK.items()}  # fmt: skip
SIGNS: dict[type[ast.AST], str] = {
    ast.Add: " + ", ast.Sub: " - ", ast.USub: "-", ast.Mult: r"\,", ast.Mod: r"\ \mathrm{mod}\ ", ast.Lt: " < ", ast.LtE: r" \leq ", ast.Gt: " > ",
    ast.GtE: r" \geq ", ast.Eq: " = ", ast.NotEq: r" \neq ", ast.And: r" \wedge ", ast.Or: r" \vee ", ast.Not: r"\neg ",
}  # fmt: skip
WHOLE = {
    "volt": "V", "amp": "A", "second": "s", "siemens": "S", "farad": "F", "hertz": "Hz", "ohm": r"\Omega", "newton": "N", "watt": "W", "metre": "m",
    "meter": "m", "gram": "g", "radian": "rad",
}  # fmt: skip


def escaped(text: str) -> str:
    """Return a text for LaTeX, on one line, every sign that LaTeX would read as a command escaped."""
    return "".join(SPECIAL.get(sign, sign) for sign in " ".join(text.split()))


def number(value: float) -> str:
    """Return a number in the mathematics of LaTeX, to ten digits."""
    digits, _, exponent = f"{value:.10g}".partition("e")
    if not exponent:
        return digits
    return (rf"{digits} \times " if digits != "1" else "") + f"10^{{{int(exponent)}}}"


def name(word: str) -> str:
    r"""Return a name of a card: Greek letters by their names, ``tau_m`` as a letter with an index, words upright."""
    head, *rest = word.split("_")
    if not head:
        return rf"\mathrm{{{escaped(word)}}}"
    base = rf"\{head}" if head in GREEK else head if len(head) == 1 else rf"\mathrm{{{head}}}"
    index = r"\,".join(rf"\{part}" if part in GREEK else rf"\mathrm{{{part}}}" for part in rest if part)
    return f"{base}_{{{index}}}" if index else base


def unit(text: str) -> str:
    """Return a unit in upright symbols of the SI, in the mathematics of LaTeX; empty without one."""
    if text in KINDS:
        return rf"\mathrm{{{text}}}"
    return "" if text == "1" else typeset(ast.parse(written_unit(text), mode="eval").body, UNITS)


def _symbol(word: str) -> str:
    whole = next((known for known in WHOLE if word.endswith(known)), "")
    prefix, symbol = (word.removesuffix(whole), WHOLE[whole]) if whole else ("", word)
    if not whole and len(word) > 1 and word[0] == "u":
        prefix, symbol = "u", word[1:]
    return rf"\mu\mathrm{{{symbol}}}" if prefix == "u" else rf"\mathrm{{{prefix}{symbol}}}"


def _called(word: str, inside: list[str]) -> str:
    return rf"{name(word)}\left({', '.join(inside)}\right)"


MARKS = Marks(
    name=name, number=number, sign=SIGNS, bracketed=lambda inner: rf"\left({inner}\right)", grouped=lambda inner: inner,
    fraction=lambda over, under: rf"\frac{{{over}}}{{{under}}}", power=lambda base, exponent: f"{{{base}}}^{{{exponent}}}", called=_called,
    floor=lambda inner: rf"\left\lfloor {inner} \right\rfloor",
)  # fmt: skip
UNITS = MARKS._replace(name=_symbol, fraction=lambda over, under: f"{over}/{under}")


def equations(text: str) -> list[str]:
    """Return each line of equation text in the mathematics of LaTeX; what is given from outside is a name with its unit."""
    return [_equation(line) for line in read_lines(text, "equations:", FLAGS, logic=True, kinds=KINDS)]


def _equation(line: Line) -> str:
    left, stated = name(line.name), unit(line.unit)
    if line.derivative:
        left = rf"\frac{{\mathrm{{d}} {left}}}{{\mathrm{{d}} t}}"
    return f"{left} = {typeset(line.right, MARKS)}" if line.right else rf"{left}\ " + (rf"\left[{stated}\right]" if stated else "")


def statements(text: str) -> list[str]:
    """Return each assignment in the mathematics of LaTeX: what stands left of the arrow becomes what stands right of it."""
    return [rf"{name(part.name)} \leftarrow {typeset(_right(part), MARKS)}" for part in read_statements(text, "statements:")]


def _right(part: Statement) -> ast.expr:
    """Return what is assigned, where ``v += w`` is v + w."""
    operators = {"+=": ast.Add(), "-=": ast.Sub(), "*=": ast.Mult(), "/=": ast.Div()}
    return part.right if part.sign == "=" else ast.BinOp(ast.Name(part.name), operators[part.sign], part.right)


def condition(text: str) -> str:
    """Return a condition or a duration in the mathematics of LaTeX."""
    return typeset(read_expression(text, "condition:", logic=True), MARKS)


def words(text: str) -> str:
    """Return a name of a card in type of one width, as in its file; it may be broken after an underscore."""
    broken = escaped(text).replace(r"\_", r"\_\allowbreak{}")
    return rf"\texttt{{{broken}}}"
