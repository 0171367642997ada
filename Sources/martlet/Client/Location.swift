import NIOHTTP1
import Wire

/// A place that `cp` and `ls` are given: `s3://collection/key`, or a path of this machine.
enum Location {
    case remote(collection: String, key: String)
    case local(String)

    init(_ text: String) throws {
        guard text.hasPrefix("s3://") else {
            self = .local(text)
            return
        }
        let parts = text.dropFirst(5).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let collection = parts.first, !collection.isEmpty else {
            throw Failure(.failed, "'\(text)' names no collection: s3://COLLECTION/KEY")
        }
        self = .remote(collection: String(collection), key: parts.count > 1 ? String(parts[1]) : "")
    }
}

extension NodeClient {
    func objectURL(_ collection: String, _ key: String) -> String {
        "\(s3)/\(collection)/\(PercentEncoding.encode(key, keepingSlash: true))"
    }

    struct RemoteObject: Sendable {
        var key: String
        var size: Int64
        var etag: String
        var modified: String
    }

    /// One page of a listing.
    func list(
        _ collection: String, prefix: String, delimiter: String, token: String?
    ) async throws -> (objects: [RemoteObject], prefixes: [String], next: String?) {
        var query = QueryItems([
            ("list-type", "2"), ("prefix", prefix), ("delimiter", delimiter), ("encoding-type", "url"),
        ])
        if let token { query.items.append(("continuation-token", token)) }
        let answer = try await send(.GET, "\(s3)/\(collection)?\(query.encoded)")
        guard answer.status == .ok else { throw Self.failure(answer) }
        let root = try XMLElement(parsing: answer.bytes)
        func decoded(_ text: String?) -> String { text.flatMap { PercentEncoding.decode($0) } ?? "" }
        let objects = root.all("Contents").map { entry in
            RemoteObject(
                key: decoded(entry["Key"]?.text), size: entry["Size"].flatMap { Int64($0.text) } ?? 0,
                etag: (entry["ETag"]?.text ?? "").replacing("\"", with: ""), modified: entry["LastModified"]?.text ?? ""
            )
        }
        return (
            objects, root.all("CommonPrefixes").map { decoded($0["Prefix"]?.text) }, root["NextContinuationToken"]?.text
        )
    }

    /// Everything below a prefix, page after page.
    func listAll(_ collection: String, prefix: String) async throws -> [RemoteObject] {
        var out: [RemoteObject] = []
        var token: String?
        repeat {
            let page = try await list(collection, prefix: prefix, delimiter: "", token: token)
            out += page.objects
            token = page.next
        } while token != nil
        return out
    }
}
