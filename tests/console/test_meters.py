from django.test import Client

from metering.models import Meter

NEW = "/console/new-meter"
WANTED = {
    "key": "opus_output",
    "name": "Output of Opus",
    "event_type": "llm.call",
    "aggregation": "sum",
    "value": "usage.output",
    "filter": "model: claude-opus-4-5, claude-opus-4-1\n\nproperties.team: t1",
    "group_by": "model, properties.team",
}


def test_a_meter_is_made_once_and_told_in_words(operator: Client) -> None:
    for _ in range(2):
        page = operator.post(NEW, WANTED | {"once": "m"}, follow=True).content.decode()
    made = Meter.objects.get(key="opus_output")
    assert made.filter == {"model": ["claude-opus-4-5", "claude-opus-4-1"], "properties.team": ["t1"]}
    assert made.group_by == ["model", "properties.team"]
    assert "the sum of usage.output, where model is claude-opus-4-5 or claude-opus-4-1" in page


def test_what_is_wrong_is_told_beside_its_field(operator: Client) -> None:
    answer = operator.post(
        NEW, WANTED | {"value": "usage", "filter": "model: a\nnot.a.path: b", "key": "a b"}
    )
    page = answer.content.decode()
    assert answer.status_code == 422 and "3 things to put right" in page
    assert all(f'id="in-{name}-wrong"' in page for name in ("key", "value", "filter"))
    assert not Meter.objects.filter(key="opus_output").exists()


def test_a_line_without_a_path_is_told(operator: Client) -> None:
    page = operator.post(NEW, WANTED | {"filter": "gpt-5"}).content.decode()
    assert "with a colon: model: gpt-5" in page


def test_a_key_that_is_taken_is_told(operator: Client) -> None:
    operator.post(NEW, WANTED)
    answer = operator.post(NEW, WANTED)
    assert answer.status_code == 422 and "take another key" in answer.content.decode()


def test_the_list_says_which_plans_charge_for_a_meter(operator: Client) -> None:
    page = operator.get("/console/meters").content.decode()
    charged = Meter.objects.first()
    assert charged and charged.key in page and "/console/plans/" in page
    assert charged.key in b"".join(operator.get("/console/meters?format=csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert "No meter matches" in operator.get("/console/meters", {"q": "nothing like it"}).content.decode()
