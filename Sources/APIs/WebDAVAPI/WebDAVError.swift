import Database
import HTTPSupport
import Identity
import Journal
import NIOHTTP1
import Objects
import Policy
import SigV4
import WebDAVFormat
import Wire

/// An error in WebDAV's form: a status and, where RFC 4918 §16 has a name for it, the condition that was not met.
struct WebDAVError: Error, Sendable {
    enum Condition: String, Sendable {
        case cannotModifyProtectedProperty = "cannot-modify-protected-property"
        case lockTokenMatchesRequestURI = "lock-token-matches-request-uri"
        case lockTokenSubmitted = "lock-token-submitted"
        case noConflictingLock = "no-conflicting-lock"
        case propfindFiniteDepth = "propfind-finite-depth"
        case quotaNotExceeded = "quota-not-exceeded"
    }

    var status: HTTPResponseStatus
    var message: String
    var condition: Condition?
    /// What the condition is about.
    var href: String?
    /// The path, in the collection of the request, whose lock is in the way.
    var lockRoot: String?
    var headers: HTTPHeaders = [:]

    init(_ status: HTTPResponseStatus, _ message: String, _ condition: Condition? = nil) {
        self.status = status
        self.message = message
        self.condition = condition
    }

    /// The message stands where clients of ownCloud and Nextcloud look for one.
    var response: Response {
        var xml = XMLWriter()
        xml.open("D:error", [("xmlns:D", "DAV:"), ("xmlns:s", "http://sabredav.org/ns")])
        if let condition {
            xml.element(named: "D:" + condition.rawValue) { xml in
                if let href { xml.element("D:href", href) }
            }
        }
        xml.element("s:message", message)
        xml.close("D:error")
        return Response(status, type: "application/xml; charset=utf-8", bytes: xml.bytes, headers: headers)
    }

    static let challenge: HTTPHeaders = ["WWW-Authenticate": #"Basic realm="Martlet", charset="UTF-8""#]

    /// Whatever was thrown, in WebDAV's words. Nil for an error that clients are told nothing about but that it
    /// happened.
    init?(_ error: any Error) {
        switch error {
        case let error as WebDAVError: self = error
        case let error as WebDAVFormatError: self.init(.badRequest, error.message)
        case let error as XMLError: self.init(.badRequest, error.description)
        case let error as ObjectsError:
            self.init(Self.status(of: error.code), error.message)
            lockRoot = error.lockRoot
            switch error.code {
            case .writeLocked: condition = .lockTokenSubmitted
            case .quotaExceeded: condition = .quotaNotExceeded
            default: break
            }
        case let error as PastError: self.init(error.code == .notYet ? .notFound : error.status, error.message)
        case let error as AccessDenied:
            self.init(error.isAnonymous ? .unauthorized : .forbidden, error.description)
            if error.isAnonymous { headers = Self.challenge }
        case let error as IdentityError:
            switch error.code {
            case .rateLimited:
                self.init(.tooManyRequests, error.message)
                headers = ["Retry-After": String(error.retryAfter ?? 1)]
            case .agreementNeeded: self.init(.forbidden, error.message)
            default:
                self.init(.unauthorized, error.message)
                headers = Self.challenge
                if let challenge = error.bearerChallenge { headers.add(name: "WWW-Authenticate", value: challenge) }
            }
        case let error as SignatureError: self.init(.forbidden, error.message)
        case let error as BodyTooLarge: self.init(.payloadTooLarge, error.description)
        case _ where error.isOfLostClient: self.init(.badRequest, BodyTruncated().description)
        case let error as DatabaseError where error.code == .full:
            self.init(.insufficientStorage, "the metadata store is full: nothing was changed")
        case let error as DatabaseError where error.code == .unavailable:
            self.init(.serviceUnavailable, "the metadata store is not available: try again")
        default: return nil
        }
    }

    private static func status(of code: ObjectsError.Code) -> HTTPResponseStatus {
        switch code {
        case .noSuchCollection, .noSuchKey, .noSuchVersion, .noSuchUpload, .noSuchTransaction: .notFound
        case .writeLocked: .locked
        case .locked, .quarantined, .cannotContainItself, .keyRequired, .kmsDenied: .forbidden
        case .preconditionFailed, .alreadyExists: .preconditionFailed
        case .transactionEnded, .keyDestroyed, .kmsNotFound, .kmsDisabled, .kmsDestroyed: .conflict
        case .noSuchFolder, .notAFolder, .collectionNotEmpty, .collectionExists, .invalidState, .changedMeanwhile:
            .conflict
        case .methodNotAllowed: .methodNotAllowed
        case .keyTooLong: .uriTooLong
        case .tooLarge: .payloadTooLarge
        case .headersTooLarge, .storageFull, .quotaExceeded, .tooManyObjects: .insufficientStorage
        case .infected: .unprocessableEntity
        case .unavailable, .storeMissing: .serviceUnavailable
        case .damaged: .internalServerError
        default: .badRequest
        }
    }
}
