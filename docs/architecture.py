"""Draw the rooms of the package and what imports what, from its files: `python docs/architecture.py` writes architecture.md and .svg."""

import ast
import sys
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cortex_sim"
WIDTH, HEIGHT, GAP, LEFT, RISE = 330, 46, 26, 430, 40
INK, LINE, FILL = "#1c2430", "#8aa4c8", "#f4f6f9"


def floors() -> list[list[str]]:
    """Rooms by floor, the highest first, as import-linter holds them; the command line on top and what is no folder are left out."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = [[part.strip().removeprefix("cortex_sim.") for part in layer.split("|")] for layer in layers]
    return [rooms for floor in named if (rooms := [room for room in floor if (PACKAGE / room).is_dir() and room != "cli"])]


def imports() -> Counter[tuple[str, str]]:
    """How many import statements lead from one room to another."""
    found: Counter[tuple[str, str]] = Counter()
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cortex_sim."):
                other = (node.module or "").split(".")[1]
                if room not in (other, "cli") and (PACKAGE / room).is_dir() and (PACKAGE / other).is_dir():
                    found[room, other] += 1
    return found


def sentence(room: str) -> str:
    """The first sentence of what a room says of itself."""
    return (ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))) or "").split("\n")[0]


def picture(rooms: list[list[str]], edges: Counter[tuple[str, str]]) -> str:
    """Boxes on their floors; a line from each room to the rooms below that it imports, thicker for more imports."""
    place, parts, left = {}, [], {names[0] for names in rooms if len(names) > 1}
    for floor, names in enumerate(rooms):
        for column, name in enumerate(names):
            width = (WIDTH - GAP * (len(names) - 1)) / len(names)
            place[name] = (LEFT + column * (width + GAP), 10 + floor * (HEIGHT + GAP), width)
    for (above, below), count in sorted(edges.items()):
        (x, y, width), (u, v, wide) = place[above], place[below]
        far = RISE + 22 * (list(place).index(below) - list(place).index(above))
        y, v = y + HEIGHT / 2, v + HEIGHT / 2
        x, u, far = (x, u, -far) if {above, below} & left else (x + width, u + wide, far)
        curve = f"M{x:.0f},{y:.0f} C{x + far:.0f},{y:.0f} {u + far:.0f},{v:.0f} {u:.0f},{v:.0f}"
        parts.append(f'<path d="{curve}" fill="none" stroke="{LINE}" stroke-opacity=".55" stroke-width="{1 + count**0.5 / 2:.1f}"/>')
    for name, (x, y, width) in place.items():
        parts.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{HEIGHT}" rx="6" fill="{FILL}" stroke="{INK}"/>')
        parts.append(f'<text x="{x + width / 2:.0f}" y="{y + HEIGHT / 2 + 6:.0f}" text-anchor="middle">{name}</text>')
    for floor in range(len(rooms)):
        y = 10 + floor * (HEIGHT + GAP) + HEIGHT / 2 + 5
        parts.append(f'<text x="{LEFT - 160}" y="{y:.0f}" text-anchor="end" fill="#5b6676">floor {len(rooms) - floor}</text>')
    height = len(rooms) * (HEIGHT + GAP) + 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="200 0 860 {height}" font-family="sans-serif" font-size="16" fill="{INK}">'
    return "\n".join([head, "<title>Rooms of cortex_sim and what imports what</title>", *parts, "</svg>"]) + "\n"


def page(rooms: list[list[str]], edges: Counter[tuple[str, str]]) -> str:
    """The page around the picture."""
    lines = [
        "# Architecture", "", "Eleven rooms on their floors; a file imports only from lower floors; rooms on one floor do not import each other.",
        "Written by `python docs/architecture.py` from the package itself.", "", "![rooms and imports](architecture.svg)", "",
        "| floor | room | what it is | imports from |", "|---|---|---|---|",
    ]  # fmt: skip
    for floor, names in enumerate(rooms):
        for name in names:
            below = ", ".join(f"{other} ({count})" for (room, other), count in sorted(edges.items(), key=lambda item: -item[1]) if room == name)
            lines.append(f"| {len(rooms) - floor} | `{name}/` | {sentence(name)} | {below or 'no room'} |")
    lines += [
        "",
        "`errors.py` is below all rooms and `cli/` above them. Each room's `__init__.pyi` lists its public names; modules that start with `_` are",
        "imported only inside their room. `cortex_sim/__init__.pyi` is the front door: protocols and notebooks need nothing deeper.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Write the page and its picture."""
    rooms, edges = floors(), imports()
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    (target / "architecture.md").write_text(page(rooms, edges), encoding="utf-8")
    (target / "architecture.svg").write_text(picture(rooms, edges), encoding="utf-8")


if __name__ == "__main__":
    main()
