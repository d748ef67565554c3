import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ticklock.domain.errors import Refused
from ticklock.kube.config import REREAD_SECONDS, Rereading, connect
from tools.devcluster.pki import Authority

IN_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A ServiceAccount's files, as they are mounted into a pod."""
    certificate = Authority(tmp_path / "keys", "ca").pair.certificate
    (tmp_path / "ca.crt").write_bytes(certificate.read_bytes())
    (tmp_path / "token").write_text("first\n")
    return tmp_path


def test_a_pod_uses_its_service_account(mount: Path) -> None:
    access = connect(environ=IN_POD, mount=mount)
    assert access.server == "https://10.96.0.1:6443"
    assert access.tls is not None
    assert access.tls.verify_mode is ssl.CERT_REQUIRED
    assert access.credentials.authorization(0) == "Bearer first"


def test_an_ipv6_address_is_put_in_brackets(mount: Path) -> None:
    assert connect(environ={"KUBERNETES_SERVICE_HOST": "fd00::1"}, mount=mount).server == "https://[fd00::1]:443"


def test_a_rotated_token_is_noticed_within_a_minute_or_after_a_401(mount: Path) -> None:
    credentials = connect(environ=IN_POD, mount=mount).credentials
    assert credentials.authorization(0) == "Bearer first"
    (mount / "token").write_text("second")
    assert credentials.authorization(REREAD_SECONDS - 1) == "Bearer first"
    assert credentials.authorization(REREAD_SECONDS) == "Bearer second"
    (mount / "token").write_text("third")
    credentials.refused()
    assert credentials.authorization(REREAD_SECONDS + 1) == "Bearer third"


def test_a_token_that_cannot_be_read_for_a_while_goes_on_being_used() -> None:
    def reads() -> Iterator[str | Exception]:
        yield from ("first", OSError("gone"), "second")

    answers = reads()

    def read() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    credentials = Rereading(read)
    assert credentials.authorization(0) == "first"
    assert credentials.authorization(REREAD_SECONDS) == "second"


def test_a_pod_without_the_authoritys_certificate_is_told_what_to_do(mount: Path) -> None:
    (mount / "ca.crt").unlink()
    with pytest.raises(Refused, match="automountServiceAccountToken"):
        connect(environ=IN_POD, mount=mount)


@pytest.mark.parametrize(
    ("content", "context"),
    [
        pytest.param(None, None, id="no such file"),
        pytest.param("kind: Config\n", None, id="no current context"),
        pytest.param("{", None, id="no YAML"),
        pytest.param(
            '{"clusters": [{"name": "c", "cluster": {"server": "https://x"}}], "users": [{"name": "u", "user": {}}], '
            '"contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}], "current-context": "a"}',
            "b",
            id="no such context",
        ),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path: Path, content: str | None, context: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Refused, match="check the kubeconfig and context settings"):
        connect(str(path), context)
