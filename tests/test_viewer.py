"""The viewer's pages and its server, without a browser."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Writer, record
from flask.testing import FlaskClient

import textbook_fast
from textbook_fast.cli import main
from textbook_fast.viewer.images import media_type, thumbnail
from textbook_fast.viewer.server import Viewer, create_app

NASTY = (
    "<script>alert(1)</script> \"quoted\" & 'single' \u202eright to left\u202c \x00\x1b[31m \U0001f600"
    " \ud800 </p></li><img src=x onerror=alert(1)>"
)


def client_of(ds: textbook_fast.Dataset) -> FlaskClient:
    app = create_app(ds, hosts=["localhost"])
    app.testing = True  # an exception is the test's
    return app.test_client()


@pytest.fixture
def client(example_data: Path, tmp_path: Path) -> FlaskClient:
    folder = tmp_path / "viewed"
    folder.mkdir()
    copy = folder / "textbook_sample_100.json"
    copy.write_bytes((example_data / copy.name).read_bytes())
    for file in (example_data / "video_meta_data").glob("*.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    images = example_data / "sample_100_images"
    return client_of(textbook_fast.open(copy, images=images, on_error="mark"))


def text_of(client: FlaskClient, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, path
    return response.get_data(as_text=True)


def test_the_list_turns_pages(client: FlaskClient) -> None:
    first = text_of(client, "/")
    assert "<h1>100 samples</h1>" in first
    assert first.count('class="tf-note">') >= 24
    assert "page 1 of 5" in first
    assert 'rel="prev"' not in first
    assert 'rel="next" href="/?page=2"' in first
    last = text_of(client, "/?page=5")
    assert 'href="/sample/99"' in last
    assert 'rel="next"' not in last
    for page in ("0", "6", "-1", "9" * 40, "x", "%00"):
        text_of(client, f"/?page={page}", 404)


def test_a_sample_in_reading_order(client: FlaskClient, example: textbook_fast.Dataset) -> None:
    sample = example[3]
    page = text_of(client, "/sample/3")
    for k, (path, text) in enumerate(zip(sample.image_paths, sample.texts, strict=True)):
        assert (f'src="/image/3/{k}"' in page) == (path is not None)
        assert text is None or text.replace("'", "&#x27;") in page
    order = [int(k) for k in re.findall(r'id="item-(\d+)"', page)]
    assert order == list(range(len(sample.texts)))
    frame = next(frame for frame in sample.keyframes if frame is not None)
    assert frame.url.replace("&", "&amp;") in page
    assert f"Keyframe {frame.number} of video {frame.vid}" in page
    assert 'id="before" rel="prev" href="/sample/2"' in page
    assert 'id="after" rel="next" href="/sample/4"' in page
    assert "search_keyword" in page
    assert '<details class="tf-ocr"><summary>' in page
    assert '<details class="tf-ocr" open>' in text_of(client, "/sample/3?ocr=1")
    grid = text_of(client, "/sample/3?view=grid")
    assert grid.count('src="/thumbnail/3/') == sample.image_num
    assert 'href="/sample/4?view=grid"' in grid


def test_images_are_the_stores_bytes(client: FlaskClient, example: textbook_fast.Dataset) -> None:
    sample = example[3]
    for k, path in enumerate(sample.image_paths):
        for kind in ("image", "thumbnail"):
            response = client.get(f"/{kind}/3/{k}")
            assert (response.status_code == 200) == (path is not None)
            if path is None:
                continue
            assert response.mimetype == "image/jpeg"
            if kind == "image":
                assert response.data == sample.image_bytes(k)
            else:
                array = textbook_fast.decode_jpeg(response.data)
                assert max(array.shape) == 480


@pytest.mark.parametrize(
    "path",
    [
        "/sample/100", "/sample/-1", "/sample/99999999999999999999999999", "/sample/x",
        "/image/0/999999999999999999999999", "/image/0/-1", "/image/100/0", "/image/0/x",
        "/image/0/../../../../etc/passwd", "/image/..%2f..%2fetc%2fpasswd/0", "/image//etc/passwd",
        "/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2f..%2fcli.py",
        "/templates/base.html", "/../pyproject.toml", "/etc/passwd", "/thumbnail/0/1.5",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_no_file(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code in {400, 404, 308}
    assert b"root:" not in response.data
    assert b"import" not in response.data


def test_another_host_is_not_answered(client: FlaskClient) -> None:
    for host in ("evil.example", "localhost.evil.example", "localhost:1", "", "127.0.0.1"):
        response = client.get("/sample/0", headers={"Host": host})
        assert response.status_code == 400
        assert b"keyframe" not in response.data.lower()
    assert client.get("/sample/0", headers={"Host": "localhost"}).status_code == 200
    assert client.post("/", headers={"Host": "localhost"}).status_code == 405


def test_nothing_comes_from_elsewhere(client: FlaskClient) -> None:
    for path in ("/", "/sample/0", "/search?q=light", "/sample/1000", "/style.css"):
        response = client.get(path)
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; img-src 'self'; style-src 'self'; ")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        page = response.get_data(as_text=True)
        assert not re.search(r"(src|action)=\"?(https?:)?//", page)
        assert "<style" not in page
        assert " onclick" not in page


def test_search(client: FlaskClient, example: textbook_fast.Dataset) -> None:
    page = text_of(client, "/search?q=light")
    hits = list(example.search("light"))
    assert len(hits) > 5
    assert f"{len(hits)} hit" in page
    for hit in hits:
        assert f'href="/sample/{hit.sample}#item-{hit.item}"' in page
    assert page.lower().count("<mark>light</mark>") == len(hits)
    assert "0 hits" in text_of(client, "/search?q=LIGHT&case=1")
    assert "there may be more" in text_of(client, "/search?q=[ae]&regex=1&field=text_ocr_list")
    assert "unclosed character class" in text_of(client, "/search?q=[ae&regex=1", 400)
    assert "<script>" not in text_of(client, "/search?q=%3Cscript%3Ealert(1)")
    assert "hits" not in text_of(client, "/search")


def test_jumps(client: FlaskClient, example: textbook_fast.Dataset) -> None:
    def target(to: str) -> str:
        response = client.get("/jump", query_string={"to": to})
        assert response.status_code == 302
        return response.headers["Location"]

    assert target("42") == "/sample/42"
    assert target("-1") == "/sample/99"
    vid = next(frame.vid for frame in example[7].keyframes if frame is not None)
    first = next(iter(example.of_videos([vid]))).index
    assert target(vid) == f"/sample/{first}"
    for to in ("100", "-101", "nothing", "../etc", "//evil.example", ""):
        page = text_of(client, f"/jump?to={to}", 404)
        assert "There is no sample" in page or "No sample has" in page


def test_filters(client: FlaskClient, example_data: Path) -> None:
    records = [
        item
        for file in (example_data / "video_meta_data").glob("*.json")
        for item in json.loads(file.read_text(encoding="utf-8"))
    ]
    page = text_of(client, "/?keyword=mathematics")
    assert "of 100</h1>" in page
    query = "?keyword=mathematics"
    assert f'href="/sample/0{query}"' in page or 'href="/sample/' in page
    (first, second) = [int(index) for index in re.findall(r'href="/sample/(\d+)\?', page)][:2]
    shown = text_of(client, f"/sample/{first}{query}")
    assert f'rel="next" href="/sample/{second}{query}"' in shown
    languages = {item["language"] for item in records}
    for language in languages:
        assert f'<option value="{language}"' in page
    assert "0 samples of 100" in text_of(client, "/?language=xx")
    assert "0 samples of 100" in text_of(client, "/?score=llama&least=11")
    assert "100 samples of 100" in text_of(client, "/?score=llama&least=0")
    assert "the least score is a number" in text_of(client, "/?least=x", 400)
    # A sample that the filter leaves out is shown all the same, between its neighbors.
    assert 'rel="next"' in text_of(client, "/sample/0?keyword=physics")


def test_without_video_records(example: textbook_fast.Dataset) -> None:
    client = client_of(example)
    assert "There is no filter by video: no video_meta_data*.json" in text_of(client, "/")
    assert "There is no record of this video." in text_of(client, "/sample/0")
    assert "no video_meta_data*.json was found" in text_of(client, "/?language=en", 400)


def test_a_file_that_changed_is_told(write_json: Writer) -> None:
    path = write_json([record(text="x")])
    client = client_of(textbook_fast.open(path))
    path.write_bytes(path.read_bytes() + b" ")
    for page in ("/sample/0", "/search?q=x", "/"):
        assert "has changed since it was opened" in text_of(client, page, 500)


def test_a_view_has_its_own_indices(example: textbook_fast.Dataset) -> None:
    view = example[10:20]
    client = client_of(view)
    assert "<h1>10 samples</h1>" in text_of(client, "/")
    page = text_of(client, "/sample/0")
    assert "Sample 10" in page
    k = next(k for k, path in enumerate(view[0].image_paths) if path is not None)
    assert f'src="/image/0/{k}"' in page
    assert client.get(f"/image/0/{k}").data == view[0].image_bytes(k)
    text_of(client, "/sample/10", 404)


@pytest.fixture
def nasty(write_json: Writer, tmp_path: Path, keyframe_files: list[Path]) -> textbook_fast.Dataset:
    """Text that is no text, images that are none, a broken record, a line of 1 MB."""
    root = tmp_path / "images"
    root.mkdir()
    (root / "good@0_1#1.jpg").write_bytes(keyframe_files[0].read_bytes())
    (root / "svg@0_1#1.jpg").write_text("<svg onload='alert(1)'/>")
    (root / "cut@0_1#1.jpg").write_bytes(keyframe_files[0].read_bytes()[:500])
    rows = record("good@0_1#1.jpg", "svg@0_1#1.jpg", "cut@0_1#1.jpg", "no@0_1#1.jpg", "../x.jpg")
    rows["texts"][1] = rows["text_ocr_list"][1] = NASTY
    rows["text_ocr_list"][3] = NASTY + "read"
    rows["metadata"] = NASTY
    rows[NASTY[:20]] = 1
    records = [
        rows,
        record(*["good@0_1#1.jpg"] * 500),
        record(text="x"),
        {"images": [None, None], "texts": ["y" * 1_000_000, "\u0645\u0631\u062d\u0628\u0627"]},
    ]
    body = json.dumps(records)[:-1] + ', {"images": 3}]'
    return textbook_fast.open(write_json(body), images=root, on_error="mark")


def test_hostile_text_is_text(nasty: textbook_fast.Dataset) -> None:
    client = client_of(nasty)
    pages = [text_of(client, path) for path in ("/", "/sample/0", "/sample/0?view=grid")]
    pages += [text_of(client, "/search?q=script"), nasty[0]._repr_html_(), nasty._repr_html_()]
    for page in pages:
        assert "<script>alert" not in page
        assert "onerror=alert(1)>" not in page
        assert "\x00" not in page
        assert "\x1b" not in page
        assert "\ud800" not in page
    reading = pages[1]
    assert "&lt;script&gt;alert(1)" in reading
    assert "␀␛[31m" in reading
    assert "\U0001f600" in reading
    assert reading.count('dir="auto"') > 5


def test_missing_images_are_shown_as_missing_with_the_reason(nasty: textbook_fast.Dataset) -> None:
    client = client_of(nasty)
    for page in (text_of(client, "/sample/0"), text_of(client, "/sample/0?view=grid")):
        assert "Keyframe 1 of video no at 0:00 cannot be shown: not found in" in page
        assert "it has a component &#x27;..&#x27;" in page
    for k, status in ((0, 200), (2, 404), (4, 200), (6, 404), (8, 404)):
        assert client.get(f"/image/0/{k}").status_code == status
    assert b"cut" in client.get("/thumbnail/0/4").data.lower()
    html = nasty[0]._repr_html_()
    assert html.count("cannot be shown") == 4
    assert html.count("data:image/jpeg;base64,") == 1


def test_large_and_broken_samples(nasty: textbook_fast.Dataset) -> None:
    client = client_of(nasty)
    assert text_of(client, "/sample/1").count("<img") == 500
    long = text_of(client, "/sample/3")
    assert "<details><summary>980,000 more characters</summary>" in long
    assert long.count("y") > 1_000_000
    assert "field &#x27;images&#x27;: expected a list" in text_of(client, "/sample/4")
    assert "expected a list" in text_of(client, "/")
    html = nasty[1]._repr_html_()
    assert len(html) < 2_500_000
    assert "data:image/jpeg;base64," in html
    assert "expected a list" in nasty[4]._repr_html_()
    assert "980,000 more characters" in nasty[3]._repr_html_()
    assert len(nasty[3]._repr_html_()) < 100_000


def test_a_notebook_shows_samples_and_datasets(example: textbook_fast.Dataset) -> None:
    sample = example[3]
    html = sample._repr_html_()
    assert html.count("data:image/jpeg;base64,") == sample.image_num
    assert "YouTube at" in html
    assert 'src="http' not in html
    assert "<script" not in html
    html = example._repr_html_()
    assert "<strong>100 samples</strong> of textbook_sample_100.json" in html
    assert html.count("data:image/jpeg;base64,") == 3
    assert "and 97 more" in html
    assert len(repr(sample)) < 200
    assert len(repr(example)) < 200
    assert "<strong>0 samples</strong>" in example[:0]._repr_html_()


def test_thumbnails(keyframe_files: list[Path]) -> None:
    data = keyframe_files[0].read_bytes()
    assert max(textbook_fast.decode_jpeg(thumbnail(data, 100)).shape) == 100
    png = b"\x89PNG\r\n\x1a\nrest"
    assert thumbnail(png) == png
    for broken in (b"", b"<svg/>", data[:300]):
        with pytest.raises(textbook_fast.JpegError):
            thumbnail(broken)
    assert media_type(b"RIFF1234WEBP") == "image/webp"
    assert media_type(b"<svg") is None


@pytest.fixture
def viewer(example: textbook_fast.Dataset) -> Iterator[Viewer]:
    viewer = Viewer(example)
    thread = threading.Thread(target=viewer.serve, kwargs={"open_browser": False})
    thread.start()
    yield viewer
    viewer.close()
    thread.join(10)
    assert not thread.is_alive()


def test_the_server_answers_on_this_machine_alone(viewer: Viewer) -> None:
    port = int(viewer.url.rsplit(":", 1)[1].strip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def get(path: str, host: str | None = None) -> tuple[int, bytes]:
        connection.request("GET", path, headers={} if host is None else {"Host": host})
        response = connection.getresponse()
        return response.status, response.read()

    assert get("/sample/0")[0] == 200
    assert get("/sample/0", f"localhost:{port}")[0] == 200
    assert get("/sample/0", "evil.example")[0] == 400
    assert get("/sample/0", f"evil.example:{port}")[0] == 400
    assert get("/../../etc/passwd")[0] in {400, 404}
    begin = time.perf_counter()
    for _ in range(10):
        assert get("/sample/3")[0] == 200
    assert time.perf_counter() - begin < 10
    connection.close()


def test_a_taken_port_is_told(viewer: Viewer, example: textbook_fast.Dataset) -> None:
    port = int(viewer.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(textbook_fast.SourceError, match=rf"the port {port} of 127\.0\.0\.1 cannot"):
        Viewer(example, port=port)
    with pytest.raises(ValueError, match="to 65535, not 70000"):
        Viewer(example, port=70_000)


def test_the_command_serves_and_ends(example: textbook_fast.Dataset) -> None:
    command = [sys.executable, "-m", "textbook_fast", "view", "--no-browser", "--json"]
    with subprocess.Popen(
        [*command, example.paths[0]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        host = url.removeprefix("http://").strip("/")
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(2)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_the_command_tells_a_taken_port(
    example: textbook_fast.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["view", "--no-browser", "--port", port, example.paths[0]]) == 1
    assert f"the port {port} of 127.0.0.1 cannot be used" in capsys.readouterr().err


def test_a_page_of_samples(
    nasty: textbook_fast.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    call: list[Any] = ["view", nasty.paths[0], "--images", tmp_path / "images", "--html", out]
    call = [str(part) for part in call]
    assert main([*call, "--samples", "0,2-9"]) == 0
    page = out.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>\n")
    assert page.count('<section class="sample">') == 4
    assert "<script" not in page
    assert not re.search(r"src=\"(?!data:image/)", page)
    assert 'id="item-0-1"' in page
    for wrong, told in (
        ("5", "there is no sample 5: the dataset has 5"),
        ("a", "--samples takes a list like 0,5,7-9, not 'a'"),
        ("1-x", "--samples takes a list"),
    ):
        assert main([*call, "--samples", wrong]) == 1
        assert told in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == page
    missing = str(tmp_path / "no" / "page.html")
    assert main([*call[:-1], missing]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert not list(tmp_path.glob(".page*"))
