"""Audits in memory, of groups whose counts are known."""

from collections.abc import Mapping
from typing import Any

from prunegap.auditing import Audit
from prunegap.auditing.arrays import audit_arrays


def judged(sizes: Mapping[str, tuple[int, int, int]], tolerance: float = 0.02, **options: Any) -> Audit:
    """Judge groups of so many examples, of which some are lost and some gained."""
    before = [at < lost or at >= lost + gained for n, lost, gained in sizes.values() for at in range(n)]
    after = [at >= lost for n, lost, _ in sizes.values() for at in range(n)]
    who = [name for name, (n, _, _) in sizes.items() for _ in range(n)]
    return audit_arrays(before=before, after=after, groups={"who": who}, tolerance=tolerance, **options)


WICKED = {
    '<script>alert("x")</script>&amp;\'': (400, 60, 2),
    "two\nlines\tand a tab": (500, 10, 9),
    "emoji 👩‍👩‍👧 and 肤色": (700, 20, 10),
    "L" * 300: (600, 9, 9),
    "W" * 40: (1500, 9, 9),
    "](http://nowhere": (24, 3, 0),
    "plain": (4000, 80, 80),
    "a\x01b": (300, 3, 3),
}
