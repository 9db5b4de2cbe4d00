"""The text of `airflow-k8s.yaml`, and of the schema with which editors check it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import yaml

from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.dag.jinja import jinja_environment
from kedro_airflow_k8s.dynamic_config.variables import FROM_GIT, variable_name
from kedro_airflow_k8s.init.facts import ProjectFacts

SCHEMA_FILE = "airflow-k8s.schema.json"
"""Next to pyproject.toml, where editors find it without a network."""

SCHEMA_TITLE = "airflow-k8s.yaml"
"""The title of the plugin's schema."""


def config_text(facts: ProjectFacts, schema: str, resources: Sequence[str], first_day: date) -> str:
    """Return a complete file: every key of the model is in it, optional ones as comments.

    Args:
        facts: The project.
        schema: The path from the file to the schema, with slashes; empty if there is none.
        resources: The names with which nodes select resources.
        first_day: The example of a schedule's first day.
    """
    return render(
        "airflow-k8s.yaml.j2",
        schema=comment(schema),
        conf=comment(facts.layout.conf or "the configuration"),
        env=facts.env,
        base=facts.layout.base_env,
        host=facts.airflow.host,
        output=facts.airflow.output,
        auth=facts.airflow.auth,
        image=f"{facts.image.name}:{facts.image.tag}",
        namespace=facts.namespace,
        project_name=facts.name,
        run_name=facts.slug,
        resources=resources,
        first_day=first_day.strftime("%Y%m%d"),
    )


def config_variables(text: str) -> set[str]:
    """Return the variables `KEDRO_CONFIG_<NAME>` that a file cannot do without."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    names = set(re.findall(r"\$\{(?:kedro_config:)?\s*([A-Za-z]\w*)\s*\}", lines))
    # The other names are keys of the file itself, or git has their values.
    return {variable_name(name) for name in names - {*PluginConfig.model_fields, *FROM_GIT}}


def schema_text() -> str:
    """Return the JSON Schema of the file."""
    from kedro_airflow_k8s.config.schema import json_schema

    return json.dumps(json_schema(), indent=2) + "\n"


def is_our_schema(text: str) -> bool:
    """Return whether a text is the plugin's schema, possibly of another version."""
    try:
        content = json.loads(text)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("title") == SCHEMA_TITLE


def render(name: str, **values: Any) -> str:
    """Return the text of a template of this package; `yaml` and `comment` are its filters."""
    environment = jinja_environment("init", "templates")
    environment.filters.update(yaml=yaml_text, comment=comment)
    return environment.get_template(name).render(values)


def yaml_text(text: str) -> str:
    """Return a text as a value in a YAML file that Kedro reads: plain if that is safe, else quoted.

    Kedro replaces `${...}`, so it is escaped.
    """
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    plain = yaml.safe_dump(escaped, width=10**6).removesuffix("...\n").removesuffix("\n")
    return plain if plain == escaped else quoted(escaped)


def quoted(text: str) -> str:
    """Return any text as one line of YAML."""
    line = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**6)
    return line.removesuffix("\n")


def comment(text: str) -> str:
    """Return a text for a comment, without characters that could end the line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
