"""Record a sandbox run of examples/spaceflights: the picture in README.md.

Usage: record_demo.py. Writes docs/images/sandbox-run.svg, which plays the run in about ten seconds
and, where nothing can play, shows its end.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import dedent
from xml.sax.saxutils import escape

import pyte
from pyte.screens import Char

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/images/sandbox-run.svg"
COMMAND = ["kedro", "airflow-k8s", "sandbox", "run"]

COLUMNS, LINES = 100, 44
FRAMES = 16
PAUSE_SECONDS = 0.05
FRAME_SECONDS, LAST_FRAME_SECONDS = 0.6, 6.0

CELL_WIDTH, LINE_HEIGHT, FONT_SIZE, MARGIN, BAR = 8.4, 19, 14, 20, 38
FONTS = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'
BACKGROUND, FOREGROUND = "#12161e", "#d5dae3"
COLOURS = {
    "default": FOREGROUND,
    "brightblack": "#6b7588",
    "red": "#ff6b6b",
    "green": "#5bd18b",
    "yellow": "#f4c95d",
    "brown": "#f4c95d",  # what pyte calls yellow
    "blue": "#6ea8fe",
    "magenta": "#d08cf0",
    "cyan": "#5cc8e0",
}
# The part of its cell that a block character fills: from, to.
BLOCKS = {chr(0x2588 + n): (0.0, 1 - n / 8) for n in range(8)} | {
    "▐": (0.5, 1.0),
    "▕": (0.875, 1.0),
}

Screen = tuple[str, ...]
"""The lines of a terminal as SVG, without their places."""


def record(command: Sequence[str], folder: Path) -> list[Screen]:
    """Run a command in a terminal of its own and return what was on it, moment by moment."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    # Without a file of its own, Kedro begins by saying where on this machine its default lies.
    quiet = folder.parent / "logging.yml"
    quiet.write_text("{version: 1, disable_existing_loggers: false}")
    environment = {
        **os.environ,
        "TERM": "xterm-256color",
        "KEDRO_LOGGING_CONFIG": str(quiet),
        "KEDRO_DISABLE_TELEMETRY": "1",
    }
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    stream.feed(f"\x1b[32m$\x1b[0m {' '.join(command)}\r\n".encode())
    screens = [shown(screen)]
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        stdin=inside,
        stdout=inside,
        stderr=inside,
    ) as process:
        os.close(inside)
        while output := read(terminal):
            stream.feed(output)
            # Not in the middle of a table that is being drawn.
            if not select.select([terminal], [], [], PAUSE_SECONDS)[0]:
                screens.append(shown(screen))
    os.close(terminal)
    screens.append(shown(screen))
    if process.returncode:
        sys.exit("\n".join(line.rstrip() for line in screen.display))
    return screens


def read(terminal: int) -> bytes:
    """What comes next, nothing at the end."""
    try:
        return os.read(terminal, 1 << 20)
    except OSError:  # Linux says so when the last process has closed its side.
        return b""


def shown(screen: pyte.Screen) -> Screen:
    """The lines of a screen as SVG, without the empty ones at its end."""
    lines = ["".join(svg_line([screen.buffer[y][x] for x in range(COLUMNS)])) for y in range(LINES)]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)


def svg_line(cells: Sequence[Char]) -> Iterator[str]:
    """The elements of a line, its baseline at y = 0."""
    for (colour, bold, kind), group in groupby(enumerate(cells), lambda cell: look(cell[1])):
        run = list(group)
        x, text = run[0][0] * CELL_WIDTH, "".join(char.data for _, char in run)
        if kind == "block":
            begin, end = BLOCKS[text[0]][0], len(text) - 1 + BLOCKS[text[-1]][1]
            yield rectangle(x + begin * CELL_WIDTH, -11, end - begin, 12, colour)
        elif kind == "rule":
            yield rectangle(x, -5, len(text), 1, colour)
        else:
            # Words that columns keep apart are placed one by one: SVG makes one blank of many.
            for words in re.finditer(r"\S+(?: \S+)*", text):
                place = f'x="{x + words.start() * CELL_WIDTH:.1f}"'
                length = f'textLength="{len(words[0]) * CELL_WIDTH:.1f}"'
                weight = ' font-weight="bold"' if bold else ""
                yield f'<text {place} {length} fill="{colour}"{weight}>{escape(words[0])}</text>'


