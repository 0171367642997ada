import IAMPolicy
package import Journal
import Objects
import Policy
import Wire

/// An object that was written, deleted, tagged or moved, under the names that S3 has for that (`s3:ObjectCreated:Put`).
/// Told to who may read the object.
package struct ObjectNews: Change {
    private let event: String
    private let collection: String
    private let key: String
    package let content: [UInt8]

    package static let topic = "objects"
    package static let filterNames = ["collection", "prefix", "suffix", "event"]
    package static let filterExample = "collection=eo&prefix=S2A/&suffix=.jp2&event=s3:ObjectCreated:*"

    package init?(_ event: Event) {
        guard let change = ObjectChange(event) else { return nil }
        (self.event, collection, key) = (change.name, change.collection, change.key)
        var json = JSONWriter()
        json.object { json in
            json.member("event", change.name)
            json.member("collection", change.collection)
            json.member("key", change.key)
            if let size = change.size { json.member("size", size) }
            if let etag = change.etag { json.member("etag", etag) }
            if let version = change.version { json.member("version", version) }
        }
        content = json.bytes
    }

    package init?(_ content: [UInt8]) {
        guard let json = try? JSONValue(parsing: content), let event = json["event"]?.string,
            let collection = json["collection"]?.string, let key = json["key"]?.string
        else { return nil }
        (self.event, self.collection, self.key, self.content) = (event, collection, key, content)
    }

    package var type: String { event }
    package var subject: String { "\(collection)/\(key)" }
    package var action: String { "s3:GetObject" }
    package var resource: String { ResourceName.object(collection, key) }

    package func fulfils(_ filter: TopicFilter) -> Bool {
        filter.allows("collection") { $0 == collection } && filter.allows("prefix") { key.hasPrefix($0) }
            && filter.allows("suffix") { key.hasSuffix($0) } && filter.allows("event") { covers($0, event) }
    }
}
