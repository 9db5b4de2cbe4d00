"""Code that runs on Airflow. The plugin copies these modules unchanged into the DAG file.

They import only Airflow, dependencies of its Kubernetes provider and the standard library: neither
Kedro nor this plugin is installed on Airflow.
"""
