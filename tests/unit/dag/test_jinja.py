"""Templates are compiled once, as Python compiles the modules of a package."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from kedro_airflow_k8s.dag import jinja


@pytest.fixture(autouse=True)
def _package_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The package is in another folder, and byte code may be written."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr("sys.pycache_prefix", None)
    monkeypatch.setattr(jinja, "__file__", str(tmp_path / "jinja.py"))


def load() -> jinja2.Template:
    """A template, as a new process loads it."""
    return jinja.jinja_environment("deploy", "", autoescape=True).get_template("usage_page.html.j2")


def test_a_second_process_does_not_compile_a_template(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "__pycache__").mkdir()
    load()
    monkeypatch.delattr(jinja2.Environment, "compile")

    assert load().name == "usage_page.html.j2"


def test_a_template_that_has_changed_is_compiled_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "__pycache__").mkdir()
    load()
    changed = jinja2.DictLoader({"usage_page.html.j2": "changed"})
    monkeypatch.setattr(jinja, "PackageLoader", lambda *_: changed)

    assert load().render() == "changed"


def test_where_nothing_can_be_written_templates_are_compiled_each_time(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("not a folder")

    assert load().name == "usage_page.html.j2"
    assert [file.name for file in tmp_path.iterdir()] == ["__pycache__"]


def test_no_byte_code_is_written_where_python_writes_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "__pycache__").mkdir()
    monkeypatch.setattr("sys.dont_write_bytecode", True)

    load()

    assert not any((tmp_path / "__pycache__").iterdir())
