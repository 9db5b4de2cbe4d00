"""Whatever a Kedro project and its airflow-k8s.yaml may hold, the mischievous first."""

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st
from kedro.framework.cli.utils import split_node_names, split_string
from kedro.pipeline import Node, Pipeline

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.project.entities import CatalogEntry, PipelineNode, ProjectPipeline
from kedro_airflow_k8s.project.nodes import pipeline_nodes

IMAGE = "registry.example.com/team/app:1.0"

MISCHIEF = (
    '"',
    "'",
    '"""',
    "'''",
    "\\",
    "\\N{DASH}",
    "{{ 1 + 1 }}",
    "{{",
    "}}",
    "{% raw %}",
    "{#",
    "{{ '😀' }}",
    "{",
    "%s",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\u2028",
    "\x00",
    "$(HOME)",
    "$$",
    "$(COLUMNS",
    "#",
    ")",
    "]",
    "[a,b]",
    ",",
    ";",
    "*/",
    " ",
    "😀",
    "é",
    "名前",
    "ﬁ",
    "&amp;",
    "&#65;",
    '"); __import__("os").system("true") #',
    "{{ ''.__class__.__mro__ }}",
    "fingerprint:",
    "x" * 300,
)
"""Pieces of text that end strings, comments, templates, arguments or lines too early."""

NAMES = (
    *("dag", "nodes", "kedro_task", "create_volume", "task", "ENV", "re"),
    *("pod_task", "pod_template", "k8s", "names", "IMAGE", "DATA", "POD", "RESOURCES", "DOC_F"),
    *("print", "open", "None", "True", "import", "lambda", "__import__", "__name__", "match"),
    *("upstream_join_id", "downstream_join_id", "root", "task", "-", ".", "..", "a--b", "_", "1"),
    *("Same-Name", "same-name", "same_name", "same.name", "SAME.NAME", "sameName", "same..name"),
    *("wait_for_up", "czyść_dane", "名前", "x" * 300, "a" * 249, "a" * 250, "a" * 251),
)
"""Node names that are legal in Kedro and clash with something, or with one another, elsewhere."""


RESERVED = ("ds", "dag_run", "params")
"""Names of parameters that have another meaning in these configurations."""


@cache
def texts(surrogates: bool = False) -> st.SearchStrategy[str]:
    """Any text, and pieces of mischief in any order; with lone surrogates only if wanted."""
    characters = st.characters() if surrogates else st.characters(codec="utf-8")
    return st.one_of(
        st.lists(
            st.one_of(st.sampled_from(MISCHIEF), st.text(characters, max_size=5)), max_size=5
        ).map("".join),
        st.text(characters, max_size=300),
    )


@cache
def filled_texts() -> st.SearchStrategy[str]:
    return texts().filter(lambda text: bool(text.strip()))


@cache
def variants(name: str) -> st.SearchStrategy[str]:
    """The name, or one that differs from it in case or punctuation only."""
    changes: tuple[Callable[[str], str], ...] = (
        str,
        str.swapcase,
        str.title,
        lambda text: re.sub("[-_.]", "-", text),
        lambda text: re.sub("[-_.]", "_", text),
        lambda text: re.sub("[-_.]", ".", text),
        lambda text: text + "_",
        lambda text: "-" + text,
    )
    return st.sampled_from(changes).map(lambda change: change(name))


@cache
def parameter_names() -> st.SearchStrategy[str]:
    """Names that Kedro's command line takes for a parameter."""
    return filled_texts().map(lambda text: re.sub(r"[,=$\[\].\s]", "_", text))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", " ", "a", "a\nb", *MISCHIEF]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", *MISCHIEF]), inner, max_size=3)
    ),
    max_leaves=6,
)
"""What JSON can hold, and a browser does not round."""


@cache
def node_names() -> st.SearchStrategy[str]:
    """Names that Kedro takes for a node."""
    letters = st.one_of(
        st.sampled_from("abAB01-_."),
        st.characters(categories=["L", "Nd", "Pc"]),
    )
    return (
        st.one_of(st.sampled_from(NAMES), st.text(letters, min_size=1, max_size=12))
        .flatmap(variants)
        .filter(lambda name: re.match(r"[\w\.-]+$", name) is not None)
    )


@cache
def namespaces() -> st.SearchStrategy[str | None]:
    """Kedro does not check them: any text, from which dots make levels."""
    level = st.one_of(
        st.sampled_from(NAMES), st.sampled_from(["a", "b", "A", "c d"]), texts(surrogates=True)
    )
    return st.one_of(st.none(), st.lists(level, max_size=4).map(".".join))


