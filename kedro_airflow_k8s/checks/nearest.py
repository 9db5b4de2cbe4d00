"""The name that was perhaps meant."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

# To compare a name with thousands takes a tenth of a second, and a flood of such findings has one
# cause that all its members show.
_MOST = 20


class Nearest:
    """Finds the name that was perhaps meant, for the first few questions.

    Args:
        names: All that there are.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = sorted(names)
        self._folded = {name.lower(): name for name in self._names}
        self._left = _MOST

    def hint(self, name: str) -> str:
        """` Did you mean 'x'?`, or nothing."""
        self._left -= 1
        if self._left < 0:
            return ""
        found = get_close_matches(name.lower(), self._folded, n=1, cutoff=0.75)
        return f" Did you mean {self._folded[found[0]]!r}?" if found else ""
