"""The viewer in a real browser: Debian's chromium, driven by selenium."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import textbook_fast
from textbook_fast.viewer.server import Viewer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = color.slice(0, 3).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color.length === 3 || color[3] > 0) return color;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("h1, h2, p, a, th, td, span, summary, mark, button, figcaption")]
  .filter((element) => element.innerText && element.getClientRects().length)
  .map((element) => {
    const pair = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  });
"""
# What a screen reader has no name for.
NAMELESS = """
return [...document.querySelectorAll("a, button, input, select, img")].filter((element) => {
  if (element.type === "hidden") return false;
  if (element.tagName === "IMG") return !element.hasAttribute("alt");
  const label = element.labels && element.labels.length ? element.labels[0].innerText : "";
  const within = element.querySelector("img[alt]");
  return !(element.innerText || label || element.ariaLabel || (within && within.alt)).trim();
}).map((element) => element.outerHTML);
"""


@pytest.fixture(scope="module")
def viewer(example_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    folder = tmp_path_factory.mktemp("viewed")
    copy = folder / "textbook_sample_100.json"
    copy.write_bytes((example_data / copy.name).read_bytes())
    for file in (example_data / "video_meta_data").glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    ds = textbook_fast.open(copy, images=example_data / "sample_100_images", on_error="mark")
    viewer = Viewer(ds)
    thread = threading.Thread(target=viewer.serve, kwargs={"open_browser": False})
    thread.start()
    yield viewer
    viewer.close()
    thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium and chromium-driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    browser = webdriver.Chrome(options=options, service=service)
    yield browser
    browser.quit()


@pytest.fixture
def show(browser: Any, viewer: Viewer) -> Callable[..., None]:
    """Opens a page in a theme and a width, and waits for its images."""

    def show(path: str, *, theme: str = "light", width: int = 1100) -> None:
        feature = {"name": "prefers-color-scheme", "value": theme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(viewer.url + path)

    return show


def wait(condition: Callable[[], Any]) -> Any:
    patience = time.monotonic() + 20
    while True:
        value = condition()
        if value or time.monotonic() > patience:
            return value
        time.sleep(0.05)


PAGES = ("", "sample/3?ocr=1", "sample/3?view=grid", "search?q=light", "sample/1000")


@pytest.mark.parametrize("width", [1100, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_can_be_read(
    show: Callable[..., None], browser: Any, path: str, theme: str, width: int
) -> None:
    show(path, theme=theme, width=width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    contrasts = browser.execute_script(CONTRAST)
    assert len(contrasts) > 5
    assert min(contrasts) >= 4.5
    assert browser.execute_script(NAMELESS) == []
    dark = browser.execute_script(
        "return getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)'"
    )
    assert dark == (theme == "dark")


def test_images_are_on_the_screen(show: Callable[..., None], browser: Any) -> None:
    script = "return [...document.images].map((image) => image.complete && image.naturalWidth)"
    for path in ("sample/3", "sample/3?view=grid"):
        show(path)
        widths = wait(lambda: all(found := browser.execute_script(script)) and found)
        assert widths
        assert min(widths) >= 480


def test_a_sample_is_there_at_once(show: Callable[..., None], browser: Any) -> None:
    """Of the page and all its images, the time from the request to the last byte."""
    show("sample/3")
    show("sample/4")
    script = """
        const [page] = performance.getEntriesByType("navigation");
        const images = performance.getEntriesByType("resource").filter((it) => it.initiatorType === "img");
        return [page.responseEnd - page.requestStart, images.length,
                Math.max(...images.map((it) => it.responseEnd - it.requestStart))];
    """
    page, count, _ = wait(lambda: (found := browser.execute_script(script))[1] > 0 and found)
    assert count > 0
    assert page < 5000  # a shared machine; what is typical is in docs/benchmarks.md


def test_keys_turn_the_pages(show: Callable[..., None], browser: Any) -> None:
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    show("sample/3?keyword=")

    def press(key: str, path: str) -> None:
        browser.find_element("tag name", "body").send_keys(key)
        assert wait(lambda: browser.current_url.split("/", 3)[3] == path), browser.current_url

    press(keys.ARROW_RIGHT, "sample/4")
    press("n", "sample/5")
    press(keys.ARROW_LEFT, "sample/4")
    press("p", "sample/3")
    show("sample/3")
    field = browser.find_element("id", "q")
    field.send_keys("n" + keys.ARROW_LEFT)
    time.sleep(0.3)
    assert browser.current_url.endswith("/sample/3")
    field.send_keys(keys.ENTER)
    assert wait(lambda: "/search?q=n" in browser.current_url)


def test_search_leads_to_the_text(show: Callable[..., None], browser: Any) -> None:
    show("search?q=valley")
    browser.find_element("css selector", ".hits a").click()
    wait(lambda: "/sample/" in browser.current_url)
    item = browser.find_element("id", browser.current_url.rsplit("#", 1)[1])
    assert "valley" in item.text.lower()
    show("")
    field = browser.find_element("id", "to")
    field.send_keys("-1")
    field.submit()
    assert wait(lambda: browser.current_url.endswith("/sample/99"))


def test_the_theme_can_be_chosen_and_is_kept(show: Callable[..., None], browser: Any) -> None:
    show("")
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(ground)
    button = browser.find_element("id", "theme")
    assert button.get_attribute("aria-label") == "Change to dark"
    button.click()
    assert browser.execute_script(ground) != light
    show("sample/3")
    assert browser.execute_script(ground) != light
    browser.find_element("id", "theme").click()
    assert browser.execute_script(ground) == light
    browser.execute_script("localStorage.clear()")


def test_nothing_is_refused_or_missing(show: Callable[..., None], browser: Any) -> None:
    browser.get_log("browser")
    for path in PAGES[:-1]:
        show(path)
        time.sleep(0.2)
    assert browser.get_log("browser") == []


def test_a_page_of_its_own_needs_nothing_else(
    browser: Any, example_data: Path, tmp_path: Path
) -> None:
    from textbook_fast.cli import main

    copy = tmp_path / "samples.json"
    copy.write_bytes((example_data / "textbook_sample_100.json").read_bytes())
    images = ["--images", str(example_data / "sample_100_images")]
    page, statistics = tmp_path / "page.html", tmp_path / "statistics.html"
    assert main(["view", str(copy), *images, "--html", str(page), "--samples", "0-4"]) == 0
    assert main(["stats", str(copy), *images, "--html", str(statistics)]) == 0
    browser.get_log("browser")
    for file in (page, statistics):
        browser.get(file.as_uri())
        entries = browser.execute_script(
            "return performance.getEntriesByType('resource').map((it) => it.name)"
        )
        assert all(name.startswith("data:") for name in entries)
        assert min(browser.execute_script(CONTRAST)) >= 4.5
        assert browser.get_log("browser") == []
