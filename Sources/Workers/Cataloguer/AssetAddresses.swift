import Wire

/// Addresses of assets.
enum AssetAddresses {
    /// Where an object is read.
    static func object(_ key: String, in collection: String, s3URL: String) -> String {
        "\(s3URL)/\(collection)/\(PercentEncoding.encode(key, keepingSlash: true))"
    }

    /// The item with relative asset addresses resolved against its own; unchanged bytes where there is none to resolve.
    static func absolute(_ item: JSONValue, _ bytes: [UInt8], base: String) -> [UInt8] {
        guard var root = item.object, let assets = root["assets"]?.object else { return bytes }
        var changed = JSONObject()
        var isChanged = false
        for member in assets.members {
            var asset = member.value.object ?? JSONObject()
            if let href = asset["href"]?.string, isRelative(href) {
                asset["href"] = .string(resolve(href, against: base))
                isChanged = true
            }
            changed[member.name] = .object(asset)
        }
        guard isChanged else { return bytes }
        root["assets"] = .object(changed)
        return JSONValue.object(root).bytes
    }

    private static func isRelative(_ href: String) -> Bool {
        // A scheme is letters, digits, '+', '-' or '.' before the first colon (RFC 3986 §3.1).
        guard let colon = href.firstIndex(of: ":") else { return !href.hasPrefix("/") }
        return !href[..<colon].allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
    }

    /// Resolves `./a`, `../a` and `a` (RFC 3986 §5.2), never above the host.
    private static func resolve(_ href: String, against base: String) -> String {
        let parts = base.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 4 else { return href }
        let host = parts[..<3].joined(separator: "/")
        var path = parts[3...].dropLast().map(String.init)
        for part in href.split(separator: "/", omittingEmptySubsequences: false) {
            switch part {
            case ".", "": break
            case "..": _ = path.popLast()
            default: path.append(String(part))
            }
        }
        return host + "/" + path.joined(separator: "/")
    }
}
