"""The network policies, read as a cluster would: who may open a connection to whom, brute force over all pairs.

The truth is Kubernetes' rule: a pod that some policy selects in a direction may only do what one of them allows.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from itertools import product

import pytest
from k8s.conftest import Built
from k8s.manifests import Document, Workload, named, workloads

MAINTENANCE = ("backup", "restore", "upgrade")
PIPELINES_LABEL = {"prunegap/pipelines": "true"}


@dataclass(frozen=True)
class Elsewhere:
    """A pod of another namespace, by the labels of both."""

    namespace: dict[str, str]
    pod: dict[str, str]


# A pod of ours, a pod elsewhere, any pod of a namespace with these labels, an address, or None: any address outside.
Other = Workload | Elsewhere | dict[str, str] | IPv4Address | None


def chosen(selector: Document, labels: dict[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels", "matchExpressions"}
    assert all(one["operator"] == "In" for one in selector.get("matchExpressions", []))
    wanted = all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))
    return wanted and selector.get("matchLabels", {}).items() <= labels.items()


def admits(peer: Document, other: Other) -> bool:
    """Whether a peer of a rule names it."""
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        if isinstance(other, IPv4Address):
            refused = any(other in ip_network(one) for one in block.get("except", []))
            return other in ip_network(block["cidr"]) and not refused
        return other is None and ip_network(block["cidr"]).prefixlen == 0
    if "namespaceSelector" in peer:
        if isinstance(other, Elsewhere):
            inside = chosen(peer.get("podSelector", {}), other.pod)
            return inside and chosen(peer["namespaceSelector"], other.namespace)
        return isinstance(other, dict) and "podSelector" not in peer and chosen(peer["namespaceSelector"], other)
    return isinstance(other, Workload) and chosen(peer["podSelector"], other.labels)


def allowed(
    documents: list[Document], pod: Workload, direction: str, other: Other, port: int, *, protocol: str = "TCP"
) -> bool:
    rules, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    bound = [
        policy["spec"]
        for policy in named(documents, "NetworkPolicy").values()
        if direction in policy["spec"]["policyTypes"] and chosen(policy["spec"]["podSelector"], pod.labels)
    ]
    return not bound or any(
        any(admits(peer, other) for peer in rule[peers])
        and (port, protocol) in [(entry["port"], entry["protocol"]) for entry in rule["ports"]]
        for policy in bound
        for rule in policy.get(rules, [])
    )


def connections(documents: list[Document]) -> set[tuple[str, str]]:
    """All pairs of our pods of which the first may open a connection to a port of the second."""
    return {
        (source.name, target.name)
        for source, target in product(workloads(documents), repeat=2)
        for port in target.ports.values()
        if allowed(documents, source, "Egress", target, port) and allowed(documents, target, "Ingress", source, port)
    }


def test_in_the_cluster_only_these_talk(built: Built) -> None:
    for name in ("base", "overlays/local", "components/volume-owner", "components/login"):
        talking = {(one, store) for one in ("mlflow", *MAINTENANCE) for store in ("postgres", "objectstore")}
        talking |= {("login", "mlflow")} if name == "components/login" else set()
        assert connections(built[name]) == talking


def test_pipelines_reach_mlflow_and_the_store_but_not_the_database(base: list[Document]) -> None:
    reached = {
        pod.name
        for pod in workloads(base)
        for port in pod.ports.values()
        if allowed(base, pod, "Ingress", PIPELINES_LABEL, port)
    }
    assert reached == {"mlflow", "objectstore"}


def test_other_namespaces_reach_nothing(platform: list[Document]) -> None:
    for pod in workloads(platform):
        for port in (*pod.ports.values(), 22, 80, 443, 18333):
            assert not allowed(platform, pod, "Ingress", {"kubernetes.io/metadata.name": "default"}, port)
            assert not allowed(platform, pod, "Ingress", None, port)


def test_only_production_leaves_the_cluster_and_only_to_its_stores(built: Built) -> None:
    def out(name: str) -> set[tuple[str, int]]:
        ports = (22, 80, 443, 5432, 8333)
        pods = list(workloads(built[name]))
        return {(p.name, port) for p in pods for port in ports if allowed(built[name], p, "Egress", None, port)}

    assert out("base") == set()
    expected = {("mlflow", 443), ("mlflow", 5432), ("upgrade", 5432), ("login", 443)}
    assert out("overlays/production") == expected


def test_nobody_asks_the_machines_metadata_service(built: Built) -> None:
    policies = named(built["overlays/production"], "NetworkPolicy").values()
    peers = [peer for p in policies for rule in p["spec"].get("egress", []) for peer in rule["to"]]
    metadata = IPv4Address("169.254.169.254")
    assert not [peer for peer in peers if admits(peer, metadata)]
    assert [peer for peer in peers if admits(peer, IPv4Address("8.8.8.8"))]


KUBE_SYSTEM = {"kubernetes.io/metadata.name": "kube-system"}
OPENSHIFT = {"kubernetes.io/metadata.name": "openshift-dns"}
RESOLVERS: dict[str, tuple[Other, int]] = {
    "CoreDNS": (Elsewhere(KUBE_SYSTEM, {"k8s-app": "kube-dns"}), 53),
    "NodeLocal DNSCache, a pod where the CNI redirects": (Elsewhere(KUBE_SYSTEM, {"k8s-app": "node-local-dns"}), 53),
    "NodeLocal DNSCache, its own address": (IPv4Address("169.254.20.10"), 53),
    "NodeLocal DNSCache, behind kube-dns' address (kind, kubeadm)": (IPv4Address("10.96.0.10"), 53),
    "the same in k3s": (IPv4Address("10.43.0.10"), 53),
    "the same in EKS": (IPv4Address("172.20.0.10"), 53),
    "the same in kops": (IPv4Address("100.64.0.10"), 53),
    "OpenShift": (Elsewhere(OPENSHIFT, {"dns.operator.openshift.io/daemonset-dns": "default"}), 5353),
}


@pytest.mark.parametrize("resolver", RESOLVERS)
def test_every_pod_may_look_up_names(platform: list[Document], resolver: str) -> None:
    other, port = RESOLVERS[resolver]
    for pod in workloads(platform):
        for protocol in ("UDP", "TCP"):
            assert allowed(platform, pod, "Egress", other, port, protocol=protocol), pod.name


def test_dns_opens_no_other_way(base: list[Document]) -> None:
    strangers: list[tuple[Other, int]] = [
        (Elsewhere(KUBE_SYSTEM, {"k8s-app": "metrics-server"}), 53),
        (Elsewhere({"kubernetes.io/metadata.name": "default"}, {"k8s-app": "kube-dns"}), 53),
        (IPv4Address("169.254.169.254"), 53),
        (IPv4Address("8.8.8.8"), 53),
        (IPv4Address("10.96.0.1"), 443),
    ]
    for pod in workloads(base):
        assert not [one for one in strangers if allowed(base, pod, "Egress", one[0], one[1])], pod.name


def test_every_policy_selects_a_pod_that_is_there(platform: list[Document]) -> None:
    pods = list(workloads(platform))
    for name, policy in named(platform, "NetworkPolicy").items():
        spec = policy["spec"]
        assert any(chosen(spec["podSelector"], pod.labels) for pod in pods), name
        rules = [*spec.get("ingress", []), *spec.get("egress", [])]
        for peer in (peer for rule in rules for peer in (*rule.get("from", []), *rule.get("to", []))):
            if peer.keys() == {"podSelector"}:
                assert any(chosen(peer["podSelector"], pod.labels) for pod in pods), (name, peer)


def test_what_no_policy_names_is_refused_both_ways(platform: list[Document]) -> None:
    spec = named(platform, "NetworkPolicy")["default-deny"]["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_people_come_by_the_login_and_only_through_the_ingress(built: Built) -> None:
    for name in ("components/login", "overlays/production"):
        pods = {pod.name: pod for pod in workloads(built[name])}
        ingress = {"prunegap/ingress": "true"}
        assert allowed(built[name], pods["login"], "Ingress", ingress, 4180)
        assert not allowed(built[name], pods["mlflow"], "Ingress", ingress, 5000)
        assert allowed(built[name], pods["login"], "Egress", pods["mlflow"], 5000)
        assert allowed(built[name], pods["mlflow"], "Ingress", pods["login"], 5000)
        (way,) = named(built[name], "Ingress").values()
        (rule,) = way["spec"]["rules"]
        (path,) = rule["http"]["paths"]
        assert path["backend"]["service"]["name"] == "login"
        assert rule["host"] in way["spec"]["tls"][0]["hosts"]


def test_with_profiles_mlflow_reaches_kubernetes_and_nobody_else_does(built: Built) -> None:
    documents = built["components/profiles"]
    reaching = {p.name for p in workloads(documents) if allowed(documents, p, "Egress", IPv4Address("10.96.0.1"), 443)}
    assert reaching == {"mlflow"}
