"""Doubtful settings in a configuration that loads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.clusters import ClusterConfig
from kedro_airflow_k8s.config.errors import shown_path
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, PluginConfig
from kedro_airflow_k8s.config.notify import NotifyConfig
from kedro_airflow_k8s.config.pods import PodConfig
from kedro_airflow_k8s.config.wording import Nearest
from kedro_airflow_k8s.pod.redaction import without_credentials

_IN_BYTES = ("memory", "ephemeral-storage")
# `default` may be the name of another entry.
LIKE_DEFAULT = 0.8
_MANY_CORES = 96
# The last words of a name, not of the name of a file, an address or a user.
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|TOKEN|CREDENTIALS?|API_?KEY|ACCESS_KEY"
    r"|SECRET_KEY|PRIVATE_KEY)$",
    re.IGNORECASE,
)
# A private key, an address of Slack, and the keys of AWS, GitHub, GitLab, Slack and Google.
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}"
    r"|hooks\.slack\.com/services/\w+/\w+/\w|\bglpat-[\w-]{20}|\bxox[abp]-[\w-]{10}|\bAIza[\w-]{35}"
)
_NO_EFFECT = "This setting has no effect."


@dataclass(frozen=True)
class ConfigWarning:
    """A setting that probably does not do what its author intended.

    Attributes:
        path: The key, such as `run_config.volume.size`.
        reason: What is wrong with it, as a sentence.
        consequence: The consequence, as a sentence.
        fix: The fix, as a sentence.
    """

    path: str
    reason: str
    consequence: str
    fix: str


def config_warnings(config: PluginConfig) -> Iterator[ConfigWarning]:
    """Yield the doubtful settings of a configuration."""
    run = config.run_config
    if run.volume.disabled:
        for key in sorted(run.volume.model_fields_set - {"disabled"}):
            yield ConfigWarning(
                path=f"run_config.volume.{key}",
                reason="The volume is disabled.",
                consequence=_NO_EFFECT,
                fix="Remove it, or remove run_config.volume.disabled.",
            )
    elif values.is_suspiciously_small(run.volume.size):
        yield _small("run_config.volume.size", run.volume.size)
    if run.keep_intermediate_data and run.intermediate_data is None:
        yield ConfigWarning(
            path="run_config.keep_intermediate_data",
            reason="Without run_config.intermediate_data, intermediate data is on the volume of the"
            " run. The volume is deleted at the end of the run.",
            consequence=_NO_EFFECT,
            fix="Set run_config.intermediate_data, or remove this setting.",
        )
    nothing_to_keep = run.intermediate_data is None or run.keep_intermediate_data
    if run.keep_failed and run.volume.disabled and nothing_to_keep:
        yield ConfigWarning(
            path="run_config.keep_failed",
            reason="Runs have no volume, and do not delete data on object storage.",
            consequence=_NO_EFFECT,
            fix="Remove it.",
        )
    yield from _notify_warnings(run.notify)
    yield from _cluster_warnings(run.clusters)
    yield from _variable_warnings(run, ("run_config",), {})
    yield from _metadata_warnings(run, ("run_config",), None)
    yield from _amount_warnings(("run_config",), run, None)
    for name, resources in run.resources.items():
        at = ("run_config", "resources", name)
        yield from _name_warnings(name, at)
        yield from _variable_warnings(resources, at, run.env_vars)
        yield from _metadata_warnings(resources, at, run)
        yield from _amount_warnings(at, resources, run)


def _variable_warnings(
    settings: PodConfig, at: tuple[str, ...], inherited: Mapping[str, object]
) -> Iterator[ConfigWarning]:
    for name, value in settings.env_vars.items():
        new = inherited.get(name) != value
        if new and isinstance(value, str) and is_secret(name, value):
            yield ConfigWarning(
                path=shown_path((*at, "env_vars", name)),
                reason="This looks like a password or a key.",
                consequence="The DAG contains it in plain text: everyone who can see the DAG in"
                " Airflow or in the bucket can read it.",
                fix="Put it into a Kubernetes Secret, and use that in run_config.secrets.",
            )


def _notify_warnings(entries: Sequence[NotifyConfig]) -> Iterator[ConfigWarning]:
    for index, entry in enumerate(entries):
        for name, value in entry.arguments.items():
            if isinstance(value, str) and is_secret(name, value):
                yield ConfigWarning(
                    path=shown_path(("run_config", "notify", index, "arguments", name)),
                    reason="This looks like a password or a key.",
                    consequence="The DAG contains it in plain text: everyone who can see the DAG in"
                    " Airflow or in the bucket can read it.",
                    fix="Put it into an Airflow connection, and give the notifier the id.",
                )


def _cluster_warnings(clusters: Mapping[str, ClusterConfig]) -> Iterator[ConfigWarning]:
    for cluster, settings in clusters.items():
        at = ("run_config", "clusters", cluster)
        texts = {
            **{("env", name): value for name, value in settings.env.items()},
            **{("conf", name): value for name, value in settings.conf.items()},
        }
        paths = [path for path, text in texts.items() if is_secret(_last_word(path[1]), text)]
        kinds = [("objects", i) for i, each in enumerate(settings.objects) if _has_secret(each)]
        for path in (*paths, *kinds):
            yield ConfigWarning(
                path=shown_path((*at, *path)),
                reason="This looks like a password or a key.",
                consequence="The DAG contains it in plain text: everyone who can see the DAG in"
                " Airflow or in the bucket can read it.",
                fix="Put it into a Kubernetes Secret, and let the pods take it from there.",
            )


def _last_word(name: str) -> str:
    """Return the name of a setting as that of a variable: `fs.s3a.secret.key` as `SECRET_KEY`."""
    return re.sub(r"[.-]", "_", name)


def _has_secret(manifest: Mapping[str, Any]) -> bool:
    """Return whether an object of Kubernetes is a Secret with data."""
    data = manifest.get("data") or manifest.get("stringData")
    return bool(manifest.get("kind") == "Secret" and data)


def _name_warnings(name: str, at: tuple[str, ...]) -> Iterator[ConfigWarning]:
    if name != RESOURCES_DEFAULT and Nearest([RESOURCES_DEFAULT], LIKE_DEFAULT).find(name):
        yield ConfigWarning(
            path=shown_path(at),
            reason=f"The name looks like {RESOURCES_DEFAULT!r}, but is not the same.",
            consequence="Nodes without a resources tag do not use this entry.",
            fix=f"Rename it to {RESOURCES_DEFAULT!r}, or choose a name that is less similar.",
        )
    if not re.fullmatch(r"[\w.-]+", name):
        yield ConfigWarning(
            path=shown_path(at),
            reason="Kedro's tags contain only letters, digits, `-`, `_` and `.`.",
            consequence="No node can choose this entry.",
            fix="Rename it.",
        )


def _new(settings: PodConfig, field: str, inherited: PodConfig | None) -> Iterator[tuple[str, str]]:
    """Yield the entries of a mapping that settings do not have from those of all pods."""
    known = getattr(inherited, field) if inherited is not None else {}
    for key, value in getattr(settings, field).items():
        if known.get(key) != value:
            yield key, value


def _metadata_warnings(
    settings: PodConfig, at: tuple[str, ...], inherited: PodConfig | None
) -> Iterator[ConfigWarning]:
    for field in ("node_selectors", "labels", "annotations"):
        for key, value in _new(settings, field, inherited):
            path = shown_path((*at, field, key))
            # Kubernetes compares the keys of annotations in lower case.
            reason = k8s.label_key_reason(key.lower() if field == "annotations" else key)
            if reason:
                yield _refused(path, f"Kubernetes does not accept this key: {reason}.")
            reason = k8s.label_value_reason(value) if field != "annotations" else None
            if reason:
                yield _refused(path, f"Kubernetes does not accept {value!r}: it {reason}.")


def _amount_warnings(
    at: tuple[str, ...], settings: PodConfig, inherited: PodConfig | None
) -> Iterator[ConfigWarning]:
    for field in ("requests", "limits"):
        for key, amount in _new(settings, field, inherited):
            path = shown_path((*at, field, key))
            if key in _IN_BYTES and values.is_suspiciously_small(amount):
                yield _small(path, amount)
            whole = key == "cpu" and re.fullmatch(r"[0-9.]+", amount)
            if whole and k8s.parse_quantity(amount) > _MANY_CORES:
                yield _many_cores(path, amount)


def is_secret(name: str, value: str) -> bool:
    """Return whether an environment variable looks like a password or a key, not a reference."""
    if _SECRET_VALUE.search(value) or without_credentials(value) != value:
        return True
    is_reference = re.fullmatch(
        r"[0-9.]*|true|false|/.*|[a-z0-9]+://.*|\$\(.*\)", value, re.IGNORECASE
    )
    return _SECRET_NAME.search(name) is not None and not is_reference


def _many_cores(path: str, amount: str) -> ConfigWarning:
    return ConfigWarning(
        path=path,
        reason=f"{amount!r} is the number of whole cores.",
        consequence="Few machines have so many: the pod probably stays pending until"
        " run_config.startup_time is over, and its task fails.",
        fix=f"For thousandths of a core, add the unit m: {amount}m.",
    )


def _refused(path: str, reason: str) -> ConfigWarning:
    return ConfigWarning(
        path=path,
        reason=reason,
        consequence="It refuses the pods, and their tasks fail.",
        fix="Correct it.",
    )


def _small(path: str, amount: str) -> ConfigWarning:
    return ConfigWarning(
        path=path,
        reason=f"{amount!r} is less than 1 MiB.",
        consequence="Kubernetes takes a number without a unit as bytes.",
        fix="Add a unit, such as Mi or Gi.",
    )
