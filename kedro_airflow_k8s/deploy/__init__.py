"""How a DAG gets into Airflow and runs there."""
