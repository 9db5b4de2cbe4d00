"""Spares a process of Kedro the import of pydantic, unless the project uses it.

Kedro imports pydantic wherever it is installed, to recognise parameters that are its models. In
most environments it is installed only because this plugin requires it, for its commands. Nothing of
Kedro is replaced: its `import pydantic` gets a module that imports the real one when that is used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_NAME = "pydantic"
_BASE = "BaseModel"


def spare_pydantic() -> None:
    """Let Kedro import pydantic when it, or the project, uses it.

    Kedro calls this when its command line starts: it is an entry point in setup.cfg.
    """
    # Older versions of Kedro have no such module, and do not import pydantic.
    if _NAME in sys.modules or find_spec("kedro.validation") is None:
        return
    later = _Later(_NAME)
    sys.modules[_NAME] = later
    try:
        # The one module of Kedro that imports it.
        import_module("kedro.validation.utils")
    finally:
        if sys.modules.get(_NAME) is later:
            del sys.modules[_NAME]


class _Later(ModuleType):
    """What Kedro has in place of the module."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(_NAME) is self:
            # Another module that Kedro imports uses it at once.
            del sys.modules[_NAME]
        elif name == _BASE and _NAME not in sys.modules:
            return _NoModels()
        return getattr(import_module(_NAME), name)


class _NoModels:
    """The class of all models, while nothing in the process can have made one."""

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, subclass: type) -> bool:
        return False

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type]:
        return (getattr(import_module(_NAME), _BASE),)

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(import_module(_NAME), _BASE), name)
