"""What is read of a Kedro project: its pipelines as they are, or an error, never a smaller DAG."""

from __future__ import annotations

import pytest
from kedro.framework.startup import bootstrap_project

from kedro_airflow_k8s.project.entities import PipelineNode
from kedro_airflow_k8s.project.reader import KedroProject
from tests.support.kedro_projects import (
    REGISTRY,
    STOCK,
    ProjectFolder,
    as_in_a_new_process,
    compiled,
    project_fixture,  # noqa: F401 - fixture
    refused,
)
from tests.support.recorded_dag import run_dag_file

STRICT_REGISTRY = REGISTRY.replace("find_pipelines()", "find_pipelines(raise_errors=True)")

FUNCTIONS = """
from dataclasses import dataclass
from functools import partial, wraps
from kedro.pipeline import Pipeline, node

def documented(x):
    '''Say what it does.

        And how.
    '''
    return x

def bare(x):
    return x

def decorate(function):
    @wraps(function)
    def call(x):
        return function(x)
    return call

class Model:
    '''A model.'''

    def fit(self, x):
        '''Fit it.'''
        return x

    @classmethod
    def load(cls, x):
        '''Load it.'''
        return x

    @staticmethod
    def plain(x):
        return x

    def __call__(self, x):
        return x

@dataclass
class Unhashable:
    '''Equal to others of its kind, and so without a hash.'''
    factor: int

    def __call__(self, x):
        return x

class StrangeDoc:
    __doc__ = 3

    def __call__(self, x):
        return x

FUNCTIONS = {
    "documented": documented,
    "bare": bare,
    "lambda": lambda x: x,
    "partial": partial(documented),
    "nested_partial": partial(partial(Model().fit)),
    "wrapped": decorate(documented),
    "method": Model().fit,
    "class_method": Model.load,
    "static_method": Model.plain,
    "instance": Model(),
    "unhashable": Unhashable(1),
    "unhashable_too": Unhashable(1),
    "strange_doc": StrangeDoc(),
    "builtin": len,
}

def create_pipeline():
    return Pipeline([node(f, f"in_{n}", f"out_{n}", name=n) for n, f in FUNCTIONS.items()])
"""


def nodes_of(project: ProjectFolder, pipeline: str = "__default__") -> dict[str, PipelineNode]:
    """The nodes of a pipeline by their names."""
    with as_in_a_new_process():
        read = KedroProject(bootstrap_project(project.path)).read_pipeline(pipeline)
    return {node.name: node for node in read.nodes}


# --- which pipelines there are ----------------------------------------------------------------


def test_an_unknown_pipeline_names_the_nearest_and_all_there_are(project: ProjectFolder) -> None:
    refused(
        project.compile("-p", "sale"),
        "no pipeline 'sale'",
        "Did you mean 'sales'?",
        "Pipelines: __default__, sales, stock",
    )
    assert "mean" not in refused(project.compile("-p", "quite different"), "no pipeline 'quite")
    refused(project.compile("-p", "sales,stock"), "no pipeline 'sales,stock'", "--all")


def test_a_project_without_pipelines_says_so(project: ProjectFolder) -> None:
    project.registry("def register_pipelines(): return {}")
    refused(project.compile(), "no pipeline '__default__'", "Pipelines: none")


def test_a_pipeline_without_nodes_is_an_error(project: ProjectFolder) -> None:
    project.registry(
        "from kedro.pipeline import Pipeline\n"
        "def register_pipelines(): return {'__default__': Pipeline([])}"
    )
    refused(project.compile(), "'__default__' has no nodes")


