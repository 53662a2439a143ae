"""The viewer: a dataset in the browser, served to this machine alone.

What a request can name is a sample's index and a position in it, a search, a filter:
never a path. The `viewer` extra brings Flask.
"""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from textbook_fast.dataset import Dataset
from textbook_fast.errors import SourceError, TextbookError
from textbook_fast.viewer.images import media_type, thumbnail
from textbook_fast.viewer.layout_style import VIEWER_STYLE
from textbook_fast.viewer.pages import PageError, Pages

try:
    from flask import Flask, Response, abort, redirect, request
    from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
except ImportError as error:  # pragma: no cover
    raise ImportError("the viewer needs the extra: pip install 'textbook-fast[viewer]'") from error

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

__all__ = ["Viewer", "create_app"]

ADDRESS = "127.0.0.1"
# Nothing from elsewhere: no script, no style, no picture, and no page around this one.
POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def create_app(ds: Dataset, *, hosts: Iterable[str] = ("localhost", ADDRESS)) -> Flask:
    """The application; `hosts` are the values of the Host header that are answered."""
    app = Flask("textbook_fast.viewer", root_path=_folder(), static_folder="static")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    pages = Pages(ds, app.jinja_env)
    known = frozenset(hosts)

    @app.before_request
    def check() -> None:
        # A page elsewhere whose name leads to this address must not read what is here.
        if request.host not in known:
            abort(400, "this server answers to its own address only")

    @app.after_request
    def guard(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    _add_pages(app, pages)
    _add_images(app, pages)
    _add_rest(app, pages)
    return app


def _folder() -> str:
    import textbook_fast.viewer

    return textbook_fast.viewer.__path__[0]


def _add_pages(app: Flask, pages: Pages) -> None:
    def answer(page: Callable[[], str | None]) -> Any:
        try:
            html = page()
        except PageError as error:  # a filter or a pattern that cannot be used
            return pages.failure(str(error)), 400
        except TextbookError as error:
            return pages.failure(str(error)), 500
        return abort(404) if html is None else html

    @app.get("/")
    def browse() -> Any:
        return answer(lambda: pages.browse(request.args))

    @app.get("/sample/<int:index>")
    def sample(index: int) -> Any:
        return answer(lambda: pages.sample(index, request.args))

    @app.get("/search")
    def search() -> Any:
        return answer(lambda: pages.search(request.args))

    @app.get("/jump")
    def jump() -> AnyResponse | tuple[str, int]:
        try:
            target = pages.jump(request.args)
        except (PageError, TextbookError) as error:
            return pages.failure(str(error)), 404
        return redirect(target)


def _add_rest(app: Flask, pages: Pages) -> None:
    @app.get("/style.css")
    def style() -> Response:
        return Response(VIEWER_STYLE, mimetype="text/css")

    @app.get("/favicon.ico")
    def icon() -> tuple[str, int]:
        return "", 204  # browsers ask for one

    @app.errorhandler(404)
    def missing(_: Exception) -> tuple[str, int]:
        return pages.failure("There is no such page, sample or image."), 404


def _add_images(app: Flask, pages: Pages) -> None:
    def answer(index: int, position: int, change: Callable[[bytes], bytes]) -> Response:
        try:
            data = pages.image(index, position)
            data = None if data is None else change(data)
        except TextbookError as error:
            return Response(str(error), 404, mimetype="text/plain")
        kind = None if data is None else media_type(data)
        if kind is None:
            return Response("there is no such image", 404, mimetype="text/plain")
        response = Response(data, mimetype=kind)
        response.headers["Cache-Control"] = "private, max-age=600"
        return response

    @app.get("/image/<int:index>/<int:position>")
    def image(index: int, position: int) -> Response:
        return answer(index, position, lambda data: data)

    @app.get("/thumbnail/<int:index>/<int:position>")
    def small_image(index: int, position: int) -> Response:
        return answer(index, position, thumbnail)


class _Handler(WSGIRequestHandler):
    """Keeps connections open, and does not tell each request."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Says nothing."""


class Viewer:
    """A server of one dataset on this machine.

    Attributes:
        url: Where it is.
    """

    def __init__(self, ds: Dataset, *, port: int = 0) -> None:
        """Takes the port, 0 for any free one. Nothing is answered before `serve`.

        Raises:
            SourceError: The port is taken or may not be used.
            ValueError: It is no port.
        """
        if not 0 <= port < 1 << 16:
            raise ValueError(f"a port is a number from 0 (any that is free) to 65535, not {port}")
        try:
            self._socket = socket.create_server((ADDRESS, port))
        except OSError as error:
            raise SourceError(
                f"the port {port} of {ADDRESS} cannot be used: {error.strerror}; choose another "
                "one, or 0 for any that is free",
                path=f"{ADDRESS}:{port}",
                errno=error.errno,
            ) from error
        port = self._socket.getsockname()[1]
        self.url = f"http://{ADDRESS}:{port}/"
        hosts = [f"{name}:{port}" for name in (ADDRESS, "localhost")]
        self._server: BaseWSGIServer = make_server(
            ADDRESS,
            port,
            create_app(ds, hosts=hosts),
            threaded=True,
            request_handler=_Handler,
            fd=self._socket.fileno(),
        )

    def serve(self, *, open_browser: bool) -> None:
        """Answers until `close` or Ctrl-C."""
        if open_browser:
            webbrowser.open(self.url)
        self._server.serve_forever()

    def close(self) -> None:
        """Ends `serve`, and gives the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._socket.close()
