import Identity
import Policy
import Wire

extension IAMService {
    static let providers: [Operation] = [
        // Thumbprints of certificates are AWS's past: an issuer's certificate is checked against the system's
        // authorities.
        Operation(.iam, "CreateOpenIDConnectProvider", ["Url", "ClientIDList", "ThumbprintList"]) {
            try await $0.createProvider($1)
        },
        Operation(.iam, "GetOpenIDConnectProvider", ["OpenIDConnectProviderArn"]) { try await $0.getProvider($1) },
        Operation(.iam, "ListOpenIDConnectProviders", []) { try await $0.listProviders($1) },
        Operation(.iam, "DeleteOpenIDConnectProvider", ["OpenIDConnectProviderArn"]) {
            try await $0.deleteProvider($1)
        },
    ]

    private func createProvider(_ call: Call) async throws -> Fields? {
        let url = try call.parameters.required("Url")
        let audiences = try call.parameters.members("ClientIDList")
        let name = Issuer.name(Issuer.trimmed(url))
        try await call.permit(on: ResourceName.issuer(name))
        guard !audiences.isEmpty else {
            throw IAMError(.validationError, "ClientIDList needs the audiences for which tokens are meant")
        }
        try await identity.trust(issuer: url, audiences: audiences, by: call.actor)
        return { $0.element("OpenIDConnectProviderArn", "arn:aws:iam::martlet:oidc-provider/\(name)") }
    }

    private func getProvider(_ call: Call) async throws -> Fields? {
        let issuer = try await provider(call)
        return { xml in
            xml.element("Url", issuer.name)
            xml.element("ClientIDList") { xml in
                for audience in issuer.audiences { xml.element("member", audience) }
            }
            xml.element("CreateDate", issuer.created.rfc3339)
        }
    }

    private func listProviders(_ call: Call) async throws -> Fields? {
        try await call.permit(on: ResourceName.issuer("*"))
        let issuers = try await identity.issuers()
        return { xml in
            xml.element("OpenIDConnectProviderList") { xml in
                for issuer in issuers { xml.element("member") { $0.element("Arn", issuer.arn) } }
            }
        }
    }

    private func deleteProvider(_ call: Call) async throws -> Fields? {
        try await identity.forget(issuer: try await provider(call).url, by: call.actor)
        return nil
    }

    /// The issuer that the action is about, once it is allowed.
    private func provider(_ call: Call) async throws -> Issuer {
        let arn = try call.parameters.required("OpenIDConnectProviderArn")
        let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6, parts[2] == "iam", parts[5].hasPrefix("oidc-provider/") else {
            throw IAMError(.validationError, "OpenIDConnectProviderArn is like arn:aws:iam::martlet:oidc-provider/HOST")
        }
        let name = parts[5].dropFirst("oidc-provider/".count)
        try await call.permit(on: ResourceName.issuer(String(name)))
        guard let issuer = try await identity.issuers().first(where: { $0.name == name }) else {
            throw IAMError(.noSuchEntity, "the issuer '\(name.prefix(200))' is not trusted here")
        }
        return issuer
    }
}
