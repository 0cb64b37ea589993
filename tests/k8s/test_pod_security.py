"""Every pod under the restricted Pod Security Standard, rule by rule, and stricter where a volume can take its place.

The truth: kubernetes.io/docs/concepts/security/pod-security-standards, profile Restricted (which contains Baseline).
"""

import re
from dataclasses import replace

import pytest
from k8s.conftest import Built
from k8s.manifests import PLATFORM_NAMESPACE, Document, Workload, named, workloads

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"
}  # fmt: skip
PINNED = re.compile(r"^[\w./-]+(?::\d+)?[\w./-]*(:[\w][\w.-]*|@sha256:[0-9a-f]{64})$")


@pytest.fixture
def pods(documents: list[Document]) -> list[Workload]:
    """Every pod but for what changes the owner of a volume, which root alone may; that has a test of its own."""
    return [without_owners(pod) for pod in workloads(documents) if not all(map(changes_owner, pod.containers))]


def changes_owner(container: Document) -> bool:
    return container["command"][0] == "chown" if "command" in container else False


def without_owners(pod: Workload) -> Workload:
    left = [one for one in pod.pod.get("initContainers", []) if not changes_owner(one)]
    return replace(pod, pod=pod.pod | {"initContainers": left})


def test_only_what_is_asked_for_changes_owners_as_root_with_that_one_capability(built: Built) -> None:
    for name, documents in built.items():
        owners = [(pod, one) for pod in workloads(documents) for one in pod.containers if changes_owner(one)]
        expected = {"components/volume-owner": {"postgres", "objectstore", "backup"}}
        expected |= {key: {"own-claims"} for key in ("pipelines", "overlays/gpu")}
        assert {pod.name for pod, _ in owners} == expected.get(name, set()), name
        for pod, one in owners:
            own = one["securityContext"]
            assert own["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN"]}
            assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
            # To the user the pod's other containers run as, and before them.
            user = pod.pod["securityContext"].get("runAsUser") or 10001
            assert f"{user}:{user}" in one["command"], pod.name
            mounted = {mount["mountPath"] for mount in one["volumeMounts"]}
            assert set(one["command"][3:]) == mounted
            assert pod.containers[0] == one, pod.name


def test_no_pod_runs_as_root(pods: list[Workload]) -> None:
    for pod in pods:
        assert pod.pod["securityContext"]["runAsNonRoot"] is True, pod.name
        assert pod.pod["securityContext"]["runAsUser"] > 0, pod.name
        for container in pod.containers:
            own = container.get("securityContext", {})
            assert own.get("runAsNonRoot", True) is True, pod.name
            assert own.get("runAsUser", 1) > 0, pod.name


def test_no_container_gains_privileges_and_none_keeps_a_capability(pods: list[Workload]) -> None:
    for pod in pods:
        for container in pod.containers:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, pod.name
            assert own["capabilities"] == {"drop": ["ALL"]}, pod.name
            assert not own.get("privileged"), pod.name
            assert own.get("procMount", "Default") == "Default", pod.name


def test_the_kernels_calls_are_filtered(pods: list[Workload]) -> None:
    for pod in pods:
        assert pod.pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", pod.name
        for container in pod.containers:
            profile = container["securityContext"].get("seccompProfile", {"type": "RuntimeDefault"})
            assert profile["type"] in {"RuntimeDefault", "Localhost"}, pod.name


def test_the_host_stays_out_of_reach(pods: list[Workload]) -> None:
    for pod in pods:
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & pod.pod.keys(), pod.name
        assert "sysctls" not in pod.pod["securityContext"], pod.name
        for volume in pod.pod.get("volumes", []):
            assert volume.keys() - {"name"} <= VOLUMES, (pod.name, volume)
        for container in pod.containers:
            assert all("hostPort" not in port for port in container.get("ports", [])), pod.name


def test_the_root_file_system_is_read_only_and_something_is_writable(pods: list[Workload]) -> None:
    for pod in pods:
        for container in pod.containers:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, pod.name
            assert any(not mount.get("readOnly") for mount in container["volumeMounts"]), pod.name


def test_every_mount_has_its_volume_and_every_volume_its_mount(pods: list[Workload]) -> None:
    for pod in pods:
        volumes = {volume["name"] for volume in pod.pod.get("volumes", [])} | set(pod.claim_templates)
        assert volumes == {mount["name"] for c in pod.containers for mount in c["volumeMounts"]}, pod.name


def test_no_pod_gets_a_token_or_the_variables_of_services(built: Built) -> None:
    """A service named mlflow would set MLFLOW_PORT to an address, which `mlflow server` takes for its port."""
    for name, documents in built.items():
        for pod in workloads(documents):
            # With profiles MLflow watches namespaces: the one pod that talks to Kubernetes.
            talks = (name, pod.name) == ("components/profiles", "mlflow")
            assert pod.pod["automountServiceAccountToken"] is talks, pod.name
            assert pod.pod["enableServiceLinks"] is False, pod.name


def test_every_image_may_come_from_a_registry_with_a_login(documents: list[Document]) -> None:
    accounts = named(documents, "ServiceAccount")
    for pod in workloads(documents):
        giver = pod.pod if "imagePullSecrets" in pod.pod else accounts[pod.pod["serviceAccountName"]]
        assert giver["imagePullSecrets"] == [{"name": "prunegap-registry"}], pod.name


def test_every_container_says_what_it_needs(pods: list[Workload]) -> None:
    for pod in pods:
        for container in pod.containers:
            for amounts in (container["resources"]["requests"], container["resources"]["limits"]):
                assert {"cpu", "memory"} <= amounts.keys(), pod.name


def test_every_image_is_pinned(pods: list[Workload]) -> None:
    for pod in pods:
        for container in pod.containers:
            assert PINNED.match(container["image"]), container["image"]
            assert not container["image"].endswith(":latest"), container["image"]


def test_the_namespace_enforces_what_these_tests_check(platform: list[Document]) -> None:
    (namespace,) = named(platform, "Namespace").values()
    assert namespace["metadata"]["name"] == PLATFORM_NAMESPACE
    rooted = any(changes_owner(one) for pod in workloads(platform) for one in pod.containers)
    enforced = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
    assert enforced == ("baseline" if rooted else "restricted")
    homeless = {"Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding"}
    assert {d["metadata"].get("namespace") for d in platform if d["kind"] not in homeless} == {PLATFORM_NAMESPACE}


def test_what_goes_beside_pipelines_names_no_namespace(pipelines: list[Document]) -> None:
    assert all("namespace" not in document["metadata"] for document in pipelines)


def test_roles_read_and_never_secrets(built: Built) -> None:
    for name, documents in built.items():
        clusterwide = named(documents, "ClusterRole")
        assert bool(clusterwide) == (name == "components/profiles")
        for role in (*named(documents, "Role").values(), *clusterwide.values()):
            for rule in role["rules"]:
                # MLflow's own resources are no objects of Kubernetes': nothing but MLflow asks for them.
                if rule["apiGroups"] != ["mlflow.kubeflow.org"]:
                    assert set(rule["verbs"]) <= {"get", "list", "watch"}
                assert not {"*", "secrets", "pods/exec", "pods/portforward"} & set(rule["resources"])
        for binding in named(documents, "RoleBinding").values():
            assert binding["roleRef"]["name"] in named(documents, "Role")
            assert all(subject["kind"] != "ServiceAccount" for subject in binding["subjects"])
