import IAMPolicy
package import Identity
package import Journal
package import Notifications
import Objects
package import Policy
import Wire

/// Objects that are written, deleted, tagged, moved, under the names that S3 has for that (`s3:ObjectCreated:Put`).
/// Told to who may read the object.
package struct ObjectTopic: Topic {
    package let name = "objects"
    private let gate: Gate

    private static let example = "collection=eo&prefix=S2A/&suffix=.jp2&event=s3:ObjectCreated:*"

    package init(gate: Gate) { self.gate = gate }

    private static func filter(_ text: String) throws -> TopicFilter {
        try TopicFilter(text, names: ["collection", "prefix", "suffix", "event"], example: example)
    }

    package func check(_ filter: String) async throws { _ = try Self.filter(filter) }

    package func notices(in events: [Event], for listeners: [Listener]) async throws -> [[Notice]] {
        let changes = events.compactMap { event in ObjectChange(event).map { (event: event, change: $0) } }
        var found: [[Notice]] = []
        for listener in listeners {
            var notices: [Notice] = []
            if let filter = try? Self.filter(listener.filter) {
                for (event, change) in changes where listener.since < event.tid && Self.holds(filter, change) {
                    guard try await may(listener.principal, change.collection, change.key, listener.context) else {
                        continue
                    }
                    notices.append(Notice(event: event, content: Self.content(change)))
                }
            }
            found.append(notices)
        }
        return found
    }

    private static func holds(_ filter: TopicFilter, _ change: ObjectChange) -> Bool {
        filter.allows("collection") { $0 == change.collection } && filter.allows("prefix") { change.key.hasPrefix($0) }
            && filter.allows("suffix") { change.key.hasSuffix($0) }
            && filter.allows("event") { covers($0, change.name) }
    }

    private func may(
        _ principal: Principal, _ collection: String, _ key: String, _ context: RequestContext
    ) async throws -> Bool {
        try await gate.decide(principal, "s3:GetObject", on: ResourceName.object(collection, key), context).isAllowed
    }

    /// What is told: not who did it, nor from where.
    private static func content(_ change: ObjectChange) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("event", change.name)
            json.member("collection", change.collection)
            json.member("key", change.key)
            if let size = change.size { json.member("size", size) }
            if let etag = change.etag { json.member("etag", etag) }
            if let version = change.version { json.member("version", version) }
        }
        return json.bytes
    }

    package func message(
        _ delivery: Delivery, for principal: Principal, _ context: RequestContext
    ) async throws -> TopicMessage? {
        guard let json = try? JSONValue(parsing: delivery.message), let event = json["event"]?.string,
            let collection = json["collection"]?.string, let key = json["key"]?.string,
            try await may(principal, collection, key, context)
        else { return nil }
        return TopicMessage(type: event, subject: "\(collection)/\(key)", data: delivery.message)
    }
}
