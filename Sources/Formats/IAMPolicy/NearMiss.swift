/// A statement that would have allowed a request, had one thing been otherwise.
package struct NearMiss: Hashable, Sendable {
    package enum Missing: Hashable, Sendable {
        case action, resource, principal
        /// A condition on this key, by its name in lower case; `isAbsent` where the request has no value of it.
        case condition(key: String, isAbsent: Bool)
    }

    package var statement: Decision.StatementReference
    package var missing: Missing

    /// What would have to be otherwise.
    package var description: String {
        switch missing {
        case .action: "\(statement) allows other actions on this"
        case .resource: "\(statement) allows this on other resources"
        case .principal: "\(statement) allows this to others"
        case .condition(let key, let isAbsent):
            "\(statement) allows this under another \(key)" + (isAbsent ? ", of which the request says nothing" : "")
        }
    }
}

extension PolicyRequest {
    /// Statements that would allow the request, had one thing been otherwise: at most 20, in the order of the policies.
    ///
    /// - Parameter boundary: the name of the boundary that refused, whose statements are meant then; nil where none
    ///   did.
    package func nearMisses(
        _ policies: [(name: String, document: PolicyDocument)], boundary: String? = nil
    ) -> [NearMiss] {
        var out: [NearMiss] = []
        for (name, document) in policies where boundary == nil ? document.kind != .boundary : name == boundary {
            for (index, statement) in document.statements.enumerated() where statement.effect == .allow {
                guard out.count < 20 else { return out }
                guard let missing = statement.onlyMissing(for: self) else { continue }
                let reference = Decision.StatementReference(policy: name, number: index + 1, sid: statement.sid)
                out.append(NearMiss(statement: reference, missing: missing))
            }
        }
        return out
    }
}

extension Statement {
    /// The one thing that keeps it from speaking of a request; nil where there is none, or more than one.
    fileprivate func onlyMissing(for request: PolicyRequest) -> NearMiss.Missing? {
        var missing: [NearMiss.Missing] = []
        if !covers(actions, [request.action], request.context, unknown: false) { missing.append(.action) }
        if let resources, !covers(resources, request.resources, request.context, unknown: false) {
            missing.append(.resource)
        }
        if let principals, !covers(principals, request) { missing.append(.principal) }
        for condition in conditions where !condition.holds(request.context, unknown: false) {
            missing.append(.condition(key: condition.key, isAbsent: request.context[condition.key].isEmpty))
        }
        return missing.count == 1 ? missing.first : nil
    }
}
