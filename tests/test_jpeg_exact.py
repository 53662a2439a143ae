"""Pixels to the last bit: a pairwise choice of streams, and broken ones.

The whole is `tests/exhaustive.sh`, its last result in docs/exactness.md.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import cache
from pathlib import Path

import jpeg_cases
import jpeg_streams
import jpeg_write
import numpy as np
import pytest
from jpeg_cases import Case
from jpeg_compare import Tally, check_reference, keep_failures, pillow
from jpeg_matrix import Files, Mutations, in_batches, run, workers
from jpeg_mutate import MUTATIONS, put_together, take_apart
from jpeg_streams import MAKERS, pairwise

SEED = 2026
# The choice in this file may not grow beyond these.
STREAMS, MUTATED = 20_000, 3_000


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    check_reference()
    with workers() as executor:
        yield executor


@cache
def chosen(name: str) -> list[Case]:
    """The cases of a maker that run with the other tests."""
    return list(pairwise(MAKERS[name].factors, SEED))


def assert_no_failure(tally: Tally, folder: Path) -> None:
    if tally.failures:
        keep_failures(tally, folder)
        shown = "\n".join(what for what, _ in tally.failures[:10])
        pytest.fail(f"{len(tally.failures)} streams, kept in {folder}:\n{shown}")


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_every_pair_of_factors_has_libjpeg_turbos_pixels(
    name: str, pool: Executor, tmp_path: Path
) -> None:
    maker = MAKERS[name]
    if not maker.is_here():
        pytest.skip(f"needs {maker.package}")
    cases = chosen(name)
    valid = sum(map(maker.is_valid, cases))
    tally = run(in_batches(name, cases), pool)
    assert tally.counts["streams"] == len(cases)
    assert tally.counts["equal pixels"] >= valid > len(cases) // 3
    assert_no_failure(tally, tmp_path)


@pytest.mark.slow
def test_broken_streams_are_judged_as_documented(pool: Executor, tmp_path: Path) -> None:
    tally = run([Mutations(SEED + job, 250) for job in range(MUTATED // 250)], pool)
    assert tally.counts["streams"] == MUTATED
    for kind in ("equal pixels", "both refuse", "libjpeg-turbo warns, we refuse"):
        assert tally.counts[kind] > MUTATED // 20
    assert tally.counts["filled: equal pixels"] > 100 * tally.counts["filled: other pixels"]
    assert_no_failure(tally, tmp_path)


@pytest.mark.slow
def test_the_choice_is_pairwise_and_small() -> None:
    count = 0
    for name, maker in MAKERS.items():
        cases = chosen(name)
        count += len(cases)
        for one, two in itertools.combinations(maker.factors, 2):
            met = {(case[one], case[two]) for case in cases}
            assert met == set(itertools.product(maker.factors[one], maker.factors[two]))
    assert count <= STREAMS


def test_the_writer_writes_the_same_coefficients_in_every_coding() -> None:
    """Of the reference's view: one picture, sequential and progressive, all Huffman codes."""
    base: Case = dict.fromkeys(jpeg_cases.WRITER, "none") | {"width": 37, "height": 21}
    base |= {"quality": 60, "color": "ycc", "sampling": "2x2", "coding": "baseline"}
    base |= {"scans": "all", "restart": 0, "tables": "standard", "picture": "picture", "bits": 8}
    expected = pillow(jpeg_cases.writer(base))
    assert expected.shape == (21, 37, 3)
    seen = Counter[bytes]()
    for name in ("coding", "scans", "restart", "tables", "bits", "extra"):
        for value in jpeg_cases.WRITER[name]:
            case = {**base, "coding": "deep", name: value}
            if value in {"trailing", "incomplete"}:
                continue
            # Not the case's own seed: the same picture each time.
            data = jpeg_cases.writer(case, seed=jpeg_cases.seed_of(base))
            if jpeg_cases.is_valid_writer(case) and case["bits"] == 8:
                assert pillow(data)[:2] == expected[:2], case
                seen[data] += 1
    assert len(seen) > 15, "the streams differ"


def test_what_looks_like_an_end_after_a_full_block_belongs_to_the_next_one(
    pool: Executor, tmp_path: Path
) -> None:
    # In the standard tables, differences of -8 to -15 begin with 1010, as ends of blocks do.
    rng = np.random.default_rng(1)
    blocks = rng.integers(-3, 4, (6, 9, 64))
    blocks[..., 63] = rng.choice([-1, 1], (6, 9))
    blocks[..., 0] = -10 * (np.arange(54).reshape(6, 9) % 8)
    full = jpeg_write.Component(1, 1, 1, 0, blocks)
    ones = np.ones(64, np.int64)
    scan = jpeg_write.Scan((0,))
    frame = jpeg_write.Frame(72, 48, [full], [ones], [scan], tables="standard")
    path = tmp_path / "full.jpg"
    path.write_bytes(jpeg_write.write(frame))
    tally = run([Files((str(path),))], pool)
    assert_no_failure(tally, tmp_path)
    assert tally.counts["equal pixels"] == 1


def test_huffman_codes_of_the_writer_are_prefix_codes() -> None:
    rng = np.random.default_rng(3)
    for kind in ("optimized", "comb", "even"):
        for count in (1, 2, 3, 17, 100, 162, 255):
            weights = {int(s): int(w) for s, w in enumerate(rng.integers(1, 10**6, count) ** 3)}
            codes = jpeg_write._table(kind, 0x10, Counter(weights)).codes()
            assert set(codes) == set(weights)
            assert max(map(len, codes.values())) <= 16
            ordered = sorted(codes.values())
            assert not any(b.startswith(a) for a, b in itertools.pairwise(ordered))
            assert all("0" in code for code in ordered), "no code of ones alone"


def test_mutations_change_streams_and_pieces_go_together_again() -> None:
    rng = random.Random(1)
    one, two = (
        MAKERS["pillow"].make(case) for case in jpeg_streams.draw(jpeg_streams.PILLOW, 2, 4)
    )
    assert put_together(take_apart(one)) == one
    for name, mutation in MUTATIONS.items():
        changed = sum(mutation(one, two, rng) != one for _ in range(30))
        assert changed > 10, name
