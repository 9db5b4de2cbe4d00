"""The browser that the tests drive. `make test` runs this file, so that there is one if it can be.

Usage: find_browser.py [--install]. Says nothing where there is a browser. With --install and
no user's machine in the way (a Debian container, as root) it installs one.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

# Chrome first: where both are (as on GitHub's Ubuntu), only Chrome may make its own sandbox.
NAMES = ("google-chrome-stable", "google-chrome", "chromium", "chromium-browser")
MAC_APPLICATIONS = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)
NOTE = (
    "NOTE: The tests in a browser are skipped: there is no Chrome or Chromium. Install one"
    " (Debian: apt-get install chromium), or name one: make test BROWSER_BINARY=/path/to/chrome"
)
# Seconds; an answer that does not come from a mirror is an answer too.
APT_TIMEOUT = 900
APT = ("apt-get", "-qq", "-o", "Acquire::http::Timeout=30", "-o", "DPkg::Lock::Timeout=300")


def find_browser() -> Path | None:
    """Return Chrome or Chromium, or None where there is none.

    Raises:
        FileNotFoundError: If BROWSER_BINARY names something else than a program.
    """
    if named := os.environ.get("BROWSER_BINARY"):
        if program := shutil.which(named):
            return Path(program)
        raise FileNotFoundError(f"BROWSER_BINARY names no program: {named}")
    for name in NAMES:
        if program := shutil.which(name):
            return Path(program)
    return next((program for program in MAC_APPLICATIONS if program.exists()), None)


def may_install() -> bool:
    """Whether this is Debian, with us as root. Ubuntu's Chromium needs more than a container."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return release["ID"] == "debian" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install() -> str:
    """Install Debian's Chromium and return what went wrong, in a line; empty if nothing did."""
    said = _apt("install", "--yes", "--no-install-recommends", "chromium")
    if not said:
        return ""
    # A fresh container has no lists of packages, one of last month has those of last month.
    return _apt("update") or _apt("install", "--yes", "--no-install-recommends", "chromium")


def _apt(*arguments: str) -> str:
    try:
        done = subprocess.run(
            [*APT, *arguments],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=APT_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"apt-get {arguments[0]} did not end in {APT_TIMEOUT} seconds"
    if done.returncode == 0:
        return ""
    return (done.stdout.strip().splitlines() or [f"apt-get {arguments[0]} failed"])[-1]


def main(arguments: list[str]) -> None:
    """Install a browser if asked and allowed, and say so if there is none."""
    try:
        if find_browser():
            return
        if "--install" in arguments and may_install():
            print("Installing Debian's chromium for the tests in a browser", flush=True)  # noqa: T201
            if trouble := install():
                print(trouble, flush=True)  # noqa: T201
            if find_browser():
                return
    except FileNotFoundError as error:
        sys.exit(str(error))
    print(NOTE, flush=True)  # noqa: T201
    if os.environ.get("REQUIRE_BROWSER"):
        sys.exit("REQUIRE_BROWSER is set.")


if __name__ == "__main__":
    main(sys.argv[1:])
