"""Which tests are to notice a change in which module: those of its floor, the quickest first."""

CONSTRAINTS = (
    "tests/core/test_dual_by_hand.py", "tests/core/test_replay_buffer.py", "tests/core/test_overall_estimate.py",
    "tests/core/test_dual_gradient.py", "tests/conformance/test_conformance.py", "tests/core/test_resume.py",
    "tests/core/test_dual_against_cooper.py", "tests/core/test_dual_convergence.py",
)  # fmt: skip
PRUNING = (
    "tests/core/test_magnitude.py", "tests/core/test_schedule.py", "tests/core/test_masks.py",
    "tests/core/test_masked_training.py", "tests/conformance/test_conformance.py",
)  # fmt: skip
TRAINING = (
    "tests/core/test_recipe.py", "tests/core/test_step_tracer.py", "tests/training", "tests/core/test_train_run.py",
    "tests/core/test_resume.py", "tests/stages/test_training_goes_on.py", "tests/conformance",
)  # fmt: skip
STAGES = ("tests/stages", "tests/conformance/test_conformance_of_stages.py", "tests/core/test_artifacts_and_stages.py")
TESTS: dict[str, tuple[str, ...]] = {
    "data/split.py": ("tests/data",),
    "data": ("tests/core/test_augment.py", "tests/core/test_batches.py", "tests/stages/test_evaluate_by_hand.py"),
    "gaps.py": ("tests/core/test_gaps.py", "tests/stages/test_evaluate_by_hand.py"),
    "constraints": CONSTRAINTS,
    "pruning": PRUNING,
    "training": TRAINING,
    "stages": STAGES,
}
"""Tests by module or floor of the package; a module's own entry comes before that of its floor."""


def tests_of(module: str) -> tuple[str, ...]:
    """Return the tests of a module, named by its path below the package."""
    return next(tests for name, tests in TESTS.items() if module == name or module.startswith(f"{name}/"))


def is_covered(module: str) -> bool:
    """Whether a module belongs to a floor of the campaign."""
    return any(module == name or module.startswith(f"{name}/") for name in TESTS)
