"""`run-once`: a run of a pipeline, started now."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dags import compiled
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    checks_option,
    context_option,
    dag_name_option,
    image_option,
    interruptible,
    output_option,
    progress,
    with_airflow,
)
from kedro_airflow_k8s.cli._runs import part_options, run_options

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("run-once")
@with_airflow
@output_option
@dag_name_option
@image_option
@run_options
@part_options
@click.option(
    "--from-run",
    metavar="RUN_ID",
    help="Take what the selected nodes need of other nodes from this run, which has ended and has"
    " kept its data.",
)
@context_option
@click.option(
    "--unpause/--no-unpause",
    default=None,
    help="Unpause the DAG before the run.  [default: if it is new in Airflow]",
)
@click.option(
    "--no-schedule",
    is_flag=True,
    help="Remove the schedule that the DAG has in Airflow, and its sensors for other DAGs."
    "  [default: keep them]",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Show whole logs, and tracebacks with all frames. This setting stays in the DAG until the"
    " next upload.",
)
@checks_option
def run_once_command(
    project: KedroProject, pipeline: str, target: Target, output: str | None, **options: Any
) -> None:
    """Upload the DAG of a pipeline, and start a run of it.

    The schedule in Airflow does not change. A new DAG has no schedule. The run does not wait for
    other DAGs. If options select nodes, as in `kedro run`, the other tasks succeed without a pod.

    \b
    Example:
        kedro airflow-k8s run-once --wait-for-completion 60 --params model.depth=5
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.params import conf_of, parse_params
    from kedro_airflow_k8s.deploy.part import conf_from_run, conf_of_part
    from kedro_airflow_k8s.deploy.run import RunOptions
    from kedro_airflow_k8s.deploy.start import keep_schedule, run_once
    from kedro_airflow_k8s.plan.build import Overrides
    from kedro_airflow_k8s.plan.pods import INPUTS_KEY
    from kedro_airflow_k8s.project.parameters import leaf_names
    from kedro_airflow_k8s.project.selection import Selection, selected_nodes

    selection = Selection(**{field.name: options[field.name] for field in fields(Selection)})
    from_run = options["from_run"]
    if from_run and selection.everything:
        raise click.UsageError(
            "--from-run is for a part of a pipeline. Select the nodes to run with --nodes,"
            " --from-nodes, --to-nodes, --tags or --namespaces, or use `resume`."
        )
    params = parse_params(options["params"])
    config = target.dag_config(options["image"], output).of(pipeline)
    if options["raw"]:
        config = config.with_raw_tracebacks()
    shown = progress()
    names = tuple(leaf_names(params))
    overrides = Overrides(dag_name=options["dag_name"], once=True, params=names)
    if not options["no_schedule"]:
        found = project.read_pipeline(pipeline)
        overrides = keep_schedule(target.client, found, config.run_config, overrides, shown)
    (dag,) = compiled(project, config, pipeline, overrides, checks=options["checks"])
    part: dict[str, Any] = {}
    if not selection.everything:
        nodes = selected_nodes(project.path, pipeline, selection)
        if from_run:
            volumes = target.volumes(config, options["context"])
            part = conf_from_run(target.client, dag, nodes, from_run, volumes)
            taken = part[INPUTS_KEY]["datasets"]
            shown.say(f"From run {from_run}: {', '.join(taken) or 'nothing is needed'}.")
        else:
            part = conf_of_part(dag, nodes)
    run = RunOptions(
        conf={**conf_of(params, dag.trigger_params), **part},
        logical_date=options["logical_date"],
        unpause=options["unpause"],
        minutes=options["minutes"],
        cancel_on_interrupt=options["cancel_on_interrupt"],
        raw=options["raw"],
    )
    target.refresh_image(output)
    destination = target.output(output)
    interruptible(lambda: run_once(target.client, dag, destination, run, shown))
