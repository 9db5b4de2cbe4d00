"""What `init` says at its end: what it has written, and what there is to do now."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from kedro_airflow_k8s.init.arguments import InitRequest
from kedro_airflow_k8s.init.plan_files import InitPlan, PlannedFile
from kedro_airflow_k8s.init.project_facts import NO_REGISTRY
from kedro_airflow_k8s.init.requirements import PLUGIN, plugin_line


def file_line(file: PlannedFile) -> str:
    """A file that was written, and what for."""
    return f"{'Changed' if file.exists else 'Wrote'} {file.shown}: {file.why}"


def closing_words(plan: InitPlan, request: InitRequest) -> str:
    """What the reader does next, numbered."""
    kept = f"Kept {plan.config_path} as it is.\n" if plan.keeps_config else ""
    if not plan.files:
        kept += "Nothing was missing.\n"
    steps = [f"  {number}. {step}" for number, step in enumerate(_steps(plan, request), start=1)]
    return "\n".join([f"{kept}\nNext:", *steps])


def _steps(plan: InitPlan, request: InitRequest) -> Iterator[str]:
    facts = plan.facts
    if plan.lacks_plugin:
        yield (
            f"Add {plugin_line(plan.extras)} to requirements.txt with the tool that made its"
            " hashes: the image needs it."
        )
    if plan.lacks_extras:
        named = ",".join(plan.lacks_extras)
        yield (
            f"Write {PLUGIN}[{named}] in place of {PLUGIN} into requirements.txt: that installs"
            " what uploads and log-in need."
        )
    for pattern in plan.wide_patterns:
        yield (
            f"Narrow the pattern {pattern!r} for credentials in config_patterns of settings.py:"
            " other configuration fits it too, so .dockerignore does not keep the files that it"
            " means out of the image."
        )
    yield from plan.not_installable
    env = "" if facts.env == facts.base_env else f" --env {shlex.quote(facts.env)}"
    yield f"kedro airflow-k8s validate{env}, for what would go wrong on the cluster."
    yield f"kedro airflow-k8s sandbox run{env}, to see it work on this machine."
    settings = list(_settings(plan, request))
    if settings:
        yield f"For a cluster, edit {plan.config_path}: {'; '.join(settings)}."
    if (request.dockerfile or request.github_actions or request.gitlab_ci) and plan.lacks_wheel:
        yield (
            f"Unless your package index has {plugin_line()}, put its wheel into wheels/: `pip wheel"
            " --no-deps -w wheels FOLDER` in its clone's FOLDER, then `git add -f wheels`."
        )
    if request.github_actions or request.gitlab_ci:
        yield "Commit and push: the comments at the top of the CI files say what to set there."
    if not (request.github_actions or request.gitlab_ci):
        made = "" if request.dockerfile else " (init --dockerfile writes a Dockerfile)"
        image = f"{facts.image}:1.0"
        yield f"Build and push the image{made}: docker build -t {image} . && docker push {image}"


def _settings(plan: InitPlan, request: InitRequest) -> Iterator[str]:
    """What of the configuration nobody but the reader knows."""
    facts = plan.facts
    if facts.is_sandbox:
        yield "host and output are those of the sandbox"
    else:
        missing = [key for key in ("host", "output") if not getattr(facts, key)]
        if missing:
            yield f"set {' and '.join(missing)}"
    if not plan.keeps_config and request.airflow_auth == "aws":
        yield "set airflow_auth.environment"
    if facts.image.startswith(f"{NO_REGISTRY}/"):
        yield f"run_config.image is only an example, {facts.image}:1.0"
    if not plan.keeps_config:
        yield f"run_config.namespace, {facts.namespace}, has to exist"
