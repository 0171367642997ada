/// Whether a request is allowed, and which statement decided.
package struct Decision: Hashable, Sendable, CustomStringConvertible {
    /// A statement, by its policy's name, its place (from 1) and its Sid.
    package struct StatementReference: Hashable, Sendable, CustomStringConvertible {
        package let policy: String
        package let number: Int
        package let sid: String?

        package var description: String {
            // Put together plainly: it is said of every request that is allowed.
            "statement " + String(number) + (sid.map { " (\"" + $0 + "\")" } ?? "") + " of policy \"" + policy + "\""
        }
    }

    package enum Reason: Hashable, Sendable {
        case explicitDeny(StatementReference)
        case allowed(StatementReference)
        /// No statement allows it, and what is not allowed is denied.
        case noMatchingAllow
        /// A statement allows it, but this boundary does not.
        case boundary(policy: String)
    }

    package let reason: Reason

    package var isAllowed: Bool { if case .allowed = reason { true } else { false } }

    /// One sentence.
    package var description: String {
        switch reason {
        case .explicitDeny(let statement): "Denied by " + statement.description + "."
        case .allowed(let statement): "Allowed by " + statement.description + "."
        case .noMatchingAllow: "Denied because no statement allows it."
        case .boundary(let policy): "Denied because the boundary \"\(policy)\" does not allow it."
        }
    }
}

extension PolicyRequest {
    /// Decides: an explicit Deny in any policy wins; else an identity or resource policy has to allow, and every
    /// boundary as well; else it is denied.
    package func evaluate(_ policies: [(name: String, document: PolicyDocument)]) -> Decision {
        var allowing: Decision.StatementReference?
        var refusingBoundary: String?
        for (name, document) in policies {
            var isAllowedHere = false
            for (index, statement) in document.statements.enumerated() {
                // Of the statements that allow, only the first matters.
                if statement.effect == .allow, isAllowedHere || (allowing != nil && document.kind != .boundary) {
                    continue
                }
                guard statement.matches(self) else { continue }
                let reference = Decision.StatementReference(policy: name, number: index + 1, sid: statement.sid)
                if statement.effect == .deny { return Decision(reason: .explicitDeny(reference)) }
                isAllowedHere = true
                if document.kind != .boundary { allowing = reference }
            }
            if document.kind == .boundary, !isAllowedHere, refusingBoundary == nil { refusingBoundary = name }
        }
        guard let allowing else { return Decision(reason: .noMatchingAllow) }
        if let refusingBoundary { return Decision(reason: .boundary(policy: refusingBoundary)) }
        return Decision(reason: .allowed(allowing))
    }
}
