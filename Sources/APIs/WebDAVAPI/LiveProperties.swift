import Objects
import WebDAVFormat
import Wire

/// Properties whose values the node knows (live properties, RFC 4918 §15).
enum LiveProperty: String, Sendable, CaseIterable {
    case creationDate = "creationdate", displayName = "displayname", contentLength = "getcontentlength"
    case contentType = "getcontenttype", etag = "getetag", lastModified = "getlastmodified"
    case resourceType = "resourcetype", supportedLock = "supportedlock", lockDiscovery = "lockdiscovery"
    // RFC 4331: only for those who ask.
    case quotaAvailable = "quota-available-bytes", quotaUsed = "quota-used-bytes"
    // What sync clients of ownCloud and Nextcloud ask besides.
    case fileID = "oc:fileid", syncID = "oc:id", size = "oc:size", permissions = "oc:permissions"
    case checksums = "oc:checksums", shareTypes = "oc:share-types"

    init?(_ name: PropertyName) {
        let known: LiveProperty? =
            switch name.namespace {
            case "DAV:": LiveProperty(rawValue: name.name)
            case Multistatus.syncNamespace: LiveProperty(rawValue: "oc:" + name.name)
            default: nil
            }
        guard let known, !(name.namespace == "DAV:" && known.isOfSync) else { return nil }
        self = known
    }

    var isOfSync: Bool { rawValue.hasPrefix("oc:") }

    /// Those of RFC 4918.
    static let standard = allCases.filter { !$0.isOfSync && $0 != .quotaAvailable && $0 != .quotaUsed }

    /// Whether clients may give another value: only the name under which it is shown (§15.2).
    var isProtected: Bool { self != .displayName }

    /// Those that only files have.
    fileprivate var isOfFiles: Bool {
        switch self {
        case .contentLength, .contentType, .size, .checksums: true
        default: false
        }
    }
}

/// What is known of one resource when its properties are written.
struct Resource: Sendable {
    var address: Address
    /// Nil for the list of collections.
    var entry: Entry?
    /// Nil for the list of collections.
    var created: Timestamp?
    var modified: Timestamp?
    var properties: [ObjectProperty] = []
    var locks: [WriteLock] = []
    /// Of a folder, where it has one: see FolderTags.swift.
    var folderTag: String?
    /// What the caller may do to it, in letters of ownCloud's.
    var permissions = ""
    /// The one that leaves the least room, where there is any.
    var quota: Quota?
    /// The collection's, by which folders without a marker are told apart.
    var collection: Int64 = 0

    init(_ entry: Entry, in collection: Collection, snapshot: Int64? = nil, properties: [ObjectProperty] = []) {
        address = Address(
            collection: collection.name, path: entry.path, isFolder: entry.isFolder, snapshot: snapshot)
        self.entry = entry
        self.collection = collection.id
        created = entry.created ?? collection.created
        modified = entry.hasHeaders ? ModifiedHeader.time(in: entry.headers) ?? created : created
        self.properties = properties
    }

    var isFile: Bool { entry.map { !$0.isFolder } ?? false }

    /// The list of collections.
    static let root = Resource(folder: Address(collection: "", path: "", isFolder: true))

    /// A folder that no collection holds.
    init(folder address: Address) { self.address = address }

    /// A chunk of an upload.
    init(chunk: Chunk, at address: Address) {
        self.address = address
        entry = Entry(chunk: chunk)
        created = chunk.created
        modified = chunk.created
    }

    /// Writes a property with its value.
    ///
    /// - Returns: whether the resource has it; nothing is written otherwise.
    func write(_ property: LiveProperty, mount: String, _ dates: inout DateCache, to xml: inout XMLWriter) -> Bool {
        if property.isOfFiles, !isFile { return false }
        switch property {
        case .creationDate:
            guard let created else { return false }
            xml.element("D:creationdate", created.rfc3339)
        case .displayName:
            if let given = properties.first(where: { $0.namespace == "DAV:" && $0.name == property.rawValue }) {
                xml.verbatim(known: given.element)
            } else {
                xml.verbatim("<D:displayname>")
                xml.content(address.name)
                xml.verbatim("</D:displayname>")
            }
        case .contentLength: xml.element("D:getcontentlength", entry?.size ?? 0)
        case .contentType: xml.element("D:getcontenttype", entry?.contentType ?? "")
        case .etag:
            guard isFile || folderTag != nil else { return false }
            xml.verbatim("<D:getetag>&quot;")
            xml.content(isFile ? entry?.etag ?? "" : folderTag ?? "")
            xml.verbatim("&quot;</D:getetag>")
        case .lastModified:
            guard let modified else { return false }
            xml.element("D:getlastmodified", dates.httpDate(modified))
        case .resourceType:
            xml.verbatim(
                isFile ? "<D:resourcetype></D:resourcetype>" : "<D:resourcetype><D:collection/></D:resourcetype>")
        case .supportedLock: xml.verbatim(known: Self.supportedLocks)
        case .lockDiscovery:
            xml.element("D:lockdiscovery") { xml in
                for lock in locks {
                    let root = Address(collection: address.collection, path: lock.path, isFolder: false)
                    lock.write(to: &xml, root: root.href(below: mount))
                }
            }
        case .quotaAvailable:
            guard !isFile, let left = quota?.bytesLeft else { return false }
            xml.element("D:quota-available-bytes", left)
        case .quotaUsed:
            guard !isFile, let quota else { return false }
            xml.element("D:quota-used-bytes", quota.bytes)
        case .fileID: xml.element("oc:fileid", SyncID.number(of: self))
        case .syncID: xml.element("oc:id", SyncID.text(SyncID.number(of: self)))
        case .size: xml.element("oc:size", entry?.size ?? 0)
        case .permissions: xml.element("oc:permissions", permissions)
        case .checksums:
            guard let text = SyncHeaders.checksums(entry) else { return false }
            xml.element("oc:checksums") { $0.element("oc:checksum", text) }
        case .shareTypes: xml.verbatim("<oc:share-types></oc:share-types>")
        }
        return true
    }

    private static let supportedLocks =
        ["exclusive", "shared"].map {
            "<D:lockentry><D:lockscope><D:\($0)/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"
        }.reduce("<D:supportedlock>", +) + "</D:supportedlock>"
}

/// The text of the last date that was written: files that came together share it.
struct DateCache {
    private var seconds = Int64.min
    private var text = ""

    mutating func httpDate(_ time: Timestamp) -> String {
        if time.seconds != seconds {
            seconds = time.seconds
            text = time.httpDate
        }
        return text
    }
}
