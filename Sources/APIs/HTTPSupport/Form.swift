import NIOHTTP1
package import Wire

extension Request {
    /// The fields of an HTML form (`application/x-www-form-urlencoded`), at most 64 KiB unless said.
    package func form(upTo limit: Int = 64 << 10) async throws -> QueryItems {
        let type = header("content-type")?.lowercased() ?? ""
        guard type.hasPrefix("application/x-www-form-urlencoded") else {
            throw Problem(
                .unsupportedMediaType, "unsupported-media-type", "the body is application/x-www-form-urlencoded")
        }
        let bytes = try await body.collect(upTo: limit)
        guard let text = String(validating: bytes, as: UTF8.self), let items = QueryItems(parsing: text) else {
            throw Problem.badRequest("the form is not valid percent-encoding")
        }
        return items
    }

    /// A JSON body.
    package func json(upTo limit: Int = 1 << 20, maximumDepth: Int = 64) async throws -> JSONValue {
        try JSONValue(parsing: try await body.collect(upTo: limit), maximumDepth: maximumDepth)
    }

    /// A body that is a JSON object.
    ///
    /// - Throws: ``Problem``, JSONError.
    package func jsonObject(upTo limit: Int = 1 << 20, maximumDepth: Int = 64) async throws -> JSONValue {
        let value = try await json(upTo: limit, maximumDepth: maximumDepth)
        guard value.object != nil else { throw Problem.badRequest("the body is a JSON object") }
        return value
    }
}
