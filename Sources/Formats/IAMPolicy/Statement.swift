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
    func matches(_ request: PolicyRequest) -> Bool {
        // From what is soon said to what takes longer.
        coversAction(of: request) && covers(request.resources, request.context)
            && isAbout(request, conditions: conditions)
    }

    func coversAction(of request: PolicyRequest) -> Bool {
        covers(actions, [request.action], request.context, unknown: effect == .deny)
    }

    /// Whether it names who asks, and some of its conditions hold.
    func isAbout(_ request: PolicyRequest, conditions: [Condition]) -> Bool {
        if let principals, !covers(principals, request) { return false }
        return conditions.allSatisfy { $0.holds(request.context, unknown: effect == .deny) }
    }

    /// Whether it is about a resource with these names.
    func covers(_ resources: [[UInt8]], _ context: PolicyContext) -> Bool {
        self.resources.map { covers($0, resources, context, unknown: effect == .deny) } ?? true
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
