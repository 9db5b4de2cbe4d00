"""Pages of the documentation, read as a person reads them: block after block, in a terminal.

What a fenced block is for can be seen on the page itself:

| block | what a reader does with it |
| --- | --- |
| `bash` | types it into the one terminal that is open since the top of the page |
| `bash` with the caption "ends with exit code 1" | the same; the command is shown failing |
| `text` below a `bash` block | compares it with what the terminal shows; `...` is anything |
| any language, with a path as caption | puts it into that file, in place of the old content |
| "path, added at the end" | adds it to the file |
| "path, these keys" | sets these keys in a YAML file, and leaves the others alone |
| "path, with mistakes" | as the path alone; the configuration is one that is refused |
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml
from markdown_it import MarkdownIt

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.errors import ConfigError
from tests.docs.manifests import check_manifests
from tests.docs.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

Mode = Literal["write", "append", "keys", "mistakes"]

_MODES: dict[str, Mode] = {
    "": "write",
    "added at the end": "append",
    "these keys": "keys",
    "with mistakes": "mistakes",
}
_EXIT_CODE = re.compile(r"ends with exit code (\d+)")
_ADMONITIONS = frozenset({"{note}", "{tip}", "{warning}", "{important}"})
_WITHOUT_CODE = frozenset({"{toctree}", "{image}", "{figure}", "{eval-rst}"})
_CONFIG_NAMES = ("airflow-k8s.yaml", "airflow-k8s.yml")


class PageError(AssertionError):
    """A block of a page is not what the page says; the text names page and line."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page's file.
        line: Where it begins there, counted from 1.
        language: Of its text.
        caption: The line above it; empty if there is none.
        text: What is in it.
    """

    page: Path
    line: int
    language: str
    caption: str
    text: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def exit_code(self) -> int:
        """How a command ends."""
        found = _EXIT_CODE.fullmatch(self.caption)
        return int(found[1]) if found else 0

    @property
    def file(self) -> tuple[str, Mode] | None:
        """The path to write to, and how; None if it is not a file.

        Raises:
            PageError: The caption ends in words that mean nothing.
        """
        if not self.caption or self.language == "bash":
            return None
        path, _, words = self.caption.partition(", ")
        if words not in _MODES:
            raise PageError(f"{self.place}: what is to be done with {path}: {words!r}?")
        return path, _MODES[words]


def headings(page: Path) -> list[str]:
    """The text of each heading of a page."""
    return [line.lstrip("# ") for line in page.read_text("utf-8").splitlines() if line[:1] == "#"]


def read_blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, those in notes included.

    Raises:
        PageError: There is a directive of which no one has said whether it holds code.
    """
    return list(_blocks(page, page.read_text("utf-8"), 1))


def _blocks(page: Path, text: str, first_line: int) -> Iterator[Block]:
    for token in MarkdownIt("commonmark").parse(text):
        if token.type not in ("fence", "code_block") or token.map is None:
            continue
        line = first_line + token.map[0]
        name, _, rest = token.info.strip().partition(" ")
        if name in _ADMONITIONS:
            yield from _blocks(page, token.content, line + 1)
        elif name == "{code-block}":
            caption, body = _options(token.content)
            yield Block(page, line, rest.strip(), caption, body)
        elif name.startswith("{"):
            if name not in _WITHOUT_CODE:
                raise PageError(f"{page.name}:{line}: does {name} hold code?")
        else:
            yield Block(page, line, name, "", token.content)


def _options(content: str) -> tuple[str, str]:
    """The caption of a directive, and what is below its options."""
    caption, lines = "", content.splitlines(keepends=True)
    while lines and (found := re.match(r":(\w+): *(.*)$", lines[0])):
        caption = found[2] if found[1] == "caption" else caption
        lines.pop(0)
    if lines and not lines[0].strip():
        lines.pop(0)
    return caption, "".join(lines)


