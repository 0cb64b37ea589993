"""prepare_data: rows of any source -> packed images, labels and groups, split into train, validation and test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from prunegap.artifacts.dataset import Dataset
from prunegap.extensions import extension_code
from prunegap.progress import track
from prunegap.remote.location import default_cache_dir
from prunegap.sources.registry import SourceOptions, open_source
from prunegap.sources.source_identity import source_identity
from prunegap.stages.circumstances import installed_version
from prunegap.stages.contract import stage
from prunegap.stages.known_names import known
from prunegap.stages.named_options import OwnOptions, own_options
from prunegap.stages.params import NO_EFFECT, StageParams


class PrepareDataParams(StageParams):
    """Parameters of prepare_data."""

    source: Annotated[str, known("sources")] = Field(
        default="digits",
        description="digits, digit_views (built in), cifar10, cifar100, svhn, mnist, fashion_mnist, class_folders, "
        "utkface, fairface, or table (CSV or Parquet).",
    )
    location: str = Field(default="", description="Folder, file or s3:// address of the source; digits needs none.")
    download: bool = Field(
        default=False, description="Download a torchvision data set into its location if it is not there."
    )
    source_options: OwnOptions = Field(default=(), description="Options that the source has alone, each as name=value.")
    image_column: str = Field(default="image", description="Table: column with the path of each image.")
    label_column: str = Field(
        default="label", description="Table: column predicted and grouped by unless said otherwise."
    )
    part_column: str = Field(default="split", description="Table: column that says train or test, if there is one.")
    target: str = Field(default="", description="Attribute to predict; empty: the source's own.")
    group_by: tuple[str, ...] = Field(
        default=(),
        description="Attribute whose values are the groups, or several to intersect; empty: the source's own.",
    )
    drop_groups: tuple[str, ...] = Field(
        default=(), description="Groups (or attribute values) whose examples are left out."
    )
    class_names: tuple[str, ...] = Field(default=(), description="Classes in order; empty: every value of the target.")
    image_size: int = Field(
        default=0, ge=0, description="Side in pixels all images are resized to; 0 keeps their size."
    )
    channels: Literal[0, 1, 3] = Field(
        default=0, description="1 for grey, 3 for colour, 0 keeps the images as they are."
    )
    split: Literal["auto", "given", "content_hash", "utkface_paper", "random"] = Field(
        default="auto",
        description="Who decides what is test: the source (given), the image's content, the UTKFace permutation of the "
        "paper, or chance; auto: given where the source has it, else content_hash.",
    )
    split_by: str = Field(
        default="",
        description="Attribute (patient, lesion, person) whose examples all fall on one side; empty: none.",
    )
    repeats: Literal["drop", "keep"] = Field(
        default="drop",
        description="With split_by: further examples of one value in a judged group are left out, or kept.",
    )
    test_share: float = Field(default=0.2, gt=0, lt=1, description="Share of test examples, unless the split is given.")
    validation_share: float = Field(
        default=0.0, ge=0, lt=1, description="Share held out of train for validation, by group; 0 in the papers."
    )
    split_seed: int = Field(default=0, ge=0, description="Decides the random and the validation split.")
    salt: str = Field(default="", description="Another salt gives another content_hash split.")
    channel_mean: tuple[float, ...] = Field(
        default=(), description="Normalisation in units of 0..1; empty: of the train pixels."
    )
    channel_std: tuple[float, ...] = Field(
        default=(), description="Normalisation in units of 0..1; empty: of the train pixels."
    )
    on_bad_rows: Literal["fail", "skip"] = Field(
        default="fail", description="Stop at rows that cannot be read, or list and skip."
    )
    cache_dir: str = Field(
        default="", description="Where copies of s3:// objects are kept.", json_schema_extra=NO_EFFECT
    )

    def options(self) -> SourceOptions:
        """Return what a source needs besides its location."""
        return SourceOptions(
            cache_dir=Path(self.cache_dir) if self.cache_dir else default_cache_dir(),
            download=self.download,
            image_column=self.image_column,
            label_column=self.label_column,
            part_column=self.part_column,
            own=own_options(self.source_options),
        )

    def outside(self) -> Mapping[str, str]:
        """Return digests of what the source reads."""
        return source_identity(self.location, self.options())

    def code(self) -> Mapping[str, str]:
        """Return the digest of the source's code, and the versions of what decodes its files."""
        return extension_code("sources", self.source) | {
            name: installed_version(name) for name in ("Pillow", "scikit-learn")
        }


@stage
def prepare_data(params: PrepareDataParams) -> Dataset:
    """Read a source and pack its images, labels and groups, split into train, validation and test."""
    from prunegap.sources.pack import pack

    rows = open_source(params.source, params.location, params.options())
    split = params.split if params.split != "auto" else "content_hash" if rows.part is None else "given"
    packed = pack(
        rows,
        target=params.target or rows.default_target,
        group_by=params.group_by or (rows.default_group,),
        drop_groups=params.drop_groups,
        image_size=params.image_size or None,
        channels=params.channels or None,
        split=split,
        split_by=params.split_by or None,
        repeats=params.repeats,
        test_share=params.test_share,
        validation_share=params.validation_share,
        seed=params.split_seed,
        salt=params.salt,
        on_bad_rows=params.on_bad_rows,
        class_names=params.class_names or None,
        channel_mean=params.channel_mean or None,
        channel_std=params.channel_std or None,
        progress=track,
    )
    return Dataset(packed.dataset, params.source, packed.bad)
