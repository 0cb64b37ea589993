"""A source that another package adds. Truth: the rows that its few lines make."""

import subprocess
import sys

import pytest
from core.outside_package import installed

from prunegap.errors import UserError
from prunegap.extensions import extension_code
from prunegap.source_code import code_digest
from prunegap.sources.registry import SourceOptions, open_source, source_names
from prunegap.stages.prepare_data import PrepareDataParams

CODE = """
    import numpy as np
    from prunegap.sources.rows import Rows

    def open_squares(location, options):
        return Rows(
            names=["one", "two"],
            columns={"class": ["small", location], "download": [str(options.download)] * 2},
            load=lambda row: np.full((2, 2), row, dtype=np.uint8),
            default_target="class",
            default_group="class",
        )

    def open_with_option(location, options, *, side="2"):
        rows = open_squares(location, options)
        return Rows(rows.names, rows.columns | {"side": [side] * 2}, rows.load, "side", "side")

    def open_nothing(location, options):
        return [location]
"""


def test_a_source_of_another_package_is_a_source_like_ours(tmp_path):
    points = {"squares": "squares_of_theirs:open_squares", "nothing": "squares_of_theirs:open_nothing"}
    with installed(tmp_path, "squares_of_theirs", CODE, {"sources": points}):
        assert {"squares", "nothing", "digits"} < set(source_names())
        assert "squares_of_theirs" not in sys.modules
        assert extension_code("sources", "squares") == {"the code of source squares": code_digest("squares_of_theirs")}
        rows = open_source("squares", "large", SourceOptions(download=True))
        assert rows.columns == {"class": ["small", "large"], "download": ["True", "True"]}
        assert rows.load(1).tolist() == [[1, 1], [1, 1]]
        with pytest.raises(UserError, match="source 'squares' has no option 'side'; it has none"):
            open_source("squares", "x", SourceOptions(own={"side": "3"}))
        with pytest.raises(UserError, match="source 'nothing' must return Rows, it returned a list"):
            open_source("nothing", "x")
    with pytest.raises(UserError, match="source 'squares' is not known"):
        open_source("squares", "large")


def test_a_source_has_options_of_its_own(tmp_path):
    points = {"sided": "sided_of_theirs:open_with_option"}
    with installed(tmp_path, "sided_of_theirs", CODE, {"sources": points}):
        assert open_source("sided", "x").columns["side"] == ["2", "2"]
        params = PrepareDataParams(source="sided", source_options=("side=a=b",))
        assert open_source("sided", "x", params.options()).columns["side"] == ["a=b", "a=b"]
        with pytest.raises(UserError, match="source_options: source 'sided' has no option 'sid'; did you mean 'side'"):
            open_source("sided", "x", SourceOptions(own={"sid": "3"}))


def test_the_names_are_known_without_importing_what_reads_data():
    code = (
        "import sys; from prunegap.models.known_models import model_names; "
        "from prunegap.sources.registry import source_names; "
        "assert 'digits' in source_names() and 'vgg19' in model_names(); "
        "print(sorted({'torch', 'torchvision', 'sklearn', 'PIL', 'numpy', 'boto3', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
