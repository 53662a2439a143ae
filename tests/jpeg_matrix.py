"""Runs streams through `jpeg_compare`: in jobs, on all cores, a job's streams by its seed."""

from __future__ import annotations

import itertools
import multiprocessing
import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jpeg_cases import Case
from jpeg_compare import Level, Stream, Tally, check_reference, compare, start_levels
from jpeg_mutate import mutate
from jpeg_streams import MAKERS, draw

from textbook_fast import _core

BATCH = 500
WAITING = 8


@dataclass(frozen=True)
class Matrix:
    """Streams of one maker."""

    maker: str
    cases: tuple[Case, ...]

    def streams(self) -> Iterator[Stream]:
        """The job's streams."""
        maker = MAKERS[self.maker]
        for case in self.cases:
            yield f"{self.maker} {case}", maker.make(case), maker.is_valid(case)


@dataclass(frozen=True)
class Mutations:
    """Broken streams."""

    seed: int
    count: int

    def streams(self) -> Iterator[Stream]:
        """The job's streams."""
        rng = random.Random(self.seed)
        sources = []
        for name, share in SOURCES.items():
            maker = MAKERS[name]
            if maker.is_here():
                cases = draw(maker.factors, share, self.seed)
                sources += [maker.make(case) for case in cases if maker.is_valid(case)]
        for number in range(self.count):
            name, broken = mutate(rng.choice(sources), rng.choice(sources), rng)
            yield f"mutation {self.seed}/{number} {name}", broken, False


@dataclass(frozen=True)
class Files:
    """Real keyframes."""

    paths: tuple[str, ...]

    def streams(self) -> Iterator[Stream]:
        """The files."""
        for path in self.paths:
            yield path, Path(path).read_bytes(), True


Job = Matrix | Mutations | Files
KINDS = {Mutations: "of broken streams", Files: "of keyframes"}
# How many streams of each maker the mutations of a job start from.
SOURCES = {"writer": 80, "pillow": 40, "simplejpeg": 20, "cjpeg": 20, "av": 10}


def in_batches(maker: str, cases: Iterable[Case]) -> Iterator[Matrix]:
    """Jobs for a maker's cases."""
    rest = iter(cases)
    while batch := tuple(itertools.islice(rest, BATCH)):
        yield Matrix(maker, batch)


@cache
def _running() -> Sequence[Level]:
    # They end when this process does, with their input.
    check_reference()
    return start_levels()


def _work(job: Job) -> Tally:
    tally = compare(list(job.streams()), _running())
    kind = f"of {job.maker}" if isinstance(job, Matrix) else KINDS[type(job)]
    tally.counts[kind] += tally.counts["streams"]
    return tally


@contextmanager
def workers(processes: int | None = None) -> Iterator[Executor]:
    """Processes that `run` gives its jobs to: one for each core."""
    context = multiprocessing.get_context("spawn")
    processes = processes or _core.available_threads()
    with ProcessPoolExecutor(processes, mp_context=context) as executor:
        yield executor


def run(jobs: Iterable[Job], executor: Executor) -> Tally:
    """Does all jobs and returns their counts and failures."""
    total = Tally()
    waiting: deque[Future[Tally]] = deque()
    for job in jobs:
        waiting.append(executor.submit(_work, job))
        # A job's cases are made while earlier ones run, but not all of them at once.
        if len(waiting) > WAITING:
            total += waiting.popleft().result()
    for result in waiting:
        total += result.result()
    return total
