"""Currencies as Stripe counts them: minor units, odd cases, and the least amount it will charge."""

from billing.stripe.double.errors import Refusal

ZERO_DECIMAL_CODES = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
THREE_DECIMAL_CODES = "bhd jod kwd omr tnd"
TWO_DECIMAL_CODES = """
aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop
crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr isk jmd kes
kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd
pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd
tzs uah ugx usd uyu uzs wst xcd yer zar zmw
"""
ZERO_DECIMAL = frozenset(ZERO_DECIMAL_CODES.split())
THREE_DECIMAL = frozenset(THREE_DECIMAL_CODES.split())
TWO_DECIMAL = frozenset(TWO_DECIMAL_CODES.split())
WHOLE_ON_TWO_DECIMALS = frozenset({"isk", "ugx"})
SUPPORTED = ZERO_DECIMAL | THREE_DECIMAL | TWO_DECIMAL

MINIMUM_CHARGE_MINOR = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300,
    "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip


def check_currency(code: str, param: str = "currency") -> str:
    """The currency in lower case. Raises Refusal where Stripe does not support it."""
    lower = code.lower()
    if lower not in SUPPORTED:
        raise Refusal(f"Invalid currency: {code}. Stripe does not support it.", param=param)
    return lower


def check_amount(amount_minor: int, currency: str, param: str = "amount") -> int:
    """The amount, where Stripe can hold it in that currency.

    Three-decimal currencies end in 0; ISK and UGX, whole but still written with two decimals, in 00.
    """
    step = 10 if currency in THREE_DECIMAL else 100 if currency in WHOLE_ON_TWO_DECIMALS else 1
    if amount_minor % step:
        raise Refusal(
            f"Invalid amount: {amount_minor} {currency.upper()}; the amount must be a multiple of {step}.",
            code="parameter_invalid_integer",
            param=param,
        )
    return amount_minor


def minimum_charge(currency: str) -> int:
    """The least amount in minor units that Stripe charges; 0 where none is published."""
    return MINIMUM_CHARGE_MINOR.get(currency, 0)


def shown(amount_minor: int, currency: str) -> str:
    """The amount for a person to read.

    >>> shown(-4905, "usd"), shown(500, "jpy"), shown(1230, "bhd")
    ('-49.05 USD', '500 JPY', '1.230 BHD')
    """
    places = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    digits = str(abs(amount_minor)).rjust(places + 1, "0")
    whole = digits if places == 0 else f"{digits[:-places]}.{digits[-places:]}"
    return f"{'-' if amount_minor < 0 else ''}{whole} {currency.upper()}"
