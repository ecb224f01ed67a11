"""Write the course in English and in Chinese from its notebooks: `python docs/write_course.py` fills docs/course/, which git ignores.

Notebooks 11 to 16 are executed, again only if they or the package changed; both languages show the same code, formulas and figures. Chinese text
stands in docs/course.zh.toml, a cell for a cell.
"""

import base64
import hashlib
import json
import os
import re
import tomllib
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from cortex_sim.runtime import code_key

ROOT = Path(__file__).parents[1]
FOLDER, CHINESE = ROOT / "docs/course", ROOT / "docs/course.zh.toml"
LESSONS = sorted((ROOT / "notebooks").glob("1[1-6]_*.ipynb"))
ENGLISH_FRONT = """# The course

Six lessons, from one neuron to motor cortex as a network. They are the notebooks 11 to 16, executed; open these to change numbers and to do the
exercises. [中文版](zh/index.md)
"""
CHINESE_FRONT = """# 课程

六课，从一个神经元到作为网络的运动皮层。内容即笔记本 11 至 16 及其运行结果；要改动数字或做练习，请打开笔记本。
图中的文字和代码为英文。[English](../index.md)
"""
QUIET = re.compile(r"^(?:%|import |from |smoke = ).*(?:\n|\Z)", re.MULTILINE)


def written(lesson: Path, language: str) -> list[str]:
    """Return the texts of a lesson's markdown cells, in order."""
    cells = [cell.source for cell in nbformat.read(lesson, as_version=4).cells if cell.cell_type == "markdown"]
    return cells if language == "en" else [text.strip() for text in tomllib.loads(CHINESE.read_text(encoding="utf-8"))[lesson.stem]["cells"]]


def executed(lesson: Path, folder: Path) -> list[tuple[str, str]]:
    """Run a lesson, if it was not run before; return the kind of each cell and what stands in its place: code with what it printed and drew.

    Args:
        lesson: the notebook.
        folder: where its figures are written.
    """
    kept, key = folder / f"{lesson.stem}.json", hashlib.sha256(lesson.read_bytes() + Path(__file__).read_bytes() + code_key().encode()).hexdigest()
    if kept.exists() and (known := json.loads(kept.read_text(encoding="utf-8")))["key"] == key:
        return [(kind, text) for kind, text in known["cells"]]
    print(f"running {lesson.name}", flush=True)
    notebook = nbformat.read(lesson, as_version=4)
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    found, figures = [], 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found.append(("markdown", ""))
            continue
        code = QUIET.sub("", cell.source).strip()
        parts = [f"```python\n{code}\n```\n"] if code else []
        for out in cell.outputs:
            if out.output_type == "stream" and out.name == "stdout":
                parts.append(f"```text\n{out.text.rstrip()}\n```\n")
            if image := out.get("data", {}).get("image/png"):
                figures += 1
                name = f"{lesson.stem}-{figures}.png"
                (folder / name).write_bytes(base64.b64decode(image))
                parts.append(f"![{lesson.stem.split('_', 1)[1].replace('_', ' ')}, figure {figures}](FIGURES{name})\n")
        found.append(("code", "\n".join(parts)))
    kept.write_text(json.dumps({"key": key, "cells": found}), encoding="utf-8")
    return found


def page(cells: list[tuple[str, str]], texts: list[str], figures: str) -> str:
    """Return a lesson as a page.

    Args:
        cells: of :func:`executed`.
        texts: of its markdown cells.
        figures: where these are, seen from the page.
    """
    left = iter(texts)
    return "\n".join((next(left) + "\n") if kind == "markdown" else text.replace("FIGURES", figures) for kind, text in cells)


def main() -> None:
    """Write the pages."""
    (FOLDER / "zh").mkdir(parents=True, exist_ok=True)
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    tree = "\n```{{toctree}}\n:maxdepth: 1\n\n{}\n```\n"
    names = "\n".join(lesson.stem for lesson in LESSONS)
    (FOLDER / "index.md").write_text(ENGLISH_FRONT + tree.format(names + "\nzh/index"), encoding="utf-8")
    (FOLDER / "zh/index.md").write_text(CHINESE_FRONT + tree.format(names), encoding="utf-8")
    for lesson in LESSONS:
        cells = executed(lesson, FOLDER)
        (FOLDER / f"{lesson.stem}.md").write_text(page(cells, written(lesson, "en"), ""), encoding="utf-8")
        (FOLDER / f"zh/{lesson.stem}.md").write_text(page(cells, written(lesson, "zh"), "../"), encoding="utf-8")


if __name__ == "__main__":
    main()
