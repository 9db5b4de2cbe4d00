"""How a DAG gets into Airflow, and its runs."""
