"""The workflows for GitHub: what is in them, and that the linters find nothing in any variant."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init import AuthKind, ProjectFacts, Registry, ScaffoldedFile
from kedro_airflow_k8s.init.ci_setup import needed_extras, quoted
from kedro_airflow_k8s.init.github_actions import ACTIONS, github_workflows, pattern
from kedro_airflow_k8s.init.gitlab_ci import gitlab_pipeline
from tests.kedro.init.ci_variants import (
    FACTS,
    HOSTILE_FACTS,
    IMAGES,
    SECRETS_OF_AUTH,
    Variant,
    by_name,
    every_variant,
    write_all,
)
from tests.kedro.init.github_runner import Push, Settings

TOOLS = Path(sys.executable).parent
VARIANTS = list(every_variant())
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
KNOWN_CONTEXTS = re.compile(
    r"(github\.(actor|ref|ref_name|repository|run_attempt|run_id|server_url|sha|token|workflow)"
    r"|(vars|secrets)\.[A-Z_]+( \|\| '[^']+')?"
    r"|steps\.(name|build|dag|google)\.outputs\.[a-z_]+|needs\.image\.outputs\.image"
    r")"
)


def documents(variant: Variant) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The two workflows, read; `on` is a boolean for YAML 1.1."""
    files = github_workflows(variant.facts, variant.registry, variant.airflow_auth)
    run, schedule = (yaml.safe_load(file.text) for file in files)
    return run, schedule


def steps(workflow: dict[Any, Any], job: str) -> list[dict[Any, Any]]:
    found: list[dict[Any, Any]] = workflow["jobs"][job]["steps"]
    return found


def last_step(workflow: dict[Any, Any]) -> dict[Any, Any]:
    """The step that talks to Airflow."""
    *_, (_, job) = workflow["jobs"].items()
    step: dict[Any, Any] = job["steps"][-1]
    return step


