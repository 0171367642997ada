import Catalogue
import Ciphers
import HTTPSupport
import IAMPolicy
import Identity
import Logging
import NIOCore
import NIOHTTP1
import Objects
import Policy
import Synchronization
import Wire

// A product's files: browsed as Nodes, read one by one or as one archive.
extension ODataService {
    /// Files of a product that are listed or packed.
    private static let filesMax = 10_000

    /// A file of a product.
    struct File: Sendable {
        /// Relative to the product.
        var path: String
        var object: ObjectName
        var size: Int64
        var modified: Timestamp
    }

    /// Those that the caller may read, in the order of their paths.
    struct Files: Sendable {
        var found: [File] = []
        /// The first that the caller may not read. Of such files nothing is told, neither size nor name.
        var hidden: ObjectName?
    }

    /// The files of a product: the objects of its folder, or those of the node that an item put by hand names as
    /// assets.
    ///
    /// - Throws: `Problem` for a product of more than 10,000 files.
    private func files(of item: ItemRecord, _ call: Call) async throws -> Files {
        var files = Files()
        guard let product = item.product else {
            let document = try JSONValue(parsing: item.document)
            var paths: Set<String> = []
            for href in Product(item, document: document).hrefs.prefix(Self.filesMax) {
                guard let object = addresses.object(href) else { continue }
                // An item may name any object: what is there is looked at only for who may read it.
                guard try await mayRead(object, call) else {
                    files.hidden = files.hidden ?? object
                    continue
                }
                guard let version = try? await objects.head(collection: object.collection, key: object.key) else {
                    continue
                }
                let name = object.key.split(separator: "/").last.map(String.init) ?? object.key
                let path = paths.insert(name).inserted ? name : object.key
                files.found.append(
                    File(path: path, object: object, size: version.size, modified: version.created))
            }
            files.found.sort { $0.path < $1.path }
            return files
        }
        let path = ProductPath(stored: product)
        let collection = try await objects.collection(item.collection)
        let base = path.isFolder ? path.prefix.utf8.count : 0
        var after = ""
        var count = 0
        while true {
            let page = try await objects.versions(collection: collection.id, prefix: path.prefix, after: after)
            for version in page
            where path.contains(version.key) && version.key.utf8.count > base && !version.key.hasSuffix("/") {
                guard let object = ObjectName(collection: item.collection, key: version.key) else { continue }
                count += 1
                guard try await mayRead(object, call) else {
                    files.hidden = files.hidden ?? object
                    continue
                }
                files.found.append(
                    File(
                        path: String(decoding: version.key.utf8.dropFirst(base), as: UTF8.self), object: object,
                        size: version.size, modified: version.created))
            }
            guard page.count == 1000, let last = page.last else { return files }
            guard count < Self.filesMax else {
                throw Problem.badRequest("the product has more than \(Self.filesMax) files: read them over S3")
            }
            after = last.key
        }
    }

    private func mayRead(_ object: ObjectName, _ call: Call) async throws -> Bool {
        try await gate.decide(
            call.caller.principal, "s3:GetObject", on: ResourceName.object(object.collection, object.key),
            call.caller.context
        ).isAllowed
    }

    /// All files of a product.
    ///
    /// - Throws: `AccessDenied` where the caller may not read one of them.
    private func allFiles(of item: ItemRecord, _ call: Call) async throws -> [File] {
        let files = try await files(of: item, call)
        if let hidden = files.hidden { try await requireRead(hidden, call) }
        return files.found
    }

    private func requireRead(_ object: ObjectName, _ call: Call) async throws {
        try await gate.require(
            call.caller.principal, "s3:GetObject", on: ResourceName.object(object.collection, object.key),
            call.caller.context)
    }

    // MARK: Nodes

