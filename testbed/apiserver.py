"""A real Kubernetes API on loopback: etcd and kube-apiserver, with RBAC, admission and custom resources."""

import contextlib
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import ApiClient, Configuration

from testbed.certificates import Authority, authority, signing_key
from testbed.server import Server, free_port, running
from tools.catalog import find

_SERVICE_ADDRESSES = "10.0.0.0/24"  # of which Kubernetes gives itself the first
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "10.0.0.1")


class KubectlError(RuntimeError):
    """kubectl ended with an error; the message is what it said."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ApiServer:
    """A running Kubernetes API.

    Attributes:
        url: Where it listens, without a slash at the end.
        client: Talks to it as its administrator.
        kubeconfig: A file for programs that are to be its administrator.
        authority: Signed its certificate, and can sign those of clients.
        service_account_key: Private key that signs the tokens of service accounts.
        servers: etcd and kube-apiserver.
    """

    url: str
    client: ApiClient
    kubeconfig: Path
    authority: Authority
    service_account_key: Path
    servers: tuple[Server, ...]

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run kubectl as administrator; return what it printed.

        Raises:
            KubectlError: If it ends with an error.
        """
        command: list[str | Path] = [find("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KubectlError(done.stderr.strip())
        return done.stdout

    @contextlib.contextmanager
    def client_with(self, token: str) -> Iterator[ApiClient]:
        """Talk to it as whoever ``token`` belongs to."""
        with ApiClient(_configuration(self.url, self.authority, token)) as client:
            yield client

    def kubeconfig_with(self, token: str, file: Path) -> Path:
        """Write a file with which a program is whoever ``token`` belongs to."""
        return _write_kubeconfig(file, self.url, self.authority, {"token": token})

    def kubeconfig_of(self, user: str) -> Path:
        """Write a file with which a program is ``user``, proven by a certificate."""
        file = user.replace(":", "-")
        pair = self.authority.issue(file, user=user)
        proof = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
        return _write_kubeconfig(self.authority.folder / f"{file}.kubeconfig", self.url, self.authority, proof)


@contextlib.contextmanager
def apiserver() -> Iterator[ApiServer]:
    """Run etcd and kube-apiserver until the ``with`` block ends.

    No controllers run: objects are stored, checked and watched, and nothing else happens to them.

    Raises:
        ToolMissingError: If this machine has no etcd or kube-apiserver yet.
        NotReadyError: If one did not start; carries its log.
    """
    find("kubectl")  # of the programs needed, the one that would be missed last
    folder = Path(tempfile.mkdtemp(prefix="aiops-certificates-"))
    try:
        signer = authority(folder)
        token = secrets.token_urlsafe()
        private, public = signing_key(folder, "service-accounts")
        with (
            _etcd() as store,
            _kube_apiserver(store.url, signer, token, private, public) as server,
            ApiClient(_configuration(server.url, signer, token)) as client,
        ):
            yield ApiServer(
                url=server.url,
                client=client,
                kubeconfig=_write_kubeconfig(folder / "admin.kubeconfig", server.url, signer, {"token": token}),
                authority=signer,
                service_account_key=private,
                servers=(store, server),
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _etcd() -> AbstractContextManager[Server]:
    def command(port: int, folder: Path) -> list[str | Path]:
        clients, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        return [
            find("etcd"),
            f"--data-dir={folder / 'data'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync=true",  # nothing here is to survive a power cut
        ]

    return running("etcd", command, ready_path="/health")


def _kube_apiserver(
    store_url: str, signer: Authority, token: str, private: Path, public: Path
) -> AbstractContextManager[Server]:
    serving = signer.issue("apiserver", user="kube-apiserver", hosts=_NAMES)
    proxy = signer.issue("front-proxy", user="front-proxy-client")

    def command(port: int, folder: Path) -> list[str | Path]:
        tokens = folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f'{token},admin,admin-uid,"system:masters"\n')
        return [
            find("kube-apiserver"),
            f"--etcd-servers={store_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={folder / 'run'}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={signer.certificate}",
            f"--token-auth-file={tokens}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={private}",
            f"--service-cluster-ip-range={_SERVICE_ADDRESSES}",
            "--allow-privileged=true",
            "--authorization-mode=RBAC",
            f"--requestheader-client-ca-file={signer.certificate}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
        ]

    # Asked to end, it waits a minute for open watches, and answers meanwhile as if nothing had happened.
    return running(
        "kube-apiserver",
        command,
        ready_path="/readyz",
        ready_within_seconds=60,
        authority=signer.certificate,
        grace_seconds=0,
    )


def _configuration(url: str, signer: Authority, token: str) -> Configuration:
    configuration = Configuration(
        host=url, api_key={"authorization": token}, api_key_prefix={"authorization": "Bearer"}
    )
    configuration.ssl_ca_cert = str(signer.certificate)
    configuration.proxy = None  # loopback needs none, whatever the environment says
    return configuration


def _write_kubeconfig(file: Path, url: str, signer: Authority, proof: Mapping[str, Any]) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {"server": url, "certificate-authority": str(signer.certificate)}}],
        "users": [{"name": "testbed", "user": dict(proof)}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
        "current-context": "testbed",
    }
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
    return file
