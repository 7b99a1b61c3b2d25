from gateway_modbus.identify import identification, named, page, sunspec_model


def test_the_question_asks_for_all_regular_objects() -> None:
    assert identification() == bytes.fromhex("2b0e0400").replace(b"\x04", b"\x02")
    assert identification(5) == bytes((43, 14, 2, 5))


def test_an_answer_is_taken_apart_and_says_where_the_next_one_begins() -> None:
    first = page(bytes((14, 2, 2, 0xFF, 3, 2, 0, 4)) + b"ACME" + bytes((1, 2)) + b"P7")
    assert first is not None
    assert named(first.objects) == {"vendor": "ACME", "product_code": "P7"}
    assert first.next == 3
    last = page(bytes((14, 2, 2, 0, 0, 1, 0x80, 1)) + b"x")
    assert last is not None
    assert (named(last.objects), last.next) == ({"object_128": "x"}, None)


def test_what_is_cut_short_is_no_answer() -> None:
    whole = bytes((14, 2, 2, 0, 0, 1, 0, 4)) + b"ACME"
    assert page(whole) is not None
    assert all(page(whole[:size]) is None for size in range(len(whole)))
    assert page(b"\x0d" + whole[1:]) is None


def test_models_of_sunspec_end_at_their_mark() -> None:
    assert sunspec_model(bytes.fromhex("00010042")) == (1, 66)
    assert sunspec_model(bytes.fromhex("ffff0000")) is None
