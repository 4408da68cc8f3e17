from decimal import ROUND_DOWN, Context, Decimal, FloatOperation, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import (
    CONTEXT,
    AmountTooLarge,
    NumberError,
    allocate,
    exact,
    from_minor,
    kept_amount,
    parse_number,
    plain,
    prorate,
    round_to_minor,
    shown,
    tax_minor,
    to_stored,
)
from core.periods import Share

AMOUNTS = st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=9)
WEIGHTS = st.lists(
    st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=6), min_size=1, max_size=20
)


class TestParseNumber:
    @pytest.mark.parametrize(
        ("written", "number"),
        [
            ("0", "0"),
            ("-0", "0"),
            ("-0.000", "0"),
            ("007", "7"),
            ("12.50", "12.50"),
            (12, "12"),
            (-12, "-12"),
            (Decimal("1E+3"), "1000"),
            (Decimal("0.1"), "0.1"),
            ("9" * 20 + "." + "9" * 18, "9" * 20 + "." + "9" * 18),
        ],
    )
    def test_reads_the_numbers_of_the_grammar(self, written: object, number: str) -> None:
        assert parse_number(written) == Decimal(number)
        assert "-0" not in str(parse_number(written)).removesuffix(".5")

    @pytest.mark.parametrize(
        "written",
        [
            "",
            " 1",
            "1 ",
            "1\n",
            "+1",
            "1.",
            ".5",
            "1e3",
            "1E3",
            "NaN",
            "Infinity",
            "-",
            "1,000",
            "1_000",
            "0x1",
        ]
        + [
            "١",
            "１",
            "1" * 21,
            "0." + "1" * 19,
            "--1",
            10**20,
            Decimal("NaN"),
            Decimal("Infinity"),
            Decimal("1E+20"),
        ]
        + [
            Decimal("1E-19"),
            Decimal("1E+999999"),
            Decimal("1E-999999"),
            1.5,
            1.0,
            float("nan"),
            True,
            False,
            None,
            [],
            {},
        ],
    )
    def test_refuses_everything_else_with_a_sentence(self, written: object) -> None:
        with pytest.raises(NumberError) as refusal:
            parse_number(written)
        assert len(str(refusal.value)) < 250

    def test_refuses_a_negative_number_where_none_belongs(self) -> None:
        assert parse_number("-0", negative=False) == 0
        assert parse_number("0.5", negative=False) == Decimal("0.5")
        with pytest.raises(NumberError, match="below zero"):
            parse_number("-0.1", negative=False)

    @given(st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,18})?", fullmatch=True).filter(str.isascii))
    def test_reads_what_it_writes(self, written: str) -> None:
        number = parse_number(written)
        assert parse_number(plain(number)) == number == Decimal(written)


class TestPlain:
    @given(AMOUNTS)
    def test_writes_no_exponent_and_no_trailing_zero(self, amount: Decimal) -> None:
        written = plain(amount)
        assert Decimal(written) == amount
        assert "E" not in written
        assert "." not in written or not written.endswith(("0", "."))
        assert written != "-0"

    def test_keeps_every_digit_of_a_long_number(self) -> None:
        assert plain(Decimal("1" * 70)) == "1" * 70

    def test_shown_stops_at_the_eighteenth_decimal(self) -> None:
        assert shown(Decimal(1) / 3) == "0." + "3" * 18
        assert shown(Decimal("1E+45")) == "1" + "0" * 45
        nines, threes = "9" * 20, "3" * 30
        assert shown(Decimal(f"{nines}.{threes}")) == f"{nines}.{threes[:18]}"
        assert shown(Decimal(f"-{nines}.{threes}")) == f"-{nines}.{threes[:18]}"
        assert shown(Decimal(f"1{'0' * 20}.{threes}")) == f"1{'0' * 20}.{threes}"


