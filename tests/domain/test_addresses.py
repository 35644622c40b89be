"""Next-fit over the subnet, and over several bridges where one is not enough."""

from collections import Counter
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.addresses import AddressPlan, bridges_for
from orchestrator.domain.naming import bridge_names

SMALL = AddressPlan(IPv4Network("10.0.0.0/27"))  # 16 are reserved, one is the broadcast's: 15 left
FIRST = IPv4Address("10.0.0.16")
TWO = AddressPlan(IPv4Network("10.0.0.0/23"), bridges=2, bridge_holds=3)


@pytest.mark.parametrize(
    ("previous", "in_use", "expected"),
    [
        (None, (), 16),
        (16, (), 17),
        (30, (), 16),
        (16, (17, 18), 19),
        (29, (30, 16), 17),
        (1, (), 16),
        (31, (), 16),
        (16, tuple(range(16, 31)), None),
    ],
)
def test_addresses_go_round(
    previous: int | None, in_use: tuple[int, ...], expected: int | None
) -> None:
    base = IPv4Address("10.0.0.0")
    given_one = SMALL.after(
        base + previous if previous is not None else None, [base + number for number in in_use]
    )
    assert given_one == (base + expected if expected is not None else None)


def test_one_from_an_older_subnet_begins_anew() -> None:
    assert SMALL.after(IPv4Address("192.168.0.7"), ()) == FIRST


@given(st.sets(st.integers(0, 14)), st.integers(0, 14))
def test_an_address_in_use_is_never_given(taken: set[int], previous: int) -> None:
    in_use = {FIRST + number for number in taken}
    found = SMALL.after(FIRST + previous, in_use)
    assert (found is None) == (len(in_use) == 15)
    assert found not in in_use


def test_no_address_comes_again_before_all_others() -> None:
    previous, given_ones = None, []
    for _ in range(30):
        previous = SMALL.after(previous, ())
        given_ones.append(previous)
    assert given_ones == [FIRST + number for number in range(15)] * 2


def test_bridges_take_turns_until_each_is_full() -> None:
    previous: IPv4Address | None = None
    in_use: list[IPv4Address] = []
    while (previous := TWO.after(previous, in_use)) is not None:
        in_use.append(previous)
    assert in_use[:2] == [IPv4Address("10.0.0.16"), IPv4Address("10.0.1.16")]
    assert Counter(map(TWO.bridge_of, in_use)) == {0: 3, 1: 3}


def test_a_full_bridge_is_passed_over() -> None:
    in_use = [IPv4Address("10.0.0.16") + number for number in range(3)]
    assert TWO.after(IPv4Address("10.0.1.16"), in_use) == IPv4Address("10.0.1.17")


@pytest.mark.parametrize(("capacity", "bridges"), [(1, 1), (1000, 1), (1001, 2), (10_000, 10)])
def test_a_bridge_holds_a_thousand(capacity: int, bridges: int) -> None:
    assert bridges_for(capacity) == bridges
    plan = AddressPlan(IPv4Network("10.0.0.0/16"), bridges)
    assert len(plan.bridges) == bridges
    assert all(part.num_addresses >= 4096 for part in plan.bridges)


# -- those with the Internet -----------------------------------------------------------------------

OUT = AddressPlan(
    IPv4Network("10.0.0.0/23"), bridges=2, egress=IPv4Network("10.9.0.0/27"), bridge_holds=3
)


def test_those_with_the_internet_have_a_bridge_of_their_own_the_last_one() -> None:
    assert OUT.bridges == (*TWO.bridges, IPv4Network("10.9.0.0/27"))
    assert OUT.bridge_of(IPv4Address("10.9.0.16")) == 2
    assert (OUT.room(), OUT.room(egress=True)) == (TWO.room(), 15)
    assert bridge_names("sandbox", 3, egress=True) == ("sandbox", "sandbox-2", "sandbox-egress")
    assert bridge_names("sandbox", 2) == ("sandbox", "sandbox-2")


@given(st.lists(st.booleans(), max_size=40))
def test_both_kinds_go_round_by_themselves(kinds: list[bool]) -> None:
    latest: dict[bool, IPv4Address | None] = {False: None, True: None}
    alone: dict[bool, IPv4Address | None] = {False: None, True: None}
    for egress in kinds:
        latest[egress] = OUT.after(latest[egress], (), egress=egress)
        plan = SMALL_OUT if egress else TWO
        alone[egress] = plan.after(alone[egress], ())
        given_one = latest[egress]
        assert given_one == alone[egress]
        assert given_one is not None and OUT.reaches_out(given_one) is egress


SMALL_OUT = AddressPlan(IPv4Network("10.9.0.0/27"))


def test_a_full_bridge_of_theirs_gives_nobody_one_of_the_others() -> None:
    in_use = [IPv4Address("10.9.0.16") + number for number in range(3)]
    assert OUT.after(None, in_use, egress=True) is None
    assert OUT.after(None, in_use) == IPv4Address("10.0.0.16")


def test_where_nobody_reaches_the_internet_there_is_no_such_address() -> None:
    assert TWO.after(None, (), egress=True) is None
    assert not TWO.reaches_out(IPv4Address("10.0.0.16"))
    assert TWO.room(egress=True) == 0
