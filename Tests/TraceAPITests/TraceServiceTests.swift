import Catalogue
import Certificates
import Database
import Identity
import Journal
import Ledger
import MerkleLog
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Objects
import Policy
import TestSupport
import Testing
import TraceAPI
import TraceFormat
import Vault
import Wire

@testable import HTTPSupport

@Suite struct TraceServiceTests {
    @Test("traces are answered by id, name and hash, and prove themselves", arguments: TestEngine.allCases)
    func lookups(engine: TestEngine) async throws {
        try await withService(engine) { service, ledger in
            let traces = try await ledger.traces(of: [draft(1), draft(2)])
            let id = traces[0].id.text
            let single = try await get(service, "/traces/api/v1/traces/\(id)")
            #expect(single.status == .ok && single.type == "application/json")
            #expect(try Trace.parse(single.body) == traces[0])
            #expect(try await get(service, "/traces/api/v1/traces/\(id.uppercased())").body == single.body)
            for path in [
                "name/eo%2Fproduct%201", "name/eo/product%201", "hash/\(digest(1))", "hash/\(digest(101).uppercased())",
            ] {
                let list = try await get(service, "/traces/api/v1/traces/\(path)")
                #expect(list.status == .ok && list.type == "application/json")
                #expect(try Trace.parseList(list.body) == [traces[0]])
            }
            let both = try await get(service, "/traces/api/v1/traces/hash/\(digest(500))")
            #expect(try Trace.parseList(both.body) == traces.reversed())
            for path in ["name/nothing", "hash/\(digest(77))"] {
                let list = try await get(service, "/traces/api/v1/traces/\(path)")
                #expect(list.status == .ok && list.body == Array("[]".utf8))
            }

            let proof = try await get(service, "/traces/api/v1/traces/\(id)/proof")
            let entry = try await get(service, "/traces/api/v1/traces/\(id)/entry")
            let vkey = try await get(service, "/traces/log/vkey")
            #expect(proof.type == "text/plain; charset=utf-8")
            let key = try VerifierKey(vkey: String(String(decoding: vkey.body, as: UTF8.self).dropLast()))
            let state = try InclusionBundle(proof.body).verify(leaf: .leaf(entry.body), origin: key.name, keys: [key])
            #expect(state.size == 2)
            let verdict = TraceVerifier(key: key).verify(
                TraceSubject(name: "x", hashes: [.blake3: digest(1)]),
                by: [TraceEvidence(trace: try Trace.parse(single.body), proof: proof.body)])
            #expect(verdict.outcome == .genuine)
        }
    }

    @Test("the log is served as its monitors read it")
    func log() async throws {
        try await withService(.sqlite) { service, ledger in
            let traces = try await ledger.traces(of: (0..<300).map { draft($0) })
            let checkpoint = try await get(service, "/traces/log/checkpoint")
            #expect(checkpoint.status == .ok && checkpoint.type == "text/plain; charset=utf-8")
            #expect(String(decoding: checkpoint.body, as: UTF8.self).hasPrefix("test.example/martlet\n300\n"))
            let full = try await get(service, "/traces/log/tile/0/000")
            #expect(full.body.count == 8192 && full.type == "application/octet-stream")
            #expect(full.headers["Cache-Control"] == ["public, max-age=31536000, immutable"])
            let partial = try await get(service, "/traces/log/tile/0/001.p/44")
            #expect(partial.body.count == 44 * 32)
            #expect(!partial.headers["Cache-Control"].joined().contains("immutable"))
            let bundle = try await get(service, "/traces/log/tile/entries/001.p/44")
            let entries = try EntryBundle.decode(bundle.body, width: 44)
            #expect(Array(entries[0]) == (try LogEntry(traces[256]).bytes))
            for path in ["0/002.p/1", "0/001", "0/1", "entries/001", "x", "0/000/", "0/..%2F000", ""] {
                let missing = try await get(service, "/traces/log/tile/\(path)")
                #expect(missing.status == .notFound || path == "0/000/", "\(path)")
            }
        }
    }

