"""The configuration: load `airflow-k8s.yaml` into typed models, and describe it."""
