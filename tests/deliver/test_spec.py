"""The specification and the tests know each other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_must_of_the_outbox_names_tests_that_exist() -> None:
    text = (ROOT / "docs/spec/outbox.md").read_text()
    sources = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))
    items = re.split(r"\n(?=\d+\. )", text.split("## What is not promised")[0])[1:]
    assert [int(item.split(".")[0]) for item in items] == list(range(1, len(items) + 1))
    for item in items:
        named = re.findall(r"`(test_\w+|Test\w+)`", item)
        assert named, f"no test: {item}"
        assert "MUST" in item
        for name in named:
            assert re.search(rf"def {name}\(|^{name} = ", sources, re.MULTILINE), f"{name} does not exist"