def rectangle(x: float, y: int, cells: float, height: int, colour: str) -> str:
    """So many cells in one colour."""
    radius = min(2, height / 2)
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{cells * CELL_WIDTH:.1f}" height="{height}"'
        f' rx="{radius:g}" fill="{colour}"/>'
    )


def look(char: Char) -> tuple[str, bool, str]:
    """What the neighbours of a character must share to be drawn with it."""
    kind = "block" if char.data in BLOCKS else "rule" if char.data == "─" else "text"
    return COLOURS.get(char.fg, f"#{char.fg}"), char.bold and kind == "text", kind


def picture(screens: Sequence[Screen]) -> str:
    """An SVG that plays the screens and ends with the last of them, which stays for a while."""
    width = round(COLUMNS * CELL_WIDTH + 2 * MARGIN)
    height = BAR + max(map(len, screens)) * LINE_HEIGHT + MARGIN
    before = (len(screens) - 1) * FRAME_SECONDS
    whole = before + LAST_FRAME_SECONDS
    lines = {line: f"l{n}" for n, line in enumerate(dict.fromkeys(sum(screens, ())))}
    style = f"""
        text {{ font-family: {FONTS}; font-size: {FONT_SIZE}px }}
        .frame {{ visibility: hidden; animation: frame {whole:g}s step-end infinite }}
        .last {{ animation: last {whole:g}s step-end infinite }}
        @keyframes frame {{
            0% {{ visibility: visible }} {100 * FRAME_SECONDS / whole:.3f}% {{ visibility: hidden }}
        }}
        @keyframes last {{
            0% {{ visibility: hidden }} {100 * before / whole:.3f}% {{ visibility: visible }}
        }}
        @media (prefers-reduced-motion) {{ .frame, .last {{ animation: none }} }}"""
    label = f'role="img" aria-label="A terminal: {" ".join(COMMAND)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {label}>',
        f"<style>{dedent(style)}\n</style>",
        "<defs>",
        *(f'<g id="{name}">{line}</g>' for line, name in lines.items() if line),
        "</defs>",
        f'<rect width="{width}" height="{height}" rx="10" fill="{BACKGROUND}"/>',
        *(
            f'<circle cx="{MARGIN + 4 + 20 * n}" cy="20" r="6" fill="{colour}"/>'
            for n, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
        ),
    ]
    for number, screen in enumerate(screens):
        kind = "last" if screen is screens[-1] else "frame"
        delay = "" if kind == "last" else f' style="animation-delay: {number * FRAME_SECONDS:g}s"'
        uses = (
            f'<use href="#{lines[line]}" x="{MARGIN}" y="{BAR + (n + 1) * LINE_HEIGHT - 4}"/>'
            for n, line in enumerate(screen)
            if line
        )
        parts.append(f'<g class="{kind}"{delay}>{"".join(uses)}</g>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Record and write."""
    with tempfile.TemporaryDirectory() as folder:
        project = shutil.copytree(
            ROOT / "examples/spaceflights",
            Path(folder, "spaceflights"),
            ignore=shutil.ignore_patterns("dags", "__pycache__", "logs"),
        )
        screens = record(COMMAND, project)
    step = (len(screens) - 1) / FRAMES
    chosen = [screens[round(n * step)] for n in range(FRAMES + 1)]
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture(chosen), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {len(chosen)} of {len(screens)} screens")


if __name__ == "__main__":
    main()
