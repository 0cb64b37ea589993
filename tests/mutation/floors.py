"""Which tests are to notice a change in which module: those of its floor, the quickest first."""

CONSTRAINTS = (
    "tests/core/test_dual_by_hand.py", "tests/core/test_replay_buffer.py", "tests/core/test_overall_estimate.py",
    "tests/core/test_what_a_formulation_is_shown.py", "tests/core/test_controllers.py",
    "tests/core/test_dual_gradient.py", "tests/conformance/test_conformance.py", "tests/core/test_resume.py",
    "tests/core/test_dual_against_cooper.py", "tests/core/test_dual_convergence.py",
    "tests/core/test_measures.py", "tests/core/test_pi_control.py",
)  # fmt: skip
PRUNING = (
    "tests/core/test_magnitude.py", "tests/core/test_schedule.py", "tests/pruning",
    "tests/core/test_masked_training.py", "tests/conformance/test_conformance.py",
)  # fmt: skip
TRAINING = (
    "tests/core/test_recipe.py", "tests/core/test_step_tracer.py", "tests/training", "tests/core/test_train_run.py",
    "tests/core/test_resume.py", "tests/stages/test_training_goes_on.py", "tests/conformance",
)  # fmt: skip
EFFECTS = "tests/stages/test_every_parameter.py"
PARAMETERS = ("tests/stages/test_bounds.py", "tests/stages/test_defaults.py")
TRAINED = (
    "tests/stages/test_training_goes_on.py", "tests/conformance/test_conformance_of_stages.py",
    "tests/stages/test_what_a_training_says.py", "tests/stages/test_resuming_a_stage.py",
    "tests/stages/test_what_a_tracker_is_told.py",
)  # fmt: skip
DEPENDS = "tests/stages/test_what_a_result_depends_on.py"
CONTRACT = (
    "tests/core/test_artifacts_and_stages.py", "tests/stages/test_evaluate_by_hand.py",
    "tests/stages/test_circumstances.py", "tests/stages/test_resuming_a_stage.py",
    "tests/stages/test_what_a_tracker_is_told.py", DEPENDS, *PARAMETERS,
)  # fmt: skip


def of_stage(name: str, *others: str) -> tuple[str, ...]:
    """Tests of one stage: the others, its bounds and defaults, what it depends on, and its effects."""
    narrowed = f"({name} or not (bounds or defaults or every_parameter)) and not threads"
    return (*others, *PARAMETERS, DEPENDS, EFFECTS, "-k", narrowed)


TESTS: dict[str, tuple[str, ...]] = {
    "data/split.py": ("tests/data",),
    "data/matching.py": ("tests/data",),
    "data": ("tests/core/test_augment.py", "tests/core/test_batches.py", "tests/stages/test_evaluate_by_hand.py"),
    "gaps": ("tests/core/test_gaps.py", "tests/stages/test_evaluate_by_hand.py"),
    "constraints": CONSTRAINTS,
    "diagnostics": ("tests/diagnostics",),
    "pruning": PRUNING,
    "training": TRAINING,
    "stages/acquire_dense.py": of_stage("acquire_dense", TRAINED[0], *TRAINED[2:]),
    "stages/compare.py": of_stage("compare", "tests/report/test_report_comparison.py"),
    "stages/evaluate.py": of_stage("evaluate", "tests/stages/test_evaluate_by_hand.py"),
    "stages/finetune.py": of_stage("finetune", *TRAINED),
    "stages/measuring.py": of_stage("measure_baseline", *TRAINED),
    "stages/measure_baseline.py": of_stage("measure_baseline"),
    "stages/prepare_data.py": of_stage("prepare_data"),
    "stages/prune.py": of_stage("prune", *TRAINED),
    "stages/training_loop.py": of_stage("prune", *TRAINED),
    "stages/training_params.py": (*PARAMETERS, *TRAINED, EFFECTS),
    "stages": CONTRACT,
}
"""Arguments of pytest by module or floor of the package; a module's own entry comes before that of its floor."""


def tests_of(module: str) -> tuple[str, ...]:
    """Return the tests of a module, named by its path below the package."""
    return next(tests for name, tests in TESTS.items() if module == name or module.startswith(f"{name}/"))


def is_covered(module: str) -> bool:
    """Whether a module belongs to a floor of the campaign."""
    return any(module == name or module.startswith(f"{name}/") for name in TESTS)
