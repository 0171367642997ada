import Authority
import Certificates
import HTTPSupport
import Identity
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/certificates`: what the node has issued, and whose the certificates of other authorities are.
    func certificates(_ call: Call) async throws -> Response {
        do {
            switch call.path.first {
            case "links": return try await links(call)
            case "tokens": return try await tokens(call)
            case "issuers": return try await issuers(call)
            default: return try await issued(call)
            }
        } catch let error as CertificatesError {
            switch error.code {
            case .notFound: throw Problem.notFound(error.message)
            case .notAllowed: throw Problem.forbidden(error.message)
            case .alreadyRevoked: throw Problem.conflict(error.message)
            default: throw Problem.badRequest(error.message)
            }
        }
    }

    /// `/certificates` and `/certificates/{serial}`.
    private func issued(_ call: Call) async throws -> Response {
        switch (call.path.count, call.method) {
        case (0, .GET):
            let account = call.request.query?["account"]
            try await require(call, "acm-pca:ListCertificates", on: ResourceName.account(account ?? "*"))
            let page = try await authority.issued(account: account, after: call.after)
            return Response.json { json in
                json.key("certificates")
                json.array { json in for one in page { json.object { write(one, &$0) } } }
            }
        case (1, .GET):
            let one = try await authority.issued(serial: call.path[0])
            try await require(call, "acm-pca:GetCertificate", on: ResourceName.account(one.owner))
            let pem = try CertificateChain.pem(one.certificate)
            return Response.json {
                write(one, &$0)
                $0.member("certificate", pem)
            }
        case (1, .DELETE):
            let one = try await authority.issued(serial: call.path[0])
            try await require(call, "acm-pca:RevokeCertificate", on: ResourceName.account(one.owner))
            let name = call.request.query?["reason"] ?? RevocationReason.unspecified.name
            guard let reason = RevocationReason(name: name) else {
                let names = RevocationReason.allCases.map(\.name).joined(separator: ", ")
                throw Problem.badRequest("'\(name.prefix(40))' is no reason: \(names)")
            }
            try await authority.revoke(serial: one.serial, reason: reason, by: call.actor)
            authenticator.certificates?.forget()
            return Response(.noContent)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    /// `/certificates/tokens`: what somebody gets certificates with.
    private func tokens(_ call: Call) async throws -> Response {
        guard call.path.count == 1, call.method == .POST else { throw Problem.methodNotAllowed("POST") }
        let body = try await call.body()
        let account = try body.required("account")
        try await require(call, "acm-pca:IssueCertificate", on: ResourceName.account(account))
        let terms = EnrolmentTerms(
            account: account, hosts: (body["hosts"]?.array ?? []).compactMap(\.string),
            seconds: body["seconds"]?.integer)
        let validSeconds = body["validSeconds"]?.integer ?? 3600
        if body["acme"]?.bool == true {
            let made = try await authority.createBindingKey(terms, validSeconds: validSeconds, by: call.actor)
            return Response.json(.created) {
                $0.member("id", made.id)
                $0.member("directory", authority.settings.directory)
                $0.member("key", Base64.encodeURL(made.key))
            }
        }
        let made = try await authority.createToken(terms, validSeconds: validSeconds, by: call.actor)
        return Response.json(.created) {
            $0.member("id", made.id)
            $0.member("token", made.token)
        }
    }

    /// `/certificates/issuers`: the authorities that issue.
    private func issuers(_ call: Call) async throws -> Response {
        switch (call.path.count, call.path.last, call.method) {
        case (1, _, .GET):
            try await require(call, "acm-pca:ListCertificateAuthorities", on: ResourceName.authority)
            let all = try await authority.summaries()
            return Response.json { json in
                json.key("issuers")
                json.array { json in for one in all { json.object { write(one, &$0) } } }
            }
        case (1, _, .POST):
            try await require(call, "acm-pca:CreateCertificateAuthority", on: ResourceName.authority)
            let body = try await call.body()
            let domains = (body["domains"]?.array ?? []).compactMap(\.string)
            try await authority.createIssuer(permissions: NamePermissions(domains: domains), by: call.actor)
            return Response(.noContent)
        case (2, "request", .POST):
            try await require(call, "acm-pca:CreateCertificateAuthority", on: ResourceName.authority)
            let request = try await authority.requestIssuer(by: call.actor)
            return Response.json(.created) { $0.member("request", request) }
        case (2, "import", .POST):
            try await require(call, "acm-pca:ImportCertificateAuthorityCertificate", on: ResourceName.authority)
            try await authority.importIssuer(try await call.body().required("certificates"), by: call.actor)
            authenticator.certificates?.forget()
            return Response(.noContent)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    private func write(_ one: CertificateRecord, _ json: inout JSONWriter) {
        json.member("serial", one.serial)
        json.member("account", one.owner)
        json.member("subject", one.subject)
        json.member("hosts", one.hosts)
        json.member("issued", one.issued.rfc3339)
        json.member("expires", one.expires.rfc3339)
        if let revoked = one.revoked {
            json.member("revoked", revoked.rfc3339)
            json.member("reason", (one.reason ?? .unspecified).name)
        }
    }

    private func write(_ one: IssuerSummary, _ json: inout JSONWriter) {
        json.member("id", one.id)
        json.member("name", one.commonName)
        json.member("active", one.isActive)
        json.member("own", one.isOwn)
        json.member("domains", one.domains)
        json.member("created", one.created.rfc3339)
        if let expires = one.expires { json.member("expires", expires.rfc3339) }
    }

    /// `/certificates/links` and `/certificates/links/{id}`: whose the certificates of other authorities are.
    private func links(_ call: Call) async throws -> Response {
        guard let certificates = authenticator.certificates else {
            throw Problem.conflict("this node asks for no client certificates: it serves no TLS, or was told not to")
        }
        switch (call.path.count, call.path.first, call.method) {
        case (1, "links", .GET):
            let account = call.request.query?["account"]
            try await require(call, "iam:ListSigningCertificates", on: ResourceName.account(account ?? "*"))
            let page = try await certificates.links(account: account, after: call.after)
            return Response.json { json in
                json.key("links")
                json.array { json in for link in page { json.object { write(link, &$0) } } }
            }
        case (1, "links", .POST):
            let body = try await call.body()
            let account = try body.required("account")
            try await require(call, "iam:UploadSigningCertificate", on: ResourceName.account(account))
            let shown: PresentedCertificate
            do {
                let documents = try CertificateChain.documents(try body.required("certificate"))
                guard let leaf = documents.first else {
                    throw Problem.badRequest("there is no certificate in the text")
                }
                shown = PresentedCertificate(der: leaf, others: Array(documents.dropFirst()))
            } catch let error as CertificatesError {
                throw Problem.badRequest("the member 'certificate': \(error)")
            }
            let link = try await certificates.link(shown, to: account, by: call.actor)
            return Response.json(.created) { write(link, &$0) }
        case (2, "links", .DELETE):
            let owner = try await certificates.owner(ofLink: call.path[1])
            try await require(call, "iam:DeleteSigningCertificate", on: ResourceName.account(owner))
            try await certificates.unlink(call.path[1], by: call.actor)
            return Response(.noContent)
        default: throw Problem.notFound("there is nothing at \(call.request.rawPath) for \(call.method)")
        }
    }

    private func write(_ link: CertificateLink, _ json: inout JSONWriter) {
        json.member("id", link.id)
        json.member("account", link.account)
        json.member("subject", link.subject)
        json.member("issuer", link.issuer)
        json.member("created", link.created.rfc3339)
    }
}
