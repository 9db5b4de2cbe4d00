"""`${kedro_config:name}` and `${kedro_config:name,default}`, by OmegaConf itself."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError

from kedro_airflow_k8s.dynamic_config import resolver

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in ("true", "false", "null", "nan", "inf", "commit_id")
)
# What a variable can hold. To OmegaConf three question marks are a value that is missing.
VALUES = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40
).filter(lambda value: value != "???")


def resolved(text: str) -> Any:
    """What a text in a file comes to."""
    resolver.register()
    return OmegaConf.to_container(OmegaConf.create({"x": {"y": text}}), resolve=True)["x"]["y"]  # type: ignore[call-overload,index]


@given(name=NAMES, value=VALUES)
def test_any_value_comes_out_as_that_string(name: str, value: str) -> None:
    with patch.dict(os.environ, {f"KEDRO_CONFIG_{name.upper()}": value}):
        assert resolved(f"${{kedro_config:{name}}}") == value
        assert resolved(f"${{kedro_config:{name.lower()},default}}") == value
        assert resolved(f"<${{kedro_config:'{name.upper()}'}}>") == f"<{value}>"


@pytest.mark.parametrize("value", ["0123456", "1e5", "true", "null", "", "1.0", "~", "[1]", "0x1F"])
def test_a_value_that_looks_like_something_else_stays_a_string(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_THING", value)
    assert resolved("${kedro_config:thing,7}") == value


@pytest.mark.parametrize(
    ("default", "result"),
    [
        ("dirty", "dirty"),
        ("''", ""),
        ("7", 7),
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ("'a, b: c'", "a, b: c"),
        ("ghcr.io/shop:latest", "ghcr.io/shop:latest"),
        ("[1, two]", [1, "two"]),
        ("{a: 1}", {"a": 1}),
        ("${kedro_config:also_unset,inner}", "inner"),
    ],
)
def test_a_default_is_given_as_omegaconf_reads_it(default: str, result: object) -> None:
    assert resolved(f"${{kedro_config:unset_name,{default}}}") == result


def test_a_name_without_a_value_is_one_message_with_both_ways_out() -> None:
    with pytest.raises(InterpolationResolutionError) as caught:
        resolved("${kedro_config:Bucket}")
    first, *place = str(caught.value).splitlines()
    assert first == (
        "There is no value for 'Bucket': Set the environment variable KEDRO_CONFIG_BUCKET,"
        " or give a default: ${kedro_config:Bucket,default}."
    )
    assert "full_key: x.y" in place[0]


@pytest.mark.parametrize("name", ["a.b", "a-b"])
def test_a_name_that_no_shell_can_set_is_refused_with_what_names_are(name: str) -> None:
    with pytest.raises(InterpolationResolutionError) as caught:
        resolved(f"${{kedro_config:{name}}}")
    assert str(caught.value).splitlines()[0] == (
        f"There is no value for '{name}': a name may contain only letters, digits and `_`, like a"
        " shell variable. Write ${kedro_config:a_b} and set the environment variable"
        " KEDRO_CONFIG_A_B, or give a default: ${kedro_config:a_b,default}."
    )


@pytest.mark.parametrize("arguments", ["a,b,c", "a,b, c,d"])
def test_a_default_with_a_bare_comma_must_be_put_in_quotes(arguments: str) -> None:
    with pytest.raises(InterpolationResolutionError, match=r"Put a default with a comma in quotes"):
        resolved(f"${{kedro_config:{arguments}}}")


@pytest.mark.parametrize("name", ["true", "null", "1e5", "1.5", "''", "[a]"])
def test_what_is_not_a_name_is_refused(name: str) -> None:
    with pytest.raises(InterpolationResolutionError, match="is not a name for"):
        resolved(f"${{kedro_config:{name},default}}")


def test_a_number_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_2021", "a year")
    assert resolved("${kedro_config:2021}") == "a year"


def test_registering_again_warns_of_nothing_and_changes_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resolver.register()
        resolver.register()
    assert resolved("${kedro_config:unset_name,default}") == "default"


def test_variables_of_the_machine_without_the_prefix_are_not_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUCKET", "of someone else")
    assert resolved("${kedro_config:bucket,none}") == "none"


def test_the_hooks_bring_nothing_that_kedro_has_not_imported_itself(tmp_path: Path) -> None:
    """Every start of Kedro imports them, in pods too."""
    code = (
        "import sys\n"
        "import kedro.framework.session, kedro.config, kedro.framework.hooks\n"
        "from kedro.framework.project import settings\n"
        # As a session does before it imports the hooks of plugins.
        "settings.HOOKS\n"
        "before = set(sys.modules)\n"
        "import kedro_airflow_k8s.dynamic_config.hooks\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    # Kedro logs before it.
    brought = run.stdout.splitlines()[-1].split()
    assert [name.rpartition(".")[2] for name in brought] == [
        "kedro_airflow_k8s",
        "dynamic_config",
        "hooks",
        "resolver",
        "variables",
    ]
