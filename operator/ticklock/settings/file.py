"""The layer of the file. YAML; JSON is part of it. No error quotes a line: it may hold a secret."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ticklock.settings.errors import SettingsError, did_you_mean
from ticklock.settings.model import Settings


def read(path: Path) -> dict[str, Any]:
    """Return what the file says, by setting. A null says nothing. Raises SettingsError."""
    found = _parsed(path, _text(path))
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: the file must hold settings, one a line, like http_port: 8080")
    unknown = [str(key) for key in found if key not in Settings.model_fields]
    if unknown:
        known = Settings.model_fields
        raise SettingsError(
            "\n".join(f"{key} in {path}: there is no such setting; {did_you_mean(key, known)}" for key in unknown)
        )
    return {key: value for key, value in found.items() if value is not None}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: the settings file is no UTF-8 text; save it as such") from None
    except OSError as error:
        raise SettingsError(
            f"{path}: the settings file cannot be read ({error.strerror}); mend --config or TICKLOCK_CONFIG"
        ) from None


def _parsed(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader that also refuses a key given twice
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}" if mark else "the file"
        raise SettingsError(
            f"{path}: {where} is no YAML, or gives a key twice; write settings like http_port: 8080"
        ) from None
    except yaml.YAMLError:
        raise SettingsError(f"{path}: the file is no YAML; write settings like http_port: 8080") from None


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML's users would silently get the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - its base's
        keys: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in keys:
                raise yaml.MarkedYAMLError(problem="a key is given twice", problem_mark=key.start_mark)
            keys.add(str(key.value))
        return super().construct_mapping(node, deep=deep)
