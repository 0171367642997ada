import Ciphers
import HTTPSupport
import NIOHTTP1
import Objects
import Wire

/// What sync clients of ownCloud and Nextcloud say and hear in headers of their own.
enum SyncHeaders {
    /// Reads the file's own time (`X-OC-Mtime`) and the digest of its content (`OC-Checksum`).
    ///
    /// - Throws: ``WebDAVError`` 400 for what is none.
    static func read(
        _ request: Request, into description: inout ObjectDescription, _ expectations: inout BodyExpectations
    ) throws {
        if let time = request.header("x-oc-mtime") {
            guard let seconds = Double(time), seconds.magnitude < 1e11 else {
                throw WebDAVError(.badRequest, "X-OC-Mtime is a time in seconds since 1970, not '\(time.prefix(40))'")
            }
            description.headers.append(HeaderField(name: ModifiedHeader.name, value: time))
        }
        guard let header = request.header("oc-checksum"), let colon = header.firstIndex(of: ":") else { return }
        let value = Hex.decode(String(header[header.index(after: colon)...]))
        switch (header[..<colon].uppercased(), value) {
        case ("SHA1", let bytes?) where bytes.count == 20: expectations.checksum = (.sha1, Base64.encode(bytes))
        case ("SHA256", let bytes?) where bytes.count == 32: expectations.checksum = (.sha256, Base64.encode(bytes))
        case ("MD5", let bytes?) where bytes.count == 16: expectations.md5 = bytes
        case ("SHA1", _), ("SHA256", _), ("MD5", _):
            throw WebDAVError(.badRequest, "OC-Checksum is NAME:HEX, not '\(header.prefix(80))'")
        // Others (Adler32) are not checked, and not kept.
        default: break
        }
    }

    /// Tells what a file is called among sync clients.
    static func add(_ version: ObjectVersion, _ request: Request, to headers: inout HTTPHeaders) {
        headers.add(name: "OC-ETag", value: "\"\(version.etag)\"")
        headers.add(name: "OC-FileId", value: SyncID.text(version.object))
        if request.header("x-oc-mtime") != nil { headers.add(name: "X-OC-MTime", value: "accepted") }
        if let text = checksums(version.checksum, etag: version.etag, partCount: version.partCount) {
            headers.add(name: "OC-Checksum", value: text)
        }
    }

    static func checksums(_ entry: Entry?) -> String? {
        entry.flatMap { checksums($0.checksum, etag: $0.etag, partCount: $0.partCount) }
    }

    /// `SHA1:…` where the node knows it, otherwise the MD5 of a file that came in one piece.
    private static func checksums(_ checksum: ObjectChecksum?, etag: String, partCount: Int) -> String? {
        if let checksum, checksum.kind == .fullObject, checksum.algorithm == .sha1 || checksum.algorithm == .sha256,
            let bytes = Base64.decode(checksum.value)
        {
            return "\(checksum.algorithm.rawValue):\(Hex.encode(bytes))"
        }
        return partCount == 0 && etag.utf8.count == 32 ? "MD5:\(etag)" : nil
    }
}

/// The ids by which sync clients know files and folders wherever they are moved.
enum SyncID {
    /// The object's; of a folder without a marker one made of its path.
    static func number(of resource: Resource) -> Int64 {
        if let object = resource.entry?.object, object != 0 { return object }
        guard !resource.address.isRoot else { return 1 }
        guard !resource.address.path.isEmpty else { return resource.collection }
        let digest = DigestAlgorithm.sha256.hash(Array("\(resource.collection)/\(resource.address.path)".utf8))
        // Above all numbers that objects have.
        return digest.prefix(8).reduce(0) { $0 << 8 | Int64($1) } & (1 << 61 - 1) | 1 << 62
    }

    /// At least eight digits, and what stands for this kind of server.
    static func text(_ number: Int64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 8 - digits.utf8.count)) + digits + "martlet"
    }
}
