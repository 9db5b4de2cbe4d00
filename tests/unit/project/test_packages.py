"""Whether the Dockerfile certainly does not install a package."""

from __future__ import annotations

from pathlib import Path

import pytest

from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.project.packages import lacks_package

DOCKERFILE = """\
FROM python:3.11-slim
WORKDIR /home/kedro
COPY requirements.txt wheel[s] /tmp/requirements/
RUN pip install --no-cache-dir --find-links /tmp/requirements -r /tmp/requirements/requirements.txt
COPY . .
"""
OF_TEMPLATE = "ipython>=8.10\njupyterlab>=3.0\nnotebook\nkedro~=1.0  # The framework.\n"


def lacks(
    folder: Path, requirements: str = OF_TEMPLATE, dockerfile: str = DOCKERFILE, **files: str
) -> bool:
    (folder / "requirements.txt").write_text(requirements)
    (folder / "Dockerfile").write_text(dockerfile)
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return lacks_package(ProjectImage.of(folder), "kedro-datasets")


def test_a_project_as_kedro_new_makes_it_lacks_the_datasets(tmp_path: Path) -> None:
    assert lacks(tmp_path)
    assert lacks(tmp_path, f"{OF_TEMPLATE}kedro-airflow-k8s>=1.0\npandas\n")


@pytest.mark.parametrize(
    "name", ["kedro-datasets", "Kedro_Datasets[pandas]>=4 ; python_version>'3'"]
)
def test_a_line_brings_them_in_any_spelling(tmp_path: Path, name: str) -> None:
    assert not lacks(tmp_path, f"{OF_TEMPLATE}{name}\n")


@pytest.mark.parametrize("command", ["-r more.txt", "--requirement=more.txt"])
def test_another_file_brings_them(tmp_path: Path, command: str) -> None:
    every = DOCKERFILE.replace("requirements.txt wheel", "requirements.txt more.txt wheel")
    text = f"{OF_TEMPLATE}{command}\n"
    assert not lacks(tmp_path, text, every, more="kedro-datasets\n")
    assert lacks(tmp_path, text, every, more="kedro\n")
    # It is not where pip looks for it.
    assert not lacks(tmp_path, text, DOCKERFILE, more="kedro\n")


def test_an_extra_of_another_package_brings_them(tmp_path: Path) -> None:
    assert not lacks(tmp_path, "kedro[test]\n")


@pytest.mark.parametrize(
    "line",
    ["of-our-company", "-e .", ".", "./wheels/x.whl", "git+https://x/y", "kedro \\", "--pre x"],
)
def test_what_an_unknown_requirement_brings_is_unknown(tmp_path: Path, line: str) -> None:
    assert not lacks(tmp_path, f"kedro\n{line}\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("python:3.11-slim", "registry.example.com/python:3.11"),
        ("python:3.11-slim", "$BASE"),
        ("WORKDIR", "RUN pip install kedro-datasets\nWORKDIR"),
        ("WORKDIR", "RUN pip install $PACKAGES\nWORKDIR"),
        ("WORKDIR", "RUN pip install of-our-company\nWORKDIR"),
        ("WORKDIR", "RUN find . -name x -exec pip install {} +\nWORKDIR"),
        ("COPY . .", "COPY . .\nRUN pip install ."),
        ("COPY . .", "COPY . .\nRUN ./install.sh"),
        ("COPY . .", "COPY . .\nRUN uv sync"),
        ("COPY . .", "COPY . .\nCOPY --from=build /usr/local/lib /usr/local/lib"),
        ("COPY requirements.txt", "COPY --from=build requirements.txt"),
        ("RUN pip", "RUN sed -i s/a/b/ /tmp/requirements/requirements.txt\nRUN pip"),
        ("pip install", "pip download"),
    ],
)
def test_what_the_dockerfile_may_install_otherwise_is_unknown(
    tmp_path: Path, old: str, new: str
) -> None:
    assert lacks(tmp_path)
    assert old in DOCKERFILE
    assert not lacks(tmp_path, dockerfile=DOCKERFILE.replace(old, new))


def test_without_a_dockerfile_nothing_is_known(tmp_path: Path) -> None:
    assert not lacks_package(ProjectImage.of(tmp_path), "kedro-datasets")
