"""At the door: who may what, names that are known, pages that are ours."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console import doors
from gateway.console.rights import RIGHTS, Refused, Right, Role, Who


def test_each_role_may_all_that_the_one_before_it_may_and_one_thing_more() -> None:
    rights = [set(RIGHTS[role]) for role in Role]
    assert [len(more - less) for less, more in zip([set(), *rights], rights, strict=False)] == [1, 1, 1, 1]
    assert all(less < more for less, more in itertools.pairwise(rights))
    assert not Who("v", Role.VIEWER).may(Right.OPERATE)


@pytest.mark.parametrize("host", ["127.0.0.1:8480", "[::1]:8480", "10.1.2.3", "line-3.plant:8480", "LINE-3.plant"])
def test_an_address_or_a_known_name_is_let_in(host: str) -> None:
    doors.check_host(host, frozenset({"line-3.plant"}))


@pytest.mark.parametrize(
    "host", ["", "evil.example", "line-3.plant.evil.example:1", "127.0.0.1.nip.io", "[::1", "a:b:c"]
)
def test_any_other_name_is_not(host: str) -> None:
    with pytest.raises(Refused) as error:
        doors.check_host(host, frozenset({"line-3.plant"}))
    assert error.value.status == 421


@given(st.text())
def test_no_host_header_makes_it_fail(host: str) -> None:
    with contextlib.suppress(Refused):
        doors.check_host(host, frozenset())


def test_a_change_needs_the_secret_of_its_login_and_a_token_needs_none() -> None:
    doors.check_csrf({}, Who("scada", Role.OPERATOR, key="x"))
    doors.check_csrf({"x-csrf-token": "right"}, Who("otto", Role.OPERATOR, csrf="right"))
    for wrong in ({}, {"x-csrf-token": "wrong"}, {"x-csrf-token": "rïght"}):
        with pytest.raises(Refused):
            doors.check_csrf(wrong, Who("otto", Role.OPERATOR, csrf="right"))
