"""What a person gets who installs the package or clones the repository."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import kedro_airflow_k8s

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
HEAVY = re.compile(r"apache-airflow.*|kubernetes.*|pandas|mlflow.*")


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.strip().splitlines()]


def base_requirements() -> list[Requirement]:
    return requirements(setup_cfg()["options"]["install_requires"])


def extra_requirements(extra: str) -> list[Requirement]:
    return requirements(setup_cfg()["options.extras_require"][extra])


def tracked_files() -> list[Path]:
    """Every file that git tracks or would add."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = (ROOT / name for name in sorted(set(listed.split("\0"))) if name)
    return [path for path in paths if path.is_file()]


def installed_with(roots: list[Requirement]) -> set[str]:
    """Names of everything that comes with the given requirements, as their metadata has it."""
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(roots)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = (name, frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        found.add(name)
        environments = [{"extra": extra} for extra in ("", *requirement.extras)]
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or any(map(needed.marker.evaluate, environments)):
                waiting.append(needed)
    return found


def test_the_base_install_brings_no_airflow_kubernetes_pandas_or_mlflow() -> None:
    names = installed_with(base_requirements())
    assert {"kedro", "pydantic", "omegaconf"} <= names
    assert not [name for name in names if HEAVY.fullmatch(name)]


def test_every_extra_that_the_documentation_names_exists() -> None:
    extras = set(setup_cfg()["options.extras_require"])
    assert extras == {"gcp", "aws", "azure", "kubernetes", "mlflow", "sandbox", "docs", "tests"}


def test_the_installed_version_is_the_one_in_the_package() -> None:
    assert setup_cfg()["metadata"]["version"] == "attr: kedro_airflow_k8s.__version__"
    assert metadata.version("kedro-airflow-k8s") == kedro_airflow_k8s.__version__


def test_the_changelog_has_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", text, flags=re.MULTILINE)
    assert headings[:2] == ["Unreleased", kedro_airflow_k8s.__version__]


def test_the_wheel_holds_every_file_of_the_package_and_the_licence(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path in tracked_files():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path)]
    built = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr

    # Without a choice `build` makes the wheel from the source archive, so this checks both.
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    ours = {path.relative_to(ROOT).as_posix() for path in tracked_files()}
    package = {name for name in ours if name.startswith("kedro_airflow_k8s/")}
    assert "kedro_airflow_k8s/py.typed" in package
    assert {name for name in packed if ".dist-info/" not in name} == package
    assert [name for name in packed if name.endswith("/LICENSE")]


def test_no_file_names_the_machine_it_was_written_on_or_a_package_registry() -> None:
    # Written in pieces, or this file would be the first to fail.
    registries = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"))]
    registries += [".".join(("registry", "npmjs", "org")), "-".join(("index", "url = "))]
    places = [rf"(?<![\w.-]){re.escape(str(place))}(?![\w-])" for place in (ROOT, Path.home())]
    private = re.compile("|".join([*places, *map(re.escape, registries)]))
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in private.finditer(text)]
    assert not found


def test_every_supported_python_is_in_the_metadata_the_makefile_and_the_workflow() -> None:
    classifiers = setup_cfg()["metadata"]["classifiers"]
    assert tuple(re.findall(r"Python :: (3\.\d+)$", classifiers, re.MULTILINE)) == PYTHONS
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"\nPYTHONS := {' '.join(PYTHONS)}\n" in makefile
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    python = workflow["jobs"]["test-all"]["steps"][1]["with"]["python-version"]
    others = workflow["jobs"]["unit"]["strategy"]["matrix"]["python"]
    assert sorted([python, *others], key=PYTHONS.index) == list(PYTHONS)


def locked(name: str, python: str) -> dict[str, str]:
    """Versions that a lock file installs with a Python on Linux."""
    environment = {"python_version": python, "python_full_version": f"{python}.1", "extra": ""}
    environment |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8").replace("\\\n", " ")
    versions: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        wanted, *hashes = re.split(r"\s+--hash=", line.strip())
        assert hashes, f"{wanted} has no hash"
        requirement = Requirement(wanted)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (specifier,) = requirement.specifier
            versions[canonicalize_name(requirement.name)] = specifier.version
    return versions


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_files_have_what_setup_cfg_asks_for(python: str) -> None:
    everything = locked("airflow3.txt", python)
    extras = ("gcp", "aws", "sandbox", "tests")
    wanted = base_requirements() + [one for extra in extras for one in extra_requirements(extra)]
    missing = [
        str(requirement)
        for requirement in wanted
        if (version := everything.get(canonicalize_name(requirement.name))) is None
        or not requirement.specifier.contains(version, prereleases=True)
    ]
    assert not missing, "run `make lock`"
    assert everything["apache-airflow"].startswith("3.")


@pytest.mark.parametrize("python", PYTHONS)
def test_the_demo_installs_a_part_of_the_working_environment(python: str) -> None:
    demo, everything = locked("demo.txt", python), locked("airflow3.txt", python)
    assert demo.items() < everything.items()


def test_the_second_airflow_is_alone_in_its_environment() -> None:
    versions = locked("airflow2.txt", "3.12")
    assert versions["apache-airflow"].startswith("2.11.")
    assert "apache-airflow-providers-cncf-kubernetes" in versions
    assert not [name for name in versions if name.startswith("kedro")]


def make(target: str, folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run a target where PATH has one interpreter, which says that it is the given Python."""
    folder.mkdir()
    interpreter = folder / "python3"
    interpreter.write_text(f"#!/bin/sh\necho {python}\n", encoding="utf-8")
    interpreter.chmod(0o755)
    program = shutil.which("make")
    assert program is not None
    command = [program, "-f", str(ROOT / "Makefile"), target]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"MAKEFLAGS", "MAKELEVEL", "PYTHON", "REQUIRE_AIRFLOW2"}
    }
    environment["PATH"] = str(folder)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_make_says_aloud_that_airflow_2_is_left_out(tmp_path: Path) -> None:
    said = make("say-airflow2", tmp_path / "bin", "3.13")
    assert said.returncode == 0
    assert "Airflow 2.11 is left out and its tests are skipped" in said.stdout
    assert not make("say-airflow2", tmp_path / "older", "3.12").stdout


def test_make_refuses_a_python_that_is_not_supported(tmp_path: Path) -> None:
    refused = make("check-python", tmp_path / "bin", "3.9")
    assert refused.returncode != 0
    assert "python3 is Python 3.9; needed is one of 3.10 3.11 3.12 3.13" in refused.stderr


def test_the_fields_of_kubernetes_are_those_of_its_client() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "write_kubernetes_fields.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    committed = ROOT / "kedro_airflow_k8s" / "config" / "kubernetes_fields.json"
    assert committed.read_text("utf-8") == done.stdout
