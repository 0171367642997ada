"""The published JSON schemas of STAC, without asking the network for them."""

import json

import jsonschema
import referencing
from products import shared

PARTS = {
    "Feature": "item-spec/json-schema/item",
    "Collection": "collection-spec/json-schema/collection",
    "Catalog": "catalog-spec/json-schema/catalog",
}


def _registry(folder):
    resources = []
    for path in folder.rglob("*.json"):
        schema = json.loads(path.read_text())
        resource = referencing.Resource.from_contents(schema, default_specification=referencing.jsonschema.DRAFT7)
        address = schema["$id"].rstrip("#")
        resources.append((address, resource))
        # One published schema misspells its own name, so each is known by its file's name as well.
        resources.append((f"{address.rsplit('/', 1)[0]}/{path.name}", resource))
    return referencing.Registry().with_resources(resources)


def validate(document):
    """Fails with the places where an Item, Collection or Catalog is not what its schema says."""
    folder = shared() / "stac-schemas"
    registry = _registry(folder)
    # 1.0.1 and the like have the schema of their minor version.
    version = ".".join(document["stac_version"].split(".")[:2]) + ".0"
    schema = registry.contents(f"https://schemas.stacspec.org/v{version}/{PARTS[document['type']]}.json")
    validator = jsonschema.Draft7Validator(schema, registry=registry)
    problems = [f"{'/'.join(map(str, error.path))}: {error.message[:300]}" for error in validator.iter_errors(document)]
    assert not problems, problems
