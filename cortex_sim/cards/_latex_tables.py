r"""Tables of a card in LaTeX, after Nordlie, Gewaltig & Plesser (2009) PLoS Comput Biol 5:e1000456: the parts that every kind of card has."""

import string
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from cortex_sim.cards._latex import escaped, name, number, unit, words

PACKAGES = r"\usepackage{amsmath,array,longtable}"
LIST, COLUMNS, ROWS = 8, 12, 40  # numbers on a line, and of a matrix that is written out
NONE = "---"
NUMBERS = ("Name", "Value", "Unit", "Meaning", "Source")
WIDE = (0.17, 0.2, 0.1, 0.28, 0.25)
Row = tuple[str, ...]


class Section(NamedTuple):
    """A table: its title, the headings of its columns with their shares of the line, and its rows, all in LaTeX."""

    title: str
    header: Row
    widths: tuple[float, ...]
    rows: Sequence[Row]


class Matrix(NamedTuple):
    """Numbers that take a table of their own, with the names of rows and columns in LaTeX."""

    title: str
    rows: list[str]
    columns: list[str]
    values: Any


def document(model: Any, sections: Iterable[Section], matrices: Iterable[Matrix]) -> str:
    r"""Return tables as a file to ``\input``, whose first lines say what it is and which packages it needs."""
    found = [section for section in sections if section.rows]
    parts = [_section(letter, section) for letter, section in zip(string.ascii_uppercase, found, strict=False)]
    parts += [_matrix(letter, matrix) for letter, matrix in zip(string.ascii_uppercase[len(found) :], matrices, strict=False)]
    about = " ".join(f"{model.name}: {model.title}. {model.paper}".split())
    return f"% {about}\n% Tables after Nordlie, Gewaltig & Plesser (2009). In the preamble: {PACKAGES}\n" + "\n".join(parts)


def _section(letter: str, section: Section) -> str:
    columns = "|".join(rf">{{\raggedright\arraybackslash}}p{{\dimexpr {width:g}\linewidth-2\tabcolsep\relax}}" for width in section.widths)
    head = rf"\hline \multicolumn{{{len(section.widths)}}}{{|l|}}{{\textbf{{{letter}\quad {section.title}}}}} \\ \hline"
    named = " & ".join(rf"\textbf{{{heading}}}" for heading in section.header)
    rows = "\n".join(rf"{' & '.join(row)} \\ \hline" for row in section.rows)
    return f"\\begin{{longtable}}{{|{columns}|}}\n{head}\n" + (f"{named} \\\\ \\hline\n" if named else "") + f"{rows}\n\\end{{longtable}}\n"


def _matrix(letter: str, matrix: Matrix) -> str:
    wide = r"|>{\raggedright\arraybackslash}p{0.95\linewidth}|"
    head = rf"\hline \multicolumn{{{len(matrix.columns) + 1}}}{{{wide}}}{{\textbf{{{letter}\quad {matrix.title}}}}} \\ \hline"
    rows = [["", *matrix.columns]]
    rows += [[label, *(f"${number(one)}$" for one in line)] for label, line in zip(matrix.rows, matrix.values, strict=True)]
    body = "\n".join(rf"{' & '.join(cells)} \\ \hline" for cells in rows)
    columns = f"|l|{'r|' * len(matrix.columns)}"
    return f"{{\\footnotesize\\setlength{{\\tabcolsep}}{{3pt}}\n\\begin{{longtable}}{{{columns}}}\n{head}\n{body}\n\\end{{longtable}}}}\n"


def summary(model: Any, rows: dict[str, str]) -> Section:
    """Return the table that tells what the model is."""
    first = {"Model": escaped(f"{model.title} ({model.name})"), "Source": escaped(model.paper)}
    last = {"Integration": rf"step $dt$ = {quantity(model.dt)}"} | ({"Notes": escaped(model.notes)} if model.notes.strip() else {})
    table = first | rows | last
    return Section("Model summary", (), (0.2, 0.8), [(rf"\textbf{{{heading}}}", text or NONE) for heading, text in table.items()])


def lines(formulas: Iterable[str]) -> str:
    """Return formulas of a cell, each on a line of its own."""
    return r" \newline ".join(rf"$\displaystyle {formula}$" for formula in formulas)


def quantity(part: Any) -> str:
    """Return a number with its unit, or how many numbers there are."""
    return value(part) + ("" if part.unit == "1" else rf"\,${unit(part.unit)}$")


def value(part: Any) -> str:
    """Return the value of a number, a list, a distribution or a table of a card, without its unit."""
    if getattr(part, "learn", False):
        return "learned"
    array = np.array(part.value, dtype=float)
    many = " $\\times$ ".join(map(str, array.shape))
    text = f"${number(float(array))}$" if not array.ndim else ", ".join(f"${number(one)}$" for one in array) if _short(array) else f"{many} numbers"
    if sd := getattr(part, "sd", 0.0):
        text += rf", relative standard deviation ${number(sd)}$"
    match getattr(part, "shape", None):
        case "uniform":
            text += rf" $\pm {number(part.width)}$, uniform"
        case "normal":
            text += rf", normal with standard deviation ${number(part.width)}$"
        case "lorentzian":
            text += rf", Lorentzian of half-width ${number(part.width)}$"
    return text + (", evenly spaced" if getattr(part, "evenly", False) else "")


def _short(array: Any) -> bool:
    return bool(array.ndim == 1 and array.size <= LIST)


def row(shown: str, part: Any) -> Row:
    """Return the row of a number: its name in LaTeX, value, unit, meaning and source."""
    return shown, value(part), stated(part), escaped(part.meaning) or NONE, escaped(part.source) or NONE


def stated(part: Any) -> str:
    """Return the unit of a part in LaTeX."""
    return NONE if part.unit == "1" else f"${unit(part.unit)}$"


def symbol(word: str, of: str = "", start: bool = False) -> str:
    """Return the name of a number as its equations have it, and whose it is."""
    return f"${name(word)}{'(0)' if start else ''}$" + (f" ({words(of)})" if of else "")


def matrices(parts: dict[str, tuple[Any, list[str], list[str]]]) -> list[Matrix]:
    """Return the tables of numbers that have rows and columns, if they are not too large; their names, where they fit, else counts."""
    found = []
    for title, (part, rows, columns) in parts.items():
        array = np.array(part.value, dtype=float)
        if array.ndim != 2 or array.shape[0] > ROWS or array.shape[1] > COLUMNS:
            continue
        targets, sources = (words_or_counts(names, size) for names, size in zip((rows, columns), array.shape, strict=True))
        about = f"{words(title)}: {escaped(part.meaning)}" + (f" (${unit(part.unit)}$)" if part.unit != "1" else "")
        found.append(Matrix(about + ("; rows are targets, columns sources" if columns else ""), targets, sources, array))
    return found


def words_or_counts(names: list[str], size: int) -> list[str]:
    """Return names in LaTeX, or 1, 2, ... where there are not as many names as rows or columns."""
    return [words(each) for each in names] if len(names) == size else [str(each) for each in range(1, size + 1)]
