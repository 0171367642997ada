import HTTPSupport
import NIOHTTP1
import Objects
import Policy
import Wire

extension AdminService {
    /// `/scrub`: how far it is, or, with POST, a new pass.
    func scrub(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET): try await require(call, "martlet:GetScrub", on: ResourceName.everything)
        case (0, .POST):
            try await require(call, "martlet:BeginScrub", on: ResourceName.everything)
            try await objects.beginScrub()
        case (0, _): throw Problem.methodNotAllowed("GET, POST")
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
        let state = try await objects.scrubState()
        return Response.json {
            $0.member("running", state.began != nil && state.ended == nil)
            if let began = state.began { $0.member("began", began.rfc3339) }
            if let ended = state.ended { $0.member("ended", ended.rfc3339) }
            $0.member("versions", state.versions)
            $0.member("bytes", state.bytes)
            $0.member("damaged", state.damaged)
            $0.member("sealed", state.sealed)
        }
    }
}
