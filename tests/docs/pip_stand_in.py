"""What replaces `pip` and `python3 -m venv` on pages: see stand_ins.py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import parse_wheel_filename

from tests.docs.programs import fail, parser_of, say, write_program

PLUGIN = "kedro-airflow-k8s"

_NAMES = "names-of-packages"
"""A file in an environment."""

# What pages install that is not in the environment of the tests.
_NOT_HERE = frozenset({"kedro-mlflow"})


ENGINES = "PACKAGES_OF_ENGINES"
"""Variable with the packages of an environment of engines such as Spark, if there is one."""


def python(arguments: Sequence[str]) -> None:
    if arguments[:2] != ["-m", "venv"]:
        own = _own_environment()
        real = sys.executable if own is None else str(own / "bin/python")
        os.execv(real, [real, *arguments])
    parser = parser_of("python3 -m venv")
    parser.add_argument("folder")
    folder = Path(parser.parse_args(arguments[2:]).folder).absolute()
    # With pip it would take seconds more, and that pip would ask an index.
    venv.create(folder, with_pip=False, symlinks=True)
    for program in ("pip", "python3"):
        (folder / "bin" / program).unlink(missing_ok=True)
        write_program(folder / "bin" / program)


def _own_environment() -> Path | None:
    """The environment that this program is in, if it is in one."""
    folder = Path(sys.argv[0]).absolute().parents[1]
    return folder if (folder / "pyvenv.cfg").exists() else None


def pip(arguments: Sequence[str]) -> None:
    parser = parser_of("pip")
    commands = parser.add_subparsers(required=True, dest="command")
    install = commands.add_parser("install", allow_abbrev=False)
    install.add_argument("-r", "--requirement", action="append", default=[])
    install.add_argument("--find-links", action="append", default=[])
    install.add_argument("--no-index", action="store_true")
    install.add_argument("requirements", nargs="*")
    download = commands.add_parser("download", allow_abbrev=False)
    download.add_argument("--dest", type=Path, required=True)
    download.add_argument("-r", "--requirement", action="append", default=[])
    download.add_argument("--find-links", action="append", default=[])
    download.add_argument("requirements", nargs="*")
    wheel = commands.add_parser("wheel", allow_abbrev=False)
    wheel.add_argument("--no-deps", action="store_true", required=True)
    wheel.add_argument("-w", "--wheel-dir", required=True)
    wheel.add_argument("source", type=Path)
    given = parser.parse_args(arguments)
    if given.command == "wheel":
        _build_wheel(given.source, Path(given.wheel_dir))
        return
    wanted = list(given.requirements)
    for name in given.requirement:
        wanted += requirements_of(Path(name))
    if not wanted:
        fail("ERROR: You must give at least one requirement to install")
    found = [checked(text, given.find_links) for text in wanted]
    if given.command == "install":
        _install(found)
        return
    given.dest.mkdir(exist_ok=True)
    for place in given.find_links:
        for file in Path(place).glob("*.whl"):
            shutil.copy(file, given.dest)


def requirements_of(file: Path) -> list[str]:
    lines = [line.partition("#")[0].strip() for line in file.read_text("utf-8").splitlines()]
    return [line for line in lines if line]


def checked(text: str, places: Sequence[str]) -> Requirement:
    """A requirement that the index, or the wheels in some folders, would satisfy."""
    folder = re.fullmatch(r"((?:\.{0,2}/|~)?[\w./-]*?)(\[[\w,-]+\])?", text)
    if folder and (Path(folder[1]) / "setup.cfg").is_file():
        text = PLUGIN + (folder[2] or "")
        places = [".", *places]
    elif folder and folder[1].endswith(".whl"):
        if not Path(folder[1]).is_file():
            fail(f"ERROR: {folder[1]} does not exist")
        places = [str(Path(folder[1]).parent)]
        text = parse_wheel_filename(Path(folder[1]).name)[0] + (folder[2] or "")
    elif text.startswith(PLUGIN) and PLUGIN not in _installed():
        _from_wheels(Requirement(text), places)
    try:
        requirement = Requirement(text)
        if requirement.name in _NOT_HERE:
            return requirement
        found = _found(requirement.name)
    except InvalidRequirement:
        fail(f"ERROR: Invalid requirement: {text!r}")
    except PackageNotFoundError:
        fail(f"ERROR: No matching distribution found for {text}")
    if not requirement.specifier.contains(found.version, prereleases=True):
        fail(f"ERROR: {text}: the tests run with {found.version}")
    known = {extra.replace("_", "-") for extra in found.metadata.get_all("Provides-Extra") or ()}
    unknown = {extra.replace("_", "-") for extra in requirement.extras} - known
    if unknown:
        fail(f"ERROR: {requirement.name} has no extra {', '.join(unknown)}")
    return requirement


def _found(name: str) -> Distribution:
    """A package of the tests' environment, or of that with engines."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        if engines := os.environ.get(ENGINES):
            for found in Distribution.discover(name=name, path=[engines]):
                return found
        raise


def _environment() -> Path | None:
    """The environment to install into."""
    active = os.environ.get("VIRTUAL_ENV")
    return _own_environment() or (Path(active) if active else None)


def _installed() -> list[str]:
    """What has been installed into that environment by its name."""
    prefix = _environment()
    file = prefix and prefix / _NAMES
    return file.read_text().split() if file and file.exists() else []


def _from_wheels(requirement: Requirement, places: Sequence[str]) -> None:
    """The index has only versions of the plugin that are older than this."""
    wheels = [file for place in places for file in Path(place).glob("kedro_airflow_k8s-*.whl")]
    versions = [parse_wheel_filename(wheel.name)[1] for wheel in wheels]
    if not any(requirement.specifier.contains(version) for version in versions):
        fail(f"ERROR: no wheel of {requirement} in {', '.join(places) or 'any folder'}")


def _install(requirements: Sequence[Requirement]) -> None:
    """Let the environment that is active have the packages of the tests' environment."""
    prefix = _environment()
    if prefix is None:
        fail("error: externally-managed-environment: no virtual environment is active")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = prefix / "lib" / version / "site-packages"
    sources = [path for path in sys.path if path.endswith("site-packages")]
    # What is in both comes from the first.
    sources += [os.environ[ENGINES]] if ENGINES in os.environ else []
    lines = [f"import site; site.addsitedir({path!r})" for path in sources]
    (packages / "packages_of_the_tests.pth").write_text("\n".join(lines) + "\n")
    names = {requirement.name for requirement in requirements}
    (prefix / _NAMES).write_text("\n".join({*names, *_installed()}))
    if PLUGIN in names:
        names |= {"kedro", "apache-airflow"}
    if "distributed" in names:
        names |= {"dask"}
    packages_here = [each for each in distributions(path=sources) if each.name in names]
    for script in (script for each in packages_here for script in each.entry_points):
        if script.group == "console_scripts":
            program = prefix / "bin" / script.name
            program.write_text(
                f"#!{prefix}/bin/python\nimport sys\nfrom {script.module} import {script.attr}\n"
                f"if __name__ == '__main__':\n    sys.exit({script.attr}())\n"
            )
            program.chmod(0o755)
    say(f"Successfully installed {' '.join(sorted(names))}")


def _build_wheel(source: Path, folder: Path) -> None:
    if not (source / "setup.cfg").is_file():
        fail(f"ERROR: Directory {str(source)!r} is not installable.")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel"]
    built = subprocess.run(
        [*command, "--outdir", str(folder.absolute()), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        fail(built.stdout + built.stderr)
    say("Successfully built kedro-airflow-k8s")