@dataclass
class Reader:
    """Someone who does what a page says.

    Attributes:
        terminal: The terminal that is open.
        transcript: What was typed, written and seen so far.
        addresses: What pages call example.com and the like, to what replaces it here.
    """

    terminal: Terminal
    addresses: Mapping[str, str] = field(default_factory=dict)
    transcript: list[str] = field(default_factory=list)
    _said: str | None = None
    _unused: list[Block] = field(default_factory=list)

    def follow(self, page: Path, until: str | None = None) -> str:
        """Do all that a page says, and return all that the terminal has shown.

        Args:
            page: The page.
            until: A heading to stop above; None for the whole page.

        Raises:
            PageError: A block does not do what the page says, or no one would do anything with it.
        """
        shown = []
        self._said = None
        last = _line_of(page, until) if until else None
        for block in read_blocks(page):
            if last is not None and block.line > last:
                break
            shown.append(self._do(block))
        if self._unused and until is None:
            places = ", ".join(block.place for block in self._unused)
            raise PageError(f"{places}: no command of the page has any use for the file")
        return "".join(shown)

    def _do(self, block: Block) -> str:
        block = replace(block, text=replaced(block.text, self.addresses))
        target = block.file
        if block.language == "bash":
            self._unused.clear()
            self._said = self.terminal.run(block.text, block.exit_code, block.place)
            self.transcript += [*_typed(block.text), self._said]
            return self._said
        if target is not None:
            file = self._put(block, *target)
            check_file(file, block)
            self._unused.append(block)
            self.transcript.append(f"# {block.caption}\n{block.text}")
            self._said = None
        elif block.language == "text" and self._said is not None:
            if not shows(self._said, block.text):
                raise PageError(
                    f"{block.place}: the terminal does not show\n{block.text}\nbut\n{self._said}"
                )
        else:
            raise PageError(
                f"{block.place}: a block of {block.language or 'no language'} that is neither a"
                " command, nor a file, nor what a command says"
            )
        return ""

    def _put(self, block: Block, path: str, mode: Mode) -> Path:
        file = self.terminal.path(path)
        if mode in ("append", "keys") and not file.exists():
            raise PageError(f"{block.place}: there is no {path} yet")
        file.parent.mkdir(parents=True, exist_ok=True)
        if mode in ("write", "mistakes"):
            file.write_text(block.text, encoding="utf-8")
        elif mode == "append":
            file.write_text(file.read_text("utf-8") + block.text, encoding="utf-8")
        else:
            merged = merge(yaml.safe_load(file.read_text("utf-8")), yaml.safe_load(block.text))
            file.write_text(yaml.safe_dump(merged, sort_keys=False), encoding="utf-8")
        return file


def _line_of(page: Path, heading: str) -> int:
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if line[:1] == "#" and line.lstrip("# ") == heading:
            return number
    raise PageError(f"{page.name} has no heading {heading!r}")


def replaced(text: str, addresses: Mapping[str, str]) -> str:
    """A text with other addresses."""
    for shown, real in addresses.items():
        text = text.replace(shown, real)
    return text


def _typed(text: str) -> list[str]:
    return [f"$ {line}\n" for line in text.splitlines() if line.strip()]


def merge(base: Any, over: Any) -> Any:
    """A YAML file with some of its keys set, as a person does it."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: merge(base.get(key), value) for key, value in over.items()}}


def shows(output: str, wanted: str) -> bool:
    """Whether the lines of `wanted` stand in the output in one piece.

    `...` on a line of its own replaces any lines, and within a line any characters.
    """
    parts: list[str] = []
    for line in wanted.rstrip("\n").splitlines():
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(re.escape(line.rstrip()).replace(r"\.\.\.", "[^\n]*?") + r"[ \t]*\n")
    text = output if output.endswith("\n") else output + "\n"
    return re.search("^" + "".join(parts), text, re.MULTILINE) is not None


def check_file(file: Path, block: Block) -> None:
    """See that a file that a reader has made is what its name says.

    Raises:
        PageError: It is not.
    """
    text = file.read_text("utf-8")
    checks: dict[str, Callable[[str], Any]] = {
        "yaml": lambda text: list(yaml.safe_load_all(text)),
        "python": lambda text: compile(text, str(file), "exec"),
        "json": json.loads,
        "dockerfile": str.strip,
        "text": str.strip,
        "ini": str.strip,
    }
    if block.language not in checks:
        raise PageError(f"{block.place}: nothing is known of how to check {block.language}")
    try:
        content = checks[block.language](text)
        if block.language == "yaml":
            check_manifests(content)
            if file.name in _CONFIG_NAMES:
                _check_config(file, refused=block.caption.endswith(", with mistakes"))
    except Exception as error:
        raise PageError(f"{block.place}: {error}") from error


def _check_config(file: Path, *, refused: bool) -> None:
    """Load the configuration; the values of interpolations, other than defaults, are Kedro's."""
    own = yaml.safe_load(file.read_text("utf-8"))
    base = file.parent.parent / "base" / file.name
    common = yaml.safe_load(base.read_text("utf-8")) if base.exists() and base != file else {}
    text = json.dumps(merge(common, own))
    with_defaults = re.sub(r"\$\{kedro_config:\w+,([^}]*)\}", r"\1", text)
    data = json.loads(re.sub(r"\$\{[^}]*\}", "value", with_defaults))
    try:
        load_config(data, file.name)
    except ConfigError:
        if not refused:
            raise
        return
    if refused:
        raise ValueError(f"there is no mistake in {file.name}")
