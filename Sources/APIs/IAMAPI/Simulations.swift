import HTTPSupport
import IAMPolicy
import Identity
import Policy
import Wire

/// What somebody may do, asked in AWS's way.
extension IAMService {
    private static let asked = ["ActionNames", "ResourceArns", "ContextEntries", "PolicyInputList"]

    static let simulations = [
        Operation(.iam, "SimulatePrincipalPolicy", asked + ["PolicySourceArn"]) { service, call in
            let arn = try call.parameters.required("PolicySourceArn")
            let (principal, resource) = try await service.simulated(arn)
            try await call.permit(on: resource)
            guard try call.parameters.members("PolicyInputList").isEmpty else {
                throw IAMError(.validationError, "PolicyInputList is for SimulateCustomPolicy here")
            }
            let context = try Self.context(call)
            return try await Self.results(call) { action, resource in
                try await service.gate.simulate(principal, action, on: resource, context)
            }
        },
        Operation(.iam, "SimulateCustomPolicy", asked) { service, call in
            try await call.permit(on: ResourceName.everything)
            let documents = try call.parameters.members("PolicyInputList")
            guard !documents.isEmpty else { throw IAMError(.validationError, "PolicyInputList is missing") }
            let (principal, context) = (call.caller.principal, try Self.context(call))
            return try await Self.results(call) { action, resource in
                try Gate.simulate(documents: documents, principal, action, on: resource, context)
            }
        },
    ]

    /// The principal that an ARN names, and what it is as a resource.
    private func simulated(_ arn: String) async throws -> (principal: Principal, resource: String) {
        let identity = authenticator.identity
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        let name = parts.count == 6 ? String(parts[5]) : ""
        if name.hasPrefix("user/") {
            let account = try await identity.account(String(name.dropFirst(5)))
            return (
                try await identity.principal(account: account.id, method: .accessKey),
                ResourceName.account(account.name)
            )
        }
        if name.hasPrefix("role/") {
            let role = try await identity.role(String(name.dropFirst(5)))
            return (.simulated(role), ResourceName.role(role.name))
        }
        throw IAMError(.validationError, "PolicySourceArn is that of a user or a role: arn:aws:iam::martlet:user/NAME")
    }

    private static func context(_ call: Call) throws -> RequestContext {
        var context = RequestContext(address: call.caller.context.address, isSecure: call.caller.context.isSecure)
        for entry in try call.parameters.entries("ContextEntries") {
            guard let key = entry["ContextKeyName"]?.first else {
                throw IAMError(.validationError, "an entry of ContextEntries has a ContextKeyName")
            }
            if key.lowercased() == "aws:sourceip", let address = entry["ContextKeyValues"]?.first {
                context.address = address
            }
            context.values[key] = entry["ContextKeyValues"] ?? []
        }
        return context
    }

    private static func results(
        _ call: Call, _ simulate: (_ action: String, _ resource: String) async throws -> Simulation
    ) async throws -> Fields {
        let actions = try call.parameters.members("ActionNames")
        guard !actions.isEmpty else { throw IAMError(.validationError, "ActionNames is missing") }
        let given = try call.parameters.members("ResourceArns")
        let resources = given.isEmpty ? ["*"] : given
        guard actions.count * resources.count <= 1000 else {
            throw IAMError(.validationError, "at most 1000 pairs of actions and resources are answered at once")
        }
        var results: [(action: String, resource: String, simulation: Simulation)] = []
        for action in actions {
            for resource in resources {
                results.append((action, resource, try await simulate(action, resource)))
            }
        }
        return { [results] xml in
            xml.element("IsTruncated", false)
            xml.element("EvaluationResults") { xml in
                for result in results {
                    xml.element("member") { write(result.action, result.resource, result.simulation, &$0) }
                }
            }
        }
    }

    private static func write(_ action: String, _ resource: String, _ simulation: Simulation, _ xml: inout XMLWriter) {
        xml.element("EvalActionName", action)
        xml.element("EvalResourceName", resource)
        var statements: [Decision.StatementReference] = []
        switch simulation.decision.reason {
        case .allowed(let statement):
            xml.element("EvalDecision", "allowed")
            statements = [statement]
        case .explicitDeny(let statement):
            xml.element("EvalDecision", "explicitDeny")
            statements = [statement]
        case .noMatchingAllow, .boundary: xml.element("EvalDecision", "implicitDeny")
        }
        xml.element("MatchedStatements") { xml in
            for statement in statements {
                xml.element("member") {
                    $0.element("SourcePolicyId", statement.policy)
                    $0.element("SourcePolicyType", "IAM Policy")
                }
            }
        }
        xml.element("MissingContextValues") { xml in
            for miss in simulation.nearMisses {
                if case .condition(let key, isAbsent: true) = miss.missing { xml.element("member", key) }
            }
        }
    }
}

extension Parameters {
    /// The members of a list of structures: of each, the values of its fields.
    func entries(_ name: String) throws -> [[String: [String]]] {
        let prefix = name + ".member."
        var out: [Int: [String: [(Int, String)]]] = [:]
        for item in all where item.name.hasPrefix(prefix) {
            let parts = item.name.dropFirst(prefix.count).split(separator: ".")
            guard parts.count >= 2, let number = Int(parts[0]), (1...100).contains(number),
                parts.count == 2 || parts.count == 4 && parts[2] == "member"
            else { throw IAMError(.validationError, "\(name) has members, numbered from 1 to 100, with fields") }
            let place = parts.count == 4 ? Int(parts[3]) ?? 0 : 0
            out[number, default: [:]][String(parts[1]), default: []].append((place, item.value ?? ""))
        }
        return out.sorted { $0.key < $1.key }.map { entry in
            entry.value.mapValues { values in values.sorted { $0.0 < $1.0 }.map(\.1) }
        }
    }
}
