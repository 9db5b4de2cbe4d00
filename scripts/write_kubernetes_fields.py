"""Write the fields of a Kubernetes Pod, by which the configuration checks Kubernetes' own YAML.

They come from the models of the `kubernetes` client, which are generated from the OpenAPI
description of Kubernetes' API. Without an argument, print them.
"""

import inspect
import json
import re
import sys

from kubernetes.client import models


def fields_of(model: type) -> dict[str, str]:
    """Return the fields of a model with their types; `!` marks a required one."""
    found = {}
    for attribute, kind in model.openapi_types.items():  # type: ignore[attr-defined]
        setter = inspect.getsource(getattr(model, attribute).fset)
        mark = "!" if "must not be `None`" in setter else ""
        found[model.attribute_map[attribute] + mark] = kind  # type: ignore[attr-defined]
    return found


def all_fields(root: str) -> dict[str, dict[str, str]]:
    """Return the fields of a model and of all models in it, by the models' names."""
    found: dict[str, dict[str, str]] = {}
    left = [root]
    while left:
        name = left.pop()
        if name in found:
            continue
        found[name] = fields_of(getattr(models, name))
        kinds = " ".join(found[name].values())
        left += [word for word in re.findall(r"\w+", kinds) if hasattr(models, word)]
    return dict(sorted(found.items()))


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(f)}" for name, f in all_fields("V1PodSpec").items()]
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
