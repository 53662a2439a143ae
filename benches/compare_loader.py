"""The Loader beside the peers, interleaved; what it adds to decoding; what a resume and slow
reads cost. Prints tables.

    python benches/compare_loader.py [--samples 96] [--rounds 5] [--only rates ...]

Pictures are the keyframes in TEXTBOOK_FAST_KEYFRAMES (else the example data's), linked
under names of the dataset's form, in the page cache. Each becomes (3, 336, 336) float32,
bicubic, normalized as CLIP's. Two threads, or two worker processes. Peers that are not
installed are named and left out; those whose pixels are not Pillow's, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import textbook_fast
from textbook_fast import ImageTransform, Loader, _core
from textbook_fast.synthetic import PREFIX, link_images, write_corpus

ROOT = Path(__file__).resolve().parent.parent
SIZE = 336
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
BATCH = 8
Array = NDArray[np.float32]


def transform(gap: float | None = None) -> ImageTransform:
    return ImageTransform(
        size=SIZE,
        filter="bicubic",
        layout="CHW",
        dtype="float32",
        mean=MEAN,
        std=STD,
        reducing_gap=gap,
    )


# --- the peers: map-style datasets for a DataLoader, or iterables of lists of arrays


def normalized(pixels: NDArray[np.uint8]) -> Array:
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)
    scaled = pixels.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(((scaled - mean) / std).transpose(2, 0, 1))


def by_pillow(path: str) -> Array:
    from PIL import Image

    image = Image.open(path).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return normalized(np.asarray(image))


def by_pillow_draft(path: str) -> Array:
    from PIL import Image

    image = Image.open(path)
    image.draft("RGB", (2 * SIZE, 2 * SIZE))
    return normalized(
        np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    )


def by_torchvision(path: str) -> Array:
    import torch
    from torchvision.io import decode_jpeg, read_file
    from torchvision.transforms.v2 import functional as f

    pixels = f.resize(decode_jpeg(read_file(path)), [SIZE, SIZE], f.InterpolationMode.BICUBIC)
    scaled = f.to_dtype(pixels, torch.float32, scale=True)
    array: Array = f.normalize(scaled, list(MEAN), list(STD)).numpy()
    return array


def by_torchcodec(path: str) -> Array:
    import torch
    from torchcodec.decoders import decode_jpeg
    from torchvision.transforms.v2 import functional as f

    pixels = f.resize(decode_jpeg(path), [SIZE, SIZE], f.InterpolationMode.BICUBIC)
    scaled = f.to_dtype(pixels, torch.float32, scale=True)
    array: Array = f.normalize(scaled, list(MEAN), list(STD)).numpy()
    return array


def by_simplejpeg(path: str) -> Array:
    import cv2
    import simplejpeg

    pixels = simplejpeg.decode_jpeg(Path(path).read_bytes())
    return normalized(cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA))


class Files:
    """The dataset as its users read it today: json.load, the prefix patched."""

    def __init__(self, corpus: Path, images: Path, read: Callable[[str], Array]) -> None:
        records = json.loads(corpus.read_text())
        self.paths = [
            [path.replace(PREFIX, str(images)) for path in record["images"] if path]
            for record in records
        ]
        self.read = read

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> list[Array]:
        return [self.read(path) for path in self.paths[index]]


def data_loader(dataset: Any) -> Callable[[], int]:
    from torch.utils.data import DataLoader

    loader = DataLoader(
        dataset, batch_size=BATCH, num_workers=2, collate_fn=list, persistent_workers=True
    )
    return lambda: sum(len(sample) for batch in loader for sample in batch)


def hugging_face(corpus: Path, images: Path) -> Callable[[], int]:
    import datasets

    files = Files(corpus, images, by_pillow)
    table = datasets.Dataset.from_dict({"paths": files.paths})

    def read(rows: dict[str, Any]) -> dict[str, Any]:
        return {"images": [[by_pillow(path) for path in paths] for paths in rows["paths"]]}

    from torch.utils.data import DataLoader

    loader: Any = DataLoader(
        table.with_transform(read),  # type: ignore[arg-type,unused-ignore]
        batch_size=BATCH,
        num_workers=2,
        collate_fn=list,
        persistent_workers=True,
    )
    return lambda: sum(len(row["images"]) for batch in loader for row in batch)


def web_dataset(corpus: Path, tar: Path) -> Callable[[], int]:
    """Streams the tar, two workers, PIL; samples are single images there."""
    import webdataset
    from PIL import Image
    from torch.utils.data import DataLoader

    shards = [str(tar.with_name(f"shard_{number}.tar")) for number in range(2)]
    with tarfile.open(tar) as archive:
        members = archive.getmembers()
        for number, shard in enumerate(shards):
            with tarfile.open(shard, "w") as out:
                for at, member in enumerate(members[number::2]):
                    source = archive.extractfile(member)
                    member.name = f"{at:06}.jpg"
                    out.addfile(member, source)
    assert corpus

    def read(sample: dict[str, bytes]) -> Array:
        import io

        image = Image.open(io.BytesIO(sample["jpg"])).convert("RGB")
        return normalized(np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)))

    stream = webdataset.WebDataset(shards, shardshuffle=False).map(read)
    loader: Any = DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=True)
    return lambda: sum(1 for _ in loader)


def tar_file(archive: Path) -> Callable[[], int]:
    """Streams the gzipped tar; each of two workers inflates all of it, and takes half."""
    from PIL import Image
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info

    class Members(IterableDataset):  # type: ignore[misc,type-arg,unused-ignore]
        def __iter__(self) -> Iterator[Array]:
            worker = get_worker_info()
            with tarfile.open(archive, "r|gz") as tar:
                for at, member in enumerate(m for m in tar if m.isfile()):
                    if worker is not None and at % worker.num_workers == worker.id:
                        file = tar.extractfile(member)
                        image = Image.open(file).convert("RGB")  # type: ignore[arg-type]
                        small = image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
                        yield normalized(np.asarray(small))

    loader: Any = DataLoader(Members(), batch_size=None, num_workers=2, persistent_workers=True)
    return lambda: sum(1 for _ in loader)


def spdl(corpus: Path, images: Path) -> Callable[[], int]:
    """FFmpeg's decoder and scaler, in two threads of this process, as its pipelines do."""
    import spdl.io

    files = Files(corpus, images, by_pillow)
    desc = spdl.io.get_video_filter_desc(
        scale_width=SIZE, scale_height=SIZE, scale_mode=None, scale_algo="bicubic"
    )

    def read(path: str) -> Array:
        return normalized(spdl.io.to_numpy(spdl.io.load_image(path, filter_desc=desc)))

    pool = ThreadPoolExecutor(2)
    paths = [path for of_sample in files.paths for path in of_sample]
    return lambda: sum(image.shape == (3, SIZE, SIZE) for image in pool.map(read, paths))


