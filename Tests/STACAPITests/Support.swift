import Blobs
import Catalogue
import Database
import HTTPSupport
import Identity
import Journal
import NIOCore
import NIOHTTP1
import NIOPosix
import Objects
import Policy
import STACAPI
import TestSupport
import Testing
import Vault
import Wire

/// The STAC face of a fresh node on either engine, called in process.
struct Face: Sendable {
    let service: STACService
    let catalogue: Catalogue
    let identity: Identity
    let policies: Policies
    let tokens: TokenAuthority

    /// Runs `body` with a face whose collection `eo` everybody may read and whose collection `secret` only ada.
    static func with(_ engine: TestEngine = .sqlite, _ body: (Face) async throws -> Void) async throws {
        let migrations =
            Journal.migrations + Identity.migrations + Policies.migrations + Objects.migrations + Catalogue.migrations
        try await engine.withDatabase(migrations) { database in
            try await withFolder { folder in
                let journal = Journal(database: database, node: "test")
                let master = try MasterKey.open(path: "\(folder)/master.key", creates: true)
                let identity = Identity(journal: journal, master: master, passwordCost: 16)
                let policies = try Policies(journal: journal)
                let tokens = try await TokenAuthority(identity: identity, issuer: "http://node:8080")
                let catalogue = Catalogue(journal: journal)
                let blobs = try await DiskBlobs.open(folder + "/blobs")
                let objects = Objects(
                    journal: journal, stores: BlobStores(standard: blobs), master: master, pool: .singleton)
                let service = STACService(
                    catalogue: catalogue, objects: objects, gate: Gate(policies: policies, journal: journal),
                    authenticator: Authenticator(identity: identity, tokens: tokens))
                let face = Face(
                    service: service, catalogue: catalogue, identity: identity, policies: policies, tokens: tokens)
                do {
                    try await face.furnish()
                    try await body(face)
                } catch {
                    await blobs.close()
                    throw error
                }
                await blobs.close()
            }
        }
    }

    private func furnish() async throws {
        for name in ["eo", "secret"] { try await make(name) }
        for name in ["ada", "bob"] {
            try await identity.createAccount(
                name: name, kind: .person, displayName: name, password: Self.password, by: "test")
        }
        try await allow("everyone", "arn:martlet:stac:::eo*", to: .everyone)
        try await allow("ada", "arn:martlet:stac:::*", to: .account("ada"))
        try await allow("ada-s3", "arn:aws:s3:::*", actions: "s3:*", to: .account("ada"))
    }

    private static let password = "correct horse battery staple"

    /// Makes a collection: the module `objects` would give it a key as well.
    func make(_ name: String) async throws {
        try await catalogue.journal.database.write { transaction in
            try transaction.run(
                "INSERT INTO spaces (id, name) VALUES (1, 'main') ON CONFLICT DO NOTHING")
            try transaction.run(
                "INSERT INTO collections (id, space, name, owner, created) VALUES (?, 1, ?, 'ada', 0)",
                .init(transaction.tid), .init(name))
        }
    }

    func allow(_ name: String, _ resource: String, actions: String = "stac:*", to subject: Policy.Attachment)
        async throws
    {
        let document =
            #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"\#(actions)","Resource":"\#(resource)"}]}"#
        try await policies.store(name: name, document: document, by: "test")
        try await policies.attach(name, to: subject, by: "test")
    }

    func token(_ name: String) async throws -> String {
        let principal = try await identity.login(name: name, password: Self.password, address: "192.0.2.1")
        return try await tokens.issue(to: principal, client: "test")
    }

    /// Puts an item whose geometry is a small box.
    func put(_ id: String, in collection: String = "eo", at seconds: Int64 = 0, west: Double = 0, south: Double = 0)
        async throws
    {
        let text = """
            {"type":"Feature","stac_version":"1.1.0","id":"\(id)","collection":"\(collection)",
            "geometry":{"type":"Polygon","coordinates":[[[\(west),\(south)],[\(west + 1),\(south)],[\(west + 1),\(south + 1)],[\(west),\(south + 1)],[\(west),\(south)]]]},
            "bbox":[\(west),\(south),\(west + 1),\(south + 1)],"properties":{"datetime":"\(Timestamp(seconds: seconds).rfc3339)"},
            "links":[{"rel":"via","href":"https://example.org"}],"assets":{}}
            """
        try await catalogue.put(item: Array(text.utf8), collection: collection, by: "test")
    }

    // MARK: Requests

    struct Answer {
        var response: Response
        var text: String
        var json: JSONValue
        var status: UInt { response.status.code }
        var detail: String { json["detail"]?.string ?? "" }
        var ids: [String] { json["features"]?.array?.compactMap { $0["id"]?.string } ?? [] }

        func link(_ rel: String) -> JSONValue? { json["links"]?.array?.first { $0["rel"]?.string == rel } }
    }

    func get(_ path: String, as name: String? = nil, headers: HTTPHeaders = [:]) async throws -> Answer {
        try await send(.GET, path, as: name, headers: headers)
    }

    func post(_ path: String, _ body: String, as name: String? = nil) async throws -> Answer {
        try await send(.POST, path, as: name, headers: ["Content-Type": "application/json"], body: body)
    }

    func send(
        _ method: HTTPMethod, _ path: String, as name: String? = nil, headers: HTTPHeaders = [:], body: String = ""
    ) async throws -> Answer {
        var headers = headers
        headers.replaceOrAdd(name: "Host", value: "node:8080")
        if let name { headers.replaceOrAdd(name: "Authorization", value: "Bearer \(try await token(name))") }
        // Links lead back to the node by their whole address.
        let target =
            path.hasPrefix("http://node:8080") ? String(path.dropFirst("http://node:8080".count)) : "/stac" + path
        let request = Request(
            method: method, target: target, headers: headers, body: RequestBody(ByteBuffer(string: body)),
            connection: ConnectionInfo(remoteAddress: "192.0.2.1", localAddress: "127.0.0.1:8080", isSecure: false),
            id: "r1")
        let segments = try #require(request.segments)
        let response = await service.respond(to: request, path: Array(segments.dropFirst()))
        var text = ""
        if case .buffer(let buffer) = response.body { text = String(buffer: buffer) }
        return Answer(response: response, text: text, json: text.isEmpty ? .null : try JSONValue(parsing: text))
    }
}
