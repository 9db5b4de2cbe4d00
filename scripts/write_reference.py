"""Write the pages of the reference that follow from the code: the commands and the configuration.

tests/docs/test_reference.py compares the pages with what this makes of them.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from kedro_airflow_k8s.cli import airflow_k8s
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.schema import json_schema
from kedro_airflow_k8s.config.section import Section
from scripts.type_words import words_of

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs/reference"
EVERY_KEY = ROOT / "examples/every-key/conf/base/airflow-k8s.yaml"

COMMANDS_INTRO = """\
# Commands

The commands work on the Kedro project in whose folder they are called, or in a folder below it.
Elsewhere they say that there is none.

The shell completes commands, options, pipelines and environments after these lines, for example in
`~/.bashrc`. The file keeps Kedro's log lines out of the completion. For zsh, write `zsh_source`.

```bash
echo "version: 1" > ~/.kedro-quiet.yml
eval "$(KEDRO_LOGGING_CONFIG=~/.kedro-quiet.yml _KEDRO_COMPLETE=bash_source kedro |
    sed 's|_KEDRO_COMPLETE|KEDRO_LOGGING_CONFIG=$HOME/.kedro-quiet.yml &|')"
```

Kedro writes log lines to standard output before a command runs. Programs read the output of
`--format json` from the file that `--output-file` names. Or set `KEDRO_LOGGING_CONFIG` to a
[logging configuration](https://docs.kedro.org/en/stable/develop/logging/) without console
handlers.

Exit codes are on [a page of their own](exit-codes.md), variables that commands read on
[another](environment-variables.md). `scripts/write_reference.py` made this page of the commands
themselves.
"""
GROUP_INTRO = """\
Write these options after the name of the group and before that of the command. Every command
accepts them, too. There, they take precedence.
"""
CONFIGURATION_INTRO = """\
# Configuration

`conf/base/airflow-k8s.yaml` has the common settings. A file of that name in `conf/<env>` needs only
the keys that differ there; `kedro airflow-k8s init --env <env>` writes such a file. The two are
merged key by key. A list or a single value of `conf/<env>` replaces the one in base. The suffixes
`.yml` and `.json` also work.

An unknown key, a wrong type or an invalid value is an error, with the full path of the key and the
allowed values. All mistakes of a file are reported at once. A key without a value has its default.
The examples below are from [every-key](../../examples/every-key/conf/base/airflow-k8s.yaml), which
has nearly all keys. Editors complete and check the file with its
[JSON Schema](#the-schema-for-editors).

`scripts/write_reference.py` generates this page from the model that reads the file.
"""
SCHEMA = """\
## The schema for editors

Editors with the YAML language server complete and check the file with
[airflow-k8s.schema.json](../../kedro_airflow_k8s/config/airflow-k8s.schema.json). Put the schema
into your project,

```bash
python -m kedro_airflow_k8s.config.schema > airflow-k8s.schema.json
```

and this line at the top of `conf/base/airflow-k8s.yaml`:

```yaml
# yaml-language-server: $schema=../../airflow-k8s.schema.json
```
"""


NOTES = {
    "run_config.run_name": "Two dashes in a row are not allowed: in the DAG id, they separate the"
    " environment. [How the id is made](dag.md#its-id).",
    "run_config.env_vars": "Names that begin with `KEDRO_AIRFLOW_K8S_` are set by the DAG.",
    "run_config.grouping": "[Groupings](../explanation/groupings.md) compares the four modes.",
    "checks.accept": "[Accept a finding](checks.md#accept-a-finding) has an example.",
    "run_config.intermediate_data": "[What happens to data between pods]"
    "(../explanation/data-between-pods.md).",
    "run_config.keep_intermediate_data": "It has no effect without `intermediate_data`.",
    "run_config.date_param": "[The date of a run](dag.md#the-date-of-a-run).",
    "run_config.partitioned": "[One partition for each run](../how-to/partitions.md).",
    "run_config.macro_params": "A parameter has one source: a name can be in only one of"
    " `date_param`, `partitioned.param`, `macro_params`, `variables_params` and `trigger_params`."
    " [Macros on Airflow 3](dag.md#parameters-from-airflow).",
    "run_config.volume": "With `disabled: true`, runs have no volume.",
    "run_config.volume.mount_path": "It must not overlap with `/mnt/kedro-data`, where a new volume"
    " is filled.",
    "run_config.volume.access_modes": "`ReadWriteOncePod` cannot be combined with other modes.",
    "run_config.secrets[].deploy_target": "Targets must be unique, and differ from the names in"
    " `env_vars` and from `volume.mount_path`.",
    "run_config.resources": "The name of an entry is part of a tag: letters, digits, `-`, `_` and"
    " `.`. [How nodes choose](dag.md#tags-of-nodes).\n\nKeys of an entry: "
    + ", ".join(f"[`{name}`](#run_config{name})" for name in ResourcesConfig.model_fields)
    + ".",
    "run_config.timezone": "It applies to `start_date`, `end_date` and `cron_expression`.",
    "run_config.catchup": "[When it runs](dag.md#when-it-runs).",
    "run_config.keep_failed": "[Resume a failed run](../how-to/resume-a-run.md).",
    "run_config.dagrun_timeout": "[When a run is stopped](dag.md#when-a-run-is-stopped).",
    "run_config.fail_fast": "[When a run is stopped](dag.md#when-a-run-is-stopped).",
    "run_config.notify": "[Messages about runs](../how-to/notifications.md).",
    "run_config.max_active_runs": "With `cron_expression: @continuous` it is 1.",
    "airflow_auth": "The section can be replaced by one of the words of `type`."
    " [Airflow's API](airflow-api.md) describes them.",
    "run_config.trigger_params[].name": "`kedro_params` is not allowed: runs use this name for"
    " parameters without a form field.",
    "run_config.external_dependencies[].execution_delta": "A negative number means a later run.",
    "run_config.startup_time": "`startup_timeout` is another name of it.",
}
"""Additions to the model's descriptions, mostly about combinations of keys."""


def commands_page() -> str:
    """The page on the commands, from the commands."""
    ctx = click.Context(airflow_k8s, info_name="kedro airflow-k8s", **airflow_k8s.context_settings)
    parts = [COMMANDS_INTRO, "## Options of the group\n", GROUP_INTRO, _options(ctx)]
    for path, command in sorted(commands(airflow_k8s, "kedro airflow-k8s")):
        parts += [f"## {path}\n", *_help(command), _options(click.Context(command, parent=ctx))]
    return "\n".join(parts)


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield all commands of a group and the groups in it, each with its words."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif command is not None:
            yield f"{path} {name}", command


def _help(command: click.Command) -> Iterator[str]:
    """The help of a command by its paragraphs; those after a backspace are examples."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if "\b" not in paragraph:
            yield _text_of(paragraph) + "\n"
            continue
        title, *lines = paragraph.replace("\b\n", "").splitlines()
        example = "\n".join(line.strip() for line in lines)
        yield f"{title}\n\n```console\n{example}\n```\n"


def _options(ctx: click.Context) -> str:
    arguments = [
        f"| `{p.make_metavar(ctx)}` | See above. |"
        for p in ctx.command.params
        if isinstance(p, click.Argument)
    ]
    # Newer versions of click also have records of arguments, without a text.
    options = (p for p in ctx.command.get_params(ctx) if isinstance(p, click.Option))
    records = [p.get_help_record(ctx) for p in options]
    rows = [f"| `{names}` | {_cell(text)} |" for names, text in filter(None, records)]
    return "\n".join(["| option | what it does |", "| --- | --- |", *arguments, *rows, ""])


def _text_of(text: str) -> str:
    """Plain text as Markdown; what stands in backquotes already stays as it is."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    parts[::2] = [re.sub(r"__\w+__", r"`\g<0>`", part).replace("<", "&lt;") for part in parts[::2]]
    return "".join(parts)


def _cell(text: str) -> str:
    return _text_of(text).replace("|", "\\|")


def configuration_page() -> str:
    """The page on the configuration, from the model."""
    schema = json_schema()
    example = yaml.safe_load(EVERY_KEY.read_text("utf-8"))
    keys = list(_keys(PluginConfig, schema, schema["$defs"], ""))
    unknown = NOTES.keys() - {path for path, _, _ in keys}
    if unknown:
        raise SystemExit(f"NOTES has keys that the configuration does not have: {unknown}")
    of_runs = ("run_config", "pipelines")
    top = [key for key in keys if not key[0].startswith(of_runs)]
    run = [key for key in keys if key[0].startswith(of_runs)]
    parts = [CONFIGURATION_INTRO, _contents(keys), "## Airflow\n"]
    parts += [_entry(*key, example) for key in top]
    parts += ["## The pipeline\n"]
    parts += [_entry(*key, example) for key in run]
    return "\n".join([*parts, SCHEMA])


def _contents(keys: list[Key]) -> str:
    """Links to all keys, a line for those of a section."""
    sections: dict[str, list[str]] = {}
    for path, _, _ in keys:
        section, _, name = path.rpartition(".")
        sections.setdefault(section, []).append(f"[`{name}`](#{anchor(path)})")
    lines = [
        f"- {f'`{section}`: ' if section else ''}{', '.join(names)}"
        for section, names in sections.items()
    ]
    return "All keys, by the section they are in:\n\n" + "\n".join(lines) + "\n"


def anchor(path: str) -> str:
    """The anchor of a key on the page, as GitHub and the documentation make it of its heading."""
    return re.sub(r"[^\w\- ]", "", path.lower())


Key = tuple[str, Any, dict[str, Any]]
"""Path of a key, its field in the model and its JSON Schema."""


def _keys(
    model: type[Section], schema: dict[str, Any], definitions: dict[str, Any], prefix: str
) -> Iterator[Key]:
    """Every key, each section's before those in it."""
    for name, field in model.own_fields().items():
        described = schema["properties"][name]
        path = prefix + name
        yield path, field, described
        for kind, (section, suffix) in _sections(field.annotation).items():
            yield from _keys(section, definitions[kind], definitions, f"{path}{suffix}.")


def _sections(annotation: Any) -> dict[str, tuple[type[Section], str]]:
    """The sections in the type of a key, with what their keys' paths have after the key."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return {annotation.__name__: (annotation, "")}
    origin = getattr(annotation, "__origin__", None)
    suffix = ".<name>" if origin is dict else "[]" if origin is tuple else ""
    found = {}
    for part in getattr(annotation, "__args__", ()):
        for kind, (section, rest) in _sections(part).items():
            found[kind] = (section, suffix + rest)
    return found


def _entry(path: str, field: Any, schema: dict[str, Any], example: Any) -> str:
    text, default = _text_of(field.description), _default(field)
    if default == "nothing" and (said := re.search(r" Default: (.+?)\.(?= |$)", text)):
        # The description says what applies if the key is missing.
        # In plain: it is what Kubernetes or Airflow does, and no value that the plugin sets.
        text, default = text.replace(said[0], ""), said[1].replace("`", "")
    lines = [f"### `{path}`", "", text, ""]
    if path in NOTES:
        lines += [NOTES[path], ""]
    lines += [f"- Type: {words_of(schema)}.", f"- Default: {default}."]
    value = _example(example, path)
    if value is not None:
        shown = yaml.safe_dump(value, default_flow_style=True, width=200).removesuffix("...\n")
        lines.append(f"- Example: `{shown.strip()}`")
    return "\n".join([*lines, ""])


def _default(field: Any) -> str:
    if field.is_required():
        return "none, the key is required"
    default = field.default
    if isinstance(default, Section):
        return "the defaults of its keys"
    if default is None or default in ({}, ()):
        return "nothing"
    value = list(default) if isinstance(default, tuple) else default
    plain = isinstance(value, str) and not value.startswith("%")
    return f"`{value if plain else json.dumps(value)}`"


_SECTIONS = ("airflow_tls", "run_config", "run_config.volume")
"""Keys whose example would be that of all keys below them."""


def _example(example: Any, path: str) -> Any:
    """What the example says at a path; None where it says nothing, or a whole section."""
    for part in re.findall(r"[^.\[\]]+|\[\]", path):
        if part == "[]" and isinstance(example, list):
            example = example[0] if example and isinstance(example[0], dict) else None
        elif part == "<name>" and isinstance(example, dict):
            example = next(iter(example.values()), None)
        elif isinstance(example, dict):
            example = example.get(part)
        else:
            return None
    inner = example.values() if isinstance(example, dict) else example
    holds_sections = isinstance(example, dict | list) and any(isinstance(v, dict) for v in inner)
    return None if holds_sections or path in _SECTIONS else example


def main() -> None:
    """Write both pages."""
    for name, page in (("commands", commands_page), ("configuration", configuration_page)):
        (PAGES / f"{name}.md").write_text(page(), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
