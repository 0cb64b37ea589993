"""What one document names is there: settings, claims, accounts, hosts and ports, and all of it fits the quota."""

import json
import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import urlsplit

from k8s.conftest import Built
from k8s.manifests import (
    FOLDER,
    PLATFORM_NAMESPACE,
    Document,
    Workload,
    named,
    plain_name,
    settings_of,
    workloads,
)

VARIABLE = re.compile(r"\$\(([A-Z0-9_]+)\)")
UNITS = {"m": 1e-3, "": 1, "Mi": 2**20, "Gi": 2**30}
LINES = ("requests", "limits")
# Where a browser stands.
NOT_OURS = {"ALLOWED_ORIGINS"}


def amount(text: str) -> float:
    """A Kubernetes quantity as a number."""
    number, unit = re.fullmatch(r"([\d.]+)(m|Mi|Gi|)", str(text)).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def amounts(containers: list[Document], line: str, resource: str) -> list[float]:
    return [amount(container["resources"][line][resource]) for container in containers]


def addresses(documents: list[Document]) -> Iterator[str]:
    """Every host:port that settings or Kubeflow's plugin point at."""
    for settings in named(documents, "ConfigMap").values():
        data = settings["data"]
        if "PGHOST" in data:
            yield f"{data['PGHOST']}:{data['PGPORT']}"
        served_here = {key: value for key, value in data.items() if key not in NOT_OURS}
        yield from (urlsplit(value).netloc for value in served_here.values() if re.match(r"https?://\S+$", value))


def plugin() -> Document:
    return json.loads((FOLDER / "kubeflow/mlflow-plugin.json").read_text())["plugins"]["mlflow"]


def served(platform: list[Document]) -> dict[str, set[str]]:
    """By service, every host:port that the cluster's DNS knows it by."""
    suffixes = ("", f".{PLATFORM_NAMESPACE}", f".{PLATFORM_NAMESPACE}.svc", f".{PLATFORM_NAMESPACE}.svc.cluster.local")
    return {
        name: {f"{name}{suffix}:{port['port']}" for suffix in suffixes for port in service["spec"]["ports"]}
        for name, service in named(platform, "Service").items()
    }


def selected(workload: Workload, selector: dict[str, str]) -> bool:
    return bool(selector) and selector.items() <= workload.labels.items()


def test_every_setting_named_is_there(documents: list[Document]) -> None:
    maps = named(documents, "ConfigMap")
    for workload in workloads(documents):
        for container in workload.containers:
            for source in container.get("envFrom", []):
                assert plain_name(source["configMapRef"]["name"]) in maps, workload.name
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("configMapKeyRef"):
                    assert reference["key"] in maps[plain_name(reference["name"])]["data"], variable
        for volume in workload.pod.get("volumes", []):
            if "configMap" in volume:
                assert volume["configMap"]["name"] in {one["metadata"]["name"] for one in maps.values()}, workload.name


def test_every_variable_in_a_command_is_in_its_environment(platform: list[Document]) -> None:
    for workload in workloads(platform):
        for container in workload.containers:
            known = {variable["name"] for variable in container.get("env", [])}
            for source in container.get("envFrom", []):
                known |= settings_of(platform, source["configMapRef"]["name"]).keys()
            words = [*container.get("command", []), *container.get("args", [])]
            assert {name for word in words for name in VARIABLE.findall(word)} <= known, workload.name


def test_every_account_is_there_and_used(platform: list[Document]) -> None:
    used = {workload.pod["serviceAccountName"] for workload in workloads(platform)}
    assert used == named(platform, "ServiceAccount").keys()


def test_every_claim_named_is_there_and_every_claim_is_named(documents: list[Document]) -> None:
    volumes = [volume for workload in workloads(documents) for volume in workload.pod.get("volumes", [])]
    claims = {v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v}
    assert claims == named(documents, "PersistentVolumeClaim").keys()


def test_every_service_reaches_a_port_of_a_pod(platform: list[Document]) -> None:
    for name, service in named(platform, "Service").items():
        behind = [workload for workload in workloads(platform) if selected(workload, service["spec"]["selector"])]
        assert [workload.name for workload in behind] == [name]
        for port in service["spec"]["ports"]:
            assert behind[0].ports[port["targetPort"]] == port["port"]


def test_every_probe_asks_a_port_that_is_there(platform: list[Document]) -> None:
    for workload in workloads(platform):
        for container in workload.containers:
            probes = [probe for key, probe in container.items() if key.endswith("Probe")]
            assert len(probes) == (3 if container.get("ports") else 0), workload.name
            for probe in probes:
                asked = probe.get("httpGet") or probe.get("tcpSocket")
                assert asked is None or asked["port"] in workload.ports, workload.name


def test_servers_listen_where_their_ports_say(base: list[Document]) -> None:
    listening = {"mlflow": "--port={}", "objectstore": "-s3.port={}"}
    for workload in workloads(base):
        if flag := listening.get(workload.name):
            (number,) = workload.ports.values()
            assert flag.format(number) in workload.main["args"]


