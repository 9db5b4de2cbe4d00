"""The text of `airflow-k8s.yaml`, and of the schema with which editors check it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date

from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.dynamic_config.variables import FROM_GIT, variable_name
from kedro_airflow_k8s.init.facts import Airflow, ProjectFacts, slug
from kedro_airflow_k8s.init.render import render

SCHEMA_FILE = "airflow-k8s.schema.json"
"""Next to pyproject.toml, where editors find it without a network."""


def config_text(
    facts: ProjectFacts,
    schema: str,
    resources: Sequence[str],
    first_day: date,
    repeated: Sequence[str] = (),
    *,
    spark: bool = False,
) -> str:
    """Return a complete file: every key of the model is in it, optional ones as comments.

    Args:
        facts: The project.
        schema: The path from the file to the schema, with slashes; empty if there is none.
        resources: The names with which nodes select resources.
        first_day: The example of a schedule's first day.
        repeated: The pipelines to disable, because `__default__` contains their nodes.
        spark: Whether a Spark cluster is switched on.
    """
    return render(
        "airflow-k8s.yaml.j2",
        spark=spark,
        schema=schema,
        conf=facts.layout.conf or "the configuration",
        env=facts.env,
        base=facts.layout.base_env,
        host=facts.airflow.host,
        output=facts.airflow.output,
        auth=facts.airflow.auth,
        image=f"{facts.image.name}:{facts.image.tag}",
        namespace=facts.namespace,
        project_name=facts.name,
        run_name=facts.slug,
        mount_path=facts.layout.mount_path.as_posix(),
        resources=resources,
        first_day=first_day.strftime("%Y%m%d"),
        repeated=repeated,
    )


def environment_text(
    facts: ProjectFacts, given: Airflow, base_file: str, *, schema: str, image: str | None
) -> str:
    """Return a file for an environment whose project has all keys in the base environment.

    Args:
        facts: The project.
        given: The Airflow of this environment, as far as it is another one.
        base_file: The file of the base environment, for a comment.
        schema: The path from the file to the schema, with slashes; empty if there is none.
        image: The image of this environment, if it is another one.
    """
    return render(
        "environment.yaml.j2",
        schema=schema,
        env=facts.env,
        base_file=base_file,
        host=given.host,
        output=given.output,
        auth=given.auth,
        image=image,
        namespace=f"{facts.namespace}-{slug(facts.env, 'env')}"[:63].rstrip("-"),
    )


def config_variables(text: str) -> set[str]:
    """Return the variables `KEDRO_CONFIG_<NAME>` that a file requires."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    names = set(re.findall(r"\$\{(?:kedro_config:)?\s*([A-Za-z]\w*)\s*\}", lines))
    # The other names are keys of the file itself, or git has their values.
    return {variable_name(name) for name in names - {*PluginConfig.model_fields, *FROM_GIT}}


def schema_text() -> str:
    """Return the JSON Schema of the file."""
    from kedro_airflow_k8s.config.schema import json_schema

    return json.dumps(json_schema(), indent=2) + "\n"
