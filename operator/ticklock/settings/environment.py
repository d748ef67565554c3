"""The layer of environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ticklock.settings.errors import SettingsError, did_you_mean
from ticklock.settings.flags import CONFIG_VARIABLE, PREFIX, variable
from ticklock.settings.model import Settings

_FOR_OTHERS = frozenset(
    PREFIX + name for name in ("CACHE", "FAILPOINTS", "RUN_ID", "SCHEDULED_TIME", "ATTEMPT", "FENCING_TOKEN")
)
"""Read by tools and tests, or by the code inside our Jobs: Ticklock may itself be run by one."""

_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")


def given(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the variables say, by setting. An empty variable says nothing. Raises SettingsError."""
    own = {name: value for name, value in environ.items() if name.startswith(PREFIX) and name not in _FOR_OTHERS}
    settings = {variable(name): name for name in Settings.model_fields}
    unknown = [
        name for name in own if name not in {*settings, CONFIG_VARIABLE} and not _is_service_link(name, own[name])
    ]
    if unknown:
        known = (*settings, CONFIG_VARIABLE)
        raise SettingsError(
            "\n".join(f"{name}: there is no such setting; {did_you_mean(name, known)}" for name in unknown)
        )
    return {settings[name]: value for name, value in own.items() if name in settings and _counts(name, value)}


def _counts(name: str, value: str) -> bool:
    return bool(value) and not _is_service_link(name, value)


def _is_service_link(name: str, value: str) -> bool:
    """Whether Kubernetes set it, as it does for each Service of the namespace whose name begins with ours."""
    return bool(_SERVICE_LINK.search(name)) or (name.endswith("_PORT") and bool(_LINK_VALUE.match(value)))
