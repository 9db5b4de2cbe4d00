"""The folders of `examples/features`: all are listed, and their pages quote existing files."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from kedro_airflow_k8s.checks import check_pipeline
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.parameters import stand_in
from tests.docs.pages import DOCS, ROOT

FEATURES = sorted(path for path in (ROOT / "examples/features").iterdir() if path.is_dir())
QUOTED = {"yaml": ("airflow-k8s.yaml",), "python": ("dag.py", "pipeline.py")}
"""The files that a block of a language may be from."""


def lines(text: str) -> str:
    """The lines of a text without their indentation, each with line ends around it."""
    return "\n".join(["", *(line.strip() for line in text.splitlines()), ""])


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_page_quotes_the_files_beside_it(feature: Path) -> None:
    page = MarkdownIt("commonmark").parse((feature / "README.md").read_text("utf-8"))
    blocks = [token for token in page if token.type == "fence"]

    assert blocks
    for block in blocks:
        files = [feature / name for name in QUOTED[block.info] if (feature / name).exists()]
        assert any(lines(block.content) in lines(f.read_text("utf-8")) for f in files), (
            f"{feature.name}/README.md quotes what is not there:\n{block.content}"
        )


def test_the_list_of_examples_has_each_folder_once() -> None:
    page = (DOCS / "reference/examples.md").read_text("utf-8")
    listed = [line for line in page.splitlines() if "(../../examples/features/" in line]

    for feature in FEATURES:
        link = f"| [{feature.name}](../../examples/features/{feature.name}/README.md) |"
        assert sum(line.startswith(link) for line in listed) == 1, feature.name


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_validate_has_no_findings_for_an_example(feature: Path) -> None:
    script = runpy.run_path(str(ROOT / "scripts/regenerate_golden.py"))
    pipeline, config = script["read_feature"](feature)
    plan = build_plan(pipeline, config)

    own = feature / "catalog.yml"
    catalog = (own if own.exists() else feature.parent / "catalog.yml").read_text()
    with_values = re.sub(r"\$\{runtime_params:(\w+),\w+\}", lambda m: stand_in(m[1]), catalog)
    subject = Subject(
        pipeline,
        config.run_config,
        plan,
        pipeline.parameters,
        config_in_run=yaml.safe_load(with_values).get,
    )
    assert check_pipeline(subject) == []
