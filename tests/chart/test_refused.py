"""Values that cannot work are refused before anything is installed, with the mend."""

from __future__ import annotations

import pytest

from tests.support.chart import EXTERNAL, Chart, RefusedError, Values


def beside(**values: object) -> Values:
    return {**EXTERNAL, "externalDatabase": {**EXTERNAL["externalDatabase"], **values}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"externalDatabase": {"host": "db"}}, "set postgresql.enabled=false", id="two databases"),
        pytest.param({"postgresql": {"enabled": False}}, "there is no database", id="no database"),
        pytest.param({"postgresql": {"enabled": False}, "externalDatabase": {"urlKey": "uri"}},
                     "externalDatabase.existingSecret, which is empty", id="the key of no Secret"),
        pytest.param(beside(password="x"), "give one of them", id="two passwords"),
        pytest.param(beside(tls={"mode": "verify-ca"}), "needs externalDatabase.tls.caSecret", id="whose authority?"),
        pytest.param({**EXTERNAL, "serviceAccount": {"create": False}}, "serviceAccount.name is needed",
                     id="no ServiceAccount"),
        pytest.param({**EXTERNAL, "terminationGracePeriodSeconds": 30}, "grace_seconds (25 where unset) + 10",
                     id="killed before the Lease is given back"),
        pytest.param({**EXTERNAL, "settings": {"grace_seconds": 60}}, "grace_seconds (25 where unset) + 10",
                     id="a longer grace than the pod has"),
        pytest.param({**EXTERNAL, "replicas": 3}, "'replicas' not allowed", id="a misspelt value"),
        pytest.param({**EXTERNAL, "image": {"tga": "1"}}, "additional properties 'tga' not allowed",
                     id="a misspelt value below"),
        pytest.param({**EXTERNAL, "replicaCount": "two"}, "at '/replicaCount': got string, want integer",
                     id="a word for a number"),
        pytest.param({**EXTERNAL, "image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy'", id="no such policy"),
        pytest.param({**EXTERNAL, "image": {"digest": "abc"}}, "at '/image/digest'", id="no digest"),
        pytest.param(beside(tls={"mode": "verify-ful"}), "at '/externalDatabase/tls/mode'", id="a misspelt TLS mode"),
        pytest.param({**EXTERNAL, "settings": {"stage_ahaed_seconds": 3}}, "'stage_ahaed_seconds' not allowed",
                     id="a misspelt setting"),
        pytest.param({**EXTERNAL, "settings": {"stage_ahead_seconds": 600}}, "at '/settings/stage_ahead_seconds'",
                     id="a setting out of its range"),
        pytest.param({**EXTERNAL, "settings": {"database_url": "x"}}, "'database_url' not allowed",
                     id="a setting that the chart gives"),
        pytest.param({**EXTERNAL, "admissionPolicy": {"validationActions": []}},
                     "at '/admissionPolicy/validationActions'", id="a policy that does nothing"),
    ],
)  # fmt: skip
def test_refused(chart: Chart, values: Values, words: str) -> None:
    with pytest.raises(RefusedError) as refused:
        chart.render(values)
    assert words in str(refused.value)
