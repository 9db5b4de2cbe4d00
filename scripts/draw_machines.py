"""Draw where the plugin's code runs: docs/images/three-machines.svg.

Usage: draw_machines.py. Each box has a colour of its own behind light text, so that the picture
reads on light pages and on dark ones. tests/docs/test_drawing.py compares it with what this draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

PICTURE = Path(__file__).resolve().parent.parent / "docs/images/three-machines.svg"
WIDTH, HEIGHT = 1080, 570
TEXT, SMALL = "#ffffff", "#e2e8f0"
MACHINE, PART, STORE, LABEL, LINE = "#1f3b57", "#2d5680", "#5b4a1f", "#4b5563", "#8a94a3"
TITLE = "Where the code runs: your machine, Airflow, and pods on Kubernetes"
MONOSPACE = "ui-monospace, Menlo, Consolas, monospace"


@dataclass(frozen=True)
class Box:
    """A box with lines of text, `|` between them: first a title, code begins with a backquote."""

    x: int
    y: int
    width: int
    height: int
    fill: str
    lines: str

    def svg(self) -> str:
        """The box and its text."""
        rect = f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}"'
        texts = [self._text(index, line) for index, line in enumerate(self.lines.split(" | "))]
        return "\n".join([f'{rect} rx="8" fill="{self.fill}"/>', *texts])

    def _text(self, index: int, line: str) -> str:
        style = f'fill="{SMALL}"' if index else f'fill="{TEXT}" font-weight="700"'
        if line.startswith("`"):
            style += f' font-size="12" font-family="{MONOSPACE}"'
        x, y = self.x + 14, self.y + 25 + 21 * index
        return f'<text x="{x}" y="{y}" {style}>{escape(line.lstrip("`"))}</text>'


@dataclass(frozen=True)
class Arrow:
    """A line through points with an arrow at its end, and a label around a place."""

    points: tuple[tuple[int, int], ...]
    label: str = ""
    at: tuple[int, int] = (0, 0)

    def svg(self) -> str:
        """The line, and the label on a ground of its own."""
        path = " L".join(f"{x} {y}" for x, y in self.points)
        style = f'fill="none" stroke="{LINE}" stroke-width="2" marker-end="url(#end)"'
        line = f'<path d="M{path}" {style}/>'
        if not self.label:
            return line
        (x, y), width = self.at, 7 * len(self.label) + 14
        return (
            f"{line}\n"
            f'<rect x="{x - width // 2}" y="{y - 12}" width="{width}" height="24" rx="12"'
            f' fill="{LABEL}"/>\n'
            f'<text x="{x}" y="{y + 4}" fill="{TEXT}" font-size="12" text-anchor="middle">'
            f"{escape(self.label)}</text>"
        )


SHAPES = (
    Box(20, 20, 290, 380, MACHINE, "Your machine, or a build server"),
    Box(450, 20, 230, 380, MACHINE, "Airflow"),
    Box(820, 20, 240, 380, MACHINE, "Kubernetes: pods"),
    Box(
        36,
        58,
        258,
        94,
        PART,
        "Project | `conf/base/airflow-k8s.yaml | pipelines, catalog, parameters",
    ),
    Box(
        36,
        174,
        258,
        94,
        PART,
        "Plan | tasks, pods, volume, schedule: | every decision, no text yet",
    ),
    Box(36, 290, 258, 94, PART, "Text | one Python file; | the same input, the same bytes"),
    Box(
        466,
        58,
        198,
        150,
        PART,
        "The DAG | plain Python: for each | task a pod operator, and | "
        "operators that make and | delete the volume",
    ),
    Box(
        466,
        224,
        198,
        160,
        PART,
        "What it needs | Airflow and its provider | for Kubernetes; not Kedro, | "
        "not the plugin, none of | your packages",
    ),
    Box(
        836,
        58,
        208,
        150,
        PART,
        "The image | your project, what it | needs, and the plugin, | "
        "which hands data on and | stops a run that is killed",
    ),
    Box(
        836,
        224,
        208,
        160,
        PART,
        "A task | `kedro run --nodes=train | a process, memory and | "
        "files of its own, from a | fresh copy of the image",
    ),
    Box(
        820,
        450,
        240,
        104,
        STORE,
        "Data of the run | on its volume or on object | storage, deleted at its end",
    ),
    Arrow(((165, 152), (165, 172))),
    Arrow(((165, 268), (165, 288))),
    Arrow(((294, 337), (448, 337)), "upload", (379, 337)),
    Arrow(((310, 120), (448, 120)), "start, watch", (379, 120)),
    Arrow(((680, 120), (818, 120)), "pods, claims", (749, 120)),
    Arrow(((820, 300), (682, 300)), "log", (750, 300)),
    Arrow(((900, 400), (900, 448))),
    Arrow(((980, 450), (980, 402))),
    Arrow(
        ((165, 400), (165, 426), (795, 426), (795, 165), (818, 165)),
        "build and push the image",
        (460, 426),
    ),
)


def drawing() -> str:
    """The picture."""
    shapes = "\n".join(shape.svg() for shape in SHAPES)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" \
aria-labelledby="title" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, \
sans-serif" font-size="13">
<title id="title">{escape(TITLE)}</title>
<defs><marker id="end" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">\
<path d="M0 0 L8 4 L0 8 z" fill="{LINE}"/></marker></defs>
{shapes}
</svg>
"""


if __name__ == "__main__":
    PICTURE.write_text(drawing(), "utf-8", newline="\n")
