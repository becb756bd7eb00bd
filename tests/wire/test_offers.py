"""Offers of addresses under ids: taken once, the youngest wins, a limited number."""

from goplugin_py.wire.offers import MAX_OFFERS, Offers


def test_an_offer_is_taken_once() -> None:
    """go-plugin: gRPCBrokerPending, whose channel a dial empties."""
    offers = Offers[str]()
    offers.add(1, "address")
    assert offers.take(1) == "address"
    assert offers.take(1) is None


def test_nothing_is_found_under_other_ids() -> None:
    offers = Offers[str]()
    offers.add(1, "address")
    assert offers.take(2) is None
    assert offers.take(1) == "address"


def test_the_newest_offer_of_an_id_wins() -> None:
    """Unlike Go, which drops it: the older one may lead nowhere by now."""
    offers = Offers[str]()
    offers.add(1, "old")
    offers.add(1, "new")
    assert offers.take(1) == "new"
    assert offers.take(1) is None


def test_the_oldest_offer_makes_room() -> None:
    offers = Offers[int]()
    for service_id in range(MAX_OFFERS):
        offers.add(service_id, service_id)
    offers.add(0, 0)  # is young again
    offers.add(MAX_OFFERS, 0)
    assert offers.take(1) is None
    assert offers.take(0) == 0
    assert offers.take(2) == 2
    assert offers.take(MAX_OFFERS) == 0


def test_a_flood_of_offers_takes_bounded_memory() -> None:
    offers = Offers[int]()
    for service_id in range(3 * MAX_OFFERS):
        offers.add(service_id, service_id)
    kept = [each for each in range(3 * MAX_OFFERS) if offers.take(each) is not None]
    assert kept == list(range(2 * MAX_OFFERS, 3 * MAX_OFFERS))
