import NIOHTTP1
import Wire

/// What a request's path leads to: the list of collections, a collection, or something in one.
struct Address: Sendable, Hashable {
    /// Empty for the list of collections.
    var collection = ""
    /// Within the collection, without a `/` at either end; empty for the collection itself.
    var path = ""
    /// Whether there was a `/` at the end, by which a folder is told from a file of the same name.
    var endsInSlash = true

    /// The TID whose state is read, by the path or by a header; nil for the present one.
    var asOf: Int64?
    /// The TID that is part of the path.
    var snapshot: Int64?

    /// The first segment of paths in a collection below which the past is found: `.snapshots/@TID/…`.
    private static let snapshots = ".snapshots"

    /// - Parameter path: percent-encoded, as it was received.
    /// - Throws: ``WebDAVError`` 404 for what is not below `mount`, 400 for what is no path.
    init(_ path: String, below mount: String) throws {
        guard path.hasPrefix(mount), path.dropFirst(mount.count).first.map({ $0 == "/" }) ?? true else {
            throw WebDAVError(.notFound, "there is nothing at \(path.prefix(200))")
        }
        endsInSlash = path.hasSuffix("/") || path.utf8.count == mount.utf8.count
        var names: [String] = []
        for part in path.dropFirst(mount.count).split(separator: "/") {
            guard let name = PercentEncoding.decode(part), !name.utf8.contains(0), !name.contains("/") else {
                throw WebDAVError(.badRequest, "'\(part.prefix(80))' is not the percent-encoded name of a file")
            }
            guard name != ".", name != ".." else {
                throw WebDAVError(.badRequest, "a path has no segments '.' or '..'")
            }
            names.append(name)
        }
        guard let first = names.first else { return }
        collection = first
        var rest = names.dropFirst()
        if rest.first == Self.snapshots {
            guard let name = rest.dropFirst().first, name.hasPrefix("@"), let tid = Int64(name.dropFirst()), tid > 0
            else {
                throw WebDAVError(.notFound, "the past is found at '\(Self.snapshots)/@TID', of which there is no list")
            }
            (asOf, snapshot) = (tid, tid)
            rest = rest.dropFirst(2)
        }
        self.path = rest.joined(separator: "/")
    }

    init(collection: String, path: String, isFolder: Bool, snapshot: Int64? = nil) {
        self.collection = collection
        self.path = path
        endsInSlash = isFolder
        (asOf, self.snapshot) = (snapshot, snapshot)
    }

    var isRoot: Bool { collection.isEmpty }
    var isCollection: Bool { !isRoot && path.isEmpty }

    /// The last name of it.
    var name: Substring {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else {
            return path.isEmpty ? collection[...] : path[...]
        }
        return path[path.utf8.index(after: slash)...]
    }

    /// What keys of objects below it begin with.
    var prefix: String { path.isEmpty ? "" : path + "/" }

    /// Writes its address as clients know it.
    func writeHref(below mount: String, to xml: inout XMLWriter) {
        xml.content(path: mount)
        xml.verbatim("/")
        guard !isRoot else { return }
        xml.content(path: collection)
        xml.verbatim("/")
        if let snapshot { xml.verbatim(known: "\(Self.snapshots)/@\(snapshot)/") }
        guard !path.isEmpty else { return }
        xml.content(path: path)
        if endsInSlash { xml.verbatim("/") }
    }

    /// Its address as clients know it.
    func href(below mount: String) -> String {
        guard !isRoot else { return mount + "/" }
        let past = snapshot.map { "/\(Self.snapshots)/@\($0)" } ?? ""
        let rest =
            path.isEmpty
            ? past + "/" : past + "/" + PercentEncoding.encode(path, keepingSlash: true) + (endsInSlash ? "/" : "")
        return mount + "/" + PercentEncoding.encode(collection) + rest
    }
}