class TestRounding:
    @pytest.mark.parametrize(
        ("amount", "exponent", "minor"),
        [
            ("0.005", 2, 1),
            ("-0.005", 2, -1),
            ("0.004999999999999999", 2, 0),
            ("1000.5", 0, 1001),
            ("-1000.5", 0, -1001),
            ("1.0005", 3, 1001),
            ("2.5", 0, 3),
            ("1.00005", 4, 10001),
        ],
    )
    def test_goes_half_away_from_zero(self, amount: str, exponent: int, minor: int) -> None:
        assert round_to_minor(Decimal(amount), exponent) == minor

    @given(AMOUNTS, st.sampled_from([0, 2, 3, 4]))
    def test_is_idempotent_and_never_off_by_more_than_half(self, amount: Decimal, exponent: int) -> None:
        minor = round_to_minor(amount, exponent)
        assert round_to_minor(from_minor(minor, exponent), exponent) == minor
        assert abs(Fraction(amount) * 10**exponent - minor) <= Fraction(1, 2)

    @given(AMOUNTS, st.sampled_from([0, 2, 3]))
    def test_is_symmetric_around_zero(self, amount: Decimal, exponent: int) -> None:
        assert round_to_minor(-amount, exponent) == -round_to_minor(amount, exponent)

    @pytest.mark.parametrize("exponent", [-1, 5])
    def test_refuses_a_currency_that_cannot_be(self, exponent: int) -> None:
        with pytest.raises(ValueError, match="minor digits"):
            round_to_minor(Decimal(1), exponent)
        with pytest.raises(ValueError, match="minor digits"):
            from_minor(1, exponent)

    def test_keeps_eighteen_decimals(self) -> None:
        assert to_stored(Decimal("0.0000000000000000005")) == Decimal("0.000000000000000001")
        assert to_stored(Decimal("-0.0000000000000000005")) == Decimal("-0.000000000000000001")
        with localcontext(Context(prec=4)):
            assert kept_amount(Decimal("123456.0000000000000000005")) == Decimal("123456.000000000000000001")
        assert kept_amount(Decimal("99999999999999.9999999999999999994")) == Decimal(
            "99999999999999.999999999999999999"
        )

    @pytest.mark.parametrize("amount", ["1E+14", "-1E+14", "1E+43"])
    def test_refuses_an_amount_that_no_document_holds(self, amount: str) -> None:
        with pytest.raises(AmountTooLarge, match="100,000,000,000,000"):
            kept_amount(Decimal(amount))


class TestAllocate:
    @given(st.integers(-(10**15), 10**15), WEIGHTS)
    def test_sums_exactly_and_stays_within_one_of_the_fair_share(
        self, total: int, weights: list[Decimal]
    ) -> None:
        parts = allocate(total, weights)
        assert sum(parts) == total
        fair = [Fraction(weight) for weight in weights] if any(weights) else [Fraction(1)] * len(weights)
        for part, weight in zip(parts, fair, strict=True):
            assert abs(part - total * weight / sum(fair)) < 1

    @given(st.integers(0, 10**9), WEIGHTS)
    def test_mirrors_a_negative_total(self, total: int, weights: list[Decimal]) -> None:
        assert allocate(-total, weights) == [-part for part in allocate(total, weights)]

    @given(st.integers(0, 10**6), st.integers(1, 30))
    def test_gives_equal_weights_the_leftover_in_order(self, total: int, count: int) -> None:
        parts = allocate(total, [1] * count)
        assert parts == sorted(parts, reverse=True)
        assert parts == allocate(total, [0] * count)

    def test_gives_nothing_to_a_weight_of_zero(self) -> None:
        assert allocate(7, [0, 1, 0, 1]) == [0, 4, 0, 3]

    def test_gives_the_leftover_to_the_largest_remainder(self) -> None:
        assert allocate(10, [Decimal("1.4"), Decimal("1.7"), Decimal("6.9")]) == [1, 2, 7]

    @pytest.mark.parametrize("weights", [[], [1, -1], [Decimal("-0.1"), 1]])
    def test_refuses_weights_that_mean_nothing(self, weights: list[int]) -> None:
        with pytest.raises(ValueError, match="no parts|below zero"):
            allocate(1, weights)


class TestProrateAndTax:
    @given(AMOUNTS, st.integers(0, 400), st.integers(1, 400))
    def test_prorates_with_one_division(self, amount: Decimal, used: int, whole: int) -> None:
        used = min(used, whole)
        prorated = prorate(amount, Share(used, whole))
        assert abs(Fraction(prorated) - Fraction(amount) * used / whole) < Fraction(1, 10**40)
        assert used != whole or prorated == amount

    def test_taxes_the_net_sum(self) -> None:
        assert tax_minor(13666, Decimal("0.20")) == 2733
        assert tax_minor(-13666, Decimal("0.20")) == -2733
        assert tax_minor(10, Decimal("0.05")) == 1
        assert tax_minor(10, Decimal(0)) == 0


class TestContext:
    def test_traps_a_float(self) -> None:
        @exact
        def mixed() -> bool:
            return Decimal(1) < 1.5

        with pytest.raises(FloatOperation):
            mixed()

    def test_holds_sixty_digits_and_rounds_half_away_from_zero(self) -> None:
        assert CONTEXT.divide(Decimal(2), Decimal(3)) == Decimal("0." + "6" * 59 + "7")

    @given(AMOUNTS, st.integers(1, 400))
    def test_of_the_caller_changes_nothing(self, amount: Decimal, whole: int) -> None:
        def results() -> tuple[object, ...]:
            return (
                prorate(amount, Share(1, whole)),
                round_to_minor(amount, 2),
                from_minor(123456789, 3),
                plain(amount),
                to_stored(amount),
                tax_minor(123456789, Decimal("0.2333")),
                allocate(1234567, [amount.copy_abs(), 1, 2]),
            )

        expected = results()
        with localcontext(Context(prec=3, rounding=ROUND_DOWN, traps=[Inexact])):
            assert results() == expected