def test_in_the_cluster_every_address_is_a_service(built: Built) -> None:
    for name in ("base", "overlays/local"):
        known = set[str]().union(*served(built[name]).values())
        pointed_at = {*addresses(built[name]), *addresses(built["pipelines"]), urlsplit(plugin()["endpoint"]).netloc}
        assert pointed_at <= known
        assert {address.split(":")[0].split(".")[0] for address in pointed_at} == {"mlflow", "postgres", "objectstore"}


def test_production_names_no_store_that_it_left_out(built: Built) -> None:
    production = built["overlays/production"]
    left_out = set[str]().union(*served(built["base"]).values()) - set[str]().union(*served(production).values())
    assert left_out
    assert not left_out & set(addresses(production))


def test_mlflow_answers_to_every_name_it_is_reached_by(platform: list[Document]) -> None:
    allowed = set(settings_of(platform, "mlflow-server")["ALLOWED_HOSTS"].split(","))
    assert served(platform)["mlflow"] <= allowed
    assert urlsplit(plugin()["endpoint"]).netloc in allowed
    assert "*" not in allowed
    assert not [host for host in allowed if host != host.strip() or not host]


def test_kubeflows_plugin_and_the_stages_mean_the_same_experiment_and_server(pipelines: list[Document]) -> None:
    tracking = settings_of(pipelines, "prunegap-tracking")
    assert plugin()["endpoint"] == tracking["MLFLOW_TRACKING_URI"]
    assert plugin()["settings"]["defaultExperimentName"] == tracking["MLFLOW_EXPERIMENT_NAME"]


def test_several_servers_are_spread_and_not_all_evicted_at_once(built: Built) -> None:
    production = built["overlays/production"]
    (server,) = [workload for workload in workloads(production) if workload.name == "mlflow"]
    (budget,) = named(production, "PodDisruptionBudget").values()
    assert 0 < budget["spec"]["minAvailable"] < server.replicas
    assert selected(server, budget["spec"]["selector"]["matchLabels"])
    for spread in server.pod["topologySpreadConstraints"]:
        assert selected(server, spread["labelSelector"]["matchLabels"])


def test_everything_at_once_fits_the_quota_also_while_mlflow_is_replaced(platform: list[Document]) -> None:
    (quota,) = named(platform, "ResourceQuota").values()
    hard = quota["spec"]["hard"]
    pods = [(workload, workload.replicas + (workload.name == "mlflow")) for workload in workloads(platform)]
    for line in LINES:
        for resource in ("cpu", "memory", "ephemeral-storage"):
            # A pod asks for all that runs at once, or for the greediest of what runs before, one after the other.
            total = sum(
                count * max(sum(asked(pod.pod["containers"])), *asked(pod.pod.get("initContainers", [])), 0.0)
                for pod, count in pods
                for asked in [partial(amounts, line=line, resource=resource)]
            )
            assert total <= amount(hard[f"{line}.{resource}"]), (line, resource, total)
    assert sum(count for _, count in pods) <= amount(hard["pods"])
    (ranges,) = named(platform, "LimitRange").values()
    most = ranges["spec"]["limits"][0]["max"]
    for pod, _ in pods:
        for container in pod.containers:
            assert all(amount(container["resources"]["limits"][key]) <= amount(most[key]) for key in most), pod.name


def test_claims_fit_the_quota(platform: list[Document]) -> None:
    hard = named(platform, "ResourceQuota")["platform"]["spec"]["hard"]
    sets = named(platform, "StatefulSet").values()
    claims = [claim["spec"] for owner in sets for claim in owner["spec"]["volumeClaimTemplates"]]
    claims += [claim["spec"] for claim in named(platform, "PersistentVolumeClaim").values()]
    assert sum(amount(claim["resources"]["requests"]["storage"]) for claim in claims) <= amount(
        hard["requests.storage"]
    )
    assert len(claims) <= int(hard["persistentvolumeclaims"])


def test_gpus_are_counted_and_training_pushes_nobody_out(built: Built) -> None:
    gpu = built["overlays/gpu"]
    assert named(gpu, "ResourceQuota")["prunegap-gpu"]["spec"]["hard"].keys() == {"requests.nvidia.com/gpu"}
    (priority,) = named(gpu, "PriorityClass").values()
    assert priority["value"] < 0
    assert (priority["preemptionPolicy"], priority["globalDefault"]) == ("Never", False)
    modes = {name: claim["spec"]["accessModes"] for name, claim in named(gpu, "PersistentVolumeClaim").items()}
    assert modes == {"prunegap-data": ["ReadWriteMany"], "prunegap-checkpoints": ["ReadWriteMany"]}


def test_mlflow_signs_addresses_of_the_store_that_other_namespaces_can_follow(built: Built) -> None:
    """Its clients download straight from the store, by the address that the server itself uses."""
    told = settings_of(built["pipelines"], "prunegap-tracking")["AWS_ENDPOINT_URL_S3"]
    assert settings_of(built["base"], "mlflow-server")["AWS_ENDPOINT_URL_S3"] == told
