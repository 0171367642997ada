package import Wire

/// What a signature covers of a request, besides its body.
package struct RequestHead: Sendable {
    package var method: String
    /// Percent-encoded, exactly as on the wire, without the query.
    package var path: String
    package var query: QueryItems
    /// In the order of the wire, the names in lower case; a name may come more than once.
    package var headers: [(name: String, value: String)] {
        didSet { headers = Self.lowercased(headers) }
    }

    package init(method: String, path: String, query: QueryItems, headers: [(name: String, value: String)]) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = Self.lowercased(headers)
    }

    private static func lowercased(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
        headers.map { ($0.name.lowercased(), $0.value) }
    }

    /// The one value of a header, by its lower-case name; nil without it.
    func single(_ lowercased: String) throws(SignatureError) -> String? {
        var found: String?
        for header in headers where header.name == lowercased {
            guard found == nil else {
                throw SignatureError(.malformed, "the header \(lowercased) must come only once")
            }
            found = header.value
        }
        return found
    }

    /// The one value of a query parameter, nil without it.
    func parameter(_ name: String) throws(SignatureError) -> String? {
        var found: String?
        for item in query.items where item.name == name {
            guard found == nil else { throw SignatureError(.malformed, "the parameter \(name) must come only once") }
            found = item.value ?? ""
        }
        return found
    }
}
