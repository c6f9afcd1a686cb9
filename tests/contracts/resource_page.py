"""docs/reference/predictive-scaler.md: its keys from the models, its refusals from what a real API server said."""

import json
from datetime import timedelta
from typing import Any, get_args

from pydantic import BaseModel

from aiops.scaling import crd
from aiops.scaling.resource import API_VERSION, KIND, PredictiveScalerSpec, PredictiveScalerStatus
from aiops.series.duration import format_duration
from tests.contracts.wrong_resources import GONE, WRONG, Wrong


def keys(model: type[BaseModel], inside: str = "") -> list[tuple[str, str, str]]:
    """Return (path, default or what it has to be, description) of every key of a model."""
    found = []
    for name, field in model.model_fields.items():
        path = f"{inside}{field.alias or name}"
        parts = [each for kind in (field.annotation, *get_args(field.annotation)) if (each := _model(kind))]
        many = "[]" if field.annotation is not None and get_args(field.annotation)[-1:] == (...,) else ""
        found.append((path, _default(field), field.description or ""))
        if parts:
            found += keys(parts[0], f"{path}{many}.")
    return found


def _model(kind: Any) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _default(field: Any) -> str:
    if field.is_required():
        return "**required**"
    default = field.default
    if default is None or isinstance(default, BaseModel):
        return ""
    if isinstance(default, timedelta):
        return f"`{format_duration(default)}`"
    return f"`{json.dumps(default)}`" if not isinstance(default, str) else f"`{default}`"


def as_row(wrong: Wrong, message: str) -> str:
    value = "left out" if wrong.value is GONE else json.dumps(wrong.value)
    cells = (wrong.what, f"`{wrong.at}`: `{value}`" if wrong.value is not GONE else f"`{wrong.at}` left out", message)
    return "| " + " | ".join(" ".join(each.split()).replace("|", "\\|").replace("<", "&lt;") for each in cells) + " |"


def page(rows: dict[str, str]) -> str:
    """Return docs/reference/predictive-scaler.md."""
    table = "\n".join(f"| `{path}` | {default} | {said} |" for path, default, said in keys(PredictiveScalerSpec))
    columns = "\n".join(
        f"| {name} | {said}{' With `-o wide`.' if wide else ''} |" for name, _, _, wide, said in crd.COLUMNS
    )
    status = "\n".join(f"| `{path}` | {said} |" for path, _, said in keys(PredictiveScalerStatus))
    refused = "\n".join(rows[wrong.what] for wrong in WRONG)
    return TEMPLATE.format(table=table, columns=columns, status=status, refused=refused)


TEMPLATE = f"""# PredictiveScaler, key by key

Made by `make docs` from the model that the operator, the backtest and the API server's schema share, and from what a
real API server answered. Do not edit. [What the keys mean together](../concepts/scaling.md).

`apiVersion: {API_VERSION}`, `kind: {KIND}`; short name `pscaler`, category `aiops`. The smallest one:

```yaml
apiVersion: {API_VERSION}
kind: {KIND}
metadata: {{{{name: checkout}}}}
spec:
  target: {{{{name: checkout}}}}
  bounds: {{{{maxReplicas: 40}}}}
  load:
    query: sum(rate(http_requests_total{{{{app="checkout"}}}}[1m]))
    capacityPerReplica: 50
```

## `spec`

Lengths of time are whole numbers with units: `90s`, `5m`, `1h30m`, `28d`. A key whose value is `null` is absent.

| key | default | meaning |
|---|---|---|
{{table}}

`target` is fixed once it is made, and `hpa` while it is there: the HPA's own `minReplicas` has to go back to it. A bare
`spec` without `target`, `hpa`, `interval` and `load.query` is what backtests and scenarios need of it.

## `status`

| key | meaning |
|---|---|
{{status}}

| column of `kubectl get` | meaning |
|---|---|
{{columns}}

## What is refused, and what is said then

At admission; `kubectl` asks for unknown keys to be refused, and so should whatever else applies resources. What the API
server refuses is refused by `aiops backtest` too, with the line.

| mistake | written | answer |
|---|---|---|
{{refused}}
"""
