"""Passwords are kept as hashes, and what is made is good enough."""

from gateway.console import passwords


def test_a_password_is_kept_as_argon2id_and_two_of_the_same_are_kept_apart() -> None:
    kept = passwords.hashed("four words are fine")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert kept != passwords.hashed("four words are fine")
    assert passwords.matches(kept, "four words are fine")
    assert not passwords.matches(kept, "four words are fone")
    assert not passwords.matches("no hash at all", "four words are fine")
    assert not passwords.matches(passwords.NOBODY, "")


def test_what_is_made_is_good_enough_and_never_the_same() -> None:
    made = {passwords.made() for _ in range(100)}
    assert len(made) == 100
    assert all(passwords.fault(one, "admin") == "" for one in made)
    assert len({passwords.token() for _ in range(100)}) == 100
