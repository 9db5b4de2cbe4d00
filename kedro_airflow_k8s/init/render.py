"""Renders the templates of `init`, and escapes texts for them."""

from __future__ import annotations

import re
import shlex
from typing import Any

import yaml

from kedro_airflow_k8s.dag.jinja import jinja_environment


def render(template: str, **values: Any) -> str:
    """Return the text of a template. The functions below are its filters.

    The delimiters do not conflict with the expressions of workflows or with shells.
    """
    environment = jinja_environment(
        "init",
        "templates",
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
    )
    filters = (comment, quoted, kedro_value, github_pattern, gitlab_pattern, gitlab_value)
    environment.filters.update({function.__name__: function for function in filters})
    environment.filters["shell"] = shlex.quote
    return environment.get_template(template).render(values)


def comment(text: str) -> str:
    """Return a text without characters that could end the line of a comment."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def quoted(text: str) -> str:
    """Return a text as one line of YAML, in quotes."""
    line = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**6)
    return line.removesuffix("\n")


def kedro_value(text: str) -> str:
    """Return a text as a value in YAML that Kedro reads, without quotes if that is possible.

    Kedro replaces `${...}`, so it is escaped.
    """
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    plain = yaml.safe_dump(escaped, width=10**6).removesuffix("...\n").removesuffix("\n")
    # OmegaConf reads more texts as numbers than YAML does, such as 1e3.
    safe = plain == escaped and re.fullmatch(r"[./]?[A-Za-z][\w./:-]*", plain)
    return plain if safe else quoted(escaped)


def github_pattern(text: str, glob: str = "") -> str:
    """Return a filter of branches or paths that matches exactly a text, followed by a glob."""
    return quoted(re.sub(r"([\\*?+!\[])", r"\\\1", text) + glob)


def gitlab_pattern(text: str, glob: str = "") -> str:
    """Return a pattern of changed files that matches exactly a text, followed by a glob."""
    return quoted(re.sub(r"([\\*?{}\[\]])", r"\\\1", text) + glob)


def gitlab_value(text: str) -> str:
    """Return the value of a variable in which GitLab expands no `$`."""
    return quoted(text.replace("$", "$$"))
