/// Why a geometry or a bounding box is refused. The message names the place in the JSON and the value.
package struct GeometryError: Error, Hashable, Sendable, CustomStringConvertible {
    package struct Code: Hashable, Sendable {
        package let name: String

        /// A member is missing or not of the form that RFC 7946 gives it.
        package static let malformed = Code(name: "malformed")
        /// A `type` that is none of the seven.
        package static let unknownType = Code(name: "unknownType")
        /// Longitude beyond ±180 or latitude beyond ±90, or not a finite number.
        package static let outOfRange = Code(name: "outOfRange")
        /// A line with less than 2 positions or a ring with less than 4.
        package static let tooFewPositions = Code(name: "tooFewPositions")
        /// A ring that does not end where it begins.
        package static let ringNotClosed = Code(name: "ringNotClosed")
        /// More positions than are accepted, or collections nested too deep.
        package static let tooLarge = Code(name: "tooLarge")
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
