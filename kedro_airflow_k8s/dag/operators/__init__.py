"""What runs on Airflow. The plugin copies these modules into the DAG file, as they are.

They import Airflow, what Airflow's Kubernetes provider brings, and the standard library only,
because Airflow has neither Kedro nor this plugin.
"""
