"""The images: what each is made of and how it is started.

`ticklock` is the product's own, with the same content as the Dockerfile's, but for the Python below it. The others
exist for clusters without a registry, such as that of the tests: each stands in, under the same name, for what a
cluster would pull.
"""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tools.devcluster.binaries import resolve
from tools.devcluster.parts import COREDNS, PARTS, PAUSE
from tools.image.accounts import User, certificates, user_files
from tools.image.layers import Entry, files_layer, folder_layer
from tools.image.oci import Config
from tools.image.wheels import HOME, REQUIREMENTS, SITE, compile_all, install_product, install_requirements
from tools.image.workshop import Base, Workshop, kept

NONROOT = User("nonroot", 65532, "/home/nonroot")
POSTGRES = User("postgres", 999, "/var/lib/postgresql")
PGDATA = "/var/lib/postgresql/data"
BUSYBOX = "1.37"
_LIBRARY = "docker.io/library"
UNUSED = ("kubernetes/aio/*", "kubernetes/client/api/*", "*/tests/*", "*/tests")
"""Of the wheels: the calls of the client library, of which only the reading of a kubeconfig is used, its second,
asynchronous half, and the tests of others."""

LABELS = {
    "org.opencontainers.image.title": "ticklock",
    "org.opencontainers.image.description": "A Kubernetes operator for scheduled jobs that must run exactly once",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.version": metadata.version("ticklock"),
}
PRODUCT = Config(
    entrypoint=("ticklock",),
    command=("controller",),
    environment=(
        f"PATH=/{HOME}/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG=C.UTF-8",
        "PYTHONUNBUFFERED=1",
        "PYTHONDONTWRITEBYTECODE=1",
    ),
    user=f"{NONROOT.uid}:{NONROOT.uid}",
    ports=("8080/tcp",),
    labels=LABELS,
)
_PYTHON = Base(
    names=("python3.11", "ca-certificates", "base-files", "libstdc++6"),
    without=(
        *("debconf", "dpkg", "mawk", "openssl", "readline-common", "tar"),
        *("libacl1", "libmd0", "libpcre2-8-0", "libselinux1", "libzstd1"),
        *("libcom-err2", "libdb5.3", "libgssapi-krb5-2", "libk5crypto3", "libkeyutils1", "libkrb5-3"),
        *("libkrb5support0", "libnsl2", "libreadline8", "libtirpc-common", "libtirpc3"),
    ),
    modules=("_dbm", "nis", "readline"),
)
_STDLIB = "usr/lib/python3.11"
_START = f"#!/{HOME}/bin/python\nimport sys\nfrom ticklock.cli.main import main\nsys.exit(main())\n"
_VENV = "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n"

_POSTGRES = Base(
    names=("postgresql-15", "base-files", "dash", "coreutils", "util-linux"),
    without=(
        *("adduser", "debconf", "dpkg", "init-system-helpers", "libc-l10n", "locales", "mawk", "openssl"),
        *("passwd", "perl", "perl-base", "perl-modules-5.36", "libperl5.36", "postgresql-client-common"),
        *("postgresql-common", "readline-common", "ssl-cert", "sysvinit-utils", "tar", "ucf"),
        *("libfile-find-rule-perl", "libjson-perl", "libnumber-compare-perl", "libtext-glob-perl"),
        *("libllvm14", "libz3-4"),
    ),
    # a compiler of queries that cannot be loaded fails the query; one that is not there is not asked
    skip=("usr/lib/postgresql/15/lib/llvmjit*", "usr/lib/postgresql/15/lib/bitcode/**/*.bc"),
)
_ENTRYPOINT = Path(__file__).with_name("postgres-entrypoint.sh")


@dataclass(frozen=True, slots=True)
class Content:
    """What an image is made of."""

    layers: Sequence[Path]
    config: Config


@dataclass(frozen=True, slots=True)
class Image:
    """One image: the names under which a cluster knows it, and how its content is made."""

    names: tuple[str, ...]
    make: Callable[[Workshop], Content]


