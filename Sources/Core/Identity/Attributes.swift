import Database
package import Journal
import Wire

extension EventKind {
    package static let attributesChanged = EventKind("attributes.changed")
}

/// Whose attributes are meant.
package enum AttributeOwner: Sendable, Hashable {
    case account(String)
    case group(String)

    package var name: String {
        switch self {
        case .account(let name), .group(let name): name
        }
    }
}

/// Names with values that accounts and groups have beside what the node itself knows of them. One whose value is empty
/// is a label.
extension Identity {
    private static let attributesMax = 100

    /// The attributes of an account or a group, in the order of their names.
    package func attributes(of owner: AttributeOwner) async throws -> [(name: String, value: String)] {
        try await journal.find { reader in
            let (column, id) = try Self.place(owner, in: reader)
            return try reader.rows(
                "SELECT name, value FROM attributes WHERE \(column) = ? ORDER BY name", .init(id)
            ) { ($0.text(0), $0.text(1)) }
        }
    }

    /// Sets some attributes and removes others, for which nil is given.
    ///
    /// - Throws: ``IdentityError`` `.notFound`, `.invalidName`, `.limit`.
    package func setAttributes(
        _ changes: [(name: String, value: String?)], of owner: AttributeOwner, by actor: String
    ) async throws {
        for (name, value) in changes {
            let isFine = name.utf8.allSatisfy { PercentEncoding.isUnreserved($0) || ":/".utf8.contains($0) }
            guard isFine, (1...128).contains(name.utf8.count) else {
                throw IdentityError(
                    .invalidName,
                    "'\(name.prefix(80))' is no name of an attribute: 1 to 128 letters, digits or characters of -._~:/")
            }
            guard (value ?? "").utf8.count <= 1024, !(value ?? "").utf8.contains(0) else {
                throw IdentityError(.limit, "the value of the attribute '\(name)' has up to 1,024 bytes")
            }
        }
        try await journal.write { transaction, events in
            let (column, id) = try Self.place(owner, in: transaction)
            for (name, value) in changes {
                try transaction.run("DELETE FROM attributes WHERE \(column) = ? AND name = ?", .init(id), .init(name))
                guard let value else { continue }
                try transaction.run(
                    "INSERT INTO attributes (\(column), name, value) VALUES (?, ?, ?)", .init(id), .init(name),
                    .init(value))
            }
            let count =
                try transaction.scalar(
                    "SELECT count(*) FROM attributes WHERE \(column) = ?", .init(id)) ?? 0
            guard count <= Self.attributesMax else {
                throw IdentityError(.limit, "'\(owner.name)' would have more than \(Self.attributesMax) attributes")
            }
            events.record(.attributesChanged, by: actor, on: owner.name) { json in
                for (name, value) in changes { json.member(name, value.map { .string($0) } ?? .null) }
            }
        }
    }

    /// The groups of a principal that have an attribute, whatever its value.
    package func groups(withAttribute name: String, of principal: Principal) async throws -> Set<String> {
        guard !principal.groups.isEmpty else { return [] }
        let marks = principal.groups.map { _ in "?" }.joined(separator: ", ")
        let found = try await journal.find { reader in
            try reader.rows(
                """
                SELECT g.name FROM groups g JOIN attributes a ON a.group_id = g.id
                WHERE a.name = ? AND g.name IN (\(marks))
                """,
                [.init(name)] + principal.groups.map { .init($0) }
            ) { $0.text(0) }
        }
        return Set(found)
    }

    private static func place(_ owner: AttributeOwner, in reader: Reader) throws -> (column: String, id: Int64) {
        switch owner {
        case .account(let name): ("account", try accountID(name, in: reader))
        case .group(let name): ("group_id", try groupID(name, in: reader))
        }
    }
}
