"""Names that Airflow and Kubernetes accept, made from names that Kedro accepts.

Kedro accepts any Unicode letter, dots, `<lambda>` and `partial(f)`, and any text as a namespace.
Airflow accepts ASCII letters, digits, `-`, `_` and, in task ids, `.`. A name of only these
characters is kept, unless dashes or dots are doubled or at an end. Any other name is transliterated
to ASCII and gets a hash of the original, so that it is stable, readable and unique.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate

from kedro_airflow_k8s.config.own_names import HASH_LENGTH, LABEL_PREFIX, digest
from kedro_airflow_k8s.errors import OptionError, PlanError

TASK_ID_LENGTH = 250
"""Longest task id, including its groups, or DAG id (airflow: `validate_key`)."""

TAG_LENGTH = 100
"""Longest DAG tag (airflow: `TAG_MAX_LEN`)."""

LABEL_LENGTH = 63
"""Longest value of a Kubernetes label."""

ENV_SEPARATOR = "--"
"""Separates run name and environment in a DAG id. No part may contain it."""

_PART = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*", re.ASCII)
_CONSTANT_LENGTH = 40
_VARIABLE_LENGTH = 60


def shorten(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters: a longer one is cut and gets a hash."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - HASH_LENGTH - 1].rstrip('-._')}-{digest(text)}"


def identifier(text: str, limit: int = 60, dots: bool = False) -> str:
    """Return the text in ASCII letters, digits, `_`, single `-` and, with `dots`, `.`.

    Other characters are transliterated, and a hash of the original text is appended.
    """
    legal = all(_PART.fullmatch(p) for p in text.split(".")) if dots else _PART.fullmatch(text)
    if legal and len(text) <= limit:
        return text
    if not legal:
        from slugify import slugify

        spelled = slugify(
            text, lowercase=False, regex_pattern=r"[^A-Za-z0-9_.]+" if dots else r"[^A-Za-z0-9_]+"
        )
        spelled = re.sub(r"\.{2,}", ".", spelled).strip("-.")
        text = f"{spelled[: limit - HASH_LENGTH - 1].rstrip('-._') or 'x'}-{digest(text)}"
    return shorten(text, limit)


def unique(name: str, original: str, taken: set[str]) -> str:
    """Return a name that is not in `taken`, with a hash if necessary, and add it to `taken`."""
    candidate, length = name, HASH_LENGTH
    while candidate in taken:
        candidate = f"{name[: TASK_ID_LENGTH - length - 1]}-{digest(original, length)}"
        length += 1
    taken.add(candidate)
    return candidate


def constant(text: str, taken: set[str]) -> str:
    """Return the name of a Python constant that is not in `taken`, and add it to `taken`."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").upper()
    if len(name) > _CONSTANT_LENGTH:
        name = f"{name[:_CONSTANT_LENGTH]}_{digest(text).upper()}"
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate


def dag_id(run_name: str, env: str | None, pipeline: str | None) -> str:
    """Return the DAG id `run_name[--env][.pipeline]`; a default env or pipeline is given as None.

    Within a project it is unique for each pair of environment and pipeline, because the parts after
    the run name contain no separator.

    Raises:
        PlanError: If the run name contains the separator of environments.
    """
    if ENV_SEPARATOR in run_name:
        raise PlanError(
            f"run_config.run_name: {run_name!r} has two dashes in a row. In a DAG id, they separate"
            " the run name from the environment. Use one dash."
        )
    name = identifier(run_name, limit=100, dots=True)
    if env is not None:
        name += ENV_SEPARATOR + identifier(env)
    if pipeline is not None:
        name += "." + identifier(pipeline)
    return name


def given_dag_id(name: str) -> str:
    """Return the name, which must be valid as a DAG id and as the name of a file.

    Raises:
        OptionError: If it is not.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or len(name) > TASK_ID_LENGTH:
        raise OptionError(
            f"--dag-name {shorten(name, 60)!r} is invalid. It must consist of letters A-Z,"
            f" digits, `_`, `-` and `.`, begin with none of `-` and `.`, and have at most"
            f" {TASK_ID_LENGTH} characters."
        )
    return name


def kedro_finds_pipeline(name: str) -> bool:
    """Return whether `kedro run --pipelines=` accepts the name.

    It splits at commas and strips spaces (kedro: `split_string`).
    """
    return _is_argument(name) and "," not in name


def kedro_finds_node(name: str) -> bool:
    """Return whether `kedro run --nodes=` accepts the name.

    It splits at commas outside square brackets and strips spaces (kedro: `split_node_names`).
    """
    if not set(name) & {",", "[", "]"}:
        return _is_argument(name)
    depths = list(accumulate((letter == "[") - (letter == "]") for letter in name))
    splits = any(c == "," and depth == 0 for c, depth in zip(name, depths, strict=True))
    return _is_argument(name) and not splits and depths[-1] == 0


def _is_argument(name: str) -> bool:
    """Return whether a command line can contain the whole name."""
    return name != "" and name == name.strip() and not re.search(r"[\0\ud800-\udfff]", name)


def tag(key: str, value: str) -> str:
    """Return the DAG tag `key:value`, shortened to what Airflow stores."""
    return shorten(f"{key}:{value}", TAG_LENGTH)


def cost_labels(tasks: Iterable[str], **values: str) -> dict[str, str]:
    """Return the labels by which the costs of pods are added up, as Airflow templates.

    The label `node` is the id of the task in its group, which is that of its node or nodes.

    Args:
        tasks: The ids of the tasks in their groups.
        values: The ends of the labels' keys, and their values.
    """
    found = {f"{LABEL_PREFIX}{key}": label_value(value) for key, value in values.items()}
    label = '{{ ti.task_id.split(".")[-1] }}'
    if any(label_value(task) != task for task in tasks):
        label = f'{{{{ ti.task_id.split(".")[-1][:{LABEL_LENGTH}].strip("-_") }}}}'
    return {**found, f"{LABEL_PREFIX}node": label}


def label_value(text: str) -> str:
    """Return a text as the value of a Kubernetes label: a long one is cut and gets a hash."""
    return identifier(text, LABEL_LENGTH, dots=True).strip("-_.") or "x"
