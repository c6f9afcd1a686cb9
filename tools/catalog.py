"""The real components by name, and where their programs are on this machine."""

from __future__ import annotations

from pathlib import Path

from tools.cache import folder
from tools.golang import GoTool
from tools.tool import DebianTool, Tool

_KUBERNETES = "v1.36.2"
# Where the programs of Kubernetes keep their version. Left at v0.0.0, kubectl and helm refuse to talk to the server.
_KUBERNETES_VERSION = {
    f"{package}.{name}": value
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for name, value in (("gitVersion", _KUBERNETES), ("gitMajor", "1"), ("gitMinor", "36"))
}

# What tests and demos need. The first time costs about ten minutes, most of them for Kubernetes.
_TOOLS: tuple[Tool, ...] = (
    DebianTool(
        name="prometheus",
        package="prometheus",
        version="2.42.",
        programs={"prometheus": "usr/bin/prometheus", "promtool": "usr/bin/promtool"},
    ),
    DebianTool(
        name="alertmanager",
        package="prometheus-alertmanager",
        version="0.25.",
        programs={"alertmanager": "usr/bin/prometheus-alertmanager", "amtool": "usr/bin/amtool"},
        compiled_in="/usr/share/prometheus/alertmanager",  # notification templates; it does not start without them
    ),
    GoTool(name="etcd", packages={"etcd": "go.etcd.io/etcd/server/v3"}),
    GoTool(
        name="kubernetes",
        packages={
            program: f"k8s.io/kubernetes/cmd/{program}"
            for program in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        },
        variables=_KUBERNETES_VERSION,
    ),
    GoTool(
        name="kwok",
        packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
        files={"sigs.k8s.io/kwok": "kustomize"},  # its custom resources, and stages of nodes and pods
    ),
    GoTool(
        name="metrics-server",
        packages={"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
        variables={"k8s.io/client-go/pkg/version.gitVersion": "v0.9.0"},
    ),
    GoTool(
        name="helm",
        packages={"helm": "helm.sh/helm/v4/cmd/helm"},
        variables={"helm.sh/helm/v4/internal/version.version": "v4.2.4"},
    ),
    GoTool(
        name="prometheus-operator",
        packages={},
        files={"github.com/prometheus-operator/prometheus-operator": "example/prometheus-operator-crd"},
    ),
    GoTool(
        name="prometheus3",
        packages={"prometheus-3": "github.com/prometheus/prometheus/cmd/prometheus"},
        variables={"github.com/prometheus/common/version.Version": "3.15.0"},
        tags=("remove_all_sd",),  # all the clouds where it could look for what to scrape
    ),
)
SLOW = frozenset({"prometheus3"})
"""What only `make test-slow` needs."""

CATALOG: dict[str, Tool] = {tool.name: tool for tool in _TOOLS}


class ToolMissingError(Exception):
    """A program is not on this machine yet; the message says how to get it."""


def find(program: str) -> Path:
    """Return the path of a program such as ``"promtool"``.

    Raises:
        ToolMissingError: If its tool has not been obtained yet, or no tool brings it.
    """
    for tool in CATALOG.values():
        if program in tool.programs:
            return _find(tool, tool.programs[program], program)
    known = ", ".join(sorted(name for tool in CATALOG.values() for name in tool.programs))
    raise ToolMissingError(f"no tool brings the program {program!r}; the catalog has: {known}")


def find_file(name: str, path: str) -> Path:
    """Return a file or folder that the tool ``name`` brings, such as the custom resources of one.

    Raises:
        ToolMissingError: If the tool has not been obtained yet, or does not bring it.
    """
    return _find(CATALOG[name], path, path)


def _find(tool: Tool, path: str, called: str) -> Path:
    home = folder(tool)
    if not (home / path).exists():
        command = f"python3 -m tools {tool.name}" if tool.name in SLOW else "make tools"
        raise ToolMissingError(f"{called} is not in {home}; get it with: {command}")
    return home / path