def lint(command: list[str | Path], files: list[Path]) -> str:
    done = subprocess.run(
        [*command, *files], capture_output=True, text=True, check=False, cwd=files[0].parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def every_file(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The workflows of all variants, each variant in a folder of its own."""
    root = tmp_path_factory.mktemp("variants")
    written = []
    for variant in VARIANTS:
        files = github_workflows(variant.facts, variant.registry, variant.airflow_auth)
        written += write_all(root / variant.name, files)
    assert len(written) == 2 * len(VARIANTS) == len(set(written))
    return written


def test_actionlint_finds_nothing_in_any_variant(every_file: list[Path]) -> None:
    lint([TOOLS / "actionlint", "-no-color", "-shellcheck", TOOLS / "shellcheck"], every_file)


def test_zizmor_finds_nothing_in_any_variant(every_file: list[Path]) -> None:
    command: list[str | Path] = [
        TOOLS / "zizmor",
        "--offline",
        "--pedantic",
        "--no-ignores",
        "--format=json",
    ]
    assert json.loads(lint([*command, "--strict-collection"], every_file)) == []


def test_the_linters_are_not_blind(tmp_path: Path) -> None:
    (file, _) = github_workflows(FACTS, "ghcr", "token")
    bad = tmp_path / ".github/workflows/bad.yml"
    bad.parent.mkdir(parents=True)
    bad.write_text(
        file.text.replace('"$DAG_NAME"', "$DAG_NAME").replace(
            "kedro airflow-k8s validate", "echo ${{ github.ref_name }}"
        )
    )
    actionlint: list[str | Path] = [TOOLS / "actionlint", "-shellcheck", TOOLS / "shellcheck", bad]
    assert b"SC2086" in subprocess.run(actionlint, capture_output=True, check=False).stdout
    zizmor: list[str | Path] = [TOOLS / "zizmor", "--offline", "--pedantic", bad]
    assert b"template-injection" in subprocess.run(zizmor, capture_output=True, check=False).stdout


def test_there_are_two_workflows_in_the_root_of_the_repository() -> None:
    files = github_workflows(FACTS, "ghcr", "token")
    assert list(by_name(files)) == [
        PurePosixPath(".github/workflows/build-and-run.yml"),
        PurePosixPath(".github/workflows/build-and-schedule.yml"),
    ]
    assert {file.base for file in files} == {"repository"}


def test_projects_in_one_repository_have_workflows_and_images_of_their_own() -> None:
    shops = replace(FACTS, repository_path="shops/one", slug="shop-one")
    run, schedule = github_workflows(shops, "gar", "none")
    assert run.path.name == "shop-one-build-and-run.yml"
    assert schedule.path.name == "shop-one-build-and-schedule.yml"
    document, _ = documents(Variant(shops, "gar", "none"))
    assert document["name"] == "Build and run shop-one"
    assert document[True]["push"]["paths"] == ["shops/one/**", f".github/workflows/{run.path.name}"]
    assert document["defaults"]["run"]["working-directory"] == "shops/one"
    assert "vars.IMAGE_SHOP_ONE " in run.text
    assert "/shop-one\n" in github_workflows(shops, "ghcr", "none")[0].text


def test_a_branch_is_run_and_the_default_branch_is_scheduled() -> None:
    trunk = replace(FACTS, default_branch="trunk")
    run, schedule = documents(Variant(trunk, "ghcr", "token"))
    assert set(run[True]) == {"push", "workflow_dispatch"}
    assert run[True]["push"]["branches-ignore"][0] == "trunk"
    assert set(schedule[True]) == {"push"}
    assert schedule[True]["push"] == {"branches": ["trunk"]}
    assert "run-once" in last_step(run)["run"]
    assert last_step(schedule)["run"].startswith("kedro airflow-k8s schedule ")
    # A newer push may end a run, but never an upload of what is scheduled.
    assert run["concurrency"]["cancel-in-progress"] is True
    assert schedule["concurrency"]["cancel-in-progress"] is False
    assert "github.ref" in run["concurrency"]["group"]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_permissions_are_the_least_of_each_job(variant: Variant) -> None:
    for workflow in documents(variant):
        assert workflow["permissions"] == {}
        check, image, airflow = workflow["jobs"].values()
        assert check["permissions"] == {"contents": "read"}
        pushes = {"packages": "write"} if variant.registry == "ghcr" else {"id-token": "write"}
        assert image["permissions"] == {"contents": "read", **pushes}
        clouds = "://" in variant.facts.output or variant.airflow_auth in ("google", "aws")
        token = {"id-token": "write"} if clouds else {}
        assert airflow["permissions"] == {"contents": "read", **token}
        for job in (check, image, airflow):
            assert job["timeout-minutes"] <= 90
            (checkout,) = [s for s in job["steps"] if "actions/checkout" in s.get("uses", "")]
            assert checkout["with"]["persist-credentials"] is False


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_secrets_are_where_they_are_used_and_no_key_is_stored(variant: Variant) -> None:
    for workflow in documents(variant):
        last = last_step(workflow)
        in_last = set(re.findall(r"secrets\.(\w+)", str(last)))
        assert in_last == SECRETS_OF_AUTH[variant.airflow_auth]
        for job in workflow["jobs"].values():
            others = [step for step in job["steps"] if step != last]
            assert "secrets." not in str([others, {**job, "steps": []}])
        # What logs in to a cloud comes after everything that was installed.
        *_, (_, airflow) = workflow["jobs"].items()
        names = [step.get("name", "") for step in airflow["steps"]]
        installed = names.index("Install what the project requires")
        assert all(names.index(n) > installed for n in names if n.startswith("Log in to"))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_action_is_pinned_by_commit_and_no_script_holds_an_expression(
    variant: Variant,
) -> None:
    for file in github_workflows(variant.facts, variant.registry, variant.airflow_auth):
        used = re.findall(r"^\s+(?:- )?uses: (.+)$", file.text, re.MULTILINE)
        assert len(used) > 5
        for action in used:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
        for job in yaml.safe_load(file.text)["jobs"].values():
            for step in job["steps"]:
                assert "${{" not in step.get("run", "")
        for expression in EXPRESSION.findall(file.text):
            assert KNOWN_CONTEXTS.fullmatch(expression), expression


def test_no_action_is_named_that_no_workflow_uses() -> None:
    files = [
        file.text
        for variant in VARIANTS
        for file in github_workflows(variant.facts, variant.registry, variant.airflow_auth)
    ]
    assert all(any(action in text for text in files) for action in ACTIONS.values())


def test_what_the_user_has_to_set_is_named_at_the_top_and_nothing_else_is_read() -> None:
    for variant in VARIANTS:
        for file in github_workflows(variant.facts, variant.registry, variant.airflow_auth):
            top, _, rest = file.text.partition("\nname: ")
            listed = set(re.findall(r"^#   (variable|secret) +(\w+) ", top, re.MULTILINE))
            read = set(re.findall(r"\b(var|secret)s\.([A-Z_]+)(?! \|\|)\b", rest))
            assert listed == {({"var": "variable"}.get(k, k), name) for k, name in read}


def set_as_the_header_says(text: str) -> Push:
    """What is set on GitHub once somebody has done what the workflow's first lines say."""
    top, _, _ = text.partition("\nname: ")
    place = ""
    found: dict[str, dict[str, str]] = {"repository variable": {}, "airflow secret": {}}
    for line in top.splitlines():
        if re.match(r"#.*\bon GitHub\b", line):
            place = "airflow" if "in the environment `airflow`" in line else "repository"
            assert place == "airflow" or "of the repository" in line
        named = re.match(r"#   (variable|secret) +(\w+) ", line)
        if named:
            found[f"{place} {named[1]}"][named[2]] = "set"
    return Push(
        Path(),
        "main",
        settings=Settings(variables=found["repository variable"]),
        environments={"airflow": Settings(secrets=found["airflow secret"])},
    )


def test_every_job_sees_what_was_set_where_the_header_says() -> None:
    for variant in VARIANTS:
        for file in github_workflows(variant.facts, variant.registry, variant.airflow_auth):
            pushed = set_as_the_header_says(file.text)
            for name, job in yaml.safe_load(file.text)["jobs"].items():
                seen = pushed.settings_of(job)
                read = set(re.findall(r"\bvars\.([A-Z_]+)(?! \|\|)\b", str(job)))
                assert read <= set(seen.variables), (variant.name, name)
                assert set(re.findall(r"\bsecrets\.(\w+)", str(job))) <= set(seen.secrets)


def test_the_image_is_the_projects_where_that_is_in_the_registry() -> None:
    for registry, image in IMAGES.items():
        variant = Variant(replace(FACTS, image=image), registry, "none")
        (name,) = [s for s in steps(documents(variant)[0], "image") if s.get("id") == "name"]
        assert name["env"]["IMAGE"] == f"${{{{ vars.IMAGE || '{image}' }}}}"
        assert "::error::" not in name["run"]


def test_a_commit_that_is_built_again_pushes_a_tag_of_its_own() -> None:
    # A registry may refuse to move a tag, and the same commit comes with a merge and with a re-run.
    for document in documents(Variant(FACTS, "ecr", "none")):
        build = steps(document, "image")[-1]
        assert build["with"]["tags"] == (
            "${{ steps.name.outputs.image }}:${{ github.sha }}"
            "-${{ github.run_id }}-${{ github.run_attempt }}"
        )


def test_an_airflow_that_no_runner_reaches_is_named_as_the_first_thing_to_do() -> None:
    sandbox = replace(FACTS, is_sandbox=True)
    unknown = replace(FACTS, host="", output="")
    for facts in (sandbox, unknown):
        for file in github_workflows(facts, "ghcr", "none"):
            assert "# First name an Airflow that can be reached" in file.text
    folder, bucket = (
        github_workflows(replace(FACTS, output=output), "ghcr", "none")[0].text
        for output in ("/opt/airflow/dags", "gs://bucket/dags")
    )
    assert "is a folder" in folder
    assert "is a folder" not in bucket
    assert "# First" not in folder


def test_the_environment_is_named_where_kedro_does_not_read_it_anyway() -> None:
    prod, _ = documents(Variant(replace(FACTS, env="prod"), "ghcr", "none"))
    assert prod["env"]["KEDRO_ENV"] == "prod"
    base, _ = documents(Variant(FACTS, "ghcr", "none"))
    assert "KEDRO_ENV" not in base["env"]


def test_the_configuration_may_ask_for_the_branch_which_no_job_checks_out() -> None:
    for document in documents(Variant(FACTS, "ghcr", "none")):
        assert document["env"]["KEDRO_CONFIG_BRANCH_NAME"] == "${{ github.ref_name }}"


def test_hostile_texts_stay_texts() -> None:
    run, schedule = documents(Variant(HOSTILE_FACTS, "ghcr", "none"))
    assert run["defaults"]["run"]["working-directory"] == HOSTILE_FACTS.repository_path
    assert run["env"]["KEDRO_ENV"] == HOSTILE_FACTS.env
    branch = schedule[True]["push"]["branches"][0]
    assert re.sub(r"\\(.)", r"\1", branch) == HOSTILE_FACTS.default_branch
    assert run[True]["push"]["branches-ignore"][0] == branch
    assert set(run["jobs"]) == {"check", "image", "run"}


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, repository_path="${{ github.token }}"),
        replace(FACTS, default_branch="${{github.token}}"),
        replace(FACTS, env="${{ github.token }}"),
    ],
    ids=["folder", "branch", "environment"],
)
def test_a_name_that_github_would_evaluate_is_refused(facts: ProjectFacts) -> None:
    with pytest.raises(ScaffoldError, match=r"GitHub takes \$\{\{ .* Rename it\."):
        github_workflows(facts, "ghcr", "none")


