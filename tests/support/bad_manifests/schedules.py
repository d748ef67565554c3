"""Wrong schedules and time zones."""

from __future__ import annotations

from tests.support.bad_manifests.base import SPEC, BadManifest, condition, refused

_AT = (*SPEC, "schedule")
_ZONE = (*SPEC, "timeZone")
_FIELD = "spec.schedule"

SCHEDULES: list[BadManifest] = [
    refused("schedule is empty", _AT, "", field=_FIELD),
    refused("schedule is a number", _AT, 5, field=_FIELD),
    refused("schedule has four fields", _AT, "30 2 * *", field=_FIELD),
    refused("schedule has seven fields", _AT, "0 30 2 * * * 2027", field=_FIELD),
    refused("schedule is a word", _AT, "daily", field=_FIELD),
    refused("schedule has an unknown macro", _AT, "@fortnightly", field=_FIELD),
    refused("schedule has a macro in capitals", _AT, "@Daily", field=_FIELD),
    refused("@every lacks the unit", _AT, "@every 10", field=_FIELD),
    refused("@every does not move forward", _AT, "@every 0s", field=_FIELD),
    refused("@every goes backwards", _AT, "@every -10s", field=_FIELD),
    refused("schedule carries CRON_TZ", _AT, "CRON_TZ=Europe/Berlin 30 2 * * *", field="timeZone"),
    refused("schedule is longer than anybody can read", _AT, "0," * 128 + "0 2 * * *", field=_FIELD),
    refused("second is 60", _AT, "60 * * * * *", field="second"),
    refused("minute is 61", _AT, "61 * * * *", field="minute"),
    refused("minute has step zero", _AT, "*/0 * * * *", field="minute"),
    refused("hour is 24", _AT, "0 24 * * *", field="hour"),
    refused("day of month is 0", _AT, "0 0 0 * *", field="day of month"),
    refused("day of month is 15W, as in Quartz", _AT, "0 0 15W * *", field="day of month"),
    refused("day of week is a sixth Monday", _AT, "0 0 * * MON#6", field="day of week"),
    refused("month is 13", _AT, "0 0 1 13 *", field="month"),
    refused("day of week is 8", _AT, "0 0 * * 8", field="day of week"),
    refused("day of week is spelled out", _AT, "0 0 * * friday", field="day of week"),
    condition("minutes run backwards", _AT, "5-1 * * * *", field=_FIELD),
    condition("days of week run backwards", _AT, "0 9 * * FRI-MON", field=_FIELD),
    condition("the day never comes", _AT, "0 0 31 2 *", field=_FIELD),
    condition("none of the months has the day", _AT, "0 0 31 4,6,9,11 *", field=_FIELD),
    condition("a step begins with the other Sunday", _AT, "0 0 * * 7/2", field=_FIELD),
    condition("@every is longer than three lifetimes", _AT, "@every 9999999h", field=_FIELD),
    refused("two ways to say when", (*SPEC, "everySeconds"), 90, field="everySeconds"),
    refused("an entry of several has minute 61", (*SPEC, "schedules"), ["61 * * * *"], field="minute"),
    refused("an exclusion is a distance", (*SPEC, "exclude"), ["@every 1h"], field="exclude"),
    refused("an exclusion has month 13", (*SPEC, "exclude"), ["* * 25 13 *"], field="month"),
    refused("a night is dealt with in an unknown way", (*SPEC, "dst"), {"ambiguous": "Never"}, field="dst.ambiguous"),
    refused("jitter is more than a day", (*SPEC, "jitterSeconds"), 86_401, field="jitterSeconds"),
    refused("a start is no time", (*SPEC, "startAt"), "tomorrow", field="startAt"),
    refused("an end is a number", (*SPEC, "endAt"), 5, field="endAt"),
    condition("an exclusion takes every tick away", (*SPEC, "exclude"), ["* * * * *"], field="spec.exclude"),
    refused("time zone is whatever the machine has", _ZONE, "Local", field="spec.timeZone"),
    refused("time zone is empty", _ZONE, "", field="spec.timeZone"),
    refused("time zone climbs out of its folder", _ZONE, "../etc/passwd", field="spec.timeZone"),
    condition("time zone is on another planet", _ZONE, "Mars/Olympus", field="spec.timeZone"),
    condition("time zone is misspelt", _ZONE, "Europe/Belrin", field="spec.timeZone"),
]
