"""A task that does nothing, which Airflow's scheduler ends by itself."""

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:  # Airflow 2 without the standard provider
    from airflow.operators.empty import EmptyOperator  # type: ignore[no-redef,import-not-found]  # noqa: F401
