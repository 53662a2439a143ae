"""Search beside ripgrep and a loop over json.loads; SSIM beside scikit-image; a page of the viewer.

Results are compared first. The rounds of those who are compared take turns; each one's best
counts. Needs ripgrep (`apt install ripgrep`) and scikit-image.

    python benches/compare_looking.py --mb 1000 --rounds 7
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import textbook_fast
from textbook_fast.synthetic import write_corpus
from textbook_fast.viewer.server import Viewer

EXAMPLE = Path(__file__).resolve().parent.parent / "example_data"
BYTES_PER_SAMPLE = 20_000


def best_of(rounds: int, rivals: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The best time of each, in seconds."""
    best = dict.fromkeys(rivals, float("inf"))
    for _ in range(rounds):
        for name, run in rivals.items():
            begin = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - begin)
    return best


def ripgrep(path: Path, pattern: str, *options: str) -> int:
    """The number of lines that match: an indented file has one item on each."""
    command = ["rg", "--no-config", "--count", *options, "--", pattern, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout or 0)


def loop(ds: textbook_fast.Dataset, pattern: str) -> int:
    """What users write: each record parsed, each text looked at."""
    return sum(
        text is not None and pattern in text
        for index in range(len(ds))
        for text in json.loads(ds.record(index))["texts"]
    )


def ours(ds: textbook_fast.Dataset, pattern: str, *, regex: bool, ignore_case: bool) -> int:
    """In both lists, as ripgrep sees both."""
    return sum(
        1
        for field in ("texts", "text_ocr_list")
        for _ in ds.search(pattern, field=field, regex=regex, ignore_case=ignore_case)
    )


