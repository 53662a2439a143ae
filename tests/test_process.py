"""Threads, fork, spawn: a process is left as it was found."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import textbook_fast
from textbook_fast import Dataset, decode_jpegs
from textbook_fast.threads import choose_threads


def threads_of_this_process() -> int:
    return len(os.listdir("/proc/self/task"))


def in_child(body: Callable[[], bool], timeout: float = 60) -> None:
    """Runs `body` in a forked child; fails if it fails or hangs."""
    with warnings.catch_warnings():
        # Where other Python threads run, CPython 3.12 and later warn of any fork.
        if threading.active_count() > 1:
            warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if body() else 2
        finally:
            os._exit(code)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    pytest.fail("the forked child hangs")


@pytest.fixture
def encoded(keyframe_files: list[Path]) -> list[bytes]:
    return [path.read_bytes() for path in keyframe_files[:24]]


def test_a_fork_leaves_one_thread_and_no_warning(encoded: list[bytes]) -> None:
    expected = decode_jpegs(encoded, threads=4)
    assert threads_of_this_process() > threading.active_count()
    if threading.active_count() == 1:
        # filterwarnings = error: CPython's warning of threads at a fork would raise here.
        in_child(lambda: threads_of_this_process() == 1)

    def decodes() -> bool:
        again = decode_jpegs(encoded, threads=4)
        return all(np.array_equal(a, b) for a, b in zip(again, expected, strict=True))

    in_child(decodes)
    assert decodes()


def test_a_fork_while_others_decode_and_index_leaves_a_child_that_decodes(
    encoded: list[bytes], tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus.json"
    corpus.write_bytes(b"[" + b",\n".join([b'{"images": ["a", null]}'] * 400_000) + b"]")
    expected = decode_jpegs(encoded[:4], threads=1)
    stop = threading.Event()
    failures: list[BaseException] = []

    def keep(work: Callable[[], object]) -> threading.Thread:
        def body() -> None:
            try:
                while not stop.is_set():
                    work()
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        return thread

    workers = [
        keep(lambda: decode_jpegs(encoded, threads=3)),
        keep(lambda: decode_jpegs(encoded[:3], threads=2)),
        keep(lambda: textbook_fast.dataset.open_unkept(corpus, threads=2)),
    ]

    def decodes() -> bool:
        again = decode_jpegs(encoded[:4], threads=3)
        small = textbook_fast.dataset.open_unkept(corpus, threads=2)
        same = all(np.array_equal(a, b) for a, b in zip(again, expected, strict=True))
        return same and len(small) == 400_000

    try:
        for _ in range(15):
            in_child(decodes)
    finally:
        stop.set()
        for worker in workers:
            worker.join(60)
    assert not failures
    assert not any(worker.is_alive() for worker in workers)


def test_forks_from_several_threads(encoded: list[bytes]) -> None:
    failures: list[BaseException] = []

    def forks() -> None:
        try:
            for _ in range(5):
                in_child(lambda: len(decode_jpegs(encoded[:2], threads=2)) == 2)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    workers = [threading.Thread(target=forks) for _ in range(3)]
    for worker in workers:
        worker.start()
    decode_jpegs(encoded, threads=2)
    for worker in workers:
        worker.join(120)
    assert not failures


def _sums(ds: Dataset) -> list[int]:
    return [int(image.sum()) for image in ds[3].images if isinstance(image, np.ndarray)]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_of_every_kind_decode(example: Dataset, method: str) -> None:
    expected = _sums(example)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_sums, [example] * 4) == [expected] * 4


def test_many_python_threads_share_a_dataset(example: Dataset) -> None:
    expected = [_sums(example[k:]) for k in range(10)]
    results: dict[int, list[int]] = {}
    workers = [
        threading.Thread(target=lambda k=k: results.update({k: _sums(example[k:])}))
        for k in range(10)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [results[k] for k in range(10)] == expected


def test_how_many_threads_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEXTBOOK_FAST_THREADS", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    available, reason = choose_threads(None)
    assert available == textbook_fast.threads.available_threads() <= len(os.sched_getaffinity(0))
    assert "affinity" in reason
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(available))
    assert choose_threads(None)[0] == 1
    monkeypatch.setenv("TEXTBOOK_FAST_THREADS", "7")
    assert choose_threads(None) == (7, "TEXTBOOK_FAST_THREADS")
    assert choose_threads(3) == (3, "threads argument")
    for wrong in ("0", "many", "-1"):
        monkeypatch.setenv("TEXTBOOK_FAST_THREADS", wrong)
        with pytest.raises(ValueError, match="TEXTBOOK_FAST_THREADS must be an integer"):
            choose_threads(None)


def test_ctrl_c_stops_a_pass_and_leaves_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.json"
    corpus.write_bytes(b"[" + b'{"a": [1, 2, 3]},\n' * 3_000_000 + b"{}]")
    code = (
        "import os, signal, threading, textbook_fast\n"
        "threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    while True:\n"
        f"        textbook_fast.dataset.open_unkept({str(corpus)!r}, threads=1)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped', len(os.listdir('/proc/self/task')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("stopped"), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.json"]


def test_errors_cross_process_borders(example: Dataset) -> None:
    for error in (
        textbook_fast.ImageNotFoundError("m", image="a.jpg", reason="r", kind="missing").at(3, 4),
        textbook_fast.RecordError("m", offset=9).at(1, ("p", 2)),
        textbook_fast.TruncatedError("m", path="p", offset=1, records=2, end_of_last=3),
        textbook_fast.JpegError("m", kind="cut", offset=7, index=1),
        textbook_fast.SourceNotFoundError("m", path="p", errno=2),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    with pytest.raises(IndexError) as caught:
        _ = example[1000]
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), IndexError)
