"""Truth: small packages on disk, edited by hand: what of an edit can change a result, and what cannot."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prunegap import source_code
from prunegap.errors import UserError
from prunegap.source_code import code_digest

FILES = {
    "own/__init__.py": "",
    "own/start.py": "from own import values\nfrom .deep.far import reach\n\n\ndef start():\n    return values.one\n",
    "own/values.py": "one = 1\n",
    "own/unused.py": "two = 2\n",
    "own/deep/__init__.py": "three = 3\n",
    "own/deep/far.py": "def reach():\n    import beside\n\n    return beside\n",
    "beside.py": "four = 4\n",
    "own/typed.py": (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from own import unused\nelse:\n    import beside\n"
    ),
}
Digest = Callable[..., str]


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digest]:
    """Write the files, some of them with another text, and return the digest of a module of theirs."""

    def of(changes: dict[str, str] | None = None, module: str = "own.start") -> str:
        for name, text in (FILES | (changes or {})).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        forget()
        return code_digest(module)

    monkeypatch.syspath_prepend(tmp_path)
    yield of
    forget()


def forget() -> None:
    for cached in (source_code._read, source_code._locate, source_code._home, source_code._beside, code_digest):
        cached.cache_clear()
    sys.path_importer_cache.clear()


def test_the_same_code_has_the_same_digest_and_is_never_imported(digest: Digest):
    assert digest() == digest()
    assert not {"own", "own.start", "beside"} & set(sys.modules)


@pytest.mark.parametrize(
    "changes",
    [
        {"own/start.py": FILES["own/start.py"].replace("one", "two")},
        {"own/values.py": "one = 2\n"},
        {"own/deep/far.py": FILES["own/deep/far.py"] + "\n\ndef more():\n    pass\n"},
        {"own/deep/__init__.py": "three = 4\n"},
        {"beside.py": "four = 5\n"},
    ],
    ids=["itself", "an import", "a relative import", "a package on the way", "an import inside a function, beside it"],
)
def test_code_that_a_module_reaches_counts(digest: Digest, changes: dict[str, str]):
    assert digest(changes) != digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"own/unused.py": "two = 3\n"},
        {"own/values.py": '"""A docstring."""\n\n# a comment\n\none = 1\n'},
        {"own/start.py": FILES["own/start.py"].replace("():\n", '():\n    """Say what it does."""\n')},
    ],
    ids=["not imported", "comment and docstring of a module", "docstring of a function"],
)
def test_what_decides_no_result_does_not_count(digest: Digest, changes: dict[str, str]):
    assert digest(changes) == digest()


def test_what_only_a_type_checker_reads_does_not_count_and_its_else_does(digest: Digest):
    assert digest({"own/unused.py": "two = 3\n"}, "own.typed") == digest(module="own.typed")
    assert digest({"beside.py": "four = 5\n"}, "own.typed") != digest(module="own.typed")


def test_an_installed_package_counts_alone(digest: Digest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(source_code, "INSTALLED", (tmp_path,))
    assert digest({"beside.py": "four = 5\n"}) == digest()
    assert digest({"own/values.py": "one = 2\n"}) != digest()


def test_every_stage_reaches_what_it_works_with_and_not_what_shows_it():
    def reached(stage: str) -> set[str]:
        waiting, found = [f"prunegap.stages.{stage}"], set[str]()
        while waiting:
            source = source_code._read(name := waiting.pop())
            if source is not None and name not in found:
                found.add(name)
                waiting += [one for one in source.imports if source_code._beside(one, name)]
        return found

    assert {"prunegap.training.step", "prunegap.constraints.dual", "prunegap.pruning.masks"} <= reached("finetune")
    assert {"prunegap.report.html"} <= reached("compare")
    for stage in ("prepare_data", "acquire_dense", "measure_baseline", "prune", "finetune"):
        assert not [name for name in reached(stage) if name.startswith(("prunegap.report", "prunegap.cli"))]


def test_a_script_counts_by_its_file(tmp_path: Path):
    script = tmp_path / "script.py"
    digests = []
    for value in (1, 2):
        script.write_text(f"from prunegap.source_code import code_digest\n\nprint(code_digest(__name__), {value})\n")
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
        digests.append(done.stdout.split()[0])
    assert digests[0] != digests[1]


def test_a_module_that_is_not_there_or_no_python_is_named(digest: Digest, tmp_path: Path):
    with pytest.raises(UserError, match=r"module 'own\.nothing' has no source file that can be found"):
        digest(module="own.nothing")
    with pytest.raises(UserError, match=r"values\.py: is not Python \(.*\); correct it"):
        digest({"own/values.py": "one =\n"})