def compare_search(megabytes: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.json"
        write_corpus(path, max(10, megabytes * 1_000_000 // BYTES_PER_SAMPLE), layout="indent")
        ds = textbook_fast.open(path, decode="never")
        text = next(text for text in ds[len(ds) // 2].texts if text is not None)
        rare = text[10:34]
        size = path.stat().st_size
        print(f"{size / 1e6:,.0f} MB, {len(ds):,} samples")
        patterns = [
            ("a literal", rare, False, False, ("--fixed-strings",)),
            ("the same, case ignored", rare, False, True, ("--fixed-strings", "--ignore-case")),
            ("a regular expression", f"{rare[:12]}.{{0,3}}{rare[15:]}", True, False, ()),
        ]
        for name, pattern, regex, ignore_case, options in patterns:
            counts = (ours(ds, pattern, regex=regex, ignore_case=ignore_case),
                      ripgrep(path, pattern, *options))  # fmt: skip
            assert counts[0] == counts[1] > 0, counts
            best = best_of(rounds, {
                "rg": lambda p=pattern, o=options: ripgrep(path, p, *o),  # type: ignore[misc]
                "ours": lambda p=pattern, r=regex, i=ignore_case: sum(  # type: ignore[misc]
                    1 for _ in ds.search(p, regex=r, ignore_case=i)
                ),
            })  # fmt: skip
            print(
                f"{name}: ripgrep {size / best['rg'] / 1e9:.2f} GB/s, ours "
                f"{size / best['ours'] / 1e9:.2f} GB/s, {best['rg'] / best['ours']:.2f} x; "
                f"{counts[0]} lines"
            )
        begin = time.perf_counter()
        found = loop(ds, rare)
        python = time.perf_counter() - begin
        best = best_of(rounds, {"ours": lambda: sum(1 for _ in ds.search(rare, ignore_case=False))})
        assert found == sum(1 for _ in ds.search(rare, ignore_case=False))
        print(
            f"a loop over json.loads: {size / python / 1e9:.3f} GB/s; ours "
            f"{python / best['ours']:.0f} x"
        )


def compare_similarity(rounds: int) -> None:
    from skimage.metrics import structural_similarity

    folder = os.environ.get("TEXTBOOK_FAST_KEYFRAMES") or EXAMPLE / "sample_100_images"
    files = sorted(Path(folder).rglob("*.jpg"))[:8]
    pictures = [textbook_fast.decode_jpeg(file.read_bytes(), color="gray") for file in files]
    pictures = [picture for picture in pictures if picture.shape == pictures[0].shape]
    pairs = list(itertools.combinations(pictures, 2))
    for a, b in pairs:
        difference = structural_similarity(a, b) - textbook_fast.structural_similarity(a, b)
        assert abs(difference) < 1e-4, difference
    best = best_of(rounds, {
        "scikit-image": lambda: [structural_similarity(a, b) for a, b in pairs],
        "ours": lambda: [textbook_fast.structural_similarity(a, b) for a, b in pairs],
    })  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        names = [f"v@{k}_{k + 1}#1.jpg" for k in range(len(pictures))]
        for name, file in zip(names, files, strict=False):
            (Path(scratch) / name).symlink_to(file.resolve())
        store = textbook_fast._core.ImageStore([scratch])
        whole = best_of(
            rounds, {"s": lambda: textbook_fast._core.compare_images(store, [names], 1)}
        )
    height, width = pictures[0].shape
    print(
        f"SSIM, {len(pairs)} pairs of {width} x {height}, one thread: scikit-image "
        f"{best['scikit-image'] / len(pairs) * 1e3:.1f} ms a pair, ours "
        f"{best['ours'] / len(pairs) * 1e3:.2f} ms, {best['scikit-image'] / best['ours']:.0f} x; a "
        f"sample's {len(pictures)} images, decoded once, all pairs: {whole['s'] * 1e3:.1f} ms, "
        f"{best['scikit-image'] / whole['s']:.0f} x scikit-image without decoding"
    )


def measure_viewer(rounds: int) -> None:
    """Through a real server on loopback: by six connections, as a browser has, and in one."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "samples.json"
        copy.write_bytes((EXAMPLE / "textbook_sample_100.json").read_bytes())
        ds = textbook_fast.open(copy, images=EXAMPLE / "sample_100_images", on_error="mark")
        index = max(range(len(ds)), key=lambda k: ds[k].image_num or 0)
        images = [k for k, path in enumerate(ds[index].image_paths) if path is not None]
        viewer = Viewer(ds)
        thread = threading.Thread(target=viewer.serve, kwargs={"open_browser": False})
        thread.start()
        try:
            with ThreadPoolExecutor(6) as pool:

                def fetch(path: str) -> int:
                    with urlopen(f"{viewer.url}{path}") as answer:  # noqa: S310
                        return len(answer.read())

                def show() -> None:
                    assert fetch(f"sample/{index}")
                    assert all(pool.map(fetch, [f"image/{index}/{k}" for k in images]))

                best = best_of(rounds, {"page": show})["page"]
            print(f"viewer: a page and its {len(images)} images over loopback: {best * 1e3:.1f} ms")
            in_browser(f"{viewer.url}sample/{index}", len(images), rounds)
        finally:
            viewer.close()
            thread.join()


# When there is something on the screen, when all that the window shows has come, and how many
# images that is (others are loaded as one scrolls).
PAINTED = """
const [page] = performance.getEntriesByType("navigation");
const [paint] = performance.getEntriesByName("first-contentful-paint");
const ends = performance.getEntriesByType("resource").map((entry) => entry.responseEnd);
const shown = [...document.images].filter((image) => image.complete && image.naturalWidth);
return [paint.startTime, Math.max(page.domContentLoadedEventEnd, ...ends), shown.length];
"""


def in_browser(url: str, images: int, rounds: int) -> None:
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        print("no chromium and chromium-driver: the viewer is not measured in a browser")
        return
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=driver)
    )
    try:
        times = []
        for _ in range(rounds + 1):
            browser.execute_cdp_cmd("Network.clearBrowserCache", {})
            browser.get(url)
            time.sleep(0.5)  # what is painted is told a little later
            times.append(browser.execute_script(PAINTED))
        shown = [min(column) for column in zip(*times[1:], strict=True)]
        print(
            f"in chromium, of {images} images the {shown[2]:.0f} near the window: first painted "
            f"after {shown[0]:.0f} ms, loaded with those images after {shown[1]:.0f} ms "
            f"(worst of {rounds}: {max(row[1] for row in times[1:]):.0f} ms)"
        )
    finally:
        browser.quit()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mb", type=int, default=1000, help="size of the corpus; 0 for no search")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.mb:
        compare_search(options.mb, options.rounds)
    compare_similarity(options.rounds)
    measure_viewer(options.rounds)


if __name__ == "__main__":
    main()
