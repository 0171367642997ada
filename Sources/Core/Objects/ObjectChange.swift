package import Journal
import Wire

/// What happened to one object, as S3 tells of it.
package struct ObjectChange: Sendable, Hashable {
    /// Like `s3:ObjectCreated:Put`.
    package var name: String
    package var collection: String
    package var key: String
    package var size: Int64?
    package var etag: String?
    package var version: String?
    /// Of the client whose request it was; empty where it was no client's.
    package var address: String

    /// Nil for an event of which nobody is told.
    package init?(_ event: Event) {
        guard let detail = try? JSONValue(parsing: event.detail), let name = Self.name(of: event, detail),
            let slash = event.subject.firstIndex(of: "/")
        else { return nil }
        let key = String(event.subject[event.subject.index(after: slash)...])
        guard !key.hasPrefix(Objects.systemPrefix) else { return nil }
        self.name = name
        collection = String(event.subject[..<slash])
        self.key = key
        size = detail["size"]?.integer
        etag = detail["etag"]?.string
        version = Self.version(of: event, detail)
        address = detail["client"]?.string ?? ""
    }

    /// As clients call it.
    private static func version(of event: Event, _ detail: JSONValue) -> String? {
        if event.kind == .objectDeleted { return detail["marker"]?.string ?? detail["version"]?.string }
        return detail["versioned"]?.bool == true ? detail["version"]?.string : "null"
    }

    /// As S3 calls it ("Supported event types for SQS, SNS, and Lambda").
    private static func name(of event: Event, _ detail: JSONValue) -> String? {
        switch event.kind {
        case .objectPut: return "s3:ObjectCreated:" + (detail["operation"]?.string ?? WriteOperation.put.rawValue)
        case .objectDeleted:
            let what = detail["rule"] == nil ? "s3:ObjectRemoved:" : "s3:LifecycleExpiration:"
            return what + (detail["marker"] == nil ? "Delete" : "DeleteMarkerCreated")
        case .objectTagged: return "s3:ObjectTagging:" + (detail["tags"]?.integer == 0 ? "Delete" : "Put")
        case .objectACLSet: return "s3:ObjectAcl:Put"
        case .objectTransitioned: return detail["rule"] == nil ? nil : "s3:LifecycleTransition"
        default: return nil
        }
    }
}
