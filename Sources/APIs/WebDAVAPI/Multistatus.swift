import NIOHTTP1
import Objects
import WebDAVFormat
import Wire

/// Writes a `multistatus` (RFC 4918 §13): straight into a buffer, which is sent while the rest is still unknown.
struct Multistatus {
    private var xml = XMLWriter(capacity: 64 << 10)
    private let mount: String

    init(mount: String) {
        self.mount = mount
        xml.open("D:multistatus", [("xmlns:D", "DAV:")])
    }

    /// Ends it, and gives what was not taken yet.
    mutating func finish() -> [UInt8] {
        xml.close("D:multistatus")
        return xml.take()
    }

    mutating func take() -> [UInt8] { xml.take() }

    /// Writes what a PROPFIND asks of a resource.
    mutating func add(_ resource: Resource, _ request: PropertyRequest) {
        xml.open("D:response")
        xml.element("D:href", resource.address.href(below: mount))
        xml.verbatim("<D:propstat><D:prop>")
        var missing: [PropertyName] = []
        switch request.kind {
        case .names:
            for property in LiveProperty.allCases {
                xml.verbatim("<D:\(property.rawValue)/>")
            }
            for property in resource.properties { name(PropertyName(property.namespace, property.name)) }
        case .all:
            for property in LiveProperty.allCases { _ = resource.write(property, mount: mount, to: &xml) }
            for property in resource.properties where LiveProperty(PropertyName(property)) == nil {
                xml.verbatim(property.element)
            }
        case .named: break
        }
        for (wanted, live) in request.named {
            if let live {
                if !resource.write(live, mount: mount, to: &xml) { missing.append(wanted) }
            } else if let found = resource.properties.first(where: { PropertyName($0) == wanted }) {
                xml.verbatim(found.element)
            } else {
                missing.append(wanted)
            }
        }
        xml.verbatim("</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>")
        if !missing.isEmpty {
            xml.verbatim("<D:propstat><D:prop>")
            for wanted in missing { name(wanted) }
            xml.verbatim("</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>")
        }
        xml.close("D:response")
    }

    /// Writes what became of the changes of a PROPPATCH, properties with the same outcome together.
    mutating func add(_ address: Address, _ outcomes: [(status: HTTPResponseStatus, names: [PropertyName])]) {
        xml.open("D:response")
        xml.element("D:href", address.href(below: mount))
        for (status, names) in outcomes where !names.isEmpty {
            xml.verbatim("<D:propstat><D:prop>")
            for wanted in names { name(wanted) }
            xml.verbatim("</D:prop>")
            xml.element("D:status", "HTTP/1.1 \(status.code) \(status.reasonPhrase)")
            if status == .forbidden { xml.verbatim("<D:error><D:cannot-modify-protected-property/></D:error>") }
            xml.close("D:propstat")
        }
        xml.close("D:response")
    }

    /// An empty element of that name, which a parser has read before: it needs no escaping.
    private mutating func name(_ name: PropertyName) {
        if name.namespace == "DAV:" {
            xml.verbatim("<D:\(name.name)/>")
        } else if name.namespace.isEmpty {
            xml.verbatim("<\(name.name)/>")
        } else {
            xml.verbatim("<x:\(name.name) xmlns:x=\"")
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
    /// Named properties, with the live ones among them.
    var named: [(name: PropertyName, live: LiveProperty?)]

    init(_ propfind: Propfind) {
        let names: [PropertyName]
        switch propfind {
        case .names: (kind, names) = (.names, [])
        // What `all` gives anyhow is not given twice.
        case .all(let included): (kind, names) = (.all, included.filter { LiveProperty($0) == nil })
        case .named(let wanted): (kind, names) = (.named, wanted)
        }
        named = names.map { ($0, LiveProperty($0)) }
    }

    /// Whether what clients gave has to be read.
    var needsProperties: Bool { kind != .named || named.contains { $0.live == nil || $0.live == .displayName } }

    var needsLocks: Bool { kind == .all || named.contains { $0.live == .lockDiscovery } }
}
