import HTTPSupport
import Identity
import NIOHTTP1
import SCIMFormat
import Wire

/// What a client asks of a list (RFC 7644 §3.4.2, RFC 9865).
struct ListQuery {
    static let countMax = 1000
    static let countDefault = 100

    var filter: SCIMFilter?
    var sortBy: AttributePath?
    var isDescending = false
    /// From 1.
    var startIndex = 1
    var count = ListQuery.countDefault
    /// Nil for paging by index; empty for the first page by cursor.
    var cursor: String?
    var selection: AttributeSelection

    init(_ query: QueryItems) throws {
        try self.init(
            text: { query[$0] }, number: { query[$0].flatMap { Int($0) } }, attributes: query["attributes"],
            excluded: query["excludedAttributes"])
    }

    /// `/.search` (RFC 7644 §3.4.3).
    init(search body: JSONValue?) throws {
        let object = body?.object ?? JSONObject()
        func list(_ name: String) -> String? {
            object.member(name)?.array.map { $0.compactMap(\.string).joined(separator: ",") }
        }
        try self.init(
            text: { object.member($0)?.string }, number: { object.member($0)?.integer.flatMap { Int(exactly: $0) } },
            attributes: list("attributes"), excluded: list("excludedAttributes"))
    }

    private init(
        text: (String) -> String?, number: (String) -> Int?, attributes: String?, excluded: String?
    ) throws {
        selection = try AttributeSelection(attributes: attributes, excluded: excluded)
        if let text = text("filter"), !text.isEmpty { filter = try SCIMFilter(parsing: text) }
        if let text = text("sortBy"), !text.isEmpty { sortBy = try AttributePath(parsing: text) }
        isDescending = text("sortOrder")?.lowercased() == "descending"
        startIndex = max(1, number("startIndex") ?? 1)
        count = min(max(0, number("count") ?? Self.countDefault), Self.countMax)
        cursor = text("cursor")
    }
}

/// What a list is of.
enum Listed { case users, groups }

extension SCIMService {
    /// Resources that a filter is held against, and that are sorted, before a client is asked to say more exactly what
    /// it wants.
    private static let examinedMax = 100_000
    private static let sortedMax = 20_000
    private static let batch = 500

    private struct Found {
        var id: Int64
        var resource: JSONObject
    }

    func list(_ kinds: [Listed], _ query: ListQuery, _ call: Call) async throws -> Response {
        if kinds.count == 1, let listed = kinds.first, query.sortBy == nil {
            if query.filter == nil { return try await listAll(listed, query, call) }
            if query.cursor != nil { return try await listFiltered(listed, query, call) }
        }
        var found: [Found] = []
        let isSorted = query.sortBy != nil
        var first = query.startIndex - 1
        if let cursor = query.cursor { first = Int(try Self.position(cursor)) }
        var total = 0
        for listed in kinds {
            try await examine(listed, query, call, after: 0) { one in
                total += 1
                if isSorted || (total > first && found.count < query.count) { found.append(one) }
                guard !isSorted || found.count <= Self.sortedMax else {
                    throw SCIMError(.tooMany, "more than \(Self.sortedMax) resources match: they cannot be sorted")
                }
                return true
            }
        }
        if let path = query.sortBy {
            found = Self.sorted(found, by: path, isDescending: query.isDescending)
            found = Array(found.dropFirst(first).prefix(query.count))
        }
        let end = first + found.count
        let next = query.cursor != nil && end < total && !found.isEmpty ? Self.cursor(Int64(end)) : nil
        return Self.page(found, total: total, startIndex: first + 1, query, next: next)
    }

    /// Everything, page by page: what a system does that looks for differences.
    private func listAll(_ listed: Listed, _ query: ListQuery, _ call: Call) async throws -> Response {
        let total = try await listed == .users ? identity.accountCount() : identity.groupCount()
        let after = try query.cursor.map { try Self.position($0) } ?? 0
        let found = try await resources(
            listed, nil, query, call, after: after, skipping: query.cursor == nil ? query.startIndex - 1 : 0,
            limit: query.count)
        let next = query.cursor != nil && found.count == query.count ? found.last.map { Self.cursor($0.id) } : nil
        return Self.page(found, total: total, startIndex: query.startIndex, query, next: next)
    }

    /// A page by cursor goes on where the one before ended, and does not count what comes after it.
    private func listFiltered(_ listed: Listed, _ query: ListQuery, _ call: Call) async throws -> Response {
        var found: [Found] = []
        try await examine(listed, query, call, after: try Self.position(query.cursor ?? "")) { one in
            found.append(one)
            return found.count < query.count
        }
        let next = found.count == query.count ? found.last.map { Self.cursor($0.id) } : nil
        return Self.page(found, total: nil, startIndex: nil, query, next: next)
    }