    /// `Nodes(NAME)/Nodes(folder)/…`, with or without `/Nodes` or `/$value` at the end.
    func node(_ names: ArraySlice<Name>, of item: ItemRecord, _ call: Call) async throws -> Response {
        var path: [String] = []
        var names = names
        while let first = names.first, first.text == "Nodes", let key = first.key {
            path.append(key)
            names = names.dropFirst()
        }
        guard path.first == Product.name(of: item), names.count <= 1 else { throw nothing(call) }
        let inner = path.dropFirst().joined(separator: "/")
        switch names.first.map({ ($0.text, $0.key) }) {
        case nil: return try await nodes(of: item, path, call, isSelf: true)
        case ("Nodes", nil)?: return try await nodes(of: item, path, call)
        case ("$value", nil)?:
            if inner.isEmpty { return try await value(of: item, call) }
            guard let file = try await files(of: item, call).found.first(where: { $0.path == inner }) else {
                throw Problem.notFound("the product has no file '\(inner.prefix(200))' that you may read")
            }
            return try await content(file.object, call)
        default: throw nothing(call)
        }
    }

    /// What is in a folder of a product; above all the product itself.
    func nodes(of item: ItemRecord, _ path: [String], _ call: Call, isSelf: Bool = false) async throws -> Response {
        let files = try await files(of: item, call).found
        let name = Product.name(of: item)
        let inner = path.dropFirst().joined(separator: "/")
        var entries: [(name: String, path: [String], size: Int64, children: Int)] = []
        if path.isEmpty || (isSelf && path.count == 1) {
            entries = [(name, [name], 0, Self.children(of: "", files).count)]
        } else if isSelf {
            let children = Self.children(of: inner, files)
            let size = files.first { $0.path == inner }?.size
            guard size != nil || !children.isEmpty else {
                throw Problem.notFound("the product has no '\(inner.prefix(200))'")
            }
            entries = [(path.last ?? "", path, size ?? 0, children.count)]
        } else {
            entries = Self.children(of: inner, files).map {
                ($0.name, path + [$0.name], $0.size ?? 0, $0.size == nil ? $0.names.count : 0)
            }
            guard !entries.isEmpty else { throw Problem.notFound("the product has no folder '\(inner.prefix(200))'") }
        }
        var json = JSONWriter(capacity: 512 * (entries.count + 1))
        json.object { json in
            json.key("result")
            json.array { json in
                for entry in entries {
                    let address = entry.path.map { "Nodes(\(PercentEncoding.encode($0)))" }.joined(separator: "/")
                    json.object { json in
                        json.member("Id", entry.name)
                        json.member("Name", entry.name)
                        json.member("ContentLength", entry.size)
                        json.member("ChildrenNumber", entry.children)
                        json.key("Nodes")
                        json.object {
                            $0.member("uri", "\(call.base)/Products(\(ProductID(item).text))/\(address)/Nodes")
                        }
                    }
                }
            }
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    /// What is right below a folder of a product.
    private struct Child {
        var name: String
        /// Of a file; nil for a folder.
        var size: Int64?
        /// What is right below it.
        var names: Set<Substring> = []
    }

    /// What is right below a folder, each once, in order.
    private static func children(of folder: String, _ files: [File]) -> [Child] {
        var children: [Child] = []
        var places: [Substring: Int] = [:]
        let prefix = folder.isEmpty ? "" : folder + "/"
        for file in files where file.path.hasPrefix(prefix) {
            let parts = file.path.dropFirst(prefix.count).split(
                separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
            guard let name = parts.first else { continue }
            let place = places[name] ?? children.count
            if place == children.count {
                places[name] = place
                children.append(Child(name: String(name)))
            }
            if parts.count == 1 { children[place].size = file.size } else { children[place].names.insert(parts[1]) }
        }
        return children
    }

    // MARK: Content

    /// `/Products(ID)/$value`: the file of a product that is one, else an archive of all.
    func value(of item: ItemRecord, _ call: Call) async throws -> Response {
        let files = try await allFiles(of: item, call)
        guard files.count == 1, item.product.map({ ProductPath(stored: $0).isFolder }) != true else {
            return try await zip(of: item, files, call)
        }
        return try await content(files[0].object, call)
    }

    func zip(of item: ItemRecord, _ call: Call) async throws -> Response {
        try await zip(of: item, try await allFiles(of: item, call), call)
    }

    /// `/Assets(ID)/$value`
    func asset(_ key: String, _ call: Call) async throws -> Response {
        guard let id = ProductID(key), let index = id.asset, let item = try await catalogue.item(number: id.number)
        else { throw Problem.notFound("there is no asset '\(key.prefix(80))'") }
        try await gate.require(
            call.caller.principal, "stac:GetItem", on: ResourceName.item(item.collection, item.id), call.caller.context)
        let product = Product(item, document: try JSONValue(parsing: item.document))
        guard let object = product.href(ofAsset: index).flatMap(addresses.object) else {
            throw Problem.notFound("the asset is not on this node")
        }
        return try await content(object, call)
    }

    /// One file, or the range of it that is asked for.
    private func content(_ file: ObjectName, _ call: Call) async throws -> Response {
        let object = try await open(file, call)
        let version = object.version
        let name = file.key.split(separator: "/").last.map(String.init) ?? file.key
        var headers: HTTPHeaders = [
            "Content-Type": version.contentType, "ETag": "\"\(version.etag)\"",
            "Last-Modified": version.created.httpDate, "Accept-Ranges": "bytes",
            "Content-Disposition": Self.attachment(name),
        ]
        switch Preconditions(call.request.headers).evaluate(
            etag: version.etag, modified: version.created, isRead: true)
        {
        case .proceed: break
        case .notModified: return Response(.notModified, headers: headers)
        case .failed(let header): throw Problem(.preconditionFailed, "precondition-failed", "\(header) does not hold")
        }
        switch ByteRange(header: call.request.header("range"), size: version.size) {
        case .whole:
            return try await .content(
                of: object, in: objects, range: 0..<version.size, status: .ok, headers: headers
            ) { logger.error("\($0)") }
        case .part(let range):
            headers.add(
                name: "Content-Range", value: "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(version.size)")
            return try await .content(
                of: object, in: objects, range: range, status: .partialContent, headers: headers
            ) { logger.error("\($0)") }
        case .unsatisfiable:
            throw Problem(
                .rangeNotSatisfiable, "range",
                "the range begins behind the end of the file, which has \(version.size) bytes",
                headers: ["Content-Range": "bytes */\(version.size)"])
        }
    }

    /// A file, if the caller may read it.
    private func open(_ file: ObjectName, _ call: Call) async throws -> OpenObject {
        try await requireRead(file, call)
        var object = try await objects.open(collection: file.collection, key: file.key)
        object.unlock = try await gate.unlock(object.version.encryption, of: objects, call.caller)
        return object
    }

    /// All files in one archive, as it is read; none of it is kept. It has no ranges: a file has them.
    private func zip(of item: ItemRecord, _ files: [File], _ call: Call) async throws -> Response {
        guard !files.isEmpty else { throw Problem.notFound("the product has no files on this node") }
        for file in files { try await requireRead(file.object, call) }
        let name = Product.name(of: item)
        let members = files.map { (name: "\(name)/\($0.path)", size: $0.size) }
        let headers: HTTPHeaders = [
            "Content-Type": MediaType.zip, "Content-Disposition": Self.attachment(name + ".zip"),
        ]
        return Response(
            .ok, headers: headers,
            body: .stream(length: ZipArchive.length(of: members)) { writer in
                var archive = ZipArchive()
                for (file, member) in Swift.zip(files, members) {
                    var object = try await objects.open(collection: file.object.collection, key: file.object.key)
                    // Replaced since the archive's length was told.
                    guard object.version.size == file.size else { throw BodyTruncated() }
                    object.unlock = try await gate.unlock(object.version.encryption, of: objects, call.caller)
                    try await writer.write(
                        ByteBuffer(bytes: archive.begin(member.name, size: file.size, modified: file.modified)))
                    let crc = Mutex(CRC(.crc32))
                    if file.size > 0 {
                        try await objects.read(object, range: 0..<file.size) { buffer in
                            crc.withLock { crc in buffer.withUnsafeReadableBytes { crc.update($0) } }
                            try await writer.write(buffer)
                        }
                    }
                    try await writer.write(
                        ByteBuffer(bytes: archive.end(crc: UInt32(truncatingIfNeeded: crc.withLock { $0.value }))))
                }
                try await writer.write(ByteBuffer(bytes: archive.directory()))
            })
    }

    private static func attachment(_ name: String) -> String {
        "attachment; filename*=UTF-8''\(PercentEncoding.encode(name))"
    }
}
