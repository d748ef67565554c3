"""What is started whole or not at all."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Whole:
    """Starts when a `with` is entered and is closed when it is left, or at once where it could not start whole."""

    def start(self) -> None:
        """Start everything; return when it can be used."""
        raise NotImplementedError

    def close(self) -> None:
        """End everything and remove it. May be repeated."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
