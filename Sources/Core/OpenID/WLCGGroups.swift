import Wire

/// Groups by scopes (WLCG Common JWT Profiles 1.3 §3.1).
package enum WLCGGroups {
    /// Somebody asks for a group that is not theirs.
    package struct NotEntitled: Error, Sendable {
        package var group: String
    }

    /// The label of groups that are told only when they are asked for, as INDIGO IAM has it.
    static let optionalLabel = "wlcg.optional-group"

    /// Whether the profile can tell of a group of that name (§3.1).
    static func isName(_ name: String) -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { PercentEncoding.isUnreserved(byte) && !"-._~".utf8.contains(byte) }
        return name.utf8.first.map(isLetter) ?? false
            && name.utf8.allSatisfy { isLetter($0) || "_.-".utf8.contains($0) }
    }

    /// The groups that a token tells of, in the order of the scopes that ask for them.
    ///
    /// - Parameters:
    ///   - scopes: those of the token; `wlcg.groups` asks for the default groups, `wlcg.groups:/x` for one.
    ///   - standard: the groups that are told without being named, in the administrator's order.
    ///   - optional: those that are told only when they are named.
    package static func select(
        _ scopes: [String], standard: [String], optional: [String]
    ) throws(NotEntitled) -> [String] {
        var selected: [String] = []
        func add(_ groups: [String]) {
            for group in groups where !selected.contains(group) { selected.append(group) }
        }
        var isAsked = false
        for scope in scopes {
            if scope == "wlcg.groups" {
                isAsked = true
                add(standard)
            } else if scope.hasPrefix("wlcg.groups:") {
                isAsked = true
                let group = String(scope.dropFirst("wlcg.groups:".count))
                guard standard.contains(group) || optional.contains(group) else { throw NotEntitled(group: group) }
                add([group])
            }
        }
        // Default groups are never left out where groups are asked for at all.
        if isAsked { add(standard) }
        return selected
    }
}
