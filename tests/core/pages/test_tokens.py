"""The tokens of color: one dark set for those who have it by their system and for those who chose it."""

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).resolve().parents[3] / "static" / "css" / "tokens.css").read_text()
READ_AS_TEXT = ("ink", "ink-soft", "accent", "good", "warn", "bad")
PAPERS = ("paper", "paper-shade")
AA = 4.5
AA_GRAPHICS = 3


def tokens(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z0-9-]+):\s*(#[0-9a-f]{6});", block))


LIGHT = tokens(CSS[: CSS.index("@media")])
BY_SYSTEM = tokens(CSS[CSS.index("@media") : CSS.index("/* The same dark set")])
BY_CHOICE = tokens(CSS[CSS.index("/* The same dark set") :])


def luminance(color: str) -> float:
    channels = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_both_ways_to_the_dark_set_lead_to_the_same_colors() -> None:
    assert BY_SYSTEM == BY_CHOICE
    assert BY_SYSTEM.keys() == LIGHT.keys()


@pytest.mark.parametrize("theme", [LIGHT, BY_CHOICE], ids=["light", "dark"])
@pytest.mark.parametrize("ink", READ_AS_TEXT)
@pytest.mark.parametrize("paper", PAPERS)
def test_text_is_readable_on_every_paper(theme: dict[str, str], ink: str, paper: str) -> None:
    assert contrast(theme[ink], theme[paper]) >= AA


@pytest.mark.parametrize("theme", [LIGHT, BY_CHOICE], ids=["light", "dark"])
def test_ink_is_readable_on_tinted_banners(theme: dict[str, str]) -> None:
    for name in ("accent", "good", "warn", "bad"):
        assert contrast(theme["ink"], theme[f"{name}-paper"]) >= AA
    assert contrast(theme["on-accent"], theme["accent"]) >= AA


@pytest.mark.parametrize("theme", [LIGHT, BY_CHOICE], ids=["light", "dark"])
def test_bars_lines_and_edges_of_fields_stand_out_on_paper(theme: dict[str, str]) -> None:
    drawn = [name for name in theme if name.startswith("hue-")] + ["rule-strong"]
    pale = [name for name in drawn if contrast(theme[name], theme["paper"]) < AA_GRAPHICS]
    assert len(drawn) == 10 and not pale