@pytest.mark.parametrize("sign", ["\n", "\r", "\t", "\x00", "\x1b", "\x85", "\u2028", "\udcff"])
@pytest.mark.parametrize("service", [github_workflows, gitlab_pipeline])
def test_a_folder_whose_name_holds_a_control_character_is_refused(
    service: Callable[[ProjectFacts, Registry, AuthKind], list[ScaffoldedFile]], sign: str
) -> None:
    with pytest.raises(
        ScaffoldError, match=r"folder is named 'a\\.*Rename it\. Nothing was"
    ) as found:
        service(replace(FACTS, repository_path=f"a{sign}b"), "ghcr", "none")
    assert sign not in str(found.value)


@pytest.mark.parametrize("name", ["größe", "a b", "买", "👩\u200d🔬"])
def test_a_folder_with_any_name_that_can_be_seen_is_taken(name: str) -> None:
    facts = replace(FACTS, repository_path=name)
    document, _ = documents(Variant(facts, "ghcr", "none"))
    assert document["defaults"]["run"]["working-directory"] == name
    assert gitlab_pipeline(facts, "ghcr", "none")


@given(st.text())
def test_any_text_means_itself_in_yaml(text: str) -> None:
    line = quoted(text)
    assert "\n" not in line
    assert yaml.safe_load(f"key: {line}\n") == {"key": text}


def test_signs_that_mean_something_in_a_filter_are_taken_literally() -> None:
    assert yaml.safe_load(pattern("!a+b*[c]?", "/**")) == r"\!a\+b\*\[c]\?/**"


def test_the_extras_are_those_of_the_clouds_that_are_used() -> None:
    assert needed_extras("/opt/airflow/dags", "token") == ()
    assert needed_extras("gs://bucket/dags", "none") == ("gcp",)
    assert needed_extras("s3://bucket/dags", "google") == ("gcp", "aws")
    assert needed_extras("abfs://container/dags", "aws") == ("aws", "azure")
