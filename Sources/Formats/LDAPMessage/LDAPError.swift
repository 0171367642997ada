/// What an operation ended with (RFC 4511 §4.1.9 and appendix A).
package struct ResultCode: RawRepresentable, Sendable, Hashable {
    package var rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }
    private init(_ rawValue: UInt8) { self.rawValue = rawValue }

    package static let success = ResultCode(0)
    package static let operationsError = ResultCode(1)
    package static let protocolError = ResultCode(2)
    package static let timeLimitExceeded = ResultCode(3)
    package static let sizeLimitExceeded = ResultCode(4)
    package static let compareFalse = ResultCode(5)
    package static let compareTrue = ResultCode(6)
    package static let authMethodNotSupported = ResultCode(7)
    package static let adminLimitExceeded = ResultCode(11)
    package static let unavailableCriticalExtension = ResultCode(12)
    package static let confidentialityRequired = ResultCode(13)
    package static let noSuchAttribute = ResultCode(16)
    package static let undefinedAttributeType = ResultCode(17)
    package static let constraintViolation = ResultCode(19)
    package static let invalidAttributeSyntax = ResultCode(21)
    package static let noSuchObject = ResultCode(32)
    package static let invalidDNSyntax = ResultCode(34)
    package static let invalidCredentials = ResultCode(49)
    package static let insufficientAccessRights = ResultCode(50)
    package static let busy = ResultCode(51)
    package static let unavailable = ResultCode(52)
    package static let unwillingToPerform = ResultCode(53)
    package static let other = ResultCode(80)
}

/// Why an operation was not done: its result code, and a sentence for people.
package struct LDAPError: Error, Sendable, CustomStringConvertible {
    package var code: ResultCode
    package var message: String
    /// The nearest entry that is there, for ``ResultCode/noSuchObject``.
    package var matchedDN: String

    package init(_ code: ResultCode, _ message: String, matchedDN: String = "") {
        self.code = code
        self.message = message
        self.matchedDN = matchedDN
    }

    package var description: String { message }

    static func malformed(_ what: String) -> LDAPError { LDAPError(.protocolError, what) }
}
