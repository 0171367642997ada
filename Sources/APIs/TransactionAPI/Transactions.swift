import HTTPSupport
import NIOHTTP1
import Objects
import Policy
import Wire

extension TransactionService {
    /// Writes on one page.
    private static let pageMax = 1000

    /// `POST /transactions`, with `{"seconds": N}` or nothing.
    func open(_ call: Call) async throws -> Response {
        var seconds = TransactionLimits.secondsDefault
        let bytes = try await call.request.body.collect(upTo: 4096)
        if !bytes.isEmpty {
            let body = try JSONValue(parsing: bytes)
            if let given = body["seconds"] {
                guard let number = given.integer else { throw Problem.badRequest("seconds: a whole number is needed") }
                seconds = number
            }
        }
        let opened = try await objects.openTransaction(owner: call.actor, seconds: seconds)
        var response = Response.json(.created) { write(opened, to: &$0) }
        response.headers.add(name: "Location", value: "/transactions/" + opened.id.text)
        return response
    }

    /// `GET /transactions`: the caller's own.
    func list(_ call: Call) async throws -> Response {
        let found = try await objects.transactions(owner: call.actor)
        return Response.json { json in
            json.key("transactions")
            json.array { json in for transaction in found { json.object { write(transaction, to: &$0) } } }
        }
    }

    /// `GET /transactions/{id}`: its state, and page by page what it writes.
    func show(_ id: String, _ call: Call) async throws -> Response {
        let transaction = try await use(id, call)
        var after: (collection: Int64, key: String)?
        if let token = call["after"], !token.isEmpty {
            guard let text = Base64.decode(token).flatMap({ String(validating: $0, as: UTF8.self) }),
                let space = text.firstIndex(of: " "), let collection = Int64(text[..<space])
            else { throw Problem.badRequest("after: it is not one that a page gave as 'next'") }
            after = (collection, String(text[text.index(after: space)...]))
        }
        let page = try await objects.stagedWrites(
            of: transaction.id, after: after, limit: call.limit(max: Self.pageMax))
        return Response.json { json in
            write(transaction, to: &json)
            json.key("staged")
            json.array { json in
                for staged in page.writes {
                    json.object { json in
                        json.member("collection", staged.collection)
                        json.member("key", staged.key)
                        json.member("action", staged.version == nil ? "delete" : "put")
                        if let version = staged.version {
                            json.member("size", version.size)
                            json.member("etag", version.etag)
                        }
                    }
                }
            }
            if let next = page.next {
                json.member("next", Base64.encodeURL(Array("\(next.collection) \(next.key)".utf8)))
            }
        }
    }

    private func write(_ transaction: ObjectTransaction, to json: inout JSONWriter) {
        json.member("id", transaction.id.text)
        json.member("state", transaction.tid == nil ? "open" : "committed")
        if let tid = transaction.tid { json.member("tid", tid) }
        json.member("owner", transaction.owner)
        json.member("created", transaction.created.rfc3339)
        json.member("expires", transaction.expires.rfc3339)
        json.member("writes", transaction.writes)
    }

    /// `POST /transactions/{id}/commit`
    func commit(_ id: String, _ call: Call) async throws -> Response {
        let transaction = try await use(id, call)
        let tid = try await objects.commit(transaction.id, by: call.actor)
        return Response.json {
            $0.member("id", transaction.id.text)
            $0.member("state", "committed")
            $0.member("tid", tid)
        }
    }

    /// `DELETE /transactions/{id}`
    func abort(_ id: String, _ call: Call) async throws -> Response {
        try await objects.abort(use(id, call).id, by: call.actor)
        return Response(.noContent)
    }

    /// `DELETE /transactions/{id}/writes?collection=…&key=…`
    func unstage(_ id: String, _ call: Call) async throws -> Response {
        guard let collection = call["collection"], let key = call["key"] else {
            throw Problem.badRequest("collection and key say which write is to be taken back")
        }
        try await objects.unstage(key, in: collection, from: use(id, call).id)
        return Response(.noContent)
    }

    func use(_ id: String, _ call: Call) async throws -> ObjectTransaction {
        try await TransactionHeader.use(id, by: call.caller, objects, gate)
    }
}
