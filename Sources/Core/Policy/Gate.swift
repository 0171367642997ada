package import IAMPolicy
package import Identity
package import Journal
import Wire

/// The circumstances of a request that policies can ask about.
package struct RequestContext: Sendable {
    package var address: String
    package var isSecure: Bool
    /// Further condition keys, such as `s3:prefix`.
    package var values: [String: [String]] = [:]

    package init(address: String, isSecure: Bool) {
        self.address = address
        self.isSecure = isSecure
    }
}

/// The one gate (DESIGN, idea 3): may this principal do this to that? Default deny.
package final class Gate: Sendable {
    private let policies: Policies
    private let journal: Journal

    package init(policies: Policies, journal: Journal) {
        self.policies = policies
        self.journal = journal
    }

    /// Decides, and says why. Nothing is recorded: for filtering lists and for explaining.
    package func decide(
        _ principal: Principal, _ action: String, on resource: String, _ context: RequestContext
    ) async throws -> Decision {
        let applicable = try await policies.applicable(to: principal)
        let request = PolicyRequest(
            principal: principal.arn, action: action, resource: resource,
            context: Self.conditionKeys(principal, context))
        return request.evaluate(applicable)
    }

    /// Decides, records the access or the denial, and throws where the answer is no.
    ///
    /// A denial is in the journal before the caller hears of it; an allowed access is written within a second.
    ///
    /// - Throws: ``AccessDenied``.
    package func require(
        _ principal: Principal, _ action: String, on resource: String, _ context: RequestContext
    ) async throws {
        let decision = try await decide(principal, action, on: resource, context)
        let reason = decision.description
        guard !decision.isAllowed else {
            journal.note(
                AccessRecord(
                    principal: principal.name, action: action, resource: resource, address: context.address,
                    isAllowed: true, reason: reason))
            return
        }
        // Nobody in particular could fill the journal with denials: theirs are counted together instead.
        if principal.isAnonymous {
            journal.note(
                AccessRecord(
                    principal: principal.name, action: action, resource: resource, address: context.address,
                    isAllowed: false, reason: reason))
        } else {
            try await journal.write { _, events in
                events.record(.denied, by: principal.name, on: resource) {
                    $0.member("action", action)
                    $0.member("reason", reason)
                    $0.member("address", context.address)
                }
            }
        }
        throw AccessDenied(
            principal: principal.name, action: action, resource: resource, reason: reason,
            isAnonymous: principal.isAnonymous)
    }

    private static func conditionKeys(_ principal: Principal, _ context: RequestContext) -> [String: [String]] {
        let now = Timestamp.now
        var keys = context.values
        keys["aws:SourceIp"] = [context.address]
        keys["aws:SecureTransport"] = [context.isSecure ? "true" : "false"]
        keys["aws:CurrentTime"] = [now.rfc3339]
        keys["aws:EpochTime"] = [String(now.seconds)]
        keys["aws:PrincipalArn"] = [principal.arn]
        keys["martlet:AuthenticationMethod"] = [principal.method.rawValue]
        if let id = principal.accountID {
            keys["aws:username"] = [principal.name]
            keys["aws:userid"] = [String(id)]
            keys["aws:PrincipalType"] = [principal.kind.rawValue]
            keys["jwt:preferred_username"] = [principal.name]
            keys["jwt:sub"] = [String(id)]
            keys["jwt:groups"] = principal.groups
        }
        return keys
    }
}

/// Names of things in policies.
package enum ResourceName {
    package static func collection(_ name: String) -> String { "arn:aws:s3:::\(name)" }
    package static func object(_ collection: String, _ key: String) -> String { "arn:aws:s3:::\(collection)/\(key)" }
    /// An item of the catalogue; `*` for all of a collection.
    package static func item(_ collection: String, _ id: String) -> String { "arn:martlet:stac:::\(collection)/\(id)" }
    package static func stacCollection(_ name: String) -> String { "arn:martlet:stac:::\(name)" }
    package static func account(_ name: String) -> String { "arn:martlet:iam:::account/\(name)" }
    package static func group(_ name: String) -> String { "arn:martlet:iam:::group/\(name)" }
    package static func policy(_ name: String) -> String { "arn:martlet:iam:::policy/\(name)" }
    /// A key of the hierarchy: `master`, `space/NAME`, `collection/NAME`; `*` for all.
    package static func encryptionKey(_ name: String) -> String { "arn:martlet:encryption:::\(name)" }
    package static let everything = "*"
}
