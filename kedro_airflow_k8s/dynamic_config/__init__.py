"""Environment variables `KEDRO_CONFIG_<NAME>` in every configuration file of a Kedro project.

`${kedro_config:name}` and `${kedro_config:name,default}` are a resolver of OmegaConf, which knows
them from the moment that it is registered. `${name}` and `${name|default}` are plain interpolations
to OmegaConf: they work where Kedro's loader can be given what they name before it merges files.

This runs in pods too, at every start of Kedro: nothing is imported here but what Kedro has loaded.
"""
