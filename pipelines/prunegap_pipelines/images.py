"""Images: built from docker/Dockerfile, tagged by git revision, pushed if wanted, and pinned in a lock file.

The lock's ``reference`` is what a pipeline is compiled with: ``repository@sha256:...`` after a push, so that it can
mean no other image ever, and the image's id (known to the engine that built it only) without one.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from docker.client import DockerClient
from prunegap_components.image_names import LATEST_BUILD, LOCAL
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prunegap import __version__
from prunegap.artifacts.manifest import write_json
from prunegap.errors import UserError, did_you_mean
from prunegap_pipelines.image_engine import DOCKERFILE, Show, build_target, engine_errors, push

TARGETS = ("objectstore", "mlflow", "stage")
DIRTY = "-dirty"
TAG_LENGTH = 12
REGISTRY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")


class LockedImage(BaseModel):
    """One image as built: ``digest`` is None until it is pushed; ``size_bytes`` is its size unpacked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str
    tag: str
    id: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    digest: str | None = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)


class ImageLock(BaseModel):
    """The images of one revision, by target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: str
    images: Mapping[str, LockedImage]

    @classmethod
    def read(cls, path: Path) -> "ImageLock":
        """Read a lock file; :class:`UserError` if there is none or it is no image lock."""
        again = "prunegap-pipelines build-images writes it"
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise UserError(f"{path}: no image lock can be read there ({error.strerror}); {again}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise UserError(f"{path}: not an image lock: {where}: {first['msg']}; {again} anew") from error

    def write(self, path: Path) -> None:
        """Write the lock file in one go, so that a reader finds the old one or the new one."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, self.model_dump())
        except OSError as error:
            raise UserError(f"{path}: the image lock cannot be written ({error.strerror}); choose another") from error

    def reference(self, target: str, *, for_cluster: bool = False) -> str:
        """Return what to run or to compile with; :class:`UserError` if the lock has no such image.

        Args:
            target: name of the image.
            for_cluster: a name that others than the engine that built it can know: the tag of one that was not pushed.
        """
        if target not in self.images:
            built = ", ".join(self.images)
            raise UserError(f"the image lock has no image '{target}', only {built}; build it with --target {target}")
        image = self.images[target]
        return image.tag if for_cluster and image.digest is None else image.reference


def build_images(
    engine: DockerClient,
    targets: Sequence[str],
    revision: str,
    registry: str | None = None,
    build_args: Mapping[str, str] | None = None,
    *,
    name: str = LOCAL,
    context: Path = Path(),
    show: Show = lambda _line: None,
) -> ImageLock:
    """Build the targets, tag them by revision, push them to ``registry`` if one is given, and say what came out.

    Args:
        engine: client of the engine that builds.
        targets: of :data:`TARGETS`.
        revision: git revision as :func:`git_revision` gives it; its first 12 characters are the tag.
        registry: ``host[:port][/path]`` to push below; None: the images stay with the engine.
        build_args: build arguments of the Dockerfile, e.g. ``{"TORCH_INDEX": "https://..."}``.
        name: what the images' names on this engine begin with; ``name/target:dev`` moves to what is built.
        context: folder that has docker/Dockerfile, the source and the locks.
        show: is given each line of progress.

    Raises:
        UserError: a wrong target, name or registry, a step that failed, a push that was refused, no engine.
    """
    for target in targets:
        if target not in TARGETS:
            raise UserError(f"target: there is no image '{target}'{did_you_mean(target, TARGETS)}")
    if not REGISTRY.fullmatch(name):
        raise UserError(f"name must be what an image's name can begin with, in lower case; got '{name}'")
    if registry is not None and not REGISTRY.fullmatch(registry):
        raise UserError(f"registry must be host[:port][/path] in lower case, without https://; got '{registry}'")
    if not (context / DOCKERFILE).is_file():
        raise UserError(f"{context / DOCKERFILE}: no such file; run this in a clone of the repository, or name one")
    tag = _tag(revision)
    arguments = {**(build_args or {}), "REVISION": revision, "VERSION": __version__}
    identifiers = {
        target: build_target(
            engine, target, tag=f"{name}/{target}:{tag}", context=context, arguments=arguments, show=show
        )
        for target in sorted(targets, key=TARGETS.index)
    }
    images = {
        target: _locked(engine, target, tag, found, name=name, registry=registry, show=show)
        for target, found in identifiers.items()
    }
    return ImageLock(revision=revision, images=images)


def _tag(revision: str) -> str:
    dirty = DIRTY if revision.endswith(DIRTY) else ""
    return revision.removesuffix(DIRTY)[:TAG_LENGTH] + dirty


def _locked(
    engine: DockerClient, target: str, tag: str, identifier: str, *, name: str, registry: str | None, show: Show
) -> LockedImage:
    repository = f"{registry or name}/{target}"
    with engine_errors(f"image {target}"):
        image = engine.images.get(identifier)
        image.tag(repository, tag)
        image.tag(f"{name}/{target}", LATEST_BUILD)
    digest = None if registry is None else push(engine, repository, tag, show)
    return LockedImage(
        reference=f"{repository}@{digest}" if digest else identifier,
        tag=f"{repository}:{tag}",
        id=identifier,
        digest=digest,
        size_bytes=image.attrs["Size"],
    )


def git_revision(folder: Path) -> str:
    """Return the revision checked out in ``folder``, with ``-dirty`` if it holds changes that are not committed.

    Raises:
        UserError: git is missing, or the folder is in no clone that has a commit.
    """
    revision = _git(folder, "rev-parse", "--verify", "HEAD")
    return revision + DIRTY if _git(folder, "status", "--porcelain") else revision


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the git on PATH
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise UserError(
            "git: no such program, so the images' revision is not known; install it or give --revision"
        ) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[0]
        raise UserError(f"{folder.resolve()}: git cannot name its revision ({said}); commit first, or give --revision")
    return done.stdout.strip()
