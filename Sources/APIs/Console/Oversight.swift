import HTTPSupport
import Identity
import Journal
import Policy
import Wire

/// Pages for those who look after the node: what happened, and who may do what.
extension ConsoleService {
    private static let auditPage = 100

    func audit(_ asked: QueryItems, _ caller: Caller) async throws -> Response {
        try await gate.require(caller.principal, "martlet:SearchAudit", on: ResourceName.audit, caller.context)
        do {
            let query = try AuditQuery(asked)
            var before: AuditCursor?
            if let text = asked["before"] {
                guard let cursor = AuditCursor(text) else { throw Problem.badRequest("This page does not exist.") }
                before = cursor
            }
            let page = try await journal.audit(query, before: before, limit: Self.auditPage)
            return AuditPage(
                principal: caller.principal, asked: asked, records: page.records, next: page.next?.text, problem: nil
            ).response(files)
        } catch let problem as Problem {
            return AuditPage(
                principal: caller.principal, asked: asked, records: [], next: nil, problem: problem.detail
            ).response(files)
        }
    }

    func access(_ asked: QueryItems, _ caller: Caller) async throws -> Response {
        let name = asked["who"] ?? ""
        try await gate.require(
            caller.principal, "iam:SimulatePrincipalPolicy", on: ResourceName.account(name.isEmpty ? "*" : name),
            caller.context)
        var page = AccessPage(principal: caller.principal, asked: asked)
        guard let action = asked["action"], let resource = asked["resource"], !name.isEmpty else {
            return page.response(files)
        }
        do {
            let principal = try await authenticator.identity.simulated(name, method: asked["method"] ?? "token")
            let address = asked["from"].flatMap { $0.isEmpty ? nil : $0 } ?? "192.0.2.1"
            page.simulation = try await gate.simulate(
                principal, action, on: resource, RequestContext(address: address, isSecure: true))
        } catch let error as IdentityError {
            page.problem = error.message
        }
        return page.response(files)
    }
}
