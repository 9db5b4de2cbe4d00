"""What files have taken from variables: messages show the name, as the value may be secret."""

from __future__ import annotations

_taken: dict[str, str] = {}


def take(name: str, value: str) -> str:
    """Note that a file has taken a value by a name, and give it back."""
    _taken[name.lower()] = value
    return value


def taken_values() -> dict[str, str]:
    """The values that files have taken in this process, by name, without empty ones."""
    return {name: value for name, value in _taken.items() if value}
