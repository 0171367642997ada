import Wire

/// By which addresses objects are known: `s3://COLLECTION/KEY`, and `https://HOST/COLLECTION/KEY` for each address of
/// the S3 port.
package struct ObjectAddresses: Sendable {
    /// Where clients reach the S3 port, `https://host:port`: signed addresses begin so.
    package let s3: String
    /// What items name objects by.
    package let assets: String
    /// All addresses below which objects are; one with `*.` has the bucket there.
    package let all: [String]
    private let aliases: [Alias]

    /// An address of the S3 port. With `*.` before its host the bucket stands there.
    private struct Alias: Sendable {
        /// `https://` or `http://`.
        var scheme: String
        var host: String
        var hasBucketInHost: Bool

        init(_ url: String) {
            let cut = url.firstRange(of: "://")?.upperBound ?? url.startIndex
            scheme = String(url[..<cut])
            hasBucketInHost = url[cut...].hasPrefix("*.")
            host = url[cut...].dropFirst(hasBucketInHost ? 2 : 0).lowercased()
        }

        /// The bucket and the still encoded key of an address here.
        func split(_ href: Substring) -> (bucket: Substring, key: Substring)? {
            guard href.hasPrefix(scheme) else { return nil }
            let rest = href.dropFirst(scheme.count)
            guard let slash = rest.firstIndex(of: "/") else { return nil }
            let name = rest[..<slash].lowercased()
            let path = rest[slash...].dropFirst()
            if hasBucketInHost {
                guard name.hasSuffix("." + host), name.count > host.count + 1 else { return nil }
                return (name.dropLast(host.count + 1), path)
            }
            guard name == host, let end = path.firstIndex(of: "/") else { return nil }
            return (path[..<end], path[end...].dropFirst())
        }
    }

    /// - Parameters:
    ///   - assets: what items name objects by; nil for the address of the S3 port.
    ///   - aliases: further addresses, such as `https://data.example.org` or `https://*.data.example.org`.
    package init(s3: String, assets: String? = nil, aliases: [String] = []) {
        self.s3 = s3
        self.assets = assets ?? s3
        let others = ([self.assets] + aliases).filter { $0 != s3 }
        all = [s3] + others
        self.aliases = all.map(Alias.init)
    }

    /// The object that an address names, signed already or not; nil for one that is not of this node, or of no object.
    package func object(_ href: String) -> ObjectName? {
        if href.hasPrefix("s3://") {
            return ObjectName(path: href.dropFirst(5))
        }
        let address = href.prefix { $0 != "?" && $0 != "#" }
        for alias in aliases {
            guard let (bucket, key) = alias.split(address), let bucket = PercentEncoding.decode(bucket),
                let key = PercentEncoding.decode(key)
            else { continue }
            return ObjectName(collection: bucket, key: key)
        }
        return nil
    }
}

/// An object by its names.
package struct ObjectName: Sendable, Hashable {
    package var collection: String
    package var key: String

    /// Nil where either is empty, or holds a NUL character.
    package init?(collection: String, key: String) {
        guard !collection.isEmpty, !key.isEmpty, !collection.utf8.contains(0), !key.utf8.contains(0) else { return nil }
        (self.collection, self.key) = (collection, key)
    }

    fileprivate init?(path: Substring) {
        guard let slash = path.firstIndex(of: "/") else { return nil }
        self.init(collection: String(path[..<slash]), key: String(path[slash...].dropFirst()))
    }
}
