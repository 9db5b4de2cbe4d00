"""What is certain of an image by its Dockerfile, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kedro_airflow_k8s.project.dockerfile import Dockerfile, read_dockerfile

FILES = ("src/shop/__init__.py", "conf/base/catalog.yml", "pyproject.toml", "requirements.txt")


@pytest.fixture(name="project")
def project_fixture(tmp_path: Path) -> Path:
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def read(project: Path, *lines: str) -> Dockerfile:
    (project / "Dockerfile").write_text("\n".join(lines) + "\n")
    found = read_dockerfile(project / "Dockerfile")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("lines", "workdir"),
    [
        (["FROM python", "WORKDIR /app"], "/app"),
        (["FROM python", "workdir /a", "WORKDIR /b/"], "/b"),
        (["FROM python", "WORKDIR /a", "FROM debian"], None),
        (["FROM python AS base", "WORKDIR /a", "FROM base"], "/a"),
        (["FROM python AS base", "WORKDIR /a", "FROM debian", "WORKDIR /b"], "/b"),
        (["FROM python AS one", "WORKDIR /a", "FROM one AS two", "FROM TWO"], "/a"),
        (["FROM --platform=linux/amd64 python as base", "WORKDIR /a", "FROM base"], "/a"),
        (["FROM python", "WORKDIR $HOME"], None),
        (["FROM python", "WORKDIR /a", "WORKDIR b"], None),
        (["FROM python", "ENV APP=/app", "WORKDIR ${APP}/x"], None),
        (["FROM python", 'WORKDIR "/with space"'], "/with space"),
        (["FROM python", "WORKDIR \\", "# a comment", "  /app"], "/app"),
        (["FROM python", "RUN <<EOF", "WORKDIR /no", "EOF", "WORKDIR /app"], "/app"),
        (["# WORKDIR /no", "FROM python", "# WORKDIR /no"], None),
    ],
)
def test_the_home_is_the_last_workdir_of_the_last_stage(
    project: Path, lines: list[str], workdir: str | None
) -> None:
    assert read(project, *lines).workdir == workdir


@pytest.mark.parametrize(
    ("copies", "held", "missing"),
    [
        (["COPY . ."], [*FILES, "data/x"], []),
        (["COPY . /app"], FILES, []),
        (["COPY . /app/"], FILES, []),
        (["COPY . /elsewhere"], [], FILES),
        (["COPY src src"], ["src/shop/__init__.py"], ["pyproject.toml", "src/x/../y"]),
        (["COPY ./src/ ./src/"], ["src/shop/__init__.py"], ["conf/base/catalog.yml"]),
        (["COPY src ."], [], ["src/shop/__init__.py"]),
        (["COPY pyproject.toml requirements.txt ./"], ["pyproject.toml"], ["src/a"]),
        (["COPY pyproject.toml /app/pyproject.toml"], ["pyproject.toml"], []),
        (["COPY pyproject.toml /app/other.toml"], [], ["pyproject.toml"]),
        (["COPY *.toml ."], ["pyproject.toml"], ["requirements.txt"]),
        (["COPY con[f] conf"], ["conf/base/catalog.yml"], []),
        (['COPY ["src", "src"]'], ["src/shop/__init__.py"], []),
        (["COPY --chown=1:0 --link src src"], ["src/shop/__init__.py"], []),
        (["ADD src /app/src"], ["src/shop/__init__.py"], []),
    ],
)
def test_copy_brings_files_to_where_the_project_is(
    project: Path, copies: list[str], held: list[str], missing: list[str]
) -> None:
    found = read(project, "FROM python", "WORKDIR /app", *copies)
    assert [path for path in held if not found.holds(path)] == []
    assert [path for path in missing if found.holds(path)] == []
    assert not found.opaque


@pytest.mark.parametrize(
    "line",
    [
        "COPY --from=builder /app /app",
        "COPY --from=builder / /",
        "COPY $WHAT .",
        "COPY src $WHERE",
        "COPY --exclude=*.md . .",
        "COPY not-here .",
        "ADD https://example.com/x.tar.gz .",
    ],
)
def test_what_else_may_be_copied_is_unknown(project: Path, line: str) -> None:
    assert read(project, "FROM python", "WORKDIR /app", line).opaque


def test_packages_of_another_stage_are_not_the_project(project: Path) -> None:
    assert not read(project, "FROM p", "WORKDIR /app", "COPY --from=b /opt/venv /opt/venv").opaque


def test_a_part_of_the_project_from_another_stage(project: Path) -> None:
    packages = "COPY --from=b /app/.venv /app/.venv"
    found = read(project, "FROM p", "WORKDIR /app", packages, "COPY src src")
    assert not found.opaque
    assert found.holds("src/shop/__init__.py")
    assert found.holds(".venv/bin/python")
    assert not found.holds("conf/base/catalog.yml")
    made = read(project, "FROM p", "WORKDIR /", "COPY --from=b /app /app", "WORKDIR /app")
    assert made.holds("conf/base/catalog.yml")


@pytest.mark.parametrize(
    ("run", "folders"),
    [
        ("mkdir -p logs data/08", ["logs", "data/08"]),
        ("pip install x && mkdir /app/logs; mkdir -m 755 /tmp/x", ["logs", "755"]),
        ("<<EOF\nmkdir a\nEOF", ["a"]),
        ("mkdir $X", []),
        ("echo mkdir logs", []),
    ],
)
def test_folders_that_commands_make(project: Path, run: str, folders: list[str]) -> None:
    found = read(project, "FROM python", "WORKDIR /app", f"RUN {run}")
    assert set(folders) <= set(found.made_folders)
    assert bool(folders) == bool(found.made_folders)


@pytest.mark.parametrize(
    ("run", "may"),
    [
        ("apt-get update && apt-get install -y git curl && rm -rf /var/lib/apt/lists/*", False),
        ("--mount=type=cache,target=/var/cache/pip pip install -r requirements.txt", False),
        ("python -m compileall -q src", False),
        ("""python -m compileall "$(python -c 'import a; print(a("b"))')" """, False),
        ("PIP_NO_CACHE_DIR=1 pip install x", False),
        ("git clone https://example.com/x", True),
        ("./get-data.sh", True),
        ("python get_data.py", True),
        ("--mount=type=bind,target=/x cp /x/y .", True),
        ("'unclosed", True),
    ],
)
def test_commands_that_may_bring_files(project: Path, run: str, *, may: bool) -> None:
    assert read(project, "FROM python", f"RUN {run}").mentions("data/01_raw/x.csv") is may


def test_entrypoint_user_and_rights(project: Path) -> None:
    found = read(project, "FROM p", 'ENTRYPOINT ["a", "b"]', "USER me:0", "COPY --chown=me . .")
    assert (found.entrypoint, found.entrypoint_is_shell) == (("a", "b"), False)
    assert (found.user, found.gives_rights) == ("me:0", True)
    found = read(project, "FROM p", "ENTRYPOINT kedro run", "USER $ID")
    assert (found.entrypoint, found.entrypoint_is_shell) == (("kedro", "run"), True)
    assert (found.user, found.gives_rights) == (None, False)


def test_without_a_dockerfile_or_in_another_syntax_nothing_is_said(project: Path) -> None:
    assert read_dockerfile(project / "Dockerfile") is None
    (project / "Dockerfile").write_text("# escape=`\nFROM windows\nWORKDIR C:`\n")
    assert read_dockerfile(project / "Dockerfile") is None
    (project / "Dockerfile").write_text("")
    assert read_dockerfile(project / "Dockerfile") is None
