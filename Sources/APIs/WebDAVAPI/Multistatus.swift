import NIOHTTP1
import Objects
import WebDAVFormat
import Wire

/// Writes a `multistatus` (RFC 4918 §13): straight into a buffer, which is sent while the rest is still unknown.
struct Multistatus {
    private var xml = XMLWriter(capacity: 64 << 10)
    private let mount: String
    private var dates = DateCache()

    static let syncNamespace = "http://owncloud.org/ns"

    init(mount: String) {
        self.mount = mount
        xml.open("D:multistatus", [("xmlns:D", "DAV:"), ("xmlns:oc", Self.syncNamespace)])
    }

    /// Ends it, and gives what was not taken yet.
    mutating func finish() -> [UInt8] {
        xml.close("D:multistatus")
        return xml.take()
    }

    mutating func take() -> [UInt8] { xml.take() }

    /// Writes what a PROPFIND asks of a resource.
    mutating func add(_ resource: Resource, _ request: PropertyRequest) {
        open(resource.address)
        xml.verbatim("<D:propstat><D:prop>")
        var missing: [Int] = []
        switch request.kind {
        case .names:
            for property in LiveProperty.standard { name(.dav(property.rawValue)) }
            for property in resource.properties { name(PropertyName(property)) }
        case .all:
            for property in LiveProperty.standard { _ = resource.write(property, mount: mount, &dates, to: &xml) }
            for property in resource.properties where LiveProperty(PropertyName(property)) == nil {
                xml.verbatim(known: property.element)
            }
        case .named: break
        }
        for (index, live) in request.live.enumerated() {
            if let live {
                if !resource.write(live, mount: mount, &dates, to: &xml) { missing.append(index) }
            } else if let found = resource.properties.first(where: { PropertyName($0) == request.named[index] }) {
                xml.verbatim(known: found.element)
            } else {
                missing.append(index)
            }
        }
        xml.verbatim("</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>")
        if !missing.isEmpty {
            xml.verbatim("<D:propstat><D:prop>")
            for index in missing { name(request.named[index]) }
            xml.verbatim("</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>")
        }
        xml.verbatim("</D:response>")
    }

    private mutating func open(_ address: Address) {
        xml.verbatim("<D:response><D:href>")
        address.writeHref(below: mount, to: &xml)
        xml.verbatim("</D:href>")
    }

    /// Writes what became of the changes of a PROPPATCH, properties with the same outcome together.
    mutating func add(_ address: Address, _ outcomes: [(status: HTTPResponseStatus, names: [PropertyName])]) {
        open(address)
        for (status, names) in outcomes where !names.isEmpty {
            xml.verbatim("<D:propstat><D:prop>")
            for wanted in names { name(wanted) }
            xml.verbatim("</D:prop>")
            xml.element("D:status", "HTTP/1.1 \(status.code) \(status.reasonPhrase)")
            if status == .forbidden { xml.verbatim("<D:error><D:cannot-modify-protected-property/></D:error>") }
            xml.close("D:propstat")
        }
        xml.verbatim("</D:response>")
    }

    /// An empty element of that name, which a parser has read before: it needs no escaping.
    private mutating func name(_ name: PropertyName) {
        if name.namespace == "DAV:" {
            xml.verbatim(known: "<D:\(name.name)/>")
        } else if name.namespace.isEmpty {
            xml.verbatim(known: "<\(name.name)/>")
        } else {
            xml.verbatim(known: "<x:\(name.name) xmlns:x=\"")
            xml.content(name.namespace)
            xml.verbatim("\"/>")
        }
    }
}

extension PropertyName {
    init(_ property: ObjectProperty) { self.init(property.namespace, property.name) }
}

/// What a PROPFIND asks, prepared for thousands of resources.
struct PropertyRequest: Sendable {
    enum Kind: Sendable { case names, all, named }

    var kind: Kind
    var named: [PropertyName]
    /// For each of these, which one it is of those that the node knows.
    var live: [LiveProperty?]

    init(_ propfind: Propfind) {
        switch propfind {
        case .names: (kind, named) = (.names, [])
        // What `all` gives anyhow is not given twice.
        case .all(let included): (kind, named) = (.all, included.filter { LiveProperty($0) == nil })
        case .named(let wanted): (kind, named) = (.named, wanted)
        }
        live = named.map { LiveProperty($0) }
    }

    /// Whether what clients gave has to be read.
    var needsProperties: Bool { kind != .named || live.contains { $0 == nil || $0 == .displayName } }

    var needsPermissions: Bool { live.contains(.permissions) }

    var needsQuota: Bool { live.contains(.quotaAvailable) || live.contains(.quotaUsed) }

    var needsETags: Bool { live.contains(.etag) }

    var needsLocks: Bool { kind == .all || live.contains(.lockDiscovery) }
}
