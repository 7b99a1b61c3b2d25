"""Topics by template."""

import pytest

from gateway.deliver.topics import Topics
from gateway.sdk import ConfigError


def test_the_template_is_filled() -> None:
    topics = Topics("fieldgate/{gateway}/{class}/{name}", "line-3")
    assert topics.of("alarm", "pump-7") == "fieldgate/line-3/alarm/pump-7"
    assert topics.status == "fieldgate/line-3/status/line-3"


def test_a_name_that_looks_like_a_field_stays_what_it_is() -> None:
    assert Topics("{gateway}/{class}/{name}", "{name}").of("event", "{class}") == "{name}/event/{class}"


@pytest.mark.parametrize("name", ["a+b", "#", "a\0b", "\x85", "\ud800", "x" * 70_000])
def test_a_name_that_mqtt_forbids_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        Topics("a/{class}/{name}", "g").of("alarm", name)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("a/{name}", r"\{class\} is missing"),
        ("{class}/{asset}", r"\{asset\} is unknown"),
        ("$SYS/{class}", r"starts with \$"),
        ("a/+/{class}", "cannot carry"),
    ],
)
def test_a_template_that_cannot_work_names_the_place_and_the_remedy(template: str, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"mqtt\.topic: .*{why}"):
        Topics(template, "g")
