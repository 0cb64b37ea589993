"""What a network may be called, and the code behind a name; nothing is imported for it."""

from prunegap.source_code import code_digest

NAMES = (
    "small_cnn",
    "cifar_resnet20",
    "cifar_resnet32",
    "cifar_resnet44",
    "cifar_resnet56",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "vgg19",
)


def own_code(name: str) -> dict[str, str]:
    """Return the digest of the user's own code behind ``package.module:function``; none for a name of ours.

    Raises:
        UserError: there is no such module.
    """
    module, colon, _ = name.partition(":")
    return {f"the code of model {name}": code_digest(module)} if colon else {}
