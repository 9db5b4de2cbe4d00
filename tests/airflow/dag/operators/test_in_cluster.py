"""Airflow that runs in a pod finds its own cluster: by the files and variables of its account."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path, PurePosixPath

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from tests.airflow.dag.operators.airflow_process import AirflowWorker
from tests.airflow.dag.operators.faulty_api import FaultyApi

ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"  # /var/run is a link to /run.
# A file system of its own for the process, with the folder that Kubernetes mounts into pods.
MOUNT = f'mount -t tmpfs none /run && mkdir -p {ACCOUNT} && cp "$0"/* {ACCOUNT} && exec "$@"'
UNSHARE = ("unshare", "--map-root-user", "--mount")


def _certificate(folder: Path) -> ssl.SSLContext:
    """A certificate of 127.0.0.1, as `ca.crt` in a folder, and a server's settings with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(certificate.public_bytes(pem))
    private = folder.parent / "key.pem"
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.crt", private)
    return context


@pytest.fixture(name="cluster")
def _cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    (tmp_path / "image").mkdir()
    image = PodImage(tmp_path / "image", PurePosixPath("/home/kedro"), ())
    with LocalCluster(image, tmp_path / "cluster") as running:
        yield running


CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "shop-1"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    },
}


def test_the_cluster_and_the_namespace_are_those_of_airflows_own_pod(
    airflow_python: Path, cluster: LocalCluster, tmp_path: Path
) -> None:
    if not shutil.which("unshare") or subprocess.run([*UNSHARE, "true"], check=False).returncode:
        pytest.skip("this machine does not let unshare make a file system")
    cluster.write_kubeconfig(tmp_path / "kubeconfig")
    token = json.loads((tmp_path / "kubeconfig").read_text())["users"][0]["user"]["token"]
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text(token)
    (account / "namespace").write_text("airflows-own\n")
    (tmp_path / "home").mkdir()
    with FaultyApi(cluster.url, {}, tls=_certificate(account)) as api:
        worker = AirflowWorker(
            airflow_python,
            tmp_path / "home",
            (*UNSHARE, "sh", "-c", MOUNT, os.fspath(account)),
            KUBERNETES_SERVICE_HOST="127.0.0.1",
            KUBERNETES_SERVICE_PORT=str(api.server.server_port),
        )
        try:
            _, log = worker.execute(
                "create",
                ("shop", "1"),
                manifests=[CLAIM],
            )
        finally:
            worker.stop()

    assert [(claim.namespace, claim.name) for claim in cluster.claims()] == [
        ("airflows-own", "shop-1")
    ]
    assert "PersistentVolumeClaim shop-1 in namespace airflows-own: created." in log
