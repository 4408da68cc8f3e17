from decimal import Decimal

import pytest

from core import limits
from core.problems import Invalid, Malformed
from core.strict_json import decode, faults, loads


def test_plain_json_comes_out_as_it_was_written() -> None:
    assert loads(b'{"a": [1, -2.50, "x\\ny", true, null], "b": {}}') == {
        "a": [1, Decimal("-2.50"), "x\ny", True, None],
        "b": {},
    }


def test_no_number_becomes_a_float() -> None:
    values = loads(b"[1, 1.5, 0.1, -0.0, 12345678901234567890]")
    assert {type(value) for value in values} == {int, Decimal}
    assert values[3] == 0 and not values[3].is_signed()


@pytest.mark.parametrize(
    "number",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "1e-30",
        "1E5",
        "0.1234567890123456789",
        "123456789012345678901",
        "9" * 5000,
    ],
)
def test_numbers_outside_the_grammar_are_refused_with_their_place(number: str) -> None:
    with pytest.raises(Invalid) as caught:
        loads(f'{{"events": [{{"quantity": {number}}}]}}'.encode())
    assert [error.field for error in caught.value.errors] == ["events[0].quantity"]
    assert "at most 20 digits" in caught.value.errors[0].detail


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{'a': 1}", b'{"a": 1,}', b"\xff", b'{"a": "\x00"}', b"01", b"1 2", b'"\\x"']
)
def test_bytes_that_are_not_json_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        loads(body)


def test_a_name_that_stands_twice_is_refused_by_name() -> None:
    with pytest.raises(Malformed) as caught:
        loads(b'{"a": {"key": 1, "key": 1}}')
    assert caught.value.errors[0].field == "key"


def test_nesting_is_read_up_to_the_limit_and_not_beyond() -> None:
    def nested(depth: int) -> bytes:
        return b"[" * depth + b"]" * depth

    loads(nested(limits.JSON_DEPTH_MAX))
    for depth in (limits.JSON_DEPTH_MAX + 1, 1_000, 100_000):
        with pytest.raises(Malformed):
            loads(nested(depth))


def test_an_object_has_names_up_to_the_limit_and_not_beyond() -> None:
    def broad(names: int) -> bytes:
        return ("{" + ",".join(f'"n{index}":1' for index in range(names)) + "}").encode()

    loads(broad(limits.JSON_KEYS_MAX))
    with pytest.raises(Invalid):
        loads(broad(limits.JSON_KEYS_MAX + 1))


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\u0007", "\\b", "\\u009f", "\x7f", "\u0085"])
def test_characters_that_cannot_be_kept_are_refused_with_their_place(escape: str) -> None:
    with pytest.raises(Invalid) as caught:
        loads(f'{{"properties": {{"user": "a{escape}b"}}}}'.encode())
    assert [error.field for error in caught.value.errors] == ["properties.user"]
    with pytest.raises(Malformed):
        loads(f'{{"a{escape}b": 1}}'.encode())


def test_escaped_text_that_can_be_kept_is_read() -> None:
    assert loads(b'["\\u00e9", "\\ud83d\\ude00", "\\t\\n"]') == ["é", "😀", "\t\n"]


def test_one_bad_event_of_a_batch_can_be_told_from_the_good_ones() -> None:
    batch = decode(b'[{"id": "a", "quantity": 1}, {"id": "b", "quantity": 1e3}]')
    assert [len(list(faults(event))) for event in batch] == [0, 1]


def test_wide_numbers_are_what_other_programs_write_but_no_bombs() -> None:
    assert decode(b'{"response_cost": 1.5e-05}', wide=True) == {"response_cost": Decimal("0.000015")}
    bombs = decode(b"[1e131000, 1e400, 0." + b"1" * 60 + b", " + b"1" * 60 + b"]", wide=True)
    assert len(list(faults(bombs))) == 4
