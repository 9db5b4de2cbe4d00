"""Project settings; Kedro's defaults are all this project needs."""
