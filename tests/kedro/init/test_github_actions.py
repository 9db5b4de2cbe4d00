"""The workflows for GitHub: what is in them, and that the linters find nothing in any variant."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init.ci import CiSetup, needed_extras
from kedro_airflow_k8s.init.facts import Registry
from kedro_airflow_k8s.init.github_actions import ACTIONS, github_workflows
from kedro_airflow_k8s.init.gitlab_ci import gitlab_pipeline
from tests.kedro.init.ci_variants import (
    CHOICES,
    HOSTILE,
    IMAGES,
    SECRETS_OF_AUTH,
    VARIANTS,
    changed,
    setup,
    with_image,
    write_all,
)
from tests.kedro.init.github_runner import Push, Settings

TOOLS = Path(sys.executable).parent
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
KNOWN_CONTEXTS = re.compile(
    r"(github\.(actor|ref|ref_name|repository|run_attempt|run_id|server_url|sha|token|workflow)"
    r"|(vars|secrets)\.[A-Z_]+"
    r"|steps\.(name|build|dag|google)\.outputs\.[a-z_]+|needs\.image\.outputs\.image"
    r")"
)
TEXTS = [[file.text for file in github_workflows(variant)] for variant in VARIANTS]


def documents(jobs: CiSetup) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The two workflows, read; `on` is a boolean for YAML 1.1."""
    run, schedule = (yaml.safe_load(file.text) for file in github_workflows(jobs))
    return run, schedule


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


def test_the_variants_have_every_pair_of_choices() -> None:
    chosen = [vars(choices) for choices in CHOICES]
    for one, other in combinations(chosen[0], 2):
        wanted = product({each[one] for each in chosen}, {each[other] for each in chosen})
        assert {(each[one], each[other]) for each in chosen} == set(wanted), (one, other)


