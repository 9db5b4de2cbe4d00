"""Writes the files of `init`.

The order of its modules:

arguments -> facts -> plan, which collects the texts of config_file, dockerignore, requirements,
dockerfile, github_actions and gitlab_ci (both from ci) -> files, which writes -> next_steps.
"""
