"""Browse paths as a person writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_opcua.browsepath import BrowsePath, parse


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("/Objects", ((0, "Objects"),)),
        ("/Objects/2:Boiler/Temperature", ((0, "Objects"), (2, "Boiler"), (2, "Temperature"))),
        ("/Objects/2:Boiler/0:EURange", ((0, "Objects"), (2, "Boiler"), (0, "EURange"))),
        (
            "/Objects/nsu=http://maker/line;Boiler/Temperature",
            ((0, "Objects"), ("http://maker/line", "Boiler"), ("http://maker/line", "Temperature")),
        ),
        ("/Objects/2:A&/B.C #1", ((0, "Objects"), (2, "A/B.C #1"))),
        ("/2:10&:30", ((2, "10:30"),)),
    ],
)
def test_reads_and_writes(text: str, names: tuple[tuple[int | str, str], ...]) -> None:
    assert parse(text) == BrowsePath(names)
    assert parse(text).text() == text


@pytest.mark.parametrize(
    "text", ["", "Objects", "Objects/2:Boiler", "/", "/Objects//Boiler", "/Objects/", "/99999:A", "/A&"]
)
def test_refuses_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"browse path|namespace index"):
        parse(text)


NAMES = st.text(min_size=1, max_size=8)
SPACES = st.one_of(st.integers(0, 65535), st.text(min_size=1, max_size=8))


@given(st.lists(st.tuples(SPACES, NAMES), min_size=1, max_size=4))
def test_whatever_is_written_is_read_as_it_was(names: list[tuple[int | str, str]]) -> None:
    path = BrowsePath(tuple(names))
    assert parse(path.text()) == path


def test_a_namespace_that_the_server_lacks_leads_nowhere() -> None:
    path = parse("/Objects/nsu=urn:a;B")
    assert path.resolve(["http://opcfoundation.org/UA/"]) is None
    assert path.resolve(["http://opcfoundation.org/UA/", "urn:a"]) == [(0, "Objects"), (1, "B")]
