"""The sandbox's Kubernetes API as a process of its own.

Run as `python -c "from kedro_airflow_k8s.sandbox.cluster_service import main; main()" OPTIONS` with
OPTIONS as JSON. SIGTERM ends it and its pods.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from kedro_airflow_k8s.sandbox.secrets_file import read_secrets

_CODE = f"from {__name__} import main; main()"


@dataclass(frozen=True)
class ClusterOptions:
    """What the cluster is made of.

    Attributes:
        folder: For the files of pods and volumes.
        temporary: For the pods' temporary files: its path is short.
        kubeconfig: The file to write when the cluster runs.
        image: The folder that stands for the image, or a link to it.
        home: Where the image has the project.
        bin_folder: Where the pods find `kedro` and `python`.
        secrets: A file of Secrets, or nothing.
        namespace: That of Secrets that name none.
    """

    folder: str
    temporary: str
    kubeconfig: str
    image: str
    home: str
    bin_folder: str
    secrets: str
    namespace: str

    def command(self) -> Sequence[str]:
        """What starts the process."""
        return (sys.executable, "-c", _CODE, json.dumps(asdict(self)))


def main() -> None:
    """Be a cluster until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # Before there is a second thread, so that none of them takes the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    options = ClusterOptions(**json.loads(sys.argv[1]))
    secrets = read_secrets(Path(options.secrets), options.namespace) if options.secrets else {}
    image = PodImage(Path(options.image), PurePosixPath(options.home), (Path(options.bin_folder),))
    cluster = LocalCluster(image, Path(options.folder), secrets, temporary=Path(options.temporary))
    with cluster:
        cluster.write_kubeconfig(Path(options.kubeconfig))
        logging.getLogger(__name__).info("Kubernetes API at %s", cluster.url)
        signal.sigwait({signal.SIGTERM})
