"""The Jinja environment of all templates in this package."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def jinja_environment(
    room: str, folder: str, *, autoescape: bool = False, **delimiters: str
) -> Environment:
    """Return the environment for the templates in a folder of this package.

    Args:
        room: The subpackage with the templates, such as `dag` or `init`.
        folder: Their folder in it; empty if they are directly in the subpackage.
        autoescape: Whether the results are HTML, and values become text in it. Others are Python
            and YAML.
        delimiters: Jinja's options for other delimiters, such as `variable_start_string`.
    """
    return Environment(
        loader=PackageLoader(f"kedro_airflow_k8s.{room}", folder),
        undefined=StrictUndefined,
        autoescape=autoescape,  # noqa: S701 - on where the results are HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **delimiters,  # type: ignore[arg-type] # Jinja's other options are not strings.
    )
