"""What the papers name is there: links, settings, addresses, tests, and each room's files."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from django.urls import Resolver404, resolve

from tests.test_tidy import FILES, PRODUCTION, ROOMS, ROOT

PAPERS = [name for name in FILES if name.endswith(".md")]
GUIDES = [name for name in PAPERS if name == "README.md" or name.startswith("docs/")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
ADDRESS = re.compile(r"(?<![\w.])(/(?:v1|api/v1)(?:/[\w{}.-]+)+)")
TEST_FILE = re.compile(r"(?:tests/[\w/]+/)?test_\w+\.py(?:::\w+)?")
# What the image decides, and what is for one machine or for development alone.
NOT_FOR_CONTAINERS = {
    *("BURNLINE_HOST", "BURNLINE_VAR", "BURNLINE_PORT", "BURNLINE_LOG_FORMAT"),
    *("BURNLINE_DEMO", "BURNLINE_DEBUG", "STRIPE_API_BASE"),
}
# The same in every room.
OF_ANY_ROOM = {"__init__.py", "apps.py", "models", "migrations", "management", "templatetags", "README.md"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def anchors(page: Path) -> set[str]:
    """The fragments that lead to the page's headings, as GitHub makes them."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAPERS)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in LINK.findall(text_of(name)):
        path, _, fragment = target.partition("#")
        if "://" in target:
            continue
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), target
        assert not fragment or fragment in anchors(page), target


def settings_read() -> set[str]:
    read = r"environment\.\w+\(\s*\"([A-Z_]+)\""
    return {
        name
        for file in ("settings", "environment")
        for name in re.findall(read, text_of(f"config/{file}.py"))
    }


def test_every_setting_is_told_and_no_other() -> None:
    told = re.findall(r"^\| `([A-Z_]+)` \|", text_of("docs/settings.md"), re.MULTILINE)
    assert len(told) == len(set(told))
    assert set(told) == settings_read()


def test_containers_are_handed_every_setting_that_may_differ() -> None:
    services = yaml.safe_load(text_of("docker/compose.yaml"))["services"]
    for name in ("prepare", "web", "worker", "beat"):
        assert set(services[name]["environment"]) == settings_read() - NOT_FOR_CONTAINERS, name


def test_the_image_has_the_front_end_files_that_make_up_fetches() -> None:
    from config.front_end import VENDORED

    copied = re.findall(
        r"^COPY --from=front-end /src/node_modules/(\S+) static/vendor/(\S+)$",
        text_of("docker/Dockerfile"),
        re.MULTILINE,
    )
    assert dict(copied) == VENDORED


def addresses(name: str) -> set[str]:
    return {re.sub(r"\{\w+\}", "1", address.rstrip(".")) for address in ADDRESS.findall(text_of(name))}


@pytest.mark.parametrize("name", GUIDES)
def test_every_address_is_answered(name: str) -> None:
    unknown = []
    for address in sorted(addresses(name)):
        try:
            resolve(address)
        except Resolver404:
            unknown.append(address)
    assert not unknown


@pytest.mark.parametrize("name", ["docs/faults.md", "docs/pricing.md", "docs/plans.md"])
def test_every_test_that_is_named_is_there(name: str) -> None:
    for named in TEST_FILE.findall(text_of(name)):
        file, _, test = named.partition("::")
        found = [one for one in FILES if one == file or one.endswith(f"/{file}")]
        assert found, named
        assert any(f"def {test}" in text_of(one) for one in found), named


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_readme_names_what_the_room_holds(room: str) -> None:
    named = set(re.findall(r"`([\w/*.-]+)`", text_of(f"{room}/README.md")))
    held = {
        name.split("/")[1] + ("/" if name.count("/") > 1 else "")
        for name in PRODUCTION
        if name.startswith(f"{room}/")
    }
    missing = [
        one
        for one in sorted(held)
        if one.rstrip("/") not in OF_ANY_ROOM and not any(fnmatch(one, pattern) for pattern in named)
    ]
    assert not missing
    files = {Path(name).name for name in FILES}
    assert not {
        one for one in named if one.endswith(".py") and "*" not in one and Path(one).name not in files
    }
