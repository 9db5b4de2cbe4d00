"""Says which cluster `make e2e` is about to use, or how to get one."""

from __future__ import annotations

import sys

from tests.cluster.cluster import NoCluster, find_cluster


def main() -> int:
    """Say it; 1 where there is no cluster."""
    try:
        cluster = find_cluster()
    except NoCluster as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Kubernetes {cluster.version} at {cluster.server}, of {cluster.context}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
