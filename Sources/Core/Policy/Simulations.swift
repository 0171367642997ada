import Database
package import IAMPolicy
package import Identity
import Journal

/// A decision with all that explains it. Nothing is recorded of it.
package struct Simulation: Sendable {
    package var decision: Decision
    /// The policies that were asked, and by whom each came to be: `group:science`, or what a bucket says itself.
    package var policies: [(name: String, from: [String])]
    /// What would have to be otherwise for somebody who was refused.
    package var nearMisses: [NearMiss]

    /// The policy that decided, and where it comes from; nil where none spoke of the request.
    package var deciding: (name: String, from: [String])? {
        let name: String
        switch decision.reason {
        case .allowed(let statement), .explicitDeny(let statement): name = statement.policy
        case .boundary(let policy): name = policy
        case .noMatchingAllow: return nil
        }
        return policies.first { $0.name == name } ?? (name, [])
    }
}

extension Gate {
    /// Decides as ``decide(_:_:on:_:)`` does, and says what was asked and what was missing.
    package func simulate(
        _ principal: Principal, _ action: String, on resource: String, _ context: RequestContext
    ) async throws -> Simulation {
        let question = try await question(principal, action, on: resource, context)
        let decision = try await decide(question)
        let applicable = question.policies + question.access.policies
        let origins = try await policies.origins(of: principal)
        return Simulation(
            decision: decision, policies: applicable.map { ($0.name, origins[$0.name] ?? []) },
            nearMisses: decision.nearMisses(of: question.request, applicable))
    }

    /// Decides by documents that are handed in, and by nothing else.
    ///
    /// - Throws: ``PolicyStoreError`` `.invalid`.
    package static func simulate(
        documents: [String], _ principal: Principal, _ action: String, on resource: String, _ context: RequestContext
    ) throws -> Simulation {
        var parsed: [AttachedPolicy] = []
        for (index, document) in documents.enumerated() {
            do {
                parsed.append((name: "PolicyInputList.\(index + 1)", document: try PolicyDocument(parsing: document)))
            } catch {
                throw PolicyStoreError(code: .invalid, message: error.message)
            }
        }
        let request = PolicyRequest(
            principals: principal.arns, action: action, resources: ResourceName.all(of: resource),
            context: conditionKeys(principal, context))
        let decision = request.evaluate(parsed)
        return Simulation(
            decision: decision, policies: parsed.map { ($0.name, []) },
            nearMisses: decision.nearMisses(of: request, parsed))
    }
}

extension Decision {
    /// What would have to be otherwise for somebody who was refused.
    fileprivate func nearMisses(of request: PolicyRequest, _ policies: [AttachedPolicy]) -> [NearMiss] {
        switch reason {
        case .allowed: []
        case .boundary(let name): request.nearMisses(policies, boundary: name)
        case .explicitDeny, .noMatchingAllow: request.nearMisses(policies)
        }
    }
}

extension Policies {
    /// By whom each policy comes to a principal: names with attachments.
    func origins(of principal: Principal) async throws -> [String: [String]] {
        let subjects = Self.subjects(of: principal).map(\.text)
        let marks = Array(repeating: "?", count: subjects.count).joined(separator: ", ")
        let rows = try await journal.read { reader in
            try reader.rows(
                "SELECT policy, subject FROM policy_attachments WHERE subject IN (\(marks)) ORDER BY policy, subject",
                subjects.map { SQLValue($0) }
            ) { (policy: $0.text(0), subject: $0.text(1)) }
                + reader.rows(
                    "SELECT name, subject FROM inline_policies WHERE subject IN (\(marks)) ORDER BY name, subject",
                    subjects.map { SQLValue($0) }
                ) { (policy: "\($0.text(0)) of \($0.text(1))", subject: $0.text(1)) }
        }
        var out: [String: [String]] = [:]
        for row in rows { out[row.policy, default: []].append(row.subject) }
        for boundary in try await journal.read({ try Self.boundaries(of: principal, $0) }) {
            out[boundary.name] = [boundary.subject.text]
        }
        if principal.groups.contains(administrators) { out["administrator"] = ["group:" + administrators] }
        return out
    }

    /// Whose policies apply to a principal.
    static func subjects(of principal: Principal) -> [Attachment] {
        if let role = principal.session?.role?.name { return [.everyone, .authenticated, .role(role)] }
        guard !principal.isAnonymous else { return [.everyone] }
        return [.everyone, .authenticated, .account(principal.name)] + principal.groups.map { .group($0) }
    }
}
