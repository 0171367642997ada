import Database
import HTTPSupport
import IAMPolicy
import Identity
import NIOHTTP1
import Policy
import SigV4
import Wire

/// An error in the form of AWS's Query protocol.
struct IAMError: Error, Sendable, CustomStringConvertible {
    /// AWS's codes, each with its HTTP status.
    struct Code: Hashable, Sendable {
        let name: String
        let status: HTTPResponseStatus

        init(_ name: String, _ status: HTTPResponseStatus) {
            self.name = name
            self.status = status
        }

        static let accessDenied = Code("AccessDenied", .forbidden)
        static let deleteConflict = Code("DeleteConflict", .conflict)
        static let entityAlreadyExists = Code("EntityAlreadyExists", .conflict)
        static let expiredToken = Code("ExpiredToken", .forbidden)
        static let expiredTokenException = Code("ExpiredTokenException", .badRequest)
        static let idpCommunicationError = Code("IDPCommunicationError", .badRequest)
        static let incompleteSignature = Code("IncompleteSignature", .badRequest)
        static let internalFailure = Code("InternalFailure", .internalServerError)
        static let invalidAction = Code("InvalidAction", .badRequest)
        static let invalidClientTokenID = Code("InvalidClientTokenId", .forbidden)
        static let invalidIdentityToken = Code("InvalidIdentityToken", .badRequest)
        static let limitExceeded = Code("LimitExceeded", .conflict)
        static let malformedPolicyDocument = Code("MalformedPolicyDocument", .badRequest)
        static let malformedQueryString = Code("MalformedQueryString", .badRequest)
        static let missingAction = Code("MissingAction", .badRequest)
        static let missingAuthenticationToken = Code("MissingAuthenticationToken", .forbidden)
        static let noSuchEntity = Code("NoSuchEntity", .notFound)
        static let packedPolicyTooLarge = Code("PackedPolicyTooLarge", .badRequest)
        static let requestEntityTooLarge = Code("RequestEntityTooLarge", .payloadTooLarge)
        static let requestExpired = Code("RequestExpired", .badRequest)
        static let serviceUnavailable = Code("ServiceUnavailable", .serviceUnavailable)
        static let signatureDoesNotMatch = Code("SignatureDoesNotMatch", .forbidden)
        static let throttling = Code("Throttling", .badRequest)
        static let validationError = Code("ValidationError", .badRequest)
    }

    var code: Code
    var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    var description: String { "\(code.name): \(message)" }

    func response(_ service: Operation.Service, _ request: Request) -> Response {
        var xml = XMLWriter()
        xml.open("ErrorResponse", [("xmlns", service.namespace)])
        xml.element("Error") {
            $0.element("Type", code.status.code < 500 ? "Sender" : "Receiver")
            $0.element("Code", code.name)
            $0.element("Message", message)
        }
        xml.element("RequestId", request.id)
        xml.close("ErrorResponse")
        return Response(code.status, type: "text/xml", bytes: xml.bytes)
    }

    // MARK: Others' errors

    /// Why the caller's own credentials were not taken.
    init(authentication error: IdentityError) {
        let code: Code =
            switch error.code {
            case .expired: .expiredToken
            case .disabled, .agreementNeeded: .accessDenied
            case .rateLimited: .throttling
            default: .invalidClientTokenID
            }
        self.init(code, error.message)
    }

    /// Whatever was thrown, in AWS's words. Nil for an error that clients are told nothing about but that it happened.
    init?(_ error: any Error, _ service: Operation.Service) {
        switch error {
        case let error as IAMError: self = error
        case let error as AccessDenied: self.init(.accessDenied, error.description)
        case let error as SignatureError: self.init(Self.code(of: error.code), error.message)
        case let error as IdentityError: self.init(Self.code(of: error.code, service), error.message)
        case let error as PolicyStoreError: self.init(Self.code(of: error.code, service), error.message)
        case let error as PolicyError: self.init(.malformedPolicyDocument, error.message)
        case let error as BodyTooLarge: self.init(.requestEntityTooLarge, error.description)
        case let error as TooManyRequests: self.init(.throttling, "Rate exceeded: \(error.description)")
        case _ where error.isOfLostClient: self.init(.malformedQueryString, BodyTruncated().description)
        case let error as DatabaseError:
            guard let message = error.clientMessage else { return nil }
            self.init(.serviceUnavailable, message)
        default: return nil
        }
    }

    private static func code(of code: SignatureError.Code) -> Code {
        switch code {
        case .malformed, .hostNotSigned, .headerNotSigned, .headerMissing, .unsupportedAlgorithm, .severalSignatures:
            .incompleteSignature
        case .expired, .notYetValid, .timeTooSkewed: .requestExpired
        default: .signatureDoesNotMatch
        }
    }

    private static func code(of code: IdentityError.Code, _ service: Operation.Service) -> Code {
        switch code {
        case .invalidName, .weakPassword: .validationError
        case .exists: .entityAlreadyExists
        case .notFound: .noSuchEntity
        case .conflict: .deleteConflict
        // STS counts nothing: its limits are those of values.
        case .limit: service == .sts ? .validationError : .limitExceeded
        case .invalidToken, .otherIssuer: .invalidIdentityToken
        case .expired: .expiredTokenException
        case .unreachable: .idpCommunicationError
        case .rateLimited: .throttling
        case .invalidCredentials, .disabled, .codeNeeded, .agreementNeeded: .accessDenied
        }
    }

    private static func code(of code: PolicyStoreError.Code, _ service: Operation.Service) -> Code {
        switch code {
        case .notFound: .noSuchEntity
        case .invalid: .malformedPolicyDocument
        case .reserved, .exists: .entityAlreadyExists
        case .conflict: .deleteConflict
        case .limit: service == .sts ? .packedPolicyTooLarge : .limitExceeded
        }
    }
}
