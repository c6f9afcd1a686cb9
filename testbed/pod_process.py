"""Does for one container what a kubelet does, but as a process of this machine instead of out of an image.

Test nodes pull no images. So the pod that the scheduler placed and kwok reports as running has a process here: with the
container's own command, arguments and environment, its Secrets and ConfigMaps as files, and the token of its
ServiceAccount and no other rights. What has to differ is said in ``PodProcess``.
"""

import base64
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.apiserver import ApiServer
from testbed.server import NotReadyError, Server, free_port, running

_ROOT = Path(__file__).parents[1]
_PROGRAMS = Path(sys.executable).parent
_OF_IMAGES = frozenset({"HOME", "NUMBA_CACHE_DIR"})
"""Variables that name folders of an image; here compiled code is kept where this machine keeps it."""
_READY_WITHIN_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PodProcess:
    """A container as a process.

    Attributes:
        server: The process; its ``url`` is where the probes answer.
        pod: Name of the pod.
        command: What runs. Differs from the pod's command in this: programs are those beside this Python, mounted
            folders lie in a temporary one, and addresses are free ports of loopback.
        ports: Port of the container -> port of this machine.
    """

    server: Server
    pod: str
    command: tuple[str, ...]
    ports: Mapping[int, int]

    @property
    def servers(self) -> tuple[Server, ...]:
        """Return what runs, for logs."""
        return (self.server,)


@contextlib.contextmanager
def pod_process(
    api: ApiServer, namespace: str, deployment: str, *, reach: Mapping[str, str] | None = None
) -> Iterator[PodProcess]:
    """Run the first container of a Deployment's pod as a process until the ``with`` block ends.

    Args:
        reach: Address in the arguments -> where that answers on this machine, as a Service would translate it.

    Raises:
        NotReadyError: If the Deployment has no running pod, or the process does not become ready; carries its log.
    """
    pod = _running_pod(api, namespace, deployment)
    container = pod["spec"]["containers"][0]
    home = Path(tempfile.mkdtemp(prefix="aiops-pod-"))
    try:
        mounted = _mount(api, namespace, pod["spec"].get("volumes", []), container.get("volumeMounts", []), home)
        ports = {each["containerPort"]: free_port() for each in container.get("ports", [])}
        variables = _variables(container.get("env", []), pod)
        words = [*container["command"], *container.get("args", [])]
        words = [_here(_expanded(word, variables), mounted, ports, reach or {}) for word in words]
        words[0] = str(_PROGRAMS / words[0])
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(_ROOT),
            **{
                name: _here(value, mounted, ports, reach or {})
                for name, value in variables.items()
                if name not in _OF_IMAGES
            },
        }
        if pod["spec"].get("automountServiceAccountToken", True):
            account = pod["spec"]["serviceAccountName"]
            token = api.kubectl("create", "token", account, f"--namespace={namespace}", "--duration=1h").strip()
            environment["KUBECONFIG"] = str(api.kubeconfig_with(token, home / "kubeconfig"))
        probes = ports[_port_named(container, container["readinessProbe"]["httpGet"]["port"])]
        with running(
            deployment,
            lambda _port, _folder: words,
            port=probes,
            environment=environment,
            ready_path=container["readinessProbe"]["httpGet"]["path"],
            ready_within_seconds=_READY_WITHIN_SECONDS,
            grace_seconds=float(pod["spec"].get("terminationGracePeriodSeconds", 30)),
        ) as server:
            yield PodProcess(server=server, pod=pod["metadata"]["name"], command=tuple(words), ports=ports)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _running_pod(api: ApiServer, namespace: str, deployment: str) -> dict[str, Any]:
    found = json.loads(api.kubectl("get", f"deployment/{deployment}", f"--namespace={namespace}", "--output=json"))
    labels = ",".join(f"{name}={value}" for name, value in found["spec"]["selector"]["matchLabels"].items())
    pods = json.loads(api.kubectl("get", "pods", f"--selector={labels}", f"--namespace={namespace}", "--output=json"))[
        "items"
    ]
    for pod in pods:
        if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]:
            whole: dict[str, Any] = pod
            return whole
    raise NotReadyError(f"the Deployment {namespace}/{deployment} has {len(pods)} pods, and none is running")


def _mount(
    api: ApiServer, namespace: str, volumes: list[dict[str, Any]], mounts: list[dict[str, Any]], home: Path
) -> dict[str, str]:
    """Write what the volumes hold; return folder in the container -> folder here."""
    by_name = {each["name"]: each for each in volumes}
    mounted = {}
    for mount in mounts:
        volume, folder = by_name[mount["name"]], home / mount["name"]
        folder.mkdir(mode=0o700, exist_ok=True)
        if "secret" in volume:
            source = volume["secret"]
            data = _read(api, namespace, "secret", source["secretName"]).get("data", {})
            content = {key: base64.b64decode(value) for key, value in data.items()}
            _write(folder, content, source.get("items"))
        elif "configMap" in volume:
            source = volume["configMap"]
            data = _read(api, namespace, "configmap", source["name"]).get("data", {})
            _write(folder, {key: value.encode() for key, value in data.items()}, source.get("items"))
        elif "emptyDir" not in volume and "projected" not in volume:
            raise NotReadyError(f"a volume like {volume} has no place on this machine")
        mounted[mount["mountPath"]] = str(folder)
    return mounted


def _read(api: ApiServer, namespace: str, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(api.kubectl("get", kind, name, f"--namespace={namespace}", "--output=json"))
    return found


def _write(folder: Path, content: Mapping[str, bytes], items: list[dict[str, str]] | None) -> None:
    paths = {each["key"]: each["path"] for each in items} if items else {key: key for key in content}
    for key, path in paths.items():
        file = folder / path
        file.touch(mode=0o600)
        file.write_bytes(content[key])


def _variables(declared: list[dict[str, Any]], pod: dict[str, Any]) -> dict[str, str]:
    fields = {"metadata.name": pod["metadata"]["name"], "metadata.namespace": pod["metadata"]["namespace"]}
    found = {}
    for each in declared:
        if "valueFrom" in each:
            found[each["name"]] = fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
        else:
            found[each["name"]] = each.get("value", "")
    return found


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda found: variables.get(found[1], found[0]), word)


def _here(text: str, mounted: Mapping[str, str], ports: Mapping[int, int], reach: Mapping[str, str]) -> str:
    """Translate folders and addresses of the container into those of this machine."""
    for address, here in reach.items():
        text = text.replace(address, here)
    for port, own in ports.items():
        text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{own}")
    if not mounted:
        return text
    longest_first = sorted(mounted, key=len, reverse=True)
    folders = rf"(?<![\w/.-])({'|'.join(map(re.escape, longest_first))})(?=/|$)"
    return re.sub(folders, lambda found: mounted[found[1]], text)


def _port_named(container: dict[str, Any], port: str | int) -> int:
    if isinstance(port, int):
        return port
    (found,) = [each["containerPort"] for each in container["ports"] if each.get("name") == port]
    return int(found)
