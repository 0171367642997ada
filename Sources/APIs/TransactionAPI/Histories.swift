import HTTPSupport
import Journal
import Objects
import Policy
import Wire

extension TransactionService {
    /// Events on one page.
    private static let eventsMax = 1000
    /// Keys that one request compares or restores.
    private static let keysMax = 500

    /// `GET /history/{collection}`: what happened in it, newest first; with `key`, to one object; with `prefix`, to
    /// those below it.
    func history(_ name: String, _ call: Call) async throws -> Response {
        try await require(call, "s3:ListBucketVersions", on: ResourceName.collection(name))
        let collection = try await objects.collection(name)
        var before: JournalPosition?
        if let token = call["before"], !token.isEmpty {
            let parts = token.split(separator: ".").compactMap { Int64($0) }
            guard parts.count == 2 else {
                throw Problem.badRequest("before: it is not one that a page gave as 'next'")
            }
            before = JournalPosition(tid: parts[0], sequence: parts[1])
        }
        let prefix = call["prefix"].map { "\(name)/\($0)" } ?? ""
        let page = try await objects.journal.history(
            of: collection.id, subject: call["key"].map { "\(name)/\($0)" }, prefix: prefix, before: before,
            limit: call.limit(max: Self.eventsMax))
        let newest = try await objects.journal.newestSettled()
        let horizon = try await objects.horizon(of: name)
        return Response.json { json in
            json.member("collection", name)
            // Between these two the collection can be read as of any TID.
            json.member("earliest", horizon)
            json.member("newest", newest)
            json.key("events")
            json.array { json in
                for event in page.events {
                    json.object { json in
                        json.member("tid", event.tid)
                        json.member("time", event.time.rfc3339)
                        json.member("kind", event.kind.rawValue)
                        json.member("actor", event.actor)
                        json.member("subject", event.subject)
                        json.key("detail")
                        json.raw(Array(event.detail.utf8))
                    }
                }
            }
            if let next = page.next { json.member("next", "\(next.tid).\(next.sequence)") }
        }
    }

    /// `GET /history/{collection}/differences?asOf=TID`: what a restoration would do.
    func differences(_ name: String, _ call: Call) async throws -> Response {
        guard let asOf = call["asOf"].flatMap({ Int64($0) }) else {
            throw Problem.badRequest("asOf: a TID is needed, a whole number")
        }
        let target = call["to"] ?? name
        try await require(call, "s3:ListBucketVersions", on: ResourceName.collection(name))
        try await require(call, "s3:ListBucket", on: ResourceName.collection(target))
        let page = try await objects.differences(
            collection: name, prefix: call["prefix"] ?? "", asOf: asOf, from: target, after: call["after"] ?? "",
            limit: call.limit(max: Self.keysMax))
        return Response.json { write(page, to: &$0) }
    }

    /// `POST /transactions/{id}/restore`: brings a page of keys back to what they were, within a transaction.
    func restore(_ id: String, _ call: Call) async throws -> Response {
        let transaction = try await use(id, call)
        let body = try await call.body()
        let name = try body.required("collection")
        guard let asOf = body["asOf"]?.integer else { throw Problem.badRequest("asOf: a TID is needed") }
        let target = body["to"]?.string ?? name
        try await require(call, "s3:ListBucketVersions", on: ResourceName.collection(name))
        try await require(call, "s3:ListBucket", on: ResourceName.collection(target))
        let page = try await objects.differences(
            collection: name, prefix: body["prefix"]?.string ?? "", asOf: asOf, from: target,
            after: body["after"]?.string ?? "", limit: Self.keysMax)
        for difference in page.differences {
            if difference.past == nil {
                try await require(call, "s3:DeleteObject", on: ResourceName.object(target, difference.key))
            } else {
                try await require(
                    call, "s3:GetObjectVersion", on: ResourceName.object(name, difference.key), version: "@\(asOf)")
                try await require(call, "s3:PutObject", on: ResourceName.object(target, difference.key))
            }
        }
        try await objects.restore(
            page.differences, of: name, asOf: asOf, to: target, in: transaction.id, by: call.actor)
        return Response.json { write(page, to: &$0) }
    }

    private func write(
        _ page: (differences: [Difference], looked: Int, next: String?), to json: inout JSONWriter
    ) {
        json.member("looked", page.looked)
        json.key("differences")
        json.array { json in
            for difference in page.differences {
                json.object { json in
                    json.member("key", difference.key)
                    json.member("action", difference.past == nil ? "delete" : "restore")
                    if let past = difference.past {
                        json.member("size", past.size)
                        json.member("tid", past.tid)
                    }
                    json.member("exists", difference.present != nil)
                }
            }
        }
        if let next = page.next { json.member("next", next) }
    }
}
