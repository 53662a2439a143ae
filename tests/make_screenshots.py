"""Makes docs/pictures/ from the example data: the viewer, a notebook's sample, statistics.

apt install chromium chromium-driver && pip install selenium
python tests/make_screenshots.py
"""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver

import textbook_fast
from textbook_fast.viewer.server import Viewer

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "pictures"
COLORS = 64


def browser() -> Any:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = shutil.which("chromedriver") or "chromedriver"
    return webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=driver)
    )


def take(chrome: Any, url: str, name: str, size: tuple[int, int], theme: str) -> None:
    """Photographs a page, in few colors."""
    feature = {"name": "prefers-color-scheme", "value": theme}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    chrome.get(url)
    chrome.execute_async_script(
        "const done = arguments[0]; const images = [...document.images];"
        "images.forEach((image) => { image.loading = 'eager'; });"
        "Promise.all(images.map((image) => image.decode())).then(() => done());"
    )
    # The folder is of no interest, and another one each time.
    chrome.execute_script(
        "document.querySelectorAll('aside td').forEach((cell) => {"
        "  cell.textContent = cell.textContent.replace(/^\\/.*\\//, '/data/'); })"
    )
    picture = Image.open(io.BytesIO(chrome.get_screenshot_as_png())).convert("RGB")
    few = picture.quantize(COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(OUT / f"{name}.png", optimize=True)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "example_data"
        shutil.copytree(ROOT / "example_data", folder)
        ds = textbook_fast.open(folder / "textbook_sample_100.json", on_error="mark")
        note = "<!DOCTYPE html><meta charset=utf-8><body style='font:15px sans-serif'>"
        (Path(scratch) / "note.html").write_text(note + ds[0]._repr_html_(), encoding="utf-8")
        statistics = ds.statistics(similarity=200).to_html()
        (Path(scratch) / "statistics.html").write_text(statistics, encoding="utf-8")
        viewer = Viewer(ds)
        thread = threading.Thread(target=viewer.serve, kwargs={"open_browser": False})
        thread.start()
        chrome = browser()
        try:
            take(chrome, viewer.url, "viewer-browse", (900, 560), "dark")
            take(chrome, f"{viewer.url}sample/7", "viewer-sample", (900, 680), "light")
            take(chrome, f"{viewer.url}search?q=light", "viewer-search", (420, 560), "light")
            for name, height in (("note", 620), ("statistics", 680)):
                url = (Path(scratch) / f"{name}.html").as_uri()
                take(chrome, url, name.replace("note", "notebook"), (760, height), "light")
        finally:
            chrome.quit()
            viewer.close()
            thread.join()


if __name__ == "__main__":
    main()