@cache
def functions() -> st.SearchStrategy[Callable[..., Any]]:
    def made(name: str, doc: str | None) -> Callable[..., Any]:
        def function(*arguments: object) -> object:
            return arguments

        function.__name__ = name
        function.__doc__ = doc
        return function

    return st.builds(
        made, st.sampled_from(["f", "<lambda>", "F", "dag", "ź"]), st.none() | texts(True)
    )


@st.composite
def kedro_pipelines(draw: st.DrawFn, tags: Sequence[str] = ()) -> Pipeline:
    """A pipeline that Kedro accepts: its nodes have distinct names and make no cycle."""
    names = draw(
        st.lists(
            st.tuples(st.none() | node_names(), namespaces()),
            min_size=1,
            max_size=6,
            unique_by=lambda pair: ".".join(part for part in (pair[1], pair[0]) if part),
        )
    )
    shared = draw(functions())
    nodes = []
    for index, (name, namespace) in enumerate(names):
        chosen = draw(st.none() | st.sampled_from(list(tags))) if tags else None
        others = draw(st.sets(st.text("abc_.-", min_size=1, max_size=4), max_size=2))
        others = {tag for tag in others if not tag.startswith("resources")}
        others |= draw(st.sampled_from([set(), set(), {"airflow-k8s.group.g"}]))
        nodes.append(
            Node(
                draw(st.just(shared) | functions()),
                inputs=["raw", *(f"d{i}" for i in range(index) if draw(st.booleans()))],
                outputs=f"d{index}",
                name=name,
                namespace=namespace,
                tags=[*others, *([chosen] if chosen else [])],
            )
        )
    return Pipeline(nodes)


@st.composite
def plain_nodes(draw: st.DrawFn) -> tuple[PipelineNode, ...]:
    """Nodes without Kedro, which is quicker: distinct names, and each after some before it."""
    named = draw(
        st.lists(
            st.tuples(node_names(), namespaces()).map(
                lambda pair: (f"{pair[1]}.{pair[0]}" if pair[1] else pair[0], pair[1] or None)
            ),
            min_size=1,
            max_size=12,
            unique_by=lambda pair: pair[0],
        )
    )
    nodes: list[PipelineNode] = []
    for name, namespace in named:
        made = [output for node in nodes for output in node.outputs]
        inputs = draw(st.lists(st.sampled_from(made), max_size=3, unique=True)) if made else []
        nodes.append(
            PipelineNode(name, namespace, inputs=tuple(inputs), outputs=(f"made {len(nodes)}",))
        )
    return tuple(nodes)


def _keys(size: int = 5) -> st.SearchStrategy[str]:
    return st.text(string.ascii_letters, min_size=1, max_size=size)


@st.composite
def run_configs(draw: st.DrawFn, resources: Sequence[str] = ()) -> dict[str, Any]:
    """The section run_config, everything on or off, and free texts wherever they are allowed."""
    free = st.dictionaries(_keys(), texts(), max_size=2)
    resource = st.fixed_dictionaries(
        {},
        optional={
            "labels": free,
            "annotations": free,
            "node_selectors": free,
            "requests": st.just({"cpu": "500m"}),
            "limits": st.just({"memory": "1Gi"}),
            "tolerations": st.just(
                [{"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}]
            ),
        },
    )
    secrets: st.SearchStrategy[list[dict[str, str]]] = st.lists(
        st.sampled_from(
            [
                {"secret": "whole"},
                {"secret": "one", "key": "k", "deploy_target": "SECRET_ONE"},
                {"secret": "files", "deploy_type": "volume", "deploy_target": "/s/{{ x }}"},
                {"secret": "f", "key": "k", "deploy_type": "volume", "deploy_target": "/t u"},
            ]
        ),
        max_size=3,
        unique_by=lambda secret: secret["secret"],
    )
    sensors = st.lists(
        st.fixed_dictionaries(
            {"dag_id": st.sampled_from(["up", "up.x", "źródło", "x" * 250])},
            optional={
                "task_id": st.sampled_from(["x", "a.b"]),
                "execution_delta": st.integers(-9, 9),
                "check_existence": st.booleans(),
            },
        ),
        max_size=3,
    )
    volume = st.one_of(
        st.just({"disabled": True}),
        st.fixed_dictionaries(
            {},
            optional={
                "skip_init": st.booleans(),
                "owner": st.sampled_from([0, 999]),
                "mount_path": st.sampled_from(["/data", "/a b/'", '/"/é', "/{{ $a"]),
                "same_node": st.booleans(),
            },
        ),
    )
    found: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {
                "image": st.just(IMAGE),
                "resources": st.fixed_dictionaries(
                    dict.fromkeys(resources, resource), optional={"__default__": resource}
                ),
                "volume": volume,
                "secrets": secrets,
            },
            optional={
                "description": filled_texts(),
                "experiment_name": filled_texts(),
                "run_name": filled_texts().filter(lambda text: "--" not in text),
                "namespace": st.just("team"),
                "timezone": st.sampled_from(["UTC", "Europe/Paris"]),
                "cron_expression": st.sampled_from(["@daily", "@continuous", "0 6 * * 1"]),
                "start_date": st.dates(),
                "env_vars": st.dictionaries(_keys(), texts(), max_size=2),
                "macro_params": st.just(["ds", "dag_run.run_id"]),
                "date_param": st.sampled_from(["for.day", {"name": "day", "format": "%Y/%j%%"}]),
                "variables_params": st.lists(parameter_names(), max_size=2, unique=True),
                "external_dependencies": sensors,
                "service_account_name": st.just("robot"),
                "image_pull_secrets": st.just(["pull"]),
                "grouping": st.sampled_from(["none", "memory", "namespace", "pipeline"]),
                "intermediate_data": st.just("s3://bucket/folder"),
                "keep_intermediate_data": st.booleans(),
            },
        )
    )
    # The same name cannot be a macro and a variable, nor one of a part of the other.
    macros = [*found.get("macro_params", []), "day", "for", "for.day"]
    found["variables_params"] = [n for n in found.get("variables_params", []) if n not in macros]
    return found


