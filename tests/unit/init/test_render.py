"""Any text means itself in the files that `init` writes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from kedro_airflow_k8s.init.render import github_pattern, gitlab_pattern, kedro_value, quoted
from tests.kedro.init.commented_yaml import load_yaml


def as_kedro_reads(text: str) -> Any:
    return OmegaConf.to_container(OmegaConf.create(text), resolve=True)


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("1e3")
@example("1_0")
@example(".5")
@example(".inf")
@example("0x1f")
@example("2026-01-01")
@example("on")
@example("~")
def test_any_text_comes_back_from_yaml_and_from_kedros_loader(text: str) -> None:
    assert as_kedro_reads(f"key: {kedro_value(text)}") == {"key": text}
    assert yaml.safe_load(f"key: {quoted(text)}\n") == {"key": text}
    assert "\n" not in kedro_value(text) + quoted(text)
    # A key is not put through `${...}`.
    if "${" not in text:
        assert load_yaml(f"{kedro_value(text)}: 1") == {text: 1}


@pytest.mark.parametrize(
    "text", ["my-shop", "gs://bucket/dags", "https://a.example.com/b", "/x", "http://127.0.0.1:80"]
)
def test_an_ordinary_value_has_no_quotes(text: str) -> None:
    assert kedro_value(text) == text


def test_signs_that_mean_something_in_a_filter_are_taken_literally() -> None:
    assert yaml.safe_load(github_pattern("!a+b*[c]?", "/**")) == r"\!a\+b\*\[c]\?/**"
    assert yaml.safe_load(gitlab_pattern("{a}*[c]?", "/**/*")) == r"\{a\}\*\[c\]\?/**/*"
