"""Reads a ScalingPolicy from YAML; what is wrong is said with its line, its key and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from aiops.documents.reading import Document, checked, read_documents
from aiops.errors import ConfigError
from aiops.scaling.policy import ScalingPolicy
from aiops.scaling.resource import API_VERSION, KIND, PredictiveScalerSpec

_Policy = TypeVar("_Policy", bound=ScalingPolicy)


def load_policy(text: str, name: str = "policy") -> ScalingPolicy:
    """Read a policy: a bare ``spec`` with what a decision depends on, or a whole PredictiveScaler.

    A whole one has ``kind`` and ``spec`` and gives a ``PredictiveScalerSpec``; a ``spec`` with a ``target``, too.

    Args:
        text: YAML.
        name: What to call it in errors; a file name.

    Raises:
        ConfigError: If it is not YAML, or not a policy; one line for each thing that is wrong.
    """
    return policy_in(policy_document(text, name))


def policy_document(text: str, name: str = "policy") -> Document:
    """Read what should be a policy.

    Raises:
        ConfigError: If it is not YAML, or more than one document.
    """
    documents = read_documents(text, name)
    if len(documents) > 1:
        raise ConfigError(f"{documents[1].where(())}: a second document begins here: a file holds one policy")
    return documents[0] if documents else Document(name=name, content=None)


def spec_in(document: Document) -> Document:
    """Return the part of a document whose keys are those of a policy: ``spec``, or all of a bare one.

    Raises:
        ConfigError: If it is of another kind or version.
    """
    found = document.content
    if not isinstance(found, Mapping) or "kind" not in found:
        return document
    if found["kind"] != KIND:
        raise ConfigError(
            f"{document.where(('kind',))}: kind is {found['kind']!r}, and only {KIND} is a scaling policy"
        )
    if found.get("apiVersion") != API_VERSION:
        where = document.where(("apiVersion",))
        raise ConfigError(f"{where}: apiVersion is {found.get('apiVersion')!r}: write {API_VERSION}")
    return document.part("spec")


def policy_in(document: Document) -> ScalingPolicy:
    """Build a policy from what was read; see ``load_policy``.

    Raises:
        ConfigError: If it is not a policy; one line for each thing that is wrong, with its line.
    """
    spec = spec_in(document)
    whole = spec is not document or (isinstance(spec.content, Mapping) and "target" in spec.content)
    return _build(PredictiveScalerSpec if whole else ScalingPolicy, spec)


def policy_from(spec: object, name: str = "policy") -> ScalingPolicy:
    """Build a policy from plain data.

    Args:
        spec: What YAML or JSON gave.
        name: What to call it in errors.

    Raises:
        ConfigError: If it is not a policy; one line for each thing that is wrong.
    """
    return _build(ScalingPolicy, Document(name=name, content=spec))


def spec_from(spec: object, name: str = "policy") -> PredictiveScalerSpec:
    """Build the whole ``spec`` of a PredictiveScaler from plain data; arguments and errors as for ``policy_from``."""
    return _build(PredictiveScalerSpec, Document(name=name, content=spec))


def _build(model: type[_Policy], document: Document) -> _Policy:
    if not isinstance(document.content, Mapping):
        got = "nothing" if document.content is None else type(document.content).__name__
        raise ConfigError(
            f"{document.where(())}: a policy is a mapping with bounds and load, got {got}: "
            "write at least 'bounds: {maxReplicas: 40}' and 'load: {capacityPerReplica: 50}'"
        )
    return checked(model, document, "the policy")
