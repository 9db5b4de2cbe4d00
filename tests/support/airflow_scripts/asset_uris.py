"""Says for each URI, a line of JSON each, what Airflow makes of it as an asset; in its Python."""

import json
import sys
import warnings

from airflow.providers.common.compat.sdk import Asset

for line in sys.stdin:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            asset = Asset(json.loads(line))
            found = {"uri": asset.uri, "name": getattr(asset, "name", asset.uri)}
        except ValueError as error:
            found = {"error": str(error)}
    print(json.dumps({**found, "warnings": [str(each.message) for each in caught]}), flush=True)