def datago(images: Path) -> Callable[[], int]:
    """Single images of the folder in an order of its own; cropped to a near aspect ratio."""
    from datago import DatagoClient

    count = sum(1 for _ in images.rglob("*.jpg"))
    config = {
        "source_type": "file",
        "source_config": {"root_path": str(images), "rank": 0, "world_size": 1},
        "image_config": {
            "crop_and_resize": True,
            "default_image_size": SIZE,
            "downsampling_ratio": 16,
            "min_aspect_ratio": 1.0,
            "max_aspect_ratio": 1.0,
            "pre_encode_images": False,
        },
        "limit": count,
        "prefetch_buffer_size": 64,
        "samples_buffer_size": 64,
    }

    def run() -> int:
        client = DatagoClient(json.dumps(config))
        client.start()
        made = 0
        while made < count and (sample := client.get_sample()) is not None:
            made += normalized(sample.image.to_numpy_array()).shape == (3, SIZE, SIZE)
        client.stop()
        return made

    return run


# --- ours


def ours(ds: Any, threads: int = 2, **options: Any) -> Callable[[], int]:
    loader = Loader(ds, BATCH, threads=threads, **{"shuffle": True, **options})
    return lambda: count(sample for batch in loader for sample in batch)


def alone(ds: Any, threads: int = 2) -> Callable[[], int]:
    """Decode and transform of encoded bytes in memory, in the pool: no files, no samples."""
    paths = [path for sample in ds for path in sample.image_paths if path]
    encoded = [ds.read_image(path) for path in paths]
    core = ds._reader.core_transform
    folder = tempfile.TemporaryDirectory(dir="/dev/shm")
    store_paths = []
    for number, data in enumerate(encoded):
        name = f"{number}.jpg"
        (Path(folder.name) / name).write_bytes(data)
        store_paths.append(name)
    store = _core.ImageStore([folder.name])

    def run() -> int:
        assert folder
        made = 0
        for start in range(0, len(store_paths), 80):
            part = list(store_paths[start : start + 80])
            made += len(_core.load_images(store, part, threads, core))
        return made

    return run


def count(samples: Iterable[Any]) -> int:
    return sum(isinstance(i, np.ndarray) for sample in samples for i in sample.images)


# --- measuring


class Spent(NamedTuple):
    """What a body took, at best."""

    cpu: float
    wall: float


