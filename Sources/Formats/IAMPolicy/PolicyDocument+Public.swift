extension PolicyDocument {
    /// Whether a resource's policy opens something to people whom it does not name: a statement allows a principal with
    /// a wildcard, or everybody but some, and no condition keeps it to fixed values ("The meaning of public", Amazon
    /// S3 User Guide).
    package var isPublic: Bool { kind == .resource && statements.contains(where: \.isPublic) }
}

extension Statement {
    /// Keys whose fixed values make a statement speak of somebody in particular.
    private static let fixingKeys: Set<String> = [
        "aws:sourceip", "aws:sourcearn", "aws:sourceaccount", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner",
        "aws:userid", "aws:username", "aws:principalarn", "aws:principalaccount", "aws:principalorgid",
    ]

    fileprivate var isPublic: Bool {
        guard effect == .allow, let principals else { return false }
        guard principals.isNegated || !principals.named.allSatisfy(\.isFixed) else { return false }
        return !conditions.contains { Self.fixingKeys.contains($0.key) && $0.isFixing }
    }
}

extension Condition {
    /// Whether it holds for known values only.
    fileprivate var isFixing: Bool {
        guard !isNegated, !ifExists, quantifier != .forAllValues else { return false }
        switch test {
        case .text(let patterns, _): return patterns.allSatisfy(\.isFixed)
        case .arn(let patterns): return patterns.allSatisfy(\.isFixed)
        // Wider than a /8 of IPv4 (96 + 8 bits here) or a /32 of IPv6 is the public.
        case .address(let networks): return networks.allSatisfy { $0.isIPv4 ? $0.prefix >= 104 : $0.prefix >= 32 }
        case .number, .date, .bool, .binary, .null: return false
        }
    }
}

extension ARNPattern {
    fileprivate var isFixed: Bool { parts.allSatisfy(\.isFixed) }
}

extension IPNetwork {
    fileprivate var isIPv4: Bool { prefix >= 96 && high == 0 && low >> 32 == 0xFFFF }
}
