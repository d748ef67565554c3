"""One Go program, built from its published module: no checkout, no prebuilt binary."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from tools.devcluster.parts import CONTROL_PLANE, Part
from tools.devcluster.process import Daemon

_GO_NEEDED = (1, 26)
_FETCHES_TOOLCHAINS = (1, 21)


class MissingToolError(RuntimeError):
    """Something that must be installed by hand is not there; the message says what and how."""


class BuildError(RuntimeError):
    """The compiler, or the download of the sources, has failed; the message carries the end of the output."""


def require_go(part: Part) -> None:
    """Raise MissingToolError unless a Go is on PATH that can build the part."""
    needed = ".".join(map(str, _GO_NEEDED))
    help_ = (
        f"Install Go {needed} or newer (unpack the archive of go.dev/dl and put go/bin on PATH), or set "
        f"KUBEBUILDER_ASSETS to a folder that has: {', '.join(CONTROL_PLANE)}"
    )
    if shutil.which("go") is None:
        raise MissingToolError(
            f"{part.program} {part.version} is neither in $KUBEBUILDER_ASSETS nor in the cache nor on PATH, "
            f"and to build it Go is needed, which is not on PATH. {help_}"
        )
    version, toolchain = _go_env("GOVERSION", "GOTOOLCHAIN")
    found = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if found < (_GO_NEEDED if toolchain == "local" else _FETCHES_TOOLCHAINS):
        raise MissingToolError(f"{part.key} needs Go {needed} to be built; here is {version}. {help_}")


def _go_env(*names: str) -> list[str]:
    done = subprocess.run(["go", "env", *names], capture_output=True, text=True, check=True, cwd="/")
    return done.stdout.splitlines()


class GoBuild:
    """A build that goes on in the background, niced, in a folder of its own."""

    def __init__(self, part: Part, folder: Path) -> None:
        self._part, self._folder = part, folder
        script = folder / "build.sh"
        script.write_text(_script(part, folder))
        environment = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -buildvcs=false".strip(),  # -p=1, say, where others work too
            "GOWORK": "off",
            "GOTMPDIR": str(folder),
        }
        # nice is no luxury: tests run meanwhile, and their deadlines are real
        self._process = Daemon(
            f"build of {part.program}",
            ["nice", "-n", "10", "/bin/sh", str(script)],
            log=folder / "build.log",
            env=environment,
        )
        self._process.start()

    def running(self) -> bool:
        """Whether it still goes on."""
        return self._process.alive

    def stop(self) -> None:
        """End it with all that it has started, if it runs."""
        if self._process.alive:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.stop()

    def result(self) -> Path:
        """Return the program; BuildError if there is none."""
        program = self._folder / "bin" / self._part.program
        if not program.exists():
            raise BuildError(f"building {self._part.program} {self._part.version}:\n{self._process.log_tail()}")
        return program


def _script(part: Part, folder: Path) -> str:
    output = folder / "bin" / part.program
    tags = f"-tags {shlex.quote(part.tags)} " if part.tags else ""
    flags = f"-mod=mod {'-trimpath ' if part.trimpath else ''}{tags}-ldflags {shlex.quote(part.ldflags)}"
    # Tidy looks only at imports, and a main package can be imported by a file that is never compiled.
    return f"""set -eu
cd {shlex.quote(str(folder))}
{_download(part)}
{{
  echo 'module ticklock.local/{part.program}'
  {_requirements(part)}
}} >go.mod
{_main(part)}
go mod tidy -e
exec go build {flags} -o {shlex.quote(str(output))} {part.package}
"""


def _download(part: Part) -> str:
    return f"go mod download -json {part.module}@v{part.version} >module.json" if part.module else ":"


def _main(part: Part) -> str:
    if part.source is not None:
        return f"cp {shlex.quote(str(part.source))} main.go"
    return f"""printf '//go:build tools\\npackage tools\\nimport _ "{part.package}"\\n' >tools.go"""


def _requirements(part: Part) -> str:
    """Return shell that prints the rest of go.mod: the Go version, the module, and what the module itself replaces."""
    if not part.module:
        return f"echo 'go {'.'.join(map(str, _GO_NEEDED))}'"
    mod = """mod=$(sed -n 's/.*"GoMod": "\\(.*\\)".*/\\1/p' module.json); grep '^go ' "$mod" """
    require = f"echo 'require {part.module} v{part.version}'"
    if not part.staging:
        return f"{mod}; {require}"
    minor = part.version.split(".", 1)[1]
    replace = rf"""sed -nE 's#^\s*(k8s.io/\S+) => \./staging/.*#replace \1 => \1 v0.{minor}#p' "$mod" """
    return f"{mod}; {require}; {replace}"
