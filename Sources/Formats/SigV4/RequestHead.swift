package import Wire

/// What a signature covers of a request, besides its body.
package struct RequestHead: Sendable {
    package var method: String
    /// Percent-encoded, exactly as on the wire, without the query.
    package var path: String
    package var query: QueryItems
    /// In the order of the wire; a name may come more than once.
    package var headers: [(name: String, value: String)]

    package init(method: String, path: String, query: QueryItems, headers: [(name: String, value: String)]) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
    }

    /// The one value of a header, by its lower-case name; nil without it.
    func single(_ lowercased: String) throws(SignatureError) -> String? {
        var found: String?
        for header in headers where ASCII.equalsLowercased(header.name, lowercased) {
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

/// Case without Unicode: header names are ASCII, and `lowercased()` allocates.
enum ASCII {
    static func lower(_ c: UInt8) -> UInt8 { c >= 0x41 && c <= 0x5A ? c | 0x20 : c }

    static func equalsLowercased(_ text: some StringProtocol, _ lowercased: String) -> Bool {
        text.utf8.count == lowercased.utf8.count && text.utf8.elementsEqual(lowercased.utf8) { lower($0) == $1 }
    }

    static func hasPrefixLowercased(_ text: String, _ lowercased: String) -> Bool {
        text.utf8.count >= lowercased.utf8.count && zip(text.utf8, lowercased.utf8).allSatisfy { lower($0) == $1 }
    }
}
