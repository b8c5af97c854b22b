"""The OpenAPI files of the reference, by which every response to a test of the emulator is checked."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "voucherify-openapi"
NAMES = ("orders", "exports", "async-actions", "oauth")
KINDS_WITHOUT_SCHEMA = ("product", "sku")  # described in words alone: judged as orders, but for their fields
DOWNLOAD_TEMPLATE = "/v1/exports/{export_Id}"

Documents = dict[str, dict[str, Any]]


class Contradiction(NamedTuple):
    """A place where the schema refuses an official example, and what it is taken to mean."""

    reason: str
    mend: Callable[[Documents], None]


def _schemas(documents: Documents, name: str) -> Iterator[dict[str, Any]]:
    for document in documents.values():
        if name in document["components"]["schemas"]:
            yield document["components"]["schemas"][name]


def _export_enums(documents: Documents, suffix: str) -> Iterator[dict[str, Any]]:
    """Yield the fields, or the sort orders, of exports of each kind."""
    for document in documents.values():
        for name, schema in document["components"]["schemas"].items():
            if name.startswith("Export") and name.endswith(suffix) and "enum" in schema:
                yield schema


def _allow_metadata_fields(documents: Documents) -> None:
    for schema in _export_enums(documents, "Fields"):
        schema["anyOf"] = [{"enum": schema.pop("enum")}, {"pattern": "^metadata\\."}]


def _allow_no_user(documents: Documents) -> None:
    for schema in _schemas(documents, "ExportScheduledBase"):
        schema["properties"]["user_id"]["nullable"] = True


def _allow_no_sort_order(documents: Documents) -> None:
    for schema in _export_enums(documents, "Order"):
        schema["enum"].append("")


def _allow_single_values(documents: Documents) -> None:
    for schema in _schemas(documents, "Any"):
        values = [{"type": "string"}, {"type": "number"}, {"type": "object"}]
        schema.clear()
        schema["anyOf"] = [*values, {"type": "array", "items": {"anyOf": values}}]


def _take_any_of_equal_errors(documents: Documents) -> None:
    schema = documents["exports"]["paths"]["/v1/exports"]["post"]["responses"]["400"]["content"]["application/json"][
        "schema"
    ]
    schema["anyOf"] = schema.pop("oneOf")


def _take_any_of_overlapping_results(documents: Documents) -> None:
    [schema] = _schemas(documents, "AsyncAction")
    result = schema["allOf"][1]["properties"]["result"]
    result["anyOf"] = result.pop("oneOf")


def _allow_failed_rows(documents: Documents) -> None:
    for kind in ("orders_import", "vouchers_import"):
        [schema] = _schemas(documents, f"17_res_obj_get_async_action_result_{kind}")
        failed = schema["properties"].pop("failed")
        rows = copy.deepcopy(failed)
        for name in ("source_id", "code"):
            if name in rows["properties"]:
                rows["properties"][name]["nullable"] = True
        schema["properties"]["failed"] = {"anyOf": [failed, {"type": "array", "items": rows}]}


def _allow_inactive_tokens(documents: Documents) -> None:
    [schema] = _schemas(documents, "OAuthTokenIntrospectResponseBody")
    schema["required"] = ["active"]


CONTRADICTIONS = [
    Contradiction("fields of exports are an enum without the metadata.X of the examples", _allow_metadata_fields),
    Contradiction("user_id of a scheduled export is required and not nullable; the example has null", _allow_no_user),
    Contradiction(
        "the order of an export that was sent without one is an enum; the example has ''", _allow_no_sort_order
    ),
    Contradiction(
        "filter values are a list (of which no text is in just one type); the example has a number",
        _allow_single_values,
    ),
    Contradiction(
        "an error of POST /v1/exports has to be one of two equal schemas and not the other", _take_any_of_equal_errors
    ),
    Contradiction(
        "a result has to be of one type and not of the others, which are alike", _take_any_of_overlapping_results
    ),
    Contradiction("failed is an object with a source_id; the example has an array with null", _allow_failed_rows),
    Contradiction(
        "an inactive token needs all properties of an active one; the example has none", _allow_inactive_tokens
    ),
]


class Specification:
    """The four documents.

    :param contradictions: where they are taken to mean something else than they say.
    """

    def __init__(self, contradictions: list[Contradiction]) -> None:
        self.documents = {name: json.loads((REFERENCE / f"{name}.json").read_text()) for name in NAMES}
        for contradiction in contradictions:
            contradiction.mend(self.documents)
        self._registry = Registry().with_resources(
            (f"urn:{name}", Resource.from_contents(document, default_specification=DRAFT4))
            for name, document in self.documents.items()
        )

    def operations(self) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        """Yield document, path template, method and operation."""
        for name, document in self.documents.items():
            for template, item in document["paths"].items():
                for method, operation in item.items():
                    if method != "parameters":
                        yield name, template, method, operation

    def operation(self, method: str, path: str, *, download: bool) -> tuple[str, str, dict[str, Any]] | None:
        """Return document, path template and operation of a call; a template without parameters goes first."""
        found = [
            (name, template, operation)
            for name, template, known_method, operation in self.operations()
            if known_method == method.lower()
            and (template == DOWNLOAD_TEMPLATE) == download
            and re.fullmatch(
                re.sub(r"\{\w+\}", ".+" if template.startswith("/v1/orders/") else "[^/]+", template), path
            )
        ]
        return min(found, key=lambda entry: "{" in entry[1], default=None)

    def errors(self, name: str, pointer: tuple[str, ...], value: Any) -> list[str]:
        """Return what is wrong with a value by the schema at a JSON pointer of a document."""
        path = "/".join(part.replace("~", "~0").replace("/", "~1") for part in pointer)
        schema = {"$ref": f"urn:{name}#/{path}"}
        validator = OAS30Validator(schema, registry=self._registry, format_checker=oas30_format_checker)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def answer_errors(
        self, name: str, template: str, method: str, status: str, media_type: str, value: Any
    ) -> list[str]:
        """Return what is wrong with the body of a documented response.

        The result of an action is judged by the schema of its type too, not just by that of any type.
        """
        pointer = ("paths", template, method, "responses", status, "content", media_type, "schema")
        errors = self.errors(name, pointer, value)
        if isinstance(value, dict) and value.get("object") == "async_action" and "result" in value:
            for key, schema in self.documents[name]["components"]["schemas"].items():
                if schema.get("title") == value["type"]:
                    errors += self.errors(name, ("components", "schemas", key), value["result"])
        return errors

    def check(self, answer: requests.Response, *, download: bool) -> tuple[str, int]:
        """Fail unless a response is valid: by its operation's schema, or as an error where it is not documented.

        :return: id of the operation and the status, for those who count.
        """
        method, path = answer.request.method, urlsplit(answer.request.url).path
        found = self.operation(method, requests.utils.unquote(path), download=download)
        content = answer.content
        media_type = answer.headers.get("Content-Type", "").partition(";")[0]
        documented = None if found is None else found[2]["responses"].get(str(answer.status_code))
        if found is None or documented is None:
            assert answer.status_code >= 300, f"{method} {path} is not documented to answer {answer.status_code}"
            assert media_type == "application/json"
            errors = self.errors("orders", ("components", "schemas", "Error"), answer.json())
            body = answer.json()
            assert body["code"] == answer.status_code
            assert {"key", "message", "request_id"} <= set(body)
        elif "content" not in documented:
            errors = ["there should be no body"] if content else []
        else:
            assert media_type in documented["content"], f"{method} {path} answers {media_type}"
            value = answer.json() if media_type == "application/json" else answer.text
            if isinstance(value, dict) and value.get("exported_object") in KINDS_WITHOUT_SCHEMA:
                value["exported_object"], value["parameters"]["fields"] = "order", ["id"]
                value["parameters"]["order"] = ""
            name, template, _ = found
            errors = self.answer_errors(name, template, method.lower(), str(answer.status_code), media_type, value)
        assert not errors, f"{method} {path} {answer.status_code} {answer.text[:500]}: {errors}"
        return (found[2]["operationId"] if found else "", answer.status_code)


@functools.cache
def specification() -> Specification | None:
    """Return the judge, or None where the reference is not at hand."""
    return Specification(CONTRADICTIONS) if REFERENCE.is_dir() else None
