import CQL2
import Catalogue
package import Database
import Identity
import Journal
import NIOHTTP1
import Objects
import Policy
import SigV4
import Wire

extension Problem {
    /// Whatever was thrown, as a problem. Nil for an error that clients are told nothing about but that it happened.
    package init?(_ error: any Error) {
        switch error {
        case let error as Problem: self = error
        case let error as AccessDenied:
            self = error.isAnonymous ? .unauthorized(error.description) : .forbidden(error.description)
        case let error as IdentityError: self.init(identity: error)
        case let error as SignatureError: self = .forbidden(error.message)
        case let error as PolicyStoreError:
            switch error.code {
            case .notFound: self = .notFound(error.message)
            case .invalid, .reserved, .limit: self = .badRequest(error.message)
            case .exists, .conflict: self = .conflict(error.message)
            }
        case let error as ObjectsError:
            switch error.code {
            case .noSuchCollection, .noSuchKey, .noSuchVersion, .noSuchUpload, .noSuchTransaction, .kmsNotFound:
                self = .notFound(error.message)
            case .invalidState, .transactionEnded: self = .conflict(error.message)
            case .infected: self.init(.unprocessableEntity, "infected", error.message)
            case .quotaExceeded: self.init(.insufficientStorage, "quota-exceeded", error.message)
            case .storageFull: self.init(.insufficientStorage, "full", error.message)
            case .keyDestroyed, .keyRequired, .kmsDisabled, .kmsDestroyed: self = .conflict(error.message)
            case .wrongKey, .kmsDenied, .quarantined, .locked: self = .forbidden(error.message)
            case .storeMissing: self.init(.serviceUnavailable, "unavailable", error.message)
            case .damaged, .unavailable: return nil
            default: self = .badRequest(error.message)
            }
        case let error as CatalogueError:
            switch error.code {
            case .noSuchCollection, .noSuchItem: self = .notFound(error.message)
            case .tooLarge: self.init(.payloadTooLarge, "too-large", error.message)
            case .idTaken: self = .conflict(error.message)
            case .tooBroad: self.init(.badRequest, "too-broad", error.message)
            case .invalidToken: self = .badRequest("token: \(error.message)")
            case .invalidItem, .invalidCollection, .invalidQuery: self = .badRequest(error.message)
            }
        case let error as FreeTextError: self = .badRequest(error.message)
        case let error as PastError:
            switch error.code {
            case .invalid, .noPast: self = .badRequest(error.message)
            case .notYet: self.init(error.status, "not-yet", error.message)
            case .unsettled: self.init(error.status, "unsettled", error.message, headers: ["Retry-After": "1"])
            case .notKept: self.init(error.status, "past-not-kept", error.message)
            }
        case let error as KeysError:
            switch error.code {
            case .notFound: self = .notFound(error.message)
            case .underWay, .destroyed, .retained, .exists: self = .conflict(error.message)
            case .invalidName: self = .badRequest(error.message)
            }
        case let error as BodyTooLarge: self.init(.payloadTooLarge, "too-large", error.description)
        case let error as TooManyRequests:
            self.init(
                .tooManyRequests, "rate-limited", error.description,
                headers: ["Retry-After": String(error.retryAfter)])
        case let error as RequestTimedOut: self.init(.requestTimeout, "request-timeout", error.description)
        case _ where error.isOfLostClient: self = .badRequest(BodyTruncated().description)
        case let error as JSONError: self = .badRequest(error.description)
        case let error as DatabaseError:
            guard let message = error.clientMessage else { return nil }
            if error.code == .full {
                self.init(.insufficientStorage, "full", message)
            } else {
                self.init(.serviceUnavailable, "unavailable", message)
            }
        default: return nil
        }
    }

    private init(identity error: IdentityError) {
        switch error.code {
        case .notFound: self = .notFound(error.message)
        case .exists, .conflict: self = .conflict(error.message)
        case .invalidName, .weakPassword, .limit: self = .badRequest(error.message)
        case .rateLimited:
            self.init(
                .tooManyRequests, "rate-limited", error.message, headers: ["Retry-After": String(error.retryAfter ?? 1)]
            )
        case .unreachable: self.init(.badGateway, "unreachable", error.message)
        case .invalidCredentials, .invalidToken, .expired, .disabled, .codeNeeded, .otherIssuer:
            self = .unauthorized(error.message)
            if let challenge = error.bearerChallenge { headers = ["WWW-Authenticate": challenge] }
        case .agreementNeeded: self = .forbidden(error.message)
        }
    }

    /// Runs what makes an answer; whatever it throws becomes a problem, and what nobody foresaw is logged.
    package static func catching(
        _ request: Request, log: (String) -> Void, _ body: () async throws -> Response
    ) async -> Response {
        do {
            return try await body()
        } catch {
            if let problem = Problem(error) { return problem.response }
            log("\(request.method) \(request.rawPath) [\(request.id)]: \(error)")
            return Problem(
                .internalServerError, "internal", "the request failed inside the server; it is logged as \(request.id)"
            ).response
        }
    }
}

extension IdentityError {
    /// What whoever has shown a token that does not count is told in `WWW-Authenticate` (RFC 6750 §3.1); nil for an
    /// error that is about no token.
    package var bearerChallenge: String? {
        switch code {
        case .invalidToken, .expired, .otherIssuer: #"Bearer realm="martlet", error="invalid_token""#
        default: nil
        }
    }
}

extension DatabaseError {
    /// What clients are told of it; nil where they hear only that something went wrong.
    package var clientMessage: String? {
        switch code {
        case .full: "the metadata store is full: nothing was changed"
        case .unavailable: "the metadata store is not available: try again"
        default: nil
        }
    }
}
