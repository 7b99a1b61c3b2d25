"""The page's own files: right types, kept and asked about, and no way out of their folder."""

from pathlib import Path

import pytest

import gateway.console
from gateway.console.files import Files
from tests.console.plant import Plant

STATIC = Path(gateway.console.__file__).parent / "static"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json",
         ".svg": "image/svg+xml"}  # fmt: skip


def test_every_file_is_served_as_what_it_is_and_not_sent_twice(plant: Plant) -> None:
    page = plant.page()
    assert page.raw("GET", "/").body == (STATIC / "index.html").read_bytes()
    for path in [path for path in STATIC.rglob("*") if path.is_file()]:
        where = f"/static/{path.relative_to(STATIC).as_posix()}"
        found = page.raw("GET", where)
        assert (found.status, found.body) == (200, path.read_bytes()), where
        assert found.headers["content-type"].startswith(TYPES.get(path.suffix, "text/plain")), where
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["cache-control"] == "no-cache"
        again = page.raw("GET", where, if_none_match=found.headers["etag"])
        assert (again.status, again.body) == (304, b""), where
    packed = page.raw("GET", "/", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/server.py", "/static//etc/passwd",
     "/static/..\\server.py", "/static/", "/static", "/server.py", "/api/v1/../../etc/passwd", "/static/index.html%00"],
)  # fmt: skip
def test_nothing_else_is_served(plant: Plant, path: str) -> None:
    found = plant.page().raw("GET", path)
    assert found.status == 404
    assert b"import" not in found.body


def test_the_page_may_load_nothing_from_elsewhere_and_stand_in_no_frame(plant: Plant) -> None:
    for path in ("/", "/static/main.js", "/api/v1/me", "/nowhere"):
        headers = plant.page().raw("GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_no_file_has_scripts_or_styles_inline() -> None:
    for path, file in Files().paths.items():
        if path.startswith("vendor/"):
            continue
        text = file.content.decode()
        for sign in ("<script>", " style=", "onclick=", "eval("):
            assert sign not in text, (path, sign)
