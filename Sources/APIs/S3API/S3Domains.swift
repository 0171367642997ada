import HTTPSupport

/// The names below which every bucket has a host name of its own (virtual-hosted style, Amazon S3 User Guide,
/// "Virtual hosting of buckets"): below `s3.example.org` the bucket `eo` is `eo.s3.example.org`.
package struct S3Domains: Sendable {
    /// Lower case, the longest first, so that of two that fit the nearer one counts.
    private let suffixes: [[UInt8]]

    /// - Parameter names: domain names without ports.
    package init(_ names: [String]) {
        suffixes = names.filter { !$0.isEmpty }.map { Array(("." + $0.lowercased()).utf8) }.sorted {
            $0.count > $1.count
        }
    }

    /// The bucket that a request's `Host` names; nil where the path does.
    func bucket(of request: Request) -> String? {
        guard !suffixes.isEmpty, let host = request.header("host") else { return nil }
        return bucket(host: host)
    }

    func bucket(host: String) -> String? {
        var name = Substring(host).utf8
        // An address has no buckets below it. A name may end with the root's dot.
        guard name.first != UInt8(ascii: "[") else { return nil }
        if let colon = name.lastIndex(of: UInt8(ascii: ":")) { name = name[..<colon] }
        if name.last == UInt8(ascii: ".") { name = name.dropLast() }
        for suffix in suffixes where name.count > suffix.count {
            let cut = name.index(name.endIndex, offsetBy: -suffix.count)
            if zip(name[cut...], suffix).allSatisfy({ Self.lower($0) == $1 }) {
                return String(Substring(name[..<cut])).lowercased()
            }
        }
        return nil
    }

    private static func lower(_ c: UInt8) -> UInt8 { c >= 0x41 && c <= 0x5A ? c | 0x20 : c }
}
