"""Every kustomization built once; the local one from a copy whose secrets are filled in with random values."""

from pathlib import Path

import pytest
from k8s.manifests import COMPONENTS, FOLDER, PIPELINES, PLATFORM, Document, build, copy_with_secrets, with_component

Built = dict[str, list[Document]]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    copy: Path = copy_with_secrets(tmp_path_factory.mktemp("kustomize"))
    whole = {name: build(copy / name) for name in (*PLATFORM, *PIPELINES)}
    return whole | {name: with_component(copy, name) for name in COMPONENTS}


@pytest.fixture(params=[*PLATFORM, *PIPELINES, *COMPONENTS])
def documents(request: pytest.FixtureRequest, built: Built) -> list[Document]:
    """The documents of one kustomization after the other."""
    return built[request.param]


@pytest.fixture(params=[*PLATFORM, *COMPONENTS])
def platform(request: pytest.FixtureRequest, built: Built) -> list[Document]:
    """The documents of those that fill the platform's namespace."""
    return built[request.param]


@pytest.fixture(params=PIPELINES)
def pipelines(request: pytest.FixtureRequest, built: Built) -> list[Document]:
    """The documents of those for a namespace that runs pipelines."""
    return built[request.param]


@pytest.fixture
def base(built: Built) -> list[Document]:
    return built["base"]


@pytest.fixture(scope="session", autouse=True)
def manifests_are_there() -> None:
    assert (FOLDER / "base/kustomization.yaml").is_file()
