"""What `make test` does about a browser: finds it, installs it where nobody minds, or says so."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from tests.support import find_browser


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that PATH has, on a machine without a browser and of no known kind."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("BROWSER_BINARY", "REQUIRE_BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(find_browser, "MAC_APPLICATIONS", ())
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "other"})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def program(path: Path, script: str = "") -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_browser_on_the_path_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    browser = program(folder / "chromium")
    assert find_browser.find_browser() == browser
    find_browser.main(["--install"])
    assert not capsys.readouterr().out


def test_the_named_browser_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(folder / "chromium")
    named = program(folder / "my-browser")
    monkeypatch.setenv("BROWSER_BINARY", str(named))
    assert find_browser.find_browser() == named


def test_a_named_browser_that_is_not_there_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(folder / "chromium")
    monkeypatch.setenv("BROWSER_BINARY", str(folder / "gone"))
    with pytest.raises(SystemExit, match=r"BROWSER_BINARY names no program: .*gone"):
        find_browser.main([])


def test_a_missing_browser_is_said_aloud_and_the_way_to_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    find_browser.main(["--install"])
    said = capsys.readouterr().out
    assert said.startswith("NOTE: The tests in a browser are skipped")
    assert "BROWSER_BINARY=" in said
    assert said.count("\n") == 1


def test_a_required_browser_that_is_missing_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUIRE_BROWSER", "1")
    with pytest.raises(SystemExit, match="REQUIRE_BROWSER is set"):
        find_browser.main([])


# A stand-in for apt-get without lists of packages: it installs only after an update.
APT = """
for word; do case $word in
    update) : > "$0.lists";;
    install) [ -e "$0.lists" ] || { echo "E: Unable to locate package chromium"; exit 100; }
             printf '#!/bin/sh\n' > "${0%/*}/chromium"; /bin/chmod +x "${0%/*}/chromium";;
esac; done
"""


def test_root_in_a_debian_container_gets_chromium(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian"})
    program(folder / "apt-get", APT)
    find_browser.main(["--install"])
    assert find_browser.find_browser() == folder / "chromium"
    assert capsys.readouterr().out == "Installing Debian's chromium for the tests in a browser\n"


def test_what_apt_get_says_when_it_fails_is_passed_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian"})
    program(folder / "apt-get", "echo 'E: No network here'; exit 100")
    find_browser.main(["--install"])
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "E: No network here"
    assert said[2].startswith("NOTE: ")


@pytest.mark.parametrize(("system", "user"), [("debian", 1000), ("ubuntu", 0)])
def test_nothing_is_installed_on_the_machine_of_a_user_nor_where_debian_is_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch, system: str, user: int
) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": system})
    monkeypatch.setattr(os, "geteuid", lambda: user)
    program(folder / "apt-get", ': > "$0.called"')
    find_browser.main(["--install"])
    assert not (folder / "apt-get.called").exists()
