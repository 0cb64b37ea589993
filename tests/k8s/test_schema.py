"""Every document against Kubernetes' own schema, strictly: an unknown or misspelt field is an error."""

import copy

import kubernetes_validate
import pytest
from k8s.conftest import Built
from k8s.manifests import COMPONENTS, FOLDER, PIPELINES, PLATFORM, Document, loose, named, workloads

OLDEST, NEWEST = "1.29", "1.37"
# Custom resources have no schema here; test_secrets.py looks at what they must hold.
CUSTOM = {("external-secrets.io/v1", "ExternalSecret")}


def validate(document: Document, version: str) -> None:
    if (document["apiVersion"], document["kind"]) not in CUSTOM:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_document_is_of_its_schema(documents: list[Document], version: str) -> None:
    assert documents
    for document in documents:
        validate(document, version)


def test_only_named_custom_resources_go_unchecked(built: Built) -> None:
    native = {".k8s.io", "apps", "batch", "policy", "v1"}
    for documents in built.values():
        for document in documents:
            group = document["apiVersion"].split("/")[0]
            if not any(group.endswith(end) for end in native):
                assert (document["apiVersion"], document["kind"]) in CUSTOM


def test_a_misspelt_field_is_found(base: list[Document]) -> None:
    wrong = copy.deepcopy(named(base, "Deployment")["mlflow"])
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(wrong, NEWEST)


def test_the_patch_of_kubeflows_server_gives_a_deployment_of_the_schema() -> None:
    (patch,) = loose("kubeflow/apiserver-patch.yaml")
    patch["spec"]["selector"] = {"matchLabels": {"app": "ml-pipeline"}}
    patch["spec"]["template"]["metadata"] = {"labels": {"app": "ml-pipeline"}}
    whole = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "ml-pipeline"}, **patch}
    validate(whole, OLDEST)


def test_every_kustomization_is_built_by_these_tests() -> None:
    folders = {str(path.parent.relative_to(FOLDER)) for path in FOLDER.rglob("kustomization.yaml")}
    assert folders == {*PLATFORM, *PIPELINES, *COMPONENTS, "images", "maintenance"}


def test_every_name_is_there_once(documents: list[Document]) -> None:
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(names) == len(set(names))


def test_what_fills_the_platforms_namespace_holds_pods(platform: list[Document]) -> None:
    assert {"mlflow", "upgrade"} <= {workload.name for workload in workloads(platform)}
