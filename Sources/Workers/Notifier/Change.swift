import Journal
import Objects
import Wire

/// What an event of the journal means to those who are told.
enum Change: Equatable {
    /// Who is told was changed.
    case configuration
    case object(ObjectChange)

    /// Nil for what nobody is told.
    init?(_ event: Event) {
        guard let detail = try? JSONValue(parsing: event.detail) else { return nil }
        if event.kind == .collectionConfigured {
            guard detail["setting"]?.string == SettingName.notification.rawValue else { return nil }
            self = .configuration
            return
        }
        guard let name = Self.name(of: event, detail), let slash = event.subject.firstIndex(of: "/") else {
            return nil
        }
        let key = String(event.subject[event.subject.index(after: slash)...])
        guard !key.hasPrefix(Objects.systemPrefix) else { return nil }
        self = .object(
            ObjectChange(
                name: name, key: key, size: detail["size"]?.integer, etag: detail["etag"]?.string,
                version: Self.version(of: event, detail), address: detail["client"]?.string ?? ""))
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
        default: return nil
        }
    }
}

/// What happened to one object.
struct ObjectChange: Equatable {
    /// Like `s3:ObjectCreated:Put`.
    var name: String
    var key: String
    var size: Int64?
    var etag: String?
    var version: String?
    /// Of the client whose request it was; empty where it was no client's.
    var address: String
}

extension Event {
    /// Of the request that it was done for; the transaction where it was none.
    var requestID: String { (try? JSONValue(parsing: detail))?["request"]?.string ?? String(tid) }
}
