"""The order of the instances' table: by any heading, and never losing a row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.models import LIVE, UNASSIGNED, Instance, State
from orchestrator.service.meter import Reading
from orchestrator.web.admin_rows import COLUMNS, Filter, Order, headings

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ONE = Instance("i", "wiki", "v-a", State.READY, NOW, NOW, timedelta(minutes=1), UNASSIGNED)
KEYS = [each.key for each in COLUMNS]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Instance], dict[str, Reading]]:
    rows, readings = [], {}
    for number in range(draw(st.integers(0, 12))):
        made = replace(
            ONE,
            id=f"i{number:02}",
            name=draw(st.sampled_from([None, "shop", "Ähre"])),
            distribution=draw(st.sampled_from(["wiki", "shop"])),
            state=draw(st.sampled_from(sorted(LIVE))),
            created_at=NOW + timedelta(seconds=draw(st.integers(0, 5))),
            expires_at=NOW + timedelta(seconds=draw(st.integers(0, 5))),
        )
        rows.append(made)
        if draw(st.booleans()):
            cpu = draw(st.none() | st.floats(0, 4))
            readings[made.id] = Reading(cpu, draw(st.integers(0, 999)), 999)
    return rows, readings


@given(tables(), st.sampled_from(KEYS), st.booleans())
def test_whatever_it_is_sorted_by_no_row_is_lost_and_the_unknown_come_last(
    table: tuple[list[Instance], dict[str, Reading]], key: str, falling: bool
) -> None:
    rows, readings = table
    found = Order(key, falling).applied(rows, readings)
    assert sorted(each.id for each in found) == [each.id for each in rows]
    [column] = [each for each in COLUMNS if each.key == key]
    values = [column.value(each, readings.get(each.id)) for each in found]
    known = [each for each in values if each is not None]
    assert values[len(known) :] == [None] * (len(values) - len(known))
    assert known == sorted(known, reverse=falling)


@given(tables())
def test_unless_one_asks_the_newest_come_first(
    table: tuple[list[Instance], dict[str, Reading]],
) -> None:
    found = Order.of({}).applied(*table)
    created = [each.created_at for each in found]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ({}, Order("age", False)),
        ({"sort": "memory"}, Order("memory", True)),
        ({"sort": "memory", "order": "up"}, Order("memory", False)),
        ({"sort": "site"}, Order("site", False)),
        ({"sort": "site", "order": "down"}, Order("site", True)),
        ({"sort": "site", "order": "sideways"}, Order("site", False)),
        ({"sort": "password", "order": "down"}, Order("age", False)),
    ],
)
def test_an_order_is_read_from_the_address(query: dict[str, str], order: Order) -> None:
    assert Order.of(query) == order


def test_a_heading_leads_to_its_order_and_then_to_the_other_way_round() -> None:
    by_key = {each.key: each for each in headings(Filter(words="a&b"), Order("cpu", True))}
    assert by_key["cpu"].sorted == "descending"
    assert [each.key for each in by_key.values() if each.sorted] == ["cpu"]
    assert parse_qs(str(by_key["cpu"].url)[1:]) == {
        "words": ["a&b"],
        "sort": ["cpu"],
        "order": ["up"],
    }
    assert "order=down" in str(by_key["memory"].url)
    assert "order=up" in str(by_key["site"].url)
