"""What `init` writes into a project, in the order in which it is decided.

arguments -> facts -> plan, which collects the texts of config_file, dockerignore, requirements,
dockerfile, github_actions and gitlab_ci (both from ci) -> files, which writes -> next_steps.
"""
