"""Larkspur AI's customers, from the one that uses most to the one that uses least."""

from dataclasses import dataclass

from config.demo.catalogue import ENTERPRISE, FREE, PRO, SCALE, STARTER, TEAM_EUR, TEAM_JPY


@dataclass(frozen=True)
class Tenant:
    """A customer. ``uses`` names a mix of features in ``calls.MIXES``; ``joins`` is the day of its first subscription."""

    key: str
    name: str
    plan: str
    uses: str
    joins: int = 0
    zone: str = "UTC"
    currency: str = "USD"
    tax: tuple[str, str] = ("", "0")
    address: str = ""
    people: int = 20
    calendar_months: bool = False


GST, VAT, SALES_TAX, JCT = (
    ("GST", "0.18"),
    ("VAT", "0.19"),
    ("Sales tax", "0.08875"),
    ("Consumption tax", "0.10"),
)
NEW_YORK, KOLKATA, BERLIN, TOKYO = "America/New_York", "Asia/Kolkata", "Europe/Berlin", "Asia/Tokyo"

TENANTS: tuple[Tenant, ...] = (
    Tenant("hexaphase", "Hexaphase Labs", STARTER, "long prompts", joins=1, people=64),
    Tenant(
        "halcyon",
        "Halcyon Freight",
        ENTERPRISE,
        "help desk",
        zone=NEW_YORK,
        tax=SALES_TAX,
        address="40 Wharf Street\nNew York, NY 10004",
        people=90,
        calendar_months=True,
    ),
    Tenant("northgate", "Northgate Mutual", SCALE, "assistant", people=75),
    Tenant("quillwork", "Quillwork Studio", PRO, "writing", joins=14, people=31),
    Tenant("orrery", "Orrery Analytics", ENTERPRISE, "research", joins=3, people=40, calendar_months=True),
    Tenant("tessera", "Tessera Robotics", SCALE, "coding", joins=2, people=26),
    Tenant(
        "saffron",
        "Saffron Kart",
        SCALE,
        "help desk",
        joins=2,
        zone=KOLKATA,
        tax=GST,
        address="12 Residency Road\nBengaluru 560025",
        people=44,
    ),
    Tenant("juniper", "Juniper Health", STARTER, "assistant", joins=4, zone=NEW_YORK, people=35),
    Tenant("copperline", "Copperline Games", STARTER, "coding", joins=5, people=18),
    Tenant("ostrava", "Ostrava Print", PRO, "writing", joins=3, people=12),
    Tenant(
        "ahorn",
        "Ahorn Versicherung",
        TEAM_EUR,
        "assistant",
        joins=1,
        zone=BERLIN,
        currency="EUR",
        tax=VAT,
        address="Lindenallee 7\n10117 Berlin",
        people=21,
    ),
    Tenant(
        "kiyomizu",
        "Kiyomizu Travel",
        TEAM_JPY,
        "help desk",
        joins=6,
        zone=TOKYO,
        currency="JPY",
        tax=JCT,
        people=9,
    ),
    Tenant("moorgate", "Moorgate Tutors", STARTER, "assistant", people=7),
    Tenant("fennel", "Fennel & Rye", FREE, "writing", joins=1, people=3),
    Tenant("basalt", "Basalt Security", SCALE, "coding", joins=9, people=22),
    Tenant("lumenfield", "Lumenfield Media", PRO, "writing", joins=7, people=15),
    Tenant("arcadia", "Arcadia Property", ENTERPRISE, "help desk", joins=20, people=28, calendar_months=True),
    Tenant("pinecrest", "Pinecrest Legal", SCALE, "research", joins=12, zone=NEW_YORK, people=17),
    Tenant("vela", "Vela Aerospace", PRO, "coding", joins=18, people=11),
    Tenant("mistral-foods", "Mistral Foods", PRO, "assistant", joins=5, people=14),
    Tenant("corvid", "Corvid Insurance", SCALE, "help desk", joins=26, people=19),
    Tenant("indigo", "Indigo Learning", STARTER, "assistant", joins=8, zone=KOLKATA, people=24),
    Tenant("palisade", "Palisade Bank", PRO, "research", joins=33, people=16),
    Tenant("thistle", "Thistle Outdoor", STARTER, "writing", joins=10, people=6),
    Tenant("meridian", "Meridian Clinics", PRO, "help desk", joins=15, people=13),
    Tenant("obsidian", "Obsidian Tools", STARTER, "coding", joins=22, people=5),
    Tenant("wrenfield", "Wrenfield Council", STARTER, "assistant", joins=40, people=10),
    Tenant("kestrel", "Kestrel Couriers", PRO, "help desk", joins=29, people=8),
    Tenant("saltmarsh", "Saltmarsh Energy", SCALE, "research", joins=48, people=9),
    Tenant("ember", "Ember Kitchenware", STARTER, "writing", joins=52, people=4),
    Tenant("tamarind", "Tamarind Music", FREE, "writing", joins=6, people=2),
    Tenant("glasshouse", "Glasshouse Design", STARTER, "writing", joins=57, people=4),
    Tenant("foxglove", "Foxglove Pharma", PRO, "research", joins=63, people=6),
    Tenant("bramble", "Bramble Apps", FREE, "coding", joins=11, people=2),
    Tenant("cinder", "Cinder Coffee", FREE, "assistant", joins=19, people=1),
    Tenant("larch", "Larch & Sons", FREE, "assistant", joins=28, people=2),
    Tenant("delphi", "Delphi Tarot", FREE, "assistant", joins=37, people=1),
    Tenant("sparrow", "Sparrow Notes", FREE, "writing", joins=45, people=1),
    Tenant("umber", "Umber Archive", FREE, "research", joins=59, people=1),
    Tenant("zephyr", "Zephyr Bikes", FREE, "help desk", joins=71, people=2),
)