    /// Hands out all resources that match, in the order of their ids, until `body` says that it has enough.
    private func examine(
        _ listed: Listed, _ query: ListQuery, _ call: Call, after start: Int64, _ body: (Found) throws -> Bool
    ) async throws {
        let key = query.filter.flatMap { Self.key(of: $0, listed) }
        var (after, examined) = (start, 0)
        while true {
            let batch = try await resources(listed, key, query, call, after: after, skipping: 0, limit: Self.batch)
            for one in batch where query.filter?.matches(.object(one.resource)) ?? true {
                guard try body(one) else { return }
            }
            examined += batch.count
            guard batch.count == Self.batch, let last = batch.last else { return }
            guard examined < Self.examinedMax else {
                throw SCIMError(
                    .tooMany,
                    "more than \(Self.examinedMax) resources would have to be looked at: filter by id, userName, "
                        + "displayName of a group or externalId")
            }
            after = last.id
        }
    }

    /// The part of a filter that an index answers.
    private static func key(of filter: SCIMFilter, _ listed: Listed) -> ProvisioningKey? {
        if let id = filter.requiredValue(of: AttributePath("id")) { return .uuid(id) }
        if let id = filter.requiredValue(of: AttributePath("externalId")), !id.isEmpty { return .externalID(id) }
        let name = AttributePath(listed == .users ? "userName" : "displayName")
        return filter.requiredValue(of: name).map { .name($0) }
    }

    private func resources(
        _ listed: Listed, _ key: ProvisioningKey?, _ query: ListQuery, _ call: Call, after id: Int64, skipping: Int,
        limit: Int
    ) async throws -> [Found] {
        func needs(_ name: String) -> Bool {
            query.selection.includes(name) || query.filter?.mentions(name) == true || query.sortBy?.name == name
        }
        switch listed {
        case .users:
            let accounts = try await identity.provisionedAccounts(
                key, after: id, skipping: skipping, limit: limit, withGroups: needs("groups"))
            return accounts.map {
                Found(id: $0.account.id, resource: Resources.resource($0, base: call.base))
            }
        case .groups:
            let groups = try await identity.provisionedGroups(
                key, after: id, skipping: skipping, limit: limit, withMembers: needs("members"))
            return groups.map { Found(id: $0.group.id, resource: Resources.resource($0, base: call.base)) }
        }
    }

    private static func sorted(_ found: [Found], by path: AttributePath, isDescending: Bool) -> [Found] {
        func text(_ one: Found) -> String? {
            let value = one.resource.member(path.name)
            let inner =
                value?.array.flatMap { values in
                    values.first { $0["primary"]?.bool == true } ?? values.first
                } ?? value
            guard let sub = path.sub ?? (inner?.object == nil ? nil : "value") else { return inner.flatMap(plain) }
            return inner?.object?.member(sub).flatMap(plain)
        }
        // Those without a value come last in ascending order (RFC 7644 §3.4.2.3).
        let keyed = found.map { (key: text($0)?.lowercased(), one: $0) }
        let ascending = keyed.sorted { a, b in
            switch (a.key, b.key) {
            case (let x?, let y?): x == y ? a.one.id < b.one.id : x < y
            case (nil, nil): a.one.id < b.one.id
            case (nil, _): false
            case (_, nil): true
            }
        }
        return (isDescending ? ascending.reversed() : ascending).map(\.one)
    }

    private static func plain(_ value: JSONValue) -> String? { value.string ?? value.bool.map(String.init) }

    private static func cursor(_ position: Int64) -> String { Base64.encodeURL(Array(String(position).utf8)) }

    private static func position(_ cursor: String) throws -> Int64 {
        guard !cursor.isEmpty else { return 0 }
        guard let bytes = Base64.decode(cursor), let position = Int64(String(decoding: bytes, as: UTF8.self)),
            position >= 0
        else { throw SCIMError(.invalidCursor, "the cursor is none of ours: begin with an empty one") }
        return position
    }

    private static func page(
        _ found: [Found], total: Int?, startIndex: Int?, _ query: ListQuery, next: String?
    ) -> Response {
        var json = JSONWriter(capacity: 256 + found.count * 512)
        json.object { json in
            json.member("schemas", ["urn:ietf:params:scim:api:messages:2.0:ListResponse"])
            if let total { json.member("totalResults", total) }
            json.member("itemsPerPage", found.count)
            if query.cursor == nil, let startIndex { json.member("startIndex", startIndex) }
            if let next { json.member("nextCursor", next) }
            json.key("Resources")
            json.array { json in
                for one in found { json.value(.object(query.selection.applied(to: one.resource))) }
            }
        }
        return response(.ok, json.bytes)
    }
}
