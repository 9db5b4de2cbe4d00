"""`scripts/check_words.py`: what it reports, and where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_words.py"


def reported(path: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(path)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("page.md", "One line.\nThe file is made an" + "ew.\n", 2),
        ("page.md", "It makes\ndo" + " with less.\n", 1),
        ("code.py", "# It makes\n# do" + " with less.\n", 1),
        ("code.py", 'raise ValueError(\n    "It makes"\n    " do' + ' with less."\n)\n', 2),
        ("test_code.py", "\ndef test_the_file_is_made_an" + "ew() -> None:\n", 2),
    ],
)
def test_a_phrase_is_reported_with_its_line(
    tmp_path: Path, name: str, text: str, line: int
) -> None:
    file = tmp_path / name
    file.write_text(text)
    code, out = reported(tmp_path)
    assert code == 1
    assert out.startswith(f"{file}:{line}: ")


def test_plain_words_and_older_sections_of_the_changelog_pass(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("The file is written again. There is no file.\n")
    old = "# Changelog\n\n## Unreleased\n\nNew.\n\n## 0.1\n\nMade an" + "ew.\n"
    (tmp_path / "CHANGELOG.md").write_text(old)
    assert reported(tmp_path) == (0, "")