@pytest.fixture(scope="module")
def every_file(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The workflows of all variants, each variant in a folder of its own."""
    root = tmp_path_factory.mktemp("variants")
    return [
        path
        for number, variant in enumerate(VARIANTS)
        for path in write_all(root / str(number), github_workflows(variant))
    ]


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


def test_there_are_two_workflows_at_the_root_of_the_repository() -> None:
    assert [file.path for file in github_workflows(setup())] == [
        Path(".github/workflows/build-and-run.yml"),
        Path(".github/workflows/build-and-schedule.yml"),
    ]


def test_projects_in_one_repository_have_workflows_and_images_of_their_own() -> None:
    shops = changed(setup("gar"), folder="shops/one", slug="shop-one")
    run, schedule = github_workflows(shops)
    assert run.path.name == "shop-one-build-and-run.yml"
    assert schedule.path.name == "shop-one-build-and-schedule.yml"
    document, _ = documents(shops)
    assert document["name"] == "Build and run shop-one"
    assert document[True]["push"]["paths"] == ["shops/one/**", f".github/workflows/{run.path.name}"]
    assert document["defaults"]["run"]["working-directory"] == "shops/one"
    assert "vars.IMAGE_SHOP_ONE " in run.text
    on_ghcr = changed(setup("ghcr"), folder="shops/one", slug="shop-one")
    assert "/shop-one\n" in github_workflows(on_ghcr)[0].text


def test_a_branch_is_run_and_the_default_branch_is_scheduled() -> None:
    trunk = changed(setup(), default_branch="trunk")
    run, schedule = documents(trunk)
    assert set(run[True]) == {"push", "workflow_dispatch"}
    assert run[True]["push"]["branches-ignore"][0] == "trunk"
    assert schedule[True] == {"push": {"branches": ["trunk"]}}
    assert "run-once" in last_step(run)["run"]
    assert last_step(schedule)["run"].startswith("kedro airflow-k8s schedule --all ")
    for workflow in (run, schedule):
        checks = [step["run"] for step in workflow["jobs"]["check"]["steps"][-2:]]
        assert checks == [f"kedro airflow-k8s {name} --all" for name in ("validate", "compile")]
    # A newer push may end a run, but never an upload of what is scheduled.
    assert run["concurrency"]["cancel-in-progress"] is True
    assert schedule["concurrency"]["cancel-in-progress"] is False
    assert "github.ref" in run["concurrency"]["group"]
    for file in github_workflows(trunk):
        assert "trunk" in file.why
        assert '"trunk"' in file.text.partition("\nname: ")[0]


def test_permissions_are_the_least_of_each_job() -> None:
    for variant in VARIANTS:
        for workflow in documents(variant):
            assert workflow["permissions"] == {}
            check, image, airflow = workflow["jobs"].values()
            assert check["permissions"] == {"contents": "read"}
            pushes = {"packages": "write"} if variant.registry == "ghcr" else {"id-token": "write"}
            assert image["permissions"] == {"contents": "read", **pushes}
            place = variant.facts.airflow
            clouds = "://" in place.output or place.auth in ("google", "aws")
            token = {"id-token": "write"} if clouds else {}
            assert airflow["permissions"] == {"contents": "read", **token}
            for job in (check, image, airflow):
                assert job["timeout-minutes"] <= 90
                (checkout,) = [s for s in job["steps"] if "actions/checkout" in s.get("uses", "")]
                assert checkout["with"]["persist-credentials"] is False


def test_secrets_are_where_they_are_used_and_no_key_is_stored() -> None:
    for variant in VARIANTS:
        for workflow in documents(variant):
            last = last_step(workflow)
            in_last = set(re.findall(r"secrets\.(\w+)", str(last)))
            assert in_last == SECRETS_OF_AUTH[variant.facts.airflow.login]
            for job in workflow["jobs"].values():
                others = [step for step in job["steps"] if step != last]
                assert "secrets." not in str([others, {**job, "steps": []}])
            # What logs in to a cloud comes after everything that was installed.
            *_, (_, airflow) = workflow["jobs"].items()
            names = [step.get("name", "") for step in airflow["steps"]]
            installed = names.index("Install the project's requirements")
            assert all(names.index(n) > installed for n in names if n.startswith("Log in to"))


def test_every_action_is_pinned_by_commit_and_no_script_holds_an_expression() -> None:
    for texts in TEXTS:
        for text in texts:
            used = re.findall(r"^\s+(?:- )?uses: (.+)$", text, re.MULTILINE)
            assert len(used) > 5
            for action in used:
                assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
            for job in yaml.safe_load(text)["jobs"].values():
                for step in job["steps"]:
                    assert "${{" not in step.get("run", "")
            for expression in EXPRESSION.findall(text):
                assert KNOWN_CONTEXTS.fullmatch(expression), expression


def test_no_action_is_named_that_no_workflow_uses() -> None:
    together = "".join(text for texts in TEXTS for text in texts)
    assert all(action in together for action in ACTIONS.values())


def test_what_the_user_has_to_set_is_named_at_the_top_and_nothing_else_is_read() -> None:
    for texts in TEXTS:
        for text in texts:
            top, _, rest = text.partition("\nname: ")
            listed = set(re.findall(r"^#   (variable|secret) +(\w+) ", top, re.MULTILINE))
            read = set(re.findall(r"\b(var|secret)s\.([A-Z_]+)\b", rest))
            assert listed == {({"var": "variable"}.get(k, k), name) for k, name in read}


def set_as_the_header_says(text: str) -> Push:
    """What is set on GitHub once a user has done what the workflow's first lines say."""
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
    for texts in TEXTS:
        for text in texts:
            pushed = set_as_the_header_says(text)
            for job in yaml.safe_load(text)["jobs"].values():
                seen = pushed.settings_of(job)
                assert set(re.findall(r"\bvars\.([A-Z_]+)\b", str(job))) <= set(seen.variables)
                assert set(re.findall(r"\bsecrets\.(\w+)", str(job))) <= set(seen.secrets)


@pytest.mark.parametrize("registry", get_args(Registry))
def test_the_image_is_the_one_of_the_configuration_if_that_is_in_the_registry(
    registry: Registry,
) -> None:
    for workflow in documents(with_image(registry)):
        (name,) = [s for s in workflow["jobs"]["image"]["steps"] if s.get("id") == "name"]
        image = IMAGES[registry].replace("${google_project_id}", "$KEDRO_CONFIG_GOOGLE_PROJECT_ID")
        assert name["run"].startswith(f"image={image}\n")
        assert "env" not in name


def test_the_variables_of_the_configuration_are_set() -> None:
    for workflow in documents(with_image("gar")):
        assert workflow["env"] == {
            "KEDRO_CONFIG_COMMIT_ID": "${{ github.sha }}",
            "KEDRO_CONFIG_BRANCH_NAME": "${{ github.ref_name }}",
            "KEDRO_CONFIG_GOOGLE_PROJECT_ID": "${{ vars.KEDRO_CONFIG_GOOGLE_PROJECT_ID }}",
        }


def test_each_build_pushes_a_tag_of_its_own_and_then_tries_that_of_the_commit() -> None:
    # A registry may refuse to move a tag, and the same commit comes with a merge and with a re-run.
    for workflow in documents(setup("ecr")):
        *_, build, tag = workflow["jobs"]["image"]["steps"]
        assert build["with"]["tags"] == (
            "${{ steps.name.outputs.image }}:${{ github.sha }}"
            "-${{ github.run_id }}-${{ github.run_attempt }}"
        )
        assert '--tag "$IMAGE:$KEDRO_CONFIG_COMMIT_ID" "$IMAGE@$DIGEST"' in tag["run"]


def test_an_airflow_that_no_runner_reaches_is_the_first_thing_to_do() -> None:
    for jobs in (changed(setup(), is_sandbox=True), changed(setup(), host="", output="")):
        for file in github_workflows(jobs):
            assert "# First set `host` and `output`" in file.text
    folder = github_workflows(setup())[0].text
    bucket = github_workflows(setup(output="gs://bucket/dags"))[0].text
    assert "is a folder" in folder
    assert "is a folder" not in bucket
    assert "# First" not in folder


def test_the_environment_is_named_if_kedro_does_not_read_it_anyway() -> None:
    prod, _ = documents(changed(setup(), env="prod"))
    assert prod["env"]["KEDRO_ENV"] == "prod"
    base, _ = documents(setup())
    assert "KEDRO_ENV" not in base["env"]


def test_hostile_texts_stay_texts() -> None:
    run, schedule = documents(HOSTILE)
    assert run["defaults"]["run"]["working-directory"] == HOSTILE.facts.repository.folder
    assert run["env"]["KEDRO_ENV"] == HOSTILE.facts.env
    branch = schedule[True]["push"]["branches"][0]
    assert re.sub(r"\\(.)", r"\1", branch) == HOSTILE.facts.repository.default_branch
    assert run[True]["push"]["branches-ignore"][0] == branch
    assert set(run["jobs"]) == {"check", "image", "run"}


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("folder", "${{ github.token }}"),
        ("default_branch", "${{github.token}}"),
        ("env", "${{ github.token }}"),
        ("folder", "a\nb"),
        ("folder", "a\x1bb"),
        ("folder", "a\u2028b"),
        ("folder", "a\udcffb"),
    ],
)
def test_a_name_that_no_ci_file_can_have_is_refused(what: str, name: str) -> None:
    with pytest.raises(ScaffoldError, match=r"Rename it\. Nothing was written") as found:
        changed(setup(), **{what: name})
    assert "\\" not in repr(name) or name not in str(found.value)


@pytest.mark.parametrize("name", ["größe", "a b", "买"])
def test_a_folder_with_an_unusual_name_is_taken(name: str) -> None:
    jobs = changed(setup(), folder=name)
    document, _ = documents(jobs)
    assert document["defaults"]["run"]["working-directory"] == name
    assert name in gitlab_pipeline(jobs).text


def test_the_extras_are_those_of_the_clouds_that_are_used() -> None:
    assert needed_extras(setup("gar", "token").facts) == []
    assert needed_extras(setup("gar", "none", "gs://bucket/dags").facts) == ["gcp"]
    assert needed_extras(setup("gar", "google", "s3://bucket/dags").facts) == ["aws", "gcp"]
    assert needed_extras(setup("gar", "aws", "abfs://container/dags").facts) == ["aws", "azure"]
