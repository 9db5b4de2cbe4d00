"""What `init` prints when it has written the files: what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from kedro_airflow_k8s.config.wording import first_of
from kedro_airflow_k8s.init import dockerignore, requirements
from kedro_airflow_k8s.init.arguments import InitRequest
from kedro_airflow_k8s.init.facts import COMMIT_TAG, GOOGLE_PROJECT
from kedro_airflow_k8s.init.files import read_text
from kedro_airflow_k8s.init.packages import project_packages
from kedro_airflow_k8s.init.plan import InitPlan
from kedro_airflow_k8s.init.requirements import plugin_line

_DAG_PATTERNS = ("dags", "dags/*", "dags/**", "dags/*.py")
"""Lines of .gitignore, without slashes at their ends, that keep the folder of compiled DAGs out."""


def next_steps(plan: InitPlan, request: InitRequest) -> str:
    """Return the files that were written, and numbered steps."""
    lines = []
    for file in plan.files:
        done = "Changed" if file.path in plan.replaced else "Wrote"
        lines.append(f"{done} {plan.shown(file.path)}: {file.why}")
    if plan.keeps_config:
        lines.append(f"Kept {plan.shown(plan.config)}.")
    if not plan.files:
        lines.append("All files exist already.")
    steps = [f"  {number}. {step}" for number, step in enumerate(_steps(plan, request), start=1)]
    return "\n".join([*lines, "", "Next:", *steps])


def _steps(plan: InitPlan, request: InitRequest) -> Iterator[str]:
    facts, layout = plan.facts, plan.facts.layout
    if GOOGLE_PROJECT in facts.image.name:
        yield (
            "Set the environment variable KEDRO_CONFIG_GOOGLE_PROJECT_ID to the id of your project"
            f" on Google Cloud: run_config.image in {plan.shown(plan.config)} uses it."
        )
    present = read_text(layout.path / dockerignore.NAME) or ""
    if missing := dockerignore.missing_lines(present, layout):
        lines = "".join(f"\n       {line}" for line in missing)
        yield (
            f"Add these lines at the end of {dockerignore.NAME}. They keep secrets out of the image"
            f" and let the raw data in:{lines}"
        )
    is_written = any(file.path.name == requirements.NAME for file in plan.files)
    if is_written and (unread := project_packages(layout.path).unread):
        yield (
            f"Add the project's packages to {requirements.NAME}, from which the image is built:"
            f" init cannot read those of {', '.join(unread)}."
        )
    for pattern in dockerignore.too_wide(layout):
        yield (
            f"Make the pattern {pattern!r} for credentials in config_patterns of settings.py"
            f" narrower. It also matches the catalog, so {dockerignore.NAME} does not keep its"
            " files out of the image."
        )
    if _git_would_add_dags(plan):
        yield (
            "Keep compiled DAGs out of git, unless Airflow reads them there: echo /dags/ >>"
            " .gitignore"
        )
    yield from _ci_steps(plan)
    if request.spark:
        add = f"Add a cluster to run_config.clusters in {plan.shown(plan.config)}, and tag"
        yield (
            f"{add if plan.keeps_config else 'Tag'} the nodes that use Spark: cluster.spark. On a"
            " cluster, create the service account of examples/kubernetes/clusters-rbac.yaml."
        )
    env = "" if facts.env == layout.base_env else f" --env {shlex.quote(facts.env)}"
    yield f"kedro airflow-k8s validate{env}, to find problems before they reach the cluster."
    yield f"kedro airflow-k8s sandbox run{env}, to run the pipeline on this machine."
    if settings := list(_settings(plan, request)):
        lines = "".join(f"\n       - {line}" for line in settings)
        yield f"For a cluster, edit {plan.shown(plan.config)}:{lines}"
    if request.adds_files and not list(layout.path.glob("wheels/kedro_airflow_k8s-*.whl")):
        yield (
            f"If your package index does not have {plugin_line()}, add its wheel: `pip wheel"
            " --no-deps -w wheels FOLDER`, where FOLDER is the clone of the plugin, then"
            " `git add -f wheels`."
        )
    if request.ci:
        yield "Commit and push. The comments at the top of the CI files list what to set there."
    else:
        made = "" if request.dockerfile else " (init --dockerfile writes a Dockerfile)"
        tag = "$(git rev-parse HEAD)" if facts.image.tag == COMMIT_TAG else facts.image.tag
        image = f"{facts.image.shell_name}:{tag}"
        yield f"Build and push the image{made}: docker build -t {image} . && docker push {image}"


def _ci_steps(plan: InitPlan) -> Iterator[str]:
    """Yield what the jobs of a CI service need."""
    if include := next((f.path for f in plan.files if f.path.parent.name == ".gitlab"), None):
        yield (
            "Include the jobs in .gitlab-ci.yml:\n       include:\n         - local: "
            f"{include.relative_to(plan.facts.repository.root).as_posix()}"
        )
    if plan.repeated:
        yield (
            f"Below `pipelines` in {plan.shown(plan.config)}, set `enabled: false` for"
            f" {first_of(plan.repeated, '`kedro registry list` lists all')}, or for __default__,"
            " which contains their nodes. The jobs deploy all pipelines that are not disabled."
        )


def _git_would_add_dags(plan: InitPlan) -> bool:
    """Return whether the project is in a git repository that would take its DAG files."""
    root = plan.facts.repository.root
    if not (root / ".git").exists():
        return False
    ignored = read_text(plan.facts.layout.path / ".gitignore") or ""
    return not any(line.strip().strip("/") in _DAG_PATTERNS for line in ignored.splitlines())


def _settings(plan: InitPlan, request: InitRequest) -> Iterator[str]:
    """Yield the settings that only the user knows."""
    facts = plan.facts
    if facts.airflow.is_sandbox:
        yield "Replace host and output, which are those of the sandbox."
    elif missing := [key for key in ("host", "output") if not getattr(facts.airflow, key)]:
        yield f"Set {' and '.join(missing)}."
    if not plan.keeps_config and request.airflow_auth == "aws":
        yield "Set airflow_auth.environment."
    if facts.image.is_example:
        yield f"Set run_config.image. {facts.image.name}:{facts.image.tag} is only an example."
    if not plan.keeps_config:
        yield (
            f"Make sure that the namespace {facts.namespace} exists, or set run_config.namespace to"
            " another."
        )
