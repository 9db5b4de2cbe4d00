"""The text of `airflow-k8s.yaml`, and of the schema that editors check it by."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date

from jinja2 import Template

from kedro_airflow_k8s.dag.jinja import jinja_environment
from kedro_airflow_k8s.init.facts import AuthKind, ProjectFacts

SCHEMA_FILE = "airflow-k8s.schema.json"
"""Beside pyproject.toml, so that editors find it without a network."""

SCHEMA_TITLE = "airflow-k8s.yaml"
"""By which a schema of ours is known."""


@dataclass(frozen=True)
class ConfigPlace:
    """Where the file is to be, and what the project asks of it.

    Attributes:
        schema: The way from there to the schema, with slashes; empty if there is none.
        conf: The folder of the configuration, as to be named in a comment.
        resources: The names that nodes choose resources by.
    """

    schema: str
    conf: str
    resources: tuple[str, ...] = ()


def config_text(
    facts: ProjectFacts, place: ConfigPlace, airflow_auth: AuthKind | None, today: date
) -> str:
    """A complete file: each key of the model is in it, those without need as comments.

    Args:
        facts: The project.
        place: Where the file is to be.
        airflow_auth: How to log in; None leaves that to the environment variables.
        today: What becomes the first day of a schedule, which is switched off.
    """
    return template("airflow-k8s.yaml.j2").render(
        schema=comment(place.schema),
        conf=comment(place.conf),
        env=facts.env,
        base=facts.base_env,
        host=facts.host,
        output=facts.output,
        auth=airflow_auth,
        image=f"{facts.image}:1.0",
        namespace=facts.namespace,
        project_name=facts.project_name,
        run_name=facts.slug,
        resources=place.resources,
        first_day=today.strftime("%Y%m%d"),
    )


def schema_text() -> str:
    """The JSON Schema of the file."""
    from kedro_airflow_k8s.config.schema import json_schema

    return json.dumps(json_schema(), indent=2) + "\n"


def is_our_schema(text: str) -> bool:
    """Whether a text is such a schema, perhaps of another version."""
    try:
        content = json.loads(text)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("title") == SCHEMA_TITLE


def template(name: str) -> Template:
    """A template of this package; `yaml` and `comment` are its filters."""
    environment = jinja_environment("init", "templates")
    environment.filters.update(yaml=yaml_text, comment=comment)
    return environment.get_template(name)


def yaml_text(text: str) -> str:
    """A text as a value in a YAML file that Kedro reads: plain where that is safe, else quoted.

    Kedro puts values for `${...}`, so what the text has of that is escaped.
    """
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*(://?[A-Za-z0-9_./:-]*[A-Za-z0-9_/])?", escaped):
        import yaml

        if yaml.safe_load(escaped) == escaped:
            return escaped
    # JSON is YAML, but for characters above U+FFFF that are written as two escapes.
    return '"' + "".join(map(_in_quotes, escaped)) + '"'


def _in_quotes(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    # YAML lets hardly any but these be in a file; a lone surrogate has no UTF-8.
    if letter.isprintable() and not 0xD800 <= ord(letter) <= 0xDFFF:
        return letter
    return f"\\U{ord(letter):08x}"


def comment(text: str) -> str:
    """A text for a comment: nothing in it can end the line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
