"""What the sandbox takes of a project for its pods: what `docker build` would take."""

from __future__ import annotations

import errno
import re
import shutil
import threading
from pathlib import Path

import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from kedro_airflow_k8s.sandbox.cluster.files import copy_current
from kedro_airflow_k8s.sandbox.image import ImageFolder, copy_project


@pytest.mark.parametrize(
    ("lines", "ignored", "kept"),
    [
        # The cases of Docker's documentation of .dockerignore.
        (["*/temp*"], ["a/temporary.txt", "a/temp/x"], ["temp", "a/b/temp"]),
        (["*/*/temp*"], ["a/b/temporary.txt"], ["a/temp"]),
        (["temp?"], ["tempa", "tempb/x"], ["temp", "tempab", "a/tempa"]),
        (["**/*.go"], ["x.go", "a/b/x.go"], ["x.gob"]),
        (["*.md", "!README.md"], ["a.md", "b.md"], ["README.md", "docs/a.md"]),
        (["*.md", "!README*.md", "README-s.md"], ["a.md", "README-s.md"], ["README-x.md"]),
        (["*.md", "README-s.md", "!README*.md"], ["a.md"], ["README-s.md", "README.md"]),
        # What kedro-docker writes, with the line for raw data.
        (["data", "!data/01_raw"], ["data/02/x", "data/x"], ["data/01_raw/a.csv", "data/01_raw"]),
        (["conf/local/*", "!conf/local/.gitkeep"], ["conf/local/c.yml"], ["conf/local/.gitkeep"]),
        (["conf/**/*credent*"], ["conf/base/credentials.yml", "conf/a/b/my_credentials"], ["c"]),
        # Slashes at the ends, comments, blank lines, and characters that mean something elsewhere.
        (["/logs/", "", "# data", "  spaced  "], ["logs/x", "logs", "spaced"], ["data", "a/logs"]),
        (["a+b(c)", "[ab].txt", r"\*.txt"], ["a+b(c)", "a.txt", "*.txt"], ["c.txt"]),
        (["[^x]y"], ["zy"], ["xy"]),
        (["**"], ["a", "a/b"], []),
        ([".git", "**/__pycache__"], [".git/config", "a/__pycache__/x.pyc"], [".gitignore"]),
        (["[unclosed"], ["[unclosed"], ["u"]),
        (["./a", "b/../c"], ["a", "c"], ["b"]),
    ],
)  # fmt: skip
def test_dockerignore_leaves_out_what_docker_leaves_out(
    lines: list[str], ignored: list[str], kept: list[str]
) -> None:
    rules = DockerIgnore(lines)
    assert [path for path in ignored if not rules.ignores(path)] == []
    assert [path for path in kept if rules.ignores(path)] == []


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)


def copied(project: Path, target: Path) -> list[str]:
    copy_project(project, target)
    return sorted(
        path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()
    )


def test_the_image_holds_the_project_without_environments_caches_and_history(
    tmp_path: Path,
) -> None:
    project = tmp_path / "project"
    write(
        project, "src/a.py", ".hidden", "data/01_raw/x.csv", ".git/config", "src/__pycache__/a.pyc"
    )
    write(project, "my-env/pyvenv.cfg", "my-env/lib/x.py", ".ruff_cache/x")
    write(project, ".airflow-sandbox/images/a/src/a.py", ".airflow-sandbox/state.json")

    assert copied(project, tmp_path / "image") == [".hidden", "data/01_raw/x.csv", "src/a.py"]


def test_the_image_lacks_what_dockerignore_names_and_has_what_it_takes_back(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project, "data/01_raw/x.csv", "data/02/y.csv", "logs/z", "src/a.py")
    (project / ".dockerignore").write_text("data\nlogs\n!data/01_raw\n")

    assert copied(project, tmp_path / "image") == [
        ".dockerignore",
        "data/01_raw/x.csv",
        "src/a.py",
    ]


def test_the_image_has_what_the_dockerfile_copies_and_the_folders_that_it_makes(
    tmp_path: Path,
) -> None:
    project = tmp_path / "project"
    write(project, "pyproject.toml", "src/a.py", "src/b/c.py", "conf/base/x.yml", "tests/t.py")
    write(project, "conf/local/credentials.yml")
    (project / ".dockerignore").write_text("conf/local\n")
    (project / "Dockerfile").write_text(
        "FROM python\nWORKDIR /app\nRUN mkdir -p logs conf/local\n"
        "COPY pyproject.toml .\nCOPY src src\nCOPY conf conf\n"
    )

    assert copied(project, tmp_path / "image") == [
        "conf/base/x.yml",
        "pyproject.toml",
        "src/a.py",
        "src/b/c.py",
    ]
    assert (tmp_path / "image/logs").is_dir()
    assert (tmp_path / "image/conf/local").is_dir()


