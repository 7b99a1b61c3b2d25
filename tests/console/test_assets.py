"""What the page of an asset says of its model."""

from typing import Any

from gateway.console import assets


def test_a_model_says_how_its_shadow_compares_while_there_is_one() -> None:
    class Life:
        def __init__(self, name: str, report: dict[str, int] | None) -> None:
            comparison = type("Comparison", (), {"report": lambda _: report})() if report else None
            self.name, self.remote = name, type("Remote", (), {"comparison": comparison})()

        def state(self) -> dict[str, str]:
            return {"model": self.name}

    lives = {"a": Life("a", {"rows": 7}), "b": Life("b", None)}
    running: Any = type("Running", (), {"judging": type("Judging", (), {"models": type("M", (), {"lives": lives})})})
    found = assets.models(running)
    assert found == [{"model": "a", "comparison": {"rows": 7}}, {"model": "b", "comparison": None}]
    assert assets._versions(running, "bundles/a") == found[0]
    assert assets._versions(running, "default") is None
