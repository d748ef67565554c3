"""Each guard is needed: without it alone, the search finds the double, the loss, the lie or the kill."""

import pytest

from tests.model.ablations import ABLATIONS, EVERY, REDUNDANT, Ablation, Redundant
from tests.model.guards import RULES, Guards
from tests.model.running import searched


@pytest.mark.parametrize("ablation", [pytest.param(one, id=RULES[one.guard]) for one in ABLATIONS])
def test_without_it_an_invariant_breaks(ablation: Ablation) -> None:
    result = searched(ablation.without)
    assert result.invariant == ablation.breaks
    assert result.told


@pytest.mark.parametrize("one", [pytest.param(one, id=RULES[one.guard]) for one in REDUNDANT])
def test_without_it_others_still_hold(one: Redundant) -> None:
    assert searched(one.without).broken is None


def test_every_guard_has_a_sentence_and_is_tried() -> None:
    tried = [one.guard for one in EVERY]
    assert sorted(tried) == sorted(RULES) == sorted(Guards._fields)