    @Test(
        "what cannot be is refused in the form that clients know",
        arguments: [
            ("GET", "/traces/api/v1/traces/xyz", 422), ("GET", "/traces/api/v1/traces/xyz/proof", 422),
            ("GET", "/traces/api/v1/traces/hash/abc", 422), ("GET", "/traces/api/v1/traces/hash/\(digest(1))00", 422),
            ("GET", "/traces/api/v1/traces/7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7", 404),
            ("GET", "/traces/api/v1/traces/7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7/proof", 404),
            ("GET", "/traces/api/v1/traces/7374c9be-84c5-4ea4-8b2b-b1e9b1a539d7/entry", 404),
            ("GET", "/traces/api/v2/traces", 404), ("GET", "/traces/api", 404), ("PUT", "/traces/api/v1/traces", 401),
            ("DELETE", "/traces/api/status", 405),
        ])
    func refusals(method: String, path: String, status: Int) async throws {
        try await withService(.sqlite) { service, _ in
            let answer = try await get(service, path, method: HTTPMethod(rawValue: method))
            #expect(answer.status.code == UInt(status))
            let detail = try JSONValue(parsing: answer.body)["detail"]
            #expect(answer.type == "application/json")
            if status == 422 {
                let first = detail?.array?.first
                #expect(first?["loc"]?.array?.first?.string == "path")
                #expect(first?["msg"]?.string?.isEmpty == false && first?["type"]?.string?.isEmpty == false)
            } else {
                #expect(detail?.string?.isEmpty == false)
            }
            if status == 405 { #expect(answer.headers.contains(name: "Allow")) }
        }
    }

    @Test("the status tells the protocol, and anything goes as a token")
    func status() async throws {
        try await withService(.sqlite) { service, _ in
            for token in ["Bearer ", "Bearer nonsense", "Basic x"] {
                let answer = try await get(service, "/traces/api/status", headers: ["Authorization": token])
                let value = try JSONValue(parsing: answer.body)
                #expect(answer.status == .ok)
                #expect(value["status"]?.string == "running" && value["server_version"]?.string == "1.2.3")
                #expect(value["protocol_version"]?.array == ["v1"])
            }
            #expect(try await get(service, "/traces/log/checkpoint", method: .POST).status == .methodNotAllowed)
            #expect(try await get(service, "/traces/log/checkpoint/x").status == .notFound)
            #expect(try await get(service, "/traces/nothing").status == .notFound)
            #expect(try await get(service, "/traces").status == .notFound)
        }
    }

    @Test("random paths are answered, and never with a fault of the server")
    func fuzz() async throws {
        try await withService(.sqlite) { service, ledger in
            let trace = try #require(try await ledger.traces(of: [draft(1)]).first)
            let words = [
                "api", "v1", "traces", "name", "hash", "proof", "entry", "log", "tile", "entries", "0", "000", "000.p",
                "1", "64",
                "x000", trace.id.text, digest(1), "%2F", "..", "é", "status", "checkpoint",
                "validate", "obsolete", "validate?filehash=\(digest(1))", "obsolete?after=x&start=y",
                "999999999999999999999",
            ]
            for _ in 0..<1500 {
                let path = (0..<Int.random(in: 0..<7)).map { _ in words.randomElement() ?? "" }.joined(separator: "/")
                for start in ["/traces/\(path)", "/traces/api/v1/traces/\(path)", "/traces/log/tile/\(path)"] {
                    #expect(try await get(service, start).status.code < 500, "\(start)")
                }
            }
        }
    }
}

struct Answer {
    var status: HTTPResponseStatus
    var headers: HTTPHeaders
    var body: [UInt8]

    var type: String? { headers.first(name: "Content-Type") }
}

func withService(_ engine: TestEngine, _ body: (TraceService, Ledger) async throws -> Void) async throws {
    try await withSurroundings(engine) { try await body($0.service, $0.ledger) }
}

/// A service with an account that may register what `policy` says.
struct Surroundings {
    let service: TraceService
    let ledger: Ledger
    let authority: CertificateAuthority
    let token: String
    let journal: Journal
}

/// Whose signatures count: everybody's with a certificate of one authority.
struct TestTrust: SignerTrust {
    let authority: CertificateAuthority

    func anchors() async throws -> TrustAnchors { try TrustAnchors(roots: [authority.certificate]) }
    /// As if the one signature that is good were this text.
    func fault(ofOpenPGP signature: [UInt8], message: [UInt8], key: OpenPGPKey) async throws -> String? {
        signature == Array("good".utf8) + message.prefix(8) ? nil : "not good"
    }

