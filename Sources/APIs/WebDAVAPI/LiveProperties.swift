import Objects
import WebDAVFormat
import Wire

/// Properties whose values the node knows (live properties, RFC 4918 §15).
enum LiveProperty: String, Sendable, CaseIterable {
    case creationDate = "creationdate", displayName = "displayname", contentLength = "getcontentlength"
    case contentType = "getcontenttype", etag = "getetag", lastModified = "getlastmodified"
    case resourceType = "resourcetype", supportedLock = "supportedlock", lockDiscovery = "lockdiscovery"

    init?(_ name: PropertyName) {
        guard name.namespace == "DAV:", let known = LiveProperty(rawValue: name.name) else { return nil }
        self = known
    }

    /// Whether clients may give another value: only the name under which it is shown (§15.2).
    var isProtected: Bool { self != .displayName }

    /// Those that only files have.
    fileprivate var isOfFiles: Bool { [.contentLength, .contentType, .etag].contains(self) }
}

/// What is known of one resource when its properties are written.
struct Resource: Sendable {
    var address: Address
    /// Nil for a folder.
    var file: ObjectVersion?
    /// Nil for the list of collections.
    var created: Timestamp?
    var modified: Timestamp?
    var properties: [ObjectProperty] = []
    var locks: [WriteLock] = []

    init(_ entry: Entry, in collection: Collection, properties: [ObjectProperty] = []) {
        address = Address(collection: collection.name, path: entry.path, isFolder: entry.isFolder)
        created = entry.version?.created ?? collection.created
        modified = entry.version?.modified ?? collection.created
        self.properties = properties
        if case .file(let version) = entry { file = version }
    }

    /// The list of collections.
    static let root = Resource()

    private init() { address = Address(collection: "", path: "", isFolder: true) }

    /// Writes a property with its value.
    ///
    /// - Returns: whether the resource has it; nothing is written otherwise.
    func write(_ property: LiveProperty, mount: String, to xml: inout XMLWriter) -> Bool {
        if property.isOfFiles, file == nil { return false }
        switch property {
        case .creationDate:
            guard let created else { return false }
            xml.element("D:creationdate", created.rfc3339)
        case .displayName:
            if let given = properties.first(where: { $0.namespace == "DAV:" && $0.name == property.rawValue }) {
                xml.verbatim(given.element)
            } else {
                xml.element("D:displayname", address.name)
            }
        case .contentLength: xml.element("D:getcontentlength", file?.size ?? 0)
        case .contentType: xml.element("D:getcontenttype", file?.contentType ?? "")
        case .etag: xml.element("D:getetag", "\"\(file?.etag ?? "")\"")
        case .lastModified:
            guard let modified else { return false }
            xml.element("D:getlastmodified", modified.httpDate)
        case .resourceType:
            xml.verbatim(
                file == nil ? "<D:resourcetype><D:collection/></D:resourcetype>" : "<D:resourcetype></D:resourcetype>")
        case .supportedLock: xml.verbatim(Self.supportedLocks)
        case .lockDiscovery:
            xml.element("D:lockdiscovery") { xml in
                for lock in locks {
                    let root = Address(collection: address.collection, path: lock.path, isFolder: false)
                    lock.write(to: &xml, root: root.href(below: mount))
                }
            }
        }
        return true
    }

    private static let supportedLocks =
        ["exclusive", "shared"].map {
            "<D:lockentry><D:lockscope><D:\($0)/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
        }.reduce("<D:supportedlock>", +) + "</D:supportedlock>"
}
