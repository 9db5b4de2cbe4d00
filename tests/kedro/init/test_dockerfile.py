"""The Dockerfile of `init`: its steps are done here, in a folder in place of an image."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

import pytest

from tests.kedro.init.ci_machine import VERSION, Machine, build_wheel
from tests.kedro.init.docker_build import Image, parse
from tests.kedro.init.new_projects import kedro, kedro_new, new_spaceflights
from tests.support.airflow_environments import EXAMPLES

SECRET = "hunter2"
SECRETS = (
    "conf/local/credentials.yml",
    "conf/base/credentials.yml",
    "conf/prod/db_credentials.yml",
    ".env",
    ".git/config",
    ".airflow-sandbox/state.json",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Image:
    """The image of a new project in which there are secrets, results and a folder of wheels."""
    folder = tmp_path_factory.mktemp("dockerfile")
    project = new_spaceflights(folder)
    (project / "data/02_intermediate").mkdir()
    (project / "data/02_intermediate/big.csv").write_text("1")
    (project / "data/01_raw/shuttles.csv").chmod(0o600)
    (project / "wheels").mkdir()
    (project / "wheels" / wheel.name).write_bytes(wheel.read_bytes())
    made = kedro(project, "airflow-k8s", "init", "--dockerfile")
    assert made.returncode == 0, made.stdout + made.stderr
    for name in SECRETS:
        file = project / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"a: {SECRET}\n")
    machine = Machine(folder / "machine")
    machine.folder.mkdir()
    machine.install_python()
    # This repository's own installation would do for pip, but is not there in an image.
    machine.environment["PIP_UPGRADE"] = "1"
    found = Image(project, machine)
    found.build((project / "Dockerfile").read_text())
    return found


def test_it_is_a_slim_python_of_the_version_that_runs_here(image: Image) -> None:
    assert image.base == f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"


def test_no_password_and_no_data_but_the_raw_is_inside(image: Image) -> None:
    files = [path for path in image.root.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET in path.read_text(errors="ignore")]
    data = {
        path.relative_to(image.home / "data").parts[0] for path in (image.home / "data").iterdir()
    }
    assert data == {"01_raw"}
    assert (image.home / "data/01_raw/companies.csv").is_file()
    names = {path.name for path in image.home.iterdir()}
    assert {"src", "conf", "pyproject.toml"} <= names
    assert not {".git", ".env", "Dockerfile", "dags", "logs", ".airflow-sandbox"} & names
    assert [p.name for p in (image.home / "conf/local").iterdir()] == [".gitkeep"]


def test_the_user_is_not_root_and_group_0_may_do_what_the_user_may(image: Image) -> None:
    user, _, group = image.user.partition(":")
    assert int(user) > 0
    assert group == "0"
    accounts = (image.machine.folder / "useradd.txt").read_text()
    assert f"--uid {user} --gid 0 --home-dir {image.root}/home/kedro_docker" in accounts
    owned = (image.machine.folder / "chown.txt").read_text()
    assert owned.startswith(f"{'chown'} {user}:0 . ")
    for path in [image.home, *image.home.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        needed = 0o7 if path.is_dir() else 0o4
        assert (mode >> 3) & needed == (mode >> 6) & needed, f"{path}: {mode:o}"


def test_packages_have_a_layer_of_their_own_before_the_project(image: Image) -> None:
    first, second = image.layers
    assert [Path(name).parts[0] for name in first] == ["requirements.txt", "wheels"]
    assert any(name.startswith("src/") for name in second)
    names = [step.name for step in parse((image.context / "Dockerfile").read_text())]
    assert names.index("COPY") < len(names) - names[::-1].index("COPY") - 1
    assert names[-2:] == ["USER", "CMD"]


def test_the_plugin_of_the_wheel_is_inside(image: Image) -> None:
    said = image.run("python -c 'import kedro_airflow_k8s as k; print(k.__version__, k.__file__)'")
    version, place = said.split()
    assert version == VERSION
    assert place.startswith(str(image.machine.folder))


def test_what_a_task_imports_has_byte_code(image: Image) -> None:
    cache = image.machine.folder / "bytecode"
    made = {path.name.partition(".")[0] for path in cache.rglob("json/*.pyc")}
    assert {"decoder", "encoder"} <= made
    assert list(cache.rglob("rocket_science/pipelines/data_science/nodes.*.pyc"))
    installed = next(image.machine.folder.glob("python/lib/*/site-packages/kedro_airflow_k8s"))
    assert list(cache.rglob("kedro_airflow_k8s/pod/hooks.*.pyc")) or list(
        installed.rglob("hooks.*.pyc")
    )


def test_the_command_of_the_image_runs_the_project(image: Image, tmp_path: Path) -> None:
    assert image.command == ["kedro", "run"]
    assert "kedro_airflow_k8s" in image.run("kedro info")
    # The other tests look at the image as it was built.
    shutil.copytree(image.home, tmp_path / "built", symlinks=True)
    try:
        image.run(" ".join(image.command))
        assert (image.home / "data/08_reporting/metrics.json").is_file()
    finally:
        shutil.rmtree(image.home)
        shutil.copytree(tmp_path / "built", image.home, symlinks=True)


def test_what_a_node_prints_before_the_kernel_kills_it_is_in_the_log(image: Image) -> None:
    dies = "import os; print('eats memory'); os.kill(os.getpid(), 9)"
    assert "eats memory" in image.run(f'python -c "{dies}" | cat || true')


def test_the_example_has_the_files_that_init_makes_for_it(tmp_path: Path) -> None:
    example = EXAMPLES / "spaceflights"
    project = tmp_path / "work/spaceflights"
    ignored = shutil.ignore_patterns(
        "Dockerfile", ".dockerignore", "dags", "__pycache__", "0[2-8]_*"
    )
    shutil.copytree(example, project, ignore=ignored)
    made = kedro(project, "airflow-k8s", "init", "--dockerfile")
    assert made.returncode == 0, made.stdout + made.stderr
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    text = (
        (project / "Dockerfile").read_text().replace(f"python:{version}-slim", "python:3.11-slim")
    )
    assert (example / "Dockerfile").read_text() == text
    assert (example / ".dockerignore").read_text() == (project / ".dockerignore").read_text()


def test_a_project_without_wheels_data_and_tools_builds_too(tmp_path: Path, wheel: Path) -> None:
    options = ("--name", "Empty Shop", "--tools", "none", "--example", "n")
    project = kedro_new(tmp_path / "work", *options)
    # Its own requirements, notebooks and all, are not on this machine.
    (project / "requirements.txt").write_text("-r more/base.txt\n-c pins.txt\n")
    (project / "more").mkdir()
    (project / "more/base.txt").write_text("kedro\n")
    (project / "pins.txt").write_text("")
    made = kedro(project, "airflow-k8s", "init", "--dockerfile")
    assert made.returncode == 0, made.stdout + made.stderr
    machine = Machine(tmp_path / "machine")
    machine.folder.mkdir()
    machine.install_python()
    machine.environment["PIP_UPGRADE"] = "1"
    machine.environment["PIP_FIND_LINKS"] = str(wheel.parent)
    image = Image(project, machine)
    image.build((project / "Dockerfile").read_text())
    assert image.layers[0] == ["pins.txt", "requirements.txt"]
    assert image.layers[1] == ["more/base.txt"]
    assert (image.home / "data").is_dir()
    assert (image.home / "conf/local").is_dir()
    assert "airflow-k8s" in image.run("kedro --help")
