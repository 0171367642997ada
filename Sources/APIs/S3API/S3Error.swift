import BucketConfiguration
import Database
import HTTPSupport
import Identity
import Journal
import NIOHTTP1
import Objects
import Policy
import SigV4
import Wire

/// An error in S3's own form.
struct S3Error: Error, Sendable {
    /// S3's codes, each with its HTTP status.
    struct Code: Hashable, Sendable {
        let name: String
        let status: HTTPResponseStatus

        init(_ name: String, _ status: HTTPResponseStatus) {
            self.name = name
            self.status = status
        }

        static let accessDenied = Code("AccessDenied", .forbidden)
        static let accessControlListNotSupported = Code("AccessControlListNotSupported", .badRequest)
        static let authorizationHeaderMalformed = Code("AuthorizationHeaderMalformed", .badRequest)
        static let authorizationQueryParametersError = Code("AuthorizationQueryParametersError", .badRequest)
        static let badDigest = Code("BadDigest", .badRequest)
        static let bucketAlreadyExists = Code("BucketAlreadyExists", .conflict)
        static let bucketAlreadyOwnedByYou = Code("BucketAlreadyOwnedByYou", .conflict)
        static let bucketNotEmpty = Code("BucketNotEmpty", .conflict)
        static let entityTooLarge = Code("EntityTooLarge", .badRequest)
        static let entityTooSmall = Code("EntityTooSmall", .badRequest)
        static let expiredToken = Code("ExpiredToken", .badRequest)
        static let incompleteBody = Code("IncompleteBody", .badRequest)
        static let infectedObject = Code("InfectedObject", .unprocessableEntity)
        static let internalError = Code("InternalError", .internalServerError)
        static let insufficientStorage = Code("InsufficientStorage", .insufficientStorage)
        static let invalidAccessKeyID = Code("InvalidAccessKeyId", .forbidden)
        static let invalidArgument = Code("InvalidArgument", .badRequest)
        static let invalidBucketACLWithObjectOwnership = Code("InvalidBucketAclWithObjectOwnership", .badRequest)
        static let invalidBucketName = Code("InvalidBucketName", .badRequest)
        static let invalidDigest = Code("InvalidDigest", .badRequest)
        static let invalidObjectState = Code("InvalidObjectState", .forbidden)
        static let invalidPart = Code("InvalidPart", .badRequest)
        static let invalidPartOrder = Code("InvalidPartOrder", .badRequest)
        static let invalidPartNumber = Code("InvalidPartNumber", .rangeNotSatisfiable)
        static let invalidPolicyDocument = Code("InvalidPolicyDocument", .badRequest)
        static let invalidRange = Code("InvalidRange", .rangeNotSatisfiable)
        static let invalidRequest = Code("InvalidRequest", .badRequest)
        static let invalidStorageClass = Code("InvalidStorageClass", .badRequest)
        static let invalidToken = Code("InvalidToken", .badRequest)
        static let invalidURI = Code("InvalidURI", .badRequest)
        static let keyTooLong = Code("KeyTooLongError", .badRequest)
        static let malformedPOSTRequest = Code("MalformedPOSTRequest", .badRequest)
        static let malformedXML = Code("MalformedXML", .badRequest)
        static let maxPostPreDataLengthExceeded = Code("MaxPostPreDataLengthExceededError", .badRequest)
        static let metadataTooLarge = Code("MetadataTooLarge", .badRequest)
        static let methodNotAllowed = Code("MethodNotAllowed", .methodNotAllowed)
        static let missingContentLength = Code("MissingContentLength", .lengthRequired)
        static let noSuchBucket = Code("NoSuchBucket", .notFound)
        static let noSuchKey = Code("NoSuchKey", .notFound)
        static let noSuchUpload = Code("NoSuchUpload", .notFound)
        static let noSuchVersion = Code("NoSuchVersion", .notFound)
        static let notImplemented = Code("NotImplemented", .notImplemented)
        static let objectLocked = Code("ObjectLocked", .locked)
        static let preconditionFailed = Code("PreconditionFailed", .preconditionFailed)
        static let quotaExceeded = Code("QuotaExceeded", .forbidden)
        static let requestTimeout = Code("RequestTimeout", .badRequest)
        static let requestTimeTooSkewed = Code("RequestTimeTooSkewed", .forbidden)
        static let serviceUnavailable = Code("ServiceUnavailable", .serviceUnavailable)
        static let invalidBucketState = Code("InvalidBucketState", .conflict)
        static let invalidTag = Code("InvalidTag", .badRequest)
        static let signatureDoesNotMatch = Code("SignatureDoesNotMatch", .forbidden)
        static let slowDown = Code("SlowDown", .serviceUnavailable)
        static let xAmzContentSHA256Mismatch = Code("XAmzContentSHA256Mismatch", .badRequest)
    }

    var code: Code
    var message: String
    /// Headers that belong to the answer.
    var headers: HTTPHeaders = [:]

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    func response(to request: Request) -> Response {
        var xml = XMLWriter()
        xml.element("Error") {
            $0.element("Code", code.name)
            $0.element("Message", message)
            $0.element("Resource", request.rawPath)
            $0.element("RequestId", request.id)
        }
        return Response(code.status, type: "application/xml", bytes: xml.bytes, headers: headers)
    }

    /// Session tokens of AWS are refused with 400; who sends a bearer token waits for 401 (RFC 6750 §3.1).
    mutating func refuseToken(_ challenge: String) {
        code = Code("InvalidToken", .unauthorized)
        headers.replaceOrAdd(name: "WWW-Authenticate", value: challenge)
    }

