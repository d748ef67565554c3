"""Wrong values in the other fields of our own."""

from __future__ import annotations

from tests.support.bad_manifests.base import GONE, SPEC, BadManifest, refused, valid_manifest

_CATCH_UP = (*SPEC, "catchUp")
_ALL_REPLACED = {**valid_manifest()["spec"], "catchUp": {"policy": "All"}, "concurrencyPolicy": "Replace"}

SPECS: list[BadManifest] = [
    refused("name has 53 characters", ("metadata", "name"), "n" * 53, field="metadata.name"),
    refused("name has capitals", ("metadata", "name"), "Nightly", field="metadata.name"),
    refused("spec is missing", SPEC, GONE, field="spec"),
    refused("suspend is a word", (*SPEC, "suspend"), "yes", field="spec.suspend"),
    refused("concurrency policy is unknown", (*SPEC, "concurrencyPolicy"), "Sometimes", field="spec.concurrencyPolicy"),
    refused("deadline is negative", (*SPEC, "startingDeadlineSeconds"), -1, field="spec.startingDeadlineSeconds"),
    refused("deadline has a unit", (*SPEC, "startingDeadlineSeconds"), "5m", field="spec.startingDeadlineSeconds"),
    refused(
        "history limit is negative", (*SPEC, "successfulJobsHistoryLimit"), -3, field="spec.successfulJobsHistoryLimit"
    ),
    refused("history limit is a fraction", (*SPEC, "failedJobsHistoryLimit"), 0.5, field="spec.failedJobsHistoryLimit"),
    refused("a policy for missed ticks is unknown", _CATCH_UP, {"policy": "Some"}, field="catchUp.policy"),
    refused("a limit of missed ticks is zero", _CATCH_UP, {"policy": "All", "limit": 0}, field="catchUp.limit"),
    refused(
        "a window of missed ticks is shorter than the grace", _CATCH_UP, {"windowSeconds": 14}, field="windowSeconds"
    ),
    refused("no missed tick is to run, up to five", _CATCH_UP, {"policy": "Skip", "limit": 5}, field="catchUp"),
    refused("all missed ticks are to run, each ending the one before", SPEC, _ALL_REPLACED, field="catchUp.policy"),
    refused("queue is no plain name", (*SPEC, "queueName"), "Monthly reports", field="spec.queueName"),
    refused("priority is a number", (*SPEC, "priority"), 10, field="spec.priority"),
    refused("priority is unknown", (*SPEC, "priority"), "Urgent", field="spec.priority"),
    refused("launch policy is unknown", (*SPEC, "launchPolicy"), "Twice", field="spec.launchPolicy"),
]
