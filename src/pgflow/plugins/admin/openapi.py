"""Describes endpoints as an OpenAPI 3.1 document, from the same table the routes are made of."""

from __future__ import annotations

import re
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from pgflow.plugins.admin import query
from pgflow.plugins.admin.body import WITH_BODY
from pgflow.plugins.admin.gate import EXEMPT
from pgflow.plugins.admin.replies import JSON, PROBLEM_JSON, WITHOUT_BODY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgflow.admin import Endpoint

VERSION: Final = "3.1.0"
REFERENCE: Final = "#/components/schemas/{model}"
SECURITY: Final = {
    "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457: what is wrong, with a stable code for programs; pointer names the field.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "pointer": {"type": "string"},
    },
}
ALWAYS: Final = (400, 401, 403, 421, 422, 503)
OPENLY: Final = (400, 421, 422, 503)
WITH_A_BODY: Final = (408, 413, 415)


def document(endpoints: Sequence[Endpoint]) -> dict[str, object]:
    """Describe these endpoints."""
    schemas = _Schemas(endpoints)
    paths: dict[str, dict[str, object]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": VERSION,
        "info": {"title": "pgflow", "version": version("pgflow"), "description": "Jobs, queues and workers of pgflow."},
        "servers": [{"url": "./"}],
        "security": [{name: []} for name in SECURITY],
        "paths": paths,
        "components": {"schemas": {**schemas.shared, "Problem": PROBLEM}, "securitySchemes": SECURITY},
    }


def statuses(endpoint: Endpoint) -> list[int]:
    """The statuses of the problems an endpoint may answer with."""
    found = set(endpoint.errors) | set(OPENLY if _is_open(endpoint) else ALWAYS)
    return sorted(found | (set(WITH_A_BODY) if endpoint.method in WITH_BODY else set()))


class _Schemas:
    """The schemas of all models, made at once so that two models of one name get names of their own."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        wanted: list[tuple[str, Any, TypeAdapter[Any]]] = []
        for one in endpoints:
            if one.body is not None:
                wanted.append((f"{one.name} body", "validation", TypeAdapter(one.body)))
            if one.query is not None:
                wanted.append((f"{one.name} query", "validation", TypeAdapter(one.query)))
            if one.response is not None:
                wanted.append((f"{one.name} response", "serialization", TypeAdapter(one.response)))
        made, shared = TypeAdapter.json_schemas(wanted, ref_template=REFERENCE)
        self._made = {str(key): schema for (key, _), schema in made.items()}
        self.shared: dict[str, Any] = shared.get("$defs", {})

    def of(self, endpoint: Endpoint, what: str) -> dict[str, Any]:
        """The schema of an endpoint's `body`, `query` or `response`; any value where none is given."""
        return self._made.get(f"{endpoint.name} {what}", {})

    def properties(self, endpoint: Endpoint) -> tuple[Mapping[str, Any], Sequence[str]]:
        """The properties of an endpoint's query, and which of them must be there."""
        schema = self.of(endpoint, "query")
        if "$ref" in schema:
            schema = self.shared[schema["$ref"].rpartition("/")[2]]
        return schema.get("properties", {}), schema.get("required", [])


def _operation(endpoint: Endpoint, schemas: _Schemas) -> dict[str, object]:
    content = {endpoint.media_type: {"schema": schemas.of(endpoint, "response")}}
    problem = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    good = {str(status): _success(status, content) for status in _successes(endpoint)}
    bad = {str(status): {"description": HTTPStatus(status).phrase, "content": problem} for status in statuses(endpoint)}
    made: dict[str, object] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint, schemas)],
        "responses": {**good, **bad},
    }
    if endpoint.body is not None:
        wanted = {JSON: {"schema": schemas.of(endpoint, "body")}}
        made["requestBody"] = {"required": endpoint.body_required, "content": wanted}
    if _is_open(endpoint):
        made["security"] = []
    else:
        made["description"] = f"Needs the scope `{endpoint.scope}`."
    return made


def _successes(endpoint: Endpoint) -> tuple[int, ...]:
    # what is asked for twice is there already the second time
    return (endpoint.status, HTTPStatus.OK) if endpoint.status == HTTPStatus.CREATED else (endpoint.status,)


def _success(status: int, content: Mapping[str, object]) -> dict[str, object]:
    described: dict[str, object] = {"description": HTTPStatus(status).phrase}
    return described if status in WITHOUT_BODY else {**described, "content": content}


def _path_parameters(endpoint: Endpoint) -> list[dict[str, object]]:
    names = re.findall(r"\{(\w+)\}", endpoint.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(endpoint: Endpoint, schemas: _Schemas) -> list[dict[str, object]]:
    if endpoint.query is None:
        return []
    properties, required = schemas.properties(endpoint)
    made: list[dict[str, object]] = [
        {"name": name, "in": "query", "required": name in required, "schema": properties[name]}
        for name in query.parameters(endpoint.query)
    ]
    free = query.free_prefix(endpoint.query)
    if free:
        schema = {
            "type": "object",
            "propertyNames": {"pattern": f"^{re.escape(free)}.+$"},
            "additionalProperties": {"type": "string"},
        }
        made.append({"name": query.ARGUMENTS, "in": "query", "style": "form", "explode": True, "schema": schema})
    return made


def _is_open(endpoint: Endpoint) -> bool:
    return endpoint.path in EXEMPT and endpoint.method == "GET"