    /// Whatever was thrown, in S3's words. Nil for an error that clients are told nothing about but that it happened.
    init?(_ error: any Error) {
        switch error {
        case let error as S3Error: self = error
        case let error as ObjectsError:
            self.init(Self.code(of: error.code), error.message)
            if let marker = error.deleteMarker {
                headers.add(name: "x-amz-delete-marker", value: "true")
                headers.add(name: "x-amz-version-id", value: marker.name)
                headers.add(name: "Last-Modified", value: marker.created.httpDate)
                if code == .methodNotAllowed { headers.add(name: "Allow", value: "DELETE") }
            }
        case let error as SignatureError: self.init(Self.code(of: error.code), error.message)
        case let error as IdentityError:
            self.init(Self.code(of: error.code), error.message)
            if let wait = error.retryAfter { headers.add(name: "Retry-After", value: String(wait)) }
        case let error as PastError: self.init(Self.code(of: error), error.message)
        case let error as AccessDenied: self.init(.accessDenied, error.description)
        case let error as ConfigurationError:
            let status: HTTPResponseStatus = error.code == .notImplemented ? .notImplemented : .badRequest
            self.init(Code(error.code.name, status), error.message)
        case let error as XMLError: self.init(.malformedXML, error.description)
        case let error as BodyTooLarge: self.init(.entityTooLarge, error.description)
        case let error as TooManyRequests:
            self.init(.slowDown, "Please reduce your request rate: \(error.description)")
            headers.add(name: "Retry-After", value: String(error.retryAfter))
        case is RequestTimedOut:
            self.init(
                .requestTimeout,
                "Your socket connection to the server was not read from or written to within the timeout period.")
        case _ where error.isOfLostClient: self.init(.incompleteBody, BodyTruncated().description)
        case let error as DatabaseError:
            guard let message = error.clientMessage else { return nil }
            self.init(error.code == .full ? .insufficientStorage : .serviceUnavailable, message)
        default: return nil
        }
    }

    private static func code(of code: ObjectsError.Code) -> Code {
        switch code {
        case .noSuchCollection: .noSuchBucket
        case .collectionExists: .bucketAlreadyExists
        case .collectionNotEmpty: .bucketNotEmpty
        case .invalidName: .invalidBucketName
        case .noSuchTransaction: Code("NoSuchTransaction", .notFound)
        case .transactionEnded: Code("TransactionEnded", .conflict)
        case .transactionLimit, .notInTransaction: .invalidRequest
        case .noSuchKey: .noSuchKey
        case .noSuchVersion: .noSuchVersion
        case .invalidState: .invalidBucketState
        case .locked: .accessDenied
        case .writeLocked: .objectLocked
        case .alreadyExists, .changedMeanwhile: .init("OperationAborted", .conflict)
        case .noSuchFolder, .notAFolder, .cannotContainItself, .tooManyObjects: .invalidRequest
        case .noObjectLock: .invalidRequest
        case .methodNotAllowed: .methodNotAllowed
        case .invalidKey, .invalidPartNumber: .invalidArgument
        case .keyTooLong: .keyTooLong
        case .headersTooLarge: .metadataTooLarge
        case .preconditionFailed: .preconditionFailed
        case .tooLarge: .entityTooLarge
        case .incompleteBody: .incompleteBody
        case .badDigest, .badChecksum: .badDigest
        case .badPayloadHash: .xAmzContentSHA256Mismatch
        case .noSuchUpload: .noSuchUpload
        case .invalidPart: .invalidPart
        case .invalidPartOrder: .invalidPartOrder
        case .partTooSmall: .entityTooSmall
        case .noSuchStorageClass: .invalidStorageClass
        case .storageFull: .insufficientStorage
        case .quarantined: .accessDenied
        case .quotaExceeded: .quotaExceeded
        case .infected: .infectedObject
        case .invalidTag: .invalidTag
        case .damaged: .internalError
        case .unavailable, .storeMissing: .serviceUnavailable
        case .keyDestroyed: .invalidObjectState
        case .keyRequired, .keyNotApplicable: .invalidRequest
        case .wrongKey, .kmsDenied: .accessDenied
        case .kmsNotFound: .init("KMS.NotFoundException", .badRequest)
        case .kmsDisabled: .init("KMS.DisabledException", .badRequest)
        case .kmsDestroyed: .init("KMS.KMSInvalidStateException", .badRequest)
        }
    }

    private static func code(of error: PastError) -> Code {
        switch error.code {
        case .invalid, .notYet: .invalidArgument
        case .noPast: .invalidRequest
        case .unsettled: .serviceUnavailable
        case .notKept: Code("PastNotKept", error.status)
        }
    }

    private static func code(of code: SignatureError.Code) -> Code {
        switch code {
        case .malformed, .scopeMismatch: .authorizationHeaderMalformed
        case .severalSignatures: .invalidArgument
        case .unsupportedAlgorithm: .invalidRequest
        case .hostNotSigned, .headerNotSigned, .expired, .notYetValid: .accessDenied
        case .headerMissing, .payloadHashInvalid: .invalidRequest
        case .timeTooSkewed: .requestTimeTooSkewed
        case .chunkSignatureMismatch: .signatureDoesNotMatch
        case .malformedChunk, .malformedTrailer: .invalidRequest
        case .incompleteBody: .incompleteBody
        case .tooLarge: .entityTooLarge
        default: .signatureDoesNotMatch
        }
    }

    private static func code(of code: IdentityError.Code) -> Code {
        switch code {
        case .notFound: .invalidAccessKeyID
        case .expired: .expiredToken
        case .invalidToken: .invalidToken
        case .rateLimited: .slowDown
        default: .accessDenied
        }
    }
}
