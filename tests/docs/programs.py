"""What programs that replace others have in common."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]


def write_program(file: Path) -> None:
    """Make an executable that is the stand-in of its name."""
    file.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.docs.stand_ins import main\nmain({file.name!r}, sys.argv[1:])\n"
    )
    file.chmod(0o755)


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def fail(text: str, code: int = 1) -> NoReturn:
    """End with a message."""
    sys.stderr.write(f"{text}\n")
    sys.exit(code)


def parser_of(name: str) -> argparse.ArgumentParser:
    """A parser that accepts only known options, and no abbreviations."""
    return argparse.ArgumentParser(prog=name, allow_abbrev=False)
