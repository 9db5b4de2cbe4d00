"""Volumes of pods: the one that each run owns, and others."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictInt,
    ValidatorFunctionWrapHandler,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.section import Section

AccessMode = Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]


class VolumeConfig(Section):
    """The volume by which pods pass on intermediate data; each DAG run has its own."""

    storageclass: values.DnsName | None = Field(
        default=None,
        description="Storage class of the volume. Default: the default class of the cluster.",
    )
    size: values.Size = Field(
        default="1Gi", description="Size of the volume in bytes, a Kubernetes quantity."
    )
    access_modes: Annotated[tuple[AccessMode, ...], values.AccessModes] = Field(
        default=("ReadWriteOnce",),
        json_schema_extra={"minItems": 1, "uniqueItems": True},
        description="How pods may mount the volume. ReadWriteMany lets pods on several "
        "machines use it at the same time, if the storage class offers it.",
    )
    same_node: StrictBool | None = Field(
        default=None,
        description="Run the pods of a run on one machine, as a volume needs that only one machine "
        "can mount. Default: true for ReadWriteOnce without ReadWriteMany.",
    )
    skip_init: StrictBool = Field(
        default=False,
        description="Leave a new volume empty: do not copy the image's data folder to it.",
    )
    owner: StrictInt = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Id of the group that owns the files on the volume (fsGroup). 0 is root.",
    )
    disabled: StrictBool = Field(
        default=False,
        description="Run without a volume. The other keys of this section then have no effect.",
    )
    mount_path: values.MountPath = Field(
        default="/home/kedro_docker/data",
        description="Mount path of the volume: the absolute path of the project's data folder "
        "in the image.",
    )

    @property
    def keeps_pods_together(self) -> bool:
        """Whether the pods of a run have to be on the same machine."""
        if self.disabled:
            return False
        if self.same_node is not None:
            return self.same_node
        return "ReadWriteOnce" in self.access_modes and "ReadWriteMany" not in self.access_modes

    @model_validator(mode="wrap")
    @classmethod
    def _disabled_discards_the_rest(
        cls, data: Any, handler: ValidatorFunctionWrapHandler
    ) -> "VolumeConfig":
        if not isinstance(data, Mapping) or data.get("disabled") is not True:
            volume: VolumeConfig = handler(data)
            return volume
        others = cls.model_fields.keys() - {"disabled"}
        disabled: VolumeConfig = handler({key: data[key] for key in data if key not in others})
        # The given keys stay known, for the warning that they have no effect.
        disabled.model_fields_set.update(key for key in others if data.get(key) is not None)
        return disabled


SOURCES = ("claim", "empty_dir", "ephemeral", "nfs", "csi", "host_path")
"""The keys of a volume that say where its files are."""


def _sub_path(path: str) -> str:
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("must be a relative path without `.` and `..`, such as models/current")
    return path


class EmptyDir(Section):
    """A folder that is empty when the pod starts, and is deleted with the pod."""

    medium: Literal["Memory"] | None = Field(
        default=None,
        description="`Memory`: in the memory of the machine. It counts as memory of the pod. "
        "Default: on the disk of the machine.",
    )
    size: values.Size | None = Field(
        default=None, description="Most bytes in the folder, a Kubernetes quantity."
    )


class EphemeralVolume(Section):
    """A volume that the cluster makes for the pod and deletes with it."""

    size: values.Size = Field(description="Size of the volume in bytes, a Kubernetes quantity.")
    storageclass: values.DnsName | None = Field(
        default=None,
        description="Storage class of the volume. Default: the default class of the cluster.",
    )
    access_modes: Annotated[tuple[AccessMode, ...], values.AccessModes] = Field(
        default=("ReadWriteOnce",),
        json_schema_extra={"minItems": 1, "uniqueItems": True},
        description="How the volume may be mounted.",
    )


class NfsFolder(Section):
    """A folder of an NFS server."""

    server: values.Text = Field(description="Host name or address of the server.")
    path: values.MountPath = Field(description="Path that the server exports.")


class CsiVolume(Section):
    """A volume that a driver of the cluster makes for the pod, such as one with secrets."""

    driver: values.Text = Field(description="Name of the CSI driver.")
    attributes: dict[str, str] = Field(
        default={}, description="Attributes for the driver, as its documentation names them."
    )
    fs_type: values.Text | None = Field(
        default=None, description="File system, such as ext4. Default: the driver decides."
    )
    secret: values.DnsName | None = Field(
        default=None, description="Secret with the credentials for the driver."
    )


class HostPath(Section):
    """A folder or file of the machine that runs the pod."""

    shorthand = "path"

    path: values.MountPath = Field(description="Path on the machine.")
    type: (
        Literal[
            "DirectoryOrCreate",
            "Directory",
            "FileOrCreate",
            "File",
            "Socket",
            "CharDevice",
            "BlockDevice",
        ]
        | None
    ) = Field(default=None, description="What must be there. Default: anything.")


class PodVolume(Section):
    """A volume of pods, with one source."""

    mount_path: values.MountPath | None = Field(
        default=None,
        description="Where the container of the nodes mounts it. Default: it does not; init"
        " containers and sidecars can.",
    )
    sub_path: Annotated[str, AfterValidator(_sub_path)] | None = Field(
        default=None, description="Folder or file in the volume to mount. Default: the volume."
    )
    read_only: StrictBool = Field(default=False, description="Mount it without write access.")
    claim: values.DnsName | None = Field(
        default=None, description="Name of an existing PersistentVolumeClaim."
    )
    empty_dir: EmptyDir | None = Field(
        default=None, description="An empty folder, `{}`, deleted with the pod."
    )
    ephemeral: EphemeralVolume | None = Field(
        default=None, description="A volume that the cluster makes for the pod."
    )
    nfs: NfsFolder | None = Field(default=None, description="A folder of an NFS server.")
    csi: CsiVolume | None = Field(default=None, description="A volume of a CSI driver.")
    host_path: HostPath | None = Field(
        default=None,
        description="A path of the machine. Checks refuse it, unless `checks.accept` has"
        " `host-path`.",
    )

    @property
    def source(self) -> str:
        """The key of the volume's source."""
        (found,) = self._given()
        return found

    def _given(self) -> list[str]:
        return [name for name in SOURCES if getattr(self, name) is not None]

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = self._given()
        if len(given) != 1:
            found = f"not {' and '.join(given)}" if given else "such as `empty_dir: {}`"
            raise ValueError(f"must have one of {', '.join(SOURCES)}, {found}")
        if self.sub_path is not None and self.mount_path is None:
            raise ValueError("has a `sub_path` without a `mount_path`")
        return self
