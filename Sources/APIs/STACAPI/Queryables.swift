import CQL2
import Catalogue
import HTTPSupport
import NIOHTTP1
import Policy
import Wire

extension STACService {
    /// `/queryables` and `/sortables`, of one collection or of all that the caller may see: a JSON Schema of the
    /// properties that items have.
    func properties(_ collection: String?, _ call: Call, areSortable: Bool) async throws -> Response {
        let path: String
        let directory: CollectionDirectory
        if let collection {
            try await require(call, "stac:GetCollection", on: ResourceName.stacCollection(collection))
            _ = try await self.collection(collection, asOf: call.asOf)
            directory = try await catalogue.directory().filtered(to: [collection])
            path = call.address.collection(collection)
        } else {
            directory = try await visible(call)
            path = call.address.base
        }
        let found = try await catalogue.queryables(directory)
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("$schema", "https://json-schema.org/draft/2019-09/schema")
            json.member("$id", path + (areSortable ? "/sortables" : "/queryables"))
            json.member("type", "object")
            json.member("title", (areSortable ? "Sortables of " : "Queryables of ") + (collection ?? title))
            json.member(
                "description",
                areSortable
                    ? "What items can be sorted by. Where there are many, sort by what is indexed."
                    : "What items have, or had. A filter may name other properties too: no item has them.")
            json.member("additionalProperties", true)
            json.key("properties")
            json.object { json in
                for (name, schema) in Self.common where !areSortable || name != "geometry" { json.member(name, schema) }
                for queryable in found where !Self.commonNames.contains(queryable.name) {
                    let isOrdered = queryable.types.isDisjoint(with: [.list, .object])
                    if !areSortable || isOrdered { write(queryable, to: &json) }
                }
            }
        }
        return Response(.ok, type: MediaType.schema, bytes: json.bytes)
    }

    /// What each item has.
    private static let common: [(String, JSONValue)] = [
        ("id", ["title": "Id", "type": "string"]), ("collection", ["title": "Collection", "type": "string"]),
        ("geometry", ["title": "Geometry", "$ref": "https://geojson.org/schema/Geometry.json"]),
        ("datetime", ["title": "Date and time", "type": "string", "format": "date-time"]),
    ]
    private static let commonNames = Set(common.map(\.0))

    private func write(_ queryable: Queryable, to json: inout JSONWriter) {
        let types = queryable.types
        var names: [String] = []
        if !types.isDisjoint(with: [.text, .moment]) { names.append("string") }
        if types.contains(.number) {
            names.append("number")
        } else if types.contains(.integer) {
            names.append("integer")
        }
        if types.contains(.bool) { names.append("boolean") }
        if types.contains(.list) { names.append("array") }
        if types.contains(.object) { names.append("object") }
        json.key(queryable.name)
        json.object { json in
            json.member("title", queryable.name)
            if names.count == 1 { json.member("type", names[0]) } else { json.member("type", names) }
            if types == .moment { json.member("format", "date-time") }
            if queryable.isIndexed { json.member("x-indexed", true) }
        }
    }

    /// `/functions`: those that filters may use beside the operators of CQL2 (OGC 21-065r2, §6.9).
    var functions: Response {
        func type(_ kind: CQL2.Kind) -> String {
            switch kind {
            case .number: "number"
            case .moment: "datetime"
            case .condition: "boolean"
            default: "string"
            }
        }
        var json = JSONWriter(capacity: 2048)
        json.object { json in
            json.key("functions")
            json.array { json in
                for function in CQL2.Operator.functions {
                    json.object { json in
                        json.member("name", function.rawValue)
                        json.member("description", function.description)
                        json.key("arguments")
                        json.array { json in
                            for kind in function.argumentKinds { json.object { $0.member("type", [type(kind)]) } }
                        }
                        json.member("returns", [type(function.result)])
                    }
                }
            }
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }
}
