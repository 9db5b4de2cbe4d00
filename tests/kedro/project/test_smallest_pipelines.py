"""Which pipeline a pod runs: the smallest that Kedro can run alone with the same nodes."""

from __future__ import annotations

import pytest

from tests.support.kedro_projects import (
    REGISTRY,
    STOCK,
    ProjectFolder,
    compiled,
    project_fixture,  # noqa: F401 - fixture
)
from tests.support.recorded_dag import run_dag_file

HEAD = """
from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

def register_pipelines():
"""
# Kedro imports only the module that is asked for; this one then looks for the others.
LOOKING_FOR_ALL = """
    pipelines = find_pipelines()
    pipelines["__default__"] = pipelines["sales"] + pipelines["stock"]
    return pipelines
"""
EXCHANGED = """
    pipelines = find_pipelines()
    if len(pipelines) == 1:
        pipelines = {name: Pipeline([]) for name in pipelines}
    pipelines["__default__"] = sum(pipelines.values(), start=Pipeline([]))
    return pipelines
"""
WHATEVER_IS_ASKED_FOR = """
    from shop.pipelines import sales, stock
    made = {"sales": sales.create_pipeline(), "stock": stock.create_pipeline()}
    return {**made, "__default__": made["sales"] + made["stock"]}
"""
LOOKING_TWICE = """
    pipelines = find_pipelines()
    pipelines["__default__"] = sum(find_pipelines().values(), start=Pipeline([]))
    return pipelines
"""
WITH_ONE_MORE = """
    pipelines = find_pipelines()
    pipelines["__default__"] = sum(pipelines.values(), start=Pipeline([]))
    pipelines["one"] = Pipeline(pipelines["__default__"].nodes[:1])
    return pipelines
"""


def pipelines_of(project: ProjectFolder) -> dict[str, str]:
    """The pipeline that the pod of each node runs."""
    tasks = run_dag_file(compiled(project)).tasks
    arguments = {name: task.keywords.get("arguments", []) for name, task in tasks.items()}
    return {
        name: argument.removeprefix("--pipelines=")
        for name, found in arguments.items()
        for argument in found
        if argument.startswith("--pipelines=")
    }


@pytest.mark.parametrize(
    "text",
    [
        REGISTRY,
        REGISTRY.replace("find_pipelines()", "find_pipelines(raise_errors=True)"),
        REGISTRY.replace("pipelines = find", '"""All."""\n    pipelines = find'),
    ],
    ids=["usual", "raising errors", "with a docstring"],
)
def test_a_pod_runs_the_pipeline_of_the_module_that_has_its_node(
    project: ProjectFolder, text: str
) -> None:
    project.registry(text)

    assert pipelines_of(project) == {"clean": "sales", "total": "sales", "count": "stock"}


@pytest.mark.parametrize(
    ("registry", "times"), [(REGISTRY, 1), (HEAD + WITH_ONE_MORE, 2)], ids=["usual", "another way"]
)
def test_pipelines_that_are_registered_as_in_kedros_templates_are_made_once(
    project: ProjectFolder, registry: str, times: int
) -> None:
    project.pipeline(
        "stock", STOCK.replace("    return Pipeline", "    print('MADE')\n    return Pipeline")
    )
    project.registry(registry)

    done = project.compile()

    assert done.exit_code == 0, done.output
    assert done.output.count("MADE") == times


@pytest.mark.parametrize(
    "body",
    [LOOKING_FOR_ALL, EXCHANGED, WHATEVER_IS_ASKED_FOR],
    ids=["it fails alone", "it has other nodes alone", "nothing is saved"],
)
def test_a_pipeline_that_kedro_cannot_run_alone_is_not_taken(
    project: ProjectFolder, body: str
) -> None:
    project.registry(HEAD + body)

    assert set(pipelines_of(project).values()) == {"__default__"}


def test_a_pipeline_beside_those_of_modules_is_not_taken(project: ProjectFolder) -> None:
    """Kedro would look for a module of its name."""
    project.registry(HEAD + WITH_ONE_MORE)

    assert pipelines_of(project) == {"clean": "sales", "total": "sales", "count": "stock"}


def test_a_pipeline_with_a_node_of_the_same_name_but_other_datasets_is_not_taken(
    project: ProjectFolder,
) -> None:
    project.registry(
        HEAD
        + """
    pipelines = find_pipelines()
    pipelines["__default__"] = pipelines.get("stock", Pipeline([]))
    if "sales" in pipelines:
        pipelines["__default__"] += Pipeline(pipelines["sales"], outputs={"totals": "sums"})
    return pipelines
"""
    )

    assert pipelines_of(project) == {
        "clean": "__default__",
        "total": "__default__",
        "count": "stock",
    }


def test_kedro_before_1_5_imports_everything_anyway(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("kedro.framework.project._ProjectPipelines.set_requested")

    assert set(pipelines_of(project).values()) == {"__default__"}


@pytest.mark.parametrize(
    "function",
    ["partial(load, sample=True)", "lambda: 'sample'", "load_sample"],
    ids=["partial", "lambda", "function"],
)
def test_a_pipeline_whose_node_of_the_same_name_calls_another_function_is_not_taken(
    project: ProjectFolder, function: str
) -> None:
    """Kedro calls such nodes equal."""
    project.pipeline(
        "sales",
        f"""
        from functools import partial
        from kedro.pipeline import Pipeline, node

        def load(sample=False):
            return sample

        def load_sample():
            return True

        def use(raw):
            pass

        def create_pipeline():
            return Pipeline([
                node(load, None, "raw", name="load"), node(use, "raw", None, name="use")
            ])

        def smoke():
            return Pipeline([node({function}, None, "raw", name="load")])
        """,
    )
    project.pipeline("stock", "from shop.pipelines.sales import smoke as create_pipeline\n")
    project.registry(
        HEAD
        + """
    pipelines = find_pipelines()
    pipelines["__default__"] = pipelines.get("sales", Pipeline([]))
    return pipelines
"""
    )

    assert pipelines_of(project) == {"load": "__default__", "use": "__default__"}


@pytest.mark.parametrize("registry", [REGISTRY, HEAD + LOOKING_TWICE])
def test_nodes_that_are_made_at_each_call_run_in_the_pipeline_that_was_asked_for(
    project: ProjectFolder, registry: str
) -> None:
    project.pipeline("stock", STOCK.replace("node(count,", "node(lambda goods: goods,"))
    project.registry(registry)

    assert pipelines_of(project) == {"clean": "sales", "total": "sales", "count": "__default__"}


@pytest.mark.parametrize(
    ("arguments", "taken"), [("", True), ("'a', b=2.5", True), ("object()", False)]
)
def test_partials_of_one_function_with_the_same_plain_arguments_are_the_same(
    project: ProjectFolder, arguments: str, taken: bool
) -> None:
    function = f"partial(count, {arguments})" if arguments else "partial(count)"
    text = STOCK.replace("node(count,", f"node({function},")
    text = text.replace("def count(goods)", "def count(*_, b=1)")
    project.pipeline("stock", f"from functools import partial\n{text}")

    assert pipelines_of(project)["count"] == ("stock" if taken else "__default__")
