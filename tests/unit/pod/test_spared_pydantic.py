"""What Kedro has in place of pydantic until something uses pydantic."""

from __future__ import annotations

import importlib
import sys

import pydantic
import pytest

from kedro_airflow_k8s.pod.spared_pydantic import spare_pydantic


class Model(pydantic.BaseModel):
    """A model of the user's."""


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither pydantic nor Kedro's module that imports it has been imported."""
    for name in ("pydantic", *(name for name in sys.modules if name.startswith("kedro.val"))):
        monkeypatch.delitem(sys.modules, name)


def kedros() -> object:
    """What Kedro's `import pydantic` has given it."""
    return vars(importlib.import_module("kedro.validation.utils"))["pydantic"]


def test_kedro_knows_that_nothing_is_a_model_without_importing_pydantic() -> None:
    spare_pydantic()

    utils = importlib.import_module("kedro.validation.utils")
    assert not utils.is_pydantic_model({"a": 1})
    assert not utils.is_pydantic_class(dict)
    assert "pydantic" not in sys.modules


def test_kedro_recognises_models_once_the_project_has_imported_pydantic() -> None:
    spare_pydantic()
    sys.modules["pydantic"] = pydantic

    utils = importlib.import_module("kedro.validation.utils")
    assert utils.is_pydantic_model(Model())
    assert utils.is_pydantic_class(Model)
    assert not utils.is_pydantic_class(dict)


def test_other_modules_import_the_real_pydantic() -> None:
    spare_pydantic()

    assert importlib.import_module("pydantic").BaseModel.__module__ == "pydantic.main"


def test_whatever_else_kedro_uses_of_pydantic_is_the_real_one() -> None:
    spare_pydantic()

    later = kedros()
    assert later.BaseModel.model_fields == {}  # type: ignore[attr-defined]
    assert later.create_model.__module__ == "pydantic.main"  # type: ignore[attr-defined]


def test_a_class_that_derives_from_it_is_a_model() -> None:
    spare_pydantic()
    base = kedros().BaseModel  # type: ignore[attr-defined]

    class Own(base):  # type: ignore[misc, valid-type]
        size: int

    assert Own(size="3").size == 3


def test_a_pydantic_that_another_plugin_has_imported_is_kedros_too() -> None:
    sys.modules["pydantic"] = pydantic

    spare_pydantic()

    assert kedros() is pydantic
