"""How templates write figures, times and links. Each is one call into ``core.pages``."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import template
from django.template.context import RequestContext
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core.ids import public_id
from core.money import CONTEXT
from core.pages import charts, figures, times, units
from core.periods import Period
from core.times import parse_time, render_time

register = template.Library()

register.filter("money", figures.money)
register.filter("bare_money", figures.bare_money)
register.filter("fine_money", figures.fine_money)
register.filter("even", figures.even)
register.filter("money_text", figures.money_text)
register.filter("rough_money", figures.rough_money)
register.filter("quantity", figures.quantity)
register.filter("compact", lambda value: figures.compact(Decimal(value)))
register.filter("exact", lambda value: figures.exact(Decimal(value)))
register.filter("percent", figures.percent)
register.filter("readable", figures.readable)
register.filter("many", units.many)
register.filter("counted", units.counted)
register.filter("counted_exactly", units.counted_exactly)
register.filter("counted_compactly", units.counted_compactly)
register.filter("currency_name", figures.currency_name)
register.filter("day", times.day)
register.filter("short_day", times.short_day)
register.filter("duration", times.duration)
register.simple_tag(figures.minor_money, name="minor")
register.simple_tag(figures.bare_minor_money, name="bare_minor")
register.simple_tag(figures.minor_money_text, name="minor_text")
register.simple_tag(figures.change, name="change")
register.simple_tag(figures.give_or_take, name="give_or_take")
register.simple_tag(times.ago, name="ago")


@register.filter("decimal")
def as_decimal(value: object) -> Decimal:
    """A number kept as text in JSON."""
    return Decimal(str(value))


@register.filter("times")
def multiplied(number: Decimal, by: Decimal) -> Decimal:
    return CONTEXT.multiply(number, by)


@register.filter
def moment(at: datetime | None, zone: str) -> SafeString:
    """An instant in a zone; to the second in UTC on hover."""
    return (
        _moment(at, times.moment(at, zone))
        if at
        else format_html('<span class="none">{}</span>', figures.NOTHING)
    )


@register.filter
def exact_moment(at: datetime | None, zone: str) -> SafeString:
    if at is None:
        return format_html('<span class="none">{}</span>', figures.NOTHING)
    return _moment(at, times.moment_to_the_second(at, zone))


@register.filter
def clock_time(at: datetime, zone: str) -> SafeString:
    return _time(at, times.clock_time(at, zone))


@register.filter
def local_day(at: datetime | None, zone: str) -> SafeString:
    if at is None:
        return format_html('<span class="none">{}</span>', figures.NOTHING)
    return _time(at, times.day(times.local_day(at, zone)))


@register.filter
def span(period: Period, zone: str) -> str:
    """First and last day, to be broken between them alone."""
    return " – ".join(day.replace(" ", figures.NO_BREAK) for day in times.span(period, zone).split(" – "))


@register.filter
def invoice_id(invoice: Any) -> str:
    """An invoice's id as addresses carry it."""
    return public_id("inv", invoice.id)


@register.simple_tag
def span_between(start: datetime, end: datetime, zone: str) -> str:
    return span(Period(start, end), zone)


@register.simple_tag
def span_told(start: str, end: str, zone: str) -> str:
    """First and last local day of a period that is kept as JSON, its instants as text."""
    return span(Period(parse_time(start), parse_time(end)), zone)


@register.filter
def words(name: str) -> str:
    """A name of ours as words: ``cache_read`` is "cache read"."""
    return name.replace("_", " ")


@register.filter
def pretty(value: Any) -> str:
    """JSON to be read by people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def signed(value: Decimal) -> str:
    """A change with its sign: plus, true minus, or none at zero."""
    return f"+{figures.compact(value)}" if value > 0 else figures.compact(value)


@register.filter
def sparkline(values: list[Decimal], title: str = "") -> SafeString:
    points = charts.sparkline(values)
    if not points:
        return SafeString("")
    return format_html(
        '<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline points="{}"/></svg>',
        title,
        points,
    )


@register.simple_tag(takes_context=True)
def here(context: RequestContext, *names: str) -> SafeString:
    """Marks the link of the section that the reader is in."""
    match = getattr(context.get("request"), "resolver_match", None)
    return SafeString(' aria-current="page"') if match and match.view_name in names else SafeString("")


@register.simple_tag(takes_context=True)
def theme(context: RequestContext) -> SafeString:
    """The reader's own choice of light or dark, from its cookie; nothing where the system decides."""
    request: Any = context.get("request")
    chosen = request.COOKIES.get("burnline_theme") if request else None
    return format_html(' data-theme="{}"', chosen) if chosen in ("light", "dark") else SafeString("")


@register.filter
def plural(count: int, words: str) -> str:
    """``{{ 3|plural:"event,events" }}`` is "3 events"."""
    one, _, many = words.partition(",")
    return f"{count:,} {one if count == 1 else many}"


@register.filter
def as_day(value: date | datetime, zone: str) -> str:
    return times.day(times.local_day(value, zone) if isinstance(value, datetime) else value)


def _moment(at: datetime, text: str) -> SafeString:
    """Day and hour, to stand below each other where a table is narrow; its zone then stands beside the table."""
    day, clock = text.split(", ")
    hour, zone = clock.split(" ", 1)
    told = '<span>{},</span> <span>{}<span class="zone"> {}</span></span>'
    return _time(at, format_html(told, day, hour, zone))


def _time(at: datetime, text: str) -> SafeString:
    stamp = render_time(at)
    return format_html('<time datetime="{}" title="{}">{}</time>', stamp, stamp, text)
