import HTTPSupport
import Identity
import NIOHTTP1
import SCIMFormat
import Wire

/// Lists: filtered, sorted, and a page at a time, by place (RFC 7644 §3.4.2.4) or by cursor (RFC 9865).
extension SCIMService {
    static let pageMax = 500
    private static let pageDefault = 100
    /// Resources that are read at once, and that one search looks through.
    private static let stretch = 500
    private static let examinedMax = 200_000

    /// A resource with the place that it has among all.
    struct Found {
        var id: Int64
        var resource: JSONValue
    }

    /// - Parameters:
    ///   - total: how many there are without a filter.
    ///   - next: reads those after a place, at most so many.
    func list(
        _ act: Act, total: () async throws -> Int64, next: (_ after: Int64, _ limit: Int) async throws -> [Found]
    ) async throws -> Result {
        let filter = try act.query["filter"].map { text throws(SCIMError) in try SCIMFilter(text) }
        let count = try Self.number(act.query["count"]).map { min(max(0, $0), Self.pageMax) } ?? Self.pageDefault
        let sort = try act.query["sortBy"].map { text throws(SCIMError) in try AttributePath(text) }
        if act.query.has("cursor") {
            guard sort == nil else {
                throw SCIMError(400, .invalidValue, "pages by cursor come in their own order: leave 'sortBy' out")
            }
            return try await page(act, filter, count, next)
        }
        let start = max(1, try Self.number(act.query["startIndex"]) ?? 1)
        var found: [JSONValue] = []
        var (passed, after, examined) = (0, Int64(0), 0)
        // Without filter and order, what is behind the page need not be read.
        let isPlain = filter == nil && sort == nil
        reading: while !(isPlain && passed >= start - 1 + count) {
            let stretch = try await next(after, Self.stretch)
            examined += stretch.count
            guard examined <= Self.examinedMax else {
                throw SCIMError(400, .tooMany, "there are more than \(Self.examinedMax): use 'cursor' instead")
            }
            for one in stretch where filter?.matches(one.resource) != false {
                passed += 1
                // Sorting needs all that match, in their full form; else only those on the page are kept.
                if sort != nil || (passed >= start && found.count < count) { found.append(one.resource) }
            }
            guard let last = stretch.last, stretch.count == Self.stretch else { break reading }
            after = last.id
        }
        let matched = isPlain ? Int(try await total()) : passed
        if let sort {
            let isDescending = act.query["sortOrder"]?.lowercased() == "descending"
            let keyed = found.enumerated().map { (key: Self.key(sort, $1), place: $0, value: $1) }
            let sorted = keyed.sorted { a, b in
                if a.key == b.key { return a.place < b.place }
                // What has no such attribute comes last (RFC 7644 §3.4.2.3).
                guard let x = a.key, let y = b.key else { return isDescending ? a.key == nil : a.key != nil }
                return isDescending ? y < x : x < y
            }
            found = Array(sorted.map(\.value).dropFirst(start - 1).prefix(count))
        }
        return Result(body: Self.document(try found.map { try Self.projected($0, act) }, total: matched, start: start))
    }

    private func page(
        _ act: Act, _ filter: SCIMFilter?, _ count: Int,
        _ next: (_ after: Int64, _ limit: Int) async throws -> [Found]
    ) async throws -> Result {
        let cursor = act.query["cursor"] ?? ""
        var after: Int64 = 0
        if !cursor.isEmpty {
            guard let bytes = Base64.decode(cursor), let text = String(validating: bytes, as: UTF8.self),
                text.hasPrefix("after "), let place = Int64(text.dropFirst(6)), place >= 0
            else { throw SCIMError(400, .invalidCursor, "the cursor is not one of this node's") }
            after = place
        }
        guard count > 0 else { throw SCIMError(400, .invalidCount, "a page by cursor has at least one resource") }
        var found: [JSONValue] = []
        var hasMore = true
        reading: while true {
            let stretch = try await next(after, filter == nil ? count - found.count + 1 : Self.stretch)
            for one in stretch where filter?.matches(one.resource) != false {
                if found.count == count { break reading }
                found.append(one.resource)
                after = one.id
            }
            guard let last = stretch.last, stretch.count >= (filter == nil ? count - found.count + 1 : Self.stretch)
            else {
                hasMore = false
                break
            }
            after = last.id
        }
        var document = Self.document(try found.map { try Self.projected($0, act) }, total: nil, start: nil).object
        if hasMore { document?["nextCursor"] = .string(Base64.encodeURL(Array("after \(after)".utf8))) }
        return Result(body: document.map { .object($0) })
    }

    private static func number(_ text: String?) throws(SCIMError) -> Int? {
        guard let text else { return nil }
        guard let number = Int(text) else {
            throw SCIMError(400, .invalidValue, "'\(text.prefix(40))' is no whole number")
        }
        return number
    }

    private static func key(_ path: AttributePath, _ resource: JSONValue) -> String? {
        guard let value = path.values(in: resource).first else { return nil }
        let text =
            value.object?.ignoringCase("value")?.string ?? value.string ?? value.bool.map { $0 ? "true" : "false" }
        return text?.lowercased()
    }

    private static func document(_ resources: [JSONValue], total: Int?, start: Int?) -> JSONValue {
        var out = JSONObject()
        out["schemas"] = ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
        if let total { out["totalResults"] = .integer(Int64(total)) }
        if let start { out["startIndex"] = .integer(Int64(start)) }
        out["itemsPerPage"] = .integer(Int64(resources.count))
        out["Resources"] = .array(resources)
        return .object(out)
    }

    // MARK: What is shown

    /// What is always told.
    private static let always: Set<String> = ["id", "schemas"]

    /// A resource with the attributes that were asked for (RFC 7644 §3.9).
    static func projected(_ resource: JSONValue, _ act: Act) throws(SCIMError) -> JSONValue {
        guard let object = resource.object else { return resource }
        func paths(_ name: String) throws(SCIMError) -> [AttributePath]? {
            guard let text = act.query[name] else { return nil }
            return try text.split(separator: ",").map { part throws(SCIMError) in
                try AttributePath(part.filter { $0 != " " })
            }
        }
        let (wanted, unwanted) = (try paths("attributes"), try paths("excludedAttributes"))
        guard wanted != nil || unwanted != nil else { return resource }
        var out = JSONObject()
        for member in object.members {
            let name = member.name.lowercased()
            var value = member.value
            if !always.contains(name) {
                if let wanted {
                    let meant = wanted.filter { $0.name == name }
                    guard !meant.isEmpty else { continue }
                    if !meant.contains(where: { $0.sub == nil }) {
                        value = part(value) { sub in meant.contains { $0.sub == sub } }
                    }
                } else if let meant = unwanted?.filter({ $0.name == name }), !meant.isEmpty {
                    guard !meant.contains(where: { $0.sub == nil }) else { continue }
                    value = part(value) { sub in !meant.contains { $0.sub == sub } }
                }
            }
            out[member.name] = value
        }
        return .object(out)
    }

    private static func part(_ value: JSONValue, _ isShown: (String) -> Bool) -> JSONValue {
        if let list = value.array { return .array(list.map { part($0, isShown) }) }
        guard let object = value.object else { return value }
        return .object(JSONObject(object.members.filter { isShown($0.name.lowercased()) }))
    }
}
