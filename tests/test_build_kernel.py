"""The committed kernel is what its source compiles to."""

import build_kernel


def test_building_gives_the_committed_bytes() -> None:
    assert build_kernel.build() == build_kernel.KERNEL.read_bytes()


def test_the_kernel_is_small() -> None:
    assert build_kernel.KERNEL.stat().st_size <= 10_000
