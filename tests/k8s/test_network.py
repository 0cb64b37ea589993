"""The network policies, read as a cluster would: who may open a connection to whom, brute force over all pairs.

The truth is Kubernetes' rule: a pod that some policy selects in a direction may only do what one of them allows.
"""

from itertools import product

from k8s.conftest import Built
from k8s.manifests import Document, Workload, named, workloads

PIPELINES_LABEL = {"prunegap/pipelines": "true"}


def chosen(selector: Document, labels: dict[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def admits(peer: Document, other: Workload | dict[str, str] | None) -> bool:
    """Whether a peer names this pod of ours, this namespace (by its labels), or (None) an address outside."""
    if "ipBlock" in peer:
        return other is None
    if "namespaceSelector" in peer:
        return isinstance(other, dict) and "podSelector" not in peer and chosen(peer["namespaceSelector"], other)
    return isinstance(other, Workload) and chosen(peer["podSelector"], other.labels)


def allowed(
    documents: list[Document], pod: Workload, direction: str, other: Workload | dict[str, str] | None, port: int
) -> bool:
    rules, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    bound = [
        policy["spec"]
        for policy in named(documents, "NetworkPolicy").values()
        if direction in policy["spec"]["policyTypes"] and chosen(policy["spec"]["podSelector"], pod.labels)
    ]
    return not bound or any(
        any(admits(peer, other) for peer in rule[peers]) and port in [entry["port"] for entry in rule["ports"]]
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
    for name in ("base", "overlays/local"):
        talking = {("mlflow", "postgres"), ("mlflow", "objectstore"), ("bucket", "objectstore")}
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
    assert out("overlays/production") == {("mlflow", 443), ("mlflow", 5432), ("bucket", 443)}


def test_nobody_asks_the_machines_metadata_service(built: Built) -> None:
    policies = named(built["overlays/production"], "NetworkPolicy").values()
    peers = [peer for p in policies for rule in p["spec"].get("egress", []) for peer in rule["to"]]
    assert all("169.254.0.0/16" in peer["ipBlock"]["except"] for peer in peers if "ipBlock" in peer)


def test_every_pod_may_look_up_names(platform: list[Document]) -> None:
    policy = named(platform, "NetworkPolicy")["dns"]["spec"]
    assert policy["podSelector"] == {}
    (rule,) = policy["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert rule["to"][0]["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}


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
