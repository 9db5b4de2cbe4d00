"""The drawing of the three machines: it is what its script draws, and reads on any page."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

from scripts import draw_machines as drawing

SVG = "{http://www.w3.org/2000/svg}"
PAGES = ("#ffffff", "#131416")
"""The grounds of the documentation's light and dark pages."""
READABLE = 4.5
"""The contrast that WCAG 2 (1.4.3, AA) asks of text of this size."""
VISIBLE = 3.0
"""What it asks of lines (1.4.11)."""


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_picture_is_what_the_script_draws() -> None:
    assert drawing.PICTURE.read_text("utf-8") == drawing.drawing()


def test_all_text_stands_on_a_ground_of_its_own_and_lines_show_on_light_and_dark_pages() -> None:
    root = ElementTree.fromstring(drawing.drawing())
    boxes: list[tuple[float, float, float, float, str]] = []
    for shape in root:
        if shape.tag == f"{SVG}rect":
            x, y, width, height = (float(shape.attrib[k]) for k in ("x", "y", "width", "height"))
            boxes.append((x, y, x + width, y + height, shape.attrib["fill"]))
        elif shape.tag == f"{SVG}text":
            x, y = float(shape.attrib["x"]), float(shape.attrib["y"])
            # What was drawn last lies on top.
            ground = [f for left, top, right, low, f in boxes if left < x < right and top < y < low]
            assert ground, f"{shape.text!r} stands on the page"
            assert contrast(ground[-1], shape.attrib["fill"]) >= READABLE, shape.text
        elif shape.tag == f"{SVG}path":
            assert all(contrast(page, shape.attrib["stroke"]) >= VISIBLE for page in PAGES)


def test_lines_of_text_fit_their_box() -> None:
    for box in (shape for shape in drawing.SHAPES if isinstance(shape, drawing.Box)):
        lines = box.lines.split(" | ")
        assert 21 * len(lines) + 10 <= box.height
        for line in lines:
            # Wider letters than this would be an odd font.
            assert len(line) * 7 <= box.width - 14, line


def test_arrows_go_straight_and_end_near_a_box() -> None:
    boxes = [shape for shape in drawing.SHAPES if isinstance(shape, drawing.Box)]
    for arrow in (shape for shape in drawing.SHAPES if isinstance(shape, drawing.Arrow)):
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(arrow.points))
        x, y = arrow.points[-1]
        assert any(
            box.x - 4 <= x <= box.x + box.width + 4 and box.y - 4 <= y <= box.y + box.height + 4
            for box in boxes
        )


def test_the_picture_loads_nothing_from_elsewhere() -> None:
    text = drawing.drawing()
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|<script|<image|<foreignObject|href", text)
