/// Why an act on the catalogue was refused. Faces give each code their protocol's own name.
package struct CatalogueError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        case noSuchCollection, noSuchItem
        /// A document that is no STAC Item or Collection; `member` names the place.
        case invalidItem, invalidCollection
        /// The id stands for another product of the collection already.
        case idTaken
        case tooLarge
        case invalidToken
        /// A search that says what cannot be meant; the message begins with the parameter.
        case invalidQuery
        /// A search that would have to look at more items than one may.
        case tooBroad
    }

    package var code: Code
    /// The member of the document that is wrong, like `properties.datetime`; empty for the document as a whole.
    package var member: String
    package var message: String

    package init(_ code: Code, _ message: String, member: String = "") {
        self.code = code
        self.member = member
        self.message = message
    }

    package var description: String { message }

    static func noSuchCollection(_ name: String) -> CatalogueError {
        CatalogueError(.noSuchCollection, "there is no collection '\(name.prefix(80))'")
    }

    static func noSuchItem(_ id: String, in collection: String) -> CatalogueError {
        CatalogueError(.noSuchItem, "there is no item '\(id.prefix(256))' in the collection '\(collection.prefix(80))'")
    }
}
