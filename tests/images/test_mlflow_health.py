"""The health check of MLflow's image against a real PostgreSQL that goes away and comes back."""

import pytest
from docker.errors import ImageNotFound

pytestmark = pytest.mark.docker

POSTGRES = "postgres:15-bookworm"


@pytest.fixture
def database(engine):
    """Yield a PostgreSQL and the network on which it is called ``postgres``."""
    try:
        engine.images.get(POSTGRES)
    except ImageNotFound:
        pytest.skip(f"needs {POSTGRES} on the engine")
    network = engine.networks.create("prunegap-test-mlflow-health")
    environment = {"POSTGRES_USER": "mlflow", "POSTGRES_DB": "mlflow", "POSTGRES_PASSWORD": "a-test-password"}
    container = engine.containers.create(POSTGRES, environment=environment, detach=True)
    network.connect(container, aliases=["postgres"])
    container.start()
    yield container, network
    container.remove(force=True, v=True)
    network.reload()
    for left in network.containers:
        network.disconnect(left, force=True)
    network.remove()


def state(container):
    container.reload()
    return container.attrs["State"]["Health"]["Status"]


@pytest.mark.slow
@pytest.mark.parametrize("allowed", ["mlflow:5000", "localhost:*,127.0.0.1:*"])
def test_a_server_whose_database_is_away_is_unhealthy_and_healthy_again_when_it_is_back(
    database, start, lock, until, allowed
):
    postgres, network = database
    server = start(
        lock.reference("mlflow"),
        network=network.name,
        environment={
            "MLFLOW_WORKERS": "1",
            "MLFLOW_BACKEND_STORE_URI": "postgresql+psycopg://mlflow:a-test-password@postgres/mlflow",
            "MLFLOW_SERVER_ALLOWED_HOSTS": allowed,
        },
        restart_policy={"Name": "always"},  # it ends if it begins before the database does
        healthcheck={"interval": 2_000_000_000, "retries": 2},
    )
    until(lambda: state(server) == "healthy", lambda: True, server.logs)
    postgres.stop()
    until(lambda: state(server) == "unhealthy", lambda: True, server.logs)
    script = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:5000/health').read())"
    code, said = server.exec_run(["python", "-c", script])
    assert (code, said) == (0, b"b'OK'\n"), "what the server itself calls healthy"
    code, said = server.exec_run(["python", "/opt/healthy.py"])
    assert (code, said.startswith(b"MLflow ")) == (1, True)
    postgres.start()
    until(lambda: state(server) == "healthy", lambda: True, server.logs)