@pytest.mark.parametrize("registry", [REGISTRY, STRICT_REGISTRY], ids=["lenient", "strict"])
@pytest.mark.parametrize(
    ("module", "cause"),
    [
        ("import not_installed_here\n", "No module named 'not_installed_here'"),
        ("from shop.nodes import missing\n", "No module named 'shop.nodes'"),
        ("x = (\n", "SyntaxError"),
        ("raise ValueError('first line' + chr(10) + 'second line')\n", "ValueError: first line"),
        ("def create_pipeline():\n    return 1 / 0\n", "ZeroDivisionError"),
        ("import sys\n\nsys.exit(0)\n", "SystemExit: 0"),
        ("def create_pipeline():\n    raise SystemExit\n", "SystemExit"),
    ],
)
def test_a_module_that_fails_is_an_error_with_its_cause_and_place(
    project: ProjectFolder, registry: str, module: str, cause: str
) -> None:
    project.registry(registry)
    file = project.pipeline("broken", module)
    refused(project.compile("-p", "sales"), cause, f" at {file}:")
    refused(project.compile("--all"), cause)
    assert project.dags() == {}


@pytest.mark.parametrize("registry", [REGISTRY, STRICT_REGISTRY], ids=["lenient", "strict"])
@pytest.mark.parametrize(
    ("module", "cause"),
    [
        ("def create_pipeline():\n    pass\n", "got 'NoneType' instead"),
        ("def create_pipeline():\n    return [1]\n", "got 'list' instead"),
    ],
)
def test_a_module_that_makes_no_pipeline_is_an_error(
    project: ProjectFolder, registry: str, module: str, cause: str
) -> None:
    project.registry(registry)
    project.pipeline("broken", module)
    refused(project.compile("-p", "sales"), "shop.pipelines.broken", cause)
    assert project.dags() == {}


@pytest.mark.filterwarnings("ignore:The 'shop.pipelines.helpers' module:UserWarning")  # Kedro's
def test_a_folder_of_helpers_beside_the_pipelines_does_no_harm(project: ProjectFolder) -> None:
    project.registry(REGISTRY)
    project.pipeline("helpers", "def shared():\n    pass\n")
    assert compiled(project, "-p", "sales")


def test_a_cause_deep_in_the_project_is_named_with_its_own_last_line(
    project: ProjectFolder,
) -> None:
    helper = project.write("src/shop/helper.py", "import json\n\n\njson.loads('{')\n")
    project.pipeline("broken", "import shop.helper\n")
    refused(project.compile(), "JSONDecodeError", f" at {helper}:4")


def test_the_users_own_filter_of_warnings_hides_nothing(project: ProjectFolder) -> None:
    project.settings("import warnings\n\nwarnings.simplefilter('ignore')\n")
    project.pipeline("broken", "import not_installed_here\n")
    refused(project.compile(), "not_installed_here")


def test_warnings_of_the_users_code_stay_warnings(project: ProjectFolder) -> None:
    project.write(
        "src/shop/helper.py",
        "import warnings\n\nwarnings.warn('The end is near')\n",
    )
    project.registry("import shop.helper\n" + REGISTRY)
    with pytest.warns(UserWarning, match="The end is near"):
        compiled(project)


@pytest.mark.parametrize(
    ("registry", "cause"),
    [
        ("raise RuntimeError('no database')", "RuntimeError: no database"),
        ("", "register_pipelines"),
        ("def register_pipelines(): return None", "NoneType"),
        ("def register_pipelines(): return {'__default__': 0}", "int for '__default__'"),
        ("def register_pipelines(): return {7: None}", "NoneType for 7"),
    ],
)
def test_a_registry_that_registers_no_pipelines_is_an_error(
    project: ProjectFolder, registry: str, cause: str
) -> None:
    project.registry(registry)
    refused(project.compile(), cause)
    refused(project.compile("--all"), cause)


def test_a_project_without_a_registry_is_an_error(project: ProjectFolder) -> None:
    (project.path / "src/shop/pipeline_registry.py").unlink()
    refused(project.compile(), "No module named 'shop.pipeline_registry'")


# --- settings ---------------------------------------------------------------------------------


def test_settings_that_do_not_import_are_not_taken_for_empty_ones(project: ProjectFolder) -> None:
    file = project.settings("import not_installed_here\n\nCONF_SOURCE = 'elsewhere'\n")
    refused(project.compile(), "settings.py", "not_installed_here", f" at {file}:1")