def cpu_seconds() -> float:
    """CPU time of this process and of its worker processes, so far."""
    own = os.getpid()
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # a process that has just ended
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == own:
                ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def interleaved(rounds: int, bodies: dict[str, Callable[[], int]]) -> dict[str, Spent]:
    """The least CPU and wall time of each body; they take turns, after one turn untimed."""
    spent: dict[str, list[Spent]] = {name: [] for name in bodies}
    images = {name: body() for name, body in bodies.items()}
    assert len(set(images.values())) == 1, images
    for _ in range(rounds):
        for name, body in bodies.items():
            cpu, wall = cpu_seconds(), time.perf_counter()
            body()
            spent[name].append(Spent(cpu_seconds() - cpu, time.perf_counter() - wall))
    return {
        name: Spent(min(one.cpu for one in of_one), min(one.wall for one in of_one))
        for name, of_one in spent.items()
    }


def table(title: str, spent: dict[str, Spent], samples: int, base: str) -> None:
    """Ratios are of the base's time to each one's: more is faster."""
    print(f"\n{title}\n\n| | CPU ms a sample | ratio | samples/s | ratio |\n|---|---|---|---|---|")
    for name, one in spent.items():
        cpu, wall = spent[base].cpu / one.cpu, spent[base].wall / one.wall
        print(
            f"| {name} | {1e3 * one.cpu / samples:.1f} | {cpu:.2f} "
            f"| {samples / one.wall:.1f} | {wall:.2f} |"
        )


class Corpus:
    """A corpus with its pictures in a folder and in a tar."""

    def __init__(self, folder: Path, samples: int) -> None:
        self.samples = samples
        self.json = folder / "corpus.json"
        self.images = folder / "images"
        self.tar = folder / "images.tar"
        self.tar_gz = folder / "images.tar.gz"
        frames = os.environ.get("TEXTBOOK_FAST_KEYFRAMES") or ROOT / "example_data"
        pictures = sorted(Path(frames).rglob("*.jpg"))
        write_corpus(self.json, samples)
        link_images(self.json, self.images, pictures)
        with tarfile.open(self.tar, "w", dereference=True) as tar:
            tar.add(self.images, "dataset_images_interval_7")
        subprocess.run(["gzip", "-6", "-k", str(self.tar)], check=True)

    def open(self, images: Path, gap: float | None = None) -> Any:
        """The corpus with these pictures, transformed."""
        return textbook_fast.open(self.json, images=images, transform=transform(gap))


def rates(corpus: Corpus, rounds: int) -> None:
    ds = corpus.open(corpus.images)
    path = Files(corpus.json, corpus.images, by_pillow).paths[0][0]
    same = next(i for i in ds[0].images if isinstance(i, np.ndarray))
    assert np.array_equal(same, by_pillow(path)), "the two sides differ"
    today = "today: PIL in a DataLoader, 2 workers"
    bodies = {today: data_loader(Files(corpus.json, corpus.images, by_pillow))}
    peers: dict[str, Callable[[], Callable[[], int]]] = {
        "torchvision decode + resize, 2 workers (other pixels)": lambda: data_loader(
            Files(corpus.json, corpus.images, by_torchvision)
        ),
        "simplejpeg + cv2 area, 2 workers (other pixels)": lambda: data_loader(
            Files(corpus.json, corpus.images, by_simplejpeg)
        ),
        "torchcodec decode + torchvision resize, 2 workers (other pixels)": lambda: data_loader(
            Files(corpus.json, corpus.images, by_torchcodec)
        ),
        "spdl-io, 2 threads (other pixels)": lambda: spdl(corpus.json, corpus.images),
        "datago, its threads (other pixels)": lambda: datago(corpus.images),
        "Hugging Face datasets + PIL, 2 workers": lambda: hugging_face(corpus.json, corpus.images),
        "webdataset + PIL from tar shards, 2 workers": lambda: web_dataset(corpus.json, corpus.tar),
    }
    for name, make in peers.items():
        try:
            body = make()
            body()
            bodies[name] = body
        except Exception as error:  # noqa: BLE001
            print(f"left out: {name}: {type(error).__name__}: {error}", file=sys.stderr)
    bodies["Loader, 2 threads"] = ours(ds)
    times = interleaved(rounds, bodies)
    table("From a folder to (3, 336, 336) float32, bicubic", times, corpus.samples, today)


