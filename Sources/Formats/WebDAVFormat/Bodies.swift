import Wire

/// The name of a property.
package struct PropertyName: Sendable, Hashable {
    package var namespace: String
    package var name: String

    package init(_ namespace: String, _ name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// One of RFC 4918's own.
    package static func dav(_ name: String) -> PropertyName { PropertyName("DAV:", name) }
}

/// What a PROPFIND asks for (RFC 4918 §14.20).
package enum Propfind: Sendable, Hashable {
    case names
    /// All that clients gave and what RFC 4918 defines, and these besides.
    case all(including: [PropertyName])
    case named([PropertyName])

    /// Properties that one request may name.
    package static let namesMax = 500

    /// - Throws: ``WebDAVFormatError``, `XMLError`.
    package init(parsing bytes: [UInt8]) throws {
        // No body asks for everything (§9.1).
        guard bytes.contains(where: { $0 > 0x20 }) else {
            self = .all(including: [])
            return
        }
        let root = try Body(bytes, root: "propfind").element
        var found: Propfind?
        for child in root.children where child.namespace == "DAV:" {
            let next: Propfind
            switch child.name {
            case "propname": next = .names
            case "allprop": next = .all(including: [])
            case "prop": next = .named(try Self.names(child))
            case "include":
                guard case .all = found else { throw WebDAVFormatError("<include> follows <allprop>") }
                found = .all(including: try Self.names(child))
                continue
            default: continue
            }
            guard found == nil else { throw WebDAVFormatError("a <propfind> asks for one thing") }
            found = next
        }
        guard let found else { throw WebDAVFormatError("a <propfind> has <prop>, <allprop> or <propname>") }
        self = found
    }

    private static func names(_ element: XMLElement) throws(WebDAVFormatError) -> [PropertyName] {
        guard element.children.count <= namesMax else {
            throw WebDAVFormatError("a request names at most \(namesMax) properties")
        }
        return element.children.map { PropertyName($0.namespace ?? "", $0.name) }
    }
}

/// What a PROPPATCH changes (RFC 4918 §14.19), in the order in which it is done.
package struct Proppatch: Sendable, Hashable {
    package enum Change: Sendable, Hashable {
        /// The property's whole element, with all that it needs from around it.
        case set(PropertyName, element: String)
        case remove(PropertyName)

        package var name: PropertyName {
            switch self {
            case .set(let name, _), .remove(let name): name
            }
        }
    }

    package var changes: [Change]

    /// - Throws: ``WebDAVFormatError``, `XMLError`.
    package init(parsing bytes: [UInt8]) throws {
        let body = try Body(bytes, root: "propertyupdate")
        changes = []
        for step in body.element.children where step.namespace == "DAV:" && ["set", "remove"].contains(step.name) {
            for prop in step.children where prop.namespace == "DAV:" && prop.name == "prop" {
                for property in prop.children {
                    let name = PropertyName(property.namespace ?? "", property.name)
                    if step.name == "remove" {
                        changes.append(.remove(name))
                    } else {
                        changes.append(
                            .set(name, element: body.source(of: property, inside: [body.element, step, prop])))
                    }
                }
            }
        }
        guard !changes.isEmpty else { throw WebDAVFormatError("a <propertyupdate> sets or removes something") }
        guard changes.count <= Propfind.namesMax else {
            throw WebDAVFormatError("a request changes at most \(Propfind.namesMax) properties")
        }
    }
}

/// What a LOCK asks for (RFC 4918 §14.11).
package struct LockInfo: Sendable, Hashable {
    package var isShared: Bool
    /// The whole `owner` element; empty where there is none.
    package var owner: String

    /// - Throws: ``WebDAVFormatError``, `XMLError`.
    package init(parsing bytes: [UInt8]) throws {
        let body = try Body(bytes, root: "lockinfo")
        let root = body.element
        guard root["locktype"]?["write"] != nil else { throw WebDAVFormatError("the type of a lock is <write>") }
        switch (root["lockscope"]?["exclusive"], root["lockscope"]?["shared"]) {
        case (_?, nil): isShared = false
        case (nil, _?): isShared = true
        default: throw WebDAVFormatError("the scope of a lock is <exclusive> or <shared>")
        }
        owner = root["owner"].map { body.source(of: $0, inside: [root]) } ?? ""
    }
}

/// A body that is well formed in its namespaces too.
private struct Body {
    let bytes: [UInt8]
    let element: XMLElement

    init(_ bytes: [UInt8], root: String) throws {
        self.bytes = bytes
        element = try XMLElement(parsing: bytes, maximumDepth: 64, maximumElements: 10_000)
        guard element.namespace == "DAV:", element.name == root else {
            throw WebDAVFormatError("the body is a <\(root)> of the namespace DAV:")
        }
        // What has no form in XML 1.0 (§2.2) would spoil every answer that it is given back in.
        guard bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }) else {
            throw WebDAVFormatError("the body has a control character")
        }
        var rest = [element]
        while let next = rest.popLast() {
            guard next.namespace != nil, !next.name.contains(":") else {
                throw WebDAVFormatError("a namespace prefix of <\(next.name.prefix(80))> is declared nowhere")
            }
            rest += next.children
        }
    }

    /// An element as it stands in the body, made to mean the same elsewhere: with the namespaces and the language that
    /// it has from the elements around it (RFC 4918 §4.3).
    func source(of element: XMLElement, inside outer: [XMLElement]) -> String {
        var namespaces = outer.reduce(into: [:]) { $0.merge($1.declarations) { $1 } }
        for prefix in element.declarations.keys { namespaces[prefix] = nil }
        var extra = XMLWriter()
        _ = extra.take()
        for (prefix, namespace) in namespaces.sorted(by: { $0.key < $1.key })
        where !(prefix.isEmpty && namespace.isEmpty) {
            extra.verbatim(known: prefix.isEmpty ? " xmlns=\"" : " xmlns:\(prefix)=\"")
            extra.content(namespace)
            extra.verbatim("\"")
        }
        if element.attributes["lang"] == nil, let language = outer.compactMap({ $0.attributes["lang"] }).last {
            extra.verbatim(" xml:lang=\"")
            extra.content(language)
            extra.verbatim("\"")
        }
        let source = bytes[element.place]
        // Behind `<prefix:name`, which ends where a space, `/` or `>` stands.
        let end =
            source.firstIndex { $0 <= 0x20 || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ">") } ?? source.endIndex
        return String(decoding: source[..<end], as: UTF8.self) + extra.text
            + String(decoding: source[end...], as: UTF8.self)
    }
}
