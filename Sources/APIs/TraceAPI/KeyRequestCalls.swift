import Certificates
import HTTPSupport
import Identity
import Ledger
import NIOHTTP1
import Policy
import TraceFormat
import Wire

extension TraceService {
    /// Answers `/traces/api/v1/key-requests`: asking that signatures by a key count, and answering that.
    ///
    /// Everybody who has an account may ask and sees their own requests; who may answer sees all.
    func keyRequests(_ path: ArraySlice<String>, _ request: Request) async throws -> Response {
        let caller = try await authenticator.caller(of: request)
        guard !caller.principal.isAnonymous else {
            throw Problem.unauthorized("a token is needed to ask for keys")
        }
        do {
            switch (path.first, path.dropFirst().first, request.method) {
            case (nil, _, .POST): return try await requestKey(request, caller)
            case (nil, _, .GET), (nil, _, .HEAD): return try await keyRequests(request, caller)
            case (let id?, nil, .GET), (let id?, nil, .HEAD):
                return Self.answer(.ok, try await visible(id, caller))
            case (let id?, nil, .DELETE):
                _ = try await visible(id, caller)
                try await ledger.withdrawKeyRequest(id, as: caller.principal.name)
                return Response(.noContent)
            case (let id?, "approve", .POST) where path.count == 2:
                let body = try await decision(on: id, request, caller)
                let seconds = try body["seconds"].map { value in
                    guard let seconds = value.integer else {
                        throw Problem.badRequest("'seconds' must be a whole number")
                    }
                    return seconds
                }
                let approved = try await ledger.approveKeyRequest(
                    id, seconds: seconds ?? Ledger.keySecondsDefault, by: caller.principal.name)
                return Self.answer(.ok, approved)
            case (let id?, "refuse", .POST) where path.count == 2:
                let body = try await decision(on: id, request, caller)
                let refused = try await ledger.refuseKeyRequest(
                    id, reason: body["reason"]?.string ?? "", by: caller.principal.name)
                return Self.answer(.ok, refused)
            case (nil, _, _): throw Problem.methodNotAllowed("GET, HEAD, POST")
            case (_, nil, _): throw Problem.methodNotAllowed("GET, HEAD, DELETE")
            case (_, "approve", _), (_, "refuse", _): throw Problem.methodNotAllowed("POST")
            default: throw APIError.notFound("there is nothing at \(request.rawPath)")
            }
        } catch let error as CertificatesError {
            throw Problem.badRequest(error.message)
        }
    }

    private func requestKey(_ request: Request, _ caller: Caller) async throws -> Response {
        try await gate.requireOwn(caller.principal, "ledger:RequestKey", caller.context)
        let body = try await document(of: request)
        let given = KeyRequest.Kind.allCases.compactMap { kind in body[kind.rawValue]?.string.map { (kind, $0) } }
        guard given.count == 1, let (kind, text) = given.first else {
            let kinds = KeyRequest.Kind.allCases.map { "'\($0.rawValue)'" }.joined(separator: " or ")
            throw Problem.badRequest("give one of \(kinds), in PEM")
        }
        let made = try await ledger.requestKey(
            kind, Array(text.utf8), note: body["note"]?.string ?? "", as: caller.principal.name)
        return Self.answer(.created, made)
    }

    /// Of all where the caller may answer them, else the caller's own.
    private func keyRequests(_ request: Request, _ caller: Caller) async throws -> Response {
        let query = try query(of: request)
        let limit = try limit(of: query, max: Ledger.keyRequestPageMax)
        let state = query["state"]
        guard state == nil || state == KeyRequest.State.pending.rawValue else {
            throw APIError.unprocessable(
                "state", in: "query", "value is not 'pending'", type: "value_error.state")
        }
        let isAll = try await gate.permits(
            caller.principal, "ledger:ListKeyRequests", on: ResourceName.keyRequest("*"), caller.context)
        let page = try await ledger.keyRequests(
            of: isAll ? nil : caller.principal.name, isPending: state != nil, after: query["after"] ?? "",
            limit: limit)
        var json = JSONWriter()
        json.array { json in for one in page { Self.write(one, to: &json) } }
        return self.page(
            json.bytes, request, "/v1/key-requests", after: page.count == limit ? page.last?.id : nil, limit: limit,
            with: state.map { [("state", $0)] } ?? [])
    }

    /// A request that the caller may see. One that they may not is not there for them.
    private func visible(_ id: String, _ caller: Caller) async throws -> KeyRequest {
        let found = try await ledger.keyRequest(id)
        if found.account == caller.principal.name { return found }
        guard
            try await gate.permits(
                caller.principal, "ledger:ListKeyRequests", on: ResourceName.keyRequest(id), caller.context)
        else { throw APIError.notFound("there is no key request '\(id)'") }
        return found
    }

    private func decision(on id: String, _ request: Request, _ caller: Caller) async throws -> JSONValue {
        guard TraceID(id) != nil else { throw APIError.notFound("there is no key request of that id") }
        try await gate.require(
            caller.principal, "ledger:DecideKeyRequest", on: ResourceName.keyRequest(id), caller.context)
        if request.headers["Content-Length"].first == "0" || request.headers["Content-Type"].isEmpty { return [:] }
        return try await document(of: request)
    }

    private static func answer(_ status: HTTPResponseStatus, _ request: KeyRequest) -> Response {
        var json = JSONWriter()
        write(request, to: &json)
        return Response(status, type: MediaType.json, bytes: json.bytes, headers: ["Cache-Control": "no-store"])
    }

    private static func write(_ request: KeyRequest, to json: inout JSONWriter) {
        json.object {
            $0.member("id", request.id)
            $0.member("account", request.account)
            $0.member("kind", request.kind.rawValue)
            $0.member("note", request.note)
            $0.member("created", request.created.rfc3339)
            $0.member("state", request.state.rawValue)
            if let decided = request.decided { $0.member("decided", decided.rfc3339) }
            if let actor = request.decidedBy { $0.member("decided_by", actor) }
            if !request.reason.isEmpty { $0.member("reason", request.reason) }
            if let certificate = request.certificate { $0.member("certificate", certificate) }
        }
    }

    /// Answers `/traces/api/v1/keys`: everybody may see whose signatures count though no authority vouches for them.
    func keys(_ path: ArraySlice<String>, _ request: Request) async throws -> Response {
        guard path.isEmpty else { throw APIError.notFound("there is nothing at \(request.rawPath)") }
        guard request.isRead else { throw Problem.methodNotAllowed("GET, HEAD") }
        let query = try query(of: request)
        let limit = try limit(of: query, max: Ledger.keyRequestPageMax)
        let page = try await ledger.registeredKeys(after: Hex.decode(query["after"] ?? "") ?? [], limit: limit)
        var json = JSONWriter()
        json.array { json in
            for key in page {
                json.object {
                    $0.member("certificate_sha256", Hex.encode(key.digest))
                    if let fingerprint = key.fingerprint { $0.member("openpgp_fingerprint", fingerprint) }
                    $0.member("subject", key.subject)
                    $0.member("account", key.account)
                    $0.member("registered", key.registered.rfc3339)
                    $0.member("certificate", Base64.encode(key.key))
                }
            }
        }
        return self.page(
            json.bytes, request, "/v1/keys", after: page.count == limit ? page.last.map { Hex.encode($0.digest) } : nil,
            limit: limit)
    }
}
