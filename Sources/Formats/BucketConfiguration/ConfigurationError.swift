/// Why a configuration is refused, under the name that S3 has for it.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    package struct Code: Hashable, Sendable {
        /// As in S3's `<Code>`. All of them are answered with 400 except ``notImplemented``, which is 501.
        package let name: String

        package static let malformedXML = Code(name: "MalformedXML")
        package static let malformedACL = Code(name: "MalformedACLError")
        package static let invalidArgument = Code(name: "InvalidArgument")
        package static let invalidRequest = Code(name: "InvalidRequest")
        package static let invalidTag = Code(name: "InvalidTag")
        /// More tags than a bucket or an object may have.
        package static let badRequest = Code(name: "BadRequest")
        package static let illegalVersioning = Code(name: "IllegalVersioningConfigurationException")
        package static let notImplemented = Code(name: "NotImplemented")
    }

    package var code: Code
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
