package import HTTPSupport
import Identity
import Logging
import NIOHTTP1
import Objects
import Policy
import SigV4
import Wire

/// What planetary-computer's SDK asks for: a token that opens a whole collection, or a folder of one, which clients put
/// behind addresses themselves. One request then serves for all files, where the others sign each address.
extension SigningService {
    /// The longest folder of a token, in bytes: it stands in each request.
    private static let folderBytesMax = 1024

    /// Answers `/sas/v1/…`.
    package func respond(to request: Request, shared path: [String]) async -> Response {
        await Problem.catching(request, log: { logger.error("\($0)") }) {
            guard request.method == .GET else { throw Problem.methodNotAllowed("GET") }
            let caller = try await authenticator.caller(of: request)
            switch path.first {
            case "token" where path.count == 2: return try await token(for: path[1], folder: [], request, caller)
            // An account is a part of Azure's host names; here all are one.
            case "token" where path.count > 2:
                return try await token(for: path[2], folder: Array(path.dropFirst(3)), request, caller)
            case "sign" where path.count == 1: return try await signOne(request, caller)
            default: throw Problem.notFound("there is nothing at \(request.rawPath.prefix(200))")
            }
        }
    }

    /// The caller has to have the right to read all that the token is for; what else policy says is asked when it is
    /// used.
    private func token(
        for collection: String, folder: [String], _ request: Request, _ caller: Caller
    ) async throws -> Response {
        guard folder.count <= SharedAccessToken.depthMax, !folder.contains(where: { $0 == "." || $0 == ".." }),
            folder.joined(separator: "/").utf8.count <= Self.folderBytesMax
        else {
            throw Problem.badRequest(
                "a token's folder has at most \(SharedAccessToken.depthMax) parts and \(Self.folderBytesMax) bytes")
        }
        let below = (folder + ["*"]).joined(separator: "/")
        try await gate.require(
            caller.principal, "s3:GetObject", on: ResourceName.object(collection, below), caller.context)
        _ = try await objects.collection(collection)
        let seconds = try duration(request)
        let start = Timestamp(seconds: Timestamp.now.seconds)
        let end = start.adding(seconds: seconds)
        let token = SharedAccessToken.make(
            bucket: collection, folder: folder,
            credentials: caller.principal.isAnonymous ? nil : try await credentials(of: caller), starts: start,
            expires: end)
        return Response.json { json in
            json.member("msft:expiry", end.rfc3339)
            json.member("token", token)
        }
    }

    /// One address, signed by itself.
    private func signOne(_ request: Request, _ caller: Caller) async throws -> Response {
        guard !caller.principal.isAnonymous else {
            throw Problem.unauthorized("a token or an API key is needed to have an address signed")
        }
        guard let href = request.query?["href"] else {
            throw Problem.badRequest("the parameter 'href' is missing: the address to be signed")
        }
        let seconds = try duration(request)
        let signed = try await sign([href], method: "GET", seconds: seconds, caller)
        return Response.json { json in
            json.member("msft:expiry", Timestamp(seconds: Timestamp.now.seconds + seconds).rfc3339)
            json.member("href", signed.first ?? href)
        }
    }

    /// `duration`, in minutes.
    private func duration(_ request: Request) throws -> Int64 {
        guard let text = request.query?["duration"] else { return Self.lifetimeSeconds }
        guard let minutes = Int64(text), (1...Self.lifetimeSecondsMax / 60).contains(minutes) else {
            throw Problem.badRequest("duration is 1 to \(Self.lifetimeSecondsMax / 60) minutes")
        }
        return minutes * 60
    }
}
