"""Names that Airflow and Kubernetes accept, made from names that Kedro accepts.

Kedro takes any Unicode letter, dots, `<lambda>` and `partial(f)`; a namespace may hold anything.
Airflow takes ASCII letters, digits, `-`, `_` and, in task ids, `.`. A name of these stays as it is,
if its dashes and dots stand alone and inside. Any other is spelled in ASCII and gets a hash of the
original, so that it is stable, readable and unique.
"""

from __future__ import annotations

import hashlib
import re
from itertools import accumulate

from kedro_airflow_k8s.errors import PlanError

TASK_ID_LENGTH = 250
"""Characters in a task id or DAG id, its groups included (airflow: `validate_key`)."""

TAG_LENGTH = 100
"""Characters in a DAG tag (airflow: `TAG_MAX_LEN`)."""

ENV_SEPARATOR = "--"
"""Between run name and environment in a DAG id. No part may hold it."""

_PART = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*", re.ASCII)
_HASH_LENGTH = 6
_CONSTANT_LENGTH = 40
_VARIABLE_LENGTH = 60


def digest(text: str, length: int = _HASH_LENGTH) -> str:
    """The first hexadecimal digits of a text's SHA-256."""
    # Kedro lets lone surrogates pass; they have no UTF-8.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def shorten(text: str, limit: int) -> str:
    """The text if it has at most `limit` characters, else its beginning and a hash of the whole."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - _HASH_LENGTH - 1].rstrip('-._')}-{digest(text)}"


def identifier(text: str, limit: int = 60, dots: bool = False) -> str:
    """The text spelled with ASCII letters, digits, `_`, single `-` and, if wanted, `.`.

    What cannot be kept is transliterated, and a hash of the original text is appended.
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
        text = f"{spelled[: limit - _HASH_LENGTH - 1].rstrip('-._') or 'x'}-{digest(text)}"
    return shorten(text, limit)


def unique(name: str, original: str, taken: set[str]) -> str:
    """The name, with ever more of the original's hash if another has it; added to `taken`."""
    candidate, length = name, _HASH_LENGTH
    while candidate in taken:
        candidate = f"{name[: TASK_ID_LENGTH - length - 1]}-{digest(original, length)}"
        length += 1
    taken.add(candidate)
    return candidate


def constant(text: str, taken: set[str]) -> str:
    """A Python constant named for a text, not yet in `taken`, to which it is added."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").upper()
    if len(name) > _CONSTANT_LENGTH:
        name = f"{name[:_CONSTANT_LENGTH]}_{digest(text).upper()}"
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate


def dag_id(run_name: str, env: str | None, pipeline: str | None) -> str:
    """The DAG id `run_name[--env][.pipeline]`; a default env or pipeline is given as None.

    Within a project it is different for each pair of environment and pipeline, whatever their
    names: the parts after the run name hold no separator, so they can be read back from the end.

    Raises:
        PlanError: If the run name holds the separator of environments.
    """
    if ENV_SEPARATOR in run_name:
        raise PlanError(
            f"run_config.run_name: {run_name!r} has two dashes in a row, which separate the"
            " environment in a dag_id. Use one."
        )
    name = identifier(run_name, limit=100, dots=True)
    if env is not None:
        name += ENV_SEPARATOR + identifier(env)
    if pipeline is not None:
        name += "." + identifier(pipeline)
    return name


def given_dag_id(name: str) -> str:
    """The name, if it can be a DAG id and the name of a file that Airflow finds.

    Raises:
        PlanError: If it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or len(name) > TASK_ID_LENGTH:
        raise PlanError(
            f"The DAG name {shorten(name, 100)!r} is impossible: it must be letters A-Z, digits,"
            f" `_`, `-` and, but for its beginning, `.`; at most {TASK_ID_LENGTH} of them."
        )
    return name


def kedro_finds_pipeline(name: str) -> bool:
    """Whether `kedro run --pipelines=` finds the name again.

    It splits at commas and strips blanks (kedro: `split_string`).
    """
    return _is_argument(name) and "," not in name


def kedro_finds_node(name: str) -> bool:
    """Whether `kedro run --nodes=` finds the name again.

    It splits at commas outside square brackets and strips blanks (kedro: `split_node_names`).
    """
    depths = list(accumulate((letter == "[") - (letter == "]") for letter in name))
    splits = any(c == "," and depth == 0 for c, depth in zip(name, depths, strict=True))
    return _is_argument(name) and not splits and depths[-1] == 0


def _is_argument(name: str) -> bool:
    """Whether a command line keeps all of a name."""
    return name != "" and name == name.strip() and not re.search(r"[\0\ud800-\udfff]", name)


def tag(key: str, value: str) -> str:
    """The DAG tag `key:value`, shortened to what Airflow stores."""
    return shorten(f"{key}:{value}", TAG_LENGTH)
