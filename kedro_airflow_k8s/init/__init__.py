"""What `init` writes into a project: configuration, Dockerfile, workflows for CI services."""

from kedro_airflow_k8s.init.facts import AuthKind, ProjectFacts, Registry, ScaffoldedFile

__all__ = ["AuthKind", "ProjectFacts", "Registry", "ScaffoldedFile"]
