"""What runs on Airflow. The plugin copies these modules into the DAG file, as they are.

They import Airflow, its Kubernetes provider, Jinja2, requests and the standard library only,
because Airflow has neither Kedro nor this plugin.
"""
