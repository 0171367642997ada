package import HTTPSupport
import Ledger
import Logging
import MerkleLog
import NIOHTTP1
import Wire

extension TraceService {
    /// Answers `/witness/…`: the node as a witness of others' logs (C2SP tlog-witness). The address is both its
    /// submission and its monitoring prefix.
    ///
    /// - Parameter path: the decoded segments after `witness`.
    package func witnessing(_ request: Request, path: [String]) async -> Response {
        await Problem.catching(request, log: { logger.error("\($0)") }) {
            let text = "text/plain; charset=utf-8"
            switch path.first {
            case "add-checkpoint" where path.count == 1:
                guard request.method == .POST else { throw Problem.methodNotAllowed("POST") }
                let body = try await request.body.collect(upTo: WitnessRequest.maxLength)
                do {
                    return Response(.ok, type: text, bytes: try await witness.add(body))
                } catch let refusal as Witness.Refusal {
                    return Self.answer(refusal)
                }
            case "vkey" where path.count == 1:
                guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
                return Response(.ok, type: text, text: witness.vkey + "\n", headers: ["Cache-Control": "max-age=3600"])
            case let origin? where path.count == 2 && path[1] == "checkpoint":
                guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
                guard origin.utf8.count == 64, let digest = Hex.decode(origin), Hex.encode(digest) == origin,
                    let note = try await witness.checkpoint(originDigest: digest)
                else { throw Problem.notFound("this witness has cosigned no checkpoint of that log") }
                return Response(.ok, type: text, bytes: note, headers: ["Cache-Control": "no-cache"])
            default: throw Problem.notFound("there is nothing at \(request.rawPath)")
            }
        }
    }

    /// Answers `/.well-known/scitt-keys` and `…/scitt-keys/KID`: the key of receipts (SCITT reference APIs).
    ///
    /// - Parameter keyID: in base64url; nil for the set of all.
    package func receiptKeys(_ request: Request, keyID: String?) -> Response {
        guard request.isRead else { return Problem.methodNotAllowed("GET, HEAD").response }
        let bytes = keyID.map { Base64.decode($0) }
        guard bytes != .some(nil), let keys = ledger.receiptKeys(bytes ?? nil) else {
            return Problem.notFound("receipts are signed with no such key").response
        }
        return Response(.ok, type: "application/cbor", bytes: keys, headers: ["Cache-Control": "max-age=3600"])
    }

    private static func answer(_ refusal: Witness.Refusal) -> Response {
        switch refusal {
        case .malformed(let why): Problem.badRequest(why).response
        case .unknownLog(let why): Problem.notFound(why).response
        case .forbidden(let why): Problem.forbidden(why).response
        case .conflict(let latest):
            Response(.conflict, type: "text/x.tlog.size", text: "\(latest)\n")
        case .inconsistent(let why): Problem(.unprocessableEntity, "inconsistent", why).response
        }
    }
}
