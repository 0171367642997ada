/// One statement of a policy, ready for evaluation.
struct Statement: Sendable {
    enum Effect: Sendable { case allow, deny }

    /// What an element names, or, as `NotAction` and its like, leaves out.
    struct Scope: Sendable {
        let patterns: [Pattern]
        let isNegated: Bool
    }

    /// Whom a statement names: by their own names, and by the identity provider that vouches for them.
    struct Principals: Sendable {
        let named: [Pattern]
        let federated: [Pattern]
        let isNegated: Bool
    }

    let sid: String?
    let effect: Effect
    let actions: Scope
    /// Nil in trust policies, which belong to their role.
    let resources: Scope?
    /// Nil in identity policies, which belong to their principal.
    let principals: Principals?
    let conditions: [Condition]

    /// Whether the statement speaks of this request.
    ///
    /// A variable without a value matches nothing. Where a negated element (`NotResource`, `StringNotEquals`) would
    /// then be true, it is so only in a Deny: a missing value never allows.
    func matches(_ request: PolicyRequest) -> Bool { speaks(of: request, conditions: conditions) }

    /// The same with some of its conditions.
    func speaks(of request: PolicyRequest, conditions: [Condition]) -> Bool {
        let unknown = effect == .deny
        guard covers(actions, [request.action], request.context, unknown: unknown) else { return false }
        if let resources, !covers(resources, request.resources, request.context, unknown: unknown) { return false }
        if let principals, !covers(principals, request) { return false }
        return conditions.allSatisfy { $0.holds(request.context, unknown: unknown) }
    }

    func covers(_ scope: Scope, _ texts: [[UInt8]], _ context: PolicyContext, unknown: Bool) -> Bool {
        var isUnknown = false
        for pattern in scope.patterns {
            for text in texts {
                switch pattern.outcome(text, context) {
                case .matches: return !scope.isNegated
                case .differs: continue
                case .variableWithoutValue: isUnknown = true
                }
            }
        }
        return scope.isNegated && (!isUnknown || unknown)
    }

    /// Principals hold no variables.
    func covers(_ principals: Principals, _ request: PolicyRequest) -> Bool {
        func names(_ patterns: [Pattern], _ texts: [[UInt8]]) -> Bool {
            patterns.contains { pattern in texts.contains { pattern.outcome($0, request.context) == .matches } }
        }
        let isNamed = names(principals.named, request.principals) || names(principals.federated, request.federated)
        return isNamed != principals.isNegated
    }
}
