"""The check around every test that builds sees what `make images` does; here a user's names and lock are the test's."""

import pytest
from engine import ROOT, users_images_untouched
from prunegap_pipelines.images import build_images, git_revision

pytestmark = pytest.mark.docker


def test_a_moved_tag_and_a_written_lock_are_seen(engine, name, tmp_path):
    def build():
        return build_images(engine, ["objectstore"], git_revision(ROOT), name=name, context=ROOT)

    lock = tmp_path / "images.lock.json"
    with pytest.raises(AssertionError, match="moved a user's image tags"), users_images_untouched(engine, name, lock):
        build()
    with users_images_untouched(engine, name, lock):
        built = build()
    with pytest.raises(AssertionError, match="wrote his image lock"), users_images_untouched(engine, name, lock):
        built.write(lock)
