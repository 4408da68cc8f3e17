"""Lists: newest first, a page at a time, with the cursors and filters that each kind knows."""

from collections.abc import Callable
from typing import Any

from billing.stripe.double.call import Call
from billing.stripe.double.errors import Refusal, no_such
from billing.stripe.double.shapes import page
from billing.stripe.double.state import Body

LIMIT_DEFAULT = 10
LIMIT_MAX = 100
EVENTS_KEPT_SECONDS = 30 * 24 * 60 * 60
RANGES = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
CURSORS = ("limit", "starting_after", "ending_before")

Where = list[tuple[str, Any]]


def listing(kind: str, *filters: str) -> Callable[..., Body]:
    """A route's function that lists one kind; ``filters`` are fields compared for equality."""

    def listed(call: Call, **owner: str) -> Body:
        call.only(*filters, "created", "due_date", "pending", "types", *CURSORS)
        where: Where = [("coalesce(json_extract(body, '$.deleted'), 0) = ?", 0)]
        for name, value in {
            **owner,
            **{name: call.params[name] for name in filters if name in call.params},
        }.items():
            where.append(
                ("customer = ?" if name == "customer" else f"json_extract(body, '$.{name}') = ?", value)
            )
        for name in ("created", "due_date"):
            where += ranged(name, call.params.get(name))
        if kind == "event":
            where.append(("created > ?", call.now - EVENTS_KEPT_SECONDS))
        if types := call.params.get("types"):
            where.append(("instr(?, ',' || json_extract(body, '$.type') || ',') > 0", f",{','.join(types)},"))
        if "pending" in call.params:
            where.append(("(json_extract(body, '$.invoice') is null) = ?", int(call.params["pending"])))
        return cut(call, kind, where)

    return listed


def ranged(name: str, wanted: Any) -> Where:
    """``created=5`` or ``created[gte]=5`` as conditions."""
    field = f"json_extract(body, '$.{name}')"
    if wanted is None:
        return []
    if isinstance(wanted, int):
        return [(f"{field} = ?", wanted)]
    return [(f"{field} {RANGES[side]} ?", bound) for side, bound in wanted.items()]


def cut(call: Call, kind: str, where: Where) -> Body:
    limit, after, before = cursors(call)
    for cursor, param in ((after, "starting_after"), (before, "ending_before")):
        if cursor is not None and call.state.get(kind, cursor) is None:
            raise no_such(kind, cursor, param=param)
    found = call.state.page_of(kind, where, after=after, before=before, limit=limit + 1)
    has_more = len(found) > limit
    kept = found[-limit:] if before is not None else found[:limit]
    return page(kept, call.path, has_more=has_more)


def cursors(call: Call) -> tuple[int, str | None, str | None]:
    limit = call.params.get("limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        raise Refusal(
            f"This value must be from 1 to {LIMIT_MAX}.", code="parameter_invalid_integer", param="limit"
        )
    after, before = call.params.get("starting_after"), call.params.get("ending_before")
    if after and before:
        raise Refusal("You can give starting_after or ending_before, not both.", param="ending_before")
    return limit, after or None, before or None


def lines_listing(kind: str, noun: str) -> Callable[..., Body]:
    """A route's function that lists the lines of one document, in their order."""

    def listed(call: Call, document: str) -> Body:
        call.only(*CURSORS)
        lines = call.find(kind, document, noun)["_lines"]
        limit, after, before = cursors(call)
        ids = [line["id"] for line in lines]
        for cursor, param in ((after, "starting_after"), (before, "ending_before")):
            if cursor is not None and cursor not in ids:
                raise no_such("line item", cursor, param=param)
        if before is not None:
            ahead = lines[: ids.index(before)]
            return page(ahead[-limit:], call.path, has_more=len(ahead) > limit)
        rest = lines[ids.index(after) + 1 if after else 0 :]
        return page(rest[:limit], call.path, has_more=len(rest) > limit, total_count=len(lines))

    return listed
