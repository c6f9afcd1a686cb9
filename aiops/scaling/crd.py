"""The CustomResourceDefinition of PredictiveScaler, made from the models that read it.

Kubernetes wants a structural schema in the dialect of OpenAPI 3.0: every type written out where it is used, null not a
type, an exclusive bound as a flag. ``make crds`` writes it into the chart.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from aiops.documents.fields import RULES, rule
from aiops.scaling.resource import (
    CATEGORIES,
    GROUP,
    KIND,
    PLURAL,
    SHORT_NAMES,
    SINGULAR,
    VERSION,
    PredictiveScalerSpec,
    PredictiveScalerStatus,
)
from aiops.series.duration import format_duration

_NAME_CHARACTERS: Final = 63
_NAME: Final = rule(
    f"self.metadata.name.size() <= {_NAME_CHARACTERS}",
    f"metadata.name has more than {_NAME_CHARACTERS} characters: shorten it, it becomes the value of a label",
)
COLUMNS: Final = (
    ("Mode", "string", ".spec.mode", 0, "How far it may go."),
    ("Effective", "string", ".status.effectiveMode", 0, "How far forecasts may go now."),
    ("Phase", "string", ".status.phase", 0, "Where the guard stands."),
    ("Target", "string", ".spec.target.name", 0, "What is scaled."),
    ("Floor", "integer", ".status.floorReplicas", 0, "minReplicas of the HPA."),
    ("Desired", "integer", ".status.desiredReplicas", 0, "What was decided."),
    ("Reason", "string", ".status.reason", 0, "Why."),
    ("Changed", "date", ".status.lastChange.time", 0, "When it changed something last."),
    ("Current", "integer", ".status.currentReplicas", 1, "Replicas that the target is asked to run."),
    ("Demand", "number", ".status.demand", 1, "Newest known demand."),
    ("Peak", "number", ".status.peakDemand", 1, "Highest demand forecast for the window."),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 1, "Whether the spec can be followed."),
    ("Guard", "string", '.status.conditions[?(@.type=="GuardHealthy")].status', 1, "Whether the SLOs are good."),
    (
        "Room",
        "string",
        '.status.conditions[?(@.type=="RoomAhead")].status',
        1,
        "Whether what is needed soon can exist.",
    ),
    ("Message", "string", ".status.message", 1, "Why, in a sentence."),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Since when it is there."),
)
"""Of ``kubectl get``: name, type, path, priority (0: always shown, 1: with ``--output=wide``), description."""


def custom_resource_definition() -> dict[str, Any]:
    """Return the whole CustomResourceDefinition as plain data."""
    schema = {
        "type": "object",
        "description": "Has replicas ready before demand comes, from a forecast of it.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": {**structural_schema(PredictiveScalerSpec), "description": "What the owner of a service writes."},
            "status": structural_schema(PredictiveScalerStatus),
        },
        RULES: [_NAME],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": list(SHORT_NAMES),
                "categories": list(CATEGORIES),
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "priority": priority, "description": said}
                        for name, kind, path, priority, said in COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the structural schema of a model, with its defaults, descriptions and rules."""
    schema = model.model_json_schema(schema_generator=_Dialect)
    named = schema.pop("$defs", {})
    return _written_out(schema, named)


class _Dialect(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        if isinstance(dft, BaseModel):
            return {}  # the API server then fills in the defaults of what is inside
        return super().encode_default(dft)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        if schema.get("default") in (None, (), {}):  # absent is what it is by default
            found.pop("default", None)
        return found

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])  # null is absent


def _written_out(schema: dict[str, Any], named: dict[str, Any]) -> dict[str, Any]:
    """Return a schema in the dialect of OpenAPI 3.0, with what it refers to in place."""
    if "$ref" in schema:
        meant = named[schema["$ref"].rpartition("/")[2]]
        return _written_out({**meant, **{key: value for key, value in schema.items() if key != "$ref"}}, named)
    found = {key: value for key, value in schema.items() if key not in ("title", "additionalProperties")}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in found:
            found[bound], found[exclusive] = found[exclusive], True
    if "properties" in found:
        found["properties"] = {key: _written_out(each, named) for key, each in found["properties"].items()}
    if "items" in found:
        found["items"] = _written_out(found["items"], named)
    return found
