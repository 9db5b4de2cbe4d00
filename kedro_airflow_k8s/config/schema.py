"""The JSON Schema of `airflow-k8s.yaml`. `make schema` writes the committed one."""

from __future__ import annotations

import json
import sys
from typing import Any

from kedro_airflow_k8s.config.kubernetes_yaml import with_kubernetes_types
from kedro_airflow_k8s.config.model import PluginConfig


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) by which editors check `airflow-k8s.yaml`.

    It accepts what the model accepts, except values under a disabled volume, and texts for numbers
    and truth values, which come from the environment.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **with_kubernetes_types(PluginConfig.model_json_schema()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
