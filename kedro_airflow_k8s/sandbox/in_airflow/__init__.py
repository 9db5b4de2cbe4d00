"""Programs that Airflow's own Python runs: it has neither Kedro nor this plugin."""
