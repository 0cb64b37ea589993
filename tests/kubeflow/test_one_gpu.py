"""Truth: the files and messages of `prunegap-pipelines compile`, and the resources' own rule."""

import pytest
from prunegap_pipelines.resources import Resources
from pydantic import ValidationError


@pytest.mark.parametrize("asked", ["accelerators: 2", "{accelerator: nvidia.com/gpu, accelerators: '8'}"])
def test_several_gpus_for_a_stage_are_refused_before_anything_is_compiled(asked, tmp_path, program):
    mine = tmp_path / "mine.yaml"
    mine.write_text(asked)
    package = tmp_path / "package.yaml"
    words = ("compile", "experiments/smoke.yaml", "--resources", mine, "--output", package)
    refused = program("prunegap-pipelines", *words)
    assert (refused.code, len(refused.lines), package.exists()) == (1, 1, False)
    count = 8 if "8" in asked else 2
    assert refused.last.startswith(f"error: {mine}: accelerators: a stage uses one GPU and would leave the others idle")
    assert f"got {count}; ask for 1" in refused.last
    for amount in (0, -1):
        with pytest.raises(ValidationError, match="accelerators"):
            Resources(accelerators=amount)
