"""The project's configuration as its pods read it: without the files that the image lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import yaml

from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.project.catalog import Catalog
from kedro_airflow_k8s.project.config_files import CONFIG_NAME
from kedro_airflow_k8s.project.entities import KedroMlflow
from kedro_airflow_k8s.project.image import ProjectImage, files_below
from kedro_airflow_k8s.project.reader import KedroProject

T = TypeVar("T")


@dataclass(frozen=True)
class LeftOut:
    """A file of the configuration that the image lacks.

    Attributes:
        path: Relative to the project.
        reason: Why the image lacks it.
        keys: The keys at its top.
    """

    path: str
    reason: str
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ImageConfig:
    """What pods read, where that differs from what is read here.

    Attributes:
        left_out: The files that the image lacks, by kind.
        kept: Those that it has, by kind, for the same kinds.
        catalog: The catalog; None if it is as here, or cannot be read.
        parameters: The parameters; None if they are as here, or cannot be read.
        credentials: The names of the credentials; None if they are as here, or cannot be read.
        mlflow: What kedro-mlflow would do; it counts if `left_out` has the kind `mlflow`.
        problems: Why a kind cannot be read, by kind.
        base: The folder of the configuration that all environments share.
    """

    left_out: Mapping[str, tuple[LeftOut, ...]]
    kept: Mapping[str, tuple[LeftOut, ...]] = field(default_factory=dict)
    catalog: Catalog | None = None
    parameters: Mapping[str, Any] | None = None
    credentials: frozenset[str] | None = None
    mlflow: KedroMlflow | None = None
    problems: Mapping[str, str] = field(default_factory=dict)
    base: str = "conf/base"

    def affects(self, kind: str) -> bool:
        """Return whether pods read something else for a kind: all may refer to globals."""
        return kind in self.left_out or "globals" in self.left_out

    def sources(self, kind: str, key: str) -> list[LeftOut]:
        """Return the files that the image lacks and that say something of a key at the top."""
        own = self.left_out.get(kind, ())
        with_key = [file for file in own if key in file.keys]
        # A pattern, a merged value, or a value of the globals.
        return with_key or [*own, *self.left_out.get("globals", ())]

    def instead(self, kind: str, key: str) -> list[str]:
        """Return the files of the image that say something of a key at the top."""
        return [file.path for file in self.kept.get(kind, ()) if key in file.keys]


def conf_folder(project: KedroProject, env: str = "") -> str:
    """Return the folder of the configuration, or of an environment in it, as messages name it."""
    folder = project.conf_path / env
    if not folder.is_relative_to(project.path):
        return str(folder)
    return folder.relative_to(project.path).as_posix()


def read_image_config(project: KedroProject, image: ProjectImage) -> ImageConfig | None:
    """Return what pods read of the configuration; None if they read what is read here.

    Args:
        project: The project. Its own configuration has been read.
        image: What the image will hold.
    """
    conf = project.conf_path
    if not conf.is_dir() or not conf.is_relative_to(project.path):
        return None
    left_out: dict[str, tuple[LeftOut, ...]] = {}
    kept: dict[str, tuple[LeftOut, ...]] = {}
    for kind in project.config_patterns.keys() - {CONFIG_NAME}:
        files = [file for file in project.config_files(kind) if file.is_relative_to(project.path)]
        reasons = {file: image.lacks(_inside(file, project)) for file in files}
        if any(reasons.values()):
            found = {
                file: LeftOut(_inside(file, project), reason or "", _keys(file))
                for file, reason in reasons.items()
            }
            left_out[kind] = tuple(found[file] for file in files if reasons[file])
            kept[kind] = tuple(found[file] for file in files if not reasons[file])
    if not left_out:
        return None
    base = conf_folder(project, project.base_env)
    return _read(project, image, ImageConfig(left_out, kept, base=base))


def _read(project: KedroProject, image: ProjectImage, found: ImageConfig) -> ImageConfig:
    problems: dict[str, str] = {}

    def tried(kind: str, read: Callable[[], T]) -> T | None:
        if not found.affects(kind):
            return None
        try:
            return read()
        except ConfigError as error:
            text = " ".join(str(error).split()).rstrip(".")
            problems[kind] = text.replace(str(pods.conf_path), str(project.conf_path))
            return None

    with TemporaryDirectory(prefix="kedro-airflow-k8s-") as folder:
        conf = Path(folder).resolve() / project.conf_path.name
        for env in (project.base_env, project.env):
            (conf / env).mkdir(parents=True, exist_ok=True)
        for path in files_below(project.conf_path, project.path):
            if image.lacks(path) is None:
                link = conf / (project.path / path).relative_to(project.conf_path)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to((project.path / path).resolve())
        try:
            pods = project.with_conf(conf)
            return replace(
                found,
                catalog=tried("catalog", lambda: pods.catalog),
                parameters=tried("parameters", lambda: pods.parameters),
                credentials=tried("credentials", lambda: pods.credentials),
                mlflow=tried("mlflow", lambda: pods.mlflow),
                problems=problems,
            )
        except ConfigError as error:
            # The loader does not start: without these files, none does in the pods.
            text = " ".join(str(error).split()).rstrip(".")
            return replace(found, problems={"configuration": text.replace(folder, "")})
        finally:
            # OmegaConf's resolver of globals is that of the loader that was made last.
            project.with_conf(project.conf_path)


def _inside(file: Path, project: KedroProject) -> str:
    return file.relative_to(project.path).as_posix()


def _keys(file: Path) -> frozenset[str]:
    """Return the keys at the top of a file; none of one that is not YAML."""
    try:
        node = yaml.compose(
            file.read_text(encoding="utf-8", errors="replace"), Loader=yaml.SafeLoader
        )
    except (OSError, yaml.YAMLError):
        return frozenset()
    if not isinstance(node, yaml.MappingNode):
        return frozenset()
    return frozenset(str(key.value) for key, _ in node.value)
