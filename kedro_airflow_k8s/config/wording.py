"""Wording that messages share: near-name hints and lists of names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches

CUTOFF = 0.7
"""Least similarity of a suggested name, as difflib measures it from 0 to 1."""

# To compare one name with thousands takes a tenth of a second, and a hundred unknown names usually
# have the same cause.
_MOST_SEARCHES = 20
_MOST_LISTED = 5


class Nearest:
    """A search for the names that were probably meant, which gives up after 20 searches.

    Args:
        names: All known names.
        cutoff: Least similarity of a suggested name.
    """

    def __init__(self, names: Iterable[str], cutoff: float = CUTOFF) -> None:
        self._names = {_folded(name): name for name in sorted(names)}
        self._cutoff = cutoff
        self._left = _MOST_SEARCHES

    def find(self, name: str) -> str | None:
        """Return the known name most similar to `name`, ignoring case and dashes, or None."""
        self._left -= 1
        if self._left < 0:
            return None
        near = get_close_matches(_folded(name), self._names, n=1, cutoff=self._cutoff)
        return self._names[near[0]] if near else None

    def hint(self, name: str) -> str:
        """Return ` Did you mean 'x'?`, or an empty text."""
        return did_you_mean(self.find(name))


def did_you_mean(name: str | None) -> str:
    """Return ` Did you mean 'x'?` for a name, and an empty text for None."""
    return "" if name is None else f" Did you mean {name!r}?"


def counted(number: float, singular: str, plural: str = "") -> str:
    """Return a number with its noun, such as `1 file` and `2 files`."""
    return f"{number:g} {singular if number == 1 else plural or f'{singular}s'}"


def listed(names: Iterable[str]) -> str:
    """Return all names for a sentence."""
    return ", ".join(map(repr, names))


def first_of(names: Iterable[str], rest: str, show: Callable[[str], str] = repr) -> str:
    """Return the first five names for a sentence, and how to see the others.

    Args:
        names: The names.
        rest: How to see all of them, such as "`kedro registry list` lists all".
        show: Returns a name as the sentence shows it.
    """
    found = list(names)
    more = len(found) - _MOST_LISTED
    text = ", ".join(map(show, found[:_MOST_LISTED]))
    return f"{text} and {more} more ({rest})" if more > 0 else text


def _folded(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
