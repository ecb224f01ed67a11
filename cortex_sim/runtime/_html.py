"""HTML fragments with which objects display themselves in a notebook."""

import base64
import html
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cortex_sim.runtime._arguments import missing_allowed
from cortex_sim.runtime._visible import visible

CELL = "padding:.2em .7em;text-align:{};max-width:42em"
HEIGHT = 160  # pixels of a small picture
DARK, PALE = (0x24, 0x57, 0xA6), (0xF4, 0xF6, 0xF9)


def escaped(text: str) -> str:
    """Return a text for a page: markup and invisible characters are escaped."""
    return html.escape(visible(text))


def html_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", notes: Sequence[str] = ()) -> str:
    """Return a table; the first two columns are text, the others numbers.

    Args:
        columns: headings; omitted if all are empty.
        rows: cells, as text.
        caption: text above the table.
        notes: lines below it.
    """
    head = "".join(f"<th style='{CELL.format('left')}'>{escaped(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td style='{CELL.format('left')}'>{escaped(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    above = f"<div><b>{escaped(caption)}</b></div>" if caption else ""
    below = "".join(f"<div style='font-size:85%;opacity:.75'>{escaped(note)}</div>" for note in notes)
    return f"{above}<table>{f'<thead><tr>{head}</tr></thead>' if any(columns) else ''}<tbody>{body}</tbody></table>{below}"


@missing_allowed("facts")
def html_facts(title: str, facts: Mapping[str, object], *more: str) -> str:
    """Return a title, facts by name, and further HTML below them."""
    return html_table(("", ""), [[name, str(value)] for name, value in facts.items()], caption=title) + "".join(more)


def html_heat(values: Float[ndarray, "row column"], caption: str) -> str:
    """Return a heat map as a small picture, light at its minimum and dark at its maximum.

    Args:
        values: rows from the top; finite.
        caption: meaning of its axes and shades.
    """
    low, high = float(values.min()), float(values.max())
    shades = np.zeros_like(values) if high <= low else (values - low) / (high - low)
    pixels = np.round(np.array(PALE) + shades[..., None] * (np.array(DARK) - np.array(PALE))).astype(np.uint8)
    picture = base64.b64encode(_png(pixels)).decode()
    style = f"height:{HEIGHT}px;width:{2 * HEIGHT}px;image-rendering:pixelated;border:1px solid #dde3ea"
    text = f"{caption}; {low:.3g} (pale) to {high:.3g} (dark)"
    return f"<figure style='margin:.5em 0'><img style='{style}' alt='{escaped(text)}' src='data:image/png;base64,{picture}'>" + (
        f"<figcaption style='font-size:85%;opacity:.75'>{escaped(text)}</figcaption></figure>"
    )


def _png(pixels: ndarray) -> bytes:
    """Return an 8-bit RGB picture as PNG."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
