"""What the API server cannot know to be wrong, the controller does: each such case is a problem to its parser."""

from __future__ import annotations

import pytest

from tests.support.bad_manifests import CASES, BadManifest, valid_manifest
from ticklock.domain.parse import declared

SERVER = {"namespace": "default", "uid": "u-1", "generation": 1, "creationTimestamp": "2026-11-22T16:00:00Z"}


def test_the_manifest_that_all_cases_spoil_is_none() -> None:
    manifest = valid_manifest()
    read = declared(manifest | {"metadata": manifest["metadata"] | SERVER})
    assert read is not None
    assert read.problem is None


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES if case.outcome == "condition"])
def test_it_is_a_problem_that_names_the_field(case: BadManifest) -> None:
    read = declared(case.manifest | {"metadata": case.manifest["metadata"] | SERVER})
    assert read is not None
    assert read.problem is not None
    assert case.field in read.problem.message
