"""The group of all commands: how they show errors and help, and what completes their options."""

from __future__ import annotations

import contextlib
import io
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kedro.framework.startup import ProjectMetadata

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells: 128 and the number of the signal."""

_WHOLE = 1000
"""More characters than the first sentence of a command's help has."""

_ELSEWHERE: Mapping[str, str] = {
    "run": "run-once' or 'sandbox run",
    "start": "trigger' or 'sandbox up",
    "rerun": "resume' or 'trigger",
    "clear": "resume",
    "continue": "resume",
    "retry": "resume",
    "catchup": "backfill",
    "fill": "backfill",
    "test": "sandbox run",
    "upload": "upload-pipeline",
    "push": "upload-pipeline",
    "publish": "upload-pipeline",
    "deploy": "upload-pipeline' or 'schedule",
    "create": "compile",
    "generate": "compile",
    "build": "compile",
    "new": "init",
    "check": "validate",
    "lint": "validate",
    "plan": "diff",
    "config": "show-config",
    "show": "status' or 'show-config",
    "describe": "status' or 'show-config",
    "list": "list-pipelines",
    "ls": "list-pipelines",
    "dags": "list-pipelines",
    "pipelines": "list-pipelines",
    "prune": "clean",
    "datasets": "assets",
    "lineage": "assets",
    "ps": "status",
    "metrics": "usage",
    "resources": "usage",
    "runs": "status",
    "tasks": "status",
    "log": "logs",
    "tail": "logs --follow",
    "follow": "logs --follow",
    "watch": "logs --follow",
    "stop": "cancel' or 'sandbox down",
    "kill": "cancel",
    "abort": "cancel",
    "unschedule": "pause",
    "disable": "pause",
    "enable": "unpause",
    "rm": "delete",
    "remove": "delete",
    "undeploy": "delete",
    "open": "ui",
    "web": "ui",
    "up": "sandbox up",
    "down": "sandbox down",
    "version": "--version",
    "help": "--help",
}
"""Commands that people type, and those that do it."""

_WITH_SANDBOX = frozenset(
    (
        "backfill",
        "cancel",
        "delete",
        "list-pipelines",
        "logs",
        "pause",
        "run-once",
        "trigger",
        "ui",
        "unpause",
    )
)
"""Commands that people type after `sandbox`."""


class PluginGroup(click.Group):
    """A group whose commands show an error of the plugin as one message, with exit code 1."""

    group_class = type

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            click.ClickException: In place of an error of the plugin.
            click.exceptions.Exit: When it was interrupted.
        """
        from kedro_airflow_k8s.errors import AirflowK8sError

        try:
            return super().invoke(ctx)
        except AirflowK8sError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Aborted!", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of a name.

        Raises:
            click.UsageError: If there is none; with the one that was probably meant.
        """
        name = args[0] if args else ""
        if self.get_command(ctx, name) is None and (meant := self._meant(ctx, name)):
            ctx.fail(f"No such command {name!r}. Did you mean '{meant}'?")
        return super().resolve_command(ctx, args)

    def _meant(self, ctx: click.Context, name: str) -> str | None:
        """Return the commands that do what another name says; None if that is unknown."""
        from kedro_airflow_k8s.config.wording import Nearest

        if ctx.info_name == "sandbox" and name in _WITH_SANDBOX:
            return f"{name} --sandbox"
        if name in _ELSEWHERE:
            return _ELSEWHERE[name]
        near = Nearest([*self.list_commands(ctx), *_ELSEWHERE]).find(name)
        return _ELSEWHERE.get(near, near) if near else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each command's help, whole."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, command.get_short_help_str(_WHOLE))
            for name, command in found
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class CommandModules(PluginGroup):
    """The group whose commands are the modules of this package, imported when they are used.

    Kedro loads the group for every `kedro` call, in pods too.
    """

    group_class = PluginGroup  # type: ignore[assignment]  # click allows a class, too
    names = (
        "assets",
        "backfill",
        "cancel",
        "clean",
        "compile",
        "delete",
        "diff",
        "init",
        "list-pipelines",
        "logs",
        "pause",
        "resume",
        "run-once",
        "sandbox",
        "schedule",
        "show-config",
        "status",
        "trigger",
        "ui",
        "unpause",
        "upload-pipeline",
        "usage",
        "validate",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *self.names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, which its module adds to this group; None if there is none."""
        if cmd_name in self.names:
            import_module(f"{__package__}.{cmd_name.replace('-', '_')}")
        return super().get_command(ctx, cmd_name)


def complete_pipeline(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the registered pipelines that begin so."""
    if _project(ctx) is None:
        return []
    from kedro.framework.project import pipelines

    # The shell would take what modules of the project print for names.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            names = list(pipelines)
        except (Exception, SystemExit):  # noqa: BLE001 - a module that does not import has no names
            return []
    return _beginning(names, incomplete)


def complete_env(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the environments of the configuration that begin so."""
    metadata = _project(ctx)
    if metadata is None:
        return []
    from kedro.framework.project import settings

    folder = metadata.project_path / str(settings.CONF_SOURCE)
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return _beginning([name for name in names if not name.startswith(".")], incomplete)


def _project(ctx: click.Context) -> ProjectMetadata | None:
    """Return what Kedro's CLI knows of the project; None outside one."""
    found: ProjectMetadata | None = ctx.find_root().obj
    return found


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
