/// What is wrong with a filter, a path, a resource or a patch, by the words of RFC 7644 §3.12.
package struct SCIMError: Error, Sendable, Equatable, CustomStringConvertible {
    /// `scimType`: 400 for each of them.
    package enum Kind: String, Sendable {
        case invalidFilter, invalidPath, invalidSyntax, invalidValue, mutability, noTarget, tooMany, invalidCursor
    }

    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}
