/// Why a policy document is refused. The message names the statement and the element.
package struct PolicyError: Error, Hashable, Sendable, CustomStringConvertible {
    package struct Code: Hashable, Sendable {
        package let name: String

        /// The text is not JSON.
        package static let notJSON = Code(name: "notJSON")
        /// The document has more bytes, statements or variables than are accepted.
        package static let tooLarge = Code(name: "tooLarge")
        /// An element is missing, unknown or of the wrong form.
        package static let invalidElement = Code(name: "invalidElement")
        /// A condition operator that does not exist.
        package static let unknownOperator = Code(name: "unknownOperator")
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
