import Testing
import Wire

@Suite struct JSONSchemaTests {
    private static let download = """
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["mission", "orbit"],
         "additionalProperties": false, "properties": {
            "mission": {"type": "string", "enum": ["S1A", "S2A"]}, "orbit": {"type": "integer", "minimum": 1, "maximum": 175},
            "cover": {"type": ["number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "when": {"type": "string", "format": "date-time"}, "day": {"format": "date"}, "id": {"format": "uuid"},
            "link": {"format": "uri"}, "tags": {"type": "array", "items": {"type": "string", "minLength": 2, "maxLength": 3},
                "minItems": 1, "maxItems": 2, "uniqueItems": true},
            "place": {"type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties": {"type": "number"}},
            "version": {"const": 1}}}
        """

    @Test(
        "documents are told what is wrong with them, and where",
        arguments: [
            (#"{"mission": "S2A", "orbit": 7}"#, []), (#"{"mission": "S2A", "orbit": 7.0, "version": 1.0}"#, []),
            (#"{"mission": "S3A", "orbit": 7}"#, ["mission"]), (#"{"mission": "S2A"}"#, [""]), ("7", [""]),
            (#"{"mission": "S2A", "orbit": 7.5}"#, ["orbit"]), (#"{"mission": "S2A", "orbit": 0}"#, ["orbit"]),
            (#"{"mission": "S2A", "orbit": 176, "other": 1}"#, ["orbit", "other"]),
            (#"{"mission": "S2A", "orbit": 7, "cover": 0}"#, ["cover"]),
            (#"{"mission": "S2A", "orbit": 7, "cover": null}"#, []),
            (#"{"mission": "S2A", "orbit": 7, "cover": 1}"#, ["cover"]),
            (#"{"mission": "S2A", "orbit": 7, "when": "2026-11-22T10:00:00Z", "day": "2024-02-29"}"#, []),
            (#"{"mission": "S2A", "orbit": 7, "when": "yesterday", "day": "2023-02-29"}"#, ["when", "day"]),
            (#"{"mission": "S2A", "orbit": 7, "id": "7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7", "link": "urn:x"}"#, []),
            (#"{"mission": "S2A", "orbit": 7, "id": "7374c9be", "link": "no scheme"}"#, ["id", "link"]),
            (#"{"mission": "S2A", "orbit": 7, "tags": ["éa", "bcd"]}"#, []),
            (#"{"mission": "S2A", "orbit": 7, "tags": ["a", "abcd"]}"#, ["tags.0", "tags.1"]),
            (#"{"mission": "S2A", "orbit": 7, "tags": []}"#, ["tags"]),
            (#"{"mission": "S2A", "orbit": 7, "tags": ["aa", "aa"]}"#, ["tags"]),
            (#"{"mission": "S2A", "orbit": 7, "place": {"x": 1, "y": "2"}}"#, ["place.y"]),
            (#"{"mission": "S2A", "orbit": 7, "place": {}}"#, ["place"]),
            (#"{"mission": "S2A", "orbit": 7, "version": 2}"#, ["version"]),
        ])
    func documents(text: String, places: [String]) throws {
        let schema = try JSONSchema(JSONValue(parsing: Self.download))
        let faults = schema.faults(of: try JSONValue(parsing: text))
        #expect(faults.map(\.path) == places, "\(faults)")
        #expect(faults.allSatisfy { !$0.message.isEmpty })
    }

    @Test("what is told has an end")
    func manyFaults() throws {
        let schema = try JSONSchema(["items": ["type": "string"]])
        let list = JSONValue.array((0..<1000).map { .integer($0) })
        #expect(schema.faults(of: list).count == JSONSchema.faultsMax)
    }

    @Test(
        "a schema that asks for what nobody checks is refused, with its place",
        arguments: [
            (#"{"pattern": "(a+)+"}"#, "pattern"), (#"{"properties": {"a": {"$ref": "x"}}}"#, "properties.a.$ref"),
            (#"{"oneOf": []}"#, "oneOf"), (#"{"type": "text"}"#, "type"), (#"{"enum": []}"#, "enum"),
            (#"{"required": [1]}"#, "required"), (#"{"minimum": "1"}"#, "minimum"),
            (#"{"maxLength": -1}"#, "maxLength"),
            (#"{"format": "email"}"#, "format"), (#"{"items": [1]}"#, "items"), ("[]", ""), ("3", ""),
        ])
    func schemas(text: String, place: String) throws {
        let value = try JSONValue(parsing: text)
        let error = #expect(throws: JSONSchemaError.self) { try JSONSchema(value) }
        #expect(error?.place == place)
    }

    @Test("schemas that are too deep or too long are refused")
    func limits() {
        var deep: JSONValue = ["type": "string"]
        for _ in 0..<JSONSchema.depthMax { deep = ["items": deep] }
        let deepest = deep
        #expect(throws: Never.self) { try JSONSchema(deepest) }
        let deeper: JSONValue = ["items": deep]
        #expect(throws: JSONSchemaError.self) { try JSONSchema(deeper) }
        let long = JSONValue.object(
            JSONObject([.init(name: "title", value: .string(String(repeating: "x", count: JSONSchema.bytesMax)))]))
        #expect(throws: JSONSchemaError.self) { try JSONSchema(long) }
    }
}
