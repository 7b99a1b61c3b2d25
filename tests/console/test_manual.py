"""The documentation in the console: for whoever is logged in and at the machine itself, and no file beside it."""

from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from gateway.console.calls import Desk
from gateway.console.manual import Manual
from tests.console.plant import Page, Plant


class Knows(Desk):
    """Knows the one with the right cookie."""

    def __init__(self) -> None:
        """Needs nobody else."""

    def knows(self, request: Request) -> bool:
        return request.cookies.get("fieldgate") == "right"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("beside it")
    site = tmp_path / "manual"
    (site / "spec").mkdir(parents=True)
    (site / "index.html").write_text("contents")
    (site / "spec/outbox.html").write_text("outbox " * 1000)
    return site


def request(path: str, host: str, cookie: str) -> Request:
    headers = [(b"cookie", f"fieldgate={cookie}".encode()), (b"accept-encoding", b"gzip")]
    return Request(
        {"type": "http", "method": "GET", "client": (host, 1), "headers": headers, "path_params": {"path": path}}
    )


async def get(folder: Path | None, path: str, host: str = "127.0.0.1", cookie: str = "") -> Response:
    return await Manual(Knows(), folder).answer(request(path, host, cookie))


@pytest.mark.parametrize("path", ["", "index.html"])
@pytest.mark.parametrize(("host", "cookie"), [("127.0.0.1", ""), ("::1", ""), ("10.0.0.9", "right")])
async def test_it_is_shown_to_whoever_is_at_the_machine_or_logged_in(
    folder: Path, path: str, host: str, cookie: str
) -> None:
    answer = await get(folder, path, host, cookie)
    assert (answer.status_code, answer.body) == (200, b"contents")
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("host", ["10.0.0.9", "fe80::1", ""])
async def test_nobody_else_is_shown_anything(folder: Path, host: str) -> None:
    for path in ("", "spec/outbox.html", "no-such-page.html"):
        assert (await get(folder, path, host, "wrong")).status_code == 401


@pytest.mark.parametrize("path", ["../secret", "spec/../../secret", "/etc/passwd", "spec", "spec/", "gone.html"])
async def test_there_is_no_way_to_other_files(folder: Path, path: str) -> None:
    assert (await get(folder, path)).status_code == 404


async def test_without_a_site_it_says_where_the_pages_are() -> None:
    answer = await get(None, "")
    assert answer.status_code == 404
    assert b"docs/*.md" in answer.body


@pytest.mark.parametrize(("host", "cookie", "status"), [("127.0.0.1", "", 200), ("10.0.0.9", "right", 200),
                                                        ("10.0.0.9", "wrong", 401)])  # fmt: skip
async def test_the_api_is_described_to_the_same(host: str, cookie: str, status: int) -> None:
    answer = await Manual(Knows(), None).api(request("", host, cookie))
    assert answer.status_code == status
    assert (b"openapi: 3.1" in answer.body) is (status == 200)


def test_programs_find_what_the_console_does_under_one_address(plant: Plant) -> None:
    answer = Page(plant.url).raw("GET", "/api/openapi.yaml")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/yaml"
    assert answer.body == (Path(__file__).parents[2] / "docs/openapi.yaml").read_bytes()


def test_its_address_leads_there_and_is_guarded_as_the_rest(plant: Plant) -> None:
    page = Page(plant.url)
    assert page.raw("GET", "/docs").headers["location"] == "/docs/"
    answer = page.raw("GET", "/docs/")
    assert answer.status == 404, "a checkout has no site"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert page.raw("GET", "/docs/", host="elsewhere.example").status == 421
