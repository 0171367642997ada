import HTTPSupport
import Identity
import Policy
import Wire

/// STS: who somebody is, and credentials that end by themselves.
extension IAMService {
    static let temporaryKeys: [Operation] = [
        Operation(.sts, "GetCallerIdentity", []) { try await $0.getCallerIdentity($1) },
        Operation(.sts, "GetSessionToken", ["DurationSeconds"]) { try await $0.getSessionToken($1) },
        Operation(.sts, "GetFederationToken", ["Name", "Policy", "DurationSeconds"] + tags) {
            try await $0.getFederationToken($1)
        },
        Operation(
            .sts, "AssumeRole",
            ["RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "PolicyArns", "ExternalId"] + tags
        ) { try await $0.assumeRole($1) },
        Operation(
            .sts, "AssumeRoleWithWebIdentity",
            [
                "RoleArn", "RoleSessionName", "DurationSeconds", "Policy", "PolicyArns", "WebIdentityToken",
                "ProviderId",
            ],
            isUnsigned: true
        ) { try await $0.assumeRoleWithWebIdentity($1) },
    ]

    private static let tags = ["Tags", "TransitiveTagKeys"]

    private func getCallerIdentity(_ call: Call) async throws -> Fields? {
        let principal = call.caller.principal
        let id = principal.session?.role.map { "\($0.id):\(principal.session?.name ?? "")" }
        return { xml in
            xml.element("Arn", principal.arn)
            xml.element("UserId", id ?? String(principal.accountID ?? 0))
            xml.element("Account", ResourceName.accountID)
        }
    }

    private func getSessionToken(_ call: Call) async throws -> Fields? {
        let credentials = try await sessions.open(
            for: call.caller.principal, seconds: try call.parameters.integer("DurationSeconds"), call.caller.context)
        return { Self.write(credentials, &$0) }
    }

    private func getFederationToken(_ call: Call) async throws -> Fields? {
        try Self.refuse(Self.tags, call)
        let name = try call.parameters.required("Name")
        guard let policy = call.parameters["Policy"] else {
            throw IAMError(.validationError, "Policy is missing: without one the session could do nothing")
        }
        let principal = call.caller.principal
        let credentials = try await sessions.open(
            for: principal, name: name, policy: policy, seconds: try call.parameters.integer("DurationSeconds"),
            call.caller.context)
        return { xml in
            Self.write(credentials, &xml)
            xml.element("FederatedUser") {
                $0.element("FederatedUserId", "\(ResourceName.accountID):\(name)")
                $0.element("Arn", principal.arn)
            }
            xml.element("PackedPolicySize", policy.utf8.count * 100 / RoleSessions.policyBytesMax)
        }
    }

    private func assumeRole(_ call: Call) async throws -> Fields? {
        let wish = try wish(call)
        let opened = try await sessions.assume(wish, by: call.caller.principal, call.caller.context)
        return { Self.write(opened, wish, &$0) }
    }

    private func assumeRoleWithWebIdentity(_ call: Call) async throws -> Fields? {
        let wish = try wish(call)
        // It would send the token to whom AWS knows by that name; here the token itself says whose it is.
        try Self.refuse(["ProviderId"], call)
        let token = try call.parameters.required("WebIdentityToken")
        let (opened, web) = try await sessions.assume(wish, token: token, call.caller.context)
        return { xml in
            Self.write(opened, wish, &xml)
            xml.element("SubjectFromWebIdentityToken", web.subject)
            xml.element("Audience", web.audience)
            xml.element("Provider", web.issuer.arn)
        }
    }

    private func wish(_ call: Call) throws -> RoleSessions.Wish {
        try Self.refuse(Self.tags + ["PolicyArns"], call)
        return RoleSessions.Wish(
            role: try Self.role(call), name: try call.parameters.required("RoleSessionName"),
            seconds: try call.parameters.integer("DurationSeconds"), policy: call.parameters["Policy"],
            externalID: call.parameters["ExternalId"])
    }

    /// What AWS knows and is not kept here is refused: who sends it relies on it.
    private static func refuse(_ names: [String], _ call: Call) throws {
        for name in names where call.parameters.has(name) {
            throw IAMError(
                .validationError,
                name == "PolicyArns"
                    ? "a session policy is given as Policy here, not as PolicyArns"
                    : "sessions have no \(name) here: leave it out")
        }
    }

    private static func role(_ call: Call) throws -> String {
        let arn = try call.parameters.required("RoleArn")
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "arn", parts[2] == "iam", parts[5].hasPrefix("role/") else {
            throw IAMError(.validationError, "RoleArn is like \(Role.arn("NAME"))")
        }
        return String(parts[5].dropFirst("role/".count))
    }

    private static func write(_ opened: RoleSessions.Opened, _ wish: RoleSessions.Wish, _ xml: inout XMLWriter) {
        write(opened.credentials, &xml)
        xml.element("AssumedRoleUser") {
            $0.element("AssumedRoleId", "\(opened.role.id):\(wish.name)")
            $0.element("Arn", "arn:aws:sts::martlet:assumed-role/\(opened.role.name)/\(wish.name)")
        }
        if let policy = wish.policy {
            xml.element("PackedPolicySize", policy.utf8.count * 100 / RoleSessions.policyBytesMax)
        }
    }

    private static func write(_ credentials: TemporaryCredentials, _ xml: inout XMLWriter) {
        xml.element("Credentials") {
            $0.element("AccessKeyId", credentials.accessKeyID)
            $0.element("SecretAccessKey", credentials.secret)
            $0.element("SessionToken", credentials.token)
            $0.element("Expiration", credentials.expires.rfc3339)
        }
    }
}
