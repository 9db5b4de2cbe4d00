"""The lines in which two texts differ, as `diff -u` has them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from typing import Literal

SLOW = 1_000_000
"""Lines times lines without one in common that stands once in each: not looked at more closely."""

Kind = Literal["title", "added", "removed", "changed", "plain", "file", "hunk"]


@dataclass(frozen=True)
class Line:
    """A line of a diff, with nothing in it that a terminal would obey."""

    kind: Kind
    text: str


def line(kind: Kind, text: str) -> Line:
    """A line that is safe to print, whatever the text is."""
    return Line(kind, printable(text))


def printable(text: str) -> str:
    r"""A text with its control characters, and others that cannot be seen, as Python escapes.

    A tab stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable() or char == "\t"
        else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )


def unified_diff(old: str, new: str, old_name: str, new_name: str) -> Iterator[Line]:
    """A unified diff of two texts, whose lines end in line feeds; nothing if they are the same."""
    before, after = _lines(old), _lines(new)
    groups = list(_Matcher(before, after).get_grouped_opcodes())
    if not groups:
        return
    yield line("file", f"--- {old_name}")
    yield line("file", f"+++ {new_name}")
    for group in groups:
        first, last = group[0], group[-1]
        ranges = f"-{_range(first[1], last[2])} +{_range(first[3], last[4])}"
        yield Line("hunk", f"@@ {ranges} @@")
        for tag, old_start, old_end, new_start, new_end in group:
            if tag == "equal":
                yield from _marked("plain", " ", before[old_start:old_end])
                continue
            yield from _marked("removed", "-", before[old_start:old_end])
            yield from _marked("added", "+", after[new_start:new_end])


def _lines(text: str) -> list[str]:
    """The lines, each with its end; not `splitlines`, which breaks them at other characters too."""
    lines = text.split("\n")
    rest = lines.pop()
    return [f"{entry}\n" for entry in lines] + ([rest] if rest else [])


def _marked(kind: Kind, mark: str, lines: Sequence[str]) -> Iterator[Line]:
    for entry in lines:
        yield line(kind, mark + entry.removesuffix("\n"))
        if not entry.endswith("\n"):
            yield Line("plain", "\\ No newline at end of file")


def _range(start: int, end: int) -> str:
    """As in `diff -u`: lines count from 1, and an empty range stands after a line."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


class _Matcher(SequenceMatcher[str]):
    """Python's own, which is quadratic or worse, let loose on small pieces only.

    They lie between lines that stand exactly once in each text: the idea of "patience diff".
    """

    def __init__(self, old: list[str], new: list[str]) -> None:
        super().__init__(None, old, new)
        self._texts = old, new
        self._blocks: list[Match] | None = None

    def get_matching_blocks(self) -> list[Match]:
        """The matching pieces in order, with an empty one at the end."""
        if self._blocks is None:
            found = sorted(_matches(*self._texts))
            merged: list[Match] = []
            for i, j, size in found:
                if merged and (merged[-1].a + merged[-1].size, merged[-1].b + merged[-1].size) == (
                    i,
                    j,
                ):
                    merged[-1] = Match(merged[-1].a, merged[-1].b, merged[-1].size + size)
                else:
                    merged.append(Match(i, j, size))
            self._blocks = [*merged, Match(len(self._texts[0]), len(self._texts[1]), 0)]
        return self._blocks


def _matches(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Start in each text and length of what is the same, in any order."""
    pieces = [(0, len(a), 0, len(b))]
    while pieces:
        i, i_end, j, j_end = pieces.pop()
        while i < i_end and j < j_end and a[i] == b[j]:
            yield i, j, 1
            i, j = i + 1, j + 1
        while i < i_end and j < j_end and a[i_end - 1] == b[j_end - 1]:
            i_end, j_end = i_end - 1, j_end - 1
            yield i_end, j_end, 1
        if i == i_end or j == j_end:
            continue
        anchors = _anchors(a[i:i_end], b[j:j_end])
        if anchors:
            starts = [(i, j), *((i + x, j + y) for x, y in anchors)]
            ends = [*starts[1:], (i_end, j_end)]
            pieces += [
                (x, x_end, y, y_end) for (x, y), (x_end, y_end) in zip(starts, ends, strict=True)
            ]
        elif (i_end - i) * (j_end - j) <= SLOW:
            for match in SequenceMatcher(None, a[i:i_end], b[j:j_end]).get_matching_blocks():
                if match.size:
                    yield i + match.a, j + match.b, match.size


def _anchors(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int]]:
    """The longest chain of lines that stand once in each text, in the order of both."""
    in_a, in_b = Counter(a), Counter(b)
    place = {text: j for j, text in enumerate(b) if in_b[text] == 1}
    pairs = [(i, place[text]) for i, text in enumerate(a) if in_a[text] == 1 and text in place]
    # The smallest end in b of a chain of each length, and which pair it is; then who was before.
    ends: list[int] = []
    lasts: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        ends[length : length + 1] = [j]
        lasts[length : length + 1] = [index]
        before.append(lasts[length - 1] if length else -1)
    chain: list[tuple[int, int]] = []
    index = lasts[-1] if lasts else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]