def test_a_dockerfile_that_does_not_say_what_it_copies_leaves_nothing_out(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project, "src/a.py", "tests/t.py")
    (project / "Dockerfile").write_text("FROM mine\nWORKDIR $HOME\nCOPY src src\n")

    assert copied(project, tmp_path / "image") == ["Dockerfile", "src/a.py", "tests/t.py"]


def test_links_and_empty_folders_are_copied_as_they_are(tmp_path: Path) -> None:
    project = tmp_path / "project"
    write(project, "real/x")
    (project / "empty").mkdir()
    (project / "link").symlink_to("real")
    (project / "dangling").symlink_to("/nowhere")

    copy_project(project, tmp_path / "image")

    assert (tmp_path / "image/link").readlink() == Path("real")
    assert (tmp_path / "image/dangling").is_symlink()
    assert (tmp_path / "image/empty").is_dir()


def test_a_project_that_cannot_be_read_gives_one_message(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"cannot be copied for the sandbox.*nowhere"):
        copy_project(tmp_path / "nowhere", tmp_path / "image")


def test_the_image_becomes_the_projects_present_files_and_old_copies_go_away(
    tmp_path: Path,
) -> None:
    project, images = tmp_path / "project", ImageFolder(tmp_path / "images")
    write(project, "a", "b")
    images.refresh(project)
    (project / "a").unlink()
    write(project, "c")

    images.refresh(project)

    assert sorted(path.name for path in images.current.iterdir()) == ["b", "c"]
    assert [p for p in (tmp_path / "images").iterdir() if p.is_dir() and not p.is_symlink()] == [
        images.current.resolve()
    ]


def test_a_pod_gets_a_new_copy_only_if_the_project_has_changed(tmp_path: Path) -> None:
    project, image = tmp_path / "project", ImageFolder(tmp_path / "images")
    write(project, "src/nodes.py", "data/empty/x", ".git/HEAD")
    image.refresh(project)
    first = image.current.resolve()

    said = image.renew(project)
    assert image.current.resolve() == first
    assert re.fullmatch(
        r"Sandbox: the pod runs the project as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.", said
    )
    write(project, ".git/index", ".airflow-sandbox/logs/a.log", "src/__pycache__/nodes.pyc")
    image.renew(project)
    assert image.current.resolve() == first

    (project / "src/nodes.py").write_text("changed")
    image.renew(project)
    second = image.current.resolve()
    assert second != first
    assert (image.current / "src/nodes.py").read_text() == "changed"

    (project / "src/nodes.py").rename(project / "src/other.py")
    image.renew(project)
    assert image.current.resolve() != second
    assert not (image.current / "src/nodes.py").exists()


def test_a_pod_gets_the_old_copy_if_no_new_one_can_be_made_and_its_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, image = tmp_path / "project", ImageFolder(tmp_path / "images")
    write(project, "src/nodes.py")
    image.refresh(project)
    first = image.current.resolve()
    (project / "src/nodes.py").write_text("changed")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    assert "cannot be copied for the sandbox: [Errno 28] No space" in image.renew(project)
    assert image.current.resolve() == first


def test_a_copy_that_cannot_be_made_leaves_the_last_one(tmp_path: Path) -> None:
    project, images = tmp_path / "project", ImageFolder(tmp_path / "images")
    write(project, "a")
    images.refresh(project)

    with pytest.raises(SandboxError, match="cannot be copied"):
        images.refresh(tmp_path / "nowhere")

    assert [path.name for path in images.current.iterdir()] == ["a"]


@pytest.mark.parametrize("place", ["", "lock", "next"])
def test_a_copy_for_which_there_is_no_room_gives_one_message(tmp_path: Path, place: str) -> None:
    project, images = tmp_path / "project", tmp_path / "images"
    write(project, "a")
    # Something in the way, for a full disk: a file for the folder, or a folder for a file.
    if place:
        (images / place).mkdir(parents=True)
    else:
        images.touch()

    with pytest.raises(SandboxError, match=f"cannot be copied for the sandbox.*{images / place}"):
        ImageFolder(images).refresh(project)


def test_containers_that_start_while_the_image_changes_get_one_version_whole(
    tmp_path: Path,
) -> None:
    images = ImageFolder(tmp_path / "images")
    names = [f"{folder}/{number}" for folder in "abcd" for number in range(5)]
    versions = [tmp_path / "old", tmp_path / "new"]
    for version in versions:
        write(version, *names)
        for name in names:
            (version / name).write_text(version.name)
    images.refresh(versions[0])

    def refresh(version: Path) -> None:
        for _ in range(10):
            images.refresh(version)

    threads = [threading.Thread(target=refresh, args=[version]) for version in versions]
    for thread in threads:
        thread.start()
    seen: list[set[str]] = []
    while any(thread.is_alive() for thread in threads):
        target = tmp_path / "containers" / str(len(seen))
        copy_current(images.current, target)
        seen.append({(target / name).read_text() for name in names})
    for thread in threads:
        thread.join()

    assert seen
    assert all(found in ({"old"}, {"new"}) for found in seen)