    func certificate(
        for request: CertificateRequest, account: String, seconds: Int64, how: String, by actor: String
    ) async throws -> PreparedCertificate {
        let made = try authority.issue(
            request,
            CertificateTemplate(
                commonName: account, names: AlternativeNames(), purposes: [.client, .email], seconds: seconds))
        return PreparedCertificate(pem: made.pem) { _, events in
            events.record(EventKind("test.issued"), by: actor, on: account) { $0.member("how", how) }
        }
    }
    func isRevoked(_ fingerprint: [UInt8]) async throws -> Bool { false }
}

func withSurroundings(
    _ engine: TestEngine, policy: String? = nil, _ body: (Surroundings) async throws -> Void
) async throws {
    try await withFolder { folder in
        let migrations =
            Journal.migrations + Identity.migrations + Policies.migrations + Objects.migrations
            + Catalogue.migrations + Ledger.migrations
        try await engine.withDatabase(migrations) { database in
            let journal = Journal(database: database, node: "test")
            let master = try MasterKey.open(path: folder + "/key", creates: true)
            let identity = Identity(journal: journal, master: master, passwordCost: 16)
            let policies = try Policies(journal: journal)
            let tokens = try await TokenAuthority(identity: identity, issuer: "http://node:8080")
            let authority = try CertificateAuthority.create(name: "Test")
            let ledger = try await Ledger.open(
                journal: journal, identity: identity, authority: authority, origin: "test.example/martlet",
                trust: TestTrust(authority: authority))
            let password = "correct horse battery staple"
            try await identity.createAccount(name: "ada", kind: .person, password: password, by: "test")
            if let policy {
                try await policies.store(name: "ledger", document: policy, by: "test")
                try await policies.attach("ledger", to: .account("ada"), by: "test")
            }
            let principal = try await identity.login(name: "ada", password: password, address: "192.0.2.1")
            let token = try await tokens.issue(to: principal, client: "test")
            let service = TraceService(
                ledger: ledger, catalogue: Catalogue(journal: journal),
                witness: try await Witness.open(journal: journal, identity: identity, name: "test.example/w", logs: []),
                gate: Gate(policies: policies, journal: journal),
                authenticator: Authenticator(identity: identity, tokens: tokens), host: "test.example",
                version: "1.2.3")
            try await body(
                Surroundings(service: service, ledger: ledger, authority: authority, token: token, journal: journal))
        }
    }
}

func get(
    _ service: TraceService, _ target: String, method: HTTPMethod = .GET, headers: HTTPHeaders = [:],
    body: [UInt8] = []
) async throws -> Answer {
    let request = Request(
        method: method, target: target, headers: headers, body: RequestBody(ByteBuffer(bytes: body)),
        connection: ConnectionInfo(remoteAddress: "127.0.0.1", localAddress: "127.0.0.1:8080", isSecure: false), id: "1"
    )
    let path = try #require(request.segments)
    let response = await service.respond(to: request, path: Array(path.dropFirst()))
    var answer = Answer(status: response.status, headers: response.headers, body: [])
    switch response.body {
    case .empty: break
    case .buffer(let buffer): answer.body = Array(buffer.readableBytesView)
    case .stream(_, let produce):
        let channel = NIOAsyncTestingChannel()
        try await produce(ResponseWriter(channel: channel))
        while let buffer = try await channel.readOutbound(as: ByteBuffer.self) {
            answer.body += buffer.readableBytesView
        }
        _ = try await channel.finish()
    }
    return answer
}

func digest(_ number: Int) -> String {
    let hex = String(number, radix: 16)
    return String(repeating: "0", count: 64 - hex.count) + hex
}

func draft(_ number: Int) -> TraceDraft {
    TraceDraft(
        name: "eo/product \(number)", size: Int64(number), hash: digest(number),
        contents: [.init(path: "own", hash: digest(100 + number)), .init(path: "shared", hash: digest(500))],
        event: .create,
        origin: "test", collection: 7, product: "product \(number)")
}

extension Ledger {
    /// ``register(_:by:)``, and the traces that came of it.
    func traces(of drafts: [TraceDraft], by actor: String = "a") async throws -> [Trace] {
        var traces: [Trace] = []
        for id in try await register(drafts, by: actor) { traces.append(try #require(try await trace(id: id))) }
        return traces
    }
}