def config_of(run_config: dict[str, Any]) -> PluginConfig:
    return load_config({"run_config": run_config}, "airflow-k8s.yaml")


@st.composite
def projects(
    draw: st.DrawFn, nodes: st.SearchStrategy[tuple[PipelineNode, ...]] | None = None
) -> tuple[ProjectPipeline, PluginConfig]:
    """A pipeline and a configuration that fit together, except for names that Kedro cannot find."""
    resources = draw(st.lists(st.text("abAB0-_.", min_size=1, max_size=6), max_size=2, unique=True))
    if nodes is None:
        nodes = kedro_pipelines([f"resources.{name}" for name in resources]).map(pipeline_nodes)
    env, default = draw(st.sampled_from([("local", True), ("prod", False), ("é{{ x }}$$", False)]))
    parameters = draw(
        st.dictionaries(
            parameter_names().filter(lambda name: name not in RESERVED), JSON, max_size=3
        )
    )
    chosen = draw(nodes)
    made = sorted({name for node in chosen for name in node.outputs})
    declared = draw(st.sets(st.sampled_from(made))) if made else set()
    pipeline = ProjectPipeline(
        package_name="my_package",
        env=env,
        is_default_env=default,
        name=draw(st.just("__default__") | filled_texts()),
        nodes=chosen,
        commit=draw(st.sampled_from(["0a1b2c", "0a1b2c-dirty"])),
        parameters=parameters,
        catalog={name: CatalogEntry("json.JSONDataset") for name in declared},
    )
    run_config = draw(run_configs(resources))
    others = run_config.get("variables_params", [])
    shown = {name: draw(st.none() | filled_texts()) for name in parameters if name not in others}
    run_config["trigger_params"] = [
        {"name": name, "description": text} if text else name for name, text in shown.items()
    ]
    return pipeline, config_of(run_config)


def is_text(name: str) -> bool:
    """Whether it can be in a file and in a command line."""
    return "\x00" not in name and name.encode("utf-8", "replace").decode() == name


def kedro_finds_node(name: str) -> bool:
    """Whether `kedro run --nodes=` reads exactly this name, by Kedro's own code.

    It happens to keep commas at the beginning too; no one should rely on that.
    """
    return is_text(name) and name[:1] != "," and split_node_names(None, None, name) == [name]  # type: ignore[arg-type]


def kedro_finds_pipeline(name: str) -> bool:
    """Whether `kedro run --pipelines=` reads exactly this name, by Kedro's own code."""
    return is_text(name) and split_string(None, None, name) == [name]  # type: ignore[arg-type]


def findable(pipeline: ProjectPipeline) -> ProjectPipeline:
    """The pipeline without what Kedro's command line cannot name."""
    return replace(
        pipeline,
        name=pipeline.name if kedro_finds_pipeline(pipeline.name) else "some",
        nodes=tuple(node for node in pipeline.nodes if kedro_finds_node(node.name)),
    )


def upstream_of(nodes: Sequence[PipelineNode]) -> dict[str, set[str]]:
    """The nodes that make what each node takes, by Kedro's own code."""
    pipeline = Pipeline(
        [
            Node(
                lambda *_: None,
                [*node.inputs] or None,
                [*node.outputs] or f"made by {index}",
                name=f"n{index}",
            )
            for index, node in enumerate(nodes)
        ]
    )
    name_of = {f"n{index}": node.name for index, node in enumerate(nodes)}
    return {
        name_of[node.name]: {name_of[parent.name] for parent in parents}
        for node, parents in pipeline.node_dependencies.items()
    }
