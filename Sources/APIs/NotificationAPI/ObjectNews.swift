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
    private let size: Int64?
    private let etag: String?
    private let version: String?

    package static let topic = "objects"
    package static let filterNames = ["collection", "prefix", "suffix", "event"]
    package static let filterExample = "collection=eo&prefix=S2A/&suffix=.jp2&event=s3:ObjectCreated:*"

    package init?(_ event: Event) {
        guard let change = ObjectChange(event) else { return nil }
        (self.event, collection, key) = (change.name, change.collection, change.key)
        (size, etag, version) = (change.size, change.etag, change.version)
    }

    package init?(_ content: [UInt8]) {
        guard let json = try? JSONValue(parsing: content), let event = json["event"]?.string,
            let collection = json["collection"]?.string, let key = json["key"]?.string
        else { return nil }
        (self.event, self.collection, self.key) = (event, collection, key)
        (size, etag, version) = (json["size"]?.integer, json["etag"]?.string, json["version"]?.string)
    }

    package var content: [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("event", event)
            json.member("collection", collection)
            json.member("key", key)
            if let size { json.member("size", size) }
            if let etag { json.member("etag", etag) }
            if let version { json.member("version", version) }
        }
        return json.bytes
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
