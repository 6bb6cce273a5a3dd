from __future__ import annotations

import pickle
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkstack_async.errors import InvalidNumberError
from talkstack_async.phone import PhoneNumber, mask_number, scrub_numbers

BULLET = "\u2022"
quick = settings(deadline=None, max_examples=150)
digits = st.text("0123456789", min_size=6, max_size=14)
numbers = st.builds("+{}{}".format, st.sampled_from("123456789"), digits)


@pytest.mark.parametrize(
    "text",
    [
        "+14155550123",
        "+1234567",
        "+123456789012345",
        "+442079460958",
        "+390612345678",
        "+998901234567",
    ],
)
def test_a_number_in_e164_form_is_taken_as_it_is(text: str) -> None:
    assert PhoneNumber.parse(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "+1 415 555 0123",
        "+1 (415) 555-0123",
        "+1.415.555.0123",
        "+1-415-555-0123",
        "+1/415/5550123",
        "  +14155550123\n",
        "+1\u00a0415\u00a0555\u00a00123",
        "+1\u2011415\u2013555\u20140123",
        "(+1) 415 555 0123",
        "+1\t415\t5550123",
    ],
)
def test_the_usual_punctuation_is_dropped(text: str) -> None:
    assert PhoneNumber.parse(text) == "+14155550123"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("()-", "empty"),
        ("14155550123", "must start with +"),
        ("004155550123", "must start with +"),
        ("4155550123", "must start with +"),
        ("tel:+14155550123", "must start with +"),
        ("+0123456789", "starts with 0"),
        ("+", "not a digit"),
        ("+1415555012a", "not a digit"),
        ("++14155550123", "not a digit"),
        ("+1+4155550123", "not a digit"),
        ("+1415555,0123", "not a digit"),
        ("+1415555;0123", "not a digit"),
        ("+14155550123x9", "not a digit"),
        ("+14155550123\x00", "not a digit"),
        ("+123456", "7 to 15"),
        ("+1234567890123456", "7 to 15"),
    ],
)
def test_anything_else_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidNumberError, match=reason) as refusal:
        PhoneNumber.parse(text)
    assert refusal.value.uncertain is False


@pytest.mark.parametrize(
    "text",
    [
        "+1415555012\u0663",  # Arabic-Indic three
        "+\uff11\uff14\uff11\uff15\uff15\uff15\uff15\uff10\uff11\uff12\uff13",  # full width
        "+1415555012\u00b3",  # superscript three
        "\uff0b14155550123",  # full-width plus
    ],
)
def test_digits_of_other_scripts_are_not_digits_here(text: str) -> None:
    assert any(unicodedata.category(letter) in ("Nd", "No", "Sm") for letter in text)
    with pytest.raises(InvalidNumberError):
        PhoneNumber.parse(text)


@quick
@given(st.text(max_size=25))
def test_whatever_is_accepted_is_e164(text: str) -> None:
    try:
        number = PhoneNumber.parse(text)
    except InvalidNumberError:
        return
    assert number[0] == "+"
    assert number[1:].isascii()
    assert number[1:].isdigit()
    assert 7 <= len(number) - 1 <= 15
    assert number[1] != "0"


@quick
@given(numbers)
def test_reading_a_number_twice_changes_nothing(text: str) -> None:
    number = PhoneNumber.parse(text)
    assert PhoneNumber.parse(number) == number
    assert number.e164 == text
    assert type(number.e164) is str


def test_a_refusal_does_not_show_the_whole_number() -> None:
    with pytest.raises(InvalidNumberError) as refusal:
        PhoneNumber.parse("0041798887766")
    assert "98887" not in str(refusal.value)


@quick
@given(numbers)
def test_a_repr_never_shows_the_middle(text: str) -> None:
    number = PhoneNumber(text)
    for shown in (
        repr(number),
        f"{number!r}",
        str.format("{!r}", number),
        repr([number]),
        number.masked,
    ):
        assert text not in shown
        assert sum(letter.isdigit() for letter in shown) <= 6
        assert BULLET in shown


@quick
@given(numbers)
def test_masking_hides_enough_that_the_number_cannot_be_guessed(text: str) -> None:
    shown = sum(letter.isdigit() for letter in mask_number(text))
    assert len(text) - 1 - shown >= 3


def test_masking_keeps_what_helps_to_recognise_a_number() -> None:
    assert mask_number("+14155550123") == f"+1415{BULLET * 4}23"


@pytest.mark.parametrize("text", ["", None])
def test_masking_nothing_is_nothing(text: str | None) -> None:
    assert mask_number(text) == ""


@quick
@given(st.text(min_size=1, max_size=7))
def test_a_short_text_is_hidden_altogether(text: str) -> None:
    assert mask_number(text) == BULLET * len(text)


def test_the_mask_does_not_tell_how_long_the_number_is() -> None:
    assert len(mask_number("+141555501")) == len(mask_number("+14155550123999"))


@pytest.mark.parametrize(
    "number",
    [
        "+14155550123",
        "14155550123",
        "4155550123",
        "+1 415 555 0123",
        "+1 (415) 555-0123",
        "(415) 555-0123",
        "415.555.0123",
        "415-555-0123",
        "+49 30 123456",
        # parse() takes these, so a service may well quote them.
        "+1\u00a0415\u00a0555\u00a00123",
        "+1\u2011415\u2011555\u20110123",
        "+1/415/555/0123",
    ],
)
def test_a_number_in_a_sentence_is_masked(number: str) -> None:
    text = scrub_numbers(f"cannot dial {number}, sorry")
    assert text.startswith("cannot dial ")
    assert text.endswith(", sorry")
    assert number not in text
    assert number[-6:] not in text
    assert BULLET in text


def test_all_numbers_of_a_sentence_are_masked() -> None:
    text = scrub_numbers("+14155550123 and +14155550124 and +442079460958")
    assert text.count(BULLET * 4) == 3


@pytest.mark.parametrize(
    "text", ["answered 503 after 12.5 s", "projectId, agentId and number", "2026-01", "", "v1.2.3"]
)
def test_what_is_no_number_stays_readable(text: str) -> None:
    assert scrub_numbers(text) == text


@quick
@given(numbers, st.text("abc ,:'\"", max_size=12), st.text("abc ,:'\"", max_size=12))
def test_no_number_survives_scrubbing(number: str, before: str, after: str) -> None:
    assert number not in scrub_numbers(before + number + after)


def test_a_number_is_a_plain_text_for_everybody_else() -> None:
    number = PhoneNumber.parse("+14155550123")
    assert number == "+14155550123"
    assert f"{number}" == "+14155550123"
    assert {number: 1}["+14155550123"] == 1
    restored = pickle.loads(pickle.dumps(number))
    assert restored == number
    assert type(restored) is PhoneNumber
