import HTTPSupport
import IAMPolicy
import Identity
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/simulations`: whether somebody may do something, and why.
    func simulations(_ call: Call) async throws -> Response {
        guard call.path.isEmpty, call.method == .POST else { throw Problem.methodNotAllowed("POST") }
        let body = try await call.body()
        let (action, resource) = (try body.required("action"), try body.required("resource"))
        let name = try body.required("principal")
        try await require(call, "iam:SimulatePrincipalPolicy", on: ResourceName.account(name))
        let principal = try await identity.simulated(name, method: body["method"]?.string ?? "token")
        var context = RequestContext(address: body["address"]?.string ?? "192.0.2.1", isSecure: true)
        if let isSecure = body["secure"]?.bool { context.isSecure = isSecure }
        for member in body["context"]?.object?.members ?? [] {
            context.values[member.name] = (member.value.array ?? [member.value]).compactMap(\.string)
        }
        let simulation = try await gate.simulate(principal, action, on: resource, context)
        return Response.json { json in
            json.member("allowed", simulation.decision.isAllowed)
            json.member("reason", simulation.decision.description)
            if let deciding = simulation.deciding {
                json.member("policy", deciding.name)
                json.member("from", deciding.from)
            }
            json.member("missing", simulation.nearMisses.map(\.description))
            json.key("policies")
            json.array { json in
                for policy in simulation.policies {
                    json.object {
                        $0.member("name", policy.name)
                        $0.member("from", policy.from)
                    }
                }
            }
        }
    }
}