def gaps(corpus: Corpus, rounds: int) -> None:
    ds = corpus.open(corpus.images, 2.0)
    path = Files(corpus.json, corpus.images, by_pillow).paths[0][0]
    same = next(i for i in ds[0].images if isinstance(i, np.ndarray))
    assert np.array_equal(same, by_pillow_draft(path)), "the two sides differ"
    today = "today: PIL in a DataLoader, 2 workers"
    times = interleaved(
        rounds,
        {
            today: data_loader(Files(corpus.json, corpus.images, by_pillow)),
            "PIL with draft, 2 workers": data_loader(
                Files(corpus.json, corpus.images, by_pillow_draft)
            ),
            "Loader, 2 threads, reducing_gap=2.0": ours(ds),
        },
    )
    table("With reducing_gap=2.0", times, corpus.samples, today)


def share(corpus: Corpus, rounds: int) -> None:
    ds = corpus.open(corpus.images)
    tar, tar_gz = corpus.open(corpus.tar), corpus.open(corpus.tar_gz)
    bodies: dict[str, Callable[[], int]] = {}
    for threads in (1, 2):
        word = "thread" if threads == 1 else "threads"
        bodies[f"decode and transform alone, {threads} {word}"] = alone(ds, threads)
        bodies[f"Loader, {threads} {word}"] = ours(ds, threads)
    bodies["Loader from a tar, 2 threads"] = ours(tar)
    bodies["Loader from a tar.gz, 2 threads"] = ours(tar_gz)
    times = interleaved(rounds, bodies)
    table(
        "What the Loader keeps of decoding", times, corpus.samples,
        "decode and transform alone, 2 threads",
    )  # fmt: skip


def latency(corpus: Corpus, rounds: int) -> None:
    def with_delay(images: Path, delay: float) -> Callable[[], int]:
        ds = corpus.open(images)
        positions = np.random.default_rng(1).permutation(np.tile(np.arange(corpus.samples), 3))

        def run() -> int:
            feed = _core.Feed(
                [(ds._files, ds._reader.store, ds._reader.core_transform, "raise")],
                threads=2,
                io_threads=16,
                prefetch_bytes=1 << 30,
                read_delay=delay,
            )
            feed.push(np.zeros_like(positions), positions)
            made = 0
            while (found := feed.next()) is not None:
                made += sum(isinstance(image, np.ndarray) for image in found[5] or ())
            feed.close()
            return made

        return run

    local = "no delay"
    stores = {"a folder": corpus.images, "a tar": corpus.tar, "a tar.gz": corpus.tar_gz}
    for kind, images in stores.items():
        bodies = {
            local: with_delay(images, 0),
            "5 ms before each read": with_delay(images, 0.005),
        }
        title = f"16 reading threads and slow reads from {kind}, 2 decoding"
        table(title, interleaved(rounds, bodies), 3 * corpus.samples, local)


def streams(corpus: Corpus, rounds: int) -> None:
    """From archives; the peers stream them, so every image comes once, in their order."""
    bodies = {
        "webdataset + PIL from tar shards, 2 workers": web_dataset(corpus.json, corpus.tar),
        "tarfile from the tar.gz + PIL, 2 workers": tar_file(corpus.tar_gz),
        "Loader from a folder": ours(corpus.open(corpus.images)),
        "Loader from a tar": ours(corpus.open(corpus.tar)),
        "Loader from a tar.gz": ours(corpus.open(corpus.tar_gz)),
        "Loader from a tar.gz, shuffle='block'": ours(corpus.open(corpus.tar_gz), shuffle="block"),
    }
    times = interleaved(rounds, bodies)
    base = "tarfile from the tar.gz + PIL, 2 workers"
    table("From archives, 2 threads or workers", times, corpus.samples, base)


def state(_corpus: Corpus, _rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"
        with path.open("w") as file:
            file.writelines(f'{{"images": [null], "texts": ["{k}"]}}\n' for k in range(610_000))
        loader = Loader(textbook_fast.open(path), BATCH, shuffle=True)
        saved = {**loader.state_dict(), "position": 600_000}
        times, firsts = [], []
        for _ in range(9):
            begin = time.perf_counter()
            loader.load_state_dict(saved)
            times.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            next(iter(loader))
            firsts.append(time.perf_counter() - begin)
    print(
        f"\nload_state_dict at sample 600,000 of 610,000: {1e6 * min(times):.0f} µs (worst of 9: "
        f"{1e6 * max(times):.0f} µs); the first batch after it: {1e3 * min(firsts):.1f} ms"
    )


PARTS = {
    "rates": rates,
    "gaps": gaps,
    "share": share,
    "latency": latency,
    "streams": streams,
    "state": state,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus(Path(folder), options.samples)
        for part in options.only:
            PARTS[part](corpus, options.rounds)


if __name__ == "__main__":
    main()
