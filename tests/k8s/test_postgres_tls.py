"""The modes of PostgreSQL over TLS that k8s/README.md names, with a real server that takes TLS only.

The client is that of MLflow's image, as its user, with the settings of overlays/production and the files as a secret's
volume has them (root's, mode 0440, the pod's group).
"""

import datetime
import io
import secrets
import tarfile
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from docker.client import DockerClient
from docker.models.containers import Container
from docker.models.networks import Network
from k8s.conftest import Built
from k8s.manifests import settings_of, workloads
from prunegap_pipelines.images import ImageLock

pytestmark = [pytest.mark.docker, pytest.mark.slow]
USER, GROUP = 10001, 10001
Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
CONNECT = "import psycopg; c = psycopg.connect(''); print(c.execute('select current_user').fetchone()[0])"


def certificate(name: str, issuer: Pair | None) -> Pair:
    """A certificate of an authority (issuer None) or of a server or client of that name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def pem(made: Pair) -> tuple[bytes, bytes]:
    """A certificate and its key, as files hold them."""
    key = made[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made[0].public_bytes(serialization.Encoding.PEM), key


def put(container: Container, folder: str, files: dict[str, bytes], *, group: int, mode: int) -> None:
    """Put files into a container that has not started."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.gid, entry.mode = len(content), group, mode
            archive.addfile(entry, io.BytesIO(content))
    assert container.put_archive("/", packed.getvalue())


@pytest.fixture(scope="module")
def authority() -> Pair:
    return certificate("our authority", None)


@pytest.fixture(scope="module")
def network(engine: DockerClient) -> Iterator[Network]:
    made = engine.networks.create(f"prunegap-test-{secrets.token_hex(4)}")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def settings(built: Built) -> dict[str, str]:
    given = settings_of(built["overlays/production"], "mlflow-server")
    return {key: value for key, value in given.items() if key.startswith("PG")} | {"PGPASSWORD": secrets.token_hex(8)}


@pytest.fixture(scope="module")
def server(engine: DockerClient, network: Network, settings: dict[str, str], authority: Pair) -> Iterator[Container]:
    """PostgreSQL under the name that production gives it and under another one; TLS only."""
    own, key = pem(certificate(settings["PGHOST"], authority))
    setup = (
        "install -o postgres -m 0600 /tls/server.key /tls/server.crt /tls/ca.crt /var/run/postgresql/ && "
        "exec docker-entrypoint.sh postgres -c ssl=on -c ssl_cert_file=/var/run/postgresql/server.crt "
        "-c ssl_key_file=/var/run/postgresql/server.key -c ssl_ca_file=/var/run/postgresql/ca.crt "
        "-c hba_file=/tls/pg_hba.conf"
    )
    rules = b"local all all trust\nhostssl all certified all cert\nhostssl all all all scram-sha-256\n"
    container = engine.containers.create(
        "postgres:15-bookworm",
        ["-c", setup],
        entrypoint=["sh"],
        environment={
            "POSTGRES_USER": settings["PGUSER"],
            "POSTGRES_DB": settings["PGDATABASE"],
            "POSTGRES_PASSWORD": settings["PGPASSWORD"],
        },
    )
    try:
        network.connect(container, aliases=[settings["PGHOST"], "another-name"])
        files = {"server.crt": own, "server.key": key, "ca.crt": pem(authority)[0], "pg_hba.conf": rules}
        put(container, "tls", files, group=0, mode=0o644)
        container.start()
        ready = ["pg_isready", "--host=127.0.0.1", f"--username={settings['PGUSER']}"]
        while container.exec_run(ready).exit_code:
            container.reload()
            assert container.status == "running", container.logs().decode()
            time.sleep(0.5)
        made = ["psql", "-U", settings["PGUSER"], "-d", settings["PGDATABASE"], "-c", "create role certified login"]
        assert container.exec_run(made).exit_code == 0
        yield container
    finally:
        container.remove(force=True, v=True)


@pytest.fixture
def ask(engine: DockerClient, images: ImageLock, network: Network, server: Container, settings: dict[str, str]) -> Any:
    """Connects from MLflow's image with settings changed and a secret's files; exit code and what it said."""
    assert server.status
    left: list[Container] = []

    def call(files: dict[str, bytes], *words: str, **changed: str) -> tuple[int, str]:
        container = engine.containers.create(
            images.images["mlflow"].tag,
            list(words) or ["-c", CONNECT],
            entrypoint=["mlflow"] if words else ["python3"],
            environment=settings | changed,
            user=f"{USER}:{GROUP}",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )
        left.append(container)
        network.connect(container)
        put(container, "etc/postgres-tls", files, group=GROUP, mode=0o440)
        container.start()
        code = container.wait(timeout=1800)["StatusCode"]
        return code, container.logs().decode()

    yield call
    for container in left:
        container.remove(force=True, v=True)


def test_production_checks_the_certificate_and_the_name(ask: Any, authority: Pair, settings: dict[str, str]) -> None:
    assert (settings["PGSSLMODE"], settings["PGSSLROOTCERT"]) == ("verify-full", "/etc/postgres-tls/ca.crt")
    ours = {"ca.crt": pem(authority)[0]}
    assert ask(ours) == (0, f"{settings['PGUSER']}\n")
    code, said = ask(ours, PGHOST="another-name")
    assert code != 0
    assert "does not match host name" in said
    code, said = ask({"ca.crt": pem(certificate("somebody else's authority", None))[0]})
    assert code != 0
    assert "certificate verify failed" in said


def test_the_upgrade_connects_as_production_is_set(ask: Any, authority: Pair) -> None:
    code, said = ask({"ca.crt": pem(authority)[0]}, "db", "upgrade", "postgresql+psycopg://")
    assert code == 0, said


def test_require_is_encrypted_by_anybody_and_disable_is_refused(ask: Any, settings: dict[str, str]) -> None:
    nothing = {"empty": b""}
    assert ask(nothing, PGSSLMODE="require", PGSSLROOTCERT="")[0] == 0
    code, said = ask(nothing, PGSSLMODE="disable", PGSSLROOTCERT="")
    assert code != 0
    assert "no encryption" in said


def test_a_clients_certificate_is_read_as_the_secrets_volume_has_it(ask: Any, authority: Pair, built: Built) -> None:
    crt, key = pem(certificate("certified", authority))
    files = {"ca.crt": pem(authority)[0], "tls.crt": crt, "tls.key": key}
    folder = "/etc/postgres-tls"
    pair = {"PGSSLCERT": f"{folder}/tls.crt", "PGSSLKEY": f"{folder}/tls.key"}
    assert ask(files, PGUSER="certified", PGPASSWORD="", **pair) == (0, "certified\n")
    assert ask(files, PGUSER="certified", PGPASSWORD="")[0] != 0
    for pod in workloads(built["overlays/production"]):
        for volume in pod.pod.get("volumes", []):
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440
                assert pod.pod["securityContext"]["fsGroup"] == GROUP
                (mount,) = [one for one in pod.main["volumeMounts"] if one["name"] == volume["name"]]
                assert mount["mountPath"] == folder
