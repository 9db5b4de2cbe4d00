"""Reads the settings that are switched off in a commented YAML file.

`#key: value` is such a setting, with the lines below it whose `#` is in the same column and has two
spaces or more behind it. `# Text` explains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

_BEGIN = re.compile(r"(?P<indent> *)#[\w\"]\S*:( |$)")


@dataclass(frozen=True)
class Setting:
    """A setting that is switched off: its lines, counted from 0, and the column of its `#`."""

    name: str
    first: int
    last: int
    column: int


def switched_off(text: str) -> list[Setting]:
    """The settings that are switched off."""
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        begin = _BEGIN.match(line)
        if begin is None:
            continue
        mark = f"{begin['indent']}#  "
        last = number
        while last + 1 < len(lines) and lines[last + 1].startswith(mark):
            last += 1
        name = line.strip().lstrip("#").partition(":")[0]
        found.append(Setting(name, number, last, len(begin["indent"])))
    return found


def switch_on(text: str, *settings: Setting) -> str:
    """The text with settings switched on."""
    lines = text.splitlines()
    for setting in settings:
        for number in range(setting.first, setting.last + 1):
            line = lines[number]
            assert line[setting.column] == "#"
            lines[number] = line[: setting.column] + line[setting.column + 1 :]
    return "\n".join(lines) + "\n"


def load_yaml(text: str) -> Any:
    """What YAML says, when no key is there twice."""
    return yaml.load(text, _OneKey)


def key_lines(text: str) -> Iterator[tuple[int, str]]:
    """The number and the name of each line with a key, also in lists."""
    for number, line in enumerate(text.splitlines()):
        key = re.match(r" *(?:- )?([\w\"]+):( |$)", line)
        if key:
            yield number, key[1].strip('"')


class _OneKey(yaml.SafeLoader):
    """Refuses what YAML forbids and PyYAML takes."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), keys
        return dict(super().construct_mapping(node, deep))
