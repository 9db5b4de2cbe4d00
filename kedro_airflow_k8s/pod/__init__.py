"""What runs in the pod. Imports nothing outside the standard library and Kedro's hook marker."""