def test_a_project_needs_no_settings_file(project: ProjectFolder) -> None:
    (project.path / "src/shop/settings.py").unlink()
    compiled(project)


# --- nodes ------------------------------------------------------------------------------------


def test_any_callable_can_be_a_node_and_its_docstring_is_shown(project: ProjectFolder) -> None:
    project.pipeline("functions", FUNCTIONS)
    docs = {name: node.doc for name, node in nodes_of(project, "functions").items()}
    assert docs == {
        "documented": "Say what it does.\n\nAnd how.",
        "partial": "Say what it does.\n\nAnd how.",
        "wrapped": "Say what it does.\n\nAnd how.",
        "method": "Fit it.",
        "nested_partial": "Fit it.",
        "class_method": "Load it.",
        "instance": "A model.",
        "unhashable": "Equal to others of its kind, and so without a hash.",
        "unhashable_too": "Equal to others of its kind, and so without a hash.",
        "builtin": len.__doc__,
        **dict.fromkeys(("bare", "lambda", "static_method", "strange_doc"), ""),
    }


def test_a_transcoded_dataset_links_its_nodes(project: ProjectFolder) -> None:
    project.registry(
        """
        from kedro.pipeline import Pipeline, node

        def same(x):
            return x

        def register_pipelines():
            return {"__default__": Pipeline([
                node(same, "numbers@pandas", "report", name="b_reads"),
                node(same, "raw", "numbers@spark", name="a_writes"),
                node(same, "params:x", "other", name="c_alone"),
            ])}
        """
    )
    dag = compiled(project)
    edges = run_dag_file(dag).edges
    assert ("a_writes", "b_reads") in edges
    assert {edge for edge in edges if "c_alone" in edge} == {
        ("data_volume_init", "c_alone"),
        ("c_alone", "delete_volume"),
    }
    nodes = nodes_of(project)
    assert (nodes["b_reads"].inputs, nodes["b_reads"].outputs) == (("numbers@pandas",), ("report",))
    assert (nodes["a_writes"].inputs, nodes["a_writes"].outputs) == (("raw",), ("numbers@spark",))


def test_nodes_of_a_namespace_keep_their_full_names(project: ProjectFolder) -> None:
    project.registry(
        """
        from kedro.pipeline import Pipeline, node, pipeline

        def same(x):
            return x

        def register_pipelines():
            part = Pipeline([node(same, "x", "y", name="step")])
            eu, us = (pipeline(part, namespace=f"shop.{land}") for land in ("eu", "us"))
            return {"__default__": eu + us}
        """
    )
    found = {name: (node.inputs, node.outputs) for name, node in nodes_of(project).items()}
    assert found == {
        f"shop.{land}.step": ((f"shop.{land}.x",), (f"shop.{land}.y",)) for land in ("eu", "us")
    }


# --- versions of Kedro ------------------------------------------------------------------------


def test_the_compiled_command_is_one_that_this_kedro_runs(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.path)
    project.write(
        "conf/base/catalog.yml",
        "goods: {type: kedro.io.MemoryDataset, data: [1, 2]}\n",
    )
    project.write("conf/base/parameters.yml", "a: 1\n")
    arguments = run_dag_file(compiled(project, "-p", "stock")).tasks["count"].keywords["arguments"]
    assert arguments[0] == "python"
    # What is left of it in a run that no one has given parameters.
    command = [argument.replace("{{ kedro_params() }}", "") for argument in arguments[3:]]
    result = project.kedro(*command)
    assert result.exit_code == 0, result.output


def test_the_makers_of_a_dataset_are_known_whatever_form_it_is_written_in(
    project: ProjectFolder,
) -> None:
    project.pipeline("stock", STOCK.replace('"counts"', '"counts@pandas"'))

    with as_in_a_new_process():
        found = KedroProject(bootstrap_project(project.path)).makers("counts@spark")

    assert found == ["stock", "__default__"]
