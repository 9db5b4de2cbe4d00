"""Rights of pods, and what the Pod Security Standard `restricted` demands of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from kedro_airflow_k8s.config.errors import Steps, problems_error
from kedro_airflow_k8s.config.kubernetes_yaml import OfKind
from kedro_airflow_k8s.config.layers import merged
from kedro_airflow_k8s.config.section import Section

_RESTRICTED_POD: Mapping[str, Any] = {
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_PROFILE = "`profile: restricted`"
_RESTRICTED_SOURCES = frozenset(
    (
        *("name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image"),
        *("persistentVolumeClaim", "projected", "secret"),
    )
)
_RESTRICTED_CONTAINER: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


class SecurityContext(Section):
    """Rights of pods and their containers."""

    shorthand: ClassVar[str] = "profile"

    profile: Literal["restricted"] | None = Field(
        default=None,
        description="`restricted`: all that the Pod Security Standard of this name demands. The"
        " image must have a user that is not root, by its number.",
    )
    pod: Annotated[dict[str, Any], OfKind("V1PodSecurityContext")] = Field(
        default={},
        description="Security context of the pod, in Kubernetes' own YAML, such as"
        " {runAsUser: 1000}.",
    )
    container: Annotated[dict[str, Any], OfKind("V1SecurityContext")] = Field(
        default={},
        description="Security context of each container, in Kubernetes' own YAML, such as"
        " {readOnlyRootFilesystem: true}.",
    )

    @property
    def of_pod(self) -> dict[str, Any]:
        """The security context of the pod, with what the profile demands."""
        return dict(merged(_RESTRICTED_POD, self.pod)) if self.profile else dict(self.pod)

    def of_container(self, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the security context of a container.

        Args:
            own: What a container has besides `container`, over it.
        """
        base = merged(_RESTRICTED_CONTAINER if self.profile else {}, self.container)
        return dict(merged(base, own or {}))

    @model_validator(mode="after")
    def _as_restricted(self) -> Self:
        if self.profile:
            problems = {
                **{("pod", *path): reason for path, reason in unrestricted(self.of_pod)},
                **{("container", *p): reason for p, reason in unrestricted(self.of_container())},
            }
            if problems:
                raise problems_error(problems)
        return self


def unrestricted(context: Mapping[str, Any]) -> Iterator[tuple[Steps, str]]:
    """Yield what the Pod Security Standard `restricted` refuses in a security context.

    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    refused = f"{_PROFILE} does not allow it"
    for key, allowed in (
        ("privileged", False),
        ("allowPrivilegeEscalation", False),
        ("runAsNonRoot", True),
        ("procMount", "Default"),
    ):
        if context.get(key, allowed) != allowed:
            yield (key,), refused
    if context.get("runAsUser") == 0:
        yield ("runAsUser",), f"{refused}: 0 is root"
    if context.get("seccompProfile", {}).get("type") == "Unconfined":
        yield ("seccompProfile", "type"), refused
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ["ALL"]):
        yield ("capabilities", "drop"), f"{_PROFILE} demands ALL"
    if {*capabilities.get("add", ())} - {"NET_BIND_SERVICE"}:
        yield ("capabilities", "add"), f"{_PROFILE} allows NET_BIND_SERVICE alone"


def unrestricted_spec(spec: Mapping[str, Any]) -> Iterator[tuple[Steps, str]]:
    """Yield what the Pod Security Standard `restricted` refuses in a Pod's spec."""
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield (key,), f"{_PROFILE} does not allow it"
    for path, reason in unrestricted(spec.get("securityContext", {})):
        yield ("securityContext", *path), reason
    for index, volume in enumerate(spec.get("volumes", ())):
        for source in volume.keys() - _RESTRICTED_SOURCES:
            yield ("volumes", index, source), f"{_PROFILE} does not allow such a volume"
    for key in ("containers", "initContainers"):
        for path, reason in unrestricted_containers(spec.get(key, ())):
            yield (key, *path), reason


def unrestricted_containers(
    containers: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[Steps, str]]:
    """Yield what `restricted` refuses in the security contexts of containers."""
    for index, container in enumerate(containers):
        for path, reason in unrestricted(container.get("securityContext", {})):
            yield (index, "securityContext", *path), reason
