"""Certificates: verified with what the user gives, and said clearly where they are not right."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kedro_airflow_k8s.config.model import AirflowTls
from kedro_airflow_k8s.errors import ConfigError, Unreachable
from tests.airflow.airflow_api.clients import Connector
from tests.airflow.airflow_api.small_airflow import SmallAirflow
from tests.airflow.airflow_api.web_server import WebServer


@dataclass
class Certificate:
    """A certificate that signs itself, and its key, as files."""

    certificate: Path
    key: Path


def certificate(folder: Path, name: str) -> Certificate:
    """For 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture
def ours(tmp_path: Path) -> Certificate:
    return certificate(tmp_path, "server")


@pytest.fixture
def context(ours: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours.certificate, ours.key)
    return context


@pytest.fixture
def server(context: ssl.SSLContext) -> Iterator[WebServer]:
    with WebServer(SmallAirflow().answer, context) as server:
        yield server


def test_a_certificate_that_no_one_vouches_for_is_said_with_the_way_out(server: WebServer) -> None:
    connector = Connector()
    with pytest.raises(Unreachable) as caught:
        connector.connect(server.url)

    text = str(caught.value)
    assert "is not trusted (self-signed certificate" in text
    assert "airflow_tls.ca_bundle" in text
    assert "AIRFLOW__CLIENT__SSL_VERIFY=False" in text


def test_a_ca_bundle_of_the_config_is_trusted(server: WebServer, ours: Certificate) -> None:
    connector = Connector(tls=AirflowTls(ca_bundle=str(ours.certificate)))

    assert connector.connect(server.url).find_dag("x") is None
    assert connector.warnings == []


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_bundle_of_the_environment_is_trusted(
    server: WebServer, ours: Certificate, name: str
) -> None:
    connector = Connector()
    connector.environ[name] = str(ours.certificate)

    assert connector.connect(server.url).find_dag("x") is None


@pytest.mark.parametrize("word", ["False", "false", "0", "no"])
def test_verification_can_be_turned_off_and_is_warned_of_once(
    server: WebServer, word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # What requests itself reads of the environment does not turn it on again.
    other = certificate(tmp_path, "other")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.certificate))
    connector = Connector()
    connector.environ["AIRFLOW__CLIENT__SSL_VERIFY"] = word
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = connector.connect(server.url)
        client.find_dag("x")
        client.find_dag("y")

    assert len(connector.warnings) == 1
    assert "AIRFLOW__CLIENT__SSL_VERIFY turns off the check" in connector.warnings[0]


@pytest.mark.parametrize("word", ["True", "", "1"])
def test_verification_stays_on_where_the_environment_says_so(server: WebServer, word: str) -> None:
    connector = Connector()
    connector.environ["AIRFLOW__CLIENT__SSL_VERIFY"] = word

    with pytest.raises(Unreachable, match="is not trusted"):
        connector.connect(server.url)


def test_a_client_certificate_is_shown(
    context: ssl.SSLContext, ours: Certificate, tmp_path: Path
) -> None:
    mine = certificate(tmp_path, "mine")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(mine.certificate)
    tls = AirflowTls(
        ca_bundle=str(ours.certificate),
        client_certificate=str(mine.certificate),
        client_key=str(mine.key),
    )
    with WebServer(SmallAirflow().answer, context) as server:
        assert Connector(tls=tls).connect(server.url).find_dag("x") is None


def test_a_server_that_requires_a_client_certificate_is_said_so(
    context: ssl.SSLContext, ours: Certificate
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours.certificate)
    # Before TLS 1.3, the server refuses while the connection is made.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    wanted = pytest.raises(Unreachable, match="may require a client certificate")
    with WebServer(SmallAirflow().answer, context) as server, wanted:
        Connector(tls=AirflowTls(ca_bundle=str(ours.certificate))).connect(server.url)


def test_https_to_a_port_that_speaks_http_is_said_so() -> None:
    with SmallAirflow().serve() as server, pytest.raises(Unreachable, match="http:// and not"):
        Connector().connect(server.url.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("tls", "environ", "words"),
    [
        ({"ca_bundle": "no/such.pem"}, {}, "airflow_tls.ca_bundle: there is no file 'no/such.pem'"),
        ({"client_certificate": "nope"}, {}, "airflow_tls.client_certificate: there is no file"),
        (
            {"client_certificate": __file__, "client_key": "nope"},
            {},
            "airflow_tls.client_key: there is no file 'nope'",
        ),
        (
            {},
            {"REQUESTS_CA_BUNDLE": "nope"},
            "variable REQUESTS_CA_BUNDLE: there is no file 'nope'",
        ),
        ({}, {"AIRFLOW__CLIENT__SSL_VERIFY": "maybe"}, "must be True or False"),
    ],
)
def test_files_that_are_not_there_are_said_before_any_request(
    tls: dict[str, str], environ: dict[str, str], words: str
) -> None:
    connector = Connector(environ, tls=AirflowTls(**tls))
    with SmallAirflow().serve() as server, pytest.raises(ConfigError) as caught:
        connector.connect(server.url)

    assert words in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("key", ["ca_bundle", "client_certificate"])
def test_a_file_that_holds_no_certificate_is_said_so(server: WebServer, key: str) -> None:
    tls = AirflowTls(**{key: __file__})
    with pytest.raises(Unreachable) as caught:
        Connector(tls=tls).connect(server.url)

    assert "Check host and airflow_tls" in str(caught.value)
