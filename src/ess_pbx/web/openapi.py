"""The OpenAPI 3.1 document, made from the table and the models."""

from __future__ import annotations

from typing import Any

import msgspec

from ess_pbx import __doc__ as about
from ess_pbx.domain.incidents import OpenReport, SaveReport
from ess_pbx.web.models import (
    PARAMETERS,
    ConflictError,
    Error,
    Health,
    Nothing,
    Readiness,
    WrongInReportError,
)
from ess_pbx.web.table import PREFIX, TABLE, Row
from ess_pbx.web.whose import CENTRE

CENTRE_PARAMETER = {
    "name": CENTRE,
    "in": "query",
    "description": "A centre's id, for who belongs to none.",
    "schema": {"type": "string"},
}
REFERENCE = "#/components/schemas/{name}"


def document(version: str) -> dict[str, Any]:
    """The document, ready for JSON."""
    types = [
        Error,
        ConflictError,
        WrongInReportError,
        Health,
        Readiness,
        *(row.body for row in TABLE),
    ]
    types += [row.answer for row in TABLE if row.answer is not Any]
    types += [PARAMETERS[name] for row in TABLE for name in row.parameters]
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    known = [(kind, schema) for kind, schema in zip(types, schemas, strict=True)]

    def schema(kind: Any) -> dict[str, Any]:
        return next((found for each, found in known if each is kind or each == kind), {})

    paths: dict[str, dict[str, Any]] = {}
    for row in TABLE:
        paths.setdefault(PREFIX + row.path, {})[row.method.lower()] = _operation(row, schema)
    for path, model in (("/healthz", Health), ("/readyz", Readiness)):
        content = {"application/json": {"schema": schema(model)}}
        answers = {
            "200": {"description": str(model.__doc__), "content": content},
            "503": {"description": "It is not so; the content says why.", "content": content},
        }
        paths[path] = {"get": {"operationId": path, "security": [], "responses": answers}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "ess-pbx", "version": version, "description": about},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(row: Row, schema: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema(row.answer)}}
    wrong = {"application/json": {"schema": schema(Error)}}
    operation: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "description": f"For: {', '.join(sorted(row.roles)) or 'anybody'}.",
        "security": [{"token": []}] if row.roles else [],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": schema(PARAMETERS[name])}
            for name in row.parameters
        ]
        + ([CENTRE_PARAMETER] if row.roles else []),
        "responses": {
            "200": {"description": "Done.", "content": content},
            "4XX": {"description": "Why not.", "content": wrong},
        },
    }
    told = {"409": ConflictError, "422": WrongInReportError} if row.command is SaveReport else {}
    if row.command is OpenReport:
        told = {"422": WrongInReportError}
    for status, error in told.items():
        content = {"application/json": {"schema": schema(error)}}
        operation["responses"][status] = {"description": str(error.__doc__), "content": content}
    if row.body is not Nothing:
        body = {"application/json": {"schema": schema(row.body)}}
        operation["requestBody"] = {"required": True, "content": body}
    return operation
