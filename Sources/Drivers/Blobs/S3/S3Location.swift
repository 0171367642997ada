package import SigV4
import Wire

/// Where an S3 store is and who asks: `s3://ACCESS:SECRET@host:port/bucket/prefix?tls=0&region=…&ca=/file.pem`.
///
/// Access key, secret, bucket and prefix are percent-encoded where they hold anything but letters, digits and `-._~`.
/// The description leaves the credentials out, and no error repeats the text.
package struct S3Location: Sendable, CustomStringConvertible, CustomReflectable {
    package let host: String
    package let port: Int
    package let isTLS: Bool
    package let bucket: String
    /// Before all keys, without a slash at either end; may be empty.
    package let prefix: String
    package let region: String
    /// A PEM file with the certificates of the authorities to trust instead of the system's.
    package let authorityFile: String?
    package let credentials: Credentials

    /// Reads a location.
    ///
    /// - Parameters:
    ///   - text: `tls` is 1 unless given as 0, the port 443 or without TLS 80, the region `us-east-1`.
    ///   - credentials: what to use where the text has none, as from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    /// - Throws: `.invalid` with the part that is wrong.
    package init(_ text: String, credentials: Credentials? = nil) throws(BlobError) {
        guard text.utf8.count <= 4096, !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }), text.hasPrefix("s3://")
        else {
            throw Self.invalid("it begins with s3:// and holds no spaces")
        }
        let halves = text.dropFirst("s3://".count).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let authority = parts[0].split(separator: "@", omittingEmptySubsequences: false)
        guard authority.count <= 2, let address = authority.last, parts.count == 2 else {
            throw Self.invalid(
                "it is s3://ACCESS:SECRET@host:port/bucket, with / and @ in a secret written as %2F and %40")
        }
        let options = try Options(halves.count == 2 ? halves[1] : "")
        isTLS = options.isTLS
        region = options.region
        authorityFile = options.authorityFile
        (host, port) = try Self.address(address, isTLS: options.isTLS)
        (bucket, prefix) = try Self.names(parts[1])
        guard let credentials = authority.count == 2 ? try Self.credentials(authority[0]) : credentials,
            !credentials.accessKeyID.isEmpty, !credentials.secret.isEmpty
        else {
            throw Self.invalid(
                "it needs ACCESS:SECRET@ before the host, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        }
        self.credentials = credentials
    }

    /// `host:port` as it stands in URLs and in `Host`: the scheme's own port is left out.
    package var hostAndPort: String { port == (isTLS ? 443 : 80) ? host : "\(host):\(port)" }

    package var description: String { "s3://\(hostAndPort)/\(bucket)\(prefix.isEmpty ? "" : "/" + prefix)" }
    package var customMirror: Mirror { Mirror(self, children: ["location": description]) }

    private struct Options {
        var isTLS = true
        var region = "us-east-1"
        var authorityFile: String?

        init(_ text: Substring) throws(BlobError) {
            guard let query = QueryItems(parsing: String(text), limit: 8) else {
                throw S3Location.invalid("its query is not readable")
            }
            for (name, value) in query.items {
                switch (name, value ?? "") {
                case ("tls", "0"): isTLS = false
                case ("tls", "1"): isTLS = true
                case ("tls", _): throw S3Location.invalid("tls is 0 or 1")
                case ("region", let value):
                    guard (1...64).contains(value.utf8.count),
                        value.utf8.allSatisfy({ PercentEncoding.isUnreserved($0) })
                    else { throw S3Location.invalid("region is a name such as eu-central-1") }
                    region = value
                case ("ca", let value):
                    guard value.hasPrefix("/"), !value.utf8.contains(0) else {
                        throw S3Location.invalid("ca is the absolute path of a PEM file")
                    }
                    authorityFile = value
                default: throw S3Location.invalid("after ? it has tls, region and ca only")
                }
            }
        }
    }

    /// A host name or IPv4 address, or an IPv6 address in brackets, and perhaps a port.
    private static func address(_ text: Substring, isTLS: Bool) throws(BlobError) -> (String, Int) {
        var host = text
        var port = isTLS ? 443 : 80
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            let digits = text[text.index(after: colon)...]
            guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(digits), number > 0 else {
                throw invalid("the port is a number from 1 to 65535")
            }
            port = Int(number)
            host = text[..<colon]
        }
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        let inside = isBracketed ? host.dropFirst().dropLast() : host
        let isGood = inside.utf8.allSatisfy { c in
            isBracketed
                ? Hex.value(of: c) != nil || c == 0x3A || c == 0x2E : PercentEncoding.isUnreserved(c) && c != 0x7E
        }
        guard isGood, (1...253).contains(inside.utf8.count) else {
            throw invalid("the host is a name, an IPv4 address or an IPv6 address in brackets")
        }
        return (host.lowercased(), port)
    }

    private static func names(_ path: Substring) throws(BlobError) -> (bucket: String, prefix: String) {
        var names: [String] = []
        for segment in path.split(separator: "/") {
            // Clients and proxies resolve dots in a path, and the signature would not match any more.
            guard let name = PercentEncoding.decode(segment), name != ".", name != "..",
                name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != 0x2F })
            else { throw invalid("the parts of its path are percent-encoded names without control characters") }
            names.append(name)
        }
        guard let bucket = names.first, (3...63).contains(bucket.utf8.count),
            bucket.utf8.allSatisfy({ PercentEncoding.isUnreserved($0) && $0 != 0x7E })
        else { throw invalid("the bucket has 3 to 63 letters, digits, dots, hyphens or underscores") }
        let prefix = names.dropFirst().joined(separator: "/")
        guard prefix.utf8.count <= 512 else { throw invalid("the prefix has at most 512 bytes") }
        return (bucket, prefix)
    }

    private static func credentials(_ text: Substring) throws(BlobError) -> Credentials {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let id = PercentEncoding.decode(parts[0]),
            let secret = PercentEncoding.decode(parts[1]),
            id.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw invalid("before @ stand ACCESS:SECRET, percent-encoded") }
        return Credentials(accessKeyID: id, secret: secret)
    }

    private static func invalid(_ rule: String) -> BlobError { BlobError(.invalid, "not an S3 location: \(rule)") }
}
