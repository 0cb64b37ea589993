"""Tensor aliases: what a value holds and which axes it has.

Letters of the axes: ``examples`` n, ``groups`` G, ``classes`` C, ``models``, ``features`` d, ``channels`` c,
``height`` h, ``width`` w, ``constraints`` (G for most formulations), ``weights`` (of a layer), ``parameters`` (all of a
network, one after the other). jaxtyping checks them while testing; where it is not installed (a GPU machine with
nothing but torch) they are plain tensors.
"""

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from typing import TypeAlias

    ExampleFloats: TypeAlias = Tensor
    ExampleInts: TypeAlias = Tensor
    ExampleBools: TypeAlias = Tensor
    GroupFloats: TypeAlias = Tensor
    GroupInts: TypeAlias = Tensor
    GroupBools: TypeAlias = Tensor
    GroupWeights: TypeAlias = Tensor
    WeightBools: TypeAlias = Tensor
    PairFloats: TypeAlias = Tensor
    ConstraintFloats: TypeAlias = Tensor
    Scalar: TypeAlias = Tensor
    Logits: TypeAlias = Tensor
    ClassFloats: TypeAlias = Tensor
    ModelClasses: TypeAlias = Tensor
    ExampleClassBools: TypeAlias = Tensor
    ExampleClassInts: TypeAlias = Tensor
    FeatureFloats: TypeAlias = Tensor
    ClassifierFloats: TypeAlias = Tensor
    PackedImages: TypeAlias = Tensor
    Inputs: TypeAlias = Tensor
    ParameterFloats: TypeAlias = Tensor
else:
    try:
        from jaxtyping import Bool, Float, Int64, Shaped, UInt8
    except ImportError:
        ExampleFloats = ExampleInts = ExampleBools = GroupFloats = GroupInts = GroupBools = Tensor
        GroupWeights = WeightBools = Tensor
        PairFloats = ConstraintFloats = Scalar = Logits = PackedImages = Inputs = ParameterFloats = Tensor
        ClassFloats = FeatureFloats = ClassifierFloats = Tensor
        ModelClasses = ExampleClassBools = ExampleClassInts = Tensor
    else:
        ExampleFloats = Float[Tensor, "examples"]
        ExampleInts = Int64[Tensor, "examples"]
        ExampleBools = Bool[Tensor, "examples"]
        GroupFloats = Float[Tensor, "groups"]
        GroupInts = Int64[Tensor, "groups"]
        GroupBools = Bool[Tensor, "groups"]
        GroupWeights = Float[Tensor, "groups weights"]
        WeightBools = Bool[Tensor, "weights"]
        PairFloats = Float[Tensor, "groups groups"]
        ConstraintFloats = Float[Tensor, "constraints"]
        Scalar = Float[Tensor, ""]
        Logits = Float[Tensor, "examples classes"]
        ClassFloats = Float[Tensor, "classes"]
        ModelClasses = Int64[Tensor, "_models examples"]
        ExampleClassBools = Bool[Tensor, "examples classes"]
        ExampleClassInts = Int64[Tensor, "examples classes"]
        FeatureFloats = Float[Tensor, "examples features"]
        ClassifierFloats = Float[Tensor, "classes features"]
        PackedImages = UInt8[Tensor, "examples channels height width"]
        Inputs = Shaped[Tensor, "examples ..."]
        ParameterFloats = Float[Tensor, "parameters"]