def _ticklock(shop: Workshop) -> Content:
    root, key = shop.root(_PYTHON)
    extra = [
        *user_files([NONROOT]),
        certificates(root),
        Entry(f"{HOME}/pyvenv.cfg", _VENV.encode()),
        Entry(f"{HOME}/bin/python", b"", link="/usr/bin/python3.11"),
        Entry(f"{HOME}/bin/python3", b"", link="python"),
        Entry(f"{HOME}/bin/ticklock", _START.encode(), mode=0o755),
    ]
    ingredients = f"{key} {REQUIREMENTS.read_text()} {UNUSED}"
    layers = [
        shop.base_layer(root, _PYTHON, key, prepare=lambda: compile_all(root / _STDLIB, root, at=_STDLIB)),
        kept("wheels", ingredients, lambda target: _wheels(shop, root, target)),
        files_layer(shop.path("extra.tar"), extra),
        _product(shop, root),
    ]
    return Content(layers, PRODUCT)


def _wheels(shop: Workshop, root: Path, target: Path) -> None:
    folder = shop.path("wheels")
    install_requirements(folder, shop.debian.architecture)
    shop.require_linked(folder, root)
    compile_all(folder, root, at=SITE)
    folder_layer(target, folder, at=SITE, skip=UNUSED)


def _product(shop: Workshop, root: Path) -> Path:
    folder = shop.path("product")
    install_product(folder, shop.scratch.path)
    compile_all(folder, root, at=SITE)
    return folder_layer(shop.path("product.tar"), folder, at=SITE)


def _postgres(shop: Workshop) -> Content:
    root, key = shop.root(_POSTGRES)
    programs = "/usr/lib/postgresql/15/bin"
    extra = [
        *user_files([POSTGRES]),
        Entry(PGDATA, mode=0o700, owner=POSTGRES.uid),
        Entry("run/postgresql", mode=0o3777, owner=POSTGRES.uid),
        Entry("var/run", b"", link="/run"),
        Entry("docker-entrypoint-initdb.d", mode=0o755),
        Entry("usr/local/bin/docker-entrypoint.sh", _ENTRYPOINT.read_bytes(), mode=0o755),
    ]
    config = Config(
        entrypoint=("docker-entrypoint.sh",),
        command=("postgres",),
        environment=(f"PATH={programs}:/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", f"PGDATA={PGDATA}"),
        ports=("5432/tcp",),
        volumes=(PGDATA,),
        stop_signal="SIGINT",
    )
    return Content([shop.base_layer(root, _POSTGRES, key), files_layer(shop.path("extra.tar"), extra)], config)


def _busybox(shop: Workshop) -> Content:
    root, key = shop.root(Base(names=("busybox-static",)))
    program = root / "usr/bin/busybox"
    names = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    applets = [Entry(f"usr/bin/{name}", b"", link="busybox") for name in names if name != "busybox"]
    entries = [*user_files([]), *applets]
    layers = [shop.base_layer(root, Base(names=()), key), files_layer(shop.path("applets.tar"), entries)]
    return Content(layers, Config(command=("sh",)))


def _program(name: str) -> Callable[[Workshop], Content]:
    """Return the making of an image that is one static program."""

    def make(shop: Workshop) -> Content:
        programs: Mapping[str, Path] = {name: resolve([name])[name]}
        layer = files_layer(shop.path(f"{name}.tar"), user_files([]), programs)
        return Content([layer], Config(entrypoint=(f"/{name}",), labels={"version": PARTS[name].version}))

    return make


IMAGES: dict[str, Image] = {
    "ticklock": Image((f"{_LIBRARY}/ticklock:{LABELS['org.opencontainers.image.version']}",), _ticklock),
    "postgres": Image((f"{_LIBRARY}/postgres:15",), _postgres),
    "busybox": Image((f"{_LIBRARY}/busybox:{BUSYBOX}",), _busybox),
    "coredns": Image((f"registry.k8s.io/coredns/coredns:v{COREDNS}",), _program("coredns")),
    "pause": Image((f"registry.k8s.io/pause:{PAUSE}",), _program("pause")),
}
