/// Why a SCIM request was not taken, with the word that the protocol has for it (RFC 7644 §3.12).
package struct SCIMError: Error, Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        case invalidFilter, tooMany, uniqueness, mutability, invalidSyntax, invalidPath, noTarget, invalidValue
        case invalidVers, sensitive
        /// RFC 9865 §3.
        case invalidCursor, expiredCursor, invalidCount
    }

    package var status: Int
    package var kind: Kind?
    package var description: String

    package init(_ status: Int, _ kind: Kind? = nil, _ description: String) {
        self.status = status
        self.kind = kind
        self.description = description
    }
}
