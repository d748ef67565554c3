"""With every guard on, every invariant holds in every state that can be reached."""

import pytest

from tests.model.configurations import CONFIGURATIONS
from tests.model.running import searched
from tests.model.setup import Setup
from tests.model.state import Left
from tests.model.story import numbered


@pytest.mark.parametrize("setup", [pytest.param(w, id=w.name) for w in CONFIGURATIONS])
def test_nothing_starts_twice_nothing_is_lost_and_no_record_lies(setup: Setup) -> None:
    result = searched(setup)
    assert result.broken is None, "\n" + numbered(result.told, result.broken)
    assert result.clean > 0


def test_where_the_promise_ends_kubernetes_itself_starts_a_job_again_that_etcd_brings_back() -> None:
    result = searched(Setup("etcd restored", left=Left(restore=1), hands=1, kubernetes_too=True))
    assert result.broken == "S1: Kubernetes itself runs Job 1 again, which had ended before"
    assert any("etcd is restored" in sentence.lower() for sentence in result.told)
